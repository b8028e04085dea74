"""Reductions along dimensions, cumulative sums and products, and norms."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ingot.compiler.ir import Op, TensorType
from ingot.compiler.ops import cumulative, elementwise, reduce, source
from ingot.compiler.ops import index as index_rows
from ingot.compiler.ops import view as view_rows
from ingot.composite import composite
from ingot.functional.arithmetic import div, eq, ne, sub, where
from ingot.functional.unary import abs, exp, floating, log, nan_to_num, sqrt, square
from ingot.gate import apply
from ingot.promote import cast_to, expand_to, splat, unified
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import AxisError, DTypeError, OutOfRangeError, ShapeError
from ingot.runtime.layout import normalize_dim
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

Dims = int | Sequence[int] | None


class ValuesAndIndices(NamedTuple):
    """The result of reductions that say where they found their values."""

    values: Tensor
    indices: Tensor


def axes_of(input: Tensor, dim: Dims) -> tuple[int, ...]:
    """The dimensions counted from 0, ascending; all of them for None and (). Raises ShapeError (IG202)."""
    ndim = input._layout.ndim
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return tuple(range(ndim))
    given = (dim,) if isinstance(dim, int) else tuple(dim)
    axes = tuple(sorted([axis_of(input, d) for d in given]))
    if len(set(axes)) != len(axes):
        raise ShapeError("IG202", f"dimension appears twice in {given}", where=user_line())
    return axes if ndim else ()


def axis_of(input: Tensor, dim: int) -> int:
    """The dimension counted from 0; a 0-d tensor has dimension 0 (and -1). Raises ShapeError (IG202)."""
    try:
        return normalize_dim(dim, input._layout.ndim or 1)
    except ShapeError as error:
        error.where, error.detail = user_line(), (f"the tensor's shape is {list(input._layout.shape)}",)
        raise


def kept(result: Tensor, input: Tensor, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    """The reduced dimensions put back with size 1, if asked."""
    if not keepdim or not axes:
        return result
    shape = tuple(1 if i in axes else n for i, n in enumerate(input._layout.shape))
    return result.view(shape)


def reduced(row: Op, input: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    """A reduction over dimensions."""
    axes = axes_of(input, dim)
    return kept(apply(row, input, axes=axes), input, axes, keepdim)


def _summed_type(input: Tensor, dtype: DType | None) -> Tensor:
    """As PyTorch: bools and integers sum in int64, unless a dtype is given."""
    if dtype is not None:
        return cast_to(input, dtype)
    return input if input._layout.dtype.is_floating_point else cast_to(input, dtypes.int64)


@composite
def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """The sum over `dim` (an int, several, or None for all). Bools and integers sum in int64."""
    return _folded(reduce.sum, _summed_type(input, dtype), dim, keepdim)


def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """The sum with NaN counted as 0."""
    return sum(nan_to_num(input, 0.0, math.inf, -math.inf), dim, keepdim, dtype=dtype)


@composite
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """The product over one dimension, or over all. Bools and integers multiply in int64."""
    return _folded(reduce.prod, _summed_type(input, dtype), dim, keepdim)


def _folded(row: Op, x: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    """A sum or product; that of bools, which only `dtype=bool` asks for, tells whether it is not 0."""
    if x._layout.dtype is dtypes.bool_:
        return cast_to(reduced(row, cast_to(x, dtypes.int64), dim, keepdim), dtypes.bool_)
    return reduced(row, x, dim, keepdim)


@composite
def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """The mean over `dim`. Raises DTypeError (IG220) for integers, unless `dtype` is floating."""
    x = input if dtype is None else cast_to(input, dtype)
    if not x._layout.dtype.is_floating_point:
        raise DTypeError(
            "IG220",
            f"mean(): could not infer output dtype. Input dtype must be floating point. Got: {x._layout.dtype}",
            where=user_line(),
            fix="x.float().mean()",
        )
    total = reduced(reduce.sum, x, dim, keepdim)
    return div(total, _count(x, axes_of(x, dim)))


def _count(input: Tensor, axes: tuple[int, ...]) -> Any:
    return math.prod(input._layout.shape[axis] for axis in axes)


@composite
def amax(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """The largest element over `dim`; the gradient is shared evenly by equal ones."""
    _check_elements("amax", input, dim)
    return reduced(reduce.max, input, dim, keepdim)


@composite
def amin(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """The smallest element over `dim`; the gradient is shared evenly by equal ones."""
    _check_elements("amin", input, dim)
    return reduced(reduce.min, input, dim, keepdim)


def _check_elements(name: str, input: Tensor, dim: Dims) -> None:
    """Raises OutOfRangeError (IG116) where nothing is reduced."""
    shape = input._layout.shape
    for axis in axes_of(input, dim):
        if shape[axis] == 0:
            raise OutOfRangeError(
                "IG116",
                f"{name}(): Expected reduction dim {axis} to have non-zero size; the shape is {list(shape)}",
                where=user_line(),
            )


class MinAndMax(NamedTuple):
    """The result of aminmax."""

    min: Tensor
    max: Tensor


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinAndMax:
    """The smallest and the largest element."""
    axes: Dims = () if dim is None else dim
    return MinAndMax(amin(input, axes, keepdim), amax(input, axes, keepdim))


def max(input: Tensor, dim: Any = None, keepdim: bool = False, other: Any = None) -> Any:
    """The largest element; with `dim`, a pair (values, indices); with a second tensor, the elementwise maximum."""
    return _extreme(input, dim, keepdim, other, reduce.max, reduce.argmax, elementwise.maximum, "max")


def min(input: Tensor, dim: Any = None, keepdim: bool = False, other: Any = None) -> Any:
    """The smallest element; with `dim`, a pair (values, indices); with a second tensor, the elementwise minimum."""
    return _extreme(input, dim, keepdim, other, reduce.min, reduce.argmin, elementwise.minimum, "min")


def _extreme(input: Tensor, dim: Any, keepdim: bool, other: Any, row: Op, position: Op, pairwise: Op, name: str) -> Any:
    from_dim = other if other is not None else (dim if hasattr(dim, "_layout") else None)
    if from_dim is not None:
        return elementwise_extreme(name, pairwise, input, from_dim)
    if dim is None:
        _need_elements(input, None, name)
        return reduced(row, input, None, False)
    axis = axis_of(input, dim)
    if input._layout.ndim == 0:
        return ValuesAndIndices(apply(view_rows.reshape, input, shape=()), splat(0, dtypes.int64))
    _need_elements(input, axis, name)
    where_ = apply(position, _ordered(input), axis=axis)
    index = kept(where_, input, (axis,), True)
    values = apply(index_rows.gather, input, index, axis=axis)
    if keepdim:
        return ValuesAndIndices(values, index)
    shape = where_._layout.shape
    return ValuesAndIndices(values.view(shape), where_)


def _need_elements(input: Tensor, axis: int | None, name: str) -> None:
    """Raises AxisError (IG116) where there is no element to choose."""
    shape = input._layout.shape
    if input._layout.numel == 0 and (axis is None or shape[axis] == 0):
        raise AxisError(
            "IG116",
            f"{name}(): Expected reduction dim {'to be specified for' if axis is None else axis} "
            f"{'input.numel() == 0' if axis is None else 'to have non-zero size'}: the shape is {list(shape)}",
            where=user_line(),
        )


def _ordered(input: Tensor) -> Tensor:
    """Bools as numbers, for rows that compare."""
    return cast_to(input, dtypes.uint8) if input._layout.dtype.kind == "b" else input


def elementwise_extreme(name: str, row: Op, a: Any, b: Any) -> Tensor:
    return apply(row, *unified(name, a, b))


@composite
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest element is (the first of equal ones): along `dim`, or in the flattened tensor."""
    return _position(reduce.argmax, input, dim, keepdim)


