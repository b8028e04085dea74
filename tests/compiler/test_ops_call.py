"""native_call: what it declares is what it must give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, TensorType, Value
from ingot.compiler.ops.call import native_call
from ingot.compiler.ops.source import get
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.passes.batch import batch
from ingot.compiler.passes.grad import vjp
from ingot.runtime import dtypes
from ingot.runtime.errors import GradError, IngotError

ROW = TensorType(dtypes.float64, (3,))


def doubled(x: Any) -> tuple[Any, ...]:
    return (2 * x,)


def call(x: Value, **given: Any) -> Value:
    return native_call(x, **({"types": (ROW,), "symbol": "doubled", "eval": doubled} | given))


def test_value_and_batch() -> None:
    x = make_input(type=ROW, name="x")
    graph = Graph((x,), (get(call(x), index=0),))
    np.testing.assert_array_equal(interpret(graph, np.arange(3.0))[0], [0, 2, 4])
    both = interpret(batch(graph, 2, (True,)), np.arange(6.0).reshape(2, 3))[0]
    np.testing.assert_array_equal(both, 2 * np.arange(6.0).reshape(2, 3))


def test_results_are_checked() -> None:
    x = make_input(type=ROW, name="x")
    wrong = call(x, eval=lambda x: (x.astype(np.float32),))
    with pytest.raises(IngotError, match=r"IG171.*doubled.*float32"):
        interpret(Graph((x,), (get(wrong, index=0),)), np.zeros(3))


@pytest.mark.parametrize("given", [{"symbol": "not a name"}, {"symbol": "é"}, {"types": ()}])
def test_refused(given: dict[str, Any]) -> None:
    with pytest.raises(IngotError, match=r"IG170"):
        call(make_input(type=ROW, name="x"), **given)


def test_it_has_no_derivative() -> None:
    x = make_input(type=ROW, name="x")
    with pytest.raises(GradError, match="native_call"):
        vjp(Graph((x,), (get(call(x), index=0),)), (0,))
