"""A graph as bytes, equal in every process for graphs with the same structure and no others: the disk cache's key."""

from __future__ import annotations

from typing import Any

from ingot.compiler.dims import Dim, Symbol
from ingot.compiler.ir import Graph, TensorType
from ingot.runtime.dtypes import DType


def fingerprint(graph: Graph) -> bytes:
    """The structure of a graph, the types of its inputs, its aliases and its regions."""
    number = {value: i for i, value in enumerate(graph.inputs)}
    rows = [",".join(text(v.type) for v in graph.inputs)]
    for value in graph.values:
        if value in number:
            continue
        number[value] = len(number)
        attrs = ";".join(f"{name}={text(attr)}" for name, attr in sorted(value.attrs.items()))
        rows.append(f"{value.op.name}({','.join(str(number[o]) for o in value.operands)}){attrs}")
    rows.append(",".join(str(number[v]) for v in graph.outputs))
    rows.append(repr(graph.aliases))
    return "\n".join(rows).encode()


def text(attr: Any) -> str:
    """An attribute, unambiguously."""
    if isinstance(attr, DType):
        return attr.short
    if isinstance(attr, TensorType):
        return f"{attr.dtype.short}[{','.join(text(n) for n in attr.shape)}]"
    if isinstance(attr, tuple):
        return f"({','.join(text(item) for item in attr)})"
    if isinstance(attr, Graph):
        return f"{{{fingerprint(attr).decode()}}}"
    if isinstance(attr, Dim):
        ranges = sorted((s.name, s.low, s.high, s.multiple) for s in attr.symbols if isinstance(s, Symbol))
        return f"{attr}{ranges}"
    if isinstance(attr, (bytes, str, int, float, bool)) or attr is None:
        return f"{type(attr).__name__}:{attr!r}"
    raise TypeError(f"an attribute of type {type(attr).__name__} has no stable text")
