"""Walking the tape backwards: `backward`, `grad`.

One walk for three kinds of cotangents (`ingot.autograd.engines`). Griewank & Walther 2008, section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.autograd.anomaly import Anomaly, check_finite, line_of
from ingot.autograd.engines import ArrayEngine, Engine, TensorEngine, engine_for
from ingot.autograd.hooks import called, hooks_of
from ingot.compiler.ir import TensorType
from ingot.compiler.ops import elementwise
from ingot.compiler.ops.source import get
from ingot.core import TensorBase, array_of, bump_version, type_of
from ingot.creation import zeros_like
from ingot.functional.joining import stack
from ingot.gate import apply
from ingot.modes import modes
from ingot.mutation import assign
from ingot.promote import cast_to
from ingot.runtime.errors import DTypeError, GradError, IngotError, ShapeError, SpecError
from ingot.source_lines import user_line
from ingot.tape import Node, edge_of, traced_plan

if TYPE_CHECKING:
    from ingot.tensor import Tensor
    from ingot.tracing import Trace


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


def leading_to(wanted: frozenset[int], nodes: Sequence[Node]) -> set[int]:
    """Ids of the wanted nodes and leaves and of the nodes (users first) from which they can be reached."""
    found = set(wanted)
    for node in reversed(nodes):
        if any(id(edge) in found for edge in node.edges if edge is not None):
            found.add(id(node))
    return found


class Walk:
    """One backward pass: the cotangents on their way, per node and result, and those that reached leaves."""

    def __init__(self, engine: Engine, retain_graph: bool, wanted: frozenset[int] | None) -> None:
        self.engine = engine
        self.retain_graph = retain_graph
        self.at_nodes: dict[int, list[Any]] = {}
        self.at_leaves: dict[int, tuple[Any, Any]] = {}
        # Ids of the nodes and leaves whose cotangents the caller asked for (None: of all leaves), and of what leads
        # to them.
        self.wanted = wanted
        self.needed: set[int] | None = None
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
        needed = self.needed
        if needed is not None:
            assert self.wanted is not None
            if id(node) in self.wanted:
                self.found[id(node)] = slots[0]
            if not any(id(edge) in needed for edge in node.edges if edge is not None):
                return
        if node.op is None and node.backward_fn is None and node.plan is None:
            if node.edges and node.edges[0] is not None:
                self.send(node.edges[0], slots[0])
            return
        if node.op is get:
            self.send(node.edges[0], slots[0], node.attrs["index"])
            return
        parts = self.pulled_back(node, slots)
        for position, (edge, part) in enumerate(zip(node.edges, parts, strict=True)):
            if edge is None or (needed is not None and id(edge) not in needed):
                continue
            if part is not None:
                self.send(edge, part)
            elif node.backward_fn is None:
                # A rule's None is a derivative of zero, which leaves show as zeros.
                self.send(edge, self.engine.zeros(operand_type(node, position)))

    def pulled_back(self, node: Node, slots: list[Any]) -> Sequence[Any]:
        if node.released and (node.saved is None or (node.out is not None and keeps_values(node))):
            raise GradError(
                "IG306",
                "Trying to backward through the graph a second time (or directly access saved tensors after they have "
                "already been freed)",
                where=user_line(),
                detail=[f"{node.name()} was freed by the first backward()"],
                fix="loss.backward(retain_graph=True) the first time",
            )
        if node.hooks is not None and node.hooks.before:
            slots = self.before_node(node, slots)
        try:
            if node.backward_fn is not None:
                parts: Sequence[Any] = node.backward_fn(node, self.engine, slots)
            else:
                parts = self.engine.pull_back(node, slots)
        except IngotError as error:
            line = line_of(node)
            if line is not None:
                error.detail = (*error.detail, f"the operation: {line}")
            raise
        if Anomaly.lines is not None and Anomaly.check_nan:
            check_finite(node, parts)
        if node.hooks is not None and node.hooks.after:
            parts = self.after_node(node, parts, slots)
        if not self.retain_graph:
            release(node)
        return parts

    def observed(self, node: Node, cotangent: Any) -> Any:
        """Show the cotangent to hooks and to a tensor that retains its gradient."""
        if node.hooks is not None and node.hooks.result:
            cotangent = called(node.hooks.result, self.engine, cotangent)
        keeper = node.retained() if node.retained is not None else None
        if keeper is not None:
            accumulate(keeper, self.engine, cotangent)
        return cotangent

    def before_node(self, node: Node, slots: list[Any]) -> list[Any]:
        """Show the cotangents of a node's results to its own hooks, which may replace them."""
        assert node.hooks is not None
        for hook in list(node.hooks.before.values()):
            replaced = hook(self.shown(slots))
            if replaced is not None:
                slots = [None if r is None else self.engine.start(r) for r in replaced]
        return slots

    def after_node(self, node: Node, parts: Sequence[Any], slots: Sequence[Any]) -> Sequence[Any]:
        """Show the cotangents of a node's operands and results to its own hooks, which may replace the former."""
        assert node.hooks is not None
        for hook in list(node.hooks.after.values()):
            replaced = hook(self.shown(parts), self.shown(slots))
            if replaced is not None:
                parts = [None if r is None else self.engine.start(r) for r in replaced]
        return parts

    def shown(self, cotangents: Sequence[Any]) -> tuple[Any, ...]:
        """Cotangents as tensors."""
        return tuple(None if ct is None else self.engine.tensor(ct) for ct in cotangents)


