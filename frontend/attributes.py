"""Attributes of modules that a compiled function sets: results of it, which every call puts back in their place.

A module keeps them apart from its other attributes, where reading them is seen: a function that reads what a compiled
function sets is guarded by what it read, and one that reads what it sets itself, before it does, cannot be compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ingot import tree
from ingot.core import TensorBase
from ingot.runtime.dtypes import DType

# Where a module keeps them.
KEPT = "_set_by_calls"
# What can be put back at every call, beside tensors.
_CONSTANTS = (bool, int, float, complex, str, bytes, type(None), DType)

Place = tuple[Any, str]


class Missing:
    """In the place of an attribute that is not there yet. The class itself is used, which copies keep."""


class AttributesMoved(Exception):
    """Attributes that the function sets were found among the other attributes of their modules, where reading them is
    not seen. They have been moved: the function must be traced again."""


class Kept(dict[str, Any]):
    """The attributes of a module that compiled functions set, by name."""

    # A trace watches these changes itself.
    refuses_changes_in_traces = True


def kept_of(module: Any) -> Kept:
    """The attributes of a module that compiled functions set."""
    kept: Kept = vars(module).setdefault(KEPT, Kept())
    return kept


def holds_tensors(value: Any) -> bool:
    """Whether there are tensors in the value, which may be others at the next call: results, or arguments."""
    return any(isinstance(leaf, TensorBase) for leaf in tree.leaves(value))


def can_be_kept(module: Any, name: str, value: Any) -> bool:
    """Whether a call can put the value back: tensors and constants, under a name that the class does not know."""
    return not hasattr(type(module), name) and all(map(_can_be_put_back, tree.leaves(value)))


def _can_be_put_back(leaf: Any) -> bool:
    # A Size is a leaf.
    return isinstance(leaf, (TensorBase, *_CONSTANTS)) or (
        isinstance(leaf, tuple) and all(type(size) is int for size in leaf)
    )


class Attributes:
    """What a trace does with such attributes."""

    def __init__(self) -> None:
        # By module id and name. The values keep the modules alive, so ids stay theirs.
        self.before: dict[tuple[int, str], tuple[Any, str, Any]] = {}
        self.reads: dict[tuple[int, str], tuple[Any, str, Any]] = {}
        # Modules made inside, whose attributes are nobody else's.
        self.made: dict[int, Any] = {}
        self.moved = False
        # Modules that the function set to training or evaluation, and what they were in before.
        self.switched: dict[int, tuple[Any, bool]] = {}
        self.training: list[tuple[Any, bool]] = []

    def read(self, module: Any, name: str, value: Any) -> None:
        """Note that the function sees the value from before the call."""
        if (id(module), name) not in self.before:
            self.reads.setdefault((id(module), name), (module, name, value))

    def was_read(self, module: Any, name: str) -> bool:
        """Whether the function saw the value from before the call."""
        return (id(module), name) in self.reads

    def put(self, module: Any, name: str, value: Any) -> None:
        """module.name = value, in effect when the compiled function has run."""
        kept = kept_of(module)
        if (id(module), name) not in self.before:
            among_others = name in vars(module)
            self.moved |= among_others
            before = vars(module).pop(name) if among_others else kept.get(name, Missing)
            self.before[id(module), name] = (module, name, before)
        kept[name] = value

    def switch(self, module: Any) -> None:
        """Note that the function sets `module.training`. The rest of the trace sees it; so does who calls it."""
        if id(module) not in self.made and "training" in vars(module):
            self.switched.setdefault(id(module), (module, module.training))

    def taken(self) -> list[Any]:
        """The values that were set, in order; the modules are as before. Raises AttributesMoved."""
        values = [kept_of(module)[name] for module, name, _ in self.before.values()]
        self.training = [(m, m.training) for m, before in self.switched.values() if m.training is not before]
        self.restore()
        if self.moved:
            raise AttributesMoved
        return values

    def restore(self) -> None:
        """Put back what was there before the trace."""
        for module, name, before in self.before.values():
            kept_of(module)[name] = before
        for module, training in self.switched.values():
            vars(module)["training"] = training

    def places(self) -> tuple[Place, ...]:
        """The attributes that were set, in order."""
        return tuple((module, name) for module, name, _ in self.before.values())


def set_all(places: Sequence[Place], values: Sequence[Any]) -> None:
    """Give attributes the values that a call left them with."""
    for (module, name), value in zip(places, values, strict=True):
        module.__dict__.pop(name, None)
        kept_of(module)[name] = value
