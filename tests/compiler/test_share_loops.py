"""Scans that are merged, results that are dropped, and what must stay apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_cases import cases, close, graph_of, operands

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, TensorType, Value
from ingot.compiler.ops.control import cond, scan
from ingot.compiler.ops.elementwise import add, mul
from ingot.compiler.ops.reduce import sum
from ingot.compiler.ops.source import full, get
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.transcendental import sin
from ingot.compiler.passes.grad import grad, vjp
from ingot.compiler.passes.share_loops import share_loops
from ingot.compiler.verify import verify
from ingot.runtime.dtypes import bool_, float64

ROWS = TensorType(float64, (5, 3))
ROW = TensorType(float64, (3,))


def of(type_: TensorType, name: str = "x") -> Value:
    return make_input(type=type_, name=name)


def scans(graph: Graph) -> list[Value]:
    return [v for v in graph.values if v.op is scan]


def check(graph: Graph) -> Graph:
    result = share_loops(graph)
    verify(result)
    rng = np.random.default_rng(0)
    shapes: list[Any] = [v.shape for v in graph.inputs]
    arrays = [
        np.asarray(rng.standard_normal(s)).astype(v.dtype.numpy) for v, s in zip(graph.inputs, shapes, strict=True)
    ]
    for got, want in zip(interpret(result, *arrays), interpret(graph, *arrays), strict=True):
        close(got, want, relative=1e-12, absolute=1e-12)
    assert share_loops(result) == result
    return result


def recurrent(weight: bool = True) -> Graph:
    """h' = sin(h * w + x), y = h * h'; the loss sums the ys."""
    h, xs, w = of(ROW, "h"), of(ROWS, "xs"), of(ROW, "w")
    carry, row, constant = of(ROW, "carry"), of(ROW, "row"), of(ROW, "constant")
    after = sin(add(mul(carry, constant), row))
    body = Graph((carry, row, constant), (after, mul(carry, after)))
    ys = get(scan(h, xs, w, body=body, carries=1, xs=1, length=5), index=1)
    return Graph((h, xs, w), (sum(ys, axes=(0, 1)),))


def test_the_derivative_shares_the_forward_loop() -> None:
    """Loss and gradient take two loops, one in each direction, instead of three."""
    forward = recurrent()
    both = forward.with_outputs([*forward.outputs, *grad(forward, [0, 1, 2]).outputs], ())
    assert len(scans(both)) == 3
    assert len(scans(check(both))) == 2


def test_results_that_nobody_reads_are_dropped() -> None:
    a, b, rows = of(ROW, "a"), of(ROW, "b"), of(ROWS, "rows")
    p, q, r, c = (of(ROW, name) for name in "pqrc")
    # q feeds p, r feeds no result that is read.
    body = Graph((p, q, r, c), (add(p, q), mul(q, q), sin(c), mul(p, r)))
    loop = scan(a, b, rows, b, body=body, carries=2, xs=1, length=5)
    result = check(Graph((a, b, rows), (get(loop, index=0), get(loop, index=2))))
    (one,) = scans(result)
    assert (one.attrs["carries"], one.attrs["xs"], len(one.operands), len(one.types)) == (2, 0, 3, 3)
    (alone,) = scans(check(Graph((a, b, rows), (get(loop, index=1),))))
    assert alone.operands == (b,)
    assert len(alone.types) == 1


def test_a_stacked_carry_is_not_the_last_carry() -> None:
    h, rows = of(ROW, "h"), of(ROWS, "rows")
    c, r = of(ROW, "c"), of(ROW, "r")
    after = add(c, r)
    loop = scan(h, rows, body=Graph((c, r), (after, after)), carries=1, xs=1, length=5)
    result = check(Graph((h, rows), (get(loop, index=0), get(loop, index=1))))
    assert [v.shape for v in result.outputs] == [(3,), (5, 3)]


def test_other_recurrences_stay_apart() -> None:
    h, rows = of(ROW, "h"), of(ROWS, "rows")
    c, r = of(ROW, "c"), of(ROW, "r")
    bodies = [Graph((c, r), (f(c, r),)) for f in (add, mul)]
    loops = [scan(h, rows, body=b, carries=1, xs=1, length=5) for b in bodies]
    loops.append(scan(h, rows, body=bodies[0], carries=1, xs=1, length=5, reverse=True))
    loops.append(scan(rows, h, body=Graph((r, c), (sin(r),)), carries=0, xs=1, length=5))
    result = check(Graph((h, rows), tuple(get(v, index=0) for v in loops)))
    assert len(scans(result)) == 4


def test_loops_over_shared_loops_and_in_regions() -> None:
    inner = recurrent()
    flag = of(TensorType(bool_), "flag")
    both = inner.with_outputs([*inner.outputs, *grad(inner, [0]).outputs], ())
    other = inner.with_outputs([*inner.outputs, full(ROW, 0)], ())
    branch = cond(flag, *inner.inputs, then=both, otherwise=other)
    result = check(Graph((flag, *inner.inputs), (get(branch, index=0), get(branch, index=1))))
    (kept,) = (v for v in result.values if v.op is cond)
    assert [len(scans(kept.attrs[name])) for name in ("then", "otherwise")] == [2, 1]


@pytest.mark.parametrize("number", range(len(scan.samples)))
def test_samples_and_their_derivatives(number: int) -> None:
    case = next(c for c in cases(float64) if c.op is scan and c.number == number)
    graph = graph_of(case, operands(case))
    check(graph)
    wrt = [i for i, v in enumerate(graph.inputs) if v.dtype is float64]
    check(vjp(graph, wrt))


def test_graphs_without_loops_are_left_alone() -> None:
    x = of(ROW)
    graph = Graph((x,), (sin(x),))
    assert share_loops(graph) is graph
