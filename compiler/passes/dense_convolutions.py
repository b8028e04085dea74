"""Convolutions of spread operands (transposed ones, and cotangents of strided ones) become dense convolutions.

conv(x, w) {input_dilation=(2, 2)}  ->  phases laid side by side of conv(x, four kernels of a quarter of the size)
"""

from __future__ import annotations

from typing import Any

from ingot.compiler.ir import Graph, Op, Value
from ingot.compiler.ops.contract import conv
from ingot.compiler.ops.phases import axes_of, dense
from ingot.compiler.rewrite import Rules, rewrite


def dense_convolutions(graph: Graph) -> Graph:
    """The same function without zeros between elements, where windows move by single places and sizes are known."""
    return rewrite(graph, RULES)


def phased(v: Value) -> Value | None:
    """The dense convolution, where there is one."""
    x, w = v.operands
    attrs: dict[str, Any] = dict(v.attrs)
    results: Any = v.shape[2:]
    axes = axes_of(x, w, results, attrs)
    return None if axes is None else dense(conv, built, x, w, axes, attrs)


def built(op: Op, *operands: Value, **attrs: Any) -> Value:
    return op(*operands, **attrs)


RULES: Rules = {conv: (phased,)}
