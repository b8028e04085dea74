"""dot_general and conv against plain loops, and the shape of what their rules build."""

from __future__ import annotations

import itertools
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from op_cases import operand

from ingot.compiler.dims import Dim
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, TensorType
from ingot.compiler.ops.contract import conv, dot_general
from ingot.compiler.passes.batch import batch
from ingot.compiler.passes.grad import vjp
from ingot.runtime import dtypes
from ingot.runtime.errors import DTypeError, ShapeError

RNG = np.random.default_rng(0)
MATMUL = {"contract": ((1,), (0,)), "batch": ((), ())}
LINEAR = {"contract": ((1,), (1,)), "batch": ((), ())}


def names(graph: Graph) -> list[str]:
    return [v.op.name for v in graph.values if v.op.kind != "source"]


# ---- dot_general


def einsum(a: Any, b: Any, contract: Any, batch_axes: Any) -> Any:
    """The same sum in index notation."""
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    left, right = [next(letters) for _ in range(a.ndim)], [next(letters) for _ in range(b.ndim)]
    for own, other in (contract, batch_axes):
        for i, j in zip(own, other, strict=True):
            right[j] = left[i]
    out = [left[i] for i in batch_axes[0]]
    out += [c for i, c in enumerate(left) if i not in contract[0] + batch_axes[0]]
    out += [c for j, c in enumerate(right) if j not in contract[1] + batch_axes[1]]
    return np.einsum(f"{''.join(left)},{''.join(right)}->{''.join(out)}", a, b)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_dot_general_is_einsum_in_any_axis_order(order: tuple[int, ...]) -> None:
    # Axes of a: batch, rows, two summed ones; of b the same with columns, each in an order of its own.
    sizes_a, sizes_b = (2, 3, 4, 5), (2, 6, 4, 5)
    back = np.argsort(order)
    a = RNG.standard_normal([sizes_a[i] for i in order])
    b = RNG.standard_normal(sizes_b[::-1])
    contract = ((int(back[2]), int(back[3])), (1, 0))
    batches = ((int(back[0]),), (3,))
    found = dot_general.eval(a, b, contract=contract, batch=batches)
    np.testing.assert_allclose(found, einsum(a, b, contract, batches), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_types_are_summed_in_float32(dtype: Any) -> None:
    # In the half type itself 1 + 1 + ... stops growing long before 4096.
    ones = np.ones((1, 4096), dtype)
    assert dot_general.eval(ones, ones, **LINEAR).astype(np.float64) == 4096
    image, kernel = np.ones((1, 1, 4096), dtype), np.ones((1, 1, 4096), dtype)
    assert conv.eval(image, kernel, **plain(1)).astype(np.float64) == 4096


def test_integers_wrap() -> None:
    a = np.full((1, 3), 100, np.int8)
    assert dot_general.eval(a, a, **LINEAR) == np.int8((30000 + 128) % 256 - 128)


def test_accumulate_is_the_dtype_of_the_sum() -> None:
    a = np.full((1, 3), 100, np.int8)
    assert dot_general.eval(a, a, **LINEAR, accumulate=dtypes.int32) == 30000
    x, w = operand((2, 3), dtypes.bfloat16), operand((4, 3), dtypes.bfloat16)
    out = dot_general(x, w, **LINEAR, accumulate=dtypes.float32)
    assert out.type is TensorType(dtypes.float32, (2, 4))
    back = vjp(Graph((x, w), (out,)), (0, 1))
    assert [v.type for v in back.outputs] == [x.type, w.type]


def test_cotangents_are_products_without_copies() -> None:
    for attrs, shape in ((MATMUL, (3, 4)), (LINEAR, (4, 3))):
        x, w = operand((2, 3)), operand(shape)
        assert names(vjp(Graph((x, w), (dot_general(x, w, **attrs),)), (0, 1))) == ["dot_general", "dot_general"]


def test_one_weight_for_a_batch_is_one_product() -> None:
    x, w = operand((2, 3)), operand((4, 3))
    graph = Graph((x, w), (dot_general(x, w, **LINEAR),))
    assert names(batch(graph, 5, (True, False))) == ["dot_general"]
    assert "expand" not in names(batch(graph, 5, (False, True)))


def test_dot_general_keeps_named_sizes() -> None:
    b, d = Dim("b"), Dim("d")
    x, w = operand((b, d)), operand((4, d))
    graph = Graph((x, w), (dot_general(x, w, **LINEAR),))
    assert graph.outputs[0].shape == (b, 4)
    back = vjp(graph, (0, 1))
    assert [v.shape for v in back.outputs] == [(b, d), (4, d)]


@pytest.mark.parametrize(
    ("a", "b", "attrs", "message"),
    [
        ((2, 3), (4, 5), MATMUL, r"IG130.*f64\[2,3\] and f64\[4,5\].*contracted axes"),
        ((2, 3), (3, 5), {"contract": ((2,), (0,)), "batch": ((), ())}, "do not exist"),
        ((2, 3), (3, 5), {"contract": ((1,), (0,)), "batch": ((1,), (1,))}, "repeat"),
        ((Dim("b"), 3), (Dim("c"), 3), {"contract": ((1,), (1,)), "batch": ((0,), (0,))}, "batch axes"),
    ],
)
def test_dot_general_refuses(a: Any, b: Any, attrs: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        dot_general(operand(a), operand(b), **attrs)


def test_dtypes_must_agree() -> None:
    with pytest.raises(DTypeError, match=r"IG112"):
        dot_general(operand((2, 3)), operand((3, 4), dtypes.float32), **MATMUL)
    with pytest.raises(DTypeError, match=r"IG112"):
        conv(operand((1, 1, 3), dtypes.bool_), operand((1, 1, 2), dtypes.bool_), **plain(1))


# ---- conv


def plain(rank: int, **given: Any) -> dict[str, Any]:
    ones = (1,) * rank
    fixed = {"stride": ones, "padding": ((0, 0),) * rank, "dilation": ones, "input_dilation": ones, "groups": 1}
    return fixed | given


def loops(x: Any, w: Any, *, stride: Any, padding: Any, dilation: Any, input_dilation: Any, groups: int) -> Any:
    """Cross-correlation, element by element."""
    axes = range(len(stride))
    wide: Any = np.zeros((*x.shape[:2], *((n - 1) * g + 1 for n, g in zip(x.shape[2:], input_dilation, strict=True))))
    wide[(..., *(slice(None, None, g) for g in input_dilation))] = x
    padded: Any = np.pad(wide, ((0, 0), (0, 0), *((max(lo, 0), max(hi, 0)) for lo, hi in padding)))
    crop = (slice(max(-lo, 0), padded.shape[i + 2] - max(-hi, 0)) for i, (lo, hi) in enumerate(padding))
    padded = padded[(..., *crop)]
    extent = [(padded.shape[i + 2] - dilation[i] * (w.shape[i + 2] - 1) - 1) // stride[i] + 1 for i in axes]
    out = np.zeros((len(x), len(w), *extent))
    inputs = w.shape[1]
    for o in range(len(w)):
        first = o // (len(w) // groups) * inputs
        for place in np.ndindex(*extent):
            cut = tuple(
                slice(place[i] * stride[i], place[i] * stride[i] + dilation[i] * (w.shape[i + 2] - 1) + 1, dilation[i])
                for i in axes
            )
            window = padded[(slice(None), slice(first, first + inputs), *cut)]
            out[(slice(None), o, *place)] = (window * w[o]).reshape(len(x), -1).sum(1)
    return out


def random_conv(seed: int) -> tuple[Any, Any, dict[str, Any]]:
    rng = np.random.default_rng(seed)
    rank, groups = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    kernel = [int(k) for k in rng.integers(1, 4, rank)]
    attrs = plain(
        rank,
        groups=groups,
        stride=tuple(map(int, rng.integers(1, 4, rank))),
        dilation=tuple(map(int, rng.integers(1, 3, rank))),
        input_dilation=tuple(map(int, rng.integers(1, 3, rank))),
        padding=tuple((int(lo), int(hi)) for lo, hi in rng.integers(-1, 4, (rank, 2))),
    )
    reach = [d * (k - 1) + 1 for d, k in zip(attrs["dilation"], kernel, strict=True)]
    spatial = [int(rng.integers(max(2, r), r + 5)) + 2 for r in reach]
    inputs, outputs = int(rng.integers(1, 3)), groups * int(rng.integers(1, 3))
    x = rng.standard_normal((int(rng.integers(1, 3)), groups * inputs, *spatial))
    return x, rng.standard_normal((outputs, inputs, *kernel)), attrs


@pytest.mark.parametrize("seed", range(40))
def test_conv_and_its_cotangents_are_the_loops(seed: int) -> None:
    x, w, attrs = random_conv(seed)
    out = conv.eval(x, w, **attrs)
    np.testing.assert_allclose(out, loops(x, w, **attrs), rtol=1e-10, atol=1e-12)
    # The transpose of a linear map: <ct, A t> = <A' ct, t> for both operands.
    ct, tx, tw = (RNG.standard_normal(v.shape) for v in (out, x, w))
    inputs = operand(x.shape, dtypes.float64), operand(w.shape, dtypes.float64)
    dx, dw = interpret(vjp(Graph(inputs, (conv(*inputs, **attrs),)), (0, 1)), x, w, ct)
    assert (dx.shape, dw.shape) == (x.shape, w.shape)
    np.testing.assert_allclose((dx * tx).sum(), (ct * loops(tx, w, **attrs)).sum(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose((dw * tw).sum(), (ct * loops(x, tw, **attrs)).sum(), rtol=1e-9, atol=1e-9)


def test_large_columns_come_in_chunks() -> None:
    x, w = RNG.standard_normal((3, 16, 90, 90)), RNG.standard_normal((2, 16, 3, 3))
    whole = conv.eval(x, w, **plain(2))
    each = np.concatenate([conv.eval(x[i : i + 1], w, **plain(2)) for i in range(3)])
    np.testing.assert_allclose(whole, each, rtol=1e-12)


def test_conv_with_named_sizes_has_cotangents_of_the_operands_types() -> None:
    n, s = Dim("n"), Dim("s", 4)
    for attrs in (
        plain(2, stride=(2, 3), padding=((1, 0), (1, 1))),
        plain(2, dilation=(2, 1), groups=2, padding=((2, 2), (0, 1))),
        plain(2, input_dilation=(2, 2), padding=((1, 2), (0, 0))),
    ):
        channels = 2 * attrs["groups"]
        x, w = operand((n, channels, s, s), dtypes.float64), operand((4, 2, 3, 2), dtypes.float64)
        back = vjp(Graph((x, w), (conv(x, w, **attrs),)), (0, 1))
        assert [v.type for v in back.outputs] == [x.type, w.type]
        for size in (6, 7, 8):
            arrays = RNG.standard_normal((2, channels, size, size)), RNG.standard_normal((4, 2, 3, 2))
            ct = RNG.standard_normal(conv.eval(*arrays, **attrs).shape)
            fixed = tuple(operand(a.shape, dtypes.float64) for a in arrays)
            expected = interpret(vjp(Graph(fixed, (conv(*fixed, **attrs),)), (0, 1)), *arrays, ct)
            for a, b in zip(interpret(back, *arrays, ct), expected, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("mask", [(True, False), (False, True), (True, True)])
def test_a_batch_of_convolutions_is_one(groups: int, mask: tuple[bool, bool]) -> None:
    x, w = operand((2, 2 * groups, 5)), operand((4, 2, 3))
    graph = batch(Graph((x, w), (conv(x, w, **plain(1, groups=groups)),)), Dim("size"), mask)
    assert names(graph).count("conv") == 1
    assert "expand" not in names(graph)
    assert graph.outputs[0].shape == (Dim("size"), 2, 4, 3)


@pytest.mark.parametrize(
    ("x", "w", "given", "message"),
    [
        ((1, 2, 4), (3, 3, 2), {}, r"IG131.*f64\[1,2,4\] and f64\[3,3,2\].*channels"),
        ((1, 4, 4), (3, 2, 2), {"groups": 2}, "multiple of 2"),
        ((1, 2, 4), (3, 2, 5), {}, r"f64\[1,2,4\], f64\[3,2,5\]: one that reaches over 5 elements does not fit 4"),
        ((1, 2, 4), (3, 2, 2), {"stride": (0,)}, "positive"),
        ((1, 2, 4), (3, 2, 2), {"stride": (1, 1)}, "per axis"),
        ((2, 4), (3, 2), {}, "takes x"),
    ],
)
def test_conv_refuses(x: Any, w: Any, given: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        conv(operand(x), operand(w), **plain(1, **given))
