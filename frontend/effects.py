"""Side effects in Python that a compiled function would not repeat: found by comparing state before and after a trace.

Looked at: what the function (and the user's functions that it refers to) reaches through closures and globals, when it
is a list, dict, set or plain object; and the random generators of Python and NumPy.
"""

from __future__ import annotations

import dis
import sys
import types
from typing import Any

from ingot.core import TensorBase, is_traced
from ingot.reach import ITEMS, code_of, nested_codes, reach
from ingot.runtime.errors import TraceError
from ingot.source_lines import describe, is_internal


def _snapshot(value: Any) -> Any:
    """What can be compared later; None for values that cannot change, and for those that watch themselves."""
    if getattr(value, "refuses_changes_in_traces", False):
        return None
    if isinstance(value, list):
        return (len(value), [id(item) for item in value[:ITEMS]], list(value[:ITEMS]))
    if isinstance(value, dict):
        return (len(value), [(key, id(item)) for key, item in list(value.items())[:ITEMS]], dict(value))
    if isinstance(value, set):
        return (len(value), {id(item) for item in value}, set(value))
    return None


def _attributes(value: Any) -> dict[str, Any] | None:
    """The attributes of a plain object of a class of the user's."""
    kind = type(value)
    if isinstance(value, type | types.ModuleType | types.FunctionType | types.MethodType | TensorBase):
        return None
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    if file is None or is_internal(file) or not hasattr(value, "__dict__") or kind.__module__ == "builtins":
        return None
    found: dict[str, Any] = vars(value)
    return found


class Watch:
    """State before a trace, to be compared after it."""

    def __init__(self, fn: Any, name: str) -> None:
        self.fn = fn
        self.name = name
        self.kept: list[tuple[str, Any, Any]] = []
        self.named: list[tuple[str, Any]] = []
        reached = reach(fn)
        for attribute in reached.attributes:
            self._keep(attribute.label, attribute.value)
        for label, value, _ in reached.names:
            self.named.append((label, value))
            self._keep(label, value)
            attributes = _attributes(value)
            if attributes is not None:
                self._keep(f"{label}.__dict__", attributes)
                for key, item in list(attributes.items()):
                    self._keep(f"{label}.{key}", item)
        self.random = _random_states()

    def _keep(self, label: str, value: Any) -> None:
        state = _snapshot(value)
        if state is not None:
            self.kept.append((label, value, state))

    def check(self) -> None:
        """Raises TraceError: IG189 for changed Python state, IG190 for random numbers drawn from Python or NumPy."""
        for label, value, before in self.kept:
            after = _snapshot(value)
            if after[:2] != before[:2]:
                raise self._changed(label, value, before[2])
        if _random_states() != self.random:
            raise TraceError(
                "IG190",
                f"{self.name} drew numbers from Python's or NumPy's random generator; compiled code would repeat them",
                where=self._where("random", "np", "numpy"),
                fix="ingot.rand(...), ingot.randint(...): their generator is part of the compiled function",
            )

    def _changed(self, label: str, value: Any, before: Any) -> TraceError:
        kind = type(value).__name__
        traced = [item for item in _items(value) if isinstance(item, TensorBase) and is_traced(item)]
        what = f"{self.name} changed {label}, a {kind} from outside, while it was traced"
        detail = ["compiled code does not run the Python statement again"]
        if traced:
            detail.insert(0, f"it now holds a traced tensor {traced[0]._layout!r}, which ends with the trace")
        error = TraceError(
            "IG189",
            what,
            where=self._where(label.split(".")[0]),
            detail=detail,
            fix=f"return the value and change {label} outside, or keep state in a tensor and write to it in place",
        )
        _restore(value, before)
        return error

    def _where(self, *names: str) -> str | None:
        """The first line of the function that mentions one of the names, or its first line."""
        code = code_of(self.fn)
        if code is None:
            return None
        for inner in nested_codes(code):
            for instruction in dis.get_instructions(inner):
                position = instruction.positions
                if instruction.argval in names and position is not None and position.lineno is not None:
                    return describe(inner.co_filename, position.lineno)
        return describe(code.co_filename, code.co_firstlineno)


def _items(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else list(value)


def _restore(value: Any, before: Any) -> None:
    """Undo the change, so that no traced tensor stays behind."""
    if isinstance(value, list):
        value[:] = before
    else:
        value.clear()
        value.update(before)


def _random_states() -> tuple[Any, ...]:
    """The states of Python's and NumPy's global generators, if they are loaded."""
    states: list[Any] = []
    generator = sys.modules.get("random")
    if generator is not None:
        states.append(hash(generator.getstate()))
    mtrand = sys.modules.get("numpy.random")
    if mtrand is not None:
        state = mtrand.get_state(legacy=False)["state"]
        states.append((state["key"].tobytes(), state["pos"]))
    return tuple(states)
