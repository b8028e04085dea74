"""Convolutions of single channels become sums of shifted products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import run

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, TensorType
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.contract import conv
from ingot.compiler.passes.dense_convolutions import dense_convolutions
from ingot.compiler.passes.depthwise import depthwise
from ingot.compiler.passes.grad import vjp
from ingot.runtime import dtypes

RNG = np.random.default_rng(0)


def graph_of(x: tuple[int, ...], w: tuple[int, ...], groups: int, dtype: Any = dtypes.float64, **given: Any) -> Graph:
    rank = len(x) - 2
    attrs: dict[str, Any] = {
        "stride": (1,) * rank,
        "padding": ((0, 0),) * rank,
        "dilation": (1,) * rank,
        "input_dilation": (1,) * rank,
        "groups": groups,
    }
    inputs = [TABLE["input"](type=TensorType(dtype, s), name=n) for n, s in (("x", x), ("w", w))]
    return Graph(tuple(inputs), (conv(*inputs, **(attrs | given)),))


def convolutions(graph: Graph) -> int:
    return sum(v.op is conv for v in graph.values)


CASES: list[tuple[tuple[int, ...], tuple[int, ...], int, dict[str, Any]]] = [
    ((2, 3, 7), (3, 1, 3), 3, {"padding": ((1, 2),)}),
    ((2, 3, 7), (6, 1, 2), 3, {"dilation": (2,)}),
    ((2, 4, 6, 5), (4, 1, 3, 2), 4, {"padding": ((1, -1), (0, 1)), "stride": (2, 1)}),
    ((2, 2, 6, 5), (4, 1, 3, 3), 2, {"padding": ((1, 1), (1, 1)), "exchanged": True}),
    ((1, 2, 3, 4, 3), (2, 1, 2, 2, 1), 2, {"padding": ((0, 1), (1, 0), (0, 0))}),
]


@pytest.mark.parametrize(("x", "w", "groups", "given"), CASES)
def test_results_and_gradients_stay(x: Any, w: Any, groups: int, given: dict[str, Any]) -> None:
    graph = graph_of(x, w, groups, **given)
    arrays = [RNG.standard_normal(x), RNG.standard_normal(w)]
    shape: Any = graph.outputs[0].shape
    arrays.append(RNG.standard_normal(shape))
    forward, backward = depthwise(graph), depthwise(dense_convolutions(vjp(graph, (0, 1))))
    assert convolutions(forward) == convolutions(backward) == 0
    for changed, whole in ((forward, graph), (backward, vjp(graph, (0, 1)))):
        given_arrays = arrays[: len(whole.inputs)]
        for found, wanted in zip(interpret(changed, *given_arrays), interpret(whole, *given_arrays), strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("dtype", [dtypes.float32, dtypes.float16, dtypes.bfloat16, dtypes.int32])
def test_compiled_code_sums_as_the_row_does(dtype: Any) -> None:
    graph = graph_of((2, 4, 9, 21), (4, 1, 3, 3), 4, dtype, padding=((1, 1), (1, 1)))
    arrays = [(RNG.standard_normal(v.shape) * 3).astype(dtype.numpy) for v in graph.inputs]  # type: ignore[arg-type]
    (found,), (wanted,) = run(graph, arrays), interpret(graph, *arrays)
    tolerance = {4: 1e-5, 2: 1e-2}[dtype.itemsize]
    np.testing.assert_allclose(found.astype(float), wanted.astype(float), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("x", "w", "groups"),
    [
        ((2, 4, 9), (4, 4, 3), 1),  # all channels
        ((2, 6, 9), (6, 3, 3), 2),  # three channels each
        ((2, 2, 9), (16, 1, 3), 2),  # a product with eight outputs of a channel
        ((2, 4, 90), (4, 1, 60), 4),  # a window that is too long
    ],
)
def test_what_stays_a_matrix_product(x: Any, w: Any, groups: int) -> None:
    graph = graph_of(x, w, groups)
    assert depthwise(graph).outputs == graph.outputs
