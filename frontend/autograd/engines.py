"""Cotangents of three kinds: arrays (eager), graph values (in a trace), and tensors when the derivative itself is to be
differentiated (`create_graph`). Each row's `vjp` is the only rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ingot.compiler import ir
from ingot.compiler.ir import TensorType, Value
from ingot.compiler.ops import elementwise
from ingot.compiler.ops.source import full, get
from ingot.core import Array, array_of, new_tensor, tensor_from_array, type_of
from ingot.gate import apply, apply_several
from ingot.modes import modes
from ingot.packing import Packed
from ingot.runtime.errors import GradError
from ingot.source_lines import user_line
from ingot.tape import Node, Plan, Saved, check_traced, check_version, traced_plan

if TYPE_CHECKING:
    from ingot.tensor import Tensor
    from ingot.tracing import Trace


class Engine(Protocol):
    """How cotangents of one kind are made, added and pulled back."""

    def start(self, tensor: Tensor) -> Any:
        """A cotangent given by the caller."""

    def ones(self, type: TensorType) -> Any:
        """The cotangent of a scalar with respect to itself."""

    def zeros(self, type: TensorType) -> Any:
        """A cotangent of zero."""

    def add(self, a: Any, b: Any) -> Any:
        """The sum of two cotangents."""

    def pull_back(self, node: Node, cotangents: list[Any]) -> Sequence[Any]:
        """The cotangents of a node's operands."""

    def tensor(self, cotangent: Any) -> Tensor:
        """A cotangent as a tensor of its own."""


class ArrayEngine:
    """Eager: cotangents are arrays."""

    def start(self, tensor: Tensor) -> Array:
        return array_of(tensor)

    def ones(self, type: TensorType) -> Array:
        return np.ones(type.shape, type.dtype.numpy)

    def zeros(self, type: TensorType) -> Array:
        return np.broadcast_to(np.zeros((), type.dtype.numpy), type.shape)  # type: ignore[arg-type]

    def add(self, a: Array, b: Array) -> Array:
        return np.add(a, b)

    def pull_back(self, node: Node, cotangents: list[Any]) -> Sequence[Any]:
        assert node.plan is not None
        return node.plan.run(cotangents, node)

    def tensor(self, cotangent: Array) -> Tensor:
        return tensor_from_array(np.array(cotangent, order="C", copy=True))


