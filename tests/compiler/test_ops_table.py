"""Every row of the op table keeps its promises: type = eval, derivatives = finite differences, batch = loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from op_cases import Case, cases, close, floating, graph_of, masks, operands, slope

from ingot.compiler.dims import Dim
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, TensorType
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.passes.batch import batch
from ingot.compiler.passes.grad import vjp
from ingot.compiler.passes.linearize import linearize
from ingot.compiler.passes.simplify import simplify
from ingot.compiler.verify import verify
from ingot.runtime.dtypes import float32, float64, int32

# Rows without a rule, each for its reason: sources have no operands, `get` is handled by the passes themselves.
NO_VJP = {"input", "const", "iota", "get", "while_", "native_call", "gamma_slope"}
NO_JVP = {"input", "const", "iota", "native_call", "gamma_slope"}
NO_BATCH = {"input", "const", "iota"}
# `get` reads an op with several results; every such row tests it.
NO_SAMPLES = {"get"}


@pytest.mark.parametrize("op", TABLE.values(), ids=str)
def test_row_is_complete(op: Any) -> None:
    assert TABLE[op.name] is op
    assert op.doc.endswith("."), "one line of meaning"
    assert op.dtypes
    assert (not op.samples) == (op.name in NO_SAMPLES)
    assert (op.vjp is None) == (op.name in NO_VJP)
    assert (op.jvp is None) == (op.name in NO_JVP)
    assert (op.batch is None) == (op.name in NO_BATCH)
    if op.kind in ("elementwise", "reduce", "cumulative"):
        assert op.lower is not None


def everything() -> list[Case]:
    return list(cases())


@pytest.mark.parametrize("case", everything(), ids=str)
def test_type_is_that_of_eval(case: Case) -> None:
    arrays = operands(case)
    if case.op.name == "input":
        return
    kept = [a.copy() for a in arrays]
    graph = graph_of(case, arrays)
    results = case.op.eval(*arrays, **case.sample.attrs)
    for out, result in zip(graph.outputs, results if isinstance(results, tuple) else (results,), strict=True):
        assert isinstance(result, np.ndarray)
        assert isinstance(out.type, TensorType)
        assert (result.dtype, result.shape) == (out.dtype.numpy, out.shape)
    for before, after in zip(kept, arrays, strict=True):
        np.testing.assert_array_equal(before, after, "eval wrote into its operand")


def smooth() -> list[Case]:
    """Float64 cases with at least one float64 operand and result."""
    chosen = []
    for case in cases(float64):
        arrays = operands(case)
        if floating(arrays) and any(t.dtype is float64 for t in graph_of(case, arrays).outputs):
            chosen.append(case)
    return chosen


SMOOTH = smooth()


def directions(case: Case, arrays: Sequence[Any]) -> dict[int, Any]:
    rng = np.random.default_rng(5)
    return {i: rng.uniform(-1, 1, arrays[i].shape) for i in floating(arrays)}


def cotangents(graph: Graph) -> list[Any]:
    rng = np.random.default_rng(6)
    shapes: list[Any] = [v.shape for v in graph.outputs]
    return [np.asarray(rng.uniform(-1, 1, s)).astype(v.dtype.numpy) for s, v in zip(shapes, graph.outputs, strict=True)]


def check_vjp(graph: Graph, arrays: Sequence[Any], moving: dict[int, Any], *, tolerance: float) -> Graph:
    """The vjp against differences along one direction per operand; gives the graph of the vjp."""
    back = vjp(graph, list(moving))
    verify(back)
    cts = cotangents(graph)
    found = interpret(back, *arrays, *cts)
    for a, b in zip(interpret(simplify(back), *arrays, *cts), found, strict=True):
        close(a, b, relative=1e-9, absolute=1e-12, what="simplify")
    for gradient, (i, direction) in zip(found, moving.items(), strict=True):
        changes = slope(graph, arrays, {i: direction})
        expected = sum(float(np.sum(c * d)) for c, d in zip(cts, changes, strict=True) if d is not None)
        np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=tolerance, atol=tolerance)
    return back


@pytest.mark.parametrize("case", [c for c in SMOOTH if c.op.vjp], ids=str)
def test_vjp_is_the_derivative(case: Case) -> None:
    arrays = operands(case)
    check_vjp(graph_of(case, arrays), arrays, directions(case, arrays), tolerance=1e-6)


@pytest.mark.parametrize("case", [c for c in SMOOTH if c.op.vjp], ids=str)
def test_vjp_of_vjp(case: Case) -> None:
    arrays = operands(case)
    graph = graph_of(case, arrays)
    moving = directions(case, arrays)
    back = vjp(graph, list(moving))
    check_vjp(back, [*arrays, *cotangents(graph)], moving, tolerance=1e-5)


@pytest.mark.parametrize("case", [c for c in SMOOTH if c.op.jvp], ids=str)
def test_jvp_is_the_derivative(case: Case) -> None:
    arrays = operands(case)
    graph = graph_of(case, arrays)
    moving = directions(case, arrays)
    for chosen in ({i: d} for i, d in moving.items()):
        forward = linearize(graph, list(chosen))
        verify(forward)
        tangents = interpret(forward, *arrays, *chosen.values())[len(graph.outputs) :]
        for tangent, change in zip(tangents, slope(graph, arrays, chosen), strict=True):
            if change is not None:
                close(tangent, change, relative=1e-6, absolute=1e-6, what=case)
    forward = linearize(graph, list(moving))
    tangents = interpret(forward, *arrays, *moving.values())[len(graph.outputs) :]
    for tangent, change in zip(tangents, slope(graph, arrays, moving), strict=True):
        if change is not None:
            close(tangent, change, relative=1e-6, absolute=1e-6, what=case)


def one_dtype_each() -> list[Case]:
    chosen: dict[tuple[str, int], Case] = {}
    for case in cases():
        key = case.op.name, case.number
        if key not in chosen or case.dtype in (int32, float32):
            chosen[key] = case
    return [c for c in chosen.values() if c.op.batch and c.sample.args]


@pytest.mark.parametrize("case", one_dtype_each(), ids=str)
def test_batch_is_a_loop(case: Case) -> None:
    graph = graph_of(case, operands(case))
    for mask in masks(len(case.sample.args)):
        for size in (2, 0):
            batched = batch(graph, size, mask)
            verify(batched)
            arrays = operands(case, batch=[size if m else None for m in mask])
            found = interpret(batched, *arrays)
            each = [[a[i] if m else a for a, m in zip(arrays, mask, strict=True)] for i in range(size)]
            loop = [interpret(graph, *one) for one in each]
            for position, out in enumerate(found):
                assert out.shape == (size, *graph.outputs[position].shape)
                if size:
                    expected = np.stack([one[position] for one in loop])
                    close(out, expected, relative=2e-6, absolute=1e-6, what=f"{case} {mask}")


@pytest.mark.parametrize("case", one_dtype_each(), ids=str)
def test_batch_by_a_named_size(case: Case) -> None:
    graph = graph_of(case, operands(case))
    every = (True,) * len(case.sample.args)
    named, sized = batch(graph, Dim("b", 1), every), batch(graph, 3, every)
    verify(named)
    arrays = operands(case, batch=[3] * len(every))
    for a, b in zip(interpret(named, *arrays), interpret(sized, *arrays), strict=True):
        close(a, b, relative=0, absolute=0, what=case)


@pytest.mark.parametrize("case", [c for c in SMOOTH if c.op.vjp and c.op.batch], ids=str)
def test_vjp_with_a_named_size(case: Case) -> None:
    graph = graph_of(case, operands(case))
    every = (True,) * len(case.sample.args)
    arrays = operands(case, batch=[3] * len(every))
    wrt = floating(arrays)
    named, sized = (vjp(batch(graph, n, every), wrt) for n in (Dim("b", 1), 3))
    verify(named)
    cts = cotangents(batch(graph, 3, every))
    for a, b in zip(interpret(named, *arrays, *cts), interpret(sized, *arrays, *cts), strict=True):
        close(a, b, relative=1e-12, absolute=1e-12, what=case)


@pytest.mark.parametrize("extent", [1, 2, 5, 8])
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "cumsum", "cumprod", "cummax", "cummin"])
def test_reducing_a_named_size(name: str, extent: int) -> None:
    op = TABLE[name]
    choices = [{"axes": (0,)}] if op.kind == "reduce" else [{"axis": 0, "reverse": r} for r in (False, True)]
    for attrs in choices:
        found = []
        x = np.random.default_rng(extent).permutation(np.linspace(-1.5, 2.0, 2 * extent)).reshape(extent, 2)
        for size in (Dim("n", 1), extent):
            value = make_input(type=TensorType(float64, (size, 2)), name="x")
            graph = Graph((value,), (op(value, **attrs),))
            back, forward = vjp(graph, [0]), linearize(graph, [0])
            verify(back)
            (y,) = interpret(graph, x)
            found.append([y, *interpret(back, x, np.cos(y)), *interpret(forward, x, np.sin(x))])
        for a, b in zip(*found, strict=True):
            close(a, b, relative=1e-12, absolute=1e-12, what=name)
