"""Writing to tensors in place: memory, storage versions and the tape, through any chain of views."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec

import numpy as np

from ingot.compiler.ir import Shape, Size, TensorType, Value
from ingot.compiler.ops.elementwise import select
from ingot.compiler.ops.source import full
from ingot.compiler.ops.view import expand, inverse, pad, permute, reshape
from ingot.compiler.ops.view import slice as slice_row
from ingot.core import (
    Step,
    TensorBase,
    array_of,
    bump_version,
    captured_tensors,
    is_traced,
    layout_of,
    new_tensor,
    tensor_from_array,
)
from ingot.gate import apply
from ingot.modes import bump_epoch, modes
from ingot.promote import cast_to
from ingot.runtime.dtypes import DType, bool_
from ingot.runtime.errors import DTypeError, GradError, ShapeError
from ingot.runtime.storage import Storage
from ingot.source_lines import user_line
from ingot.tape import Node, catch_up, edge_of, keep_apart, needs_grad, numbers

if TYPE_CHECKING:
    from ingot.tensor import Tensor

P = ParamSpec("P")


class Builder(NamedTuple):
    """How `updated` builds: on tensors through the gate, or directly on graph values."""

    apply: Callable[..., Any]
    true: Callable[[Shape], Any]


def _true_tensor(shape: Shape) -> Tensor:
    trace = modes.trace
    if trace is not None:
        return trace.wrap(full(TensorType(bool_, shape), True))
    one = tensor_from_array(np.ones((), np.bool_))
    mask: Tensor = new_tensor(layout_of(bool_, shape, (0,) * len(shape)), one._storage)
    return mask


ON_TENSORS = Builder(apply, _true_tensor)
ON_VALUES = Builder(
    lambda op, *operands, **attrs: Value(op, operands, **attrs), lambda shape: full(TensorType(bool_, shape), True)
)


def updated(base: Any, chain: tuple[Step, ...], new: Any, build: Builder) -> Any:
    """`base` with the part that `chain` shows replaced by `new`, as a functional update."""
    if not chain:
        return new
    step, rest = chain[0], chain[1:]
    part = updated(build.apply(step.op, base, **step.attrs), rest, new, build) if rest else new
    if step.op is reshape:
        return build.apply(reshape, part, shape=tuple(base.shape))
    if step.op is permute:
        return build.apply(permute, part, axes=inverse(step.attrs["axes"]))
    if step.op is pad:
        rank = len(base.shape)
        return build.apply(slice_row, part, start=(0,) * rank, stop=tuple(base.shape), step=(1,) * rank)
    if step.op is expand:
        raise expanded_write()
    return _slice_updated(base, part, step.attrs, build)


def _slice_updated(base: Any, part: Any, attrs: dict[str, Any], build: Builder) -> Any:
    """The inverse of `slice`: pad the part back to the base's shape and select it where it lies."""
    if tuple(part.shape) == tuple(base.shape):
        return part
    high: list[Size] = []
    for size, count, start, step in zip(base.shape, part.shape, attrs["start"], attrs["step"], strict=True):
        covered = 0 if count == 0 else (count if step == 1 else (count - 1) * step + 1)
        high.append(size - start - covered)
    place = {"low": attrs["start"], "high": tuple(high), "interior": tuple(step - 1 for step in attrs["step"])}
    mask = build.apply(pad, build.true(tuple(part.shape)), value=False, **place)
    return build.apply(select, mask, build.apply(pad, part, value=0, **place), base)


def expanded_write() -> ShapeError:
    return ShapeError(
        "IG212",
        "an expanded tensor cannot be written to: several of its elements are one element in memory",
        where=user_line(),
        fix="x = x.clone() before the write",
    )


def assign(tensor: Tensor, new: Tensor, *, replaces: bool = False) -> Tensor:
    """Give the tensor the elements of `new`, which has its shape and dtype. All views of the memory see it.

    `replaces`: `new` is not computed from the tensor, whose former elements get a gradient of zeros. Raises GradError
    (IG301) for a leaf that requires grad while gradients are recorded.
    """
    if modes.grad and (needs_grad(tensor) or needs_grad(new)):
        _assign_recorded(tensor, new, replaces)
        return tensor
    _write(tensor, new)
    return tensor


def _write(tensor: Tensor, new: Tensor) -> None:
    trace = modes.trace
    if trace is not None:
        trace.write(tensor, trace.value_of(new))
        return
    strides = tensor._layout.strides
    if 0 in strides and any(n > 1 and s == 0 for n, s in zip(tensor._layout.shape, strides, strict=True)):
        raise expanded_write()
    np.copyto(array_of(tensor), array_of(new))
    bump_version(tensor._storage)


def _assign_recorded(tensor: Tensor, new: Tensor, replaces: bool) -> None:
    root, chain = root_of(tensor)
    if root._requires_grad and root._node is None:
        raise _leaf_written(root is tensor)
    whole = updated(root, chain, new, ON_TENSORS) if chain else new
    former = edge_of(root) if replaces and root._node is not None else None
    if modes.trace is not None:
        modes.trace.remember(root)
    _write(tensor, new)
    _move(root, whole, new._layout.dtype, former)
    catch_up(tensor)


def written_elsewhere(tensor: Tensor, new: Tensor) -> None:
    """Put a tensor to whose memory compiled code has written `new` at the place on the tape that `new` has."""
    root, chain = root_of(tensor)
    if root._requires_grad and root._node is None:
        raise _leaf_written(root is tensor)
    _move(root, updated(root, chain, new, ON_TENSORS) if chain else new, new._layout.dtype, None)
    # Views derive their places anew, also those that have since the memory was written to.
    bump_version(tensor._storage)
    catch_up(tensor)


