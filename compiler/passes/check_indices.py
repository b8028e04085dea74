"""Indices that may lie outside their axis are checked once, before anything reads or writes there.

take(x, i)  ->  take(x, within(i, extent=n))  unless i is known to lie in 0 .. n - 1
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ingot.compiler.ir import Graph, Value
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.source import const, iota
from ingot.compiler.rewrite import in_regions

# Rows that read or write at computed positions; their indices are the second operand.
_INDEXING = frozenset({"take", "put", "gather", "scatter"})
# Rows whose elements are all elements of their (first) operand.
_MOVING = frozenset({"reshape", "permute", "expand", "slice", "flip", "take", "gather", "within"})
_DEPTH = 32


class Bounds(NamedTuple):
    """What all elements of a value lie between, both included."""

    low: int
    high: int


def check_indices(graph: Graph) -> Graph:
    graph = in_regions(graph, check_indices)
    return graph.map(checked)


def checked(value: Value) -> Value | None:
    """The same row on checked indices, where they need a check."""
    if value.op.name not in _INDEXING:
        return None
    x, indices, *rest = value.operands
    extent = x.shape[value.attrs["axis"]]
    if 0 in indices.shape or indices.op.name == "within":
        return None
    known = bounds(indices, _DEPTH)
    if isinstance(extent, int) and known.low >= 0 and known.high < extent:
        return None
    return value.op(x, TABLE["within"](indices, extent=extent), *rest, **value.attrs)


def bounds(value: Value, depth: int) -> Bounds:
    """What is known of the elements of a value of whole numbers; at least the range of its dtype."""
    if depth == 0 or isinstance(value.type, tuple) or value.dtype.kind not in "bui":
        return _every(value)
    name = value.op.name
    if name in _MOVING:
        return bounds(value.operands[0], depth - 1)
    if value.op.kind == "source":
        return _of_source(value)
    if name == "get":
        return _of_get(value)
    if name in ("argmax", "argmin"):
        return _of_position(value, value.operands[0], value.attrs["axis"])
    found = [bounds(o, depth - 1) for o in value.operands if not isinstance(o.type, tuple)]
    match name, found:
        case "cast", [a]:
            return _fitting(a.low, a.high, value)
        case "select", [_, a, b]:
            return Bounds(min(a.low, b.low), max(a.high, b.high))
        case "maximum", [a, b]:
            return Bounds(max(a.low, b.low), max(a.high, b.high))
        case "minimum", [a, b]:
            return Bounds(min(a.low, b.low), min(a.high, b.high))
        case "add", [a, b]:
            return _fitting(a.low + b.low, a.high + b.high, value)
        case "sub", [a, b]:
            return _fitting(a.low - b.high, a.high - b.low, value)
        case "mul", [a, b]:
            corners = [x * y for x in a for y in b]
            return _fitting(min(corners), max(corners), value)
        case "remainder", [_, Bounds(low, high)] if low > 0:
            return Bounds(0, high - 1)
        case "floordiv", [a, Bounds(low, high)] if low > 0 and a.low >= 0:
            return Bounds(a.low // high, a.high // low)
        case "concat", _:
            return Bounds(min(b.low for b in found), max(b.high for b in found))
    return _every(value)


def _every(value: Value) -> Bounds:
    """The range of the dtype; of no use for indices if that is no whole number."""
    dtype = value.types[0].dtype
    if dtype.kind == "b":
        return Bounds(0, 1)
    bits = 64 if dtype.is_floating_point else dtype.bits
    return Bounds(0, (1 << bits) - 1) if dtype.kind == "u" else Bounds(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def _fitting(low: int, high: int, value: Value) -> Bounds:
    """These bounds, unless the dtype wraps."""
    every = _every(value)
    return Bounds(low, high) if every.low <= low and high <= every.high else every


def _of_source(value: Value) -> Bounds:
    if value.op is iota:
        return _of_position(value, value, value.attrs["axis"])
    if value.op is const and value.attrs["data"]:
        elements = np.frombuffer(value.attrs["data"], value.dtype.numpy)
        return Bounds(int(elements.min()), int(elements.max()))
    return _every(value)


def _of_get(value: Value) -> Bounds:
    """The positions that a sort gives."""
    (made,) = value.operands
    if made.op.name not in ("sort", "topk") or value.attrs["index"] != 1:
        return _every(value)
    return _of_position(value, made.operands[0], made.attrs["axis"])


def _of_position(value: Value, of: Value, axis: int) -> Bounds:
    """Positions along an axis."""
    extent = of.shape[axis]
    return _fitting(0, max(extent - 1, 0), value) if isinstance(extent, int) else _every(value)
