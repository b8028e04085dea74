"""Gradients through a compiled function: its results go on the tape with a second graph that pulls cotangents back.

The backward graph reads the same inputs as the forward one and computes again what it needs of it. It is differentiated
in turn when somebody asks for that: the trace is taken up again, its walk is recorded, and the results of that walk get
a backward graph of their own, whose inputs are those of the first and its cotangents.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ingot.autograd.engines import Engine, TensorEngine, ValueEngine
from ingot.autograd.walk import walk
from ingot.compiler.ir import Graph, TensorType, Value
from ingot.compiler.ops.source import full, get
from ingot.compiler.ops.source import input as make_input
from ingot.core import TensorBase, array_of, layout_of, new_tensor, tensor_from_array
from ingot.modes import modes
from ingot.runtime.errors import GradError
from ingot.runtime.layout import Layout, storage_extent
from ingot.source_lines import user_line
from ingot.tape import Node, check_version, edge_of, save
from ingot.tracing import Trace


class CotangentOf(NamedTuple):
    """The target of a higher derivative that is the cotangent with this number."""

    number: int


class Gradient:
    """inputs of the forward graph and cotangents of `outputs` to cotangents of `targets`.

    A target is a captured tensor, the number of an argument leaf, or a cotangent. `overwritten`: the inputs that the
    forward function writes to, which this graph reads as they were before. Where the walk meets an error, that is the
    gradient: `error`.
    """

    def __init__(
        self,
        trace: Trace,
        results: Sequence[Any],
        outputs: tuple[int, ...],
        arguments: Mapping[int, Any],
        written: tuple[int, ...],
        before: tuple[Value, ...] = (),
    ) -> None:
        self.trace = trace
        self.results = tuple(results)
        self.outputs = outputs
        self.arguments = arguments
        self.overwritten = written
        self.types = tuple(TensorType(t._layout.dtype, t._layout.shape) for t in results)
        number = len(before)
        self.given = (*before, *(make_input(type=t, name=f"cotangent{number + i}") for i, t in enumerate(self.types)))
        self.own = self.given[number:]
        self.error: GradError | None = None
        self.next: Gradient | None = None
        self.leaves: list[Any] = []
        self.layouts: tuple[Layout, ...] = ()
        self.targets: tuple[Any, ...] = ()
        try:
            passed = walk(self.results, [trace.wrap(value) for value in self.own], True, False, None)
        except GradError as error:
            if error.code not in ("IG302", "IG306"):
                raise
            self.error = error
            return
        reached = list(passed.at_leaves.values())
        self.leaves = [leaf for leaf, _ in reached]
        values = tuple(value for _, value in reached)
        self.graph = Graph((*trace.inputs, *self.given), values, (), f"{trace.name}_backward")
        self.targets = tuple(arguments.get(id(leaf), leaf) for leaf in self.leaves)
        self.layouts = tuple(layout_of(v.type.dtype, v.type.shape) for v in values)

    def higher(self) -> Gradient:
        """The derivative of this graph, made when it is first asked for. Raises GradError (IG316)."""
        if self.next is not None:
            return self.next
        trace, known = self.trace, len(self.trace.inputs)
        with resumed(trace):
            before, modes.grad = modes.grad, True
            try:
                cotangents = [trace.wrap(value) for value in self.own]
                for tensor in cotangents:
                    tensor._requires_grad = True
                passed = walk(self.results, cotangents, True, True, None)
                slopes = [self.slope(passed.at_leaves.get(id(leaf)), i) for i, leaf in enumerate(self.leaves)]
                first = len(self.given) - len(self.own)
                targets = {id(tensor): CotangentOf(first + i) for i, tensor in enumerate(cotangents)}
                # The tensors are kept with their ids.
                self.cotangents = cotangents
                flowing = [(i, s) for i, s in enumerate(slopes) if s._requires_grad]
                made = Gradient(
                    trace,
                    [slope for _, slope in flowing],
                    tuple(i for i, _ in flowing),
                    {**self.arguments, **targets},
                    self.overwritten,
                    self.given,
                )
            finally:
                modes.grad = before
        if len(trace.inputs) != known:
            raise GradError(
                "IG316",
                f"the derivative of {trace.name}'s derivative reads a tensor that {trace.name} does not",
                where=user_line(),
                fix="the tensor as an argument, or both derivatives inside one compiled function",
            )
        self.next = made
        return made

    def slope(self, reached: tuple[Any, Any] | None, number: int) -> Any:
        """The recorded cotangent of a leaf."""
        layout = self.layouts[number]
        return reached[1] if reached is not None else self.trace.wrap(full(TensorType(layout.dtype, layout.shape), 0))


@contextlib.contextmanager
def resumed(trace: Trace) -> Iterator[None]:
    """Operations inside are recorded in a trace that has ended."""
    before, modes.trace = modes.trace, trace
    active, trace.active = trace.active, True
    try:
        yield
    finally:
        modes.trace, trace.active = before, active


def backward_graph(
    trace: Trace, results: Sequence[tuple[int, Any]], arguments: dict[int, int], written: Sequence[int]
) -> Gradient:
    """The gradient of a trace's results (output number, tensor), made while the trace runs."""
    tensors = [tensor for _, tensor in results]
    return Gradient(trace, tensors, tuple(output for output, _ in results), arguments, tuple(written))


