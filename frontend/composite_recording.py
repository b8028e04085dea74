"""Records calls of composites: the rows that a function runs and their derivatives, for one kind of arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ingot.autograd.walk import walk
from ingot.compiler.ir import Op, Value
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.straightline import evaluator, straightline
from ingot.composite import Recorded, tensor_kinds
from ingot.core import TensorBase, is_tensor, layout_of, type_of
from ingot.modes import modes
from ingot.tape import Derivative, needs_grad
from ingot.tracing import Trace


def record_call(
    fn: Callable[..., Any], op: Op, args: tuple[Any, ...], kwargs: dict[str, Any], tensors: list[Any]
) -> Recorded | None:
    """Run the function on symbols; None when something of it cannot be kept."""
    trace = Trace(op.name)
    inputs = [make_input(type=type_of(t), name=f"operand{i}") for i, t in enumerate(tensors)]
    needs = tuple(modes.grad and needs_grad(t) for t in tensors)
    with trace.running():
        leaves = [trace.wrap(value) for value in inputs]
        for leaf, need in zip(leaves, needs, strict=True):
            leaf._requires_grad = need
        given = iter(leaves)
        symbols = [next(given) if type(a) in tensor_kinds else a for a in args]
        named = {k: next(given) if type(a) in tensor_kinds else a for k, a in kwargs.items()}
        made = fn(*symbols, **named)
        several = not isinstance(made, TensorBase)
        results: Any = made if several else (made,)
        if type(results) is not tuple or not all(is_tensor(r) for r in results) or trace.inputs:
            return None
        if any(r is leaf for r in results for leaf in leaves):
            return None
        values = [trace.value_of(r) for r in results]
        derivative, kept = None, []
        flows = tuple(bool(r._requires_grad) for r in results)
        if any(flows):
            derivative = Derivative(op, inputs, needs, flows)
            kept = derivative.complete(values, _pulled_back(trace, derivative, results, leaves), f"{op.name}_backward")
    forward = straightline(inputs, [*values, *kept], op.name)
    layouts = tuple(layout_of(v.dtype, v.shape) for v in values)
    return Recorded(forward, layouts, several, derivative, None if several else _row(values[0], inputs))


def _row(value: Value, inputs: Sequence[Value]) -> Callable[..., Any] | None:
    """The function of arrays of the only row that runs."""
    if value.operands != tuple(inputs):
        return None
    function, attributes = evaluator(value)
    return functools.partial(function, **attributes) if attributes else function


def _pulled_back(
    trace: Trace, derivative: Derivative, results: Sequence[Any], leaves: Sequence[Any]
) -> list[Value | None]:
    """The leaves' cotangents, by the tape of the trace."""
    derivative.cotangents = tuple(
        make_input(type=type_of(r), name=f"cotangent{i}") if flow else None
        for i, (r, flow) in enumerate(zip(results, derivative.differentiable, strict=True))
    )
    roots = [(r, trace.wrap(c)) for r, c in zip(results, derivative.cotangents, strict=True) if c is not None]
    passed = walk([r for r, _ in roots], [c for _, c in roots], True, False, None)
    pairs = zip(leaves, derivative.needs, strict=True)
    return [passed.at_leaves.get(id(leaf), (None, None))[1] if need else None for leaf, need in pairs]
