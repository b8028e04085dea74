"""Convolutions of spread operands without the zeros: all results that are `gap` apart read the same windows.

An operand spread by a gap of s holds elements at every s-th place, so the results j, j + s, j + 2 s, ... meet the same
s-th part of the kernel: a phase. The phases become output channels of one dense convolution, whose results are then
laid side by side (the sub-pixel convolution of Shi et al. 2016). Kernels are filled up with zeros to a multiple of s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

from ingot.compiler.ir import Op
from ingot.compiler.ops.view import flip, pad, permute, reshape, slice


class Axis(NamedTuple):
    """One axis of the dense convolution."""

    taps: int  # of the kernel in each phase
    phases: int  # that have taps
    gap: int  # results of one phase are so far apart
    padding: tuple[int, int]
    results: int  # of each phase
    skipped: int  # results before the first one
    wanted: int  # results


def phased_axis(
    extent: int, window: int, stride: int, padding: tuple[int, int], dilation: int, gap: int, results: int
) -> Axis | None:
    """How an axis of `extent` elements is cut into phases; None where windows do not move by single places."""
    if gap == 1:
        return Axis(window, 1, 1, padding, results, 0, results)
    if stride != 1 or dilation != 1:
        return None
    # With `skipped` more results in front, phase r meets the taps s - 1 - r, 2 s - 1 - r, ... of the kernel.
    skipped = (gap - 1 - padding[0]) % gap
    low = (padding[0] + skipped - (gap - 1)) // gap
    taps, count = -(-window // gap), -(-(results + skipped) // gap)
    return Axis(taps, min(gap, window), gap, (low, count - 1 + taps - extent - low), count, skipped, results)


def axes_of(x: Any, w: Any, results: Sequence[int], attrs: dict[str, Any]) -> list[Axis] | None:
    """The axes of the dense convolution; None where there is none, or nothing is spread."""
    sizes = (*x.shape, *w.shape, *results, attrs["groups"])
    if all(gap == 1 for gap in attrs["input_dilation"]) or not all(isinstance(n, int) and n > 0 for n in sizes):
        return None
    names = ("stride", "padding", "dilation", "input_dilation")
    given = zip(x.shape[2:], w.shape[2:], *(attrs[name] for name in names), results, strict=True)
    axes = [phased_axis(*axis) for axis in given]
    return None if any(axis is None for axis in axes) else [axis for axis in axes if axis is not None]


def dense(conv: Op, call: Callable[..., Any], x: Any, w: Any, axes: Sequence[Axis], attrs: dict[str, Any]) -> Any:
    """The convolution by these axes. `call(row, *operands, **attributes)` builds a row or evaluates it."""
    outputs, inputs, *_ = w.shape
    exchanged, rank = attrs.get("exchanged", False), len(axes)
    windows = [axis.taps * axis.phases for axis in axes]
    rest = tuple(n - k for n, k in zip(windows, w.shape[2:], strict=True))
    w = call(pad, w, low=(0,) * (rank + 2), high=(0, 0, *rest), interior=(0,) * (rank + 2), value=0)
    w = call(reshape, w, shape=(outputs, inputs, *(n for axis in axes for n in (axis.taps, axis.phases))))
    w = call(flip, w, axes=tuple(range(3, 3 + 2 * rank, 2)))
    w = call(permute, w, axes=(0, *range(3, 3 + 2 * rank, 2), 1, *range(2, 2 + 2 * rank, 2)))
    phases, counts = [axis.phases for axis in axes], [axis.results for axis in axes]
    out = call(
        conv,
        x,
        call(reshape, w, shape=(outputs * prod(phases), inputs, *(axis.taps for axis in axes))),
        stride=attrs["stride"],
        padding=tuple(axis.padding for axis in axes),
        dilation=attrs["dilation"],
        input_dilation=(1,) * rank,
        groups=attrs["groups"],
        exchanged=exchanged,
    )
    # Phases follow their channel; those without taps come first and are zero.
    lead = (outputs, *phases, x.shape[0]) if exchanged else (x.shape[0], outputs, *phases)
    out = call(reshape, out, shape=(*lead, *counts))
    first = 1 if exchanged else 2
    empty = tuple(axes[d - first].gap - phases[d - first] if 0 <= d - first < rank else 0 for d in range(2 + 2 * rank))
    none = (0,) * (2 + 2 * rank)
    out = call(pad, out, low=empty, high=none, interior=none, value=0)
    front = (0, 1 + rank) if exchanged else (0, 1)
    order = (*front, *(i for d in range(rank) for i in (2 + rank + d, first + d)))
    out = call(permute, out, axes=order)
    out = call(reshape, out, shape=(*out.shape[:2], *(axis.results * axis.gap for axis in axes)))
    start, stop = (0, 0, *(axis.skipped for axis in axes)), [axis.skipped + axis.wanted for axis in axes]
    return call(slice, out, start=start, stop=(*out.shape[:2], *stop), step=(1,) * (rank + 2))
