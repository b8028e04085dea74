"""One traced call as plain data: the graph, where its inputs come from, and where its outputs go."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from types import CodeType
from typing import Any, NamedTuple

from ingot import tree
from ingot.attributes import AttributesMoved, Place
from ingot.autograd.hooks import share_hooks
from ingot.compiled_gradient import Gradient, backward_graph
from ingot.compiler.ir import Graph, Value
from ingot.core import Step, TensorBase, TracedStorage, is_traced, layout_of, new_tensor
from ingot.effects import Watch
from ingot.reach import executed
from ingot.runtime.errors import GradError, TraceError
from ingot.runtime.layout import Layout, storage_extent
from ingot.state import RegionTooSmall, region_of
from ingot.tape import needs_grad
from ingot.tracing import Argument, GradientOf, Source, Trace
from ingot.tree import TreeDef


class Fresh(NamedTuple):
    """A result that is output `output`, in memory of its own. `requires_grad`: gradients could flow on from it.
    `retains`: its gradient is kept."""

    output: int
    requires_grad: bool = False
    retains: bool = False


class Same(NamedTuple):
    """A result that is an object from outside: a captured tensor or a plain Python value."""

    value: Any


class SameArgument(NamedTuple):
    """A result that is the argument leaf `leaf` itself."""

    leaf: int


class GradientSlot(NamedTuple):
    """A result that is the `.grad` which the call gave a tensor (or the argument leaf with this number)."""

    tensor: Any


class ViewOf(NamedTuple):
    """A result that shares the memory of another one (or of a captured tensor or argument), `offset` elements from
    where that one begins."""

    base: Fresh | Same | SameArgument
    layout: Layout
    offset: int
    # A leaf of its own, and the gradient it has.
    leaf: bool = False
    grad: Fresh | None = None


class ViewThrough(NamedTuple):
    """A result that is a differentiable view of another one, a captured tensor or an argument.

    By these steps, each with the layout it leads to and the distance of its first element."""

    base: Fresh | Same | SameArgument
    steps: tuple[tuple[Step, Layout, int], ...]


Result = Fresh | Same | SameArgument | GradientSlot | ViewOf | ViewThrough


class GradWrite(NamedTuple):
    """`tensor.grad` after the call: output `output`, or `value` when that is None. `argument`: the leaf whose it is."""

    tensor: Any
    output: int | None
    layout: Layout | None
    value: Any
    argument: int | None


class TapeWrite(NamedTuple):
    """The place on the tape that the call gives a tensor (or the argument leaf with this number), which it wrote to or
    whose flag it changed: that of output `output`; for None, it is a leaf."""

    tensor: Any
    output: int | None
    requires_grad: bool


class Outward(NamedTuple):
    """A backward() that goes on outside: the tensors (or argument leaves with these numbers) and the outputs that hold
    their cotangents."""

    tensors: tuple[Any, ...]
    outputs: tuple[int, ...]
    retain_graph: bool


class Recording(NamedTuple):
    """A traced call."""

    graph: Graph
    sources: tuple[Source, ...]
    results: tuple[Result, ...]
    result_tree: TreeDef
    layouts: tuple[Layout, ...]
    grad_writes: tuple[GradWrite, ...]
    grads_read: tuple[tuple[Any, Layout | None], ...]  # of a tensor, or of the argument leaf with this number
    modules: tuple[Any, ...]
    mutates_argument: bool
    pinned: tuple[int, ...]
    gradient: Gradient | None
    plain_arguments: tuple[tuple[int, Any], ...]
    # The attributes that calls set: the results are then a pair of the function's and theirs.
    attributes: tuple[Place, ...]
    # The modules that calls leave in training or in evaluation, other than they found them.
    training: tuple[tuple[Any, bool], ...]
    attributes_read: tuple[tuple[Any, str, Any], ...]
    tape_writes: tuple[TapeWrite, ...] = ()
    outward: tuple[Outward, ...] = ()
    # The code that ran; nothing where that is not known.
    ran: frozenset[CodeType] = frozenset()


class Outputs:
    """The graph outputs as they are collected. Each destination gets an output of its own."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.values: list[Value] = []
        self.layouts: list[Layout] = []
        self.aliases: list[tuple[int, int]] = []
        # The output that holds all of a storage which several results show, by the storage's id.
        self.shared: dict[int, Fresh] = {}
        # The tensors whose gradients flow on from outputs, by output.
        self.flowing: dict[int, Any] = {}

    def add(self, value: Value) -> int:
        self.values.append(value)
        self.layouts.append(layout_of(value.type.dtype, value.type.shape))
        return len(self.values) - 1


