"""Side effects in Python that a compiled function would not repeat: found by comparing state before and after a trace.

Looked at: what the function (and the user's functions that it refers to) reaches through closures and globals, when it
is a list, dict, set or plain object; and the random generators of Python and NumPy.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ingot.core import TensorBase, is_traced
from ingot.runtime.errors import TraceError
from ingot.source_lines import describe, is_internal

# A container with more items than this is compared by length alone.
_ITEMS = 10_000


def code_of(fn: Any) -> types.CodeType | None:
    """The code of a Python function or bound method, through functools.wraps and partial."""
    while fn is not None:
        code = getattr(fn, "__code__", None)
        if code is not None:
            return code  # type: ignore[no-any-return]
        fn = getattr(fn, "__wrapped__", None) or getattr(fn, "__func__", None) or getattr(fn, "func", None)
    return None


def plain_function(fn: Any) -> Any:
    """The Python function behind a method, partial or wrapper."""
    while fn is not None and not isinstance(fn, types.FunctionType):
        fn = getattr(fn, "__wrapped__", None) or getattr(fn, "__func__", None) or getattr(fn, "func", None)
    return fn


def nested_codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code object and those of the functions defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from nested_codes(constant)


def references(fn: Any) -> list[tuple[str, Any, Callable[[], Any]]]:
    """(name, value, how to look it up again) of what a function and the user's functions it names read from closures
    and globals."""
    found: list[tuple[str, Any, Callable[[], Any]]] = []
    seen: set[int] = set()
    stack = [fn]
    while stack:
        function = plain_function(stack.pop())
        if function is None or id(function) in seen or is_internal(function.__code__.co_filename):
            continue
        seen.add(id(function))
        for name, value, again in _names(function):
            found.append((name, value, again))
            if isinstance(value, types.FunctionType | types.MethodType):
                stack.append(value)
    bound = getattr(fn, "__self__", None)
    if bound is not None:
        found.append(("self", bound, lambda: bound))
    return found


def _names(function: types.FunctionType) -> Iterator[tuple[str, Any, Callable[[], Any]]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents, partial(getattr, cell, "cell_contents")
        except ValueError:
            continue
    variables = function.__globals__
    names = {name for code in nested_codes(function.__code__) for name in code.co_names}
    for name in sorted(names & variables.keys()):
        yield name, variables[name], partial(variables.get, name)


def _snapshot(value: Any) -> Any:
    """What can be compared later; None for values that cannot change."""
    if isinstance(value, list):
        return (len(value), [id(item) for item in value[:_ITEMS]], list(value[:_ITEMS]))
    if isinstance(value, dict):
        return (len(value), [(key, id(item)) for key, item in list(value.items())[:_ITEMS]], dict(value))
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
        for label, value, _ in references(fn):
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
        # Only needed for an error.
        import dis

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
