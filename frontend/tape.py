"""The tape: what `backward` walks. A node is one operation that took part in a differentiable computation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ingot.compiler.ir import Op, TensorType, Value, toposort
from ingot.compiler.ops.source import get
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.quiet import quietly
from ingot.compiler.straightline import straightline
from ingot.core import Array, Step, TensorBase, is_traced, tensor_from_array, type_of, version_of
from ingot.grad_fn import AccumulateGrad, NodeHooks, title
from ingot.handles import RemovableHandle
from ingot.modes import modes
from ingot.packing import Packed, packing
from ingot.runtime.errors import GradError
from ingot.source_lines import user_line

# What an operand's cotangent goes to: the node that made it, the leaf itself, or nothing.
Edge = Any

_sequence: Iterator[int] = itertools.count()
_noted: list[Any] = []


def numbers() -> Iterator[int]:
    """What numbers the nodes."""
    return _sequence


def number_by(noting: Any) -> None:
    """Let something else that counts on (None: the plain counter) number the nodes from here on."""
    global _sequence
    if noting is None:
        _sequence = _noted.pop()
    else:
        _noted.append(_sequence)
        _sequence = noting


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
        "kept",
        "label",
        "op",
        "out",
        "plan",
        "released",
        "retained",
        "saved",
        "sequence",
        "types",
        "versions",
    )

    # Set only where they are needed: the name of a node without a row, and of a traced node what it read, as it was.
    label: str
    versions: tuple[tuple[Any, int], ...]

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
        self.hooks: NodeHooks | None = None
        # A derivative written in Python instead of a row's rule: (node, engine, cotangents) in, one cotangent per edge
        # out. Such a node has a `label`.
        self.backward_fn: Callable[..., Sequence[Any]] | None = None
        # Of a composite: what its derivative reads besides operands, results as they were and arrays.
        self.kept: tuple[list[Saved], Sequence[Array]] | None = None

    def name(self) -> str:
        """As in PyTorch: MulBackward0."""
        if self.op is get and isinstance(self.edges[0], Node):
            return self.edges[0].name()
        if self.op is None:
            return getattr(self, "label", "ConstantBackward0")
        return title(self.op.name)

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """Where the cotangents of the operands go: (node, number of its result), or (None, 0) for nowhere."""
        node = self.edges[0] if self.op is get and isinstance(self.edges[0], Node) else self
        return tuple([next_function(edge) for edge in node.edges])

    @property
    def metadata(self) -> dict[Any, Any]:
        """For the user's notes about this node."""
        return node_hooks(self).metadata

    def register_hook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Call fn(gradients of the operands, gradients of the results) after this node; it may replace the former."""
        return RemovableHandle(node_hooks(self).after, fn)

    def register_prehook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Call fn(gradients of the results) before this node; it may replace them."""
        return RemovableHandle(node_hooks(self).before, fn)

    def __repr__(self) -> str:
        return f"<{self.name()}>"


def node_hooks(node: Node) -> NodeHooks:
    """The hooks of a node, made when first asked for."""
    if node.hooks is None:
        node.hooks = NodeHooks({}, {}, {}, {})
    return node.hooks


def next_function(edge: Edge) -> tuple[Any, int]:
    """An edge as users see it."""
    if edge is None:
        return None, 0
    if not isinstance(edge, Node):
        return AccumulateGrad(edge), 0
    if edge.op is get and isinstance(edge.edges[0], Node):
        return edge.edges[0], edge.attrs["index"]
    return edge, 0


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
    recording = modes.grad
    modes.grad = True
    try:
        edge = edge_of(parent)
        tensor._requires_grad = edge is not None
        step = view.chain[-1]
        before = tensor._node
        tensor._node = None if edge is None else record_view(step, parent, edge, tensor)
        if before is not None and before.retained is not None and tensor._node is not None:
            tensor._node.retained, before.retained = before.retained, None
    finally:
        modes.grad = recording


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
    plan = plan_for(op, attrs, tuple([type_of(t) for t in tensors]), tuple([e is not None for e in edges]))
    # Operations with several results may have just one of them.
    several = plan.forward is not None and isinstance(plan.forward.type, tuple)
    node = Node(op, attrs, edges, tuple(types) if several else types[0])
    node.plan = plan
    operands = [save(t, e) if used else None for t, e, used in zip(tensors, edges, node.plan.operands, strict=True)]
    # The edge of a result is the node itself, left out so that a node never refers to itself.
    outs = [save(t, None) if used else None for t, used in zip(results, plan.parts, strict=True)] if plan.out else None
    node.saved = (operands, outs)
    return node


