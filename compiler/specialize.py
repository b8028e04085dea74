"""Named sizes become numbers: find them in actual shapes, and rebuild a graph with them put in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ingot.compiler.dims import Dim, Symbol
from ingot.compiler.ir import Graph, Size, TensorType, Value, at
from ingot.runtime.errors import ShapeError


def specialize(graph: Graph, sizes: Mapping[str, int]) -> Graph:
    """The same function for these sizes: types, attributes and regions without a Dim. KeyError names a missing size."""
    new: dict[Value, Value] = {}
    for value in (*graph.inputs, *graph.values):
        if value in new:
            continue
        with at(value.location):
            attrs = {name: bound(attr, sizes) for name, attr in value.attrs.items()}
            new[value] = Value(value.op, tuple(new[o] for o in value.operands), **attrs)
    return Graph(tuple(new[v] for v in graph.inputs), tuple(new[v] for v in graph.outputs), graph.aliases, graph.name)


def bound(attr: Any, sizes: Mapping[str, int]) -> Any:
    """An attribute with its named sizes replaced; what holds none is returned as it is."""
    if isinstance(attr, Dim):
        return attr.evaluate(sizes)
    if isinstance(attr, tuple):
        return tuple(bound(item, sizes) for item in attr)
    if isinstance(attr, TensorType):
        return attr if attr.static else attr.with_shape(bound(attr.shape, sizes))
    if isinstance(attr, Graph):
        return specialize(attr, sizes)
    return attr


def match_sizes(types: Sequence[TensorType], shapes: Sequence[Sequence[int]]) -> dict[str, int]:
    """The value of every named size, from actual shapes. Raises ShapeError (IG411) where shapes do not fit."""
    sizes: dict[str, int] = {}
    for type_, shape in zip(types, shapes, strict=True):
        if len(type_.shape) != len(shape):
            raise ShapeError("IG411", f"an array of shape {tuple(shape)} cannot be bound to {type_}")
        for size, actual in zip(type_.shape, shape, strict=True):
            symbol = named(size)
            if symbol is not None and sizes.setdefault(symbol.name, actual) == actual:
                check_range(symbol, actual)
    for type_, shape in zip(types, shapes, strict=True):
        if any(symbol.name not in sizes for symbol in symbols(type_.shape)):
            raise ShapeError("IG411", f"the sizes in {type_} cannot be told from the inputs' shapes")
        expected = bound(type_.shape, sizes)
        if expected != tuple(shape):
            raise ShapeError(
                "IG411",
                f"an array of shape {tuple(shape)} cannot be bound to {type_}",
                detail=[f"{name} = {value}" for name, value in sizes.items()],
            )
    return sizes


def named(size: Size) -> Symbol | None:
    """The symbol, if the size is one by itself."""
    match size.terms if isinstance(size, Dim) else ():
        case (((Symbol() as symbol,), 1),):
            return symbol
    return None


def symbols(shape: Iterable[Size]) -> list[Symbol]:
    """The named sizes of a shape, in order of their names."""
    found = {symbol for size in shape if isinstance(size, Dim) for symbol in size.symbols}
    return sorted(found, key=lambda symbol: symbol.name)


def check_range(symbol: Symbol, actual: int) -> None:
    if not symbol.low <= actual <= symbol.high or actual % symbol.multiple:
        multiple = f", a multiple of {symbol.multiple}" if symbol.multiple > 1 else ""
        raise ShapeError(
            "IG411", f"the size {symbol} is {actual}, outside its range {symbol.low}..{symbol.high}{multiple}"
        )
