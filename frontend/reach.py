"""What a function reaches by itself: names in closures and globals, attributes of the plain objects that these name,
and through the methods of those objects and the user's functions that it calls, what they reach in turn.

Attributes are taken by name alone: any attribute of a reached object that any reached code mentions. Code of ingot, of
Python's library and of installed packages is taken to stay what it is.
"""

from __future__ import annotations

import contextlib
import cProfile
import dis
import os
import sys
import types
from collections.abc import Iterator, Set
from functools import lru_cache, partial
from typing import Any, NamedTuple

from ingot.core import TensorBase
from ingot.source_lines import is_internal

# A container with more items than this is not looked into.
ITEMS = 10_000
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_NAMED = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "STORE_GLOBAL")
# What runs without being mentioned when an object is called.
_IMPLIED = frozenset(("__call__", "forward"))
CONSTANTS = (bool, int, float, complex, str, bytes, type(None))


class Name(NamedTuple):
    """A name in a closure cell or in the globals `where`; None for an object that the function is bound to."""

    label: str
    value: Any
    where: types.CellType | dict[str, Any] | None


class Attribute(NamedTuple):
    """An attribute of an object, found in the dict `variables` that the object has; None for what the class keeps."""

    label: str
    name: str
    value: Any
    owner: Any
    variables: dict[str, Any] | None


class Reach(NamedTuple):
    """Everything that a function reaches by itself."""

    names: tuple[Name, ...]
    attributes: tuple[Attribute, ...]
    containers: tuple[tuple[str, Any], ...]


@contextlib.contextmanager
def executed() -> Iterator[set[types.CodeType]]:
    """Collects the code that runs inside. It stays empty where another profiler is at work, or takes over."""
    found: set[types.CodeType] = set()
    if sys.getprofile() is not None:
        yield found
        return
    profile = cProfile.Profile(subcalls=False, builtins=False)
    try:
        profile.enable()
    except ValueError:
        yield found
        return
    try:
        yield found
    finally:
        # From Python 3.12 on there can be just one, and this does not tell.
        current: Any = sys.getprofile()
        alone = sys.version_info >= (3, 12) or current is profile
        profile.disable()
    if alone:
        found.update([entry.code for entry in profile.getstats() if isinstance(entry.code, types.CodeType)])


def reach(fn: Any, objects: tuple[tuple[str, Any], ...] = (), ran: Set[types.CodeType] = frozenset()) -> Reach:
    """What a function reaches, also through labelled objects that it is called with.

    `ran`: the code that one call ran, if it is known. What other code reads, a call that finds everything as that one
    did cannot reach.
    """
    walk = _Walk(ran)
    walk.value("function", fn)
    for label, value in objects:
        walk.value(label, value)
    walk.finish()
    names = list(walk.names.values())
    bound = getattr(fn, "__self__", None)
    if bound is not None:
        names.append(Name("self", bound, None))
    return Reach(tuple(names), tuple(walk.attributes), tuple(walk.containers.values()))


def code_of(fn: Any) -> types.CodeType | None:
    """The code of a Python function or bound method, through functools.wraps and partial."""
    while fn is not None:
        code: types.CodeType | None = getattr(fn, "__code__", None)
        if code is not None:
            return code
        fn = _wrapped(fn)
    return None


def plain_function(fn: Any) -> Any:
    """The Python function behind a method, partial or wrapper."""
    while fn is not None and not isinstance(fn, types.FunctionType):
        fn = _wrapped(fn)
    return fn


def _wrapped(fn: Any) -> Any:
    return getattr(fn, "__wrapped__", None) or getattr(fn, "__func__", None) or getattr(fn, "func", None)


def nested_codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code object and those of the functions defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from nested_codes(constant)


