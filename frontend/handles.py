"""Handles of hooks: what registering one returns."""

from __future__ import annotations

import itertools
from typing import Any

from ingot.modes import bump_epoch

_ids = itertools.count()


class RemovableHandle:
    """Removes a hook: `handle.remove()`, or at the end of a `with`. `id` is never used again."""

    def __init__(self, hooks: dict[int, Any], hook: Any, prepend: bool = False, *marks: dict[int, bool]) -> None:
        """Put the hook into `hooks`, in front of the others if `prepend`, and its number into every one of `marks`."""
        self.id = next(_ids)
        self.hooks = hooks
        self.marks = marks
        others = list(hooks.items()) if prepend else []
        if prepend:
            hooks.clear()
        hooks[self.id] = hook
        hooks.update(others)
        for mark in marks:
            mark[self.id] = True

    def remove(self) -> None:
        """Do not call the hook any more."""
        for known in (self.hooks, *self.marks):
            known.pop(self.id, None)
        bump_epoch()

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def lasting_hook(hooks: dict[int, Any], hook: Any, prepend: bool = False, *marks: dict[int, bool]) -> RemovableHandle:
    """Register a hook that compiled functions must notice, because it outlives the call that registers it."""
    bump_epoch()
    return RemovableHandle(hooks, hook, prepend, *marks)