def operand_type(node: Node, position: int) -> TensorType:
    """The type of an operand that a cotangent flows to."""
    edge = node.edges[position]
    if node.plan is not None:
        return node.plan.placeholders[position].type
    if node.out is not None:
        type_: TensorType = node.saved[position].type
        return type_
    return edge.types if isinstance(edge, Node) else type_of(edge)


def keeps_values(node: Node) -> bool:
    """Whether the derivative of a node made in a trace reads operands or the result, which an eager node lets go."""
    if node.op is None:
        return False
    plan = traced_plan(node)
    return plan.out or any(plan.operands)


def release(node: Node) -> None:
    """Let go of what a node kept for its derivative."""
    node.released = True
    plan = node.plan
    if plan is not None:
        if plan.out or any(plan.operands):
            node.saved = node.kept = None
    elif node.backward_fn is not None and node.saved:
        node.saved = None


def accumulate(leaf: Tensor, engine: Engine, cotangent: Any) -> None:
    """Add to the leaf's `.grad`."""
    trace = modes.trace
    existing = leaf._grad if trace is None else leaf.grad
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


def starts(tensors: Sequence[Tensor], cotangents: Sequence[Any], engine: Engine) -> list[tuple[Any, Any]]:
    """(edge, cotangent) of each tensor. Raises GradError (IG303, IG305), ShapeError (IG307) and DTypeError (IG214)."""
    if len(tensors) != len(cotangents):
        raise GradError(
            "IG307",
            f"got {len(tensors)} tensors and {len(cotangents)} gradients",
            where=user_line(),
            fix="one gradient (or None, for a scalar) per tensor",
        )
    found: list[tuple[Any, Any]] = []
    for position, (tensor, given) in enumerate(zip(tensors, cotangents, strict=True)):
        edge = edge_of(tensor)
        if edge is None:
            raise GradError(
                "IG303",
                f"element {position} of tensors does not require grad and does not have a grad_fn",
                where=user_line(),
                detail=[f"it is {type_of(tensor)!r}"],
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
        if not isinstance(given, TensorBase):
            raise DTypeError("IG214", f"gradients are Tensors or None, not {type(given).__name__}", where=user_line())
        if given._layout.shape != shape:
            raise ShapeError(
                "IG307",
                f"Mismatch in shape: grad_output[{position}] has a shape of {list(given._layout.shape)} and "
                f"output[{position}] has a shape of {list(shape)}",
                where=user_line(),
            )
        found.append((edge, engine.start(cast_to(given, tensor._layout.dtype))))  # type: ignore[arg-type]
    return found


def walk(
    tensors: Sequence[Tensor],
    cotangents: Sequence[Any],
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
        nodes = ordered([edge for edge, _ in begun if type(edge) is Node])
        if wanted is not None:
            passed.needed = leading_to(wanted, nodes)
        for edge, cotangent in begun:
            passed.send(edge, cotangent)
        # Overflow in a gradient has a result and is no accident.
        with np.errstate(all="ignore"):
            for node in nodes:
                passed.visit(node)
    finally:
        modes.grad = before
    return passed


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add the derivatives of the tensors to the `.grad` of the leaves that they depend on (or of `inputs` alone).

    `grad_tensors`: cotangents, needed for tensors with more than one element. Raises GradError (IG303 to IG308).
    """
    given = grad_variables if grad_tensors is None else grad_tensors
    outputs = listed(tensors)
    cotangents: list[Any] = [None] * len(outputs) if given is None else listed(given)
    retain = create_graph if retain_graph is None else retain_graph
    chosen = None if inputs is None else _chosen(listed(inputs))
    wanted = None if chosen is None else frozenset(id(edge) for _, edge in chosen)
    passed = walk(outputs, cotangents, retain, create_graph, wanted)
    reached = list(passed.at_leaves.values())
    if chosen is not None:
        reached = [(t, passed.at_leaves[id(edge)][1]) for t, edge in chosen if id(edge) in passed.at_leaves]
        reached += [(t, passed.found[id(edge)]) for t, edge in chosen if id(edge) in passed.found]
    trace = modes.trace
    if trace is not None and chosen is None:
        beyond = [(t, cotangent) for t, cotangent in reached if t._node is not None]
        reached = [(t, cotangent) for t, cotangent in reached if t._node is None]
        if beyond:
            _leave(trace, beyond, passed.engine, retain, create_graph)
    before = modes.grad
    modes.grad = create_graph
    try:
        for leaf, cotangent in reached:
            # One that was frozen since keeps no gradient.
            if leaf._requires_grad:
                settle(leaf, passed.engine, cotangent)
    finally:
        modes.grad = before


def _leave(
    trace: Trace, beyond: Sequence[tuple[Tensor, Any]], engine: Engine, retain: bool, create_graph: bool
) -> None:
    """Hand on what flows to tensors computed outside of the compiled function: every call goes on from there."""
    if create_graph:
        raise GradError(
            "IG315",
            f"backward(create_graph=True) reaches a tensor {type_of(beyond[0][0])!r} that was computed outside of the "
            "compiled function",
            where=user_line(),
            fix="compute it inside, or pass x.detach()",
        )
    trace.outward.append(([(t, engine.tensor(cotangent)) for t, cotangent in beyond], retain, user_line()))


def settle(leaf: Tensor, engine: Engine, cotangent: Any) -> None:
    """Add to `.grad`, with the leaf's hooks before and after."""
    hooks = hooks_of(leaf)
    if hooks is None:
        accumulate(leaf, engine, cotangent)
        return
    accumulate(leaf, engine, called(hooks.before, engine, cotangent))
    for hook in list(hooks.after.values()):
        hook(leaf)


def _chosen(inputs: list[Any]) -> list[tuple[Any, Any]]:
    """The tensors whose gradients are to be kept, each once, and where their cotangents arrive."""
    if not inputs:
        raise GradError("IG308", "`inputs` argument to `backward()` cannot be empty.", where=user_line())
    chosen = [(tensor, edge_of(tensor)) for tensor in {id(t): t for t in inputs}.values()]
    for position, (tensor, edge) in enumerate(chosen):
        if edge is None:
            raise GradError(
                "IG303",
                f"inputs[{position}], {type_of(tensor)!r}, does not require grad",
                where=user_line(),
                fix="x.requires_grad_() before the computation",
            )
    return chosen


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The derivatives of the outputs with respect to the inputs, as a tuple; no `.grad` changes.

    `is_grads_batched`: `grad_outputs` have a leading dimension of cotangents, and so have the results.
    Raises GradError (IG303 to IG308), IG308 for an input that the outputs do not depend on, unless `allow_unused`.
    """
    ends, wrt = listed(outputs), listed(inputs)
    if materialize_grads and allow_unused is False:
        raise SpecError(
            "IG217",
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False.",
            where=user_line(),
        )
    if not only_inputs:
        raise SpecError("IG217", "only_inputs=False is not offered", where=user_line(), fix="y.backward()")
    cotangents: list[Any] = [None] * len(ends) if grad_outputs is None else listed(grad_outputs)
    retain = create_graph if retain_graph is None else retain_graph
    allowed = bool(allow_unused) or materialize_grads
    if is_grads_batched:
        return _batched(ends, wrt, cotangents, retain, create_graph, allowed, materialize_grads)
    return _grad(ends, wrt, cotangents, retain, create_graph, allowed, materialize_grads)


def _grad(
    ends: list[Any], wrt: list[Any], cotangents: list[Any], retain: bool, create: bool, allowed: bool, fill: bool
) -> tuple[Any, ...]:
    edges = [edge_of(t) for t in wrt]
    for position, (tensor, edge) in enumerate(zip(wrt, edges, strict=True)):
        if edge is None and not allowed:
            raise _unused(position, tensor, edge)
    wanted = frozenset(id(edge) for edge in edges if edge is not None)
    passed = walk(ends, cotangents, retain, create, wanted)
    found: list[Any] = []
    for position, (tensor, edge) in enumerate(zip(wrt, edges, strict=True)):
        cotangent = passed.found.get(id(edge))
        if type(edge) is not Node and id(edge) in passed.at_leaves:
            leaf, cotangent = passed.at_leaves[id(edge)]
            hooks = hooks_of(leaf)
            cotangent = cotangent if hooks is None else called(hooks.before, passed.engine, cotangent)
        if edge is not None and cotangent is not None:
            found.append(passed.engine.tensor(cotangent))
        elif not allowed:
            raise _unused(position, tensor, edge)
        else:
            zeros = zeros_like(tensor) if fill else None
            found.append(zeros.requires_grad_() if zeros is not None and create else zeros)
    return tuple(found)


def _batched(
    ends: list[Any], wrt: list[Any], cotangents: list[Any], retain: bool, create: bool, allowed: bool, fill: bool
) -> tuple[Any, ...]:
    """One walk per row of the cotangents."""
    given = [ct for ct in cotangents if ct is not None]
    count = given[0]._layout.shape[0] if given and given[0]._layout.ndim else 0
    rows = []
    for i in range(count):
        row = [None if ct is None else ct[i] for ct in cotangents]
        rows.append(_grad(ends, wrt, row, retain or i + 1 < count, create, allowed, fill))
    return tuple(None if parts[0] is None else stack(parts) for parts in zip(*rows, strict=True))


def _unused(position: int, tensor: Tensor, edge: Any) -> GradError:
    why = (
        "One of the differentiated Tensors does not require grad"
        if edge is None
        else "One of the differentiated Tensors appears to not have been used in the graph"
    )
    return GradError(
        "IG308",
        why,
        where=user_line(),
        detail=[f"inputs[{position}] is {type_of(tensor)!r}"],
        fix="x.requires_grad_() before the computation" if edge is None else "allow_unused=True, if this is intended",
    )


def listed(tensors: Any) -> list[Any]:
    """One tensor or a sequence of them, as a list. Raises DTypeError (IG214) for anything else."""
    if isinstance(tensors, TensorBase):
        return [tensors]
    try:
        found = list(tensors)
    except TypeError:
        found = [tensors]
    for tensor in found:
        if tensor is not None and not isinstance(tensor, TensorBase):
            raise DTypeError(
                "IG214",
                f"a Tensor or a sequence of Tensors was expected, not {type(tensor).__name__}",
                where=user_line(),
            )
    return found
