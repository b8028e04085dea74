"""Random programs and sessions give what PyTorch gives, eager and compiled. A test's id has the seed of its program.

`python tests/torch_fuzz_run.py FIRST COUNT` and `python tests/torch_fuzz_training.py FIRST COUNT` run others.
"""

from __future__ import annotations

import importlib
from typing import Any

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
pytest.importorskip("torch")

programs: Any = importlib.import_module("torch_fuzz")
running: Any = importlib.import_module("torch_fuzz_run")
training: Any = importlib.import_module("torch_fuzz_training")


@pytest.mark.parametrize("seed", range(200))
def test_eager_programs(seed: int) -> None:
    given = programs.program(seed)
    assert running.failure(given, ("eager",)) is None, given.text()


@pytest.mark.parametrize("seed", range(200, 270))
def test_compiled_programs(seed: int) -> None:
    given = programs.program(seed)
    assert running.failure(given, ("jit",)) is None, given.text()


@pytest.mark.parametrize("seed", range(30))
def test_sessions(seed: int) -> None:
    first, steps = training.session(seed)
    assert training.failure(first, steps) is None, "\n".join([first, *steps])
