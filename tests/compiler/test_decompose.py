"""Windowed maxima in rows that backends lower: the same numbers, for windows that tile and windows that overlap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import static
from op_cases import applied, cases, close, graph_of, operands

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, Op, TensorType
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.window import window_gather, window_scatter
from ingot.compiler.passes.decompose import decompose
from ingot.compiler.passes.fold import fold
from ingot.compiler.passes.simplify import simplify
from ingot.compiler.verify import verify
from ingot.runtime.dtypes import float32, from_numpy

WINDOWED = [window_gather, window_scatter]


def check(graph: Graph, *arrays: Any) -> Graph:
    result = decompose(graph)
    verify(result)
    assert not any(v.op in WINDOWED for v in result.values)
    small = simplify(fold(result))
    for actual in (interpret(result, *arrays), interpret(small, *arrays)):
        for got, want in zip(actual, interpret(graph, *arrays), strict=True):
            close(got, want, relative=1e-5 if got.dtype.itemsize > 2 else 0.02, absolute=0)
    return small


@pytest.mark.parametrize("op", WINDOWED, ids=str)
def test_samples(op: Op) -> None:
    for case in cases():
        if case.op is op:
            arrays = operands(case)
            check(graph_of(case, arrays), *arrays)


SHAPES: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 7), {"window": (1, 3), "stride": (1, 3), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}),
    ((2, 7), {"window": (1, 3), "stride": (1, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}),
    ((2, 7), {"window": (2, 3), "stride": (1, 3), "padding": ((1, 1), (2, 0)), "dilation": (1, 2)}),
    ((4, 4), {"window": (4, 4), "stride": (4, 4), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}),
    ((5, 6), {"window": (2, 2), "stride": (2, 2), "padding": ((-1, 0), (0, -2)), "dilation": (1, 1)}),
    ((1, 1), {"window": (3, 3), "stride": (1, 1), "padding": ((2, 2), (2, 2)), "dilation": (1, 1)}),
]


@pytest.mark.parametrize("reduction", ["max", "min"])
@pytest.mark.parametrize("op", WINDOWED, ids=str)
def test_ties_nan_and_infinities(op: Op, reduction: str) -> None:
    """The first of equal elements is chosen, NaN before all, and padding never, not even beside -inf."""
    rng = np.random.default_rng(0)
    for shape, windows in SHAPES:
        for _ in range(5):
            x = rng.choice(np.array([-np.inf, np.inf, np.nan, 0, 1, 2], np.float32), shape)
            chosen = window_gather.infer(typed(x), typed(x), reduction=reduction, **windows)
            assert isinstance(chosen, TensorType)
            other = rng.standard_normal(shape if op is window_gather else static(chosen.shape)).astype(np.float32)
            check(applied(op, (x, other), reduction=reduction, **windows), x, other)


def typed(array: np.ndarray[Any, Any]) -> TensorType:
    return TensorType(from_numpy(array.dtype), array.shape)


def test_windows_that_tile_need_no_slice_per_element() -> None:
    """The size of the graph does not grow with the window."""
    sizes = []
    for width in (2, 32):
        x = np.zeros((width, 3 * width), np.float32)
        windows = {"window": (width,) * 2, "stride": (width,) * 2, "padding": ((0, 0),) * 2, "dilation": (1, 1)}
        graph = check(
            applied(window_scatter, (x, np.ones((1, 3), np.float32)), reduction="max", **windows), x, x[:1, :3]
        )
        sizes.append(len(graph.values))
    assert sizes[0] == sizes[1]


def test_graphs_without_such_rows_stay() -> None:
    x = make_input(type=TensorType(float32, (3,)), name="x")
    graph = Graph((x,), (TABLE["exp"](x),))
    assert decompose(graph) is graph


def test_every_elementwise_row_lowers() -> None:
    """Nothing else needs a decomposition: a row without a lowering would."""
    assert [op.name for op in TABLE.values() if op.kind == "elementwise" and op.lower is None] == []
