"""Copies of tensors with one part replaced, and diagonals filled in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingot.compiler.ir import TensorType
from ingot.compiler.ops import elementwise, source
from ingot.functional.conversion import clone
from ingot.functional.inplace import copy_, masked_fill_
from ingot.functional.padding import pad as pad_of
from ingot.functional.reductions import axis_of
from ingot.functional.shaping import diagonal, narrow, select, sliced
from ingot.functional.strides import as_strided
from ingot.gate import apply
from ingot.promote import splat
from ingot.runtime import dtypes
from ingot.runtime.errors import ShapeError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def _patched(result: Tensor, part: Tensor, src: Tensor, name: str) -> Tensor:
    if part._layout.shape != src._layout.shape:
        raise ShapeError(
            "IG233",
            f"{name}: expected src to have the shape of the part, {list(part._layout.shape)}, not "
            f"{list(src._layout.shape)}",
            where=user_line(),
        )
    copy_(part, src)
    return result


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy with `src` at one index of `dim`."""
    result = clone(input)
    return _patched(result, select(result, dim, index), src, "select_scatter")


def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy with `src` at start:end:step of `dim`."""
    result = clone(input)
    axis = axis_of(input, dim)
    low, high, _ = slice(start, end).indices(input._layout.shape[axis])
    return _patched(result, sliced(result, axis, low, max(low, high), step), src, "slice_scatter")


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy with `src` on a diagonal."""
    result = clone(input)
    return _patched(result, diagonal(result, offset, dim1, dim2), src, "diagonal_scatter")


def as_strided_scatter(input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A copy with `src` at the elements that as_strided shows; they must be elements of their own."""
    index = as_strided(
        apply(source.iota, type=TensorType(dtypes.int64, (input._layout.numel,)), axis=0), size, stride, storage_offset
    )
    result: Tensor = input.put(index, src)
    return result


def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`narrow` in memory of its own."""
    return clone(narrow(input, dim, start, length))


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """The elements with equal indices become the number; with `wrap`, again below the square of a tall matrix."""
    shape = self._layout.shape
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise ShapeError(
            "IG202",
            f"fill_diagonal_ needs a matrix, or equal sizes in all dimensions: {list(shape)}",
            where=user_line(),
        )
    kind = TensorType(dtypes.int64, shape)
    places = [apply(source.iota, type=kind, axis=axis) for axis in range(len(shape))]
    if wrap and len(shape) == 2:
        flat = apply(elementwise.add, places[0] * shape[1], places[1])
        return masked_fill_(self, (flat % (shape[1] + 1)) == splat(0, dtypes.int64, shape), fill_value)
    chosen = places[0] == places[1]
    for place in places[2:]:
        chosen = chosen & (place == places[0])
    return masked_fill_(self, chosen, fill_value)


def constant_pad_nd(input: Tensor, pad: Any, value: float = 0) -> Tensor:
    """Padded with a number; `pad` lists (before, after) from the last dimension backwards."""
    return pad_of(input, list(pad), "constant", value)
