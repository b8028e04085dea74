"""Rows that combine all elements along axes and drop those axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ingot.compiler.dims import product
from ingot.compiler.ir import Arg, Op, Sample, Shape, Size, TensorType, Value
from ingot.compiler.ops.cumulative import MAXIMUM, MINIMUM, PRODUCT, SUM, highest, lowest, others_before
from ingot.compiler.ops.definitions import accumulator, is_half
from ingot.compiler.ops.elementwise import convert, div, eq, mul, select
from ingot.compiler.ops.source import zeros_like
from ingot.compiler.ops.table import (
    NUMBERS,
    Vjp,
    attributes,
    check_axes,
    check_axis,
    check_dtype,
    linear_jvp,
    no_jvp,
    no_vjp,
    register,
    shift,
)
from ingot.compiler.ops.table import Fold as Fold
from ingot.compiler.ops.view import expand, inverse, permute, reshape
from ingot.runtime.dtypes import ALL, DType, bool_, float32, from_numpy, int64
from ingot.runtime.errors import ShapeError

Array = npt.NDArray[Any]


def dropped(shape: Shape, axes: Sequence[int]) -> Shape:
    """The shape without these axes."""
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def spread(reduced: Value, axes: tuple[int, ...], shape: Shape) -> Value:
    """A result of reducing over `axes`, repeated to the shape that was reduced."""
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    return expand(reshape(reduced, shape=kept), shape=shape)


def _check_nonempty(name: str, t: TensorType, axes: Sequence[int]) -> None:
    if 0 in [t.shape[a] for a in axes]:
        raise ShapeError("IG116", f"{name} of {t} over axes {list(axes)}: no elements, so there is no {name}")


def _reduction(
    name: str,
    define: Callable[[Array, tuple[int, ...]], Any],
    fold: Fold,
    *,
    vjp: Vjp,
    jvp: Callable[..., Value | None],
    dtypes: tuple[DType, ...],
    doc: str,
    nonempty: bool = False,
    distinct: bool = False,
) -> Op:
    def infer(t: TensorType, *, axes: tuple[int, ...]) -> TensorType:
        check_dtype(name, dtypes, t)
        check_axes(name, t, axes)
        if nonempty:
            _check_nonempty(name, t, axes)
        return t.with_shape(dropped(t.shape, axes))

    @np.errstate(all="ignore")
    def evaluate(x: Array, *, axes: tuple[int, ...]) -> Array:
        wide = x.astype(accumulator(x.dtype), copy=False)
        return np.asarray(define(wide, axes)).astype(x.dtype, copy=False)

    def batch(size: Size, x: Value, *, axes: tuple[int, ...]) -> Value:
        return op(x, axes=shift(axes))

    empty = () if nonempty else (Sample((Arg((0, 3)),), attributes(axes=(0,))),)
    op = Op(
        name=name,
        kind="reduce",
        infer=infer,
        eval=evaluate,
        vjp=vjp,
        jvp=jvp,
        batch=batch,
        lower=fold,
        dtypes=dtypes,
        samples=(
            Sample((Arg((2, 3), distinct=distinct),), attributes(axes=(0, 1))),
            Sample((Arg((3, 2, 4), distinct=distinct),), attributes(axes=(0, 2))),
            Sample((Arg((3, 1), distinct=distinct),), attributes(axes=(1,))),
            Sample((Arg((0, 3)),), attributes(axes=(1,))),
            Sample((Arg((2, 3), distinct=distinct),), attributes(axes=())),
            Sample((Arg(()),), attributes(axes=())),
            *empty,
        ),
        doc=doc,
    )
    return register(op)


# ---- sums and products

SHORT_ROW = 8  # elements of a row up to which NumPy's walk from row to row costs more than adding columns


def folded(combine: np.ufunc, x: Array, axes: tuple[int, ...]) -> Array | None:
    """The fold of short rows, column by column, in the order of the elements; None where rows are not short."""
    if x.ndim < 2 or axes != (x.ndim - 1,) or not 1 < x.shape[-1] <= SHORT_ROW:
        return None
    result: Array = combine(x[..., 0], x[..., 1])
    for i in range(2, x.shape[-1]):
        combine(result, x[..., i], out=result)
    return result


def summed(x: Array, axes: tuple[int, ...]) -> Any:
    """The sum in x's dtype."""
    short = folded(np.add, x, axes)
    return np.sum(x, axes, dtype=x.dtype) if short is None else short


def _sum_vjp(g: Value, y: Value, x: Value, *, axes: tuple[int, ...]) -> tuple[Value | None]:
    return (spread(g, axes, x.shape),) if x.dtype.is_floating_point else (None,)


sum: Op = _reduction(
    "sum",
    summed,
    SUM,
    vjp=_sum_vjp,
    jvp=linear_jvp(lambda t, *, axes: sum(t, axes=axes)),
    dtypes=NUMBERS,
    doc="The sum over the axes in x's dtype; integers wrap, half types accumulate in float32.",
)


def _others(x: Value, axes: tuple[int, ...]) -> Value:
    """For each element the product of all others that are reduced with it; no division, so zeros are exact."""
    kept = tuple(i for i in range(x.type.ndim) if i not in axes)
    order = (*kept, *axes)
    shape = tuple(x.shape[i] for i in kept)
    row = reshape(permute(x, axes=order), shape=(*shape, product(x.shape[i] for i in axes)))
    last = len(kept)
    others = mul(others_before(row, last, False), others_before(row, last, True))
    return permute(reshape(others, shape=tuple(x.shape[i] for i in order)), axes=inverse(order))


