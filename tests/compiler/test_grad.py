"""Reverse mode as a pass: what it gives, of what order, where it says no. Rules themselves: test_ops_table.py."""

from __future__ import annotations

import numpy as np
import pytest

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, Location, TensorType, Value, at
from ingot.compiler.ops.control import while_
from ingot.compiler.ops.elementwise import add, cast, lt, mul
from ingot.compiler.ops.reduce import sum
from ingot.compiler.ops.sort import sort
from ingot.compiler.ops.source import full, get
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.transcendental import exp, sin
from ingot.compiler.passes.grad import grad, vjp
from ingot.compiler.passes.linearize import linearize
from ingot.compiler.verify import verify
from ingot.runtime.dtypes import DType, float32, float64, int64
from ingot.runtime.errors import GradError


def scalar(dtype: DType = float64, name: str = "x") -> Value:
    return make_input(type=TensorType(dtype), name=name)


def vector(name: str = "x") -> Value:
    return make_input(type=TensorType(float64, (3,)), name=name)


def test_derivatives_of_every_order() -> None:
    """exp(x^2) and its derivatives at 0.7; the fourth is (16 x^4 + 48 x^2 + 12) exp(x^2)."""
    x = scalar()
    graph, at_x = Graph((x,), (exp(mul(x, x)),)), 0.7
    for factor in (1, 2 * at_x, 4 * at_x**2 + 2, 8 * at_x**3 + 12 * at_x, 16 * at_x**4 + 48 * at_x**2 + 12):
        np.testing.assert_allclose(interpret(graph, np.array(at_x))[0], factor * np.exp(at_x**2), rtol=1e-12)
        graph = grad(graph, [0])
        verify(graph)


def test_wrt_chooses_inputs_in_order() -> None:
    x, y, unused = scalar(), scalar(name="y"), vector("unused")
    graph = grad(Graph((x, y, unused), (mul(x, mul(x, y)),)), [2, 1, 0, 1])
    values = interpret(graph, np.array(3.0), np.array(5.0), np.zeros(3))
    assert [v.tolist() for v in values] == [[0, 0, 0], 9, 30, 9]


def test_an_input_that_is_an_output() -> None:
    x = scalar()
    assert interpret(grad(Graph((x,), (x,)), [0]), np.array(3.0))[0] == 1


def test_only_the_first_output_counts() -> None:
    x = scalar()
    assert interpret(grad(Graph((x,), (mul(x, x), exp(x))), [0]), np.array(3.0))[0] == 6


def test_cotangents_of_several_outputs_add() -> None:
    x = vector()
    y = mul(x, x)
    flag = lt(x, y)
    graph = vjp(Graph((x,), (y, flag, y, x)), [0])
    assert [str(v.type) for v in graph.inputs] == ["f64[3]", "f64[3]", "bool[3]", "f64[3]", "f64[3]"]
    ones = np.ones(3)
    (ct,) = interpret(graph, np.arange(3.0), ones, ones > 0, 10 * ones, 100 * ones)
    assert ct.tolist() == [100, 122, 144]


def test_ops_with_several_results() -> None:
    x = vector()
    both = sort(x, axis=0, descending=False)
    weighted = mul(get(both, index=0), cast(get(both, index=1), dtype=float64))
    (ct,) = interpret(grad(Graph((x,), (sum(weighted, axes=(0,)),)), [0]), np.array([3.0, 1.0, 2.0]))
    assert ct.tolist() == [0, 1, 2]


def test_integers_stop_the_gradient() -> None:
    x = scalar()
    whole = cast(cast(x, dtype=int64), dtype=float64)
    assert interpret(grad(Graph((x,), (mul(x, whole),)), [0]), np.array(3.7))[0] == 3


def test_adjoint_values_carry_the_forward_location() -> None:
    x = scalar()
    with at(Location("model.py", 5)):
        y = sin(x)
    with at(Location("model.py", 6)):
        z = mul(y, y)
    graph = grad(Graph((x,), (z,)), [0])
    lines = {v.op.name: v.location and v.location.line for v in graph.values if v.op.kind != "source"}
    assert lines == {"sin": 5, "cos": 5, "mul": 5, "add": 6}


def test_size_is_linear_in_the_graph() -> None:
    sizes = []
    for length in (50, 100, 200):
        x = scalar()
        y = x
        for _ in range(length):
            y = mul(sin(y), add(y, y))
        sizes.append(len(grad(Graph((x,), (y,)), [0]).values))
    assert sizes[2] - sizes[1] == 2 * (sizes[1] - sizes[0])


def test_deep_graphs_need_no_recursion() -> None:
    x = scalar()
    y = x
    for _ in range(5000):
        y = sin(y)
    assert len(grad(Graph((x,), (y,)), [0]).values) > 10000


def test_what_is_not_a_scalar_has_no_gradient() -> None:
    x = vector()
    with at(Location("model.py", 5)):
        y = exp(x)
    with pytest.raises(
        GradError, match=r"only a floating scalar has a gradient; the first output is f64\[3\]"
    ) as caught:
        grad(Graph((x,), (y,)), [0])
    assert caught.value.code == "IG351"
    assert caught.value.where == "model.py:5"
    n = scalar(int64)
    with pytest.raises(GradError, match=r"the first output is i64\[\]"):
        grad(Graph((n,), (add(n, n),)), [0])


@pytest.mark.parametrize("mode", [grad, vjp, linearize])
def test_wrt_must_be_floating_inputs(mode: object) -> None:
    x, n = scalar(float32), scalar(int64)
    graph = Graph((x, n), (x,))
    assert callable(mode)
    for index, what in ((1, r"only floating inputs have derivatives; input 1 is i64\[\]"), (2, "there is no input 2")):
        with pytest.raises(GradError, match=what) as caught:
            mode(graph, [index])
        assert caught.value.code == "IG352"


def test_a_missing_rule_names_the_op_and_the_line() -> None:
    x, step = scalar(), scalar(int64, "step")
    condition = Graph((x, step), (lt(step, full(step.type, 3)),))
    body = Graph((x, step), (sin(x), add(step, full(step.type, 1))))
    with at(Location("model.py", 5)):
        loop = while_(x, step, condition=condition, body=body)
    with pytest.raises(
        GradError, match=r"while_ has no derivative rule\n  at model.py:5\n.*a scan over a fixed"
    ) as caught:
        grad(Graph((x, step), (get(loop, index=0),)), [0])
    assert caught.value.code == "IG353"