def record_traced(
    op: Op,
    attrs: Mapping[str, Any],
    tensors: Sequence[TensorBase],
    values: Sequence[Value],
    out: Value,
    results: Sequence[TensorBase],
) -> Node:
    """A node for an operation on traced tensors."""
    node = Node(op, attrs, tuple([edge_of(t) for t in tensors]), out.type)
    node.saved = values
    node.out = out
    trace = modes.trace
    assert trace is not None
    storages = [trace.place_of(t)[0] for t in (*tensors, *results)]
    node.versions = tuple([(storage, storage.version) for storage in storages])
    return node


def traced_plan(node: Node) -> Plan:
    """The derivative of a traced node as eager execution would run it."""
    assert node.op is not None
    needs = tuple([edge is not None for edge in node.edges])
    return plan_for(node.op, node.attrs, tuple([value.type for value in node.saved]), needs)


def check_traced(node: Node) -> None:
    """Raises GradError (IG302) when memory that the derivative of a traced node reads was written to since."""
    versions = getattr(node, "versions", ())
    if all(storage.version == version for storage, version in versions):
        return
    plan = traced_plan(node)
    read = [*plan.operands, *plan.parts]
    for (storage, version), used in zip(versions, read, strict=True):
        if used and storage.version != version:
            assert node.op is not None
            raise modified(f"{storage.value.type!r}", node.op, storage.version, version)


def save(tensor: TensorBase, edge: Edge) -> Saved:
    """What is needed to read the tensor later, and to notice that it has changed since."""
    if packing:
        return Saved(tensor._layout, Packed(tensor), 0, 0, edge)
    storage = tensor._storage
    return Saved(tensor._layout, storage, tensor._offset, version_of(storage), edge)


def keep_apart(node: Node, first: int, storage: Any) -> None:
    """Give the nodes made since the number `first` copies of what they keep of memory that is to be written to."""
    stack: list[Any] = [node]
    while stack:
        node = stack.pop()
        if not isinstance(node, Node) or node.sequence <= first:
            continue
        stack.extend(node.edges)
        if node.plan is not None and node.saved:
            operands, outs = ([_apart(s, storage) for s in part or ()] for part in node.saved)
            node.saved = operands, outs or None
        if node.kept is not None:
            node.kept = ([_apart(s, storage) for s in node.kept[0]], node.kept[1])


def _apart(saved: Saved | None, storage: Any) -> Any:
    if saved is None or saved.storage is not storage:
        return saved
    copy = tensor_from_array(np.array(storage.array(saved.layout, saved.offset), order="C", copy=True))
    return saved._replace(layout=copy._layout, storage=copy._storage, offset=0, version=0)


def saved_array(saved: Saved, op: Op) -> Array:
    """The elements. Raises GradError (IG302) when the memory was written to since."""
    check_version(saved, op)
    array: Array = saved.storage.array(saved.layout, saved.offset)
    return array


def check_version(saved: Saved, op: Op | None) -> None:
    version = version_of(saved.storage)
    if version != saved.version:
        raise modified(f"{saved.layout!r}", op, version, saved.version)


def modified(what: str, op: Op | None, version: int, expected: int) -> GradError:
    """The error for memory that a derivative reads and that was written to."""
    return GradError(
        "IG302",
        "one of the variables needed for gradient computation has been modified by an inplace operation",
        where=user_line(),
        detail=[
            f"{what}, read by the derivative of {op.name if op else 'a function'}, is at version {version}; expected "
            f"version {expected}",
            "autograd.detect_anomaly() names the line of the operation",
        ],
        fix="the out-of-place form (x = x + y instead of x += y), or x.clone() before writing",
    )


