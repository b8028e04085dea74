"""`autograd.Function`: operations whose derivative the user writes.

Eager or traced, `forward` runs without recording and its results get one node, whose derivative calls `backward`: on
concrete tensors, on traced ones, and recorded where the derivative is to be differentiated again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ingot.autograd.engines import Engine, placed
from ingot.compiler.ir import TensorType
from ingot.compiler.ops.source import full, get
from ingot.core import TensorBase, tensor_from_array, type_of, version_of
from ingot.functional.reductions import sum as sum_over
from ingot.functional.shaping import reshape
from ingot.gate import detached
from ingot.modes import modes
from ingot.mutation import root_of
from ingot.packing import Packed, packing
from ingot.promote import cast_to
from ingot.runtime.errors import DTypeError, GradError, ShapeError
from ingot.source_lines import user_line
from ingot.tape import Node, edge_of, needs_grad

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class Kept(NamedTuple):
    """A tensor as `save_for_backward` kept it. `number`: of the result that it is, None for other tensors."""

    alias: Any
    version: int
    edge: Any
    number: int | None


class FunctionCtx:
    """What `forward` leaves for `backward`; any attribute may be set on it."""

    def __init__(self, needs_input_grad: tuple[bool, ...] = ()) -> None:
        self.needs_input_grad = needs_input_grad
        self._to_save: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._constant: tuple[Any, ...] = ()
        self._materialize = True
        # The node while its derivative runs; a reference to it at other times would be a cycle.
        self._node: Node | None = None
        self._kept: list[Any] | None = None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (or None) for `backward`; call it once. Raises DTypeError (IG214) for anything else."""
        for position, tensor in enumerate(tensors):
            if tensor is not None and not isinstance(tensor, TensorBase):
                raise DTypeError(
                    "IG214",
                    "save_for_backward can only save variables, but argument "
                    f"{position} is of type {type(tensor).__name__}",
                    where=user_line(),
                    fix="ctx.name = value, for what is no tensor",
                )
        self._to_save = tensors

    save_for_forward = save_for_backward

    def mark_dirty(self, *tensors: Any) -> None:
        """Say which inputs `forward` wrote to; it must return them."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Say which results have no derivative."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` gets zeros (True) or None for results that nothing flowed to."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was kept, at its place on the tape. Raises GradError: IG306 when it was freed, IG302 when it was written
        to since."""
        if self._kept is None:
            return self._to_save
        return tuple([None if kept is None else self._recalled(kept) for kept in self._kept])

    def _recalled(self, kept: Kept) -> Any:
        node = self._node
        if node is not None and node.saved is None:
            raise GradError(
                "IG306",
                "Trying to backward through the graph a second time (or directly access saved tensors after they have "
                "already been freed)",
                where=user_line(),
                fix="loss.backward(retain_graph=True) the first time",
            )
        packed = isinstance(kept.alias, Packed)
        tensor = kept.alias.tensor() if packed else kept.alias
        version = version_of(tensor._storage)
        if not packed and version != kept.version:
            raise GradError(
                "IG302",
                "one of the variables needed for gradient computation has been modified by an inplace operation",
                where=user_line(),
                detail=[f"{type_of(tensor)!r}, saved for backward, is at version {version}, not {kept.version}"],
                fix="the out-of-place form, or x.clone() before writing",
            )
        if kept.number is not None:
            if node is None:
                return detached(tensor)
            return placed(detached(tensor), Node(get, {"index": kept.number}, (node,), node.types[kept.number]))
        if isinstance(kept.edge, TensorBase) and not packed:
            return kept.edge
        return placed(detached(tensor), kept.edge)

    def _keep(self, results: Sequence[Any]) -> None:
        """Settle what is saved, once the results are known."""
        numbers = {id(result): i for i, result in enumerate(results)}
        self._kept = []
        for tensor in self._to_save:
            number = numbers.get(id(tensor))
            if tensor is None:
                self._kept.append(None)
                continue
            alias = Packed(tensor) if packing and modes.trace is None else detached(tensor)
            edge = None if number is not None else edge_of(tensor)
            # In a trace, a tensor from outside is saved as what stands for it there, which has versions of its own.
            storage = tensor._storage if isinstance(alias, Packed) else alias._storage
            self._kept.append(Kept(alias, version_of(storage), edge, number))
        self._to_save = ()
        self._dirty = self._constant = ()


