"""Convolutions with mirrored weights (images' cotangents, transposed convolutions) over few places become one product.

conv(x, permute(flip(w), (1, 0, ...)))  ->  what each place adds to each element around it, by one product of x and w;
                                            then for every element of the window these, shifted, and their sum

As a convolution this reads the weights mirrored and with channels exchanged, and so copies them, for every image: with
512 channels on images of 2 x 2 that takes twenty times as long as the products. The product reads them as they are.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any, NamedTuple

from ingot.compiler.ir import Graph, Value
from ingot.compiler.ops.contract import accumulator, conv, dot_general
from ingot.compiler.ops.elementwise import add, convert
from ingot.compiler.ops.source import full
from ingot.compiler.ops.view import flip, pad, permute, reshape, slice
from ingot.compiler.rewrite import Rules, rewrite

MOST_TERMS = 25  # shifted sums: a window of 5 x 5; larger ones take longer to compile than they save
MOST_SPREAD = 1 << 22  # elements of the product that wait in memory
# Cycles, measured with AVX-512 on one core (float32):
PRODUCTS = 32  # multiplications with additions in one
COPY, COPY_PHASES = 5, 26  # to copy a weight as a convolution wants it: mirrored; cut into phases
SPREAD = 3  # to fetch an element of the product and add it where it belongs


class Axis(NamedTuple):
    """A spatial axis of the convolution: results = spread operand, mirrored window."""

    extent: int
    window: int
    low: int
    dilation: int
    gap: int
    results: int

    def part(self, tap: int) -> tuple[int, int, int]:
        """(first, end, place of the first): the elements that this tap of the weights (as they are) adds to results."""
        start = self.low - (self.window - 1 - tap) * self.dilation
        first = max(0, -(start // self.gap))
        end = min(self.extent, (self.results - 1 - start) // self.gap + 1)
        return first, end, start + first * self.gap


def transposed_convolutions(graph: Graph) -> Graph:
    """The same function; only convolutions of one group whose windows move by single places are looked at."""
    return rewrite(graph, RULES)


def spread(v: Value) -> Value | None:
    """The sum of shifted products, where it costs less."""
    x, mirrored = v.operands
    w, attrs = unmirrored(mirrored), v.attrs
    sizes: Any = (*x.shape, *mirrored.shape, *v.shape)
    if w is None or attrs["groups"] != 1 or not all(isinstance(n, int) and n > 0 for n in sizes):
        return None
    if any(step != 1 for step in attrs["stride"]):
        return None
    lows = (low for low, _ in attrs["padding"])
    given: Any = (x.shape[2:], w.shape[2:], lows, attrs["dilation"], attrs["input_dilation"], v.shape[2:])
    axes = [Axis(*axis) for axis in zip(*given, strict=True)]
    images, inputs, outputs = sizes[0], sizes[1], sizes[len(x.shape)]
    return summed(v, x, w, axes) if pays(axes, images, inputs, outputs) else None


def unmirrored(w: Value) -> Value | None:
    """The weights of which these are the mirror image with channels exchanged."""
    spatial = tuple(range(2, len(w.shape)))
    if w.op is not permute or w.attrs["axes"] != (1, 0, *spatial):
        return None
    (w,) = w.operands
    return w.operands[0] if w.op is flip and tuple(w.attrs["axes"]) == spatial else None


def pays(axes: list[Axis], images: int, inputs: int, outputs: int) -> bool:
    """Whether the products and their sums take less time than the convolution."""
    terms, places = prod(axis.window for axis in axes), images * prod(axis.extent for axis in axes)
    elements = places * outputs * terms
    if not 1 < terms <= MOST_TERMS or elements > MOST_SPREAD:
        return False
    taps = prod(-(-axis.window // axis.gap) for axis in axes)
    results = images * prod(axis.results for axis in axes)
    weights = inputs * outputs * taps * prod(axis.gap for axis in axes)
    copy = COPY if all(axis.gap == 1 for axis in axes) else COPY_PHASES
    as_products = elements * (inputs / PRODUCTS + SPREAD)
    return as_products < results * taps * inputs * outputs / PRODUCTS + images * weights * copy


def summed(v: Value, x: Value, w: Value, axes: list[Axis]) -> Value:
    """For each tap of the weights what it adds to the results, channels last: lanes run along them."""
    rank, outputs = len(axes), w.shape[1]
    wide = accumulator(v.dtype)
    whole: Value = dot_general(x, w, contract=((1,), (0,)), batch=((), ()), accumulate=wide)
    images = x.shape[0]
    shape = (images, *(axis.results for axis in axes), outputs)
    total: Value | None = None
    for taps in product(*(range(axis.window) for axis in axes)):
        parts = [axis.part(tap) for axis, tap in zip(axes, taps, strict=True)]
        if any(first >= end for first, end, _ in parts):
            continue
        lead: Any = (*((first, end) for first, end, _ in parts), (0, outputs))
        start = (0, *(first for first, _ in lead), *taps)
        stop = (images, *(end for _, end in lead), *(tap + 1 for tap in taps))
        one: Value = slice(whole, start=start, stop=stop, step=(1,) * (2 + 2 * rank))
        one = reshape(one, shape=(images, *(end - first for first, end, _ in parts), outputs))
        counts = [(end - first - 1) * axis.gap + 1 for (first, end, _), axis in zip(parts, axes, strict=True)]
        lows = [at for _, _, at in parts]
        highs = [axis.results - at - n for axis, at, n in zip(axes, lows, counts, strict=True)]
        interior = (0, *(axis.gap - 1 for axis in axes), 0)
        one = pad(one, low=(0, *lows, 0), high=(0, *highs, 0), interior=interior, value=0)
        total = one if total is None else add(total, one)
    if total is None:
        total = full(whole.type.with_shape(shape), 0)
    order = (rank + 1, 0) if v.attrs.get("exchanged") else (0, rank + 1)
    return permute(convert(total, v.dtype), axes=(*order, *range(1, rank + 1)))


RULES: Rules = {conv: (spread,)}
