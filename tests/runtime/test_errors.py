"""Errors: their text, their codes, and what they are caught as."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

import ingot.runtime.errors as errors
from ingot.runtime.errors import CODES, IngotError, ShapeError, explain

RUNTIME = Path(errors.__file__).parent
CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, IngotError)]


def test_the_text_has_place_details_and_advice() -> None:
    error = ShapeError("IG201", "shapes differ", where="a.py:3: x + y", detail=["x: (2,)", "y: (3,)"], fix="x[:2]")
    assert str(error) == ("[IG201] shapes differ\n  at a.py:3: x + y\n  x: (2,)\n  y: (3,)\n  write instead: x[:2]")
    assert error.message == str(error).removeprefix("[IG201] ")


def test_at_most_twelve_lines() -> None:
    error = IngotError("IG201", "what", where="w", detail=[f"line {i}" for i in range(50)], fix="fix")
    lines = str(error).splitlines()
    assert len(lines) == 12 and lines[-2] == "  ... and 42 more" and lines[-1] == "  write instead: fix"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_errors_print_and_pickle_alike(kind: type[IngotError]) -> None:
    error = kind("IG201", "what", detail=["why"], fix="this")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind and str(again) == str(error) == "[IG201] what\n  why\n  write instead: this"


def test_natural_builtin_classes() -> None:
    bases = {
        "ShapeError": RuntimeError,
        "DTypeError": TypeError,
        "TraceError": RuntimeError,
        "SpecError": ValueError,
        "UnknownNameError": LookupError,
        "BuildError": RuntimeError,
        "OutputError": OSError,
        "VerifyError": AssertionError,
        "GradError": RuntimeError,
    }
    for name, base in bases.items():
        assert issubclass(getattr(errors, name), base)


def test_explain() -> None:
    assert explain("IG203") == explain("203") == explain("ig203") == f"IG203: {CODES['IG203']}"
    with pytest.raises(errors.UnknownNameError, match=r"\[IG002\] there is no error code 'IG999x'"):
        explain("IG999x")


def test_every_code_that_the_runtime_uses_is_explained() -> None:
    used = {code for path in RUNTIME.glob("*.py") for code in re.findall(r'"(IG\d+)"', path.read_text())}
    assert used <= CODES.keys()
