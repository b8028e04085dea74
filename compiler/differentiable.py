"""What both modes of differentiation ask of a graph, and how they say that a rule is missing."""

from __future__ import annotations

from collections.abc import Sequence

from ingot.compiler.ir import Graph, Value
from ingot.runtime.errors import GradError


def floating_inputs(graph: Graph, wrt: Sequence[int]) -> list[Value]:
    """The inputs to differentiate by. Raises GradError (IG352) where there is none or it is not floating."""
    for index in wrt:
        if not 0 <= index < len(graph.inputs):
            raise GradError("IG352", f"there is no input {index}: {graph.name} has {len(graph.inputs)} inputs")
        if not graph.inputs[index].dtype.is_floating_point:
            raise GradError(
                "IG352", f"only floating inputs have derivatives; input {index} is {graph.inputs[index].type}"
            )
    return [graph.inputs[i] for i in wrt]


def missing_rule(code: str, what: str, value: Value) -> GradError:
    return GradError(
        code,
        f"{value.op.name} {what}",
        where=str(value.location) if value.location else None,
        detail=[value.op.doc],
        fix="detach its operands if no derivative should flow here",
    )