def _prod_vjp(g: Value, y: Value, x: Value, *, axes: tuple[int, ...]) -> tuple[Value | None]:
    return (mul(spread(g, axes, x.shape), _others(x, axes)),) if x.dtype.is_floating_point else (None,)


def _prod_jvp(tangents: Sequence[Value | None], out: Value, x: Value, *, axes: tuple[int, ...]) -> Value | None:
    (t,) = tangents
    return None if t is None else sum(mul(t, _others(x, axes)), axes=axes)


prod: Op = _reduction(
    "prod",
    lambda x, axes: np.prod(x, axes, dtype=x.dtype),
    PRODUCT,
    vjp=_prod_vjp,
    jvp=_prod_jvp,
    dtypes=NUMBERS,
    doc="The product over the axes in x's dtype; integers wrap. Derivatives are exact where elements are zero.",
)

# ---- extrema


def _weights(y: Value, x: Value, axes: tuple[int, ...]) -> tuple[Value, Value]:
    """Which elements are the extremum, and how many are (in the result's shape, float32 or wider)."""
    mask = eq(x, spread(y, axes, x.shape))
    wide = float32 if x.dtype.itemsize == 2 else x.dtype
    return mask, sum(convert(mask, wide), axes=axes)


def _extremum_vjp(g: Value, y: Value, x: Value, *, axes: tuple[int, ...]) -> tuple[Value | None]:
    if not x.dtype.is_floating_point:
        return (None,)
    mask, count = _weights(y, x, axes)
    part = convert(div(convert(g, count.dtype), count), g.dtype)
    return (select(mask, spread(part, axes, x.shape), zeros_like(x)),)


def _extremum_jvp(tangents: Sequence[Value | None], out: Value, x: Value, *, axes: tuple[int, ...]) -> Value | None:
    (t,) = tangents
    if t is None:
        return None
    mask, count = _weights(out, x, axes)
    total = sum(select(mask, t, zeros_like(t)), axes=axes)
    return convert(div(convert(total, count.dtype), count), t.dtype)


def _bound(x: Array, bound: Callable[[DType], Any]) -> Any:
    return bound(from_numpy(x.dtype))


max: Op = _reduction(
    "max",
    lambda x, axes: np.max(x, axes, initial=_bound(x, lowest)),
    MAXIMUM,
    vjp=_extremum_vjp,
    jvp=_extremum_jvp,
    dtypes=ALL,
    nonempty=True,
    distinct=True,
    doc="The largest element; NaN if there is one. Equal largest elements share the gradient.",
)
min: Op = _reduction(
    "min",
    lambda x, axes: np.min(x, axes, initial=_bound(x, highest)),
    MINIMUM,
    vjp=_extremum_vjp,
    jvp=_extremum_jvp,
    dtypes=ALL,
    nonempty=True,
    distinct=True,
    doc="The smallest element; NaN if there is one. Equal smallest elements share the gradient.",
)
any: Op = _reduction(
    "any",
    lambda x, axes: np.any(x, axes),
    Fold(lambda dtype: False, "or_", "or"),
    vjp=no_vjp,
    jvp=no_jvp,
    dtypes=(bool_,),
    doc="Whether some element is true.",
)
all: Op = _reduction(
    "all",
    lambda x, axes: np.all(x, axes),
    Fold(lambda dtype: True, "and_", "and"),
    vjp=no_vjp,
    jvp=no_jvp,
    dtypes=(bool_,),
    doc="Whether every element is true.",
)

# ---- positions of extrema


def _position(name: str, define: Callable[..., Array], fold: Fold, doc: str) -> Op:
    def infer(t: TensorType, *, axis: int) -> TensorType:
        check_dtype(name, ALL, t)
        check_axis(name, t, axis)
        _check_nonempty(name, t, (axis,))
        return TensorType(int64, dropped(t.shape, (axis,)))

    def evaluate(x: Array, *, axis: int) -> Array:
        wide = x.astype(np.float32) if is_half(x.dtype) else x
        return np.asarray(define(wide, axis), np.int64)

    op = Op(
        name=name,
        kind="reduce",
        infer=infer,
        eval=evaluate,
        vjp=no_vjp,
        jvp=no_jvp,
        batch=lambda size, x, *, axis: op(x, axis=axis + 1),
        lower=fold,
        dtypes=ALL,
        samples=(
            Sample((Arg((2, 3)),), attributes(axis=1)),
            Sample((Arg((3, 2, 4)),), attributes(axis=0)),
            Sample((Arg((3, 1)),), attributes(axis=1)),
            Sample((Arg((0, 3)),), attributes(axis=1)),
            Sample((Arg((5,)),), attributes(axis=0)),
        ),
        doc=doc,
    )
    return register(op)


argmax: Op = _position(
    "argmax",
    np.argmax,
    Fold(lowest, "maximum", None, position=True),
    "The position (int64) of the first largest element; NaN counts as largest.",
)
argmin: Op = _position(
    "argmin",
    np.argmin,
    Fold(highest, "minimum", None, position=True),
    "The position (int64) of the first smallest element; NaN counts as smallest.",
)
