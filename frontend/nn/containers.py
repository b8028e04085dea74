"""Modules that hold modules."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from ingot.nn.module import Module, indented
from ingot.runtime.errors import OutOfRangeError
from ingot.source_lines import user_line

List = TypeVar("List", bound="_Numbered")


class _Numbered(Module):
    """Modules under the names "0", "1", ..."""

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __len__(self) -> int:
        return len(self._modules)

    def __contains__(self, module: object) -> bool:
        return any(module is known for known in self)

    def __reversed__(self) -> Iterator[Any]:
        return iter(list(self)[::-1])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.like(list(self._modules.items())[index])
        return self._modules[self.name_at(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self.name_at(index), module)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)
        gone = names[index] if isinstance(index, slice) else [self.name_at(index)]
        self.fill([(name, module) for name, module in self._modules.items() if name not in gone])

    def __iadd__(self: List, other: Iterable[Any]) -> List:
        return self.extend(other)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]

    def name_at(self, index: int) -> str:
        """The name of the module at a position; negative ones count from the end. Raises IndexError."""
        names = list(self._modules)
        if not -len(names) <= operator.index(index) < len(names):
            raise OutOfRangeError("IG223", f"index {index} is out of range for {len(names)} modules", where=user_line())
        return names[index]

    def like(self: List, entries: list[tuple[str, Any]]) -> List:
        """Another container of this kind with these modules."""
        made: List = type(self)()
        made.fill(entries)
        return made

    def fill(self, entries: list[tuple[str, Any]]) -> None:
        """Hold exactly these modules; the names that are numbers are given anew."""
        for name in list(self._modules):
            delattr(self, name)
        for position, (name, module) in enumerate(entries):
            self.register_module(str(position) if name.isdigit() else name, module)

    def append(self: List, module: Any) -> List:
        """Add a module at the end."""
        self.register_module(str(len(self)), module)
        return self

    def extend(self: List, modules: Iterable[Any]) -> List:
        """Add modules at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend should be called with an iterable, but got {type(modules).__name__}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def _insert(self, index: int, module: Any) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"module should be of type: {Module}")
        entries = list(self._modules.items())
        entries.insert(index, (str(index), module))
        self.fill(entries)

    def pop(self, key: int) -> Any:
        """Take a module out."""
        module = self[key]
        del self[key]
        return module


class Sequential(_Numbered):
    """Modules one after another, numbered or named by an OrderedDict."""

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = len(args) == 1 and isinstance(args[0], OrderedDict)
        for name, module in args[0].items() if named else ((str(i), m) for i, m in enumerate(args)):
            self.register_module(name, module)

    def forward(self, input: Any) -> Any:
        """Each module on the result of the one before."""
        for module in self:
            input = module(input)
        return input

    def like(self, entries: list[tuple[str, Any]]) -> Any:
        """As PyTorch's slices, which keep the names."""
        return type(self)(OrderedDict(entries))

    def insert(self, index: int, module: Any) -> Sequential:
        """Add a module before the one at `index`. Raises IndexError for a place outside."""
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        self._insert(index, module)
        return self

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")
        return Sequential(*self, *other)

    def __iadd__(self, other: Any) -> Any:  # type: ignore[misc]
        if not isinstance(other, Iterable):
            raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")
        return self.extend(other)

    def __mul__(self, count: int) -> Sequential:
        return Sequential(*[module for _ in range(self._times(count)) for module in self])

    __rmul__ = __mul__

    def __imul__(self, count: int) -> Sequential:
        return self.extend([module for _ in range(self._times(count) - 1) for module in list(self)])

    def _times(self, count: int) -> int:
        if not isinstance(count, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(count)}")
        if count <= 0:
            raise ValueError(f"Non-positive multiplication factor {count} for {type(self)}")
        return count


class ModuleList(_Numbered):
    """A list of modules."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(() if modules is None else modules)

    def insert(self, index: int, module: Any) -> None:
        """Add a module before the one at `index`."""
        self._insert(index, module)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        """Equal neighbours are shown once, as PyTorch shows them."""
        texts = [repr(module) for module in self]
        lines: list[str] = []
        first = 0
        for position, text in enumerate(texts):
            if position + 1 < len(texts) and texts[position + 1] == text:
                continue
            alone = first == position
            shown = f"({first}): {text}" if alone else f"({first}-{position}): {position - first + 1} x {text}"
            lines.append(indented(shown))
            first = position + 1
        name = type(self).__name__
        return f"{name}(\n  " + "\n  ".join(lines) + "\n)" if lines else f"{name}()"


class ModuleDict(Module):
    """Modules by name."""

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        self.update({} if modules is None else modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.register_module(key, module)

    def __delitem__(self, key: str) -> None:
        delattr(self, key)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._modules))

    def __len__(self) -> int:
        return len(self._modules)

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Any]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """(name, module)."""
        return self._modules.items()

    def update(self, modules: Any) -> None:
        """Add modules from a mapping or from (name, module) pairs."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleDict.update should be called with an iterable of key/value pairs, but got "
                f"{type(modules).__name__}"
            )
        for name, module in modules.items() if isinstance(modules, Mapping | ModuleDict) else modules:
            self.register_module(name, module)

    def pop(self, key: str) -> Any:
        """Take a module out."""
        module = self[key]
        del self[key]
        return module

    def clear(self) -> None:
        """Take all modules out."""
        for name in list(self._modules):
            del self[name]
