"""Gradients through a compiled function: its results go on the tape with a second graph that pulls cotangents back.

The backward graph reads the same inputs as the forward one and computes again what it needs of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ingot.autograd.engines import ArrayEngine
from ingot.autograd.walk import walk
from ingot.compiler.ir import Graph, TensorType
from ingot.compiler.ops.source import get
from ingot.compiler.ops.source import input as make_input
from ingot.core import TensorBase, layout_of, new_tensor, tensor_from_array
from ingot.modes import modes
from ingot.runtime.errors import GradError
from ingot.runtime.layout import Layout
from ingot.source_lines import user_line
from ingot.tape import Node, check_version, edge_of, save
from ingot.tracing import Trace


class Gradient(NamedTuple):
    """inputs of the forward graph and cotangents of `outputs` to cotangents of `targets`.

    A target is a captured tensor or the number of an argument leaf. `overwritten`: the inputs that the forward
    function writes to and this graph reads as they were before.
    """

    graph: Graph
    outputs: tuple[int, ...]
    types: tuple[TensorType, ...]
    targets: tuple[Any, ...]
    layouts: tuple[Layout, ...]
    overwritten: tuple[int, ...]


def backward_graph(
    trace: Trace, results: Sequence[tuple[int, Any]], arguments: dict[int, int], written: Sequence[int]
) -> Gradient:
    """The gradient of a trace's results (output number, tensor), made while the trace runs."""
    tensors = [tensor for _, tensor in results]
    types = tuple(TensorType(t._layout.dtype, t._layout.shape) for t in tensors)
    given = tuple(make_input(type=t, name=f"cotangent{i}") for i, t in enumerate(types))
    passed = walk(tensors, [trace.wrap(value) for value in given], True, False, None)
    reached = list(passed.at_leaves.values())
    values = tuple(value for _, value in reached)
    graph = Graph((*trace.inputs, *given), values, (), f"{trace.name}_backward")
    read = set(graph.values)
    return Gradient(
        graph=graph,
        outputs=tuple(output for output, _ in results),
        types=types,
        targets=tuple(arguments.get(id(tensor), tensor) for tensor, _ in reached),
        layouts=tuple(layout_of(v.type.dtype, v.type.shape) for v in values),
        overwritten=tuple(i for i in written if trace.inputs[i] in read),
    )


def copies(gradient: Gradient, inputs: Sequence[Any]) -> list[Any]:
    """The inputs for the backward graph, taken before the call: copies of those that the call will write to."""
    return [_copy(tensor) if i in gradient.overwritten else tensor for i, tensor in enumerate(inputs)]


def _copy(tensor: TensorBase) -> Any:
    return tensor_from_array(np.array(tensor._storage.array(tensor._layout, tensor._offset), order="C", copy=True))


def attach(
    gradient: Gradient,
    run: Callable[[Sequence[Any], Sequence[Layout]], list[Any]],
    inputs: Sequence[Any],
    leaves: Sequence[Any],
    results: dict[int, Any],
) -> None:
    """Put the results of one call on the tape; `run` runs the backward graph."""
    if not modes.grad:
        return
    targets = [leaves[t] if isinstance(t, int) else t for t in gradient.targets]
    edges = tuple(edge_of(target) for target in targets)
    if all(edge is None for edge in edges):
        return
    node = Node(None, {}, edges, gradient.types)
    kept = [save(tensor, None) for tensor in inputs]

    def pull_back(node: Node, engine: Any, cotangents: Sequence[Any]) -> Sequence[Any]:
        if not isinstance(engine, ArrayEngine):
            raise GradError(
                "IG316",
                "a derivative of a derivative does not go through the border of a compiled function",
                where=user_line(),
                fix="both derivatives inside one compiled function",
            )
        for saved in kept:
            check_version(saved, None)
        tensors = [new_tensor(saved.layout, saved.storage, saved.offset) for saved in kept]
        for cotangent, type_ in zip(cotangents, gradient.types, strict=True):
            shape: Any = type_.shape
            array = np.zeros(shape, type_.dtype.numpy) if cotangent is None else np.array(cotangent, order="C")
            tensors.append(tensor_from_array(array))
        made = run(tensors, gradient.layouts)
        return [t._storage.array(t._layout, t._offset) for t in made]

    node.backward_fn = pull_back
    for index, output in enumerate(gradient.outputs):
        result = results[output]
        result._node = Node(get, {"index": index}, (node,), gradient.types[index])
        result._requires_grad = True
