"""What a compiled function depends on besides its arguments, and the check that it is still the same.

Two kinds. Names in closures and globals, and attributes of plain objects, are looked up again at every call by the call
path itself, because nothing announces that they changed. Modules, optimisers and defaults announce their changes by the
epoch, and are looked at after one.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Sequence, Set
from typing import Any, NamedTuple

from ingot.attributes import kept_of
from ingot.autograd.hooks import hook_key
from ingot.core import TensorBase
from ingot.modes import Defaults, modes
from ingot.reach import CONSTANTS, ITEMS, Attribute, Name, is_library, is_module, reach
from ingot.runtime.dispatch_safe import find, fits, same
from ingot.runtime.specialise import (
    AttributeGuard,
    CellGuard,
    DictGuard,
    Guard,
    IdentityGuard,
    ItemGuard,
    ListGuard,
    Lookup,
    PredicateGuard,
    TupleGuard,
    guard_value,
)

_CONTAINERS = (list, tuple, dict)
# Containers that are compared with a copy of what they held.
_COMPARED = (set, deque)
_MAX_DEPTH = 50


class Reference(NamedTuple):
    """Something that the function reads by itself: what it is called, and how the call path looks it up again."""

    name: str
    value: Any
    lookup: Lookup

    def holds(self) -> bool:
        """Whether it is as it was: the same object, an equal constant, or a container of such."""
        return self.changed() is None

    def changed(self) -> str | None:
        """What is not as it was, in words."""
        try:
            value = find(self.lookup)
        except Exception:
            return f"{self.name} is gone"
        if fits(self.lookup.guard, value):
            return None
        if value is self.value:
            return f"{self.name}, a {type(value).__name__}, holds something else"
        return f"{self.name} is now {value!r:.60}, before {self.value!r:.60}"


class Environment(NamedTuple):
    """Everything of the second kind, as it was."""

    default_dtype: Any
    modules: tuple[tuple[Any, tuple[Any, ...]], ...]
    requires_grad: tuple[tuple[Any, bool, Any], ...]

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
        for tensor, flag, hooks in self.requires_grad:
            if tensor._requires_grad is not flag:
                return f"a captured {tensor._layout!r} now has requires_grad={not flag}"
            if hook_key(tensor) != hooks:
                return f"a captured {tensor._layout!r} has other hooks"
        return None


def environment(modules: tuple[Any, ...], tensors: list[Any]) -> Environment:
    """The present environment of a function that ran these modules and captured these tensors."""
    return Environment(
        Defaults.dtype,
        tuple((module, module.guard_state()) for module in modules),
        tuple((tensor, tensor._requires_grad, hook_key(tensor)) for tensor in tensors),
    )


def _same_state(now: tuple[Any, ...], before: tuple[Any, ...]) -> bool:
    return len(now) == len(before) and all(a[0] == b[0] and same(a[1], b[1]) for a, b in zip(now, before, strict=True))


def referenced(
    fn: Any, arguments: Sequence[tuple[str, Any]], watched: Sequence[Any], ran: Set[types.CodeType]
) -> list[Reference]:
    """What must be looked up again at every call of a function that is called with these objects and ran this code.
    Classes, modules and the code of installed packages are taken to stay what they are; `watched` are the objects of
    the environment."""
    announcing = {id(module) for module in watched}
    reached = reach(fn, tuple(arguments), ran)
    own = getattr(fn, "__name__", None)
    found = [
        Reference(name.label, name.value, _name_lookup(name))
        for name in reached.names
        if name.where is not None and name.label != own and not name.label.startswith("__") and _can_change(name.value)
    ]
    found += [
        Reference(attribute.label, attribute.value, _attribute_lookup(attribute))
        for attribute in reached.attributes
        if _can_change(attribute.value)
        and (
            _plain_kind(attribute.value) is not None
            or type(attribute.value) in _COMPARED
            or attribute.variables is None
            or not (is_module(attribute.owner) and id(attribute.owner) in announcing)
        )
    ]
    return found


def attributes_read(reads: Sequence[tuple[Any, str, Any]]) -> list[Reference]:
    """That attributes which compiled functions set are as they were read."""
    found = [(f"{type(module).__name__}.{name}", value, kept_of(module), name) for module, name, value in reads]
    return [
        Reference(label, value, ItemGuard(kept, name, contents_guard(value)))
        for label, value, kept, name in found
        if name in kept
    ]


def gradient_mode() -> Reference:
    """That gradient recording stays as it is in the calling thread."""
    enabled = modes.grad
    return Reference("is_grad_enabled()", enabled, AttributeGuard(modes, "grad", IdentityGuard(enabled)))


def _can_change(value: Any) -> bool:
    if isinstance(value, types.FunctionType):
        return not is_library(value.__code__.co_filename)
    return not isinstance(value, type | types.ModuleType | types.BuiltinFunctionType)


def _name_lookup(name: Name) -> Lookup:
    guard = contents_guard(name.value)
    if isinstance(name.where, types.CellType):
        return CellGuard(name.where, guard)
    assert name.where is not None
    return ItemGuard(name.where, name.label, guard)


def _attribute_lookup(attribute: Attribute) -> Lookup:
    guard = contents_guard(attribute.value)
    if attribute.variables is not None:
        return ItemGuard(attribute.variables, attribute.name, guard)
    return AttributeGuard(attribute.owner, attribute.name, guard)


def contents_guard(value: Any, enclosing: tuple[int, ...] = ()) -> Guard:
    """The guard of a constant by value, of a list, tuple or dict by what it holds, and of anything else by identity."""
    kind = type(value)
    if kind in _COMPARED and len(value) <= ITEMS:
        return PredicateGuard(_same_items(value))
    plain = _plain_kind(value)
    if plain is not None and kind is not plain and id(value) not in enclosing and len(value) <= ITEMS:
        return PredicateGuard(_same_kind(kind, plain, contents_guard(_bare(plain, value), (*enclosing, id(value)))))
    if kind not in _CONTAINERS:
        return IdentityGuard(value) if isinstance(value, TensorBase) else guard_value(value)
    if id(value) in enclosing or len(enclosing) > _MAX_DEPTH:
        return IdentityGuard(value)
    if len(value) > ITEMS:
        return PredicateGuard(_same_length(value))
    inside = (*enclosing, id(value))
    if kind is dict:
        if not all(type(key) in CONSTANTS for key in value):
            return IdentityGuard(value)
        return DictGuard(tuple([(key, contents_guard(item, inside)) for key, item in value.items()]))
    items = tuple([contents_guard(item, inside) for item in value])
    return TupleGuard(items) if kind is tuple else ListGuard(items)


def _plain_kind(value: Any) -> type | None:
    """Which of list, tuple and dict a value is, or is a kind of; those of ingot's own classes are none of them."""
    if type(value).__module__.partition(".")[0] == "ingot":
        return None
    return next((kind for kind in _CONTAINERS if isinstance(value, kind)), None)


def _bare(plain: Any, value: Any) -> Any:
    """The items in a plain container, whatever methods the class has."""
    return plain(dict.items(value) if plain is dict else plain.__iter__(value))


def _same_kind(kind: type, plain: Any, guard: Guard) -> Any:
    return lambda other: type(other) is kind and fits(guard, _bare(plain, other))


def _same_items(value: Any) -> Any:
    kept = value.copy()
    return lambda other: other is value and other == kept


def _same_length(value: Any) -> Any:
    length = len(value)
    return lambda other: other is value and len(other) == length
