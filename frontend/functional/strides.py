"""Views by strides: windows that slide along a dimension, and memory shown in any way.

A view that one row cannot express is a chain of them. Tensors between its ends show no memory of their own, and nobody
reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.compiler.ops import index as index_rows
from ingot.compiler.ops import view as view_rows
from ingot.core import layout_of, new_tensor, own_array, tensor_from_array
from ingot.functional.reductions import axis_of
from ingot.functional.shaping import flatten, movedim, sliced
from ingot.gate import apply, apply_view
from ingot.modes import modes
from ingot.runtime.errors import AxisError, ShapeError
from ingot.runtime.layout import storage_extent
from ingot.source_lines import user_line
from ingot.tape import needs_grad

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of `size` elements that start `step` apart along a dimension, as a last dimension; a view."""
    axis = axis_of(self, dimension)
    extent: Any = self._layout.shape[axis] if self._layout.ndim else 1
    if not 0 <= size <= extent or step < 1:
        raise ShapeError(
            "IG202",
            f"maximum size for tensor at dimension {dimension} is {extent} but size is {size}, step {step}",
            where=user_line(),
        )
    x = self
    if self._layout.ndim == 0:
        x = apply_view(self, view_rows.reshape, {"shape": (1,)}, (1,), (1,))
        return sliced(x, 0, 0, size, 1)
    x = movedim(x, axis, -1)
    outer, strides, offset = x._layout.shape[:-1], x._layout.strides, x._offset
    count: Any = (extent - size) // step + 1
    rank = len(outer)

    def shown(op: Any, attrs: dict[str, Any], inner: tuple[Any, ...], made: Any = None) -> None:
        nonlocal x
        x = apply_view(x, op, attrs, (*outer, *inner), made or (*strides[:-1], *(1,) * len(inner)), offset)

    def cut(stop: tuple[Any, ...], steps: tuple[int, ...]) -> dict[str, Any]:
        return {
            "start": (0,) * (rank + len(stop)),
            "stop": (*outer, *stop),
            "step": (*(1,) * rank, *steps),
        }

    def padded(high: Any) -> dict[str, Any]:
        return {"low": (0,) * (rank + 1), "high": (*(0,) * rank, high), "interior": (0,) * (rank + 1), "value": 0}

    final = (*strides[:-1], strides[-1] * step, strides[-1])
    if isinstance(count, int) and count == 1:
        step = max(step, size, 1)
    if step >= size:
        # Blocks of `step` elements, of which the first `size` are kept.
        reach = count * step
        if reach > extent:
            shown(view_rows.pad, padded(reach - extent), (reach,))
        else:
            shown(view_rows.slice, cut((reach,), (1,)), (reach,))
        shown(view_rows.reshape, {"shape": (*outer, count, step)}, (count, step))
        shown(view_rows.slice, cut((count, size), (1, 1)), (count, size), final)
        return movedim(x, rank, axis)
    # The line repeated `size` times, seen as rows that are one element longer: row j begins at element j.
    shown(view_rows.reshape, {"shape": (*outer, 1, extent)}, (1, extent))
    shown(view_rows.expand, {"shape": (*outer, size, extent)}, (size, extent))
    shown(view_rows.reshape, {"shape": (*outer, size * extent)}, (size * extent,))
    shown(view_rows.pad, padded(size), (size * (extent + 1),))
    shown(view_rows.reshape, {"shape": (*outer, size, extent + 1)}, (size, extent + 1))
    shown(view_rows.slice, cut((size, (count - 1) * step + 1), (1, step)), (size, count))
    order = (*range(rank), rank + 1, rank)
    shown(view_rows.permute, {"axes": order}, (count, size), final)
    return movedim(x, rank, axis)


def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """The memory of the tensor under any shape and strides. Raises ShapeError (IG207) outside of the memory.

    In compiled code, and where a gradient is recorded, of tensors in row-major order, and as a copy that nothing may be
    written through.
    """
    shape, strides = tuple(size), tuple(stride)
    offset = input._offset if storage_offset is None else storage_offset
    if len(shape) != len(strides) or any(n < 0 for n in (*shape, *strides)):
        raise ShapeError(
            "IG202", f"as_strided: size {list(shape)} and stride {list(strides)} do not go together", where=user_line()
        )
    low, high = storage_extent(shape, strides, offset)
    if modes.trace is None and not (modes.grad and needs_grad(input)):
        room = input._storage.nbytes // input._layout.itemsize  # type: ignore[union-attr]
        if low < 0 or high > room:
            raise _outside(shape, strides, offset, room)
        shown: Tensor = new_tensor(layout_of(input._layout.dtype, shape, strides), input._storage, offset)
        return shown
    room = input._layout.numel
    if not input._layout.contiguous or high - input._offset > room or low < input._offset:
        raise _outside(shape, strides, offset, room)
    index = np.full(shape, offset - input._offset, np.int64)
    for axis, (n, s) in enumerate(zip(shape, strides, strict=True)):
        index += (np.arange(n) * s).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    taken = apply(index_rows.take, flatten(input), tensor_from_array(own_array(index)), axis=0)
    # Expanded, if by nothing: writing to it is an error.
    return apply_view(taken, view_rows.expand, {"shape": shape}, shape, taken._layout.strides)


def _outside(shape: Any, strides: Any, offset: int, room: Any) -> AxisError:
    return AxisError(
        "IG207",
        f"setStorage: sizes {list(shape)}, strides {list(strides)}, storage offset {offset} reach outside of the "
        f"{room} elements",
        where=user_line(),
        fix="narrow, unfold or reshape",
    )
