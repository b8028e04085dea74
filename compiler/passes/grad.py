"""Reverse mode: a graph becomes the graph of its derivatives, by each row's `vjp`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ingot.compiler.differentiable import floating_inputs, missing_rule
from ingot.compiler.ir import Graph, TensorType, Value, at
from ingot.compiler.ops.elementwise import add
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.source import ones_like, zeros_like
from ingot.runtime.errors import GradError


def grad(graph: Graph, wrt: Sequence[int]) -> Graph:
    """Reverse mode: outputs d(outputs[0])/d(inputs[i]) for i in `wrt`.

    outputs[0] must be a floating scalar (GradError IG351). Griewank & Walther 2008, section 3.2.
    """
    out = scalar_output(graph)
    with at(out.location):
        seeds = {out: ones_like(out)}
    return graph.with_outputs(backpropagate(graph, seeds, wrt), aliases=())


def vjp(graph: Graph, wrt: Sequence[int]) -> Graph:
    """Reverse mode with given cotangents: inputs are the graph's and one cotangent per output; outputs, one per `wrt`.

    The cotangent of an output that is not floating is an input too, and unused.
    """
    given = tuple(make_input(type=v.type, name=f"cotangent{i}") for i, v in enumerate(graph.outputs))
    seeds: dict[Value, Value] = {}
    for out, cotangent in zip(graph.outputs, given, strict=True):
        accumulate(seeds, out, cotangent)
    return Graph((*graph.inputs, *given), tuple(backpropagate(graph, seeds, wrt)), (), graph.name)


def scalar_output(graph: Graph) -> Value:
    out = graph.outputs[0]
    if out.type.ndim == 0 and out.dtype.is_floating_point:
        return out
    raise GradError(
        "IG351",
        f"only a floating scalar has a gradient; the first output is {out.type}",
        where=str(out.location) if out.location else None,
        fix="reduce it first, for example with sum() or mean(), or give a cotangent (vjp)",
    )


def backpropagate(graph: Graph, seeds: Mapping[Value, Value], wrt: Sequence[int]) -> list[Value]:
    """Cotangents of the inputs `wrt`, given those of some values; one visit per value."""
    inputs = floating_inputs(graph, wrt)
    active = depending(graph, inputs)
    cotangents = {v: ct for v, ct in seeds.items() if v in active}
    # An op with several results collects one cotangent per result, from the `get` of each.
    several: dict[Value, dict[int, Value]] = {}
    for value in reversed(graph.values):
        if value.op.kind == "source":
            continue
        ct: Value | tuple[Value | None, ...] | None
        if isinstance(value.type, TensorType):
            ct = cotangents.pop(value, None)
        else:
            parts = several.pop(value, {})
            ct = tuple(parts.get(i) for i in range(len(value.types))) if parts else None
        if ct is None:
            continue
        with at(value.location):
            if value.op.kind == "get":
                accumulate(several.setdefault(value.operands[0], {}), value.attrs["index"], ct)
                continue
            for operand, part in zip(value.operands, pulled_back(value, ct), strict=True):
                if part is not None and operand in active:
                    accumulate(cotangents, operand, part)
    return [cotangents[v] if v in cotangents else zeros_like(v) for v in inputs]


def depending(graph: Graph, inputs: Sequence[Value]) -> set[Value]:
    """The values with a floating result that depend on these inputs through such values."""
    active = set(inputs)
    for value in graph.values:
        if any(o in active for o in value.operands) and any(t.dtype.is_floating_point for t in value.types):
            active.add(value)
    return active


def pulled_back(value: Value, cotangent: Value | tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    """The cotangents of the operands, by the row's rule. Raises GradError (IG353) when there is none."""
    if value.op.vjp is None:
        raise missing_rule("IG353", "has no derivative rule", value)
    return value.op.vjp(cotangent, value, *value.operands, **value.attrs)


def accumulate(sums: dict[Any, Value], key: Any, part: Value) -> None:
    sums[key] = add(sums[key], part) if key in sums else part
