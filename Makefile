# Every target sets up what it needs in .venv first; nothing outside this folder is touched.

.DEFAULT_GOAL := help
.PHONY: help setup demo test check types lint format bench clean

VENV := .venv
BIN := $(VENV)/bin
# The first interpreter that is new enough; PYTHON=... chooses another.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PYTEST := $(BIN)/python -m pytest -n auto -q
# Some machines set these for other OpenBLAS builds; here they halve NumPy's speed.
unexport OPENBLAS_CORETYPE
unexport OPENBLAS_L2_SIZE

help:
	@echo "make demo    train a classifier in one compiled step and build it into a C library"
	@echo "make test    the tests"
	@echo "make check   types, lint and format"
	@echo "make bench   ratios against torch and jax, where those are installed"
	@echo "make clean   remove what the above made"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "ingot needs Python 3.11 or newer; none was found (set PYTHON=...)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,samples]'
	@touch $@

demo: setup
	$(BIN)/python samples/digits.py

test: setup
	$(PYTEST)

check: types lint format

types: setup
	$(BIN)/python tests/link_tree.py
	$(BIN)/python -m mypy

lint: setup
	$(BIN)/ruff check

format: setup
	$(BIN)/ruff format --check

bench: setup
	$(BIN)/python tests/benchmarks/run.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
