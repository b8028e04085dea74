"""Is this a graph? Every row's type rule is run again, and what the rules cannot see is checked beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from ingot.compiler.ir import Graph, TensorType, Value
from ingot.compiler.ops import TABLE
from ingot.compiler.text_print import declarations, types_text
from ingot.runtime.errors import IngotError, VerifyError


def verify(graph: Graph) -> None:
    """Raises VerifyError (IG901) naming the first value that breaks a rule.

    Ops are rows of the table, operands come before their users, types are what the rows' rules give, attributes can be
    compared, regions are graphs over their own inputs, and aliases pair an output with one input of its type.
    """
    inputs = check_inputs(graph)
    for value in ordered(graph):
        check_value(graph, value)
        if value.op.kind == "source" and "unique" in value.op.traits and value not in inputs:
            fail(graph, value, "is used but is not among the graph's inputs")
    for output in graph.outputs:
        if not isinstance(output.type, TensorType):
            fail(graph, output, f"is an output but has several results {types_text(output.type)}; project one")
    check_aliases(graph)
    try:
        declarations(graph)
    except IngotError as error:
        raise VerifyError("IG901", f"graph {graph.name}: {error.what}") from error


def fail(graph: Graph, value: Value, what: str) -> NoReturn:
    raise VerifyError(
        "IG901",
        f"graph {graph.name}: {value.op.name} : {types_text(value.type)} {what}",
        where=str(value.location) if value.location else None,
    )


def ordered(graph: Graph) -> Sequence[Value]:
    """The values, operands first; a cycle is an error (a sort that assumes there is none would not end)."""
    done: dict[Value, bool] = {}
    order: list[Value] = []
    stack = [(v, False) for v in reversed(graph.outputs)]
    while stack:
        value, ready = stack.pop()
        if ready:
            done[value] = True
            order.append(value)
        elif value not in done:
            done[value] = False
            stack.append((value, True))
            for operand in reversed(value.operands):
                if done.get(operand) is False:
                    fail(graph, value, "is computed from itself")
                stack.append((operand, False))
    return order


def check_inputs(graph: Graph) -> set[Value]:
    inputs = set(graph.inputs)
    if len(inputs) != len(graph.inputs):
        raise VerifyError("IG901", f"graph {graph.name}: an input is listed twice")
    for value in graph.inputs:
        if value.op.kind != "source" or "unique" not in value.op.traits:
            fail(graph, value, "is listed as an input but is computed")
        check_value(graph, value)
    return inputs


def check_value(graph: Graph, value: Value) -> None:
    if TABLE.get(value.op.name) is not value.op:
        fail(graph, value, "is not a row of the op table")
    for name, attr in value.attrs.items():
        try:
            hash(attr)
        except TypeError:
            fail(graph, value, f"has the attribute {name}={attr!r}, which cannot be compared (use a tuple)")
        if isinstance(attr, Graph):
            verify(attr)
    if value.op.kind != "get":
        for operand in value.operands:
            if not isinstance(operand.type, TensorType):
                fail(graph, value, f"reads {operand.op.name}, which has several results; project one")
    try:
        types = value.op.infer(*(o.type for o in value.operands), **value.attrs)
    except (IngotError, TypeError) as error:
        fail(graph, value, f"breaks its type rule: {error}")
    if types != value.type:
        fail(graph, value, f"should have type {types_text(types)}")


def check_aliases(graph: Graph) -> None:
    replaced = [i for _, i in graph.aliases]
    replacing = [o for o, _ in graph.aliases]
    if len(set(replaced)) != len(replaced) or len(set(replacing)) != len(replacing):
        raise VerifyError("IG901", f"graph {graph.name}: the aliases {graph.aliases} name an output or input twice")
    for output, input_ in graph.aliases:
        if not (0 <= output < len(graph.outputs) and 0 <= input_ < len(graph.inputs)):
            raise VerifyError("IG901", f"graph {graph.name}: alias ({output}, {input_}) is out of range")
        old, new = graph.inputs[input_].type, graph.outputs[output].type
        if old is not new:
            raise VerifyError(
                "IG901",
                f"graph {graph.name}: output {output} of type {new} cannot replace input {input_} of type {old}",
            )
