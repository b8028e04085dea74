"""Reading and writing at positions given by tensors; sorting and searching."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.compiler.ir import TensorType
from ingot.compiler.ops import cumulative, elementwise, source
from ingot.compiler.ops import index as index_rows
from ingot.compiler.ops import reduce as reduce_rows
from ingot.compiler.ops import sort as sort_rows
from ingot.compiler.ops import view as view_rows
from ingot.core import array_of, is_traced, own_array, tensor_from_array
from ingot.functional.arithmetic import div, mul, splat_or_expand, where
from ingot.functional.reductions import ValuesAndIndices, axis_of
from ingot.functional.shaping import expand, flatten, movedim, sliced, unsqueeze
from ingot.gate import apply, apply_several
from ingot.modes import modes
from ingot.promote import cast_to, expand_to, splat
from ingot.runtime import dtypes
from ingot.runtime.errors import AxisError, DTypeError, OperandError, ShapeError, SpecError, TraceError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def wrapped(index: Tensor, size: Any) -> Tensor:
    """Negative indices counted from the end. Constant indices that are known not to be negative are left alone."""
    if modes.trace is None and (index._layout.numel == 0 or array_of(index).min() >= 0):
        return index
    layout = index._layout
    zero, extent = splat(0, layout.dtype, layout.shape), splat_or_expand(size, layout.dtype, layout.shape)
    return apply(elementwise.select, apply(elementwise.lt, index, zero), apply(elementwise.add, index, extent), index)


def index_tensor(index: Tensor, name: str) -> Tensor:
    """An index in int64 or int32. Raises DTypeError (IG229) for other dtypes."""
    if not hasattr(index, "_layout"):
        raise DTypeError("IG229", f"{name}: the index must be a tensor, not {type(index).__name__}", where=user_line())
    dtype = index._layout.dtype
    if dtype in (dtypes.int64, dtypes.int32):
        return index
    raise DTypeError(
        "IG229", f"{name}(): expected dtype int64 for index, got {dtype}", where=user_line(), fix="index.long()"
    )


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """result[i][j] = input[index[i][j]][j] for dim 0, and likewise for others."""
    axis = axis_of(input, dim)
    place = index_tensor(index, "gather")
    if input._layout.ndim == 0:
        return gather(unsqueeze(input, 0), 0, flatten(place)).view(place._layout.shape)
    _same_rank("gather", input, place)
    return apply(index_rows.gather, input, place, axis=axis)


def _same_rank(name: str, input: Tensor, index: Tensor) -> None:
    if input._layout.ndim != index._layout.ndim:
        raise ShapeError(
            "IG230",
            f"{name}: index tensor must have the same number of dimensions as input tensor: index "
            f"{list(index._layout.shape)}, input {list(input._layout.shape)}",
            where=user_line(),
        )


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with other dimensions broadcast; in the flattened tensor without `dim`."""
    if dim is None:
        return gather(flatten(input), 0, flatten(indices))
    axis = axis_of(input, dim)
    index = index_tensor(indices, "take_along_dim")
    a, b = list(input._layout.shape), list(index._layout.shape)
    shape_a = tuple(m if i == axis else (n if m == 1 else m) for i, (m, n) in enumerate(zip(a, b, strict=True)))
    shape_b = tuple(n if i == axis else (m if n == 1 else n) for i, (m, n) in enumerate(zip(a, b, strict=True)))
    return gather(expand_to(input, shape_a), axis, expand_to(wrapped(index, a[axis]), shape_b))


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """A copy of `input` with result[index[i][j]][j] = src[i][j] for dim 0; `src` may be a number.

    `reduce`: "add" or "multiply" combines instead of replacing. Raises SpecError (IG217).
    """
    axis = axis_of(input, dim)
    place = index_tensor(index, "scatter")
    new = value if src is None else src
    if input._layout.ndim == 0:
        new = flatten(new) if hasattr(new, "_layout") else new
        return scatter(unsqueeze(input, 0), 0, flatten(place), new, reduce=reduce).view(())
    _same_rank("scatter", input, place)
    updates = _updates(input, place, new)
    if reduce == "multiply":
        return _scatter_product(input, place, updates, axis)
    if reduce not in (None, "add"):
        raise SpecError("IG217", f"scatter: reduce is 'add' or 'multiply', not {reduce!r}", where=user_line())
    return apply(index_rows.scatter, input, place, updates, axis=axis, mode="set" if reduce is None else "add")


