"""The reference interpreter: what a graph means, in terms of each row's `eval`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ingot.compiler.ir import Graph, TensorType, Value
from ingot.compiler.specialize import match_sizes, specialize
from ingot.runtime.errors import ShapeError

Array = np.ndarray[Any, Any]


def interpret(
    graph: Graph,
    *arrays: Any,
    sizes: Mapping[str, int] | None = None,
    observe: Callable[[Value, Any], None] | None = None,
) -> list[Array]:
    """The outputs for these inputs, one array per output.

    Named sizes are read from the arrays' shapes; `sizes` adds those that no input shows. `observe` sees every value
    with its array (a tuple of arrays for an op with several results) as it is computed. Raises ShapeError (IG410) when
    an array's shape or dtype is not that of its input.
    """
    if len(arrays) != len(graph.inputs):
        raise ShapeError("IG410", f"{graph.name} takes {len(graph.inputs)} inputs, got {len(arrays)}")
    given = tuple(np.asarray(a) for a in arrays)
    if sizes is not None or not all(v.type.static for v in graph.inputs):
        found = match_sizes([v.type for v in graph.inputs], [a.shape for a in given])
        graph = specialize(graph, {**(sizes or {}), **found})
    for position, (value, array) in enumerate(zip(graph.inputs, given, strict=True)):
        if array.shape != value.shape or array.dtype != value.dtype.numpy:
            raise ShapeError(
                "IG410", f"input {position} of {graph.name} is {value.type}, got {array.dtype}{list(array.shape)}"
            )
    return run(graph, given, observe)


def run(graph: Graph, arrays: tuple[Array, ...], observe: Callable[[Value, Any], None] | None) -> list[Array]:
    """Evaluate value by value; an array is dropped after its last reader."""
    known: dict[Value, Any] = dict(zip(graph.inputs, arrays, strict=True))
    reader: dict[Value, Value | None] = {o: value for value in graph.values for o in value.operands}
    reader.update(dict.fromkeys(graph.outputs))
    for value in graph.values:
        if value not in known:
            result = value.op.eval(*(known[o] for o in value.operands), **value.attrs)
            known[value] = np.asarray(result) if isinstance(value.type, TensorType) else tuple(map(np.asarray, result))
        if observe is not None:
            observe(value, known[value])
        for operand in value.operands:
            if reader[operand] is value:
                known.pop(operand, None)
    return [known[v] for v in graph.outputs]