class ValueEngine:
    """In a trace: cotangents are graph values, and rules build the graph directly."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def start(self, tensor: Tensor) -> Value:
        return self.trace.value_of(tensor)

    def ones(self, type: TensorType) -> Value:
        return full(type, 1)

    def zeros(self, type: TensorType) -> Value:
        return full(type, 0)

    def add(self, a: Value, b: Value) -> Value:
        return elementwise.add(a, b)

    def pull_back(self, node: Node, cotangents: list[Any]) -> Sequence[Any]:
        assert node.op is not None and node.out is not None
        if node.op.vjp is None:
            raise no_derivative(node)
        check_traced(node)
        several = isinstance(node.out.type, tuple)
        ir._location.append(node.out.location)
        try:
            return node.op.vjp(tuple(cotangents) if several else cotangents[0], node.out, *node.saved, **node.attrs)
        finally:
            ir._location.pop()

    def tensor(self, cotangent: Value) -> Tensor:
        return self.trace.wrap(cotangent)


class TensorEngine:
    """Recorded: cotangents are tensors, so that the derivative can be differentiated again."""

    def start(self, tensor: Tensor) -> Tensor:
        return tensor

    def ones(self, type: TensorType) -> Tensor:
        trace = modes.trace
        if trace is not None:
            return trace.wrap(full(type, 1))
        return tensor_from_array(np.ones(type.shape, type.dtype.numpy))

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return apply(elementwise.add, a, b)

    def pull_back(self, node: Node, cotangents: list[Any]) -> Sequence[Any]:
        assert node.op is not None
        operands, out = recalled(node)
        types = node.types if isinstance(node.types, tuple) else (node.types,)
        filled = [self.zeros(t) if ct is None else ct for ct, t in zip(cotangents, types, strict=True)]
        plan = node.plan
        if plan is None:
            plan = traced_plan(node)
        return replay(plan, operands, out, filled)

    def zeros(self, type: TensorType) -> Tensor | None:
        if not type.dtype.is_floating_point:
            return None
        trace = modes.trace
        if trace is not None:
            return trace.wrap(full(type, 0))
        return tensor_from_array(np.zeros(type.shape, type.dtype.numpy))

    def tensor(self, cotangent: Tensor) -> Tensor:
        return cotangent


def replay(plan: Plan, operands: Sequence[Any], out: Any, cotangents: Sequence[Any]) -> list[Any]:
    """Run a plan through the gate, so that the tape records it."""
    known: dict[Value, Any] = {}
    trace = modes.trace
    for constant, array in plan.constants.items():
        known[constant] = tensor_from_array(array.copy()) if trace is None else trace.wrap(constant)
    known.update((v, ct) for v, ct in zip(plan.cotangents, cotangents, strict=True) if v is not None)
    known.update(zip(plan.placeholders, operands, strict=True))
    if out is not None and plan.forward is not None:
        known[plan.forward] = out
    for value in plan.order:
        arguments = [known[o] for o in value.operands]
        if value.op is get:
            known[value] = arguments[0][value.attrs["index"]]
        elif isinstance(value.type, tuple):
            known[value] = apply_several(value.op, *arguments, **value.attrs)
        else:
            known[value] = apply(value.op, *arguments, **value.attrs)
    return [None if result is None else known[result] for result in plan.results]


def recalled(node: Node) -> tuple[list[Any], Any]:
    """A node's operands and result as tensors at their places on the tape; None for what was not kept."""
    if node.out is not None:
        trace = modes.trace
        assert trace is not None
        check_traced(node)
        values = zip(node.saved, node.edges, strict=True)
        operands = [placed(trace.wrap(value), edge) for value, edge in values]
        if isinstance(node.types, tuple):
            results = [trace.wrap(trace.build(get, (node.out,), {"index": i})) for i in range(len(node.types))]
            return operands, tuple(placed(r, result_edge(node, i)) for i, r in enumerate(results))
        return operands, placed(trace.wrap(node.out), node)
    if not node.saved:
        return [None] * len(node.edges), None
    saved, outs = node.saved
    tensors = [None if s is None else recall(s, s.edge, node) for s in saved]
    if outs is None:
        return tensors, None
    if isinstance(node.types, tuple):
        return tensors, tuple(s and recall(s, result_edge(node, i), node) for i, s in enumerate(outs))
    return tensors, recall(outs[0], node, node)


def result_edge(node: Node, index: int) -> Node | None:
    """Where cotangents flow to one of several results; None for one that is not floating."""
    type_ = node.types[index]
    return Node(get, {"index": index}, (node,), type_) if type_.dtype.is_floating_point else None


def recall(saved: Saved, edge: Any, node: Node) -> Tensor:
    if isinstance(saved.storage, Packed):
        return placed(saved.storage.tensor(), edge)
    check_version(saved, node.op)
    return placed(new_tensor(saved.layout, saved.storage, saved.offset), edge)


def placed(tensor: Tensor, edge: Any) -> Tensor:
    """The tensor put on the tape where cotangents flow to `edge`."""
    if edge is not None:
        tensor._requires_grad = True
        tensor._node = edge if isinstance(edge, Node) else Node(None, {}, (edge,), type_of(tensor))
    return tensor


def no_derivative(node: Node) -> GradError:
    name = node.op.name if node.op is not None else "this operation"
    return GradError("IG304", f"{name} has no derivative", where=user_line(), fix="detach() its operands")


def engine_for(create_graph: bool) -> Engine:
    if create_graph:
        return TensorEngine()
    return ArrayEngine() if modes.trace is None else ValueEngine(modes.trace)
