"""Derivatives of functions of tensors: Jacobians, Hessians and their products with vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ingot.autograd.walk import grad
from ingot.core import TensorBase, tensor_from_array, type_of
from ingot.functional.conversion import clone
from ingot.functional.joining import stack
from ingot.functional.shaping import reshape
from ingot.modes import modes
from ingot.runtime.errors import DTypeError, GradError, ShapeError
from ingot.source_lines import user_line
from ingot.tape import needs_grad

Tensors = tuple[Any, ...]


class _Recording:
    """Gradients are recorded inside."""

    def __enter__(self) -> None:
        self.before, modes.grad = modes.grad, True

    def __exit__(self, *error: object) -> None:
        modes.grad = self.before


def _tuple_of(values: Any, what: str, fn: str) -> tuple[bool, Tensors]:
    """Whether it is a tuple, and as one. Raises DTypeError (IG214) for anything but tensors."""
    several = isinstance(values, tuple | list)
    found = tuple(values) if several else (values,)
    for value in found:
        if not isinstance(value, TensorBase):
            raise DTypeError(
                "IG214",
                f"The {what} given to {fn} must be either a Tensor or a tuple of Tensors, not {type(value).__name__}",
                where=user_line(),
            )
    return several, found


def _prepared(inputs: Tensors, create_graph: bool) -> Tensors:
    """The inputs as the function sees them: on the tape here, and linked to the caller's where that is asked for."""
    return tuple([clone(t) if create_graph and needs_grad(t) else t.detach().requires_grad_() for t in inputs])


def _finished(values: Any, create_graph: bool) -> Any:
    if isinstance(values, tuple):
        return tuple([_finished(v, create_graph) for v in values])
    return values if create_graph or values is None else values.detach()


def _zeros(like: Any) -> Any:
    return like.detach() * 0


def _directions(v: Any, like: Tensors, what: str, fn: str) -> Tensors:
    """The vectors of a product. Raises ShapeError (IG307)."""
    if v is None:
        if len(like) != 1 or like[0]._layout.numel != 1:
            raise GradError(
                "IG305",
                f"The vector v can only be None if the {what} a single Tensor containing a single element",
                where=user_line(),
                fix=f"v of the shapes {[list(t._layout.shape) for t in like]}",
            )
        return (_zeros(like[0]) + 1,)
    _, given = _tuple_of(v, "vector v", fn)
    if len(given) != len(like) or any(a._layout.shape != b._layout.shape for a, b in zip(given, like, strict=True)):
        raise ShapeError(
            "IG307",
            f"{fn}: v has the shapes {[list(t._layout.shape) for t in given]}, not "
            f"{[list(t._layout.shape) for t in like]}",
            where=user_line(),
        )
    return given


def _derivatives(
    outputs: Sequence[Any], inputs: Tensors, cotangents: Sequence[Any], create: bool, strict: bool, what: str
) -> Tensors:
    """Gradients, zeros where there are none. Raises GradError (IG389) for these if `strict`."""
    flowing = [(o, ct) for o, ct in zip(outputs, cotangents, strict=True) if needs_grad(o)]
    if not flowing:
        found: Tensors = (None,) * len(inputs)
    else:
        ends, given = zip(*flowing, strict=True)
        found = grad(ends, inputs, given, retain_graph=True, create_graph=create, allow_unused=True)
    for position, part in enumerate(found):
        if part is None and strict:
            raise GradError(
                "IG389",
                f"The {what} of the function does not depend on input {position}, which is not allowed in strict mode",
                where=user_line(),
                detail=[f"input {position} is {type_of(inputs[position])!r}"],
            )
    return tuple([_zeros(t) if part is None else part for part, t in zip(found, inputs, strict=True)])


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), product of `v` with the Jacobian). Raises GradError (IG305, IG389) and ShapeError (IG307)."""
    with _Recording():
        several, given = _tuple_of(inputs, "inputs", "vjp")
        inside = _prepared(given, create_graph)
        made = func(*inside)
        many, outputs = _tuple_of(made, "outputs", "vjp")
        vectors = _directions(v, outputs, "user-provided function returns", "vjp")
        found = _derivatives(outputs, inside, vectors, create_graph, strict, "output")
    shown = tuple(outputs) if many else outputs[0]
    return _finished(shown, create_graph), _finished(found if several else found[0], create_graph)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), product of the Jacobian with `v`), by differentiating a vjp by its cotangent."""
    with _Recording():
        _, given = _tuple_of(inputs, "inputs", "jvp")
        inside = _prepared(given, create_graph)
        vectors = _directions(v, inside, "input to the user-provided function is", "jvp")
        many, outputs = _tuple_of(func(*inside), "outputs", "jvp")
        probes = tuple([_zeros(o).requires_grad_() for o in outputs])
        slopes = _derivatives(outputs, inside, probes, True, strict, "output")
        found = _derivatives(slopes, probes, vectors, create_graph, False, "derivative")
    shown = tuple(outputs) if many else outputs[0]
    return _finished(shown, create_graph), _finished(found if many else found[0], create_graph)


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """Derivatives of all outputs by all inputs, of shape (*output.shape, *input.shape).

    A tuple of outputs or inputs gives a tuple, for both a tuple of tuples. `vectorize` and `strategy` change nothing.
    """
    with _Recording():
        several, given = _tuple_of(inputs, "inputs", "jacobian")
        inside = _prepared(given, create_graph)
        many, outputs = _tuple_of(func(*inside), "outputs", "jacobian")
        found = tuple([_rows(output, inside, create_graph, strict) for output in outputs])
    shown: Any = found if several else tuple([parts[0] for parts in found])
    return _finished(shown if many else shown[0], create_graph)


