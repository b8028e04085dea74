"""Walking the tape backwards: `backward`, `grad`.

One walk, three kinds of cotangents: arrays (eager), graph values (in a trace), and tensors when the derivative itself
is to be differentiated (`create_graph`). Each row's `vjp` is the only rule. Griewank & Walther 2008, section 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ingot.compiler import ir
from ingot.compiler.ir import TensorType, Value
from ingot.compiler.ops import elementwise
from ingot.compiler.ops.source import full, get
from ingot.core import (
    Array,
    TensorBase,
    array_of,
    bump_version,
    new_tensor,
    tensor_from_array,
    type_of,
)
from ingot.gate import apply, apply_several
from ingot.modes import modes
from ingot.mutation import assign
from ingot.runtime.errors import GradError, ShapeError
from ingot.source_lines import user_line
from ingot.tape import Node, Plan, Saved, check_version, edge_of, plan_for, run_plan

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
        return run_plan(node.plan, cotangents, node)

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
            needs = tuple(e is not None for e in node.edges)
            plan = plan_for(node.op, node.attrs, tuple(v.type for v in node.saved), needs)
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
    if out is not None:
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
        values = zip(node.saved, node.edges, strict=True)
        operands = [placed(trace.wrap(value), edge) for value, edge in values]
        if isinstance(node.out.type, tuple):
            return operands, None
        return operands, placed(trace.wrap(node.out), node)
    if not node.saved:
        return [None] * len(node.edges), None
    saved, outs = node.saved
    tensors = [None if s is None else recall(s, s.edge, node) for s in saved]
    if outs is None:
        return tensors, None
    results = tuple(recall(s, node, node) for s in outs)
    return tensors, results if isinstance(node.types, tuple) else results[0]


def recall(saved: Saved, edge: Any, node: Node) -> Tensor:
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


def ordered(roots: Sequence[Node]) -> list[Node]:
    """Every node that the roots lead to, users before what they use."""
    seen: set[int] = set()
    found: list[Node] = []
    stack = list(roots)
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        found.append(node)
        stack.extend([e for e in node.edges if type(e) is Node])
    found.sort(key=lambda node: -node.sequence)
    return found


class Walk:
    """One backward pass: the cotangents on their way, per node and result, and those that reached leaves."""

    def __init__(self, engine: Engine, retain_graph: bool, wanted: frozenset[int] | None) -> None:
        self.engine = engine
        self.retain_graph = retain_graph
        self.at_nodes: dict[int, list[Any]] = {}
        self.at_leaves: dict[int, tuple[Any, Any]] = {}
        # Ids of the nodes whose cotangents the caller asked for.
        self.wanted = wanted
        self.found: dict[int, Any] = {}

    def send(self, edge: Any, cotangent: Any, index: int = 0) -> None:
        """Add a cotangent at a node or a leaf."""
        if type(edge) is Node:
            slots = self.at_nodes.get(id(edge))
            if slots is None:
                count = len(edge.types) if isinstance(edge.types, tuple) else 1
                slots = self.at_nodes[id(edge)] = [None] * count
            slots[index] = cotangent if slots[index] is None else self.engine.add(slots[index], cotangent)
            return
        known = self.at_leaves.get(id(edge))
        total = cotangent if known is None else self.engine.add(known[1], cotangent)
        self.at_leaves[id(edge)] = (edge, total)

    def visit(self, node: Node) -> None:
        """Pull a node's cotangents back to its operands."""
        slots = self.at_nodes.pop(id(node), None)
        if slots is None:
            return
        if node.hooks is not None or node.retained is not None:
            slots = [self.observed(node, slots[0])]
        if self.wanted is not None and id(node) in self.wanted:
            self.found[id(node)] = slots[0]
        if node.op is None and node.backward_fn is None:
            if node.edges and node.edges[0] is not None:
                self.send(node.edges[0], slots[0])
            return
        if node.op is get:
            self.send(node.edges[0], slots[0], node.attrs["index"])
            return
        parts = self.pulled_back(node, slots)
        for position, (edge, part) in enumerate(zip(node.edges, parts, strict=True)):
            if edge is not None:
                # A rule's None is a derivative of zero, which leaves show as zeros.
                self.send(edge, self.engine.zeros(operand_type(node, position)) if part is None else part)

    def pulled_back(self, node: Node, slots: list[Any]) -> Sequence[Any]:
        if node.saved is None:
            raise GradError(
                "IG306",
                "Trying to backward through the graph a second time (or directly access saved tensors after they have "
                "already been freed)",
                where=user_line(),
                fix="loss.backward(retain_graph=True) the first time",
            )
        if node.backward_fn is not None:
            parts: Sequence[Any] = node.backward_fn(self.engine, slots)
        else:
            parts = self.engine.pull_back(node, slots)
        if not self.retain_graph:
            release(node)
        return parts

    def observed(self, node: Node, cotangent: Any) -> Any:
        """Show the cotangent to hooks and to a tensor that retains its gradient."""
        if node.hooks:
            tensor = self.engine.tensor(cotangent)
            for hook in node.hooks:
                replaced = hook(tensor)
                tensor = tensor if replaced is None else replaced
            cotangent = self.engine.start(tensor)
        keeper = node.retained() if node.retained is not None else None
        if keeper is not None:
            accumulate(keeper, self.engine, cotangent)
        return cotangent


