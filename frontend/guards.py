"""What a compiled function depends on besides its arguments, and the check that it is still the same.

Two kinds. References through closures and globals are looked up again at every call, because nothing announces that
they changed. Modules, gradient mode and defaults announce their changes by the epoch, and are looked at after one.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from ingot.core import TensorBase
from ingot.effects import references
from ingot.modes import Defaults
from ingot.runtime.dispatch_safe import same
from ingot.source_lines import is_internal

_SCALARS = (bool, int, float, complex, str, bytes, type(None))


class Reference(NamedTuple):
    """A name that the function reads, the value it had, and how to look it up again."""

    name: str
    value: Any
    again: Callable[[], Any]

    def now(self) -> Any:
        """The value that the name has now; None for an emptied closure cell."""
        try:
            return self.again()
        except ValueError:
            return None

    def holds(self) -> bool:
        """Whether the name still has the value: the same object, or an equal number or string."""
        value = self.now()
        return value is self.value or (isinstance(self.value, (*_SCALARS, tuple)) and same(value, self.value))


class Environment(NamedTuple):
    """Everything of the second kind, as it was."""

    default_dtype: Any
    modules: tuple[tuple[Any, tuple[Any, ...]], ...]
    requires_grad: tuple[tuple[Any, bool], ...]

    def holds(self) -> bool:
        """Whether all of it is as it was."""
        return self.changed() is None

    def changed(self) -> str | None:
        """What is not as it was, in words."""
        if Defaults.dtype is not self.default_dtype:
            return f"the default dtype is now {Defaults.dtype}, before {self.default_dtype}"
        for module, state in self.modules:
            if not _same_state(module.guard_state(), state):
                return f"an attribute of a {type(module).__name__} has changed"
        for tensor, flag in self.requires_grad:
            if tensor._requires_grad is not flag:
                return f"a captured {tensor._layout!r} now has requires_grad={not flag}"
        return None


def environment(modules: tuple[Any, ...], tensors: list[Any]) -> Environment:
    """The present environment of a function that ran these modules and captured these tensors."""
    return Environment(
        Defaults.dtype,
        tuple((module, module.guard_state()) for module in modules),
        tuple((tensor, tensor._requires_grad) for tensor in tensors),
    )


def _same_state(now: tuple[Any, ...], before: tuple[Any, ...]) -> bool:
    return len(now) == len(before) and all(a[0] == b[0] and same(a[1], b[1]) for a, b in zip(now, before, strict=True))


def referenced(fn: Any) -> list[Reference]:
    """What must be looked up again at every call: names that may be bound to other values. Functions, classes and
    modules are taken to stay what they are."""
    found: list[Reference] = []
    for name, value, again in references(fn):
        if isinstance(value, type | types.ModuleType | types.FunctionType | types.BuiltinFunctionType):
            continue
        if name == "self" or (callable(value) and is_internal(type(value).__module__)):
            continue
        if name == fn.__name__ or (name.startswith("__") and name.endswith("__")):
            continue
        found.append(Reference(name, value, again))
        found.extend(_attributes(fn, name, value))
    return found


def _attributes(fn: Any, name: str, value: Any) -> list[Reference]:
    """Numbers and strings that a plain object holds under names which the function mentions."""
    if isinstance(value, TensorBase) or not hasattr(value, "__dict__") or hasattr(value, "_parameters"):
        return []
    code = getattr(fn, "__code__", None)
    mentioned = set(code.co_names) if code is not None else set()
    attributes = vars(value)
    return [
        Reference(f"{name}.{key}", item, partial(attributes.get, key))
        for key, item in list(attributes.items())
        if key in mentioned and isinstance(item, _SCALARS)
    ]


def checker(references_: list[Reference]) -> Callable[[], bool] | None:
    """A function that tells whether all references hold; None when there are none."""
    if not references_:
        return None
    tests = [reference.holds for reference in references_]

    def holds() -> bool:
        return all(test() for test in tests)

    return holds


def first_changed(references_: list[Reference]) -> Reference | None:
    """The first reference that does not hold any more."""
    return next((reference for reference in references_ if not reference.holds()), None)
