"""The one gate through which every operation on tensors goes, eager and traced, and through which views are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ingot.compiler.ir import Op, Shape
from ingot.compiler.ops.source import get
from ingot.core import Make, Step, TensorBase, View, layout_of, new_tensor, tensor_from_array, version_of
from ingot.eager import evaluate
from ingot.modes import modes
from ingot.runtime.layout import Layout
from ingot.tape import Node, catch_up, edge_of, needs_grad, record, record_traced, record_view

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def apply(op: Op, *tensors: TensorBase, **attrs: Any) -> Tensor:
    """One operation with a single result. Operands have the dtypes and shapes that the row asks for."""
    trace = modes.trace
    if trace is None:
        result: Tensor = tensor_from_array(evaluate(op, tensors, attrs))  # type: ignore[arg-type]
        if modes.grad and result._layout.dtype.is_floating_point:
            for tensor in tensors:
                if needs_grad(tensor):
                    result._node = record(op, attrs, tensors, (result,))
                    result._requires_grad = True
                    break
        return result
    values = [trace.value_of(tensor) for tensor in tensors]
    value = trace.build(op, values, attrs)
    traced: Tensor = trace.wrap(value)
    if modes.grad and value.type.dtype.is_floating_point:
        for tensor in tensors:
            if needs_grad(tensor):
                traced._node = record_traced(op, attrs, tensors, values, value, (traced,))
                traced._requires_grad = True
                break
    return traced


def apply_several(op: Op, *tensors: TensorBase, **attrs: Any) -> tuple[Tensor, ...]:
    """One operation with several results."""
    trace = modes.trace
    if trace is None:
        arrays = evaluate(op, tensors, attrs)
        results: tuple[Tensor, ...] = tuple([tensor_from_array(array) for array in arrays])
        if modes.grad and any(needs_grad(t) for t in tensors):
            _record_several(record(op, attrs, tensors, results), results)
        return results
    values = [trace.value_of(tensor) for tensor in tensors]
    value = trace.build(op, values, attrs)
    results = tuple([trace.wrap(trace.build(get, (value,), {"index": i})) for i in range(len(value.types))])
    if modes.grad and any(needs_grad(t) for t in tensors):
        _record_several(record_traced(op, attrs, tensors, values, value, results), results)
    return results


def _record_several(node: Node, results: tuple[Tensor, ...]) -> None:
    for index, result in enumerate(results):
        if result._layout.dtype.is_floating_point:
            result._node = Node(get, {"index": index}, (node,), node.types[index])
            result._requires_grad = True


def apply_view(
    tensor: TensorBase, op: Op, attrs: dict[str, Any], shape: Shape, strides: Any, offset: int | None = None
) -> Tensor:
    """A view of the tensor: the same storage under another layout. `op` says the same as shape, strides and offset."""
    layout = layout_of(tensor._layout.dtype, shape, strides)
    step = Step(op, attrs)
    trace = modes.trace
    view = tensor._view
    if trace is None:
        storage: Any = tensor._storage
        chain: tuple[Step, ...] = (step,)
    else:
        storage, before = trace.place_of(tensor)
        chain = (*before, step)
    if view is not None and view.parent is not None:
        catch_up(tensor)
    parent = tensor if modes.grad or not tensor._requires_grad else None
    place = tensor._offset if offset is None else offset
    result: Tensor = Make.view(layout, storage, place, chain, parent, version_of(storage))
    if tensor._requires_grad and modes.grad:
        result._requires_grad = True
        result._node = record_view(step, tensor, edge_of(tensor), result)
    return result


class Seen(NamedTuple):
    """How a view sees its tensor's memory: in which layout, by which step, and how many elements further on."""

    layout: Layout
    chain: tuple[Step]
    shift: int


def see(tensor: TensorBase, seen: Seen) -> Tensor:
    """`apply_view` outside of traces, for a view that was worked out before."""
    view = tensor._view
    if view is not None and view.parent is not None:
        catch_up(tensor)
    layout = seen.layout
    if tensor._requires_grad:
        step = seen.chain[0]
        return apply_view(tensor, step.op, step.attrs, layout.shape, layout.strides, tensor._offset + seen.shift)
    storage: Any = tensor._storage
    result: Tensor = Make.view(layout, storage, tensor._offset + seen.shift, seen.chain, tensor, version_of(storage))
    return result


def detached(tensor: TensorBase) -> Tensor:
    """The same memory, off the tape."""
    trace = modes.trace
    if trace is None:
        alias: Tensor = new_tensor(tensor._layout, tensor._storage, tensor._offset)
        return alias
    storage, chain = trace.place_of(tensor)
    result: Tensor = new_tensor(tensor._layout, storage, tensor._offset)
    if chain:
        result._view = View(chain, None, storage.version)
    return result
