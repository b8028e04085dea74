"""`tensor[...]` and `tensor[...] = ...`: basic indices make views, tensors of indices and masks gather and scatter.

As in PyTorch, ints, slices, None and Ellipsis are applied first; then the index tensors, broadcast together, replace
the dimensions they stand at. When those are not neighbours, the new dimensions come first.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ingot.compiler.dims import product
from ingot.compiler.ops import elementwise
from ingot.compiler.ops import index as index_rows
from ingot.compiler.ops import view as view_rows
from ingot.core import TensorBase, own_array, tensor_from_array
from ingot.functional.arithmetic import add, mul, splat_or_expand
from ingot.functional.gathering import index_tensor, needs_values, nonzero, wrapped
from ingot.functional.shaping import parts_seen, permute, reshape, select, sliced, unsqueeze
from ingot.gate import Seen, apply, see
from ingot.modes import modes
from ingot.mutation import assign, check_writable
from ingot.promote import cast_to, expand_to, is_number, splat
from ingot.runtime import dtypes
from ingot.runtime.errors import DTypeError, OutOfRangeError, ShapeError, SpecError
from ingot.runtime.layout import Layout, broadcast_shapes
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class Basic(NamedTuple):
    """An index after its basic part: the view, and what index tensors stand at which of its dimensions."""

    view: Tensor
    advanced: tuple[tuple[int, Tensor], ...]


def getitem(tensor: Tensor, key: Any) -> Tensor:
    """tensor[key]."""
    if type(key) is int:
        _need_dimension(tensor, 1)
        return select(tensor, 0, key)
    if modes.trace is None:
        bounds = _plain_slices(key)
        if bounds:
            seen = _part(tensor._layout, *bounds)
            if seen is not None:
                return see(tensor, seen)
    basic = _basic(tensor, _keys(key))
    if not basic.advanced:
        return _fresh_view(basic.view, tensor)
    plan = _plan(basic)
    taken = apply(index_rows.take, plan.flat, plan.linear, axis=plan.axis)
    return taken


_ENDS = frozenset({int, type(None)})


def _plain_slices(key: Any) -> list[Any]:
    """Start, stop and step of all slices, if the index is made of slices of ints alone; otherwise nothing."""
    bounds: list[Any] = []
    for item in key if type(key) is tuple else (key,):
        if type(item) is not slice:
            return []
        ends = (item.start, item.stop, item.step)
        if type(ends[0]) not in _ENDS or type(ends[1]) not in _ENDS or type(ends[2]) not in _ENDS:
            return []
        bounds += ends
    return bounds


@lru_cache(maxsize=4096)
def _part(layout: Layout, *bounds: int | None) -> Seen | None:
    """How slices see memory; None for an index that does not fit."""
    count = len(bounds) // 3
    if count > layout.ndim:
        return None
    found: list[tuple[int, int, int]] = []
    for axis, size in enumerate(layout.shape):
        start, stop, step = bounds[3 * axis : 3 * axis + 3] if axis < count else (None, None, None)
        by = 1 if step is None else step
        if by < 1:
            return None
        begin, end, _ = slice(start, stop).indices(size)
        found.append((begin, max(begin, end), by))
    return parts_seen(layout, found)


def _keys(key: Any) -> tuple[Any, ...]:
    """One index per item. As in PyTorch, a list that holds more than numbers is one too."""
    if type(key) is tuple:
        return key
    if type(key) is list and any(
        k is None or k is Ellipsis or isinstance(k, (list, tuple, slice, TensorBase)) for k in key
    ):
        return tuple(key)
    return (key,)


def _fresh_view(result: Tensor, tensor: Tensor) -> Tensor:
    """`x[...]` is a new tensor over the same memory."""
    return reshape(result, result._layout.shape) if result is tensor else result


def setitem(tensor: Tensor, key: Any, value: Any) -> None:
    """tensor[key] = value; the value is converted to the tensor's dtype and broadcast."""
    check_writable(tensor)
    keys = _keys(key)
    if len(keys) == 1 and _is_mask(keys[0]) and (is_number(value) or _numel(value) == 1):
        _fill_masked(tensor, as_index(keys[0]), value)
        return
    basic = _basic(tensor, keys)
    target = basic.view
    if not basic.advanced:
        assign(target, _fitting(target, value, target._layout.shape), replaces=True)
        return
    plan = _plan(basic)
    flat = plan.flat._layout.shape
    updates = _fitting(target, value, (*flat[: plan.axis], *plan.linear._layout.shape, *flat[plan.axis + 1 :]))
    written = apply(index_rows.put, plan.flat, plan.linear, updates, axis=plan.axis, mode="set")
    whole = apply(view_rows.reshape, written, shape=plan.moved_shape)
    assign(target, permute(whole, view_rows.inverse(plan.order)) if plan.order else whole)