def copies(gradient: Gradient, inputs: Sequence[Any]) -> list[Any]:
    """The inputs for the backward graph, taken before the call: copies of those that the call will write to."""
    return [_copy(tensor) if i in gradient.overwritten else tensor for i, tensor in enumerate(inputs)]


def _copy(tensor: TensorBase) -> Any:
    """The run of elements in which the tensor lies, in the same layout: compiled code reads the run."""
    layout = tensor._layout
    start, stop = storage_extent(layout.shape, layout.strides, tensor._offset)
    run = tensor._storage.array(Layout.of(layout.dtype, (stop - start,)), start)
    return new_tensor(layout, tensor_from_array(np.array(run, copy=True))._storage, tensor._offset - start)


# Runs the graph of a gradient on tensors.
Run = Callable[[Gradient, Sequence[Any]], list[Any]]


def attach(
    gradient: Gradient, run: Run, inputs: Sequence[Any], leaves: Sequence[Any], results: Mapping[int, Any]
) -> None:
    """Put the results of one call on the tape; `run` runs the backward graph."""
    if not modes.grad:
        return
    edges: dict[Any, Any] = {
        i: edge_of(leaf) for i, leaf in enumerate(leaves) if isinstance(leaf, TensorBase) and leaf._requires_grad
    }
    for target in gradient.targets:
        if isinstance(target, TensorBase):
            edges[id(target)] = edge_of(target)
    if gradient.error is None and all(_edge(edges, target) is None for target in gradient.targets):
        return
    _attached(gradient, run, inputs, edges, results)


def _edge(edges: Mapping[Any, Any], target: Any) -> Any:
    """Where a target's cotangent goes."""
    if isinstance(target, TensorBase):
        return edges[id(target)] if id(target) in edges else edge_of(target)
    return edges.get(target)


def _attached(
    gradient: Gradient, run: Run, inputs: Sequence[Any], edges: Mapping[Any, Any], results: Mapping[int, Any]
) -> None:
    node = Node(None, {}, tuple([_edge(edges, target) for target in gradient.targets]), gradient.types)
    node.label = f"{gradient.trace.name}Backward"
    node.saved = tuple([save(tensor, None) for tensor in inputs])

    def pull_back(node: Node, engine: Engine, cotangents: Sequence[Any]) -> Sequence[Any]:
        if gradient.error is not None:
            raise _again(gradient.error)
        assert not isinstance(engine, ValueEngine)
        for saved in node.saved:
            check_version(saved, None)
        tensors = [new_tensor(saved.layout, saved.storage, saved.offset) for saved in node.saved]
        arrays = [array_of(ct) if isinstance(ct, TensorBase) else ct for ct in cotangents]
        for array, type_ in zip(arrays, gradient.types, strict=True):
            shape: Any = type_.shape
            filled = np.zeros(shape, type_.dtype.numpy) if array is None else np.array(array, order="C")
            tensors.append(tensor_from_array(filled))
        made = run(gradient, tensors)
        if not isinstance(engine, TensorEngine):
            return [array_of(tensor) for tensor in made]
        first = len(gradient.given) - len(gradient.own)
        reached = {CotangentOf(first + i): edge_of(ct) for i, ct in enumerate(cotangents) if isinstance(ct, TensorBase)}
        higher = gradient.higher()
        if higher.results:
            _attached(higher, run, tensors, {**edges, **reached}, {i: made[i] for i in higher.outputs})
        return made

    node.backward_fn = pull_back
    for index, output in enumerate(gradient.outputs):
        result = results[output]
        result._node = Node(get, {"index": index}, (node,), gradient.types[index])
        result._requires_grad = True


def _again(error: GradError) -> GradError:
    """The error that the trace met, for the line that asks for the gradient."""
    detail = [] if error.where is None else [f"in the compiled function at {error.where}"]
    return GradError(error.code, error.what, where=user_line(), detail=[*error.detail, *detail], fix=error.fix)
