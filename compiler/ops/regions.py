"""What the control rows do with regions: check, differentiate and batch them.

A region is a closed Graph: all it reads are its inputs.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingot.compiler.ir import Graph, Size, TensorType, Value
from ingot.compiler.ops.source import get
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.table import listed
from ingot.compiler.ops.uniform import uniform
from ingot.compiler.passes import batch as mapping
from ingot.compiler.passes import grad as reverse
from ingot.compiler.passes import linearize as forward
from ingot.runtime.errors import ShapeError


def input_like(value: Value, name: str) -> Value:
    return make_input(type=value.type, name=name)


def floats(values: Sequence[Value]) -> list[int]:
    """The positions of the values that can have derivatives."""
    return [i for i, v in enumerate(values) if v.dtype.is_floating_point]


def region_vjp(region: Graph, wrt: Sequence[int], outputs: Sequence[int]) -> Graph:
    """Inputs and cotangents of `outputs` -> cotangents of the inputs `wrt`."""
    return reverse.vjp(region.with_outputs([region.outputs[i] for i in outputs], ()), wrt)


def region_jvp(region: Graph, wrt: Sequence[int]) -> Graph:
    """Inputs and tangents of the inputs `wrt` -> outputs, and tangents of the floating ones."""
    both = forward.linearize(region, wrt)
    count = len(region.outputs)
    return both.with_outputs([*both.outputs[:count], *(both.outputs[count + i] for i in floats(region.outputs))], ())


def check_region(op: str, name: str, region: Graph, given: Sequence[TensorType], wanted: Sequence[TensorType]) -> None:
    """Raises ShapeError (IG160) unless the region takes `given` and yields `wanted`."""
    for what, values, types in (("takes", region.inputs, given), ("yields", region.outputs, wanted)):
        found = [v.type for v in values]
        if found != list(types):
            raise ShapeError(
                "IG160",
                f"{op}: the region `{name}` {what} ({listed(found)}) where ({listed(types)}) is needed",
                fix="cast, expand or reshape inside the region so that the types agree",
            )


def parts(value: Value) -> list[Value]:
    return [get(value, index=i) for i in range(len(value.types))]


def lead(value: Value, size: Size) -> Value:
    """The same value for every example of a batch."""
    return mapping.leading(value, size, {})


def flattened(values: Sequence[Value], flags: Sequence[bool]) -> list[Value]:
    """Operands of a batched region: those not flagged are the same for every example and lose the batch axis."""
    return [v if flag else same(v) for v, flag in zip(values, flags, strict=True)]


def same(value: Value) -> Value:
    one = uniform(value)
    assert one is not None, "a value that depends on no batched one is expanded"
    return one


def spreading(flags: Sequence[bool], body: Graph, rest: Sequence[bool] = ()) -> list[bool]:
    """Which carried values differ between examples, given which do at the start; `rest` are the other inputs'."""
    now = list(flags)
    while True:
        after = mapping.batched_outputs(body, (*now, *rest))[: len(now)]
        merged = [a or b for a, b in zip(now, after, strict=True)]
        if merged == now:
            return now
        now = merged
