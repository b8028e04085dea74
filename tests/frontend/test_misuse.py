"""Mistakes are errors of PyTorch's types that show what was wrong and where; the types are checked against torch too
(tests/torch_cases/misuse.py)."""

from __future__ import annotations

import re
import warnings
from typing import Any

import misuse
import pytest

import ingot
from ingot.runtime.errors import CODES, MAX_LINES, IngotError

# Python's own errors for names that do not exist and calls that do not fit.
PLAIN = {"unknown function", "unknown method", "unknown attribute", "unknown argument", "Linear twice"}
PLAIN |= {"clip_grad_norm_ nan", "missing argument"}


def shows(text: str, part: str) -> bool:
    """Whether a text holds a part. Shapes are spelled f32[2,3], [2, 3] and (2, 3); dtypes f32 and float32."""
    plain = text.replace(" ", "").replace("(", "[").replace(")", "]").replace(",]", "]")
    wanted = part.replace(" ", "").replace("(", "[").replace(")", "]")
    return any(w in plain for w in (wanted, LONG.get(wanted, wanted), wanted.replace("[", "f32[", 1)))


LONG = {"f32": "float32", "i64": "int64"}


@pytest.mark.parametrize("made", misuse.MISUSES, ids=lambda made: made.name.replace(" ", "_"))
def test_mistakes(made: misuse.Misuse) -> None:
    with warnings.catch_warnings(), pytest.raises(made.kind) as caught:
        warnings.simplefilter("ignore")
        made.run(ingot)
    text = str(caught.value)
    # The user's line is that of the table, where the expected parts stand too.
    rest = "\n".join(line for line in text.splitlines() if not re.match(r"\s+at .*misuse\.py:\d+: misuse\(", line))
    assert [part for part in made.shown if not shows(rest, part)] == [], text
    if made.name in PLAIN:
        return
    error: Any = caught.value
    assert isinstance(error, IngotError), repr(error)
    assert error.code in CODES and text.startswith(f"[{error.code}] ")
    assert re.search(r"misuse\.py:\d+", text), text
    assert len(text.splitlines()) <= MAX_LINES and max(map(len, text.splitlines())) < 400
    assert "Traceback" not in text and "frontend/" not in text.replace("tests/frontend/", "")


def test_names_are_unique() -> None:
    names = [made.name for made in misuse.MISUSES]
    assert len(set(names)) == len(names)


def test_the_line_is_the_users() -> None:
    for run, source in [
        (misuse.leaf_in_place, "x.add_(1)"),
        (misuse.backward_twice, "y.backward()"),
        (misuse.operand_overwritten, "y.sum().backward()"),
        (misuse.other_shapes, "T.nn.Linear(3, 2).load_state_dict"),
    ]:
        with pytest.raises(IngotError) as caught:
            run(ingot)
        assert caught.value.where is not None and source in caught.value.where


def test_mistakes_in_compiled_functions_name_the_line() -> None:
    @ingot.jit
    def product(x: Any, y: Any) -> Any:
        return x @ y

    with pytest.raises(RuntimeError, match=r"(?s)test_misuse.py:\d+: return x @ y.*f32\[2,3\] and f32\[4,5\]"):
        product(ingot.ones(2, 3), ingot.ones(4, 5))
