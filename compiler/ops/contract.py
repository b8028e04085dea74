"""Sums of products: `dot_general` and `conv`. Half types and their products are summed in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ingot.compiler.dims import quotient
from ingot.compiler.ir import Arg, Op, Sample, Size, TensorType, Value
from ingot.compiler.ops import phases
from ingot.compiler.ops.elementwise import cast
from ingot.compiler.ops.source import full
from ingot.compiler.ops.table import NUMBERS, check_dtype, register, shift, total
from ingot.compiler.ops.uniform import uniform
from ingot.compiler.ops.view import flip, inverse, permute, reshape
from ingot.compiler.ops.windows import Padding, Steps, extended, positions, sliding, spread, transposed_padding
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError, ShapeError

Array = np.ndarray[Any, Any]
Axes = tuple[int, ...]
Pair = tuple[Axes, Axes]

# Columns that the array evaluator of conv lays out at once: enough for a good matrix product, small enough to stay in
# the outer caches.
COLUMN_BYTES = 1 << 24


def accumulator(dtype: DType) -> DType:
    """The dtype in which products of `dtype` are summed."""
    return dtypes.float32 if dtype in (dtypes.float16, dtypes.bfloat16) else dtype


def check_numbers(name: str, a: TensorType, b: TensorType) -> None:
    """Raises DTypeError (IG112) unless both operands have the same numeric dtype."""
    check_dtype(name, NUMBERS, a, b)
    if a.dtype is not b.dtype:
        raise DTypeError("IG112", f"{name}: dtypes differ: {a}, {b}", fix="cast to one dtype first")


def reordered(x: Value, axes: Axes) -> Value:
    return x if axes == tuple(range(len(axes))) else permute(x, axes=axes)


# ---- dot_general


def free_axes(rank: int, *used: Axes) -> Axes:
    return tuple(a for a in range(rank) if not any(a in axes for axes in used))


def dot_type(
    a: TensorType,
    b: TensorType,
    *,
    contract: Pair,
    batch: Pair,
    accumulate: DType | None = None,
) -> TensorType:
    check_numbers("dot_general", a, b)
    for type_, used in ((a, contract[0] + batch[0]), (b, contract[1] + batch[1])):
        if len(set(used)) != len(used) or any(not 0 <= axis < type_.ndim for axis in used):
            raise ShapeError("IG130", f"dot_general of {a} and {b}: axes {used} of {type_} repeat or do not exist")
    for name, (left, right) in (("contracted", contract), ("batch", batch)):
        if [a.shape[i] for i in left] != [b.shape[j] for j in right]:
            raise ShapeError(
                "IG130", f"dot_general of {a} and {b}: {name} axes {left} and {right} differ in number or extent"
            )
    shape = (
        *(a.shape[i] for i in batch[0]),
        *(a.shape[i] for i in free_axes(a.ndim, contract[0], batch[0])),
        *(b.shape[j] for j in free_axes(b.ndim, contract[1], batch[1])),
    )
    return TensorType(accumulate or a.dtype, shape)


def dot_eval(a: Array, b: Array, *, contract: Pair, batch: Pair, accumulate: DType | None = None) -> Array:
    product = dot_prepared(a.shape, b.shape, a.dtype, contract, batch, accumulate)
    with np.errstate(all="ignore"):
        return product(a, b)


@lru_cache(maxsize=1024)
def dot_prepared(
    a: Axes, b: Axes, dtype: np.dtype[Any], contract: Pair, batch: Pair, accumulate: DType | None = None
) -> Callable[[Array, Array], Array]:
    """`dot_eval` for these shapes: one matrix product of the operands, permuted and reshaped where that is needed."""
    left, right, shape = dot_arranged(a, b, contract, batch)
    result = dtype if accumulate is None else accumulate.numpy
    wide = accumulator(dtypes.from_numpy(result)).numpy
    if left is None and right is None and shape is None and wide == result == dtype:
        return np.matmul

    def run(x: Array, y: Array) -> Array:
        if wide != dtype:
            x, y = x.astype(wide), y.astype(wide)
        x, y = x if left is None else left(x), y if right is None else right(y)
        made: Array = np.matmul(x, y)
        if wide != result:
            made = made.astype(result)
        return made if shape is None else made.reshape(shape)

    return run


class Arranged(NamedTuple):
    """A dot_general as one matrix product: what is done to the operands before, and the shape after; None: nothing."""

    left: Callable[[Array], Array] | None
    right: Callable[[Array], Array] | None
    shape: Axes | None


def dot_arranged(a: Axes, b: Axes, contract: Pair, batch: Pair) -> Arranged:
    """How operands of these shapes become matrices."""
    a_free, b_free = free_axes(len(a), contract[0], batch[0]), free_axes(len(b), contract[1], batch[1])
    lead, rows = tuple(a[i] for i in batch[0]), tuple(a[i] for i in a_free)
    columns, depth = tuple(b[j] for j in b_free), prod(a[i] for i in contract[0])
    left = _arranged(a, batch[0] + a_free + contract[0], (*lead, prod(rows), depth))
    right = _arranged(b, batch[1] + contract[1] + b_free, (*lead, depth, prod(columns)))
    product, shape = (*lead, prod(rows), prod(columns)), (*lead, *rows, *columns)
    return Arranged(left, right, None if product == shape else shape)


def _arranged(shape: Axes, order: Axes, matrices: Axes) -> Callable[[Array], Array] | None:
    """The axes in this order, then merged to matrices; None where nothing is to be done."""
    permuted, merged = order != tuple(range(len(shape))), matrices != tuple(shape[i] for i in order)
    if not permuted:
        return (lambda x: x.reshape(matrices)) if merged else None
    return (lambda x: x.transpose(order).reshape(matrices)) if merged else lambda x: x.transpose(order)


def dot_vjp(
    ct: Value,
    out: Value,
    a: Value,
    b: Value,
    *,
    contract: Pair,
    batch: Pair,
    accumulate: DType | None = None,
) -> tuple[Value, Value]:
    dtype = a.dtype
    if accumulate is not None and accumulate is not dtype:
        a, b = cast(a, dtype=accumulate), cast(b, dtype=accumulate)
    rows = len(free_axes(a.type.ndim, contract[0], batch[0]))
    lead = len(batch[0])
    g_batch, g_rows = tuple(range(lead)), tuple(range(lead, lead + rows))
    g_columns = tuple(range(lead + rows, ct.type.ndim))
    a_axes, b_axes = (batch[0], contract[0]), (batch[1], contract[1])
    da = dot_cotangent(ct, b, (g_batch, g_columns), b_axes, a_axes, a.type.ndim)
    db = dot_cotangent(ct, a, (g_batch, g_rows), a_axes, b_axes, b.type.ndim)
    if accumulate is not None and accumulate is not dtype:
        da, db = cast(da, dtype=dtype), cast(db, dtype=dtype)
    return da, db


def dot_cotangent(ct: Value, other: Value, ct_axes: Pair, others: Pair, own: Pair, rank: int) -> Value:
    """Contract the cotangent with the other operand and bring the axes into the operand's order.

    `ct_axes` are the cotangent's axes of the batch and of the other operand; `others` and `own` are the (batch,
    contracted) axes of the two operands.
    """
    g_batch, g_other = ct_axes
    other_free = free_axes(other.type.ndim, *others)
    # What remains of the other operand are its contracted axes in their own order; each stands for one of ours.
    remaining = tuple(own[1][others[1].index(axis)] for axis in sorted(others[1]))
    own_free = free_axes(rank, *own)
    from_ct, from_other = own[0] + own_free + remaining, own[0] + remaining + own_free
    if from_other == tuple(range(rank)):
        return dot_general(other, ct, contract=(other_free, g_other), batch=(others[0], g_batch))
    product_ = dot_general(ct, other, contract=(g_other, other_free), batch=(g_batch, others[0]))
    return reordered(product_, inverse(from_ct))


def dot_batch(size: Size, a: Value, b: Value, *, contract: Pair, batch: Pair, **attrs: Any) -> Value:
    (a_sum, b_sum), (a_batch, b_batch) = contract, batch
    one_a, one_b = uniform(a), uniform(b)
    if one_b is not None:
        out = dot_general(a, one_b, contract=(shift(a_sum), b_sum), batch=(shift(a_batch), b_batch), **attrs)
        position = len(a_batch)
    elif one_a is not None:
        out = dot_general(one_a, b, contract=(a_sum, shift(b_sum)), batch=(a_batch, shift(b_batch)), **attrs)
        position = one_a.type.ndim - len(a_sum)
    else:
        both = ((0, *shift(a_batch)), (0, *shift(b_batch)))
        return dot_general(a, b, contract=(shift(a_sum), shift(b_sum)), batch=both, **attrs)
    return reordered(out, (position, *(i for i in range(out.type.ndim) if i != position)))


def bilinear_jvp(op: Op, tangents: Sequence[Value | None], a: Value, b: Value, attrs: dict[str, Any]) -> Value | None:
    moving_a, moving_b = tangents
    return total(
        (
            None if moving_a is None else op(moving_a, b, **attrs),
            None if moving_b is None else op(a, moving_b, **attrs),
        )
    )


dot_general: Op = register(
    Op(
        name="dot_general",
        kind="contract",
        infer=dot_type,
        eval=dot_eval,
        vjp=dot_vjp,
        jvp=lambda tangents, out, a, b, **attrs: bilinear_jvp(dot_general, tangents, a, b, attrs),
        batch=dot_batch,
        dtypes=NUMBERS,
        samples=(
            Sample((Arg((2, 3)), Arg((3, 4))), {"contract": ((1,), (0,)), "batch": ((), ())}),
            Sample((Arg((2, 3)), Arg((4, 3))), {"contract": ((1,), (1,)), "batch": ((), ())}),
            Sample((Arg((2, 4, 3)), Arg((2, 3, 2))), {"contract": ((2,), (1,)), "batch": ((0,), (0,))}),
            Sample((Arg((3, 2, 4, 2)), Arg((4, 2, 3, 1))), {"contract": ((3, 2), (1, 0)), "batch": ((0,), (2,))}),
            Sample((Arg((3,)), Arg((3,))), {"contract": ((0,), (0,)), "batch": ((), ())}),
            Sample((Arg((2,)), Arg((3,))), {"contract": ((), ()), "batch": ((), ())}),
            Sample((Arg((2, 0)), Arg((0, 1))), {"contract": ((1,), (0,)), "batch": ((), ())}),
            Sample((Arg((0, 2)), Arg((2, 3))), {"contract": ((1,), (0,)), "batch": ((), ())}),
        ),
        doc="Sum over the `contract` axes of a and b, for each position of their paired `batch` axes. The result's "
        "axes: batch, free axes of a, free axes of b. Sums and result have dtype `accumulate` where it is given; else "
        "the result has the operands' dtype and half types are summed in float32.",
    )
)


# ---- conv


def conv_type(
    x: TensorType,
    w: TensorType,
    *,
    stride: Steps,
    padding: Padding,
    dilation: Steps,
    input_dilation: Steps,
    groups: Size,
    exchanged: bool = False,
) -> TensorType:
    check_numbers("conv", x, w)
    rank = x.ndim - 2
    lengths = {len(stride), len(padding), len(dilation), len(input_dilation)}
    if rank < 1 or w.ndim != x.ndim or lengths != {rank}:
        raise ShapeError(
            "IG131",
            f"conv of {x} and {w}: takes x[N,C,*S], w[O,C/groups,*K], one stride, padding and dilation per axis",
        )
    if x.shape[1] != w.shape[1] * groups or (w.shape[0] != 0 and quotient(w.shape[0], groups) is None):
        raise ShapeError(
            "IG131",
            f"conv of {x} and {w} in {groups} groups: channels of x must be {w.shape[1]} * {groups}, and "
            f"output channels a multiple of {groups}",
        )
    if any(isinstance(n, int) and n < 1 for n in (*stride, *dilation, *input_dilation)):
        raise ShapeError("IG131", f"conv of {x} and {w}: stride and dilation must be positive")
    axes = zip(x.shape[2:], input_dilation, w.shape[2:], stride, padding, dilation, strict=True)
    spatial = (positions(spread(n, gap), k, s, low, high, d, x, w) for n, gap, k, s, (low, high), d in axes)
    lead = (w.shape[0], x.shape[0]) if exchanged else (x.shape[0], w.shape[0])
    return TensorType(x.dtype, (*lead, *spatial))


@np.errstate(all="ignore")
def conv_eval(
    x: Array,
    w: Array,
    *,
    stride: Steps,
    padding: tuple[tuple[int, int], ...],
    dilation: Steps,
    input_dilation: Steps,
    groups: int,
    exchanged: bool = False,
) -> Array:
    """Columns of windows times the weights, in whichever layout copies longer rows."""
    if exchanged:
        plain: dict[str, Any] = {
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "input_dilation": input_dilation,
        }
        return conv_eval(x, w, groups=groups, **plain).swapaxes(0, 1)
    if any(gap != 1 for gap in input_dilation):
        attrs = {"stride": stride, "padding": padding, "dilation": dilation, "input_dilation": input_dilation}
        given = zip(x.shape[2:], w.shape[2:], stride, padding, dilation, input_dilation, strict=True)
        reached: list[Any] = [positions(spread(n, gap), k, s, low, high, d) for n, k, s, (low, high), d, gap in given]
        axes = phases.axes_of(x, w, reached, attrs | {"groups": groups})
        if axes is not None:
            return np.array(phases.dense(conv, evaluated, x, w, axes, attrs | {"groups": groups}))
    dtype, wide = x.dtype, accumulator(dtypes.from_numpy(x.dtype)).numpy
    count, channels, kernel = x.shape[0], w.shape[1], w.shape[2:]
    x = extended(x.astype(wide, copy=False), padding, input_dilation, 0)
    if groups == 0:  # no example in a batch whose examples are the groups
        return np.zeros((count, 0, *sliding(x, kernel, stride, dilation).shape[2 : 2 + len(kernel)]), dtype)
    view = sliding(x.reshape(count, groups, channels, *x.shape[2:]), kernel, stride, dilation)
    spatial = view.shape[3 : 3 + len(kernel)]
    depth, places = channels * prod(kernel), prod(spatial)
    weights = w.astype(wide, copy=False).reshape(groups, len(w) // groups, depth)
    out = np.empty((count, groups, weights.shape[1], places), wide)
    chunk = max(1, COLUMN_BYTES // max(1, groups * depth * places * out.itemsize))
    kernel_axes, place_axes = tuple(range(3 + len(kernel), view.ndim)), tuple(range(3, 3 + len(kernel)))
    for start in range(0, count, chunk):
        part = view[start : start + chunk]
        if places >= prod(kernel):
            columns = part.transpose(0, 1, 2, *kernel_axes, *place_axes).reshape(len(part), groups, depth, places)
            np.matmul(weights, columns, out=out[start : start + chunk])
        else:
            rows = part.transpose(1, 0, *place_axes, 2, *kernel_axes).reshape(groups, len(part) * places, depth)
            results = np.matmul(rows, weights.swapaxes(1, 2)).reshape(groups, len(part), places, out.shape[2])
            out[start : start + chunk] = results.transpose(1, 0, 3, 2)
    return out.reshape(count, len(w), *spatial).astype(dtype, copy=False)


def evaluated(op: Op, *arrays: Array, **attrs: Any) -> Array:
    result: Array = op.eval(*arrays, **attrs)
    return result


def conv_vjp(
    ct: Value,
    out: Value,
    x: Value,
    w: Value,
    *,
    stride: Steps,
    padding: Padding,
    dilation: Steps,
    input_dilation: Steps,
    groups: Size,
    exchanged: bool = False,
) -> tuple[Value, Value]:
    """Both cotangents are convolutions; Dumoulin & Visin 2016, "A guide to convolution arithmetic", section 4."""
    if exchanged:
        ct = swapped(ct)
    spatial = x.shape[2:]
    extents = tuple(spread(n, gap) for n, gap in zip(spatial, input_dilation, strict=True))
    axes = list(zip(extents, w.shape[2:], stride, (low for low, _ in padding), ct.shape[2:], dilation, strict=True))
    dx = conv(
        ct,
        transposed_weights(w, groups),
        stride=input_dilation,
        padding=tuple(transposed_padding(*axis) for axis in axes),
        dilation=dilation,
        input_dilation=stride,
        groups=groups,
    )
    # The weights' cotangent correlates x with the cotangent: examples are summed over, so they become the channels.
    high = tuple(spread(k, d) + spread(count, s) - 1 - extent - low for extent, k, s, low, count, d in axes)
    dw = conv(
        examples_as_channels(x, groups),
        swapped(ct),
        stride=dilation,
        padding=tuple((low, after) for (low, _), after in zip(padding, high, strict=True)),
        dilation=stride,
        input_dilation=input_dilation,
        groups=groups,
        exchanged=True,
    )
    return dx, dw


def swapped(x: Value) -> Value:
    return permute(x, axes=(1, 0, *range(2, x.type.ndim)))


def transposed_weights(w: Value, groups: Size) -> Value:
    """w[O,C/g,*K] as the weights [C,O/g,*K] of the transposed convolution: mirrored, channels exchanged per group."""
    outputs, inputs, *kernel = w.shape
    mirrored = flip(w, axes=tuple(range(2, w.type.ndim)))
    if groups == 1:
        return swapped(mirrored)
    split = reshape(mirrored, shape=(groups, outputs // groups, inputs, *kernel))
    exchanged = permute(split, axes=(0, 2, 1, *range(3, split.type.ndim)))
    return reshape(exchanged, shape=(groups * inputs, outputs // groups, *kernel))


def examples_as_channels(x: Value, groups: Size) -> Value:
    """x[N,C,*S] as [C/g,g*N,*S]: group i of the channels holds the examples' channels of group i."""
    if groups == 1:
        return swapped(x)
    count, channels, *spatial = x.shape
    split = reshape(x, shape=(count, groups, channels // groups, *spatial))
    turned = permute(split, axes=(2, 1, 0, *range(3, split.type.ndim)))
    return reshape(turned, shape=(channels // groups, groups * count, *spatial))


def conv_batch(size: Size, x: Value, w: Value, *, exchanged: bool = False, **attrs: Any) -> Value:
    out = batch_of_convs(size, x, w, **attrs)
    return permute(out, axes=(0, 2, 1, *range(3, out.type.ndim))) if exchanged else out


def batch_of_convs(size: Size, x: Value, w: Value, *, groups: Size, **attrs: Any) -> Value:
    """The batch axis joins the examples if all use the same weights, the output channels otherwise."""
    one_x, one_w = uniform(x), uniform(w)
    if one_w is not None:
        _, count, *rest = x.shape
        out = conv(reshape(x, shape=(size * count, *rest)), one_w, groups=groups, **attrs)
        return reshape(out, shape=(size, count, *out.shape[1:]))
    _, outputs, *kernel = w.shape
    if one_x is not None:
        # Groups stay outermost, so that each keeps its input channels.
        split = reshape(w, shape=(size, groups, outputs // groups, *kernel))
        turned = permute(split, axes=(1, 0, *range(2, split.type.ndim)))
        out = conv(one_x, reshape(turned, shape=(size * outputs, *kernel)), groups=groups, **attrs)
        count, _, *spatial = out.shape
        parts = reshape(out, shape=(count, groups, size, outputs // groups, *spatial))
        turned = permute(parts, axes=(2, 0, 1, *range(3, parts.type.ndim)))
        return reshape(turned, shape=(size, count, outputs, *spatial))
    if size == 0:
        one = conv_type(x.type.with_shape(x.shape[1:]), w.type.with_shape(w.shape[1:]), groups=groups, **attrs)
        return full(one.with_shape((0, *one.shape)), 0)
    _, count, channels, *rest = x.shape
    examples = reshape(swapped(x), shape=(count, size * channels, *rest))
    weights = reshape(w, shape=(size * outputs, *kernel))
    out = conv(examples, weights, groups=size * groups, **attrs)
    return swapped(reshape(out, shape=(count, size, outputs, *out.shape[2:])))


def conv_sample(x: tuple[int, ...], w: tuple[int, ...], **attrs: Any) -> Sample:
    rank = len(x) - 2
    plain: dict[str, Any] = {
        "stride": (1,) * rank,
        "padding": ((0, 0),) * rank,
        "dilation": (1,) * rank,
        "input_dilation": (1,) * rank,
        "groups": 1,
    }
    return Sample((Arg(x), Arg(w)), plain | attrs)


conv: Op = register(
    Op(
        name="conv",
        kind="contract",
        infer=conv_type,
        eval=conv_eval,
        vjp=conv_vjp,
        jvp=lambda tangents, out, x, w, **attrs: bilinear_jvp(conv, tangents, x, w, attrs),
        batch=conv_batch,
        dtypes=NUMBERS,
        samples=(
            conv_sample((2, 2, 5), (3, 2, 3)),
            conv_sample((1, 2, 4, 3), (2, 2, 3, 2), padding=((1, 1), (0, 2))),
            conv_sample((2, 1, 5, 4), (2, 1, 2, 2), stride=(2, 3), padding=((1, 0), (1, 1))),
            conv_sample((1, 4, 4, 3), (4, 2, 2, 1), groups=2, stride=(1, 2)),
            conv_sample((1, 3, 5), (3, 1, 2), groups=3, dilation=(2,), padding=((1, 1),)),
            conv_sample((1, 2, 3), (1, 2, 3), input_dilation=(2,), padding=((2, 1),)),
            conv_sample((1, 1, 6), (1, 1, 2), padding=((-1, -2),), stride=(2,)),
            conv_sample((1, 1, 2, 3, 2), (2, 1, 2, 2, 1), padding=((0, 1), (1, 0), (0, 0))),
            conv_sample((0, 2, 4), (1, 2, 2)),
            conv_sample((2, 4, 5), (6, 2, 3), groups=2, exchanged=True),
            conv_sample((2, 2, 3), (2, 2, 5), input_dilation=(3,), padding=((4, 3),)),
        ),
        doc="Cross-correlation x[N,C,*S], w[O,C/groups,*K] -> [N,O,*S']. `padding` gives (low, high) per spatial axis "
        "and crops where negative; `input_dilation` spreads x with zeros (transposed convolution). `exchanged`: the "
        "result is [O,N,*S'].",
    )
)
