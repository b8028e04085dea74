"""Why a function is compiled again: what differs from the version that came closest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ingot.guards import Environment, Reference
from ingot.runtime.layout import Layout


def argument_difference(now: Any, before: Any, names: Sequence[str]) -> str:
    """The first difference between the keys of two calls: (tree, leaves, sharing)."""
    if now[0] != before[0]:
        return f"the arguments have another structure: now {now[0]}, before {before[0]}"
    for name, leaf, old in zip(names, now[1], before[1], strict=True):
        if leaf != old:
            return f"{name} is now {described(leaf)}, before {described(old)}"
    return "the arguments share memory otherwise than before"


def surroundings_difference(references: Sequence[Reference], environment: Environment) -> str:
    """What has changed outside of the arguments."""
    for reference in references:
        difference = reference.changed()
        if difference is not None:
            return difference
    changed = environment.changed()
    return changed if changed is not None else "a captured tensor has another shape, dtype or memory"


def described(leaf: tuple[Any, ...]) -> str:
    """A leaf's part of a key: a tensor's type, or a Python value."""
    if len(leaf) == 4 and isinstance(leaf[1], Layout):
        _, layout, (requires_grad, is_leaf), hooks = leaf
        kind = (" that requires grad" if is_leaf else " that was computed") if requires_grad else ""
        return f"{layout!r}{kind}{' and has hooks' if hooks else ''}"
    kind, value = leaf
    return repr(float.fromhex(value)) if kind is float else repr(value)
