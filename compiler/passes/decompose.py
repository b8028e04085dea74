"""Rewrite rows that no backend lowers into rows that backends do lower.

`solve` becomes LU factors and triangular systems.

`window_gather` and `window_scatter` are the derivatives of a windowed maximum (or minimum). Windows that tile
their operand become an axis of their own, and the first maximum an argmax over it. Windows that overlap or hold padding
become strided slices, one per offset inside the window, of which each window keeps the best so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from ingot.compiler.dims import product as size_of
from ingot.compiler.ir import Graph, Op, Shape, Size, TensorType, Value
from ingot.compiler.ops import elementwise as e
from ingot.compiler.ops import linalg, matrices
from ingot.compiler.ops.cumulative import highest, lowest
from ingot.compiler.ops.index import gather
from ingot.compiler.ops.reduce import argmax, argmin
from ingot.compiler.ops.reduce import max as max_
from ingot.compiler.ops.source import full, get, iota, zeros_like
from ingot.compiler.ops.view import expand, inverse, pad, permute, reshape, slice
from ingot.compiler.ops.window import window_gather, window_scatter
from ingot.compiler.rewrite import Rules, rewrite
from ingot.runtime.dtypes import bool_, float32, int32, int64

Padding = Sequence[tuple[int, int]]


def decompose(graph: Graph) -> Graph:
    """The same function without rows that need decomposing; idempotent."""
    return rewrite(graph, RULES)


def gathered(v: Value) -> Value:
    """window_gather: the element of t where x has the window's first maximum."""
    x, t = v.operands
    if tiling(x, v.shape, v):
        place = first(tiled(x, v.shape, v.attrs["window"]), v)
        return reshape(gather(tiled(t, v.shape, v.attrs["window"]), place, axis=v.type.ndim), shape=v.shape)
    which = winners(x, v.shape, v)
    padded = extended(t, v.attrs["padding"], 0)
    result = zeros_like(v)
    for number, offset in offsets(v):
        result = e.select(e.eq(which, full(which.type, number)), part(padded, v.shape, offset, v), result)
    return result


def scattered(v: Value) -> Value:
    """window_scatter: zeros, plus each update where x has the window's first maximum."""
    x, updates = v.operands
    counts, window = updates.shape, v.attrs["window"]
    if tiling(x, counts, v):
        place = first(tiled(x, counts, window), v)
        lanes = place.type.with_shape((*counts, size_of(window)))
        hit = e.eq(iota(type=lanes, axis=len(counts)), expand(place, shape=lanes.shape))
        spread = expand(reshape(updates, shape=place.shape), shape=lanes.shape)
        return untiled(e.select(hit, spread, zeros_like(spread)), v.shape, counts, window)
    which = winners(x, counts, v)
    # Half types are summed in float32 and rounded once.
    terms = e.convert(updates, float32) if updates.dtype.itemsize == 2 and v.dtype.is_floating_point else updates
    total: Value | None = None
    for number, offset in offsets(v):
        term = e.select(e.eq(which, full(which.type, number)), terms, zeros_like(terms))
        placed = replaced(term, x.shape, offset, v)
        total = placed if total is None else e.add(total, placed)
    assert total is not None, "a window has at least one element"
    return e.convert(total, v.dtype)


# ---- windows that tile


def tiling(x: Value, counts: Shape, v: Value) -> bool:
    """Do the windows lie side by side from the first element on? (A rest at the end that none reads is allowed.)"""
    axes = zip(x.shape, counts, *(v.attrs[k] for k in ("window", "stride", "padding", "dilation")), strict=True)
    return all(
        s == w and d == 1 and low == 0 and (high == 0 or n == c * w) for n, c, w, s, (low, high), d in axes
    ) and all(n != 0 for n in x.shape)


def tiled(x: Value, counts: Shape, window: Shape) -> Value:
    """x with its windows as a last axis: shape (*counts, elements of a window)."""
    rank = len(counts)
    whole = tuple(c * w for c, w in zip(counts, window, strict=True))
    cut = slice(x, start=(0,) * rank, stop=whole, step=(1,) * rank)
    split = reshape(cut, shape=tuple(n for pair in zip(counts, window, strict=True) for n in pair))
    apart = permute(split, axes=(*range(0, 2 * rank, 2), *range(1, 2 * rank, 2)))
    return reshape(apart, shape=(*counts, size_of(window)))


def untiled(x: Value, shape: Shape, counts: Shape, window: Shape) -> Value:
    """The inverse of `tiled`; what no window reads is 0."""
    rank = len(counts)
    apart = reshape(x, shape=(*counts, *window))
    split = permute(apart, axes=inverse((*range(0, 2 * rank, 2), *range(1, 2 * rank, 2))))
    cut = reshape(split, shape=tuple(c * w for c, w in zip(counts, window, strict=True)))
    rest = tuple(n - m for n, m in zip(shape, cut.shape, strict=True))
    return pad(cut, low=(0,) * rank, high=rest, interior=(0,) * rank, value=0)


