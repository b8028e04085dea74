"""Rows that move elements and compute nothing. They lower to index arithmetic (`compiler.indexing`), not to code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ingot.compiler.dims import product
from ingot.compiler.ir import Arg, Op, Sample, Shape, Size, TensorType, Value
from ingot.compiler.ops.definitions import convert
from ingot.compiler.ops.source import zeros_like
from ingot.compiler.ops.table import (
    TABLE,
    attributes,
    check_axes,
    check_axis,
    check_dtype,
    check_length,
    linear_jvp,
    listed,
    register,
    shift,
)
from ingot.runtime.dtypes import ALL
from ingot.runtime.errors import DTypeError, ShapeError

Array = npt.NDArray[Any]


# ---- reshape


def _reshape_type(t: TensorType, *, shape: Shape) -> TensorType:
    if product(shape) != t.numel or any(isinstance(n, int) and n < 0 for n in shape):
        raise ShapeError(
            "IG114",
            f"reshape: {t} has {t.numel} elements and shape {list(shape)} has {product(shape)}",
            fix="give a shape with as many elements",
        )
    return t.with_shape(shape)


def _reshaped(x: Array, *, shape: tuple[int, ...]) -> Array:
    """NumPy copies rows of a few equal elements one row at a time; column by column is faster."""
    if x.ndim < 2 or x.strides[-1] != 0 or not 1 < x.shape[-1] <= 8:
        return x.reshape(shape)
    whole = np.empty(x.shape, x.dtype)
    for i in range(x.shape[-1]):
        whole[..., i] = x[..., 0]
    return whole.reshape(shape)


reshape: Op = register(
    Op(
        name="reshape",
        kind="view",
        infer=_reshape_type,
        eval=_reshaped,
        vjp=lambda g, y, x, *, shape: (reshape(g, shape=x.shape),),
        jvp=linear_jvp(lambda t, *, shape: reshape(t, shape=shape)),
        batch=lambda size, x, *, shape: reshape(x, shape=(size, *shape)),
        dtypes=ALL,
        samples=(
            Sample((Arg((2, 3)),), attributes(shape=(3, 2))),
            Sample((Arg((2, 3)),), attributes(shape=(1, 6, 1))),
            Sample((Arg((0, 3)),), attributes(shape=(5, 0))),
            Sample((Arg((1, 1)),), attributes(shape=())),
            Sample((Arg(()),), attributes(shape=(1,))),
        ),
        doc="The same elements in row-major order in another shape.",
    )
)

# ---- permute


def _permute_type(t: TensorType, *, axes: tuple[int, ...]) -> TensorType:
    check_length("permute", "axes", axes, t)
    check_axes("permute", t, tuple(sorted(axes)))
    return t.with_shape([t.shape[a] for a in axes])


def inverse(axes: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes this one."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


permute: Op = register(
    Op(
        name="permute",
        kind="view",
        infer=_permute_type,
        eval=lambda x, *, axes: np.transpose(x, axes),
        vjp=lambda g, y, x, *, axes: (permute(g, axes=inverse(axes)),),
        jvp=linear_jvp(lambda t, *, axes: permute(t, axes=axes)),
        batch=lambda size, x, *, axes: permute(x, axes=(0, *shift(axes))),
        dtypes=ALL,
        samples=(
            Sample((Arg((2, 3)),), attributes(axes=(1, 0))),
            Sample((Arg((2, 3, 4)),), attributes(axes=(2, 0, 1))),
            Sample((Arg((0, 3)),), attributes(axes=(1, 0))),
            Sample((Arg(()),), attributes(axes=())),
        ),
        doc="Axis i of the result is axis axes[i] of x.",
    )
)

# ---- expand


def _expand_type(t: TensorType, *, shape: Shape) -> TensorType:
    check_length("expand", "shape", shape, t)
    if any(m != n and m != 1 for m, n in zip(t.shape, shape, strict=True)):
        raise ShapeError("IG111", f"expand: {t} to {list(shape)}: only axes of size 1 grow")
    return t.with_shape(shape)


def _grown(x: Value, shape: Shape) -> tuple[int, ...]:
    return tuple(i for i, (m, n) in enumerate(zip(x.shape, shape, strict=True)) if m != n)


expand: Op = register(
    Op(
        name="expand",
        kind="view",
        infer=_expand_type,
        eval=lambda x, *, shape: np.broadcast_to(x, shape),
        vjp=lambda g, y, x, *, shape: (reshape(TABLE["sum"](g, axes=_grown(x, shape)), shape=x.shape),),
        jvp=linear_jvp(lambda t, *, shape: expand(t, shape=shape)),
        batch=lambda size, x, *, shape: expand(x, shape=(size, *shape)),
        dtypes=ALL,
        samples=(
            Sample((Arg((2, 1)),), attributes(shape=(2, 3))),
            Sample((Arg((1, 3, 1)),), attributes(shape=(4, 3, 2))),
            Sample((Arg((1, 3)),), attributes(shape=(0, 3))),
            Sample((Arg((2, 3)),), attributes(shape=(2, 3))),
        ),
        doc="Axes of size 1 repeat; the rank stays.",
    )
)

# ---- slice and pad: each is the other's transpose


def _slice_type(t: TensorType, *, start: tuple[Size, ...], stop: tuple[Size, ...], step: tuple[int, ...]) -> TensorType:
    for what, values in (("start", start), ("stop", stop), ("step", step)):
        check_length("slice", what, values, t)
    for n, a, b, s in zip(t.shape, start, stop, step, strict=True):
        if s < 1:
            raise ShapeError("IG115", f"slice: steps {step} must be positive", fix="flip the axis first")
        sizes = [v for v in (0, a, b, n) if isinstance(v, int)]
        if sizes != sorted(sizes):
            raise ShapeError("IG115", f"slice: {a}:{b} is not within an axis of {n} elements of {t}")
    return t.with_shape([(b - a + s - 1) // s for a, b, s in zip(start, stop, step, strict=True)])


def _slice_vjp(
    g: Value, y: Value, x: Value, *, start: tuple[Size, ...], stop: tuple[Size, ...], step: tuple[int, ...]
) -> tuple[Value]:
    rest = tuple(n - a - _spread(m, s) for n, a, m, s in zip(x.shape, start, y.shape, step, strict=True))
    return (pad(g, low=start, high=rest, interior=tuple(s - 1 for s in step), value=0.0),)


def _spread(n: Size, step: int) -> Size:
    """The extent of n elements, `step` apart; a symbolic n is at least 1 where the step is not."""
    return n if step == 1 or n == 0 else (n - 1) * step + 1


def crop(x: Value, axis: int, start: Size, stop: Size) -> Value:
    """x[..., start:stop, ...] along one axis."""
    starts, stops = [0] * x.type.ndim, list(x.shape)
    return slice(
        x,
        start=(*starts[:axis], start, *starts[axis + 1 :]),
        stop=(*stops[:axis], stop, *stops[axis + 1 :]),
        step=(1,) * x.type.ndim,
    )


def _slices(start: Sequence[int], stop: Sequence[int], step: Sequence[int]) -> tuple[Any, ...]:
    return tuple(np.s_[a:b:s] for a, b, s in zip(start, stop, step, strict=True))


slice: Op = register(
    Op(
        name="slice",
        kind="view",
        infer=_slice_type,
        eval=lambda x, *, start, stop, step: x[(*_slices(start, stop, step), ...)],
        vjp=_slice_vjp,
        jvp=linear_jvp(lambda t, **attrs: slice(t, **attrs)),
        batch=lambda size, x, *, start, stop, step: slice(x, start=(0, *start), stop=(size, *stop), step=(1, *step)),
        dtypes=ALL,
        samples=(
            Sample((Arg((4, 5)),), attributes(start=(1, 0), stop=(3, 5), step=(1, 1))),
            Sample((Arg((7, 5)),), attributes(start=(1, 0), stop=(6, 5), step=(2, 3))),
            Sample((Arg((4, 5)),), attributes(start=(2, 0), stop=(2, 5), step=(2, 1))),
            Sample((Arg((0, 3)),), attributes(start=(0, 1), stop=(0, 2), step=(1, 1))),
            Sample((Arg(()),), attributes(start=(), stop=(), step=())),
        ),
        doc="x[start:stop:step] along every axis, 0 <= start <= stop <= size, step >= 1.",
    )
)


def _pad_type(
    t: TensorType, *, low: tuple[Size, ...], high: tuple[Size, ...], interior: tuple[int, ...], value: float
) -> TensorType:
    for what, values in (("low", low), ("high", high), ("interior", interior)):
        check_length("pad", what, values, t)
        if any(isinstance(v, int) and v < 0 for v in values):
            raise ShapeError("IG115", f"pad: {what} {values} must not be negative", fix="slice to make it smaller")
    return t.with_shape([a + _spread(n, i + 1) + b for n, a, b, i in zip(t.shape, low, high, interior, strict=True)])


def _pad(x: Array, *, low: tuple[int, ...], high: tuple[int, ...], interior: tuple[int, ...], value: float) -> Array:
    extents = [max((n - 1) * (i + 1) + 1, 0) if n else 0 for n, i in zip(x.shape, interior, strict=True)]
    shape = [a + n + b for a, n, b in zip(low, extents, high, strict=True)]
    result = np.full(shape, convert(np.asarray(value), x.dtype), x.dtype)
    stop = [a + n for a, n in zip(low, extents, strict=True)]
    result[(*_slices(low, stop, [i + 1 for i in interior]), ...)] = x
    return result


def _pad_vjp(
    g: Value,
    y: Value,
    x: Value,
    *,
    low: tuple[Size, ...],
    high: tuple[Size, ...],
    interior: tuple[int, ...],
    value: float,
) -> tuple[Value]:
    stop = tuple(n - b for n, b in zip(y.shape, high, strict=True))
    return (slice(g, start=low, stop=stop, step=tuple(i + 1 for i in interior)),)


pad: Op = register(
    Op(
        name="pad",
        kind="view",
        infer=_pad_type,
        eval=_pad,
        vjp=_pad_vjp,
        jvp=linear_jvp(lambda t, *, value, **attrs: pad(t, value=0.0, **attrs)),
        batch=lambda size, x, *, low, high, interior, value: pad(
            x, low=(0, *low), high=(0, *high), interior=(0, *interior), value=value
        ),
        dtypes=ALL,
        samples=(
            Sample((Arg((2, 3)),), attributes(low=(1, 0), high=(0, 2), interior=(0, 0), value=0.0)),
            Sample((Arg((2, 3)),), attributes(low=(1, 0), high=(0, 2), interior=(2, 1), value=1.0)),
            Sample((Arg((0, 3)),), attributes(low=(2, 0), high=(1, 0), interior=(3, 0), value=1)),
            Sample((Arg((1, 1)),), attributes(low=(0, 2), high=(0, 0), interior=(4, 0), value=0.0)),
            Sample((Arg(()),), attributes(low=(), high=(), interior=(), value=0.0)),
        ),
        doc="Put `low` elements before, `high` after and `interior` between the elements of each axis, all `value`.",
    )
)

# ---- concat


def _concat_type(*types: TensorType, axis: int) -> TensorType:
    if not types:
        raise ShapeError("IG113", "concat takes at least one operand")
    first = types[0]
    check_axis("concat", first, axis)
    check_dtype("concat", ALL, *types)
    for t in types:
        if t.dtype is not first.dtype:
            raise DTypeError("IG112", f"concat: dtypes differ: {listed(types)}", fix="cast to one dtype first")
        rest = (*t.shape[:axis], *t.shape[axis + 1 :])
        if t.ndim != first.ndim or rest != (*first.shape[:axis], *first.shape[axis + 1 :]):
            raise ShapeError("IG111", f"concat: shapes differ besides axis {axis}: {listed(types)}")
    extent: Size = 0
    for t in types:
        extent = extent + t.shape[axis]
    return first.with_shape((*first.shape[:axis], extent, *first.shape[axis + 1 :]))


def _concat_vjp(g: Value, y: Value, *xs: Value, axis: int) -> tuple[Value | None, ...]:
    cotangents: list[Value | None] = []
    start: Size = 0
    for x in xs:
        stop = start + x.shape[axis]
        cotangents.append(crop(g, axis, start, stop))
        start = stop
    return tuple(cotangents)


def _concat_jvp(tangents: Sequence[Value | None], out: Value, *xs: Value, axis: int) -> Value | None:
    if all(t is None for t in tangents):
        return None
    return concat(*(zeros_like(x) if t is None else t for t, x in zip(tangents, xs, strict=True)), axis=axis)


concat: Op = register(
    Op(
        name="concat",
        kind="view",
        infer=_concat_type,
        eval=lambda *xs, axis: np.concatenate(xs, axis),
        vjp=_concat_vjp,
        jvp=_concat_jvp,
        batch=lambda size, *xs, axis: concat(*xs, axis=axis + 1),
        dtypes=ALL,
        samples=(
            Sample((Arg((2, 3)), Arg((4, 3))), attributes(axis=0)),
            Sample((Arg((2, 3)), Arg((2, 0)), Arg((2, 1))), attributes(axis=1)),
            Sample((Arg((3,)),), attributes(axis=0)),
        ),
        doc="The operands one after the other along an axis.",
    )
)

# ---- flip


def _flip_type(t: TensorType, *, axes: tuple[int, ...]) -> TensorType:
    check_axes("flip", t, axes)
    return t


flip: Op = register(
    Op(
        name="flip",
        kind="view",
        infer=_flip_type,
        eval=lambda x, *, axes: np.asarray(np.flip(x, axes)),
        vjp=lambda g, y, x, *, axes: (flip(g, axes=axes),),
        jvp=linear_jvp(lambda t, *, axes: flip(t, axes=axes)),
        batch=lambda size, x, *, axes: flip(x, axes=shift(axes)),
        dtypes=ALL,
        samples=(
            Sample((Arg((2, 3)),), attributes(axes=(1,))),
            Sample((Arg((2, 3, 2)),), attributes(axes=(0, 2))),
            Sample((Arg((0, 3)),), attributes(axes=(0,))),
            Sample((Arg(()),), attributes(axes=())),
        ),
        doc="Reverse the order along the axes.",
    )
)
