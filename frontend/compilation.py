"""`ingot.compile`: PyTorch's name and arguments for `ingot.jit`, for functions and for modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ingot.jit import jit
from ingot.nn.module import Module
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line


class OptimizedModule(Module):
    """A module whose calls run compiled code. Its parameters, mode and other attributes are those of `_orig_mod`."""

    def __init__(self, module: Module) -> None:
        super().__init__()
        self._orig_mod = module
        self.training = module.training
        object.__setattr__(self, "_compiled", jit(module))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's call, compiled."""
        return self._compiled(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("_orig_mod"), name)


def compile(
    model: Callable[..., Any] | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = "inductor",
    mode: str | None = None,
    options: Any = None,
    disable: bool = False,
) -> Any:
    """Compile a function or a module; without one, a decorator. See `ingot.jit`.

    Code is always compiled as one graph and for the shapes it is called with; `fullgraph`, `dynamic`, `mode` and
    `options` are PyTorch's choices between ways that ingot does not have. Raises SpecError (IG217) for a backend that
    is a function.
    """
    if model is None:
        return lambda fn: compile(fn, backend=backend, disable=disable)
    if callable(backend):
        raise SpecError("IG217", "compile: a backend of your own cannot be called", where=user_line())
    if disable or backend == "eager":
        return model
    return OptimizedModule(model) if isinstance(model, Module) else jit(model)
