"""Convolutions with mirrored weights become one product and shifted sums, where that costs less."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import run

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, TensorType, Value
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.contract import conv, dot_general
from ingot.compiler.ops.view import flip, permute
from ingot.compiler.passes import transposed_convolutions as module
from ingot.compiler.passes.grad import grad
from ingot.compiler.passes.transposed_convolutions import pays, transposed_convolutions
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType

RNG = np.random.default_rng(0)


def graph_of(x: tuple[int, ...], w: tuple[int, ...], dtype: DType = dtypes.float64, **given: Any) -> Graph:
    """A convolution of x with w[inputs, outputs, *window] mirrored and exchanged."""
    rank = len(x) - 2
    attrs: dict[str, Any] = {"padding": ((0, 0),) * rank, "groups": 1}
    attrs |= dict.fromkeys(("stride", "dilation", "input_dilation"), (1,) * rank)
    inputs = [TABLE["input"](type=TensorType(dtype, s), name=n) for n, s in (("x", x), ("w", w))]
    mirrored = flip(inputs[1], axes=tuple(range(2, rank + 2)))
    mirrored = permute(mirrored, axes=(1, 0, *range(2, rank + 2)))
    return Graph(tuple(inputs), (conv(inputs[0], mirrored, **(attrs | given)),))


CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 4), (3, 5, 3), {"padding": ((1, 1),)}),
    ((2, 3, 4), (3, 5, 2), {"padding": ((1, -1),)}),
    ((2, 3, 6), (3, 5, 2), {"padding": ((-2, 3),)}),
    ((2, 3, 4), (3, 2, 3), {"padding": ((2, 1),), "input_dilation": (2,)}),
    ((1, 2, 3), (2, 2, 5), {"padding": ((-2, 4),), "input_dilation": (3,)}),
    ((1, 2, 3), (2, 4, 2), {"padding": ((3, 5),), "input_dilation": (4,), "dilation": (2,)}),
    ((2, 3, 4, 3), (3, 5, 3, 2), {"padding": ((2, 1), (0, 1)), "input_dilation": (2, 1)}),
    ((2, 3, 4, 3), (3, 5, 3, 3), {"padding": ((1, 1), (2, 2)), "dilation": (1, 2), "exchanged": True}),
    ((1, 2, 2, 2, 3), (2, 3, 2, 2, 2), {"padding": ((1, 0), (0, 1), (1, 1)), "input_dilation": (1, 2, 2)}),
    ((1, 2, 1), (2, 3, 2), {"padding": ((-1, 3),), "input_dilation": (2,)}),
]


@pytest.mark.parametrize(("x", "w", "given"), CASES)
def test_sums_of_products_are_the_convolution(
    x: Any, w: Any, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "pays", lambda *_: True)
    graph = graph_of(x, w, **given)
    arrays = [RNG.standard_normal(x), RNG.standard_normal(w)]
    spread = transposed_convolutions(graph)
    assert conv not in {v.op for v in spread.values}
    (wanted,) = interpret(graph, *arrays)
    for (found,) in (interpret(spread, *arrays), run(graph, arrays)):
        np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16])
def test_half_types_are_rounded_once(dtype: DType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shifted products of half types are summed in float32: one rounding, like that of the convolution."""
    monkeypatch.setattr(module, "pays", lambda *_: True)
    graph = graph_of((2, 8, 4), (8, 3, 3), dtype, padding=((1, 1),))
    arrays = [RNG.integers(-8, 8, (2, 8, 4)).astype(dtype.numpy), RNG.integers(-8, 8, (8, 3, 3)).astype(dtype.numpy)]
    (wanted,) = interpret(graph, *arrays)
    for (found,) in (interpret(transposed_convolutions(graph), *arrays), run(graph, arrays)):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("given", [{"stride": (2,)}, {"groups": 2}])
def test_others_stay(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "pays", lambda *_: True)
    graph = graph_of((1, 4, 5), (4 // given.get("groups", 1), 4, 3), **given)
    assert transposed_convolutions(graph).outputs == graph.outputs


def image_cotangent(images: int, inputs: int, outputs: int, size: int, stride: int) -> Graph:
    """The cotangent of a convolution's image, its windows 3 x 3 with a border."""
    shapes = {"x": (images, inputs, size, size), "w": (outputs, inputs, 3, 3)}
    x, w = (TABLE["input"](type=TensorType(dtypes.float32, s), name=n) for n, s in shapes.items())
    attrs: Any = {"stride": (stride,) * 2, "padding": ((1, 1),) * 2, "dilation": (1, 1), "input_dilation": (1, 1)}
    out = conv(x, w, groups=1, **attrs)
    loss = TABLE["sum"](TABLE["mul"](out, out), axes=(0, 1, 2, 3))
    return grad(Graph((x, w), (loss,)), (0,))


def ops(graph: Graph) -> set[Any]:
    def of(v: Value) -> Any:
        return v.op

    return set(map(of, transposed_convolutions(graph).values))


def test_tiny_images_of_many_channels_become_products() -> None:
    assert dot_general in ops(image_cotangent(4, 512, 512, 2, 1))
    assert dot_general in ops(image_cotangent(4, 64, 128, 16, 2))
    assert dot_general not in ops(image_cotangent(4, 64, 64, 32, 1))


def test_what_would_fill_the_memory_is_no_product() -> None:
    """64 images of 56 x 56 with 128 channels: their products would be 231 million numbers."""
    axis = module.Axis(56, 3, 1, 1, 2, 112)
    assert pays([axis, axis], 1, 128, 64) and not pays([axis, axis], 64, 128, 128)
