"""Convolutions of single channels become sums of shifted products: as matrix products they would be rows of one.

conv(x: [n, 64, h, w], w: [64, 1, 3, 3]) {groups=64}  ->  x[.., 0:, 0:] * w[.., 0, 0] + x[.., 0:, 1:] * w[.., 0, 1] + …

Their weights' cotangents, which sum over images and places for a few elements of a window, become that many sums of
products.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

from ingot.compiler.dims import quotient
from ingot.compiler.ir import Graph, Shape, Size, Value
from ingot.compiler.ops.contract import accumulator, conv
from ingot.compiler.ops.elementwise import add, convert, mul
from ingot.compiler.ops.reduce import sum as total
from ingot.compiler.ops.view import concat, expand, pad, permute, reshape, slice
from ingot.compiler.rewrite import Rules, rewrite

MOST_TERMS = 25  # shifted products of one kernel: a window of 5 x 5; larger ones take longer to compile than they save
MOST_PAIRS = 4  # of input and output channels in a group; more make a matrix product worth packing its operands


def depthwise(graph: Graph) -> Graph:
    """The same function without convolutions whose groups are single channels, where windows are small."""
    return rewrite(graph, RULES)


def shifted(v: Value) -> Value | None:
    """The sum of products, where the convolution is one of single channels or the weights' cotangent of such."""
    x, w = v.operands
    groups, results = v.attrs["groups"], v.shape[2:]
    per_group = quotient(w.shape[0], groups)
    sizes = (*x.shape[1:], *w.shape, *results)
    if not isinstance(groups, int) or groups == 1 or not all(isinstance(n, int) and n > 0 for n in sizes):
        return None
    if any(gap != 1 for gap in v.attrs["input_dilation"]) or not isinstance(per_group, int):
        return None
    if terms(w.shape[1:2]) * per_group <= MOST_PAIRS and terms(w.shape[1:]) <= MOST_TERMS:
        return forward(v, groups, per_group)
    if per_group <= MOST_PAIRS and x.shape[0] == 1 and terms(results) <= min(MOST_TERMS, terms(w.shape[2:])):
        return cotangent(v, groups, per_group)
    return None


def terms(shape: Shape) -> int:
    sizes: Any = shape
    return prod(sizes)


def padded(x: Value, v: Value) -> Value:
    """The operand with its padding, cropped where that is negative, in the dtype of the sums."""
    x = convert(x, accumulator(x.dtype))
    padding = ((0, 0), (0, 0), *v.attrs["padding"])
    start = tuple(max(-low, 0) for low, _ in padding)
    stop = tuple(n - max(-high, 0) for n, (_, high) in zip(x.shape, padding, strict=True))
    x = slice(x, start=start, stop=stop, step=(1,) * len(start))
    low, high = (tuple(max(pair[i], 0) for pair in padding) for i in (0, 1))
    return pad(x, low=low, high=high, interior=(0,) * len(start), value=0)


def part(x: Value, start: tuple[int, ...], count: Shape, step: tuple[int, ...]) -> Value:
    """`count` elements along the last axes from `start` on."""
    rank = len(count)
    lead = x.shape[:-rank]
    ends = tuple(a + (n - 1) * s + 1 for a, n, s in zip(start, count, step, strict=True))
    return slice(x, start=(*(0,) * len(lead), *start), stop=(*lead, *ends), step=(*(1,) * len(lead), *step))


def offsets(shape: Shape, step: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Every position in `shape`, and how many elements it is from the first one."""
    sizes: Any = shape
    for at in product(*map(range, sizes)):
        yield at, tuple(a * s for a, s in zip(at, step, strict=True))


def forward(v: Value, groups: int, per_group: int) -> Value:
    """One product per element of the window, of a shifted image and a number for each channel that it gives."""
    x, w = v.operands
    results, rank = v.shape[2:], len(v.shape) - 2
    image: Value = padded(x, v)
    image = reshape(image, shape=(x.shape[0], groups, w.shape[1], *image.shape[2:]))
    weights = reshape(convert(w, accumulator(w.dtype)), shape=(1, groups, per_group, *w.shape[1:]))
    whole = (x.shape[0], groups, per_group, *results)
    sum_: Value | None = None
    for at, start in offsets(w.shape[1:], (1, *v.attrs["dilation"])):
        seen = part(image, start, (1, *results), (1, *v.attrs["stride"]))
        number = part(weights, at, (1,) * (rank + 1), (1,) * (rank + 1))
        number = reshape(number, shape=(1, groups, per_group, *(1,) * rank))
        term = mul(expand(seen, shape=whole), expand(number, shape=whole))
        sum_ = term if sum_ is None else add(sum_, term)
    assert sum_ is not None
    out = reshape(convert(sum_, v.dtype), shape=(x.shape[0], groups * per_group, *results))
    return permute(out, axes=(1, 0, *range(2, rank + 2))) if v.attrs.get("exchanged") else out


def cotangent(v: Value, groups: int, per_group: int) -> Value:
    """One sum of products per result of a channel: the weights are as large as the image."""
    x, w = v.operands
    window, results, rank = w.shape[2:], v.shape[2:], len(v.shape) - 2
    depth: Size = w.shape[1]
    image: Value = padded(x, v)
    weights = reshape(convert(w, accumulator(w.dtype)), shape=(groups, per_group, depth, *window))
    parts = []
    for _, start in offsets(results, v.attrs["stride"]):
        seen = reshape(part(image, start, window, v.attrs["dilation"]), shape=(groups, 1, depth, *window))
        sum_ = total(mul(expand(seen, shape=weights.shape), weights), axes=tuple(range(2, rank + 3)))
        parts.append(reshape(sum_, shape=(groups * per_group, 1)))
    whole = convert(concat(*parts, axis=1), v.dtype)
    return reshape(whole, shape=v.shape)


RULES: Rules = {conv: (shifted,)}