def _leaf_written(itself: bool) -> GradError:
    return GradError(
        "IG301",
        "a leaf Variable that requires grad is being used in an in-place operation"
        if itself
        else "a view of a leaf Variable that requires grad is being used in an in-place operation.",
        where=user_line(),
        fix="with ingot.no_grad(): ...  (or an out-of-place operation)",
    )


def _move(root: Tensor, whole: Tensor, dtype: DType, former: Any) -> None:
    """The root of views takes the place of its contents, `whole`, on the tape. `former`: where a gradient of zeros goes
    as well."""
    edge, before = edge_of(whole), root._node
    if former is not None:
        root._node = Node(None, {}, (edge, former), TensorType(dtype, root._layout.shape))
        root._node.label = "CopyBackwards"
        root._node.backward_fn = _and_nothing
    elif isinstance(edge, Node):
        root._node = edge
    else:
        # Nothing flows back (a constant was written), or the written tensor is a leaf: a node of its own keeps the
        # root from becoming a leaf.
        root._node = Node(None, {}, (edge,), TensorType(dtype, root._layout.shape))
    root._requires_grad = True
    if before is not None and before.retained is not None and before is not root._node:
        root._node.retained, before.retained = before.retained, None


def _and_nothing(node: Node, engine: Any, cotangents: Any) -> tuple[Any, Any]:
    """The cotangents of what was written and of what was there before."""
    return cotangents[0], engine.zeros(node.types)


def root_of(tensor: Tensor) -> tuple[Tensor, tuple[Step, ...]]:
    """The tensor that this is a differentiable view of, and the steps from it."""
    steps: list[Step] = []
    while tensor._view is not None and tensor._view.parent is not None:
        steps.append(tensor._view.chain[-1])
        tensor = tensor._view.parent
    return tensor, tuple(reversed(steps))


def in_place(fn: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """The in-place form of a function: its result, in the dtype of its first operand, is written to that operand."""

    @functools.wraps(fn)
    def write(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        target: Any = args[0]
        check_writable(target)
        if modes.grad and modes.trace is not None:
            # What the derivative reads of the operands is what they held before.
            before = _before(target)
            operands: Any = [before if a is target else a for a in args]
            return assign(target, fitted(target, fn(*operands, **kwargs)))
        first = next(numbers()) if modes.grad else 0
        result = fitted(target, fn(*args, **kwargs))
        if result._node is not None:
            keep_apart(result._node, first, target._storage)
        return assign(target, result)

    write.__name__ = f"{fn.__name__}_"
    write.__doc__ = f"In-place form of `{fn.__name__}`."
    return write


def _before(target: Tensor) -> Tensor:
    """What a traced or captured tensor holds at present, at the same place of the tape."""
    trace = modes.trace
    assert trace is not None
    if target._node is not None and not is_traced(target) and id(target) not in trace.changed:
        # From before the trace: the derivative ends at the tensor itself.
        return apply(reshape, target, shape=target._layout.shape)
    copy = trace.wrap(trace.value_of(target))
    copy._requires_grad, copy._node = needs_grad(target), target._node
    return copy


def resized(tensor: Tensor, shape: Shape) -> Tensor:
    """The tensor given another shape: over its own memory where that is large enough, else over new memory.

    Elements that are kept stay, in row-major order. Raises DTypeError (IG346) inside compiled code.
    """
    if modes.trace is not None:
        raise DTypeError(
            "IG346",
            f"a tensor of shape {list(tensor._layout.shape)} cannot become one of {list(shape)} in compiled code",
            where=user_line(),
            fix="a tensor that has the shape of the result",
        )
    layout = layout_of(tensor._layout.dtype, shape)
    storage: Any = tensor._storage
    if storage.nbytes < (tensor._offset + layout.numel) * layout.itemsize:
        grown = Storage.allocate((tensor._offset + layout.numel) * layout.itemsize)
        kept = min(storage.nbytes, grown.nbytes) // layout.itemsize
        part = layout_of(layout.dtype, (kept,))
        np.copyto(grown.array(part, 0), storage.array(part, 0))
        tensor._storage = grown
    tensor._layout = layout
    if id(tensor) in captured_tensors:
        bump_epoch()
    return tensor


def check_writable(target: TensorBase) -> None:
    """Raises GradError (IG301) before any work is done for a leaf that must not be written to."""
    if modes.grad and target._requires_grad and target._node is None and needs_grad(target):
        raise GradError(
            "IG301",
            "a leaf Variable that requires grad is being used in an in-place operation",
            where=user_line(),
            fix="with ingot.no_grad(): ...  (or an out-of-place operation)",
        )


def fitted(target: Tensor, result: Tensor) -> Tensor:
    """`result` in the dtype of `target`. Raises ShapeError (IG201) or DTypeError (IG213) when it cannot be."""
    if result._layout.shape != target._layout.shape:
        raise ShapeError(
            "IG201",
            f"output with shape {list(target._layout.shape)} doesn't match the broadcast shape "
            f"{list(result._layout.shape)}",
            where=user_line(),
        )
    goal = target._layout.dtype
    made = result._layout.dtype
    if made is goal:
        return result
    order = "buif"
    if (made.is_floating_point and not goal.is_floating_point) or (goal.kind == "b" and order.index(made.kind) > 0):
        raise DTypeError(
            "IG213",
            f"result type {made} can't be cast to the desired output type {goal}",
            where=user_line(),
            fix="the out-of-place form, which gives a new tensor of the result type",
        )
    return cast_to(result, goal)
