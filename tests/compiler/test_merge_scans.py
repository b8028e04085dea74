"""Equal loops run once, and what they give that nobody reads is not computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, TensorType, Value
from ingot.compiler.ops.control import cond, scan, while_
from ingot.compiler.ops.elementwise import add, lt, mul
from ingot.compiler.ops.reduce import sum as sum_
from ingot.compiler.ops.regions import parts
from ingot.compiler.ops.source import get
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.transcendental import sin
from ingot.compiler.passes.grad import grad
from ingot.compiler.passes.merge_scans import merge_scans
from ingot.compiler.passes.trim_regions import trim_regions
from ingot.compiler.verify import verify
from ingot.runtime import dtypes


def value(shape: Sequence[Any], dtype: dtypes.DType = dtypes.float64) -> Value:
    return make_input(type=TensorType(dtype, shape), name="x")


def scans(graph: Graph) -> list[Value]:
    return [v for v in graph.values if v.op is scan]


def body(power: int = 1) -> Graph:
    h, x, w = value((2,)), value((2,)), value((2,))
    after = sin(add(mul(h, w), x))
    for _ in range(power - 1):
        after = sin(after)
    return Graph((h, x, w), (after, mul(after, x)))


def loss(steps: int = 4, layers: int = 1) -> Graph:
    h, xs, w = value((2,)), value((steps, 2)), value((2,))
    ys = xs
    for _ in range(layers):
        last, ys = parts(scan(h, ys, w, body=body(), carries=1, xs=1, length=steps))
    return Graph((h, xs, w), (add(sum_(last, axes=(0,)), sum_(ys, axes=(0, 1))),))


def arrays(steps: int = 4) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s) for s in ((2,), (steps, 2), (2,))]


@pytest.mark.parametrize("layers", [1, 3])
def test_a_training_step_runs_each_loop_forward_once(layers: int) -> None:
    derivative = grad(loss(layers=layers), (2,))
    both = derivative.with_outputs([*loss_outputs(derivative, layers), *derivative.outputs])
    assert len(scans(both)) == 3 * layers
    small = trim_regions(merge_scans(both))
    verify(small)
    assert len(scans(small)) == 2 * layers
    for a, b in zip(interpret(small, *arrays()), interpret(both, *arrays()), strict=True):
        np.testing.assert_array_equal(a, b)
    assert trim_regions(merge_scans(small)) is small


def loss_outputs(like: Graph, layers: int) -> tuple[Value, ...]:
    """The value beside the gradient, over the same inputs."""
    forward = loss(layers=layers)
    new = dict(zip(forward.inputs, like.inputs, strict=True))
    for v in forward.values:
        if v not in new:
            new[v] = Value(v.op, tuple(new[o] for o in v.operands), **v.attrs)
    return tuple(new[v] for v in forward.outputs)


def test_different_steps_stay_apart() -> None:
    h, xs, w = value((2,)), value((3, 2)), value((2,))
    found = [scan(h, xs, w, body=b, carries=1, xs=1, length=3) for b in (body(), body(2))]
    backwards = scan(h, xs, w, body=body(), carries=1, xs=1, length=3, reverse=True)
    graph = Graph((h, xs, w), tuple(get(v, index=1) for v in (*found, backwards)))
    assert merge_scans(graph) is graph


def test_equal_steps_over_other_inputs_are_recognised() -> None:
    h, xs, w = value((2,)), value((3, 2)), value((2,))
    one, other = body(), body()
    rows = Graph(other.inputs, (other.outputs[0], other.inputs[0]))
    found = [scan(h, xs, w, body=b, carries=1, xs=1, length=3) for b in (one, rows)]
    graph = Graph((h, xs, w), tuple(get(v, index=1) for v in found))
    small = merge_scans(graph)
    verify(small)
    assert len(scans(small)) == 1
    for a, b in zip(interpret(small, *arrays(3)), interpret(graph, *arrays(3)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_unread_rows_and_operands_go() -> None:
    h, c, xs, w = value((2,)), value((2,)), value((3, 2)), value((2,))
    a, b, x, k = value((2,)), value((2,)), value((2,)), value((2,))
    # The first carry moves nothing that is read.
    step = Graph((a, b, x, k), (mul(a, k), add(b, x), mul(a, a), sin(b)))
    graph = Graph((h, c, xs, w), (get(scan(h, c, xs, w, body=step, carries=2, xs=1, length=3), index=3),))
    small = trim_regions(graph)
    verify(small)
    (found,) = scans(small)
    assert found.operands == (c, xs)
    assert len(found.types) == 2
    given = [*arrays(3)[:1], *arrays(3)]
    np.testing.assert_array_equal(interpret(small, *given)[0], interpret(graph, *given)[0])


def test_a_loop_keeps_what_decides_its_length() -> None:
    x, y, n = value(()), value(()), value(())
    a, b, c = value(()), value(()), value(())
    loop = while_(x, y, n, condition=Graph((a, b, c), (lt(a, c),)), body=Graph((a, b, c), (add(a, a), mul(b, a), c)))
    for index, kept in ((0, 2), (1, 3)):
        graph = Graph((x, y, n), (get(loop, index=index),))
        small = trim_regions(graph)
        verify(small)
        (found,) = [v for v in small.values if v.op is while_]
        assert len(found.operands) == kept
        given = [np.float64(v) for v in (1.0, 2.0, 9.0)]
        np.testing.assert_array_equal(interpret(small, *given)[0], interpret(graph, *given)[0])


def test_a_branch_inside_a_loop_is_trimmed() -> None:
    p, u, v = value((), dtypes.bool_), value(()), value(())
    then = Graph((u, v), (sin(u), mul(u, v)))
    c, d = value(()), value(())
    otherwise = Graph((c, d), (c, d))
    h, flag, k = value(()), value((), dtypes.bool_), value(())
    step = Graph((h, flag, k), (get(cond(flag, h, k, then=then, otherwise=otherwise), index=0),))
    start, flags, other = value(()), value((3,), dtypes.bool_), value(())
    graph = Graph(
        (start, flags, other), (get(scan(start, flags, other, body=step, carries=1, xs=1, length=3), index=0),)
    )
    small = trim_regions(graph)
    verify(small)
    (found,) = scans(small)
    (inner,) = [v for v in found.attrs["body"].values if v.op is cond]
    assert len(inner.operands) == 2
    assert len(inner.types) == 1
    given = [np.float64(0.5), np.array([True, False, True]), np.float64(2)]
    np.testing.assert_array_equal(interpret(small, *given)[0], interpret(graph, *given)[0])
    assert p.shape == ()