def index_put(tensor: Tensor, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Tensor:
    """A copy with `values` at tensor[indices], added if `accumulate`."""
    plan = _plan(_basic(tensor, tuple(slice(None) if i is None else i for i in indices)))
    flat = plan.flat._layout.shape
    updates = _fitting(tensor, values, (*flat[: plan.axis], *plan.linear._layout.shape, *flat[plan.axis + 1 :]))
    mode = "add" if accumulate else "set"
    written = apply(index_rows.put, plan.flat, plan.linear, updates, axis=plan.axis, mode=mode)
    whole = apply(view_rows.reshape, written, shape=plan.moved_shape)
    return permute(whole, view_rows.inverse(plan.order)) if plan.order else whole


def _numel(value: Any) -> Any:
    return value._layout.numel if isinstance(value, TensorBase) else 0


def _is_mask(key: Any) -> bool:
    if isinstance(key, TensorBase):
        return key._layout.dtype.kind == "b"
    return isinstance(key, np.ndarray) and key.dtype == np.bool_


def _fill_masked(tensor: Tensor, mask: Tensor, value: Any) -> None:
    shape = tensor._layout.shape
    _check_mask(mask, shape[: mask._layout.ndim])
    columns = (*mask._layout.shape, *(1,) * (len(shape) - mask._layout.ndim))
    chosen = expand_to(reshape(mask, columns), shape)
    number = value if is_number(value) else reshape(value, ())
    assign(tensor, apply(elementwise.select, chosen, splat_or_expand(number, tensor._layout.dtype, shape), tensor))


def _check_mask(mask: Tensor, shape: Any) -> None:
    if mask._layout.shape != shape:
        raise OutOfRangeError(
            "IG232",
            f"the shape of the mask {list(mask._layout.shape)} does not match the shape of the indexed dimensions "
            f"{list(shape)}",
            where=user_line(),
        )


def _fitting(target: Tensor, value: Any, shape: Any) -> Tensor:
    """The value in the target's dtype and this shape. Raises ShapeError (IG233) when it does not broadcast."""
    dtype = target._layout.dtype
    if not isinstance(value, TensorBase):
        if is_number(value):
            return splat(value, dtype, shape)
        value = as_values(value)
    x: Tensor = value
    while x._layout.ndim > len(shape) and x._layout.shape[0] == 1:
        x = reshape(x, x._layout.shape[1:])
    mine = x._layout.shape
    fits = len(mine) <= len(shape) and all(
        m == 1 or m == n for m, n in zip(reversed(mine), reversed(shape), strict=False)
    )
    if not fits:
        raise ShapeError(
            "IG233",
            f"shape mismatch: value tensor of shape {list(mine)} cannot be broadcast to indexing result of shape "
            f"{list(shape)}",
            where=user_line(),
        )
    return expand_to(cast_to(x, dtype), shape)


def as_values(value: Any) -> Tensor:
    """A sequence or array as a tensor."""
    array = own_array(np.array(value))
    if array.dtype == np.float64 and not isinstance(value, np.ndarray):
        array = array.astype(np.float32)
    return tensor_from_array(array)


def _need_dimension(tensor: Tensor, count: int) -> None:
    ndim = tensor._layout.ndim
    if count > ndim:
        what = (
            "invalid index of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim tensor to a Python number"
            if ndim == 0
            else f"too many indices for tensor of dimension {ndim}, {list(tensor._layout.shape)}"
        )
        raise OutOfRangeError("IG223", what, where=user_line())


def _consumed(item: Any) -> int:
    """How many dimensions an index item stands for."""
    if item is None or item is Ellipsis or isinstance(item, bool):
        return 0
    if isinstance(item, TensorBase) and item._layout.dtype.kind == "b":
        return item._layout.ndim
    return 1


def _basic(tensor: Tensor, keys: tuple[Any, ...]) -> Basic:
    """Apply ints, slices, None and Ellipsis; leave index tensors standing at their dimensions."""
    items = [_item(key) for key in keys]
    count = sum(_consumed(item) for item in items)
    _need_dimension(tensor, count)
    ellipses = sum(1 for item in items if item is Ellipsis)
    if ellipses > 1:
        raise OutOfRangeError("IG223", "an index can only have a single ellipsis ('...')", where=user_line())
    if not ellipses:
        items.append(Ellipsis)
    result, dim = tensor, 0
    advanced: list[tuple[int, Tensor]] = []
    for item in items:
        if item is Ellipsis:
            dim += tensor._layout.ndim - count
        elif item is None:
            result = unsqueeze(result, dim)
            dim += 1
        elif isinstance(item, bool):
            result = unsqueeze(result, dim)
            advanced.append((dim, splat_index(0 if item else None)))
            dim += 1
        elif isinstance(item, int):
            result = select(result, dim, item)
        elif isinstance(item, slice):
            result = _sliced(result, dim, item)
            dim += 1
        else:
            for part in _index_parts(item, result, dim):
                advanced.append((dim, part))
                dim += 1
    return Basic(result, tuple(advanced))


def splat_index(place: int | None) -> Tensor:
    """An index vector with one place, or none."""
    return tensor_from_array(np.array([] if place is None else [place], np.int64))


def _item(key: Any) -> Any:
    """An index item in its plain form: int, slice, None, Ellipsis, bool or an index tensor."""
    if key is None or key is Ellipsis or isinstance(key, (bool, int, slice)):
        return key
    if isinstance(key, TensorBase):
        if key._layout.ndim == 0 and key._layout.dtype.kind in "iu" and modes.trace is None:
            return int(key)  # type: ignore[call-overload]
        return key
    if isinstance(key, (list, tuple, range, np.ndarray)):
        return as_index(key)
    if hasattr(key, "__index__"):
        return key.__index__()
    raise (DTypeError if isinstance(key, str) else OutOfRangeError)(
        "IG223",
        f"tensors are indexed by ints, slices, None, ..., bools and tensors of indices, not {type(key).__name__}",
        where=user_line(),
    )


def as_index(key: Any) -> Tensor:
    """A sequence or array as an index tensor."""
    if isinstance(key, TensorBase):
        return key  # type: ignore[return-value]
    if isinstance(key, (list, tuple)) and any(isinstance(k, TensorBase) for k in key):
        key = [int(k) for k in key]
    array = np.array(key, np.int64) if isinstance(key, (list, tuple, range)) and not len(key) else np.asarray(key)
    return tensor_from_array(own_array(array if array.dtype == np.bool_ else array.astype(np.int64)))


def _sliced(tensor: Tensor, dim: int, item: slice) -> Tensor:
    size: Any = tensor._layout.shape[dim]
    step = 1 if item.step is None else int(item.step)
    if step < 1:
        raise SpecError("IG202", f"slice step must be positive, it is {step}", where=user_line(), fix="x.flip(dim)")
    if item.start is None and item.stop is None and step == 1:
        return tensor
    if isinstance(size, int):
        start, stop, _ = slice(_bound(item.start), _bound(item.stop)).indices(size)
        return sliced(tensor, dim, start, max(start, stop), step)
    start = _symbolic_bound(item.start, 0, size)
    return sliced(tensor, dim, start, _symbolic_bound(item.stop, size, size), step)


def _bound(bound: Any) -> Any:
    return bound if bound is None or isinstance(bound, int) else bound.__index__()


def _symbolic_bound(bound: Any, default: Any, size: Any) -> Any:
    if bound is None:
        return default
    return size + bound if isinstance(bound, int) and bound < 0 else bound


def _index_parts(item: Tensor, tensor: Tensor, dim: int) -> list[Tensor]:
    """The index tensor, or one vector per dimension of a mask."""
    if item._layout.dtype.kind != "b":
        if item._layout.dtype is dtypes.uint8:
            item = cast_to(item, dtypes.int64)
        if item._layout.dtype in (dtypes.int8, dtypes.int16):
            item = cast_to(item, dtypes.int64)
        if item._layout.dtype.is_floating_point:
            raise OutOfRangeError(
                "IG229", f"tensors used as indices must be of int or bool, not {item._layout!r}", where=user_line()
            )
        return [index_tensor(item, "tensor[...]")]
    _check_mask(item, tensor._layout.shape[dim : dim + item._layout.ndim])
    needs_values(item, "x[mask]", "where(mask, x, 0), or x[mask] = number")
    return list(nonzero(item, as_tuple=True))


class Plan(NamedTuple):
    """An index by tensors as one `take`: the dimensions they stand at are moved together and flattened to `axis`."""

    flat: Tensor
    linear: Tensor
    axis: int
    order: tuple[int, ...]
    moved_shape: Any


def _plan(basic: Basic) -> Plan:
    dims = [dim for dim, _ in basic.advanced]
    x = basic.view
    shape = x._layout.shape
    sizes = [shape[dim] for dim in dims]
    places = _broadcast(
        [wrapped(_checked(part, size), size) for (_, part), size in zip(basic.advanced, sizes, strict=True)]
    )
    if len(dims) == 1:
        return Plan(x, places[0], dims[0], (), shape)
    neighbours = all(b == a + 1 for a, b in itertools.pairwise(dims))
    order: tuple[int, ...] = ()
    first = dims[0]
    if not neighbours:
        order = (*dims, *(i for i in range(len(shape)) if i not in dims))
        x, first = permute(x, order), 0
    moved = x._layout.shape
    linear = places[0]
    for place, size in zip(places[1:], sizes[1:], strict=True):
        linear = add(mul(linear, size), place)
    flat = reshape(x, (*moved[:first], product(sizes), *moved[first + len(dims) :]))
    return Plan(flat, linear, first, order, moved)


def _checked(part: Tensor, size: Any) -> Tensor:
    """Raises OutOfRangeError (IG223) for an index outside its dimension, where the elements are known."""
    if modes.trace is not None or not isinstance(size, int) or part._layout.numel == 0:
        return part
    array = part.numpy(force=True)
    low, high = int(array.min()), int(array.max())
    if low < -size or high >= size:
        bad = high if high >= size else low
        raise OutOfRangeError(
            "IG223", f"index {bad} is out of bounds for dimension with size {size}", where=user_line()
        )
    return part


def _broadcast(parts: list[Tensor]) -> list[Tensor]:
    if len(parts) == 1:
        return parts
    shapes = [part._layout.shape for part in parts]
    try:
        shape = broadcast_shapes(*shapes)
    except ShapeError:
        raise OutOfRangeError(
            "IG232",
            "shape mismatch: indexing tensors could not be broadcast together with shapes "
            + ", ".join(str(list(s)) for s in shapes),
            where=user_line(),
        ) from None
    wide = dtypes.int64 if any(part._layout.dtype is dtypes.int64 for part in parts) else dtypes.int32
    return [expand_to(cast_to(part, wide), shape) for part in parts]
