"""A long reduction to few elements becomes two: partial results that threads can share, and their combination.

    sum(x: [1000000])  ->  sum(sum(reshape(x, [16, 62500]), axis 1), axis 0)

The cut depends on the shape alone, so results do not depend on the number of threads.
"""

from __future__ import annotations

from ingot.compiler.dims import product
from ingot.compiler.ir import Graph, Value
from ingot.compiler.ops import TABLE

FEW = 32  # results below this many cannot keep several cores busy
LONG = 1 << 15  # elements per result from which a second kernel costs less than it saves
PARTS = range(64, 7, -1)  # partial results, the most that divides the axis


def split_reductions(graph: Graph) -> Graph:
    return graph.map(split)


def split(value: Value) -> Value | None:
    """The two reductions, where the value is a long one whose axis can be cut evenly."""
    if value.op.kind != "reduce" or "axes" not in value.attrs or value.dtype.itemsize < 4:
        return None
    (x,) = value.operands
    kept, total = product(value.shape), product(x.shape)
    if not isinstance(kept, int) or not isinstance(total, int) or not 0 < kept < FEW or total // kept < LONG:
        return None
    axes = value.attrs["axes"]
    axis = max(axes, key=lambda a: x.shape[a])
    extent = x.shape[axis]
    parts = next((p for p in PARTS if isinstance(extent, int) and extent % p == 0), None)
    if parts is None or not isinstance(extent, int):
        return None
    cut = (*x.shape[:axis], parts, extent // parts, *x.shape[axis + 1 :])
    inner = tuple(sorted(a + (a >= axis) for a in axes))  # every reduced axis but the new one of `parts`
    partial = TABLE[value.op.name](TABLE["reshape"](x, shape=cut), axes=inner)
    where = axis - sum(a < axis for a in axes)
    return TABLE[value.op.name](partial, axes=(where,))