def record(
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    leaves: Sequence[Any],
    names: Sequence[str],
    name: str,
) -> Recording:
    """Trace fn(*args, **kwargs). `leaves` are the leaves of (args, kwargs) and `names` what users call them.

    Raises TraceError for what a trace cannot capture, and whatever the function raises.
    """
    whole: frozenset[int] = frozenset()
    while True:
        trace = Trace(name, whole)
        try:
            return _record_once(trace, fn, args, kwargs, leaves, names)
        except AttributesMoved:
            continue
        except RegionTooSmall as found:
            if id(found.storage) in whole:
                raise
            whole |= {id(found.storage)}


def _record_once(
    trace: Trace,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    leaves: Sequence[Any],
    names: Sequence[str],
) -> Recording:
    # Tensors stand for the arguments in the trace, so that an argument which the function also reaches by itself is
    # seen to be reached by itself.
    inside: dict[int, Any] = {}
    arguments: dict[int, int] = {}
    for index, (leaf, leaf_name) in enumerate(zip(leaves, names, strict=True)):
        if isinstance(leaf, TensorBase) and id(leaf) not in inside:
            made = inside[id(leaf)] = stand_in(leaf)
            arguments[id(made)] = index
            trace.own_arguments.add(id(made))
            if id(leaf._storage) not in trace.captured:
                trace.capture(*_shown(made, index, leaves), leaf_name)
    definition = tree.flatten((args, kwargs))[1]
    given, leaves = leaves, [inside.get(id(leaf), leaf) for leaf in leaves]
    args, kwargs = tree.unflatten(leaves, definition)
    plain = [(n, leaf) for n, leaf in zip(names, leaves, strict=True) if not isinstance(leaf, TensorBase)]
    watch = Watch(fn, trace.name, plain)
    trace.module_names = {id(value): name for name, value in watch.named if hasattr(type(value), "named_modules")}
    with trace.running():
        with executed() as ran:
            result = fn(*args, **kwargs)
        set_attributes = trace.attributes.taken()
        if set_attributes:
            result = (result, set_attributes)
        watch.check()
        after, now = tree.flatten((args, kwargs))
        if now != definition or any(a is not b for a, b in zip(after, leaves, strict=True)):
            raise watch.changed_arguments()
        stand_ins = [(leaf, inside[id(leaf)]) for leaf in given if id(leaf) in inside]
        return _finished(trace, result, leaves, arguments, stand_ins)._replace(ran=frozenset(ran))


def _shown(tensor: TensorBase, index: int, leaves: Sequence[Any]) -> tuple[Any, Argument]:
    """What the graph input of argument leaf `index` shows: the tensor itself if the arguments in the same memory lie
    inside of its elements, and otherwise the run in which all of them lie."""
    neighbours = [t for t in leaves if isinstance(t, TensorBase) and t._storage is tensor._storage]
    if len(neighbours) == 1:
        return tensor, Argument(index)
    region = region_of(tensor)
    extents = [
        storage_extent(t._layout.shape, t._layout.strides, t._offset)
        for t in neighbours
        if t._layout.dtype is region.dtype and t._layout.numel
    ]
    start = min([low for low, _ in extents], default=region.start)
    stop = max([high for _, high in extents], default=region.start)
    if start >= region.start and stop <= region.start + region.extent:
        return tensor, Argument(index)
    extent = stop - start
    run = new_tensor(Layout.of(region.dtype, (extent,)), tensor._storage, start)
    return run, Argument(index, tensor._offset - start, extent)


def stand_in(tensor: TensorBase) -> Any:
    """Another tensor over the same memory, at the same place on the tape."""
    made = new_tensor(tensor._layout, tensor._storage, tensor._offset, type(tensor))
    made._requires_grad, made._node, made._grad = needs_grad(tensor), tensor._node, tensor._grad
    share_hooks(tensor, made)
    return made


