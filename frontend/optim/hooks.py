"""Functions that run around the steps of optimisers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ingot.handles import RemovableHandle, lasting_hook
from ingot.runtime.errors import OperandError
from ingot.source_lines import user_line


class Hooks:
    """The hooks of one optimiser, and how often it has stepped as far as Python saw it."""

    def __init__(self) -> None:
        self.before_step: dict[Any, Any] = {}
        self.after_step: dict[Any, Any] = {}
        self.before_saving: dict[Any, Any] = {}
        self.after_saving: dict[Any, Any] = {}
        self.before_loading: dict[Any, Any] = {}
        self.after_loading: dict[Any, Any] = {}
        self.steps = 0
        self.inside = False


_before_any: dict[Any, Any] = {}
_after_any: dict[Any, Any] = {}


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(optimizer, args, kwargs) before each step of every optimiser."""
    return lasting_hook(_before_any, hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call hook(optimizer, args, kwargs) after each step of every optimiser."""
    return lasting_hook(_after_any, hook)


def with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """A `step` method that runs the hooks and counts. A step within a step (super().step()) is part of it."""

    @functools.wraps(step)
    def hooked(self: Any, *args: Any, **kwargs: Any) -> Any:
        hooks: Hooks | None = vars(self).get("_hooks")
        if hooks is None:
            # An optimiser around another one, which did not run Optimizer.__init__.
            hooks = self._hooks = Hooks()
        if hooks.inside:
            return step(self, *args, **kwargs)
        hooks.inside = True
        try:
            if _before_any or hooks.before_step:
                args, kwargs = _arguments(self, args, kwargs)
            result = step(self, *args, **kwargs)
        finally:
            hooks.inside = False
        hooks.steps += 1
        if _after_any or hooks.after_step:
            for hook in [*hooks.after_step.values(), *_after_any.values()]:
                hook(self, (self, *args), kwargs)
        return result

    return hooked


def _arguments(optimiser: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What the hooks before the step make of its arguments."""
    for hook in [*_before_any.values(), *optimiser._hooks.before_step.values()]:
        replaced = hook(optimiser, (optimiser, *args), kwargs)
        if replaced is None:
            continue
        if not isinstance(replaced, tuple) or len(replaced) != 2:
            raise OperandError(
                "IG396",
                f"{hook} must return None or a tuple of (new_args, new_kwargs), but got {replaced!r}",
                where=user_line(),
            )
        (_, *rest), kwargs = replaced
        args = tuple(rest)
    return args, kwargs