def _updates(input: Tensor, index: Tensor, src: Any) -> Tensor:
    dtype, shape = input._layout.dtype, index._layout.shape
    if not hasattr(src, "_layout"):
        return splat(src, dtype, shape)
    if src._layout.dtype is not dtype:
        raise DTypeError(
            "IG227",
            f"scatter: self and src must have the same dtype, but got {dtype} and {src._layout.dtype}",
            where=user_line(),
            fix=f"src.to({dtype})",
        )
    x: Tensor = src
    for axis, n in enumerate(shape):
        x = x if x._layout.shape[axis] == n else sliced(x, axis, 0, n, 1)
    return x


def _scatter_product(input: Tensor, index: Tensor, updates: Tensor, axis: int, include_self: bool = True) -> Tensor:
    """Every element against every update of its line: products of repeated places need no order of writing."""
    last = input._layout.ndim - 1
    places, factors = unsqueeze(movedim(index, axis, last), -2), unsqueeze(movedim(updates, axis, last), -2)
    size: Any = input._layout.shape[axis]
    count = apply(source.iota, type=TensorType(index._layout.dtype, (size,)), axis=0)
    shape = (*factors._layout.shape[:-2], size, factors._layout.shape[-1])
    here = apply(elementwise.eq, expand_to(places, shape), expand_to(unsqueeze(count, -1), shape))
    one = splat(1, input._layout.dtype, shape)
    made = apply(reduce_rows.prod, apply(elementwise.select, here, expand_to(factors, shape), one), axes=(last + 1,))
    product = _grown(movedim(made, last, axis), input._layout.shape, 1)
    if include_self:
        return mul(input, product)
    touched = _grown(movedim(apply(reduce_rows.any, here, axes=(last + 1,)), last, axis), input._layout.shape, False)
    return where(touched, product, input)


def _grown(x: Tensor, shape: Any, number: Any) -> Tensor:
    """Padded to a shape."""
    none = (0,) * len(shape)
    high = tuple(n - m for n, m in zip(shape, x._layout.shape, strict=True))
    return apply(view_rows.pad, x, low=none, high=high, interior=none, value=number) if any(high) else x


def splat_like(input: Tensor, number: Any) -> Tensor:
    """The number in the shape and dtype of a tensor."""
    return splat(number, input._layout.dtype, input._layout.shape)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy of `input` with src[i][j] added at result[index[i][j]][j] for dim 0."""
    return scatter(input, dim, index, src, reduce="add")


_REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A copy of `input` combined with `src` at the index: "sum", "mean", "amax" or "amin"."""
    axis = axis_of(input, dim)
    place = index_tensor(index, "scatter_reduce")
    updates = _updates(input, place, src)
    if reduce not in _REDUCTIONS:
        raise SpecError(
            "IG217",
            f"scatter_reduce: reduce argument must be either sum, prod, mean, amax or amin, got {reduce}",
            where=user_line(),
        )
    if reduce == "prod":
        return _scatter_product(input, place, updates, axis, include_self)
    if reduce == "amin":
        # The largest of the numbers in reverse order.
        turn = elementwise.neg if input._layout.dtype.is_floating_point else elementwise.bitwise_not
        turned = scatter_reduce(
            apply(turn, input), axis, place, apply(turn, updates), "amax", include_self=include_self
        )
        return apply(turn, turned)

    def written(base: Tensor, values: Tensor, mode: str) -> Tensor:
        return apply(index_rows.scatter, base, place, values, axis=axis, mode=mode)

    base = input
    if not include_self:
        neutral = cumulative.lowest(input._layout.dtype) if reduce == "amax" else 0
        base = written(input, splat(neutral, input._layout.dtype, place._layout.shape), "set")
    if reduce == "amax":
        return written(base, updates, "max")
    summed = written(base, updates, "add")
    if reduce == "sum":
        return summed
    ones = splat(1, input._layout.dtype, place._layout.shape)
    counts = written(splat_like(input, 1 if include_self else 0), ones, "add").clamp(min=1)
    return div(summed, counts, rounding_mode=None if input._layout.dtype.is_floating_point else "floor")


