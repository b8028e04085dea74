"""Sliding windows: the sizes they give, and how the array evaluators cut them.

Along one axis the input is spread (`input_dilation` - 1 gaps between elements), extended by `low` and `high` (cropped
where negative), and read by windows of `window` elements, `dilation` apart, that start every `stride` elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from ingot.compiler.ir import Size, TensorType
from ingot.compiler.ops.table import listed
from ingot.runtime.errors import ShapeError

Array = np.ndarray[Any, Any]
Steps = tuple[int, ...]
Padding = tuple[tuple[Size, Size], ...]


@overload
def spread(count: int, step: int) -> int: ...
@overload
def spread(count: Size, step: int) -> Size: ...
def spread(count: Size, step: int) -> Size:
    """The extent of `count` elements that are `step` apart."""
    return 0 if isinstance(count, int) and count == 0 else (count - 1) * step + 1


def positions(
    extent: Size, window: Size, stride: int, low: Size, high: Size, dilation: int, *operands: TensorType
) -> Size:
    """How many windows fit. Raises ShapeError (IG131) when not even one does; an empty axis has no window of one."""
    padded, reach = extent + low + high, spread(window, dilation)
    if isinstance(padded, int) and isinstance(reach, int) and padded < reach and (padded, reach) != (0, 1):
        raise ShapeError(
            "IG131",
            f"windows over {listed(operands)}: one that reaches over {reach} elements does not fit {extent} elements "
            f"padded to {padded}",
        )
    return (padded - reach) // stride + 1


def transposed_padding(
    extent: Size, window: Size, stride: int, low: Size, count: Size, dilation: int
) -> tuple[Size, Size]:
    """The padding of the transposed windows.

    They run over `count` elements spread by `stride` and give `extent` results, the i-th from those windows that read
    element i; `low`, `stride` and so on are those of the forward direction.
    """
    return spread(window, dilation) - 1 - low, extent + low - spread(count, stride)


def extended(x: Array, padding: Sequence[tuple[int, int]], step: Sequence[int], fill: Any) -> Array:
    """Spread the trailing axes by `step` and pad (or crop) them; new elements are `fill`."""
    if all(p == (0, 0) for p in padding) and all(s == 1 for s in step):
        return x
    lead = x.ndim - len(padding)
    shape = list(x.shape[:lead])
    target: list[slice] = [slice(None)] * lead
    source: list[slice] = [slice(None)] * lead
    for n, (low, high), gap in zip(x.shape[lead:], padding, step, strict=True):
        size = spread(n, gap) + low + high
        # Element i goes to low + i * gap; `first` and `last` bound the elements that land inside.
        first = max(0, -(low // gap))
        last = max(first, min(n, (size - 1 - low) // gap + 1))
        start = low + first * gap
        shape.append(size)
        source.append(slice(first, last))
        target.append(slice(start, start + (last - first - 1) * gap + 1, gap) if last > first else slice(0, 0))
    out = np.full(shape, fill, x.dtype)
    out[tuple(target)] = x[tuple(source)]
    return out


def sliding(x: Array, window: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Array:
    """A read-only view of shape (leading axes, *positions, *window) over the trailing axes of `x`."""
    lead = x.ndim - len(window)
    counts = tuple(
        (n - (w - 1) * d - 1) // s + 1 for n, w, s, d in zip(x.shape[lead:], window, stride, dilation, strict=True)
    )
    steps = x.strides[lead:]
    strides = (
        *x.strides[:lead],
        *(b * s for b, s in zip(steps, stride, strict=True)),
        *(b * d for b, d in zip(steps, dilation, strict=True)),
    )
    return np.lib.stride_tricks.as_strided(x, (*x.shape[:lead], *counts, *window), strides, writeable=False)
