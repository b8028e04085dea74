"""Modules that hold parameters: tensors that are none become some, other values stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ingot.core import TensorBase
from ingot.nn.module import Module
from ingot.tensor import Parameter


def _held(value: Any) -> Any:
    if isinstance(value, TensorBase) and not isinstance(value, Parameter):
        return Parameter(value.detach())  # type: ignore[attr-defined]
    return value


class _Holder(Module):
    """Values under names; those that are tensors are parameters."""

    def __init__(self) -> None:
        super().__init__()
        # In the order in which they were added; the values are attributes.
        self._names: dict[str, None] = {}

    def _put(self, name: str, value: Any) -> None:
        self._names[name] = None
        setattr(self, name, _held(value))

    def __repr__(self) -> str:
        lines = [f"  ({name}): {self._shown(getattr(self, name))}" for name in self._names]
        # As PyTorch shows them: a single line stays on that of the name.
        text = "".join(f"\n  {line}" for line in lines) + "\n" if len(lines) > 1 else "".join(lines)
        return f"{self._get_name()}({text})"

    def _shown(self, value: Any) -> str:
        if not isinstance(value, TensorBase):
            return f"Object of type: {type(value).__name__}"
        kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
        sizes = "x".join(str(n) for n in value._layout.shape)
        return f"{kind} containing: [{self._kind(value)} of size {sizes}]"

    def _kind(self, value: Any) -> Any:
        return value.dtype


class ParameterList(_Holder):
    """A list of parameters."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(() if values is None else values)

    def __iter__(self) -> Iterator[Any]:
        return iter([getattr(self, name) for name in self._names])

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return getattr(self, self._name_at(index))

    def __setitem__(self, index: int, value: Any) -> None:
        self._put(self._name_at(index), value)

    def _name_at(self, index: int) -> str:
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"index {index} is out of range")
        return str(index % size)

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]

    def append(self, value: Any) -> ParameterList:
        """Add a value at the end."""
        self._put(str(len(self)), value)
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add values at the end."""
        if not isinstance(values, Iterable) or isinstance(values, TensorBase):
            raise TypeError(f"ParameterList.extend should be called with an iterable, but got {type(values).__name__}")
        for value in list(values):
            self.append(value)
        return self


class ParameterDict(_Holder):
    """Parameters by name."""

    def _kind(self, value: Any) -> Any:
        return value.type()

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self.update({} if parameters is None else parameters)

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"a key of a ParameterDict is a string, not {key!r} of type {type(key).__name__}")
        self._put(key, value)

    def __delitem__(self, key: str) -> None:
        if key not in self._names:
            raise KeyError(key)
        del self._names[key]
        delattr(self, key)

    def __contains__(self, key: object) -> bool:
        return key in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._names))

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._names))

    def __len__(self) -> int:
        return len(self._names)

    def __or__(self, other: ParameterDict) -> ParameterDict:
        made = self.copy()
        made.update(other)
        return made

    def __ior__(self, other: ParameterDict) -> ParameterDict:
        self.update(other)
        return self

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._names.keys()

    def values(self) -> Iterable[Any]:
        """The parameters."""
        return [self[name] for name in self._names]

    def items(self) -> Iterable[tuple[str, Any]]:
        """(name, parameter)."""
        return [(name, self[name]) for name in self._names]

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter of a name, or something else."""
        return self[key] if key in self._names else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The parameter of a name, which is added if there is none."""
        if key not in self._names:
            self[key] = default
        return self[key]

    def pop(self, key: str) -> Any:
        """Take a parameter out."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Take out what was added last."""
        if not self._names:
            raise KeyError("popitem(): the ParameterDict is empty")
        name = next(reversed(self._names))
        return name, self.pop(name)

    def clear(self) -> None:
        """Take all parameters out."""
        for name in list(self._names):
            del self[name]

    def copy(self) -> ParameterDict:
        """Another one with the same parameters."""
        return ParameterDict(dict(self.items()))

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """Another one with one value under all these names."""
        return ParameterDict(dict.fromkeys(keys, default))

    def update(self, parameters: Any) -> None:
        """Add parameters from a mapping or from (name, parameter) pairs."""
        if not isinstance(parameters, Iterable):
            raise TypeError(
                "ParameterDict.update should be called with an iterable of key/value pairs, but got "
                f"{type(parameters).__name__}"
            )
        pairs = parameters.items() if isinstance(parameters, Mapping | ParameterDict) else parameters
        for name, value in list(pairs):
            self[name] = value