def _finished(
    trace: Trace, result: Any, leaves: Sequence[Any], arguments: dict[int, int], stand_ins: Sequence[tuple[Any, Any]]
) -> Recording:
    outputs = Outputs(trace)
    grad_writes = _grad_writes(trace, outputs, arguments)
    mutates_argument = _mutations(trace, outputs)
    results, result_tree = _results(trace, outputs, result, arguments)
    tape_writes = _tape_writes(trace, outputs, arguments, stand_ins)
    gradient = _gradient(trace, outputs, arguments)
    outward = _outward(trace, outputs, arguments)
    graph = Graph(tuple(trace.inputs), tuple(outputs.values), tuple(outputs.aliases), trace.name)
    return Recording(
        graph=graph,
        sources=tuple([_of_call(source, arguments) for source in trace.sources]),
        results=results,
        result_tree=result_tree,
        layouts=tuple(outputs.layouts),
        grad_writes=grad_writes,
        grads_read=tuple(
            (arguments.get(id(t), t), None if g is None else g._layout) for t, g in trace.grads_read.values()
        ),
        modules=tuple(trace.modules.values()),
        mutates_argument=mutates_argument,
        pinned=_sharing_memory(trace.pinned, leaves),
        gradient=gradient,
        plain_arguments=tuple((i, leaf) for i, leaf in enumerate(leaves) if not isinstance(leaf, TensorBase)),
        attributes=trace.attributes.places(),
        training=tuple(trace.attributes.training),
        attributes_read=tuple(trace.attributes.reads.values()),
        tape_writes=tape_writes,
        outward=outward,
    )


def _sharing_memory(pinned: set[int], leaves: Sequence[Any]) -> tuple[int, ...]:
    """The argument leaves in the memory of one of these, in order."""
    storages = {id(leaves[index]._storage) for index in pinned}
    return tuple(i for i, leaf in enumerate(leaves) if isinstance(leaf, TensorBase) and id(leaf._storage) in storages)


def _of_call(source: Source, arguments: dict[int, int]) -> Source:
    """A source that does not refer to a stand-in."""
    if isinstance(source, GradientOf) and id(source.tensor) in arguments:
        return GradientOf(arguments[id(source.tensor)])
    return source


def _grad_writes(trace: Trace, outputs: Outputs, arguments: dict[int, int]) -> tuple[GradWrite, ...]:
    writes: list[GradWrite] = []
    for tensor, value in trace.grads.values():
        argument = arguments.get(id(tensor))
        if value is not None and is_traced(value):
            index = outputs.add(trace.value_of(value))
            writes.append(GradWrite(tensor, index, outputs.layouts[index], None, argument))
        elif value is not tensor._grad or value is None:
            writes.append(GradWrite(tensor, None, None, value, argument))
    return tuple(writes)


def _outward(trace: Trace, outputs: Outputs, arguments: dict[int, int]) -> tuple[Outward, ...]:
    """Raises GradError (IG315) where gradients flow to leaves whose `.grad` the function uses itself: it would not see
    them."""
    found: list[Outward] = []
    for pairs, retain, where in trace.outward:
        for leaf in _leaves_behind([tensor._node for tensor, _ in pairs]):
            if id(leaf) in trace.grads or id(leaf) in trace.grads_read:
                raise GradError(
                    "IG315",
                    f"backward() reaches a tensor {pairs[0][0]._layout!r} that was computed outside of the compiled "
                    f"function, from a leaf {leaf._layout!r} whose .grad the function uses itself",
                    where=where,
                    fix="compute it inside, or pass x.detach()",
                )
        tensors = tuple([arguments.get(id(tensor), tensor) for tensor, _ in pairs])
        cotangents = tuple([outputs.add(trace.value_of(cotangent)) for _, cotangent in pairs])
        found.append(Outward(tensors, cotangents, retain))
    return tuple(found)


def _leaves_behind(nodes: list[Any]) -> list[Any]:
    """The leaves that gradients reach from these places of the tape."""
    found: list[Any] = []
    seen: set[int] = set()
    stack = list(nodes)
    while stack:
        edge = stack.pop()
        if edge is None or id(edge) in seen:
            continue
        seen.add(id(edge))
        if isinstance(edge, TensorBase):
            found.append(edge)
        else:
            stack.extend(edge.edges)
    return found


