"""Compute what is known: an op over constants becomes the constant that its `eval` gives.

%1 = const {data=2.0} : f32[4,8]
%2 = exp(%1) : f32[4,8]            ->   %2 = const {data=7.389056} : f32[4,8]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ingot.compiler.ir import Graph, TensorType, Value
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.source import const, constant, iota
from ingot.compiler.ops.view import concat, pad
from ingot.compiler.rewrite import Rules, rewrite
from ingot.runtime.errors import IngotError

# A result of more elements is cheaper to compute at run time than to store in the program; it also bounds the operands,
# so that folding stays linear in the graph.
MAX_RESULT = 64
MAX_OPERAND = 4096
KNOWN = frozenset({const, iota})
# Random draws stay visible to whoever looks for them, and regions and calls run where they were written.
NEVER = frozenset({"source", "random", "control", "call"})


def fold(graph: Graph) -> Graph:
    """Replace ops over constants, where the result is small or one number throughout. Bits are those of `eval`."""
    return rewrite(graph, RULES)


def folded(value: Value) -> Value | None:
    """The constant that a value is, or None."""
    if not isinstance(value.type, TensorType):
        return None
    if value.op.kind == "get":
        (several,) = value.operands
        results = None if several.op.kind in NEVER else evaluated(several)
        return None if results is None else fitting(results[value.attrs["index"]])
    if not all(o.op in KNOWN for o in value.operands):
        return None
    if splat := splatted(value):
        return splat
    result = evaluated(value)
    return None if result is None else fitting(result)


def splatted(value: Value) -> Value | None:
    """A constant with the same element throughout, from such constants, whatever the shape."""
    operands = value.operands
    if not operands or not all(o.op is const and len(o.attrs["data"]) == o.dtype.itemsize for o in operands):
        return None
    if value.op.kind == "view" and value.op not in (pad, concat):
        return const(data=operands[0].attrs["data"], type=value.type)
    if value.op.kind != "elementwise":
        return None
    elements = [np.frombuffer(o.attrs["data"], o.dtype.numpy).reshape(()) for o in operands]
    result = attempt(value, elements)
    return None if result is None else const(data=np.asarray(result).tobytes(), type=value.type)


def evaluated(value: Value) -> Any:
    """What `eval` gives, if all operands are known and neither they nor the result are large."""
    if not value.operands or not all(small(t, MAX_RESULT) for t in value.types):
        return None
    if not all(o.op in KNOWN and small(o.type, MAX_OPERAND) for o in value.operands):
        return None
    return attempt(value, [o.op.eval(**o.attrs) for o in value.operands])


def small(type: TensorType, limit: int) -> bool:
    size = type.numel
    return isinstance(size, int) and size <= limit


def attempt(value: Value, arrays: list[Any]) -> Any:
    try:
        return value.op.eval(*arrays, **value.attrs)
    except (IngotError, ArithmeticError):
        # What cannot be computed (an index out of range) is reported when it runs, if it ever does.
        return None


def fitting(result: Any) -> Value:
    return constant(np.ascontiguousarray(result).reshape(np.shape(result)))


RULES: Rules = {op: (folded,) for op in TABLE.values() if op.kind not in NEVER}
