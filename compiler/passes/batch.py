"""vmap: the graph for one example becomes the graph for a batch, by each row's `batch`. The batch axis leads."""

from __future__ import annotations

from collections.abc import Sequence

from ingot.compiler.ir import Graph, Size, TensorType, Value, at
from ingot.compiler.ops.source import get
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.view import expand, reshape
from ingot.runtime.errors import GradError

Batched = Value | tuple[Value, ...]


def batch(graph: Graph, size: Size, batched: Sequence[bool]) -> Graph:
    """The same function for each of `size` examples: inputs marked `batched`, and all outputs, get a leading axis.

    What depends on no batched input is computed once and expanded where a batched value meets it. Raises GradError
    (IG355) naming an op without a rule.
    """
    inputs = tuple(
        make_input(type=v.type.with_shape((size, *v.shape)), name=v.attrs["name"]) if mapped else v
        for v, mapped in zip(graph.inputs, batched, strict=True)
    )
    mapped: dict[Value, Batched] = {v: n for v, n in zip(graph.inputs, inputs, strict=True) if n is not v}
    for value in graph.values:
        if any(o in mapped for o in value.operands):
            with at(value.location):
                mapped[value] = widened(value, size, mapped)
    outputs = tuple(leading(v, size, mapped) for v in graph.outputs)
    aliases = tuple((o, i) for o, i in graph.aliases if batched[i])
    return Graph(inputs, outputs, aliases, graph.name)


def batched_outputs(graph: Graph, batched: Sequence[bool]) -> tuple[bool, ...]:
    """Which outputs depend on a batched input."""
    mapped = {v for v, flag in zip(graph.inputs, batched, strict=True) if flag}
    for value in graph.values:
        if any(o in mapped for o in value.operands):
            mapped.add(value)
    return tuple(v in mapped for v in graph.outputs)


def widened(value: Value, size: Size, mapped: dict[Value, Batched]) -> Batched:
    """The value for all examples; for several results a tuple."""
    if value.op.kind == "get":
        results = mapped[value.operands[0]]
        assert isinstance(results, tuple)
        index: int = value.attrs["index"]
        return results[index]
    if value.op.batch is None:
        raise GradError(
            "IG355", f"{value.op.name} cannot be batched", where=str(value.location) if value.location else None
        )
    result: Batched = value.op.batch(size, *(leading(o, size, mapped) for o in value.operands), **value.attrs)
    if isinstance(value.type, TensorType) or isinstance(result, tuple):
        return result
    return tuple(get(result, index=i) for i in range(len(value.types)))


def leading(value: Value, size: Size, mapped: dict[Value, Batched]) -> Value:
    """The value with a batch axis: its own, or an expanded one if it is the same for all examples."""
    found = mapped.get(value)
    if found is None:
        return expand(reshape(value, shape=(1, *value.shape)), shape=(size, *value.shape))
    assert isinstance(found, Value)
    return found