def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A copy of `input` with source[i] combined into index[i] of `dim`: "prod", "mean", "amax" or "amin"."""
    axis = axis_of(input, dim)
    place = index_tensor(index, "index_reduce")
    column = place.view(tuple(-1 if i == axis else 1 for i in range(source._layout.ndim)))
    spread = expand_to(column, source._layout.shape)
    return scatter_reduce(input, axis, spread, source, reduce, include_self=include_self)


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with the elements of `source` at places of the flattened tensor, added if `accumulate`."""
    flat = flatten(input)
    place = wrapped(index_tensor(index, "put"), flat._layout.shape[0])
    updates = _updates(input, place, source.reshape(place._layout.shape))
    made = apply(index_rows.put, flat, place, updates, axis=0, mode="add" if accumulate else "set")
    return made.view(input._layout.shape)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The parts of `dim` named by a vector of indices."""
    axis = axis_of(input, dim)
    place = index_tensor(index, "index_select")
    if place._layout.ndim > 1:
        raise AxisError("IG230", "index_select(): Index is supposed to be a vector", where=user_line())
    if input._layout.ndim == 0:
        if place._layout.numel != 1:
            raise AxisError(
                "IG230", f"index_select(): a scalar has 1 value, not {place._layout.numel}", where=user_line()
            )
        return index_select(unsqueeze(input, 0), 0, place).view(())
    return apply(index_rows.take, input, place if place._layout.ndim else unsqueeze(place, 0), axis=axis)


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """A copy of `input` with alpha * source[i] added at index[i] of `dim`."""
    axis = axis_of(input, dim)
    if input._layout.ndim == 0:
        return index_add(unsqueeze(input, 0), 0, flatten(index), flatten(source), alpha=alpha).view(())
    updates = source if alpha == 1 else mul(source, alpha)
    return apply(
        index_rows.put,
        input,
        wrapped(index_tensor(index, "index_add"), input._layout.shape[axis]),
        updates,
        axis=axis,
        mode="add",
    )


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy of `input` with source[i] at index[i] of `dim`."""
    axis = axis_of(input, dim)
    if input._layout.ndim == 0:
        return index_copy(unsqueeze(input, 0), 0, flatten(index), flatten(source)).view(())
    return apply(
        index_rows.put,
        input,
        wrapped(index_tensor(index, "index_copy"), input._layout.shape[axis]),
        source,
        axis=axis,
        mode="set",
    )


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy of `input` with a number (or 0-d tensor) at the indices of `dim`."""
    axis = axis_of(input, dim)
    if input._layout.ndim == 0:
        return index_fill(unsqueeze(input, 0), 0, index, value).view(())
    shape = input._layout.shape
    places = index_tensor(index, "index_fill").reshape(-1)
    updates = splat_or_expand(value, input._layout.dtype, (*shape[:axis], *places._layout.shape, *shape[axis + 1 :]))
    return index_copy(input, dim, places, updates)


def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements of the flattened tensor at the indices."""
    flat = flatten(input)
    return apply(index_rows.take, flat, wrapped(index_tensor(index, "take"), flat._layout.shape[0]), axis=0)