def _mutations(trace: Trace, outputs: Outputs) -> bool:
    """An aliased output for every captured storage that was written to; whether one is an argument's."""
    of_argument = False
    for captured in trace.captured.values():
        storage = captured.storage
        assert storage.origin is not None
        if storage.value is not trace.inputs[storage.origin]:
            outputs.aliases.append((outputs.add(storage.value), storage.origin))
            of_argument |= isinstance(trace.sources[storage.origin], Argument)
    return of_argument


def _tape_writes(
    trace: Trace, outputs: Outputs, arguments: dict[int, int], stand_ins: Sequence[tuple[Any, Any]]
) -> tuple[TapeWrite, ...]:
    """Tensors from outside that the trace leaves at another place on the tape."""
    writes: list[TapeWrite] = []
    found: dict[int, tuple[Any, Any, Any, bool]] = {}
    for leaf, made in stand_ins:
        found[id(made)] = (arguments[id(made)], made, leaf._node, needs_grad(leaf))
    for tensor, node, requires_grad in trace.changed.values():
        found.setdefault(id(tensor), (tensor, tensor, node, requires_grad))
    for owner, tensor, node, requires_grad in found.values():
        now = needs_grad(tensor)
        if tensor._node is node and now == requires_grad:
            continue
        if tensor._node is None:
            writes.append(TapeWrite(owner, None, now))
        elif not tensor._node.released:
            output = outputs.add(trace.value_of(tensor))
            outputs.flowing[output] = tensor
            writes.append(TapeWrite(owner, output, True))
    return tuple(writes)


def _gradient(trace: Trace, outputs: Outputs, arguments: dict[int, int]) -> Gradient | None:
    """How gradients flow on from the results and from tensors that were written to, if they do."""
    if not outputs.flowing:
        return None
    return backward_graph(trace, list(outputs.flowing.items()), arguments, [index for _, index in outputs.aliases])


def _results(
    trace: Trace, outputs: Outputs, result: Any, arguments: dict[int, int]
) -> tuple[tuple[Result, ...], TreeDef]:
    leaves, result_tree = tree.flatten(result)
    gradients = {id(g): arguments.get(id(t), t) for t, g in trace.grads.values() if g is not None}
    shared: dict[int, list[Any]] = {}
    for leaf in {id(leaf): leaf for leaf in leaves}.values():
        if isinstance(leaf, TensorBase) and is_traced(leaf):
            shared.setdefault(id(leaf._storage), []).append(leaf)
    known: dict[int, Result] = {}
    results: list[Result] = []
    for leaf in leaves:
        made = known.get(id(leaf))
        if made is None:
            made = known[id(leaf)] = _result(trace, outputs, leaf, arguments, gradients, shared)
        results.append(made)
    return tuple(results), result_tree


def _result(
    trace: Trace,
    outputs: Outputs,
    leaf: Any,
    arguments: dict[int, int],
    gradients: dict[int, Any],
    shared: dict[int, list[Any]],
) -> Result:
    if not isinstance(leaf, TensorBase):
        return Same(_plain(leaf, trace))
    if not is_traced(leaf):
        return SameArgument(arguments[id(leaf)]) if id(leaf) in arguments else Same(leaf)
    if id(leaf) in gradients:
        return GradientSlot(gradients[id(leaf)])
    storage = leaf._storage
    assert isinstance(storage, TracedStorage)
    trace.value_of(leaf)
    if storage.origin is not None:
        return _view_of_input(trace, outputs, leaf, storage, arguments)
    sharing = shared[id(storage)]
    roots = {id(root): root for root in [_steps_to(t)[0] for t in sharing if _flows(t)]}
    if len(sharing) == 1 or len(roots) > 1 or any(map(_is_watched, sharing)):
        return _fresh(trace, outputs, leaf)
    base = outputs.shared.get(id(storage))
    if base is None:
        root = next(iter(roots.values()), None)
        if root is not None and root._view is not None and root._view.chain:
            return _fresh(trace, outputs, leaf)
        made = Fresh(outputs.add(storage.value)) if root is None else _fresh(trace, outputs, root)
        if not isinstance(made, Fresh):
            return _fresh(trace, outputs, leaf)
        base = outputs.shared[id(storage)] = made
    if _flows(leaf):
        return ViewThrough(base, _steps_to(leaf)[1])
    return base if not base.requires_grad and _is_whole(leaf) else ViewOf(base, leaf._layout, leaf._offset)