def operand_type(node: Node, position: int) -> TensorType:
    """The type of an operand that a cotangent flows to."""
    edge = node.edges[position]
    if node.plan is not None:
        return node.plan.placeholders[position].type
    if node.out is not None:
        type_: TensorType = node.saved[position].type
        return type_
    return edge.types if isinstance(edge, Node) else type_of(edge)


def release(node: Node) -> None:
    """Let go of what a node kept for its derivative."""
    node.released = True
    plan = node.plan
    if plan is not None and (plan.out or any(plan.operands)):
        node.saved = None


def accumulate(leaf: Tensor, engine: Engine, cotangent: Any) -> None:
    """Add to the leaf's `.grad`."""
    existing = leaf.grad
    if existing is None:
        made = engine.tensor(cotangent)
        leaf.grad = made if isinstance(engine, TensorEngine) else made.detach() if made._requires_grad else made
        return
    if isinstance(engine, TensorEngine):
        leaf.grad = apply(elementwise.add, existing, cotangent)
    elif isinstance(engine, ArrayEngine):
        array = array_of(existing)
        np.add(array, cotangent, out=array)
        bump_version(existing._storage)
    else:
        assign(existing, apply(elementwise.add, existing, engine.tensor(cotangent)))


def starts(tensors: Sequence[Tensor], cotangents: Sequence[Tensor | None], engine: Engine) -> list[tuple[Any, Any]]:
    """(edge, cotangent) of each tensor. Raises GradError (IG303, IG305) and ShapeError (IG307)."""
    found: list[tuple[Any, Any]] = []
    for position, (tensor, given) in enumerate(zip(tensors, cotangents, strict=True)):
        edge = edge_of(tensor)
        if edge is None:
            raise GradError(
                "IG303",
                f"element {position} of tensors does not require grad and does not have a grad_fn",
                where=user_line(),
                fix="x.requires_grad_() before the computation, and no no_grad() around it",
            )
        shape = tensor._layout.shape
        if given is None:
            if tensor._layout.numel != 1:
                raise GradError(
                    "IG305",
                    f"grad can be implicitly created only for scalar outputs, not for shape {list(shape)}",
                    where=user_line(),
                    fix="y.sum().backward(), or y.backward(gradient)",
                )
            found.append((edge, engine.ones(type_of(tensor))))
            continue
        if given._layout.shape != shape:
            raise ShapeError(
                "IG307",
                f"Mismatch in shape: grad_output[{position}] has a shape of {list(given._layout.shape)} and "
                f"output[{position}] has a shape of {list(shape)}",
                where=user_line(),
            )
        found.append((edge, engine.start(given)))
    return found


