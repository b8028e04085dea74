"""Searching sorted sequences, and the distinct elements of tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.core import array_of, is_tensor, own_array, tensor_from_array
from ingot.creation import arange
from ingot.functional.arithmetic import le, lt, ne, where
from ingot.functional.gathering import gather, needs_values, nonzero, sort
from ingot.functional.joining import cat, stack
from ingot.functional.reductions import axis_of
from ingot.functional.reductions import sum as total
from ingot.functional.shaping import flatten, reshape, unsqueeze
from ingot.functional.unary import logical_not
from ingot.modes import modes
from ingot.promote import cast_to, splat
from ingot.runtime import dtypes
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """How many elements of each sorted row are smaller than (with `right`: not larger than) each input.

    int64, or int32 if asked. `side`: "left" or "right". `sorter`: the order in which the sequence is sorted.
    """
    if side not in (None, "left", "right") or (side == "left" and right):
        raise SpecError("IG217", f"searchsorted: side is 'left' or 'right', not {side!r}", where=user_line())
    rows = sorted_sequence if sorter is None else gather(sorted_sequence, -1, sorter)
    number = not is_tensor(input)
    values: Any = splat(input, rows._layout.dtype) if number else input
    upper, kind = right or side == "right", dtypes.int32 if out_int32 else dtypes.int64
    if modes.trace is None and rows._layout.ndim == 1:
        found = np.searchsorted(array_of(rows), array_of(values), "right" if upper else "left")
        return tensor_from_array(own_array(np.asarray(found, kind.numpy)))
    # Every input against every element of its row.
    below = (le if upper else lt)(unsqueeze(rows, -2), unsqueeze(values.reshape(1) if number else values, -1))
    counted = cast_to(total(below, -1), kind)
    return counted.view(()) if number else counted


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The bucket of each element between sorted boundaries."""
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def _known(array: Any) -> Tensor:
    return tensor_from_array(own_array(np.asarray(array)))


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements (or slices of `dim`) in order; with the places of all, and how many they are, if asked."""
    needs_values(input, "unique()", "sort(), and compare neighbours")
    axis = None if dim is None else axis_of(input, dim)
    array = array_of(input)
    values, inverse, counts = np.unique(array, return_inverse=True, return_counts=True, axis=axis, equal_nan=False)
    shape = array.shape if axis is None else (array.shape[axis],)
    return _distinct(values, inverse.reshape(shape), counts, return_inverse, return_counts)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements (or slices of `dim`) that differ from the one before; results as of `unique`."""
    needs_values(input, "unique_consecutive()", "comparing neighbours")
    array = array_of(input)
    axis = 0 if dim is None else axis_of(input, dim)
    rows = array.reshape(-1) if dim is None else np.moveaxis(array, axis, 0)
    fresh = np.ones(len(rows), bool)
    fresh[1:] = (rows[1:] != rows[:-1]).reshape(len(rows[1:]), -1).any(1) if len(rows) else True
    inverse = np.cumsum(fresh) - 1
    counts = np.diff(np.append(np.nonzero(fresh)[0], len(rows)))
    shape = array.shape if dim is None else (len(rows),)
    values = rows[fresh] if dim is None else np.moveaxis(rows[fresh], 0, axis)
    return _distinct(values, inverse.reshape(shape), counts, return_inverse, return_counts)


def _distinct(values: Any, inverse: Any, counts: Any, return_inverse: bool, return_counts: bool) -> Any:
    more = [inverse.astype(np.int64)] if return_inverse else []
    more += [counts.astype(np.int64)] if return_counts else []
    results = tuple([_known(array) for array in (values, *more)])
    return results if more else results[0]


def argwhere(input: Tensor) -> Tensor:
    """The indices of nonzero elements, a row each."""
    rows: Tensor = nonzero(input)
    return rows


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Places in a flattened tensor as one index per dimension of `shape`."""
    sizes = [shape] if isinstance(shape, int) else list(shape)
    rest, found = indices, []
    for size in reversed(sizes):
        found.append(rest % size)
        rest = rest // size
    return tuple(reversed(found))


def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The first `size` rows of `nonzero`, filled up with a number where there are fewer; compiles."""
    shape = input._layout.shape
    mask = flatten(ne(input, 0))
    # Elements that are not zero come first, in their order.
    order = sort(cast_to(logical_not(mask), dtypes.uint8), 0, stable=True).indices
    count = total(mask)
    kept = order[:size]
    missing = size - kept._layout.shape[0]
    if isinstance(missing, int) and missing > 0:
        kept = cat([kept, splat(0, dtypes.int64, (missing,))])
    counter = arange(size)
    columns = stack(list(unravel_index(kept, shape)), 1) if shape else reshape(kept[:0], (0, 0))
    return where(unsqueeze(lt(counter, count), 1), columns, fill_value)