def needs_values(tensor: Tensor, name: str, instead: str) -> None:
    """Raises TraceError (IG185) where the shape of a result would depend on traced elements."""
    if modes.trace is not None and (is_traced(tensor) or modes.trace.is_variable(tensor)):
        raise TraceError(
            "IG185",
            f"{name} gives a shape that depends on the elements of a traced tensor",
            where=user_line(),
            detail=["compiled code needs shapes that are known when it is traced"],
            fix=instead,
        )


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of nonzero elements: a matrix with one row each, or a tuple with one vector per dimension."""
    needs_values(input, "nonzero()", "where(x != 0, a, b), or sum over the mask")
    found = np.nonzero(array_of(input)) if input._layout.ndim else np.nonzero(array_of(input).reshape(1))
    if as_tuple:
        return tuple([tensor_from_array(own_array(axis.astype(np.int64))) for axis in found])
    rows = np.stack(found, 1) if input._layout.ndim else np.zeros((len(found[0]), 0))
    return tensor_from_array(own_array(rows.astype(np.int64)))


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is True, as a vector."""
    if mask._layout.dtype is not dtypes.bool_:
        raise OperandError(
            "IG219", f"masked_select: expected a bool mask, not {mask._layout!r}", where=user_line(), fix="mask != 0"
        )
    needs_values(mask, "masked_select()", "where(mask, x, 0)")
    shape = tuple(np.broadcast_shapes(input._layout.shape, mask._layout.shape))
    flat = flatten(expand(input, shape))
    return index_select(flat, 0, nonzero(flatten(expand(mask, shape)), as_tuple=True)[0])


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy of `input` with the elements of `source`, in order, where the mask is True."""
    chosen = expand(mask, input._layout.shape)
    order = flatten(chosen).long().cumsum(0) - 1
    taken = take(source, order.clamp(min=0)).view(input._layout.shape)
    return where(chosen, taken, input)


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> ValuesAndIndices:
    """(elements in order along `dim`, where they were). Always stable; NaN counts as the largest."""
    axis = axis_of(input, dim)
    if input._layout.ndim == 0:
        return ValuesAndIndices(apply(view_rows.reshape, input, shape=()), splat(0, dtypes.int64))
    return ValuesAndIndices(*apply_several(sort_rows.sort, input, axis=axis, descending=descending))


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """Where the elements of the sorted tensor were."""
    return sort(input, dim, descending).indices


def msort(input: Tensor) -> Tensor:
    """Sorted along the first dimension."""
    return sort(input, 0).values


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesAndIndices:
    """The k largest (or smallest) elements along `dim`, in order, and where they are."""
    axis = axis_of(input, dim)
    size: Any = input._layout.shape[axis] if input._layout.ndim else 1
    if isinstance(size, int) and not 0 <= k <= size:
        raise ShapeError("IG231", f"topk: selected index k={k} out of range for {size} elements", where=user_line())
    if input._layout.ndim == 0:
        return ValuesAndIndices(apply(view_rows.reshape, input, shape=()), splat(0, dtypes.int64))
    return ValuesAndIndices(*apply_several(sort_rows.topk, input, k=k, axis=axis, largest=largest))


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> ValuesAndIndices:
    """The k-th smallest element along `dim`, and where it is. Raises ShapeError (IG231) where there is none."""
    values, indices = sort(input, dim)
    axis = axis_of(input, dim)
    size: Any = input._layout.shape[axis] if input._layout.ndim else 1
    if isinstance(size, int) and not 1 <= k <= size:
        raise ShapeError(
            "IG231", f"kthvalue(): selected number k={k} out of range for dimension {dim} of {size}", where=user_line()
        )
    if input._layout.ndim == 0:
        return ValuesAndIndices(values, indices)
    parts = [sliced(t, axis, k - 1, k, 1) for t in (values, indices)]
    return ValuesAndIndices(*parts) if keepdim else ValuesAndIndices(*[p.squeeze(axis) for p in parts])


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the class of each element along a last dimension, 0 elsewhere; int64.

    Raises OperandError (IG229) for other dtypes and for classes outside the range; compiled code, OutOfRangeError.
    """
    if tensor._layout.dtype.kind not in "iu":
        raise OperandError(
            "IG229", f"one_hot is for class indices (int64), not {tensor._layout.dtype}", where=user_line()
        )
    if num_classes < 0:
        needs_values(tensor, "one_hot() without num_classes", "one_hot(x, num_classes)")
    if modes.trace is None and tensor._layout.numel:
        known = array_of(tensor)
        low, high = int(known.min()), int(known.max())
        if low < 0 or 0 <= num_classes <= high:
            raise OperandError(
                "IG229",
                f"one_hot: class values must be from 0 to {num_classes - 1 if num_classes >= 0 else 'any number'}, "
                f"but there are {low} to {high}",
                where=user_line(),
            )
        num_classes = high + 1 if num_classes < 0 else num_classes
    num_classes = max(num_classes, 0)
    shape = (*tensor._layout.shape, num_classes)
    classes = apply(source.iota, type=TensorType(dtypes.int64, shape), axis=len(shape) - 1)
    given = cast_to(tensor, dtypes.int64)
    if modes.trace is not None:
        given = apply(index_rows.within, given, extent=num_classes)
    return cast_to(apply(elementwise.eq, classes, expand(unsqueeze(given, -1), shape)), dtypes.int64)