def walk(
    tensors: Sequence[Tensor],
    cotangents: Sequence[Tensor | None],
    retain_graph: bool,
    create_graph: bool,
    wanted: frozenset[int] | None,
) -> Walk:
    """Run backwards from the tensors."""
    before = modes.grad
    modes.grad = create_graph
    try:
        engine = engine_for(create_graph)
        passed = Walk(engine, retain_graph, wanted)
        begun = starts(tensors, cotangents, engine)
        for edge, cotangent in begun:
            passed.send(edge, cotangent)
        # Overflow in a gradient has a result and is no accident.
        with np.errstate(all="ignore"):
            for node in ordered([edge for edge, _ in begun if type(edge) is Node]):
                passed.visit(node)
    finally:
        modes.grad = before
    return passed


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the derivatives of the tensors to the `.grad` of the leaves that they depend on (or of `inputs` alone).

    `grad_tensors`: cotangents, needed for tensors with more than one element.
    """
    outputs = listed(tensors)
    cotangents: list[Any] = [None] * len(outputs) if grad_tensors is None else listed(grad_tensors)
    retain = create_graph if retain_graph is None else retain_graph
    passed = walk(outputs, cotangents, retain, create_graph, None)
    chosen = None if inputs is None else {id(t) for t in listed(inputs)}
    before = modes.grad
    modes.grad = create_graph
    try:
        for leaf, cotangent in passed.at_leaves.values():
            if leaf._node is not None and modes.trace is not None:
                raise GradError(
                    "IG315",
                    f"backward() reaches a tensor {type_of(leaf)!r} that was computed outside of the compiled function",
                    where=user_line(),
                    fix="compute it inside, or pass x.detach()",
                )
            if chosen is None or id(leaf) in chosen:
                accumulate(leaf, passed.engine, cotangent)
    finally:
        modes.grad = before


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The derivatives of the outputs with respect to the inputs, as a tuple; no `.grad` changes.

    Raises GradError (IG308) for an input that the outputs do not depend on, unless `allow_unused`.
    """
    ends, wrt = listed(outputs), listed(inputs)
    cotangents: list[Any] = [None] * len(ends) if grad_outputs is None else listed(grad_outputs)
    retain = create_graph if retain_graph is None else retain_graph
    edges = [edge_of(t) for t in wrt]
    wanted = frozenset(id(edge) for edge in edges if type(edge) is Node)
    passed = walk(ends, cotangents, retain, create_graph, wanted)
    found: list[Any] = []
    for position, (tensor, edge) in enumerate(zip(wrt, edges, strict=True)):
        cotangent = (
            passed.found.get(id(edge)) if type(edge) is Node else passed.at_leaves.get(id(edge), (None, None))[1]
        )
        if edge is None or cotangent is None:
            found.append(_unused(position, tensor, edge, bool(allow_unused), materialize_grads))
        else:
            found.append(passed.engine.tensor(cotangent))
    return tuple(found)


def _unused(position: int, tensor: Tensor, edge: Any, allowed: bool, materialize: bool) -> Any:
    if materialize:
        return tensor.detach() * 0
    if allowed:
        return None
    why = (
        "One of the differentiated Tensors does not require grad"
        if edge is None
        else "One of the differentiated Tensors appears to not have been used in the graph"
    )
    raise GradError(
        "IG308",
        why,
        where=user_line(),
        detail=[f"inputs[{position}] is {type_of(tensor)!r}"],
        fix="x.requires_grad_() before the computation" if edge is None else "allow_unused=True, if this is intended",
    )


def listed(tensors: Any) -> list[Any]:
    """One tensor or a sequence of them, as a list."""
    return [tensors] if isinstance(tensors, TensorBase) else list(tensors)


def tensor_hook(tensor: Tensor, hook: Callable[[Any], Any]) -> Callable[[], None]:
    """Call `hook` with the tensor's cotangent in `backward`; it may return another. Returns what removes it."""
    if not tensor.requires_grad:
        raise GradError("IG303", "cannot register a hook on a tensor that doesn't require gradient", where=user_line())
    node = tensor._node
    if node is None:
        raise GradError(
            "IG309", "hooks on leaves are not supported", where=user_line(), fix="change p.grad after backward()"
        )
    node.hooks = [*(node.hooks or []), hook]
    return lambda: None if node.hooks is None else node.hooks.remove(hook)
