"""Rows that combine all elements up to each position of an axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ingot.compiler.ir import Arg, Op, Sample, Size, TensorType, Value
from ingot.compiler.ops.definitions import accumulator
from ingot.compiler.ops.elementwise import add, eq, ge, maximum, mul, ne, or_, select, sub
from ingot.compiler.ops.index import take
from ingot.compiler.ops.source import full, iota, ones_like, zeros_like
from ingot.compiler.ops.table import (
    NUMBERS,
    Fold,
    attributes,
    check_axis,
    check_dtype,
    linear_jvp,
    register,
)
from ingot.compiler.ops.view import crop, expand, flip, pad, reshape
from ingot.runtime.dtypes import DType, bool_, int64

Array = npt.NDArray[Any]


def highest(dtype: DType) -> int | float | bool:
    """No element of this dtype is larger: the identity of a minimum."""
    if dtype.is_floating_point:
        return float("inf")
    return True if dtype is bool_ else (1 << (dtype.bits - dtype.is_signed)) - 1


def lowest(dtype: DType) -> int | float | bool:
    """No element of this dtype is smaller: the identity of a maximum."""
    if dtype.is_floating_point:
        return float("-inf")
    return False if dtype is bool_ else -(1 << (dtype.bits - 1)) * dtype.is_signed


SUM = Fold(lambda dtype: 0, "add", "add")
PRODUCT = Fold(lambda dtype: 1, "mul", "mul")
MAXIMUM = Fold(lowest, "maximum", "max")
MINIMUM = Fold(highest, "minimum", "min")

# ---- building blocks of the derivatives


def moved(x: Value, axis: int, by: int, fill: float, reverse: bool) -> Value:
    """x moved by `by` positions along the axis (towards its start when `reverse`), `fill` where nothing came from."""
    extent = x.shape[axis]
    if by > 1 and not isinstance(extent, int):
        return _moved_within(x, axis, by, fill, reverse)
    none = (0,) * x.type.ndim
    shifted = (*none[:axis], by, *none[axis + 1 :])
    low, high = (none, shifted) if reverse else (shifted, none)
    padded = pad(x, low=low, high=high, interior=none, value=fill)
    return crop(padded, axis, by, extent + by) if reverse else crop(padded, axis, 0, extent)


def _moved_within(x: Value, axis: int, by: int, fill: float, reverse: bool) -> Value:
    """The same for a named extent, which may be far less than `by`: padding by that much would cost memory."""
    if reverse:
        return flip(_moved_within(flip(x, axes=(axis,)), axis, by, fill, False), axes=(axis,))
    source = iota(type=TensorType(int64, (x.shape[axis],)), axis=0)
    source = sub(source, full(source.type, by))
    zero = zeros_like(source)
    line = tuple(n if i == axis else 1 for i, n in enumerate(x.shape))
    inside = expand(reshape(ge(source, zero), shape=line), shape=x.shape)
    return select(inside, take(x, maximum(source, zero), axis=axis), full(x.type, fill))


def recurrence(factor: Value, term: Value, axis: int, reverse: bool) -> Value:
    """s[k] = term[k] + factor[k] * s[k-1] along the axis (s[k+1] when `reverse`), without division.

    Hillis & Steele 1986: doubling in ceil(log2(n)) steps. Polynomial in its operands, so exact through zeros and at
    every order of differentiation.
    """
    step = 1
    while step < _bound(factor.shape[axis]):
        term = add(term, mul(factor, moved(term, axis, step, 0.0, reverse)))
        factor = mul(factor, moved(factor, axis, step, 1.0, reverse))
        step *= 2
    return term


def _bound(n: Size) -> int:
    return n if isinstance(n, int) else n.high


def others_before(x: Value, axis: int, reverse: bool) -> Value:
    """The product of the elements strictly before each position (after it when `reverse`)."""
    return cumprod(moved(x, axis, 1, 1.0, reverse), axis=axis, reverse=reverse)


# ---- the rows


def _cumulative(name: str, ufunc: np.ufunc, fold: Fold, vjp: Any, jvp: Any, distinct: bool, doc: str) -> Op:
    def infer(t: TensorType, *, axis: int, reverse: bool = False) -> TensorType:
        check_axis(name, t, axis)
        check_dtype(name, NUMBERS, t)
        return t

    def evaluate(x: Array, *, axis: int, reverse: bool = False) -> Array:
        with np.errstate(all="ignore"):
            wide = accumulator(x.dtype)
            turned = np.flip(x, axis) if reverse else x
            result = ufunc.accumulate(turned.astype(wide, copy=False), axis, dtype=wide).astype(x.dtype, copy=False)
        return np.flip(result, axis) if reverse else result

    def batch(size: Size, x: Value, *, axis: int, reverse: bool = False) -> Value:
        return op(x, axis=axis + 1, reverse=reverse)

    op = Op(
        name=name,
        kind="cumulative",
        infer=infer,
        eval=evaluate,
        vjp=vjp,
        jvp=jvp,
        batch=batch,
        lower=fold,
        dtypes=NUMBERS,
        samples=(
            Sample((Arg((2, 5), None, distinct=distinct),), attributes(axis=1, reverse=False)),
            Sample((Arg((5, 2), None, distinct=distinct),), attributes(axis=0, reverse=True)),
            Sample((Arg((2, 1, 3), None, distinct=distinct),), attributes(axis=1, reverse=False)),
            Sample((Arg((0, 3)),), attributes(axis=0, reverse=False)),
        ),
        doc=doc,
    )
    return register(op)


def _cumsum_vjp(g: Value, y: Value, x: Value, *, axis: int, reverse: bool = False) -> tuple[Value | None]:
    return (cumsum(g, axis=axis, reverse=not reverse),) if x.dtype.is_floating_point else (None,)


cumsum: Op = _cumulative(
    "cumsum",
    np.add,
    SUM,
    _cumsum_vjp,
    linear_jvp(lambda t, **attrs: cumsum(t, **attrs)),
    False,
    "Sums of all elements up to each position; half types accumulate in float32.",
)


def _cumprod_vjp(g: Value, y: Value, x: Value, *, axis: int, reverse: bool = False) -> tuple[Value | None]:
    """d y[k] / d x[i] is the product of the x[j], j <= k, without x[i]: those before i times those from i + 1 to k."""
    if not x.dtype.is_floating_point:
        return (None,)
    after = recurrence(moved(x, axis, 1, 1.0, not reverse), g, axis, not reverse)
    return (mul(others_before(x, axis, reverse), after),)


def _cumprod_jvp(tangents: Any, out: Value, x: Value, *, axis: int, reverse: bool = False) -> Value | None:
    (t,) = tangents
    return None if t is None else recurrence(x, mul(t, others_before(x, axis, reverse)), axis, reverse)


cumprod: Op = _cumulative(
    "cumprod",
    np.multiply,
    PRODUCT,
    _cumprod_vjp,
    _cumprod_jvp,
    False,
    "Products of all elements up to each position; derivatives are exact where elements are zero.",
)


def _sources(x: Value, y: Value) -> tuple[Value, Value]:
    """Where an element is itself the extremum so far (the last of equal ones, as in PyTorch): mask, and 0 there."""
    source = or_(eq(x, y), ne(x, x))
    return source, select(source, zeros_like(x), ones_like(x))


def _extremum_vjp(g: Value, y: Value, x: Value, *, axis: int, reverse: bool = False) -> tuple[Value | None]:
    """An element receives the cotangents from its position up to the next element that is an extremum."""
    if not x.dtype.is_floating_point:
        return (None,)
    source, keeps = _sources(x, y)
    collected = recurrence(moved(keeps, axis, 1, 0.0, not reverse), g, axis, not reverse)
    return (select(source, collected, zeros_like(g)),)


def _extremum_jvp(tangents: Any, out: Value, x: Value, *, axis: int, reverse: bool = False) -> Value | None:
    (t,) = tangents
    if t is None:
        return None
    source, keeps = _sources(x, out)
    return recurrence(keeps, select(source, t, zeros_like(t)), axis, reverse)


cummax: Op = _cumulative(
    "cummax",
    np.maximum,
    MAXIMUM,
    _extremum_vjp,
    _extremum_jvp,
    True,
    "The largest element up to each position; NaN from the first NaN on. Of equal ones the last has the gradient.",
)
cummin: Op = _cumulative(
    "cummin",
    np.minimum,
    MINIMUM,
    _extremum_vjp,
    _extremum_jvp,
    True,
    "The smallest element up to each position; NaN from the first NaN on. Of equal ones the last has the gradient.",
)
