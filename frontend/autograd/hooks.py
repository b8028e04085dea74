"""Functions that `backward` calls with gradients on their way, and the handles that remove them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ingot.core import TensorBase, is_traced, type_of
from ingot.handles import RemovableHandle, lasting_hook
from ingot.modes import modes
from ingot.runtime.errors import DTypeError, GradError, TraceError
from ingot.source_lines import user_line
from ingot.tape import needs_grad, node_hooks

if TYPE_CHECKING:
    from ingot.autograd.engines import Engine
    from ingot.tensor import Tensor

Hook = Callable[[Any], Any]


class LeafHooks(NamedTuple):
    """What is called with a leaf's gradient before it is added to `.grad`, and with the leaf afterwards."""

    before: dict[Any, Hook]
    after: dict[Any, Hook]


# By the leaf's id; an entry goes with its leaf.
_leaves: dict[int, tuple[weakref.ref[Any], LeafHooks]] = {}


def hooks_of(leaf: TensorBase) -> LeafHooks | None:
    """The hooks of a leaf; None when it has none."""
    known = _leaves.get(id(leaf)) if _leaves else None
    return None if known is None or not (known[1].before or known[1].after) else known[1]


def hook_key(leaf: TensorBase) -> tuple[Any, ...] | None:
    """What compiled code that differentiates the leaf depends on."""
    hooks = hooks_of(leaf)
    return None if hooks is None else (*hooks.before, None, *hooks.after)


def any_leaf_has_hooks() -> bool:
    """Whether some leaf has, or had, hooks."""
    return bool(_leaves)


def share_hooks(leaf: TensorBase, stand_in: TensorBase) -> None:
    """Give a leaf that stands for another one in a trace the same hooks."""
    hooks = hooks_of(leaf)
    if hooks is not None:
        made = _hooks_for(stand_in)
        made.before.update(hooks.before)
        made.after.update(hooks.after)


def _hooks_for(leaf: TensorBase) -> LeafHooks:
    key = id(leaf)
    if key not in _leaves:
        # Bound here: a leaf may live longer than the globals of this module.
        forget = _leaves.pop
        _leaves[key] = weakref.ref(leaf, lambda _: forget(key, None) and None), LeafHooks({}, {})
    return _leaves[key][1]


def tensor_hook(tensor: Tensor, hook: Hook) -> RemovableHandle:
    """Call `hook` with the tensor's gradient in `backward`; it may return another one.

    Raises GradError (IG303) for a tensor that does not require grad.
    """
    if not needs_grad(tensor):
        raise GradError(
            "IG303",
            "cannot register a hook on a tensor that doesn't require gradient",
            where=user_line(),
            fix="x.requires_grad_() first",
        )
    node = tensor._node
    if node is not None:
        return RemovableHandle(node_hooks(node).result, hook)
    check_own(tensor)
    return lasting_hook(_hooks_for(tensor).before, hook)


def post_accumulate_hook(tensor: Tensor, hook: Hook) -> RemovableHandle:
    """Call `hook` with the leaf once `backward` has added to its `.grad`. Raises GradError (IG303, IG309)."""
    if not needs_grad(tensor):
        raise GradError(
            "IG303",
            "cannot register a hook on a tensor that doesn't require gradient",
            where=user_line(),
            fix="x.requires_grad_() first",
        )
    if tensor._node is not None:
        raise GradError(
            "IG309",
            "post accumulate grad hooks cannot be registered on non-leaf tensors",
            where=user_line(),
            fix="x.register_hook(...), which is called with the gradient",
        )
    check_own(tensor)
    return lasting_hook(_hooks_for(tensor).after, hook)


def check_own(leaf: TensorBase) -> None:
    """Raises TraceError (IG380) where compiled code would give a leaf from outside a hook each time it runs."""
    trace = modes.trace
    if trace is not None and not is_traced(leaf) and id(leaf) not in trace.own_arguments:
        raise TraceError(
            "IG380",
            f"{trace.name} registers a hook on {type_of(leaf)!r}, a leaf from outside",
            where=user_line(),
            fix="the registration before the call; compiled code calls the hooks that its leaves have",
        )


def check_gradient(tensor: TensorBase, gradient: object) -> None:
    """Raises DTypeError (IG214) or GradError (IG310) for what cannot be a tensor's `.grad`."""
    if not isinstance(gradient, TensorBase):
        raise DTypeError(
            "IG214",
            f"assigned grad expected to be a Tensor or None but got grad of type {type(gradient).__name__}",
            where=user_line(),
        )
    if gradient is tensor:
        raise GradError("IG310", "can't assign Variable as its own grad", where=user_line(), fix="x.grad = x.clone()")
    layout, goal = gradient._layout, tensor._layout
    if layout.shape != goal.shape or layout.dtype is not goal.dtype:
        what = "size" if layout.shape != goal.shape else "type"
        raise GradError(
            "IG310",
            f"assigned grad has data of a different {what}: {type_of(gradient)!r} for a tensor {type_of(tensor)!r}",
            where=user_line(),
            fix="a gradient of the tensor's shape and dtype",
        )


def check_floating(tensor: TensorBase) -> None:
    """Raises GradError (IG313) for a tensor that can have no gradient."""
    if not tensor._layout.dtype.is_floating_point:
        raise GradError(
            "IG313",
            f"only Tensors of floating point dtype can require gradients, not {type_of(tensor)!r}",
            where=user_line(),
            fix="x.float().requires_grad_(), or requires_grad=False",
        )


def called(hooks: dict[Any, Hook], engine: Engine, cotangent: Any) -> Any:
    """The cotangent after the hooks, each of which may replace it. Raises GradError (IG381) or DTypeError (IG382)."""
    tensor = engine.tensor(cotangent)
    for hook in list(hooks.values()):
        replaced = hook(tensor)
        if replaced is None:
            continue
        tensor = _checked(hook, replaced, tensor)
    return engine.start(tensor)


def _checked(hook: Hook, replaced: Any, tensor: Tensor) -> Any:
    name = getattr(hook, "__name__", type(hook).__name__)
    if not isinstance(replaced, TensorBase):
        raise DTypeError(
            "IG382",
            f"a hook returns a Tensor or None, and {name} returned {type(replaced).__name__}",
            where=_place(hook),
        )
    if type_of(replaced) is not type_of(tensor):
        raise GradError(
            "IG381",
            f"hook {name!r} was given a gradient {type_of(tensor)!r} and returned {type_of(replaced)!r}",
            where=_place(hook),
            fix="a gradient of the same shape and dtype",
        )
    return replaced


def _place(hook: Hook) -> str | None:
    code = getattr(hook, "__code__", None)
    return user_line() if code is None else f"{code.co_filename}:{code.co_firstlineno}"
