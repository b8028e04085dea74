"""Forward mode: a graph becomes the graph of its values and their tangents, by each row's `jvp`."""

from __future__ import annotations

from collections.abc import Sequence

from ingot.compiler.differentiable import floating_inputs, missing_rule
from ingot.compiler.ir import Graph, TensorType, Value, at
from ingot.compiler.ops.source import get, zeros_like
from ingot.compiler.ops.source import input as make_input
from ingot.runtime.errors import GradError

Tangent = Value | tuple[Value | None, ...] | None


def linearize(graph: Graph, wrt: Sequence[int]) -> Graph:
    """Forward mode: inputs are the graph's and a tangent for each input of `wrt`; outputs, then a tangent of each.

    The tangent of an output that is not floating, or does not depend on `wrt`, is zero. Raises GradError (IG352,
    IG354). Griewank & Walther 2008, section 3.1.
    """
    moving = floating_inputs(graph, wrt)
    if len(set(moving)) != len(moving):
        raise GradError("IG352", f"each input has one tangent, but {list(wrt)} names an input twice")
    given = tuple(make_input(type=v.type, name=f"tangent{i}") for i, v in zip(wrt, moving, strict=True))
    tangents: dict[Value, Tangent] = dict(zip(moving, given, strict=True))
    for value in graph.values:
        if value.op.kind == "source" or all(tangents.get(o) is None for o in value.operands):
            continue
        if any(t.dtype.is_floating_point for t in value.types):
            with at(value.location):
                tangents[value] = pushed_forward(value, [tangents.get(o) for o in value.operands])
    outputs = [single(tangents.get(v)) or zeros_like(v) for v in graph.outputs]
    return Graph((*graph.inputs, *given), (*graph.outputs, *outputs), graph.aliases, graph.name)


def pushed_forward(value: Value, tangents: Sequence[Tangent]) -> Tangent:
    """The tangent of a value, by the row's rule; for several results a tuple."""
    if value.op.kind == "get":
        (parts,) = tangents
        return parts[value.attrs["index"]] if isinstance(parts, tuple) else None
    if value.op.jvp is None:
        raise missing_rule("IG354", "has no forward derivative rule", value)
    result: Tangent = value.op.jvp(tuple(tangents), value, *value.operands, **value.attrs)
    if result is None or isinstance(value.type, TensorType) or isinstance(result, tuple):
        return result
    return tuple(get(result, index=i) for i in range(len(value.types)))


def single(tangent: Tangent) -> Value | None:
    assert not isinstance(tangent, tuple), "an output is a single result"
    return tangent
