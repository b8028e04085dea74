"""Hooks of modules: called around `forward`, around state, and by `backward`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from ingot.handles import RemovableHandle, lasting_hook

if TYPE_CHECKING:
    from ingot.nn.module import Module

Hook = Callable[..., Any]


class EveryModule:
    """Hooks that are called for all modules."""

    forward: ClassVar[OrderedDict[int, Hook]] = OrderedDict()
    forward_with_kwargs: ClassVar[dict[int, bool]] = {}
    forward_always: ClassVar[dict[int, bool]] = {}
    forward_pre: ClassVar[OrderedDict[int, Hook]] = OrderedDict()
    backward: ClassVar[OrderedDict[int, Hook]] = OrderedDict()
    backward_pre: ClassVar[OrderedDict[int, Hook]] = OrderedDict()

    @classmethod
    def numbers(cls) -> tuple[int, ...]:
        """Which hooks there are; a number is never used again."""
        return (*cls.forward, *cls.forward_pre, *cls.backward, *cls.backward_pre)


def register_module_forward_hook(
    hook: Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call hook(module, args, result) after `forward` of every module; it may return another result."""
    marks = [EveryModule.forward_with_kwargs] * with_kwargs + [EveryModule.forward_always] * always_call
    return lasting_hook(EveryModule.forward, hook, False, *marks)


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call hook(module, args) before `forward` of every module; it may return other arguments."""
    return lasting_hook(EveryModule.forward_pre, hook)


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """Call hook(module, grad_input, grad_output) when the gradients of a module's inputs are known."""
    return lasting_hook(EveryModule.backward, hook)


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call hook(module, grad_output) before the gradients of a module are computed."""
    return lasting_hook(EveryModule.backward_pre, hook)


class Hooks:
    """What a module has of hooks; they are called by `Module` in the order of registration."""

    _forward_hooks: OrderedDict[int, Hook]
    _forward_hooks_with_kwargs: dict[int, bool]
    _forward_hooks_always_called: dict[int, bool]
    _forward_pre_hooks: OrderedDict[int, Hook]
    _forward_pre_hooks_with_kwargs: dict[int, bool]
    _backward_hooks: OrderedDict[int, Hook]
    _backward_pre_hooks: OrderedDict[int, Hook]

    def _init_hooks(self) -> None:
        put = object.__setattr__
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
            put(self, name, OrderedDict())
        for name in ("_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs"):
            put(self, name, {})

    def register_forward_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args, result) after forward; it may return another result.

        `prepend`: before the other hooks. `with_kwargs`: hook(module, args, kwargs, result). `always_call`: also when
        forward or another hook raises, with None for the result.
        """
        marks = [self._forward_hooks_with_kwargs] * with_kwargs + [self._forward_hooks_always_called] * always_call
        return lasting_hook(self._forward_hooks, hook, prepend, *marks)

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args) before forward; it may return other arguments.

        `prepend`: before the other hooks. `with_kwargs`: hook(module, args, kwargs), which returns None or both.
        """
        marks = [self._forward_pre_hooks_with_kwargs] * with_kwargs
        return lasting_hook(self._forward_pre_hooks, hook, prepend, *marks)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) when the gradients of the inputs are known; it may replace them.

        Both are tuples with one entry per positional argument (or result), None for those without a gradient.
        """
        return lasting_hook(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_output) before the gradients of the module are computed; it may replace them."""
        return lasting_hook(self._backward_pre_hooks, hook, prepend)

    def register_backward_hook(self, hook: Hook) -> RemovableHandle:
        """The same as `register_full_backward_hook`."""
        return self.register_full_backward_hook(hook)


def before_forward(module: Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The arguments that the hooks leave."""
    for number, hook in (*EveryModule.forward_pre.items(), *module._forward_pre_hooks.items()):
        with_kwargs = number in module._forward_pre_hooks_with_kwargs
        changed = hook(module, args, kwargs) if with_kwargs else hook(module, args)
        if changed is None:
            continue
        if not with_kwargs:
            args = changed if isinstance(changed, tuple) else (changed,)
        elif isinstance(changed, tuple) and len(changed) == 2:
            args, kwargs = changed
        else:
            raise RuntimeError(
                f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}."
            )
    return args, kwargs


def after_forward(
    module: Module, args: Any, kwargs: dict[str, Any], result: Any, called: set[int], only_always: bool = False
) -> Any:
    """The result that the hooks leave. `called` collects their numbers; `only_always`: call just those that must be."""
    for number, hook in (*EveryModule.forward.items(), *module._forward_hooks.items()):
        always = number in module._forward_hooks_always_called or number in EveryModule.forward_always
        if number in called or (only_always and not always):
            continue
        called.add(number)
        with_kwargs = number in module._forward_hooks_with_kwargs or number in EveryModule.forward_with_kwargs
        changed = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
        result = result if changed is None else changed
    return result