def _rows(output: Any, inputs: Tensors, create: bool, strict: bool) -> Tensors:
    """One output's derivatives."""
    shape = tuple(output._layout.shape)
    count = output._layout.numel
    flat = reshape(output, (count,))
    rows = [
        _derivatives([flat[i]], inputs, [tensor_from_array(np.ones((), output.dtype.numpy))], create, strict, "output")
        for i in range(count)
    ]
    made = []
    for position, tensor in enumerate(inputs):
        size = (*shape, *tensor._layout.shape)
        parts = [row[position] for row in rows]
        made.append(reshape(stack(parts), size) if parts else tensor_from_array(np.zeros(size, tensor.dtype.numpy)))
    return tuple(made)


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Second derivatives of a scalar function by all inputs: the Jacobian of its gradient."""
    several = isinstance(inputs, tuple | list)

    def slopes(*given: Any) -> Any:
        found = _gradient(func, given, strict, "hessian")
        return found if several else found[0]

    return jacobian(slopes, inputs, create_graph, strict)


def _gradient(func: Callable[..., Any], inputs: Tensors, strict: bool, name: str) -> Tensors:
    """The recorded gradient of a scalar function of tensors that are on the tape. Raises GradError (IG305)."""
    _, value = _scalar(func, inputs, name)
    return _derivatives([value], inputs, [None], True, strict, "output")


def _scalar(func: Callable[..., Any], inputs: Tensors, name: str) -> tuple[Any, Any]:
    made = func(*inputs)
    many, outputs = _tuple_of(made, "outputs", name)
    if many or outputs[0]._layout.numel != 1:
        raise GradError(
            "IG305",
            f"The function given to {name} should return a single scalar, not "
            f"{[type_of(o) for o in outputs] if many else type_of(outputs[0])!r}",
            where=user_line(),
        )
    return made, outputs[0]


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), product of `v` with the Hessian)."""
    with _Recording():
        several, given = _tuple_of(inputs, "inputs", "vhp")
        inside = _prepared(given, create_graph)
        vectors = _directions(v, inside, "input to the user-provided function is", "vhp")
        value, scalar = _scalar(func, inside, "vhp")
        slopes = _derivatives([scalar], inside, [None], True, strict, "output")
        found = _derivatives(slopes, inside, vectors, create_graph, strict, "derivative")
    return _finished(value, create_graph), _finished(found if several else found[0], create_graph)


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), product of the Hessian with `v`): a jvp of the gradient."""
    with _Recording():
        several, given = _tuple_of(inputs, "inputs", "hvp")
        inside = _prepared(given, create_graph)
        vectors = _directions(v, inside, "input to the user-provided function is", "hvp")
        value, scalar = _scalar(func, inside, "hvp")
        slopes = _derivatives([scalar], inside, [None], True, strict, "output")
        probes = tuple([_zeros(t).requires_grad_() for t in inside])
        seconds = _derivatives(slopes, inside, probes, True, strict, "derivative")
        found = _derivatives(seconds, probes, vectors, create_graph, False, "derivative")
    return _finished(value, create_graph), _finished(found if several else found[0], create_graph)
