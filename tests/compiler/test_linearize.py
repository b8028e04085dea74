"""Forward mode as a pass; agreement with reverse mode: test_random_graphs.py."""

from __future__ import annotations

import numpy as np
import pytest

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, Location, TensorType, Value, at
from ingot.compiler.ops.call import native_call
from ingot.compiler.ops.elementwise import cast, lt, mul
from ingot.compiler.ops.sort import sort
from ingot.compiler.ops.source import get
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.transcendental import exp
from ingot.compiler.passes.grad import grad
from ingot.compiler.passes.linearize import linearize
from ingot.compiler.verify import verify
from ingot.runtime.dtypes import float64, int64
from ingot.runtime.errors import GradError


def value(*shape: int, name: str = "x") -> Value:
    return make_input(type=TensorType(float64, shape), name=name)


def test_outputs_then_tangents() -> None:
    x, y = value(), value(name="y")
    graph = linearize(Graph((x, y), (mul(x, y), lt(x, y), y)), [0])
    verify(graph)
    assert [str(v.type) for v in graph.inputs] == ["f64[]", "f64[]", "f64[]"]
    got = interpret(graph, np.array(3.0), np.array(5.0), np.array(0.5))
    assert [a.tolist() for a in got] == [15, True, 5, 2.5, False, 0]


def test_derivatives_of_every_order() -> None:
    """The tangent of the tangent of exp(x^2), and forward over reverse: 2 exp(x^2) (1 + 2 x^2)."""
    x = value()
    graph = Graph((x,), (exp(mul(x, x)),))
    want = 2 * np.exp(0.49) * (1 + 2 * 0.49)
    one, zero, at_x = np.array(1.0), np.array(0.0), np.array(0.7)
    twice = linearize(linearize(graph, [0]), [0, 1])
    np.testing.assert_allclose(interpret(twice, at_x, one, one, zero)[3], want, rtol=1e-12)
    np.testing.assert_allclose(interpret(linearize(grad(graph, [0]), [0]), at_x, one)[1], want, rtol=1e-12)


def test_ops_with_several_results_and_integers() -> None:
    x = value(3)
    both = sort(x, axis=0, descending=False)
    whole = cast(cast(x, dtype=int64), dtype=float64)
    graph = linearize(Graph((x,), (get(both, index=0), get(both, index=1), whole)), [0])
    got = interpret(graph, np.array([3.0, 1.0, 2.0]), np.array([30.0, 10.0, 20.0]))
    assert [a.tolist() for a in got[3:]] == [[10, 20, 30], [0, 0, 0], [0, 0, 0]]


def test_tangents_carry_the_forward_location() -> None:
    x = value()
    with at(Location("model.py", 5)):
        y = exp(x)
    assert [v.location and v.location.line for v in linearize(Graph((x,), (y,)), [0]).values] == [None, 5, None, 5]


def test_a_missing_rule_names_the_op_and_the_line() -> None:
    x = value(2)
    with at(Location("model.py", 5)):
        called = native_call(x, types=(x.type,), symbol="f", eval=np.sin)
    with pytest.raises(GradError, match=r"native_call has no forward derivative rule\n  at model.py:5") as caught:
        linearize(Graph((x,), (get(called, index=0),)), [0])
    assert caught.value.code == "IG354"


def test_an_input_has_one_tangent() -> None:
    x = value()
    with pytest.raises(GradError, match="names an input twice"):
        linearize(Graph((x,), (x,)), [0, 0])