@composite
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest element is (the first of equal ones): along `dim`, or in the flattened tensor."""
    return _position(reduce.argmin, input, dim, keepdim)


def _position(row: Op, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    x = _ordered(input)
    _need_elements(input, dim if dim is None else axis_of(input, dim), row.name)
    if dim is None:
        flat = apply(row, x.reshape(-1), axis=0)
        return flat.view((1,) * input._layout.ndim) if keepdim else flat
    if x._layout.ndim == 0:
        axis_of(x, dim)
        return splat(0, dtypes.int64)
    axis = axis_of(x, dim)
    return kept(apply(row, x, axis=axis), input, (axis,), keepdim)


def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether some element is nonzero."""
    return _as_truth(input, reduced(reduce.any, _truth(input), dim, keepdim))


def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether every element is nonzero."""
    return _as_truth(input, reduced(reduce.all, _truth(input), dim, keepdim))


def _as_truth(input: Tensor, result: Tensor) -> Tensor:
    """Truth values; of uint8 they are uint8, as in PyTorch."""
    return cast_to(result, dtypes.uint8) if input._layout.dtype is dtypes.uint8 else result


def _truth(input: Tensor) -> Tensor:
    return input if input._layout.dtype.kind == "b" else ne(input, 0)


def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """The number of nonzero elements."""
    return sum(_truth(input), dim)


@composite
def var(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: int | None = None
) -> Tensor:
    """The variance over `dim`, divided by n - correction (1 by default, 0 for `unbiased=False`)."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if not input._layout.dtype.is_floating_point:
        raise DTypeError(
            "IG220",
            f"std and var only support floating point and complex dtypes, not {input._layout.dtype}",
            where=user_line(),
            fix="x.float().var()",
        )
    if correction is None:
        correction = 1 if unbiased else 0
    axes = axes_of(input, dim)
    centred = sub(input, mean(input, axes, True)) if axes else sub(input, input)
    total = reduced(reduce.sum, square(centred), axes, keepdim) if axes else square(centred)
    count = _count(input, axes)
    freedom = count - correction
    if isinstance(freedom, int) and freedom <= 0:
        return div(total, 0.0)
    return div(total, freedom)


