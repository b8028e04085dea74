"""A graph as text: one value per line, attributes in braces, regions nested. `text_parse` reads it back.

    graph main[b in 1..4096](%0: f32[b,10] "x", %1: f32[10,32] "w") {
      %2 = dot_general(%0, %1) {batch=((), ()), contract=((1,), (0,))} : f32[b,32]  # model.py:7 in forward
      %3 = const {data=0.0} : f32[b,32]
      %4 = maximum(%2, %3) : f32[b,32]
      return %4
    }

A source's type is written once, after the colon. Constant data is one literal (a splat), a short list, or hex bytes.
`return %2, %3 aliases (1, 0)` says that output 1 replaces the contents of input 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ingot.compiler.dims import Dim, Symbol
from ingot.compiler.ir import Graph, Location, TensorType, Types, Value
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import SpecError

# Longer constant data is written as bytes.
MAX_LITERALS = 8
INDENT = "  "


def print_graph(graph: Graph, *, locations: bool = True) -> str:
    """The graph's text, without a final newline; `locations` appends each value's source line as a comment."""
    declared = declarations(graph)
    sizes = f"[{', '.join(map(declaration, declared))}]" if declared else ""
    return "\n".join(graph_lines(graph, sizes, locations))


def graph_lines(graph: Graph, sizes: str, locations: bool) -> list[str]:
    names = {v: f"%{i}" for i, v in enumerate(graph.inputs)}
    inputs = ", ".join(f"{names[v]}: {v.type}{input_name(v)}" for v in graph.inputs)
    lines = [f"graph {graph_name(graph.name)}{sizes}({inputs}) {{"]
    for value in graph.values:
        if value in names:
            continue
        names[value] = f"%{len(names)}"
        lines += value_lines(value, names, locations)
    returned = ", ".join(names[v] for v in graph.outputs)
    aliases = "".join(f" ({output}, {input_})" for output, input_ in graph.aliases)
    lines.append(f"{INDENT}return {returned}".rstrip() + (f" aliases{aliases}" if aliases else ""))
    return [*lines, "}"]


def value_lines(value: Value, names: Mapping[Value, str], locations: bool) -> list[str]:
    """`%3 = add(%1, %2) : f32[4]`; with regions, each attribute on lines of its own."""
    head = f"{INDENT}{names[value]} = {value.op.name}"
    if value.operands or value.op.kind != "source":
        head += f"({', '.join(names[o] for o in value.operands)})"
    tail = f" : {types_text(value.type)}{comment(value.location) if locations else ''}"
    attrs = written_attrs(value)
    if not attrs:
        return [head + tail]
    if not any(isinstance(attr, Graph) for attr in attrs.values()):
        return [head + " {" + ", ".join(f"{k}={attr_text(a)}" for k, a in attrs.items()) + "}" + tail]
    lines = [head + " {"]
    for name, attr in attrs.items():
        text = graph_lines(attr, "", locations) if isinstance(attr, Graph) else [attr_text(attr)]
        text[0] = f"{name}={text[0]}"
        text[-1] += ","
        lines += [INDENT * 2 + line for line in text]
    return [*lines, f"{INDENT}}}{tail}"]


def written_attrs(value: Value) -> dict[str, Any]:
    """The attributes in the order of their names; a source's type shows after the colon, its data as numbers."""
    attrs = dict(sorted(value.attrs.items()))
    if value.op.kind == "source" and isinstance(attrs.get("type"), TensorType):
        dtype = attrs.pop("type").dtype
        if isinstance(attrs.get("data"), bytes):
            attrs["data"] = Verbatim(data_text(attrs["data"], dtype))
    return attrs


class Verbatim(str):
    """Text that stands for itself."""


def attr_text(attr: Any) -> str:
    if isinstance(attr, Verbatim | Dim):
        return str(attr)
    if attr is None or isinstance(attr, bool):
        return str(attr).lower()
    if isinstance(attr, int | float):
        return repr(attr)
    if isinstance(attr, str):
        return json.dumps(attr)
    if isinstance(attr, bytes):
        return "0x" + attr.hex()
    if isinstance(attr, DType):
        return attr.short
    if isinstance(attr, TensorType):
        return repr(attr)
    if isinstance(attr, tuple):
        return "(" + ", ".join(map(attr_text, attr)) + ("," if len(attr) == 1 else "") + ")"
    if callable(attr):
        return "@" + function_name(attr)
    raise SpecError("IG423", f"an attribute of type {type(attr).__name__} has no text form: {attr!r}")


def function_name(function: Any) -> str:
    """How a host function is named in text; the parser is given the functions themselves."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return "".join(c if c.isalnum() or c in "._" else "_" for c in name)


def data_text(data: bytes, dtype: DType) -> str:
    """Literals when they are few and give back the same bits, else the bytes."""
    if len(data) > MAX_LITERALS * dtype.itemsize:
        return "0x" + data.hex()
    elements = np.frombuffer(data, dtype.numpy)
    literals = [literal(e) for e in elements]
    if literals_data(literals, dtype) != data:
        return "0x" + data.hex()
    return literals[0] if len(literals) == 1 else "[" + ", ".join(literals) + "]"


def literal(element: Any) -> str:
    if element.dtype.kind in "biu":
        return str(element.item()).lower()
    text = str(element)
    return text if text.lstrip("-") in ("nan", "inf") or any(c in text for c in ".e") else text + ".0"


def literals_data(literals: Iterable[str], dtype: DType) -> bytes:
    """The little-endian bytes of literals."""
    convert: Any = float if dtype.is_floating_point else (lambda text: text == "true") if dtype.kind == "b" else int
    array = np.array([convert(text) for text in literals], dtype="f8" if dtype.is_floating_point else dtype.numpy)
    # Overflow to infinity is what a literal beyond the dtype's range means.
    with np.errstate(over="ignore"):
        return array.astype(dtype.numpy).tobytes()


def types_text(types: Types) -> str:
    return "(" + ", ".join(map(repr, types)) + ")" if isinstance(types, tuple) else repr(types)


def input_name(value: Value) -> str:
    name = value.attrs.get("name")
    return f" {json.dumps(name)}" if name else ""


def graph_name(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name)


def comment(location: Location | None) -> str:
    if location is None:
        return ""
    function = f" in {location.function}" if location.function else ""
    return f"  # {location}{function}" + (f" at {location.scope}" if location.scope else "")


def declarations(graph: Graph) -> list[Symbol]:
    """Every named size of the graph and its regions, by name."""
    found: dict[str, Symbol] = {}
    for symbol in symbols_of([*graph.inputs, *graph.values]):
        if found.setdefault(symbol.name, symbol) != symbol:
            raise SpecError("IG423", f"two sizes are named {symbol} but have different ranges")
    return [found[name] for name in sorted(found)]


def declaration(symbol: Symbol) -> str:
    multiple = f" by {symbol.multiple}" if symbol.multiple != 1 else ""
    return f"{symbol.name} in {symbol.low}..{symbol.high}{multiple}"


def symbols_of(item: Any) -> Iterable[Symbol]:
    """The named sizes in values, types and attributes."""
    if isinstance(item, Dim):
        yield from item.symbols
    elif isinstance(item, TensorType):
        yield from symbols_of(item.shape)
    elif isinstance(item, Value):
        yield from symbols_of(item.types)
        yield from symbols_of(tuple(item.attrs.values()))
    elif isinstance(item, Graph):
        yield from symbols_of([*item.inputs, *item.values])
    elif isinstance(item, tuple | list):
        for part in item:
            yield from symbols_of(part)