class Plan:
    """The derivative of a row for given operand types, as a graph: (cotangents, operands, out) to cotangents.

    `operands`, `out` and (of an operation with several results) `parts` say which of these it reads. The forward
    operation stands in the graph as itself; where the derivative reads its result, the result kept on the tape is used.
    """

    __slots__ = (
        "code",
        "constants",
        "cotangents",
        "forward",
        "operands",
        "order",
        "out",
        "parts",
        "placeholders",
        "results",
        "runs",
        "source",
        "variants",
    )

    def __init__(
        self,
        op: Op,
        attrs: Mapping[str, Any],
        types: Sequence[TensorType],
        needs: Sequence[bool],
        absent: frozenset[int] = frozenset(),
    ) -> None:
        self.source = (op, attrs, types, needs)
        # For several results of which some, `absent` here, get no cotangent: then less is to be computed.
        self.variants: dict[frozenset[int], Plan] = {}
        self.placeholders = tuple(make_input(type=t, name=f"operand{i}") for i, t in enumerate(types))
        self.forward: Value | None = op(*self.placeholders, **attrs)
        self.cotangents = tuple(
            make_input(type=t, name=f"cotangent{i}") if t.dtype.is_floating_point and i not in absent else None
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
        readers = [v for v in order if self.forward in v.operands]
        taken = {v.attrs["index"] for v in readers if v.op is get}
        whole = self.out and (not readers or any(v.op is not get for v in readers))
        self.parts = tuple([whole or (self.out and i in taken) for i in range(len(self.forward.types))])
        self.arrange(order)

    def arrange(self, order: Sequence[Value]) -> None:
        """Part what is computed, in order, from what is given and what is constant."""
        given = {*self.placeholders, *self.cotangents, self.forward}
        self.constants = {
            v: np.asarray(v.op.eval(**v.attrs)) for v in order if v.op.kind == "source" and v not in given
        }
        self.order = [v for v in order if v not in given and v not in self.constants]
        self.runs = 0
        self.code: Callable[..., tuple[Any, ...]] | None = None

    def run(self, cotangents: Sequence[Array | None], node: Node) -> Sequence[Array | None]:
        """The operands' cotangents as arrays, None where there are none."""
        if len(cotangents) > 1:
            absent = frozenset([i for i, ct in enumerate(cotangents) if ct is None])
            if absent and any(self.cotangents[i] is not None for i in absent):
                less = self.variant(absent)
                if less is not self:
                    return less.run(cotangents, node)
        filled = self.filled(cotangents)
        given: list[Any] = []
        if node.saved:
            assert node.op is not None
            operands, outs = node.saved
            pairs = zip(operands, self.operands, strict=True)
            given = [saved_array(saved, node.op) for saved, used in pairs if used and saved is not None]
            if self.out:
                assert outs is not None
                pairs = zip(outs, self.parts, strict=True)
                arrays = tuple([saved_array(saved, node.op) if used else None for saved, used in pairs])
                given.append(arrays if isinstance(node.types, tuple) else arrays[0])
        if self.code is not None:
            return quietly(self.code, *filled, *given)
        read = self.reads()
        self.runs += 1
        if self.runs > 1:
            # Worth the compiling only for what repeats.
            self.code = straightline(read, self.results, "pull_back")
            return quietly(self.code, *filled, *given)
        known: dict[Any, Any] = {**self.constants, **dict(zip(read, (*filled, *given), strict=True))}
        for value in self.order:
            known[value] = value.op.eval(*[known[o] for o in value.operands], **value.attrs)
        return [None if result is None else known[result] for result in self.results]

    def variant(self, absent: frozenset[int]) -> Plan:
        """The plan for when these results get no cotangent."""
        found = self.variants.get(absent)
        if found is None:
            trace, modes.trace = modes.trace, None
            try:
                found = Plan(*self.source, absent)
            finally:
                modes.trace = trace
            # Only what this plan reads was saved.
            reads = zip((*found.operands, *found.parts), (*self.operands, *self.parts), strict=True)
            if found.out > self.out or any(more > kept for more, kept in reads):
                found = self
            self.variants[absent] = found
        return found

    def reads(self) -> list[Value]:
        """What `run` computes from: the cotangents, the operands that are read, and the result if it is."""
        read = [v for v in self.cotangents if v is not None]
        read.extend(p for p, used in zip(self.placeholders, self.operands, strict=True) if used)
        if self.out:
            assert self.forward is not None
            read.append(self.forward)
        return read

    def filled(self, cotangents: Sequence[Array | None]) -> list[Array]:
        """The cotangents, zeros for those that nothing flowed to."""
        return [
            np.zeros(v.shape, v.dtype.numpy) if array is None else array
            for v, array in zip(self.cotangents, cotangents, strict=True)
            if v is not None
        ]


class Derivative(Plan):
    """How the tape's node of a recorded call computes the cotangents of its operands.

    As a Plan it is a graph from operands and cotangents, which can be recorded in turn. `run` starts from what the
    forward function has kept: `read` and `outs` are the numbers of the operands and results that it reads besides.
    """

    __slots__ = ("backward", "differentiable", "needs", "op", "outs", "read", "types")

    def __init__(self, op: Op, inputs: Sequence[Value], needs: tuple[bool, ...], flows: tuple[bool, ...]) -> None:
        self.op = op
        self.placeholders = tuple(inputs)
        self.needs = needs
        self.differentiable = flows
        self.forward = None
        self.out = False

    def complete(self, values: Sequence[Value], found: Sequence[Value | None], name: str) -> list[Value]:
        """Set how `run` computes `found`; returns the values of the forward function that are to be kept."""
        self.types = tuple(v.type for v in values)
        self.results = tuple(found)
        order = toposort([f for f in found if f is not None])
        self.operands = tuple(p in set(order) for p in self.placeholders)
        self.arrange(order)
        stops = _frontier(order, found, set(self.cotangents), set(toposort(values)), set(self.placeholders))
        self.read = tuple(i for i, value in enumerate(self.placeholders) if value in stops)
        self.outs = tuple(i for i, value in enumerate(values) if value in stops and value not in self.placeholders)
        own = {self.placeholders[i] for i in self.read} | {values[i] for i in self.outs}
        kept = [value for value in stops if value not in own]
        given = [v for v in self.cotangents if v is not None]
        given.extend(self.placeholders[i] for i in self.read)
        given.extend(values[i] for i in self.outs)
        self.backward = straightline([*given, *kept], found, name)
        return kept

    def run(self, cotangents: Sequence[Array | None], node: Node) -> Sequence[Array | None]:
        assert node.kept is not None
        outs, arrays = node.kept
        saved = node.saved[0]
        given = self.filled(cotangents)
        given.extend([saved_array(saved[i], self.op) for i in self.read])
        given.extend([saved_array(out, self.op) for out in outs])
        return quietly(self.backward, *given, *arrays)


def _frontier(
    order: Sequence[Value],
    found: Sequence[Value | None],
    cotangents: set[Value | None],
    forward: set[Value],
    inputs: set[Value],
) -> dict[Value, None]:
    """What the derivative takes over from the forward function, instead of computing it again: the values nearest to
    the cotangents. Views are made again; they may share memory with an operand that is written to later."""
    flows: set[Value | None] = set(cotangents)
    for value in order:
        if any(o in flows for o in value.operands):
            flows.add(value)
    stops: dict[Value, None] = {}
    seen: set[Value | None] = set(cotangents)
    stack = [f for f in found if f is not None]
    while stack:
        value = stack.pop()
        if value in seen:
            continue
        seen.add(value)
        remade = value.op.kind in ("view", "source", "get") or isinstance(value.type, tuple)
        if value in inputs or (value in forward and value not in flows and not remade):
            stops[value] = None
        else:
            stack.extend(value.operands)
    return stops


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
