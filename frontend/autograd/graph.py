"""`autograd.graph`: what the tape keeps for derivatives, and hooks on several gradients at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ingot.autograd.engines import Engine
from ingot.autograd.hooks import tensor_hook
from ingot.compiler.ops.source import get
from ingot.core import TensorBase, type_of
from ingot.gate import detached
from ingot.grad_fn import AccumulateGrad
from ingot.modes import modes
from ingot.packing import packing
from ingot.runtime.errors import GradError
from ingot.source_lines import user_line
from ingot.tape import Node as Node
from ingot.tape import edge_of, needs_grad


class saved_tensors_hooks:
    """Tensors that eager operations inside keep for their derivatives are packed, and unpacked when they are read.

    Compiled code keeps what its plan of memory says.
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pair = pack_hook, unpack_hook

    def __enter__(self) -> None:
        packing.append(self.pair)

    def __exit__(self, *error: object) -> None:
        packing.pop()


class save_on_cpu(saved_tensors_hooks):
    """Keep saved tensors in memory of the CPU, where all tensors are; they are copied, as in PyTorch."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cpu") -> None:
        super().__init__(lambda tensor: tensor.clone(), lambda kept: kept)


class MultiHandle:
    """Removes a hook from several tensors."""

    def __init__(self, handles: Sequence[Any]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        """Do not call the hook any more."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> MultiHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def register_multi_grad_hook(tensors: Sequence[Any], fn: Callable[..., Any], *, mode: str = "all") -> MultiHandle:
    """Call `fn` in each backward with the list of all gradients once all have come (mode "all"), or with the first one
    that comes (mode "any")."""
    if mode not in ("all", "any"):
        raise GradError("IG217", f"Expects mode to be one of ('all', 'any') but got {mode}", where=user_line())
    found: dict[int, Any] = {}

    def seen(position: int) -> Callable[[Any], None]:
        def hook(gradient: Any) -> None:
            found[position] = gradient
            if mode == "any" and len(found) == 1:
                fn(gradient)
            if len(found) == len(tensors):
                gradients = [found[i] for i in range(len(tensors))]
                found.clear()
                if mode == "all":
                    fn(gradients)

        return hook

    return MultiHandle([tensor_hook(tensor, seen(i)) for i, tensor in enumerate(tensors)])


def intercept(
    tensors: Sequence[Any], fn: Callable[[tuple[Any, ...]], Sequence[Any] | None], name: str = "BackwardHook"
) -> list[Any]:
    """The tensors, passed through one node: in backward `fn` is called once with all their gradients (None for tensors
    that no gradient reaches), and may return others.

    Tensors that do not require grad are passed as they are; `fn` gets None for them.
    """
    flows = [isinstance(t, TensorBase) and modes.grad and needs_grad(t) for t in tensors]
    if not any(flows):
        return list(tensors)
    edges = tuple(edge_of(t) if flow else None for t, flow in zip(tensors, flows, strict=True))
    node = Node(None, {}, edges, tuple(type_of(t) if isinstance(t, TensorBase) else None for t in tensors))
    node.label = name

    def pull_back(node: Node, engine: Engine, cotangents: Sequence[Any]) -> Sequence[Any]:
        given = tuple(None if ct is None else engine.tensor(ct) for ct in cotangents)
        replaced = fn(given)
        if replaced is None:
            return cotangents
        parts = [None if r is None else engine.start(r) for r in replaced]
        return [part if edge is not None else None for part, edge in zip(parts, node.edges, strict=True)]

    node.backward_fn = pull_back
    results = list(tensors)
    for index, flow in enumerate(flows):
        if flow:
            made: Any = detached(tensors[index])
            made._requires_grad = True
            made._node = Node(get, {"index": index}, (node,), node.types[index])
            results[index] = made
    return results


class GradientEdge:
    """A place on the tape: a node and the number of its result."""

    def __init__(self, node: Any, output_nr: int) -> None:
        self.node = node
        self.output_nr = output_nr


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """Where the gradient of a tensor arrives. Raises GradError (IG303) for one that does not require grad."""
    edge = edge_of(tensor)
    if edge is None:
        raise GradError(
            "IG303",
            "It is not possible to get the gradient edge for a Tensor that does not require gradients",
            where=user_line(),
        )
    if not isinstance(edge, Node):
        return GradientEdge(AccumulateGrad(edge), 0)
    if edge.op is get:
        return GradientEdge(edge.edges[0], edge.attrs["index"])
    return GradientEdge(edge, 0)
