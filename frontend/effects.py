"""Side effects in Python that a compiled function would not repeat: found by comparing state before and after a trace.

Looked at: what the function (and the user's functions that it refers to) reaches through closures and globals, and
what it is called with: the names themselves, containers, plain objects, iterators, and random generators of Python and
NumPy.
"""

from __future__ import annotations

import dis
import itertools
import operator
import pickle
import sys
import types
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from ingot.core import TensorBase, is_traced
from ingot.reach import ITEMS, Attribute, code_of, nested_codes, reach
from ingot.runtime.errors import TraceError
from ingot.source_lines import describe, is_internal


def _snapshot(value: Any) -> Any:
    """What can be compared later; None for values that cannot change, and for those that watch themselves."""
    if getattr(type(value), "refuses_changes_in_traces", False):
        return None
    if isinstance(value, list | deque):
        first = list(itertools.islice(value, ITEMS))
        return (len(value), [id(item) for item in first], first)
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


def _position(value: Any) -> Any:
    """How far an iterator has come, as far as it tells; None for what is no iterator."""
    if not isinstance(value, Iterator):
        return None
    if isinstance(value, types.GeneratorType):
        frame = value.gi_frame
        return frame and (frame.f_lasti, [id(item) for item in frame.f_locals.values()])
    return repr(value) if isinstance(value, itertools.count) else operator.length_hint(value, -1)


def _generator_state(value: Any) -> Any:
    """The state of a random generator of Python's or NumPy's, None for anything else."""
    python, numpy = sys.modules.get("random"), sys.modules.get("numpy.random")
    if python is not None and type(value) is python.Random:
        return value.getstate()
    if numpy is not None and isinstance(value, numpy.Generator):
        return pickle.dumps(value.bit_generator.state)
    if numpy is not None and isinstance(value, numpy.RandomState):
        return pickle.dumps(value.get_state(legacy=False))
    return None


class Watch:
    """State before a trace, to be compared after it. `arguments` are the labelled ones that are no tensors."""

    def __init__(self, fn: Any, name: str, arguments: Sequence[tuple[str, Any]] = ()) -> None:
        self.fn = fn
        self.name = name
        self.kept: list[tuple[str, Any, Any]] = []
        self.named: list[tuple[str, Any]] = []
        self.iterators: list[tuple[str, Any, Any]] = []
        self.generators: list[tuple[str, Any, Any]] = []
        reached = reach(fn, tuple(arguments))
        self.bound = [n for n in reached.names if n.where is not None]
        self.owned = [a for a in reached.attributes if _variables_of(a) is not None]
        for label, container in reached.containers:
            self._keep(label, container)
        for attribute in reached.attributes:
            self._keep(attribute.label, attribute.value)
        for label, value in arguments:
            self._keep(label, value)
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
        position = _position(value)
        if position is not None:
            self.iterators.append((label, value, position))
        drawn = _generator_state(value)
        if drawn is not None:
            self.generators.append((label, value, drawn))

    def check(self) -> None:
        """Raises TraceError: IG189 for changed Python state, IG190 for random numbers drawn from Python or NumPy."""
        for label, value, before in self.kept:
            after = _snapshot(value)
            if after[:2] != before[:2]:
                raise self._changed(label, value, before[2])
        self._check_bindings()
        for label, value, position in self.iterators:
            if _position(value) != position:
                raise self._not_repeated(f"took items from {label}, an iterator", label, "an argument for each item")
        if _random_states() != self.random:
            raise self._drew("Python's or NumPy's random generator", "random", "np", "numpy")
        for label, value, drawn in self.generators:
            if _generator_state(value) != drawn:
                raise self._drew(f"{label}, a random generator", label, label.split(".")[-1])

    def _check_bindings(self) -> None:
        """Names and attributes still stand for what they stood for; put back if not."""
        for name in self.bound:
            cell = isinstance(name.where, types.CellType)
            now = _contents(name.where) if cell else name.where.get(name.label)  # type: ignore[union-attr]
            if now is not name.value:
                if isinstance(name.where, types.CellType):
                    name.where.cell_contents = name.value
                elif name.where is not None:
                    name.where[name.label] = name.value
                raise self._not_repeated(f"gave {name.label}, a name from outside, another value", name.label)
        for attribute in self.owned:
            variables = _variables_of(attribute)
            if variables is not None and variables.get(attribute.name) is not attribute.value:
                setattr(attribute.owner, attribute.name, attribute.value)
                raise self._not_repeated(f"set {attribute.label}", attribute.name)

    def changed_arguments(self) -> TraceError:
        """The error for a list or dict among the arguments that has other items than before."""
        return TraceError(
            "IG189",
            f"{self.name} changed a list or dict that it was given, while it was traced",
            where=self._where("append", "extend", "insert", "pop", "update", "setdefault", "remove", "clear"),
            detail=["compiled code does not run the Python statement again"],
            fix="return what is new, and change the list or dict outside",
        )

    def _drew(self, source: str, *names: str) -> TraceError:
        return TraceError(
            "IG190",
            f"{self.name} drew numbers from {source}; compiled code would repeat them",
            where=self._where(*names),
            fix="ingot.rand(...), ingot.randint(...): their generator is part of the compiled function",
        )

    def _not_repeated(self, what: str, label: str, fix: str | None = None) -> TraceError:
        return TraceError(
            "IG189",
            f"{self.name} {what}, while it was traced",
            where=self._where(label, label.split(".")[0], label.split(".")[-1]),
            detail=["compiled code does not run the Python statement again"],
            fix=fix or f"return the value and set {label} outside, or keep state in a tensor and write to it in place",
        )

    def _changed(self, label: str, value: Any, before: Any) -> TraceError:
        if label.endswith(".__dict__"):
            owner = label.removesuffix(".__dict__")
            name = next((key for key, item in value.items() if before.get(key, self) is not item), "attributes")
            _restore(value, before)
            return self._not_repeated(f"set {owner}.{name}", name)
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


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _variables_of(attribute: Attribute) -> Any:
    """Where an attribute of an object or class of the user's is kept; None if it is not one of these."""
    owner = attribute.owner
    if getattr(type(owner), "refuses_changes_in_traces", False):
        return None
    if isinstance(owner, type):
        return vars(owner) if attribute.name in vars(owner) else None
    return attribute.variables if _attributes(owner) is not None else None


def _items(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else list(value)


def _restore(value: Any, before: Any) -> None:
    """Undo the change, so that no traced tensor stays behind."""
    value.clear()
    if isinstance(value, list | deque):
        value.extend(before)
    else:
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