def _flows(leaf: Any) -> bool:
    """Whether gradients could flow on from a result."""
    return needs_grad(leaf) and (leaf._node is None or not leaf._node.released)


def _is_whole(leaf: Any) -> bool:
    return leaf._view is None or not leaf._view.chain


def _is_watched(leaf: Any) -> bool:
    """Whether the trace put hooks on its gradient, or keeps it."""
    node = leaf._node
    return node is not None and (node.hooks is not None or node.retained is not None)


def _fresh(trace: Trace, outputs: Outputs, leaf: Any) -> Fresh | ViewOf:
    """A result in memory of its own."""
    output = outputs.add(trace.value_of(leaf))
    if not _flows(leaf):
        return Fresh(output)
    if leaf._node is None:
        return ViewOf(Fresh(output), outputs.layouts[output], 0, True, _grad_of(trace, outputs, leaf))
    outputs.flowing[output] = leaf
    return Fresh(output, True, leaf._node.retained is not None)


def _view_of_input(
    trace: Trace, outputs: Outputs, leaf: TensorBase, storage: TracedStorage, arguments: dict[int, int]
) -> Result:
    """A result over memory from outside: a view of the tensor that stands for it."""
    captured = next(c for c in trace.captured.values() if c.storage is storage)
    assert storage.origin is not None
    source = trace.sources[storage.origin]
    if isinstance(source, GradientOf):
        return Fresh(outputs.add(trace.value_of(leaf)))
    flows = needs_grad(leaf)
    if flows and leaf._node is not None and not leaf._node.released:
        root, steps = _steps_to(leaf)
        if is_traced(root) or _is_watched(leaf):
            # Off the tape, and written to since: gradients flow to what was written.
            return _fresh(trace, outputs, leaf)
        return ViewThrough(SameArgument(arguments[id(root)]) if id(root) in arguments else Same(root), steps)
    own = flows and leaf._node is None
    grad = _grad_of(trace, outputs, leaf) if own else None
    if isinstance(source, Argument):
        begin = captured.region.start + source.back
        return ViewOf(SameArgument(source.leaf), leaf._layout, leaf._offset - begin, own, grad)
    return ViewOf(Same(captured.tensor), leaf._layout, leaf._offset - captured.tensor._offset, own, grad)


def _grad_of(trace: Trace, outputs: Outputs, leaf: Any) -> Fresh | None:
    """The gradient that a backward pass gave a leaf made inside."""
    return None if leaf._grad is None else Fresh(outputs.add(trace.value_of(leaf._grad)))


def _steps_to(leaf: Any) -> tuple[Any, tuple[tuple[Step, Layout, int], ...]]:
    """The tensor that a traced one is a differentiable view of, or a tensor from outside, and the steps from it."""
    steps: list[tuple[Step, Layout, int]] = []
    while is_traced(leaf) and leaf._view is not None and leaf._view.parent is not None:
        view = leaf._view
        steps.append((view.chain[-1], leaf._layout, leaf._offset - view.parent._offset))
        leaf = view.parent
    return leaf, tuple(reversed(steps))


def _plain(leaf: Any, trace: Trace) -> Any:
    """A Python value that is part of the result: the same at every call. Raises TraceError (IG188) for what may hold
    traced tensors unseen."""
    if isinstance(leaf, Iterator | Coroutine):
        raise TraceError(
            "IG188",
            f"{trace.name} returns a {type(leaf).__name__}, whose code would run after the compiled code",
            fix="a list of all items, from a plain function",
        )
    if isinstance(leaf, (set, frozenset)) and any(isinstance(item, TensorBase) for item in leaf):
        raise TraceError(
            "IG188",
            f"{trace.name} returns a {type(leaf).__name__} that holds tensors",
            fix="a tuple, list or dict",
        )
    return leaf