@lru_cache(maxsize=1024)
def _mentioned(code: types.CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """The globals that code reads or binds, and all names in it, attributes among them."""
    codes = tuple(nested_codes(code))
    loads = [i.argval for one in codes for i in dis.get_instructions(one) if i.opname in _NAMED]
    return frozenset(loads), frozenset([name for one in codes for name in one.co_names])


@lru_cache(maxsize=1024)
def is_library(filename: str) -> bool:
    """Whether a file is ingot's, Python's, or part of an installed package."""
    installed = f"{os.sep}site-packages{os.sep}" in filename or f"{os.sep}dist-packages{os.sep}" in filename
    return installed or is_internal(filename) or filename.startswith(_LIBRARY)


def is_module(value: Any) -> bool:
    """Whether the value is an `nn.Module`, which announces changes of its own attributes."""
    return "_parameters" in _variables(value)


class _Walk:
    """The traversal: functions at once, objects until no code mentions a new attribute of theirs."""

    def __init__(self, ran: Set[types.CodeType]) -> None:
        self.ran = ran
        self.names: dict[tuple[int, str], Name] = {}
        self.attributes: list[Attribute] = []
        self.mentioned = set(_IMPLIED)
        self.functions: dict[int, Any] = {}
        self.containers: dict[int, tuple[str, Any]] = {}
        self.objects: dict[int, tuple[str, Any]] = {}
        self.looked_at: set[tuple[int, str]] = set()

    def finish(self) -> None:
        """Look at the attributes of objects, which leads to more code and more objects, until nothing is new."""
        seen = -1
        while seen < len(self.looked_at):
            seen = len(self.looked_at)
            for label, value in list(self.objects.values()):
                for name in sorted(self.mentioned):
                    if (id(value), name) not in self.looked_at:
                        self.looked_at.add((id(value), name))
                        if not self.own_attribute(label, value, name):
                            self.class_attribute(label, value, name)

    def value(self, label: str, value: Any) -> None:
        """Follow one value: code, a container, or an object."""
        kind = type(value)
        if isinstance(value, TensorBase):
            # Parameters may have attributes of the user's.
            if _variables(value):
                self.object(label, value)
            return
        if kind in CONSTANTS:
            return
        if isinstance(value, types.FunctionType | types.MethodType | partial) or "__wrapped__" in _variables(value):
            self.callable(label, value)
        elif kind is list or kind is tuple or kind is dict:
            self.container(label, value)
        else:
            if isinstance(value, list | tuple | dict):
                self.container(label, value)
            self.object(label, value)

    def callable(self, label: str, value: Any) -> None:
        """Follow a function, and what it is bound to."""
        function = plain_function(value)
        if function is not None:
            self.function(function)
        if isinstance(value, types.MethodType):
            self.value(f"{label}.__self__", value.__self__)
        elif isinstance(value, partial):
            for name in ("args", "keywords"):
                bound = getattr(value, name)
                if bound:
                    self.attributes.append(Attribute(f"{label}.{name}", name, bound, value, None))
                    self.container(f"{label}.{name}", bound)

    def container(self, label: str, value: Any) -> None:
        """Follow the items of a container, once."""
        if id(value) in self.containers or len(value) > ITEMS:
            return
        self.containers[id(value)] = label, value
        for key, item in list(dict.items(value)) if isinstance(value, dict) else enumerate(list(value)):
            self.value(f"{label}[{key!r}]" if isinstance(key, int | str) else f"{label}[...]", item)

    def object(self, label: str, value: Any) -> None:
        """Remember an object, and the modules in a module: code calls them without mentioning their names."""
        if id(value) in self.objects:
            return
        self.objects[id(value)] = (label, value)
        if is_module(value):
            self.container(label, vars(value)["_modules"])
            for name, parameter in vars(value)["_parameters"].items():
                self.value(f"{label}.{name}", parameter)

    def function(self, function: types.FunctionType) -> None:
        """Note the names that a function of the user's reads, once."""
        if id(function) in self.functions or is_library(function.__code__.co_filename):
            return
        if self.ran and function.__code__ not in self.ran:
            return
        self.functions[id(function)] = function
        loads, mentioned = _mentioned(function.__code__)
        self.mentioned |= {name for name in mentioned if not name.startswith("__")}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                self.name(Name(name, cell.cell_contents, cell))
            except ValueError:
                # The name is bound later.
                continue
        for name in ("__defaults__", "__kwdefaults__"):
            defaults = getattr(function, name)
            if defaults is not None:
                label = f"{function.__name__}.{name}"
                self.attributes.append(Attribute(label, name, defaults, function, None))
                self.container(label, defaults)
        variables = function.__globals__
        for name in sorted(loads & variables.keys()):
            self.name(Name(name, variables[name], variables))

    def name(self, name: Name) -> None:
        """Note a name, once, and follow its value."""
        if (id(name.where), name.label) not in self.names:
            self.names[id(name.where), name.label] = name
            self.value(name.label, name.value)

    def own_attribute(self, label: str, value: Any, name: str) -> bool:
        """Note an attribute that an object itself has, and follow it; whether it has one."""
        variables = _variables(value)
        if type(variables) is not dict or name not in variables:
            return False
        if not _is_library_module(value):
            item = variables[name]
            self.attributes.append(Attribute(f"{label}.{name}", name, item, value, variables))
            self.value(f"{label}.{name}", item)
        return True

    def class_attribute(self, label: str, value: Any, name: str) -> None:
        """Note an attribute that an object has from its class, and follow it. Nothing of the user's runs."""
        for kind in value.__mro__ if isinstance(value, type) else type(value).__mro__:
            kept = vars(kind).get(name)
            if kept is None or _is_library_class(kind):
                continue
            if isinstance(kept, property):
                self.value(f"{label}.{name}", kept.fget)
            elif isinstance(kept, staticmethod | classmethod):
                self.value(f"{label}.{name}", kept.__func__)
            elif isinstance(kept, types.FunctionType):
                self.function(kept)
            elif isinstance(kept, types.MemberDescriptorType):
                self.slot(label, value, name, kept)
            elif not hasattr(type(kept), "__get__"):
                self.attributes.append(Attribute(f"{label}.{name}", name, kept, value, None))
                self.value(f"{label}.{name}", kept)

    def slot(self, label: str, value: Any, name: str, kept: types.MemberDescriptorType) -> None:
        """Note what a slot of an object holds, and follow it."""
        try:
            item = kept.__get__(value)
        except (AttributeError, TypeError):
            return
        self.attributes.append(Attribute(f"{label}.{name}", name, item, value, None))
        self.value(f"{label}.{name}", item)


def _variables(value: Any) -> Any:
    try:
        return object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}


def _is_library_module(value: Any) -> bool:
    return isinstance(value, types.ModuleType) and is_library(getattr(value, "__file__", None) or _LIBRARY)


def _is_library_class(kind: type) -> bool:
    module = sys.modules.get(kind.__module__)
    return module is not None and module.__name__ != "__main__" and _is_library_module(module)