@composite
def std(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: int | None = None
) -> Tensor:
    """The standard deviation: the square root of `var`; its gradient is 0 where it is 0."""
    return root(var(input, dim, unbiased, keepdim, correction=correction))


def root(input: Tensor) -> Tensor:
    """The square root, with gradient 0 at 0."""
    zero = eq(input, 0)
    return where(zero, 0.0, sqrt(where(zero, 1.0, input)))


def var_mean(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: int | None = None
) -> tuple[Tensor, Tensor]:
    """(variance, mean) over `dim`."""
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


def std_mean(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: int | None = None
) -> tuple[Tensor, Tensor]:
    """(standard deviation, mean) over `dim`."""
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


@composite
def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) over `dim`, without overflow."""
    x = floating(input)
    if 0 in [x._layout.shape[axis] for axis in axes_of(x, dim)]:
        return log(sum(exp(x), dim, keepdim))
    top = amax(x, dim, True).detach()
    # An infinite maximum would give inf - inf; PyTorch subtracts 0 there.
    shift = where(eq(abs(top), math.inf), splat(0.0, x._layout.dtype, top._layout.shape), top)
    total = log(sum(exp(sub(x, shift)), dim, True))
    result = total + shift
    axes = axes_of(x, dim)
    shape = tuple(n for i, n in enumerate(x._layout.shape) if i not in axes)
    return result if keepdim else result.view(shape)


def _cumulative(row: Op, name: str, what: str) -> Callable[..., Tensor]:
    def function(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
        x = _summed_type(input, dtype)
        axis = axis_of(x, dim)
        if x._layout.ndim == 0:
            return apply(view_rows.reshape, x, shape=())
        return apply(row, x, axis=axis, reverse=False)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = what
    return function


cumsum = _cumulative(cumulative.cumsum, "cumsum", "The sums of the elements up to each one along `dim`.")
cumprod = _cumulative(cumulative.cumprod, "cumprod", "The products of the elements up to each one along `dim`.")


def _cumulative_extreme(row: Op, name: str, what: str) -> Callable[[Tensor, int], ValuesAndIndices]:
    def function(input: Tensor, dim: int) -> ValuesAndIndices:
        axis = axis_of(input, dim)
        if input._layout.ndim == 0:
            return ValuesAndIndices(apply(view_rows.reshape, input, shape=()), splat(0, dtypes.int64))
        if input._layout.dtype.kind == "b":
            values, found = function(cast_to(input, dtypes.uint8), dim)
            return ValuesAndIndices(cast_to(values, input._layout.dtype), found)
        values = apply(row, input, axis=axis, reverse=False)
        # Where a new extreme (or one equal to it) appears, its position; later elements keep the last such position.
        counter = positions(input, axis)
        fresh = eq(input, values)
        if input._layout.dtype.is_floating_point:
            fresh = fresh | input.isnan()
        marked = where(fresh, counter, splat(0, dtypes.int64, counter._layout.shape))
        return ValuesAndIndices(values, apply(cumulative.cummax, marked, axis=axis, reverse=False))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = what
    return function


def positions(input: Tensor, axis: int) -> Tensor:
    """0, 1, 2, ... along an axis, in the shape of the tensor."""
    shape = input._layout.shape
    counter = apply(source.iota, type=TensorType(dtypes.int64, (shape[axis],)), axis=0)
    column = counter.view(tuple(n if i == axis else 1 for i, n in enumerate(shape)))
    return expand_to(column, shape)


cummax = _cumulative_extreme(cumulative.cummax, "cummax", "(largest element so far along `dim`, where it is).")
cummin = _cumulative_extreme(cumulative.cummin, "cummin", "(smallest element so far along `dim`, where it is).")
