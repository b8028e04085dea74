"""A transposed contraction is the contraction of the swapped operands: no transposed copy of the result is made.

permute(dot_general(a: [k, m], b: [k, n]), axes=(1, 0))  ->  dot_general(b, a)

A contraction that something else reads too stays, because computing it twice costs more than a copy.
"""

from __future__ import annotations

from ingot.compiler.ir import Graph, Value, at
from ingot.compiler.ops import TABLE
from ingot.compiler.rewrite import rebuilt


def turn_contractions(graph: Graph) -> Graph:
    new: dict[Value, Value] = {v: v for v in graph.inputs}
    for value in graph.values:
        if value not in new:
            with at(value.location):
                same = rebuilt(value, tuple(new[o] for o in value.operands), turn_contractions)
                new[value] = (turned(same) if only_reader(graph, value) else None) or same
    return graph.with_outputs([new[v] for v in graph.outputs])


def only_reader(graph: Graph, value: Value) -> bool:
    """Whether nothing but this value reads its first operand."""
    return any(graph.users[o] == [value] and o not in graph.outputs for o in value.operands[:1])


def turned(value: Value) -> Value | None:
    """The swapped contraction, where the value is a permutation that exchanges the free axes of both operands."""
    if value.op.name != "permute" or value.operands[0].op.name != "dot_general":
        return None
    (product,) = value.operands
    a, b = product.operands
    (contract_a, contract_b), (batch_a, batch_b) = product.attrs["contract"], product.attrs["batch"]
    batch, rows = len(batch_a), len(a.shape) - len(contract_a) - len(batch_a)
    swapped = (*range(batch), *range(batch + rows, len(product.shape)), *range(batch, batch + rows))
    if value.attrs["axes"] != swapped:
        return None
    attrs = {**product.attrs, "contract": (contract_b, contract_a), "batch": (batch_b, batch_a)}
    return TABLE["dot_general"](b, a, **attrs)
