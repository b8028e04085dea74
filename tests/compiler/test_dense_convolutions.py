"""Convolutions of spread operands become dense ones, wherever windows move by single places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, TensorType
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.contract import conv
from ingot.compiler.passes.dense_convolutions import dense_convolutions
from ingot.runtime import dtypes

RNG = np.random.default_rng(0)


def graph_of(x: tuple[int, ...], w: tuple[int, ...], **given: Any) -> Graph:
    rank = len(x) - 2
    attrs: dict[str, Any] = {
        "stride": (1,) * rank,
        "padding": ((0, 0),) * rank,
        "dilation": (1,) * rank,
        "input_dilation": (2,) * rank,
        "groups": 1,
    }
    inputs = [TABLE["input"](type=TensorType(dtypes.float64, s), name=n) for n, s in (("x", x), ("w", w))]
    return Graph(tuple(inputs), (conv(*inputs, **(attrs | given)),))


def spread_out(x: Any, gaps: tuple[int, ...]) -> Any:
    """The operand with zeros between its elements."""
    shape = [(n - 1) * gap + 1 for n, gap in zip(x.shape[2:], gaps, strict=True)]
    result = np.zeros((*x.shape[:2], *shape))
    result[(slice(None), slice(None), *(slice(None, None, gap) for gap in gaps))] = x
    return result


CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 4), (2, 3, 3), {"padding": ((1, 2),)}),
    ((2, 3, 4), (2, 3, 1), {"input_dilation": (3,), "padding": ((0, 2),)}),
    ((1, 2, 4), (2, 2, 2), {"input_dilation": (4,), "padding": ((3, 1),)}),
    ((1, 2, 3), (2, 2, 5), {"input_dilation": (3,), "padding": ((-2, 4),)}),
    ((2, 4, 3, 5), (6, 2, 3, 4), {"groups": 2, "padding": ((2, 1), (0, 3))}),
    ((2, 4, 3, 5), (6, 2, 2, 3), {"groups": 2, "input_dilation": (3, 1), "stride": (1, 2), "dilation": (1, 2)}),
    ((2, 4, 3, 5), (6, 2, 3, 3), {"groups": 2, "padding": ((2, 1), (0, 3)), "exchanged": True}),
]


@pytest.mark.parametrize(("x", "w", "given"), CASES)
def test_results_are_those_of_the_operand_with_zeros(x: Any, w: Any, given: dict[str, Any]) -> None:
    graph = graph_of(x, w, **given)
    arrays = [RNG.standard_normal(x), RNG.standard_normal(w)]
    gaps = graph.outputs[0].attrs["input_dilation"]
    filled = spread_out(arrays[0], gaps)
    expected = graph_of(filled.shape, w, **(given | {"input_dilation": (1,) * len(gaps)}))
    (wanted,) = interpret(expected, filled, arrays[1])
    dense = dense_convolutions(graph)
    assert all(set(v.attrs["input_dilation"]) == {1} for v in dense.values if v.op is conv)
    for found in (interpret(graph, *arrays)[0], interpret(dense, *arrays)[0]):
        np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("given", [{"stride": (2,)}, {"dilation": (2,)}])
def test_windows_that_move_further_stay(given: dict[str, Any]) -> None:
    graph = graph_of((1, 2, 5), (2, 2, 3), **given)
    assert dense_convolutions(graph).outputs == graph.outputs


def test_the_cotangent_of_patches_is_one_product() -> None:
    """A window of 4 x 4 that moves by 4: the phases read one element each, and nothing is added up."""
    graph = graph_of((1, 8, 4, 4), (3, 8, 4, 4), input_dilation=(4, 4), padding=((3, 3), (3, 3)))
    (dense,) = (v for v in dense_convolutions(graph).values if v.op is conv)
    assert dense.operands[1].shape == (3 * 16, 8, 1, 1)
