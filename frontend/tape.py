"""The tape: what `backward` walks. A node is one operation that took part in a differentiable computation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ingot.compiler.ir import Op, TensorType, Value, toposort
from ingot.compiler.ops.source import input as make_input
from ingot.core import Array, Step, TensorBase, is_traced, type_of, version_of
from ingot.modes import modes
from ingot.runtime.errors import GradError

if TYPE_CHECKING:
    from ingot.tensor import Tensor

# What an operand's cotangent goes to: the node that made it, the leaf itself, or nothing.
Edge = Any

_sequence = itertools.count()


class Saved(NamedTuple):
    """A concrete tensor as it was when an operation read it."""

    layout: Any
    storage: Any
    offset: int
    version: int
    edge: Edge


class Node:
    """One operation on the tape.

    Traced: `saved` holds the operands' values and `out` the result's. Concrete: `plan` computes the cotangents from
    what `saved` holds. `op` is None for a node through which nothing flows back.
    """

    __slots__ = (
        "attrs",
        "backward_fn",
        "edges",
        "hooks",
        "op",
        "out",
        "plan",
        "released",
        "retained",
        "saved",
        "sequence",
        "types",
    )

    def __init__(self, op: Op | None, attrs: Mapping[str, Any], edges: tuple[Edge, ...], types: Any) -> None:
        self.op = op
        self.attrs = attrs
        self.edges = edges
        self.types = types
        self.sequence = next(_sequence)
        self.out: Value | None = None
        self.saved: Any = ()
        self.plan: Plan | None = None
        self.released = False
        self.retained: Any = None
        self.hooks: list[Callable[[Tensor], Tensor | None]] | None = None
        # A derivative written in Python instead of a row's rule: cotangents in, one cotangent per edge out.
        self.backward_fn: Callable[..., Sequence[Any]] | None = None

    def name(self) -> str:
        """As in PyTorch: MulBackward0."""
        title = "".join(part.capitalize() for part in self.op.name.split("_")) if self.op is not None else "Constant"
        return f"{title}Backward0"

    def __repr__(self) -> str:
        return f"<{self.name()}>"


def needs_grad(tensor: TensorBase) -> bool:
    """Whether a gradient flows to the tensor; a view first catches up with in-place writes to its base."""
    view = tensor._view
    if view is not None and view.parent is not None:
        catch_up(tensor)
    return tensor._requires_grad


def edge_of(tensor: TensorBase) -> Edge:
    """Where the tensor's cotangent goes."""
    if not needs_grad(tensor):
        return None
    node = tensor._node
    trace = modes.trace
    if trace is not None and node is not None and not is_traced(tensor) and id(tensor) not in trace.changed:
        # Computed before the trace: inside, it is where derivatives end.
        return tensor
    return tensor if node is None else node


def catch_up(tensor: TensorBase) -> None:
    """Derive a view's place on the tape anew when its storage was written to since."""
    view = tensor._view
    if view is None or view.parent is None:
        return
    version = version_of(tensor._storage)
    if version == view.version:
        return
    parent = view.parent
    view.version = version
    before = modes.grad
    modes.grad = True
    try:
        edge = edge_of(parent)
        tensor._requires_grad = edge is not None
        step = view.chain[-1]
        tensor._node = None if edge is None else record_view(step, parent, edge, tensor)
    finally:
        modes.grad = before


def record_view(step: Step, parent: TensorBase, edge: Edge, result: TensorBase) -> Node:
    """A node for a view. View rows' rules read the shapes of their operands, never their elements."""
    node = Node(step.op, step.attrs, (edge,), type_of(result))
    trace = modes.trace
    if trace is None:
        node.plan = plan_for(step.op, step.attrs, (type_of(parent),), (True,))
    else:
        node.saved = (trace.value_of(parent),)
        node.out = trace.value_of(result)
    return node


def record(op: Op, attrs: Mapping[str, Any], tensors: Sequence[TensorBase], results: Sequence[TensorBase]) -> Node:
    """A node for an operation on concrete tensors; it keeps only what its derivative will read."""
    edges = tuple([edge_of(t) for t in tensors])
    types = [type_of(t) for t in results]
    node = Node(op, attrs, edges, types[0] if len(types) == 1 else tuple(types))
    node.plan = plan_for(op, attrs, tuple([type_of(t) for t in tensors]), tuple([e is not None for e in edges]))
    operands = [save(t, e) if used else None for t, e, used in zip(tensors, edges, node.plan.operands, strict=True)]
    # The edge of a result is the node itself, left out so that a node never refers to itself.
    outs = [save(t, None) for t in results] if node.plan.out else None
    node.saved = (operands, outs)
    return node


def record_traced(
    op: Op, attrs: Mapping[str, Any], tensors: Sequence[TensorBase], values: Sequence[Value], out: Value
) -> Node:
    """A node for an operation on traced tensors."""
    node = Node(op, attrs, tuple([edge_of(t) for t in tensors]), out.type)
    node.saved = values
    node.out = out
    return node


