"""Functions and modules against PyTorch: results, gradients, dtypes, layouts, eager and compiled.

Skipped where torch is not installed. `pytest -m torch` runs this and the other comparisons.
"""

from __future__ import annotations

import builtins
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import peer
import pytest

import ingot

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

AREAS = sorted(path.stem for path in (Path(__file__).parent / "torch_cases").glob("*.py"))


def _runs() -> Iterator[Any]:
    for area in AREAS:
        cases: list[peer.Case] = importlib.import_module(f"torch_cases.{area}").CASES
        names = [case.name for case in cases]
        assert len(set(names)) == len(names), (
            f"{area}: a name occurs twice: {sorted(n for n in names if names.count(n) > 1)}"
        )
        for case in cases:
            for run in peer.runs(case):
                name = "-".join([area, case.name, run.dtype, run.layout, run.mode]).replace(" ", "_")
                yield pytest.param(run, id=name)


def _their_error(run: peer.Run, error: Exception) -> None:
    """What torch raised is the expected result, or torch lacks the dtype, or the case is wrong."""
    case = run.case
    if case.raises:
        return
    if "not implemented for" in str(error) or isinstance(error, NotImplementedError):
        pytest.skip(f"torch: {error}")
    if run.dtype in ("float32", "float64") and run.layout == "contiguous":
        raise error


def _type_of(error: Exception) -> type[BaseException]:
    """The builtin exception type that the error is one of."""
    for kind in type(error).__mro__:
        if kind.__module__ == "builtins" and kind is not NotImplementedError:
            return getattr(builtins, kind.__name__)  # type: ignore[no-any-return]
    return Exception


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("run", list(_runs()))
def test_agrees(run: peer.Run) -> None:
    eager = run._replace(mode="eager")
    state: Any = None
    try:
        if run.case.build:
            theirs, state = peer.module_outcome(torch, eager, None)
        else:
            theirs = peer.function_outcome(torch, eager)
    except Exception as error:
        _their_error(run, error)
        with pytest.raises(_type_of(error)):
            peer.module_outcome(ingot, run, None) if run.case.build else peer.function_outcome(ingot, run)
        return
    assert not run.case.raises, "torch raises nothing"
    if run.case.build:
        ours, new = peer.module_outcome(ingot, run, state)
        _same_state(new, state, run)
    else:
        ours = peer.function_outcome(ingot, run)
    peer.compare(ours, theirs, run)


def _same_state(ours: dict[str, Any], theirs: dict[str, Any], run: peer.Run) -> None:
    """A new module has PyTorch's parameters and buffers, by name and shape, and by value for the same seed."""
    shapes = {name: array.shape for name, array in ours.items()}
    assert shapes == {name: array.shape for name, array in theirs.items()}
    assert list(ours) == list(theirs), "the state has another order"
    if run.case.init:
        for name, array in theirs.items():
            assert ours[name].dtype == array.dtype, name
            assert abs(ours[name] - array).max(initial=0) < 1e-5, f"{name} of a new module differs"
