"""Derivatives of functions: `grad`, `value_and_grad`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ingot import tree
from ingot.autograd import walk
from ingot.core import TensorBase, type_of
from ingot.functional.conversion import clone
from ingot.gate import detached
from ingot.modes import modes
from ingot.nn.utils.stateless import functional_call as functional_call
from ingot.runtime.errors import GradError
from ingot.source_lines import user_line
from ingot.tape import Node, edge_of, needs_grad
from ingot.tensor import Tensor


def value_and_grad(
    fn: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """The function that computes (fn(*args), gradient with respect to the arguments `argnums`).

    Arguments may be trees of tensors; gradients have the same trees. `has_aux`: fn returns (value, anything).
    Raises GradError (IG318) unless the value is a floating scalar.
    """

    @functools.wraps(fn)
    def evaluate(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        given = list(args)
        leaves: list[list[Any]] = []
        trees: list[Any] = []
        for position in positions:
            flat, definition = tree.flatten(given[position])
            inside = [_inside(leaf) for leaf in flat]
            leaves.append(inside)
            trees.append(definition)
            given[position] = tree.unflatten(inside, definition)
        before, modes.grad = modes.grad, True
        try:
            result = fn(*given, **kwargs)
            value = result[0] if has_aux else result
            inside = [leaf for group in leaves for leaf in group]
            gradients = _gradients(value, inside, fn, before)
        finally:
            modes.grad = before
        split = iter(gradients)
        found = tuple(tree.unflatten([next(split) for _ in group], d) for group, d in zip(leaves, trees, strict=True))
        answer = found[0] if isinstance(argnums, int) else found
        return tree.map(lambda leaf: _outside(leaf, inside), result), answer

    return evaluate


def grad(fn: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that computes the gradient of a scalar function; see `value_and_grad`."""
    both = value_and_grad(fn, argnums, has_aux)

    @functools.wraps(fn)
    def evaluate(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return evaluate


def _inside(leaf: Any) -> Any:
    """The argument as the function sees it: on the tape here, and linked to the caller's tape."""
    if not isinstance(leaf, TensorBase) or not leaf._layout.dtype.is_floating_point:
        return leaf
    if needs_grad(leaf):
        return clone(leaf)  # type: ignore[arg-type]
    made = detached(leaf)
    made._requires_grad = True
    return made


def _outside(leaf: Any, inside: list[Any]) -> Any:
    """A result without the tape of this derivative, unless the caller's runs through it."""
    if not isinstance(leaf, TensorBase) or not needs_grad(leaf) or _reaches_others(leaf, inside):
        return leaf
    return detached(leaf)


def _reaches_others(tensor: TensorBase, inside: list[Any]) -> bool:
    """Whether a gradient flows to leaves besides those of this derivative."""
    own = {id(leaf) for leaf in inside}
    edge = edge_of(tensor)
    if not isinstance(edge, Node):
        return id(edge) not in own
    edges = (e for node in walk.ordered([edge]) for e in node.edges)
    return any(e is not None and not isinstance(e, Node) and id(e) not in own for e in edges)


def _gradients(value: Any, leaves: list[Any], fn: Callable[..., Any], recorded: bool) -> list[Any]:
    if not isinstance(value, TensorBase) or value._layout.shape != () or not value._layout.dtype.is_floating_point:
        what = repr(type_of(value)) if isinstance(value, TensorBase) else type(value).__name__
        raise GradError(
            "IG318",
            f"grad needs a floating scalar, and {getattr(fn, '__name__', 'the function')} returned {what}",
            where=user_line(),
            fix="return loss.sum() or loss.mean()",
        )
    tensors = [leaf for leaf in leaves if isinstance(leaf, TensorBase) and leaf._layout.dtype.is_floating_point]
    if not needs_grad(value):
        return [_zeros(leaf) for leaf in leaves]
    create = recorded and _reaches_others(value, leaves)
    found = iter(walk.grad(value, tensors, create_graph=create, allow_unused=True, materialize_grads=True))
    wanted = {id(t) for t in tensors}
    return [next(found) if id(leaf) in wanted else None for leaf in leaves]


def _zeros(leaf: Any) -> Any:
    if not isinstance(leaf, TensorBase) or not leaf._layout.dtype.is_floating_point:
        return None
    zero: Tensor = detached(leaf) * 0
    return zero