def save(tensor: TensorBase, edge: Edge) -> Saved:
    """What is needed to read the tensor later, and to notice that it has changed since."""
    storage = tensor._storage
    return Saved(tensor._layout, storage, tensor._offset, version_of(storage), edge)


def saved_array(saved: Saved, op: Op) -> Array:
    """The elements. Raises GradError (IG302) when the memory was written to since."""
    check_version(saved, op)
    array: Array = saved.storage.array(saved.layout, saved.offset)
    return array


def check_version(saved: Saved, op: Op | None) -> None:
    version = version_of(saved.storage)
    if version != saved.version:
        raise GradError(
            "IG302",
            "one of the variables needed for gradient computation has been modified by an inplace operation",
            detail=[
                f"{saved.layout!r}, an operand of {op.name if op else 'a function'}, is at version {version}; "
                f"expected version {saved.version}"
            ],
            fix="the out-of-place form (x = x + y instead of x += y), or x.clone() before writing",
        )


class Plan:
    """The derivative of a row for given operand types, as a graph: (cotangents, operands, out) to cotangents.

    `operands` and `out` say which of these it reads. The forward operation stands in the graph as itself; where the
    derivative reads its result, the result kept on the tape is used.
    """

    __slots__ = ("constants", "cotangents", "forward", "operands", "order", "out", "placeholders", "results")

    def __init__(self, op: Op, attrs: Mapping[str, Any], types: Sequence[TensorType], needs: Sequence[bool]) -> None:
        self.placeholders = tuple(make_input(type=t, name=f"operand{i}") for i, t in enumerate(types))
        self.forward = op(*self.placeholders, **attrs)
        self.cotangents = tuple(
            make_input(type=t, name=f"cotangent{i}") if t.dtype.is_floating_point else None
            for i, t in enumerate(self.forward.types)
        )
        if op.vjp is None:
            raise GradError("IG304", f"{op.name} has no derivative", fix="detach() its operands")
        ct: Any = self.cotangents if isinstance(self.forward.type, tuple) else self.cotangents[0]
        parts = op.vjp(ct, self.forward, *self.placeholders, **attrs)
        self.results = tuple(part if need else None for part, need in zip(parts, needs, strict=True))
        order = toposort([r for r in self.results if r is not None])
        reached = set(order)
        self.out = self.forward in reached
        if self.out:
            # Walk again as if the forward result were given, so that what only it reads does not count.
            reached = reachable([r for r in self.results if r is not None], self.forward)
            order = [v for v in order if v in reached]
        self.operands = tuple(p in reached for p in self.placeholders)
        given = {*self.placeholders, *self.cotangents, self.forward}
        self.constants = {
            v: np.asarray(v.op.eval(**v.attrs)) for v in order if v.op.kind == "source" and v not in given
        }
        self.order = [v for v in order if v not in given and v not in self.constants]


def reachable(results: Sequence[Value], stop: Value) -> set[Value]:
    """What the results need, not looking behind `stop`."""
    found: set[Value] = set()
    stack = list(results)
    while stack:
        value = stack.pop()
        if value in found:
            continue
        found.add(value)
        if value is not stop:
            stack.extend(value.operands)
    return found


_plans: dict[Any, Plan] = {}
# Beyond this many distinct (row, attributes, types) the plans are made anew; shapes that never repeat cannot pile up.
_PLAN_LIMIT = 4096


def plan_for(op: Op, attrs: Mapping[str, Any], types: tuple[TensorType, ...], needs: tuple[bool, ...]) -> Plan:
    """The plan, made once per row, attributes, types and mask."""
    key = (op, tuple(sorted(attrs.items())), types, needs)
    plan = _plans.get(key)
    if plan is None:
        if len(_plans) >= _PLAN_LIMIT:
            _plans.clear()
        trace, modes.trace = modes.trace, None
        try:
            plan = _plans[key] = Plan(op, attrs, types, needs)
        finally:
            modes.trace = trace
    return plan


def run_plan(plan: Plan, cotangents: Sequence[Array | None], node: Node) -> list[Array | None]:
    """The operands' cotangents as arrays, None where there are none."""
    assert node.op is not None
    known: dict[Any, Any] = dict(plan.constants)
    for value, array in zip(plan.cotangents, cotangents, strict=True):
        if value is not None:
            known[value] = np.zeros(value.shape, value.dtype.numpy) if array is None else array
    if node.saved:
        operands, outs = node.saved
        for value, saved in zip(plan.placeholders, operands, strict=True):
            if saved is not None:
                known[value] = saved_array(saved, node.op)
        if outs is not None:
            arrays = tuple(saved_array(saved, node.op) for saved in outs)
            known[plan.forward] = arrays if isinstance(plan.forward.type, tuple) else arrays[0]
    for value in plan.order:
        known[value] = value.op.eval(*[known[o] for o in value.operands], **value.attrs)
    return [None if result is None else known[result] for result in plan.results]