class Function:
    """The base of operations with a derivative of their own.

    A subclass defines the static methods `forward(ctx, *args)` and `backward(ctx, *grad_outputs)`, or
    `forward(*args)`, `setup_context(ctx, inputs, output)` and `backward`. It is called as `Subclass.apply(*args)`.
    """

    generate_vmap_rule = False

    def __call__(self, *args: Any) -> Any:
        raise GradError(
            "IG384",
            f"{type(self).__name__} was called on an instance; its methods are static",
            where=user_line(),
            fix=f"{type(self).__name__}.apply(...)",
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The operation."""
        raise GradError(
            "IG384",
            "You must implement the forward function for custom autograd.Function.",
            where=user_line(),
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep what `backward` needs, for a `forward` that takes no ctx."""

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """One gradient per argument of `forward`, None where there is none."""
        raise GradError(
            "IG384",
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD.",
            where=user_line(),
        )

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run `forward` and record it."""
        needs = tuple([isinstance(a, TensorBase) and needs_grad(a) for a in args])
        ctx = FunctionCtx(needs)
        recorded = modes.grad and any(needs)
        before, modes.grad = modes.grad, False
        try:
            if cls.setup_context is Function.setup_context:
                output = cls.forward(ctx, *args)
            else:
                output = cls.forward(*args)
                cls.setup_context(ctx, args, output)
        finally:
            modes.grad = before
        if not recorded:
            return output
        several = isinstance(output, tuple | list)
        results = _recorded(cls, ctx, args, list(output) if several else [output])
        return tuple(results) if several else results[0]


def _recorded(cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...], outputs: list[Any]) -> list[Any]:
    """The results on the tape."""
    edges = tuple([edge_of(a) if isinstance(a, TensorBase) else None for a in args])
    types = tuple([type_of(o) if isinstance(o, TensorBase) else None for o in outputs])
    node = Node(None, {}, edges, types)
    node.label = f"{cls.__name__}Backward"
    wanted = tuple([type_of(a) if isinstance(a, TensorBase) else None for a in args])
    results = [_own(ctx, args, output) for output in outputs]
    constant = {id(t) for t in ctx._constant}
    # What was saved is found by identity among the outputs as `forward` made them.
    ctx._keep(outputs)
    node.saved = tuple(ctx._kept or ())
    node.backward_fn = functools.partial(_pull_back, cls.backward, ctx, wanted)
    for number, (result, output) in enumerate(zip(results, outputs, strict=True)):
        if not isinstance(result, TensorBase) or not result._layout.dtype.is_floating_point or id(output) in constant:
            continue
        if result is output and modes.trace is not None:
            modes.trace.remember(result)
        result._requires_grad = True
        result._node = Node(get, {"index": number}, (node,), types[number])
    return results


def _own(ctx: FunctionCtx, args: tuple[Any, ...], output: Any) -> Any:
    """A result as a tensor that may be put on the tape."""
    if not isinstance(output, TensorBase):
        return output
    if any(output is tensor for tensor in ctx._dirty):
        root, chain = root_of(output)  # type: ignore[arg-type]
        if chain or (root._requires_grad and root._node is None):
            raise GradError(
                "IG301",
                "a view was modified in place by a custom function"
                if chain
                else "a leaf Variable that requires grad is being used in an in-place operation.",
                where=user_line(),
                fix="x.clone() before the function",
            )
        return output
    if any(output is a for a in args) or (output._view is not None and output._view.parent is not None):
        return detached(output)
    return output


def _pull_back(
    backward: Callable[..., Any],
    ctx: FunctionCtx,
    wanted: tuple[TensorType | None, ...],
    node: Node,
    engine: Engine,
    cotangents: Sequence[Any],
) -> Sequence[Any]:
    """The derivative of a node: `backward` on tensors."""
    name = node.name()
    given = [
        engine.tensor(ct) if ct is not None else (_zeros(type_) if ctx._materialize and type_ is not None else None)
        for ct, type_ in zip(cotangents, node.types, strict=True)
    ]
    ctx._node = node
    try:
        found = backward(ctx, *given)
    finally:
        ctx._node = None
    parts = list(found) if isinstance(found, tuple | list) else [found]
    while len(parts) > len(wanted) and parts[-1] is None:
        parts.pop()
    if len(parts) != len(wanted):
        raise GradError(
            "IG385",
            f"function {name} returned an incorrect number of gradients (expected {len(wanted)}, got {len(parts)})",
            where=_place(backward),
            fix="one gradient per argument of forward, None for those without",
        )
    return [
        None
        if part is None or (edge is None and type_ is not None)
        else engine.start(_fitted(part, type_, i, backward, name))
        for i, (part, type_, edge) in enumerate(zip(parts, wanted, node.edges, strict=True))
    ]


def _fitted(part: Any, type_: TensorType | None, position: int, backward: Callable[..., Any], name: str) -> Tensor:
    """A gradient in the shape and dtype of its argument. Raises GradError (IG385), DTypeError (IG382), ShapeError
    (IG381)."""
    if type_ is None:
        raise GradError(
            "IG385",
            f"function {name} returned a gradient different from None at position {position + 1}, but the "
            "corresponding forward input was not a Variable",
            where=_place(backward),
        )
    if not isinstance(part, TensorBase):
        raise DTypeError(
            "IG382",
            f"function {name}: expected Variable or None (got {type(part).__name__}) at index {position}",
            where=_place(backward),
        )
    made: Any = part
    shape, goal = made._layout.shape, type_.shape
    if shape != goal:
        extra = len(shape) - len(goal)
        if extra < 0 or any(n != m and m != 1 for n, m in zip(shape[extra:], goal, strict=True)):
            raise ShapeError(
                "IG381",
                f"Function {name} returned an invalid gradient at index {position} - got {list(shape)} but expected "
                f"shape compatible with {list(goal)}",
                where=_place(backward),
            )
        over = (*range(extra), *(i + extra for i, (n, m) in enumerate(zip(shape[extra:], goal, strict=True)) if n != m))
        made = reshape(sum_over(made, over), goal)
    return cast_to(made, type_.dtype)


def _zeros(type_: TensorType) -> Any:
    trace = modes.trace
    if trace is not None:
        return trace.wrap(full(type_, 0))
    return tensor_from_array(np.zeros(type_.shape, type_.dtype.numpy))


def _place(backward: Callable[..., Any]) -> str | None:
    code = getattr(backward, "__code__", None)
    return user_line() if code is None else f"{code.co_filename}:{code.co_firstlineno}: def {code.co_name}"


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A `backward` that is not recorded: differentiating its results is an error (IG386)."""

    @functools.wraps(fn)
    def run(ctx: Any, *args: Any) -> Any:
        before, modes.grad = modes.grad, False
        try:
            found = fn(ctx, *args)
        finally:
            modes.grad = before
        if not modes.grad or ctx._node is None:
            return found
        # PyTorch does so only where a cotangent requires grad, and otherwise leaves the second derivative out unsaid.
        parts = found if isinstance(found, tuple) else (found,)
        return tuple([_twice(part, ctx._node.edges) for part in parts])

    return run


def _twice(part: Any, edges: tuple[Any, ...]) -> Any:
    """A result whose derivative is an error."""
    if not isinstance(part, TensorBase):
        return part
    result = detached(part)
    node = Node(None, {}, edges, type_of(part))
    node.label = "OnceDifferentiable"

    def refuse(node: Node, engine: Engine, cotangents: Sequence[Any]) -> Sequence[Any]:
        raise GradError(
            "IG386",
            "trying to differentiate twice a function that was marked with @once_differentiable",
            where=user_line(),
            fix="a backward made of differentiable operations, without the decorator",
        )

    node.backward_fn = refuse
    result._node, result._requires_grad = node, True
    return result
