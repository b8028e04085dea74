"""Graph values as one Python function over arrays: what eager execution runs again and again.

The rows' `eval` is the meaning here too; only the way from one row to the next is shorter than through a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ingot.compiler.ir import Graph, Op, Value, toposort
from ingot.compiler.ops.contract import dot_general, dot_prepared
from ingot.compiler.ops.definitions import is_half
from ingot.compiler.ops.source import get
from ingot.compiler.ops.view import expand


def straightline(inputs: Sequence[Value], results: Sequence[Value | None], name: str) -> Callable[..., tuple[Any, ...]]:
    """A function of the inputs' arrays that returns the results' arrays (None for None).

    A result may be an input or share its memory, and may be a NumPy scalar for an array of no dimensions. Floating
    warnings are the caller's concern (`quietly`).
    """
    variables = {value: f"a{i}" for i, value in enumerate(inputs)}
    space: dict[str, Any] = {}
    reached = _reached(results, {*inputs})
    order = [v for v in toposort([r for r in results if r is not None]) if v in reached]
    skipped = needless(order, results)
    lines: list[str] = []
    last = {operand: value for value in order for operand in value.operands}
    kept = {*inputs, *(r for r in results if r is not None)}
    for number, value in enumerate(order):
        variable = variables[value] = f"v{number}"
        operands = [variables[o] for o in value.operands]
        if value in skipped:
            lines.append(f"{variable} = {operands[0]}")
        elif value.op is get:
            lines.append(f"{variable} = {operands[0]}[{value.attrs['index']}]")
        elif not operands and value.op.kind == "source":
            space[variable + "_"] = np.asarray(value.op.eval(**value.attrs))
            lines.append(f"{variable} = {variable}_")
        else:
            lines.append(f"{variable} = {_call(value, number, operands, space)}")
        # Arrays go as soon as nobody reads them any more, as they do when each operation is a call of its own.
        dead = [variables[o] for o in dict.fromkeys(value.operands) if last[o] is value and o not in kept]
        if dead:
            lines.append(f"del {', '.join(dead)}")
    returned = ", ".join("None" if r is None else variables[r] for r in results)
    parameters = ", ".join(variables[value] for value in inputs)
    body = "\n    ".join([*lines, f"return ({returned},)"])
    text = f"def {name}({parameters}):\n    {body}\n"
    exec(compile(text, f"<{name}>", "exec"), space)
    made: Callable[..., tuple[Any, ...]] = space[name]
    return made


@lru_cache(maxsize=256)
def prepared(graph: Graph) -> Callable[..., tuple[Any, ...]]:
    """The graph as a function of its inputs' arrays, for regions that run again and again; its sizes are known."""
    return straightline(graph.inputs, graph.outputs, "region")


def _reached(results: Sequence[Value | None], given: set[Value]) -> set[Value]:
    """What the results need, not looking behind what is given."""
    found: set[Value] = set()
    stack = [r for r in results if r is not None]
    while stack:
        value = stack.pop()
        if value not in found and value not in given:
            found.add(value)
            stack.extend(value.operands)
    return found


def _call(value: Value, number: int, operands: list[str], space: dict[str, Any]) -> str:
    space[f"f{number}"], attributes = evaluator(value)
    named = []
    for key, attribute in attributes.items():
        space[f"k{number}_{key}"] = attribute
        named.append(f"{key}=k{number}_{key}")
    return f"f{number}({', '.join([*operands, *named])})"


def evaluator(value: Value) -> tuple[Callable[..., Any], Mapping[str, Any]]:
    """A function of the operands' arrays that computes the value, and what it must be given by name."""
    if value.op is dot_general:
        a, b = value.operands
        return dot_prepared(a.shape, b.shape, a.dtype.numpy, **value.attrs), {}
    types = [t for operand in value.operands for t in operand.types]
    return direct(value.op, not types or any(is_half(t.dtype.numpy) for t in types)), value.attrs


def direct(op: Op, half: bool) -> Callable[..., Any]:
    """The row's `eval` without its own guard against floating warnings, and without what only half types need."""
    if half:
        return op.eval
    inner: Callable[..., Any] = getattr(op.eval, "__wrapped__", op.eval)
    return inner


def needless(order: Sequence[Value], results: Sequence[Value | None]) -> set[Value]:
    """Expansions that NumPy's own broadcasting makes: all who read them also read something of the full shape."""
    given = {r for r in results if r is not None}
    users: dict[Value, list[Value]] = {}
    for value in order:
        for operand in value.operands:
            users.setdefault(operand, []).append(value)
    found: set[Value] = set()
    for value in order:
        if value.op is not expand or value in given:
            continue
        readers = users.get(value, [])
        if readers and all(r.op.kind == "elementwise" and _has_full(r, found | {value}) for r in readers):
            found.add(value)
    return found


def _has_full(reader: Value, small: set[Value]) -> bool:
    return any(o not in small and o.shape == reader.shape for o in reader.operands)
