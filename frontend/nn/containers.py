"""Modules that hold modules or parameters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from ingot.nn.module import Module, indented
from ingot.runtime.errors import OutOfRangeError
from ingot.source_lines import user_line
from ingot.tensor import Parameter

List = TypeVar("List", bound="_Numbered")


class _Numbered(Module):
    """Modules under the names "0", "1", ..."""

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __len__(self) -> int:
        return len(self._modules)

    def __contains__(self, module: object) -> bool:
        return any(module is known for known in self)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.like(list(self._modules.items())[index])
        return self._modules[self.name_at(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        self.register_module(self.name_at(index), module)

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
        if not -len(names) <= index < len(names):
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
        for module in list(modules):
            self.append(module)
        return self

    def insert(self: List, index: int, module: Any) -> List:
        """Add a module before the one at `index`."""
        entries = list(self._modules.items())
        entries.insert(index, (str(index), module))
        self.fill(entries)
        return self

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

    def __add__(self, other: Sequential) -> Sequential:
        return Sequential(*self, *other)

    def __mul__(self, count: int) -> Sequential:
        return Sequential(*[module for _ in range(count) for module in self])


class ModuleList(_Numbered):
    """A list of modules."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

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
        self.update(modules or {})

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


class ParameterList(Module):
    """A list of parameters; tensors that are none become some."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(values or ())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._parameters.values())

    def __len__(self) -> int:
        return len(self._parameters)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return ParameterList(list(self)[index])
        return list(self)[index]

    def __setitem__(self, index: int, value: Any) -> None:
        self.register_parameter(str(range(len(self))[index]), _parameter(value))

    def append(self, value: Any) -> ParameterList:
        """Add a parameter at the end."""
        self.register_parameter(str(len(self)), _parameter(value))
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add parameters at the end."""
        for value in values:
            self.append(value)
        return self


class ParameterDict(Module):
    """Parameters by name; tensors that are none become some."""

    def __init__(self, parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        for name, value in (parameters or {}).items():
            self[name] = value

    def __getitem__(self, key: str) -> Any:
        return self._parameters[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.register_parameter(key, _parameter(value))

    def __delitem__(self, key: str) -> None:
        delattr(self, key)

    def __contains__(self, key: str) -> bool:
        return key in self._parameters

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._parameters.keys()

    def values(self) -> Iterable[Any]:
        """The parameters."""
        return self._parameters.values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """(name, parameter)."""
        return self._parameters.items()


def _parameter(value: Any) -> Parameter:
    return value if isinstance(value, Parameter) else Parameter(value)
