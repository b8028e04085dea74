"""A scatter of one element per row becomes a comparison with a counter, which fuses with what is around it.

scatter(x, i, u, axis)  with i and u of extent 1 along axis
->  select(iota(axis) == expand(i), x (+) expand(u), x)
"""

from __future__ import annotations

from ingot.compiler.ir import Graph, Value
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.source import counter


def one_hot(graph: Graph) -> Graph:
    return graph.map(compared)


def compared(value: Value) -> Value | None:
    """The comparison, where the value is such a scatter."""
    if value.op.name != "scatter":
        return None
    x, indices, updates = value.operands
    axis, mode = value.attrs["axis"], value.attrs.get("mode", "set")
    row = tuple(1 if d == axis else n for d, n in enumerate(x.shape))
    if indices.shape != row or updates.shape != row:
        return None
    position = counter(x.shape, axis, indices.dtype)
    here = TABLE["eq"](position, TABLE["expand"](indices, shape=x.shape))
    wide = TABLE["expand"](updates, shape=x.shape)
    add = "or_" if x.dtype.kind == "b" else "add"
    written = wide if mode == "set" else TABLE[{"add": add, "max": "maximum"}[mode]](x, wide)
    return TABLE["select"](here, written, x)