def first(windows: Value, v: Value) -> Value:
    """The position of the first maximum in each window, as an axis of one element."""
    find: Op = argmax if v.attrs["reduction"] == "max" else argmin
    axis = windows.type.ndim - 1
    return reshape(find(windows, axis=axis), shape=(*windows.shape[:axis], 1))


# ---- windows that overlap


def offsets(v: Value) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The positions inside a window, numbered in row-major order."""
    return enumerate(product(*map(range, v.attrs["window"])))


def winners(x: Value, counts: Shape, v: Value) -> Value:
    """For each window the number of the offset that holds its first maximum; -1 if it holds padding alone."""
    larger = v.attrs["reduction"] == "max"
    padding = v.attrs["padding"]
    # Padding never wins against an element, not even where it equals one.
    mixed = any(n > 0 for pair in padding for n in pair)
    padded = extended(x, padding, (lowest if larger else highest)(x.dtype))
    inside = extended(full(x.type.with_dtype(bool_), 1), padding, False)
    start = (0,) * len(counts)
    best, which = part(padded, counts, start, v), full(TensorType(int32, counts), 0)
    if mixed:
        which = e.select(part(inside, counts, start, v), which, full(which.type, -1))
    for number, offset in list(offsets(v))[1:]:
        value = part(padded, counts, offset, v)
        better = e.gt(value, best) if larger else e.lt(value, best)
        if x.dtype.is_floating_point:
            # NaN beats every number, and the first NaN stays.
            better = e.or_(better, e.and_(e.isnan(value), e.logical_not(e.isnan(best))))
        if mixed:
            better = e.and_(part(inside, counts, offset, v), e.or_(better, e.lt(which, zeros_like(which))))
        best, which = e.select(better, value, best), e.select(better, full(which.type, number), which)
    return which


def part(padded: Value, counts: Shape, offset: tuple[int, ...], v: Value) -> Value:
    """For every window the element at this offset inside it."""
    start = tuple(o * d for o, d in zip(offset, v.attrs["dilation"], strict=True))
    stop = tuple(a + reach(c, s) for a, c, s in zip(start, counts, v.attrs["stride"], strict=True))
    return slice(padded, start=start, stop=stop, step=v.attrs["stride"])


def replaced(x: Value, shape: Shape, offset: tuple[int, ...], v: Value) -> Value:
    """The transpose of `extended` and `part`: each window's element at its place in an operand of this shape."""
    low, high, cut_low, cut_high = [], [], [], []
    axes = zip(shape, x.shape, offset, *(v.attrs[k] for k in ("stride", "padding", "dilation")), strict=True)
    for n, count, o, s, (before, after), d in axes:
        start = o * d
        low.append(start + max(-before, 0))
        high.append(n + before + after - start - reach(count, s) + max(-after, 0))
        cut_low.append(max(before, 0))
        cut_high.append(max(before, 0) + n)
    interior = tuple(s - 1 for s in v.attrs["stride"])
    whole = pad(x, low=tuple(low), high=tuple(high), interior=interior, value=0)
    return slice(whole, start=tuple(cut_low), stop=tuple(cut_high), step=(1,) * len(shape))


def extended(x: Value, padding: Padding, value: float) -> Value:
    """x padded by (low, high) per axis, cropped where negative."""
    start = tuple(max(-low, 0) for low, _ in padding)
    stop = tuple(n - max(-high, 0) for n, (_, high) in zip(x.shape, padding, strict=True))
    cut = slice(x, start=start, stop=stop, step=(1,) * len(start))
    low, high = (tuple(max(pair[i], 0) for pair in padding) for i in (0, 1))
    return pad(cut, low=low, high=high, interior=(0,) * len(start), value=value)


def reach(count: Size, step: int) -> Size:
    """The extent of `count` elements that are `step` apart."""
    return 0 if count == 0 else (count - 1) * step + 1


# ---- linear systems


def solved(v: Value) -> Value | None:
    """`solve` as two triangular systems with the LU factors of its matrix."""
    (several,) = v.operands
    if several.op is not linalg.solve:
        return None
    a, b = several.operands
    made = linalg.lu(a)
    packed, order = get(made, index=0), get(made, index=2)
    if v.attrs["index"] == 1:
        return first_zero(packed)
    below = linalg.triangular_solve(packed, matrices.in_order(b, order), upper=False, unit=True)
    return linalg.triangular_solve(packed, below, upper=True, unit=False)


def first_zero(packed: Value) -> Value:
    """The number (from 1) of the first zero on the diagonal, 0 where there is none."""
    *lead, n = packed.shape[:-1]
    if n == 0:
        return full(TensorType(int32, tuple(lead)), 0)
    zero = e.eq(matrices.diagonal(packed), full(TensorType(packed.dtype, (*lead, n)), 0))
    flags = e.cast(zero, dtype=int32)
    place = e.add(argmax(flags, axis=len(lead)), full(TensorType(int64, tuple(lead)), 1))
    some = e.gt(max_(flags, axes=(len(lead),)), full(TensorType(int32, tuple(lead)), 0))
    number = e.cast(place, dtype=int32)
    return e.select(some, number, zeros_like(number))


RULES: Rules = {window_gather: (gathered,), window_scatter: (scattered,), get: (solved,)}
