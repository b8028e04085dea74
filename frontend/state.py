"""Captured memory: how a tensor that existed before the trace is read from, and written to, a graph input.

A graph input holds a run of elements in row-major order. A contiguous tensor is such a run itself; any other one is
shown by a chain of view operations over the run that its elements lie in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ingot.compiler.ops.view import expand, pad, permute, reshape
from ingot.compiler.ops.view import slice as slice_row
from ingot.core import Step, TensorBase, TracedStorage, new_tensor
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import TraceError
from ingot.runtime.layout import Layout, storage_extent
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class Region(NamedTuple):
    """The elements [start, start + extent) of a storage, as the graph input of shape `shape` shows them."""

    dtype: DType
    start: int
    extent: int
    shape: tuple[int, ...]


class Captured(NamedTuple):
    """A storage that the trace reads: the tensor that stands for it at run time, and its present contents."""

    tensor: Tensor
    region: Region
    storage: TracedStorage


class RegionTooSmall(Exception):
    """A second tensor shows elements of a captured storage that the first does not: trace again with all of it."""

    def __init__(self, storage: Any) -> None:
        super().__init__()
        self.storage = storage


def region_of(tensor: TensorBase) -> Region:
    """The run of elements that the tensor's elements lie in, from its first one on."""
    layout = tensor._layout
    if layout.contiguous:
        return Region(layout.dtype, tensor._offset, layout.numel, layout.shape)
    _, high = storage_extent(layout.shape, layout.strides, 0)
    return Region(layout.dtype, tensor._offset, high, (high,))


def whole_storage(tensor: Tensor) -> tuple[Tensor, Region]:
    """A tensor that shows the whole storage, and its region."""
    dtype = tensor._layout.dtype
    extent = tensor._storage.nbytes // dtype.itemsize  # type: ignore[union-attr]
    stand_in: Tensor = new_tensor(Layout.of(dtype, (extent,)), tensor._storage)
    return stand_in, Region(dtype, 0, extent, (extent,))


def chain_in(region: Region, tensor: TensorBase) -> tuple[Step, ...] | None:
    """The steps from a region's contents to the tensor; None when the region does not hold all of its elements."""
    layout, offset = tensor._layout, tensor._offset - region.start
    if layout.contiguous and offset == 0 and layout.shape == region.shape and layout.dtype is region.dtype:
        return ()
    _, high = storage_extent(layout.shape, layout.strides, offset)
    if layout.dtype is not region.dtype or offset < 0 or high > region.extent:
        return None
    flat = () if region.shape == (region.extent,) else (Step(reshape, {"shape": (region.extent,)}),)
    return (*flat, *strided_chain(region.extent, layout.shape, layout.strides, offset))


def strided_chain(extent: int, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> tuple[Step, ...]:
    """View steps from a vector of `extent` elements to a view with these strides at `offset`.

    Each dimension, by falling stride s, cuts what is left into rows of s elements. Raises TraceError (IG186) for
    strides under which the rows would overlap.
    """
    steps: list[Step] = []
    axes = [i for i, (n, s) in enumerate(zip(shape, strides, strict=True)) if n != 1 and s != 0]
    axes.sort(key=lambda i: -strides[i])
    lengths = [shape[i] for i in axes]
    room = [strides[i] for i in axes]
    if 0 in shape:
        steps.append(_crop((extent,), 0, 0, 0))
        steps.append(Step(reshape, {"shape": shape}))
        return tuple(steps)
    for position, outer in enumerate(room):
        reach = sum((n - 1) * s for n, s in zip(lengths[position + 1 :], room[position + 1 :], strict=True)) + 1
        if reach > outer:
            raise TraceError(
                "IG186",
                f"a tensor of shape {list(shape)} and strides {list(strides)} cannot be used in compiled code",
                where=user_line(),
                fix="x.contiguous()",
            )
    needed = lengths[0] * room[0] if axes else 1
    steps += _fitted((extent,), 0, offset, offset + needed)
    current: tuple[int, ...] = (needed,)
    for position, (count, step) in enumerate(zip(lengths, room, strict=True)):
        current = (*current[:position], count, step)
        steps.append(Step(reshape, {"shape": current}))
        wanted = lengths[position + 1] * room[position + 1] if position + 1 < len(room) else 1
        steps += _fitted(current, position + 1, 0, wanted)
        current = (*current[:-1], wanted)
    return (*steps, *_arranged(current, axes, shape))


def _fitted(shape: tuple[int, ...], axis: int, start: int, stop: int) -> list[Step]:
    """Steps to the elements [start, stop) of an axis, with padding behind its end if it is shorter."""
    steps: list[Step] = []
    if stop > shape[axis]:
        high = tuple(stop - shape[axis] if i == axis else 0 for i in range(len(shape)))
        zeros = (0,) * len(shape)
        steps.append(Step(pad, {"low": zeros, "high": high, "interior": zeros, "value": 0}))
        shape = (*shape[:axis], stop, *shape[axis + 1 :])
    if (start, stop) != (0, shape[axis]):
        steps.append(_crop(shape, axis, start, stop))
    return steps


def _crop(shape: tuple[int, ...], axis: int, start: int, stop: int) -> Step:
    starts, stops = [0] * len(shape), list(shape)
    starts[axis], stops[axis] = start, stop
    return Step(slice_row, {"start": tuple(starts), "stop": tuple(stops), "step": (1,) * len(shape)})


def _arranged(current: tuple[int, ...], axes: list[int], shape: tuple[int, ...]) -> list[Step]:
    """Dimensions by falling stride put into their order, and those of size 1 or stride 0 put back."""
    steps: list[Step] = []
    sizes = current[: len(axes)]
    if current != sizes:
        steps.append(Step(reshape, {"shape": sizes}))
    order = tuple(sorted(range(len(axes)), key=axes.__getitem__))
    if order != tuple(range(len(axes))):
        steps.append(Step(permute, {"axes": order}))
    with_ones = tuple(n if i in axes else 1 for i, n in enumerate(shape))
    if with_ones != tuple(sizes[i] for i in order):
        steps.append(Step(reshape, {"shape": with_ones}))
    if with_ones != shape:
        steps.append(Step(expand, {"shape": shape}))
    return steps
