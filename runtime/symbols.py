"""Native functions of this process that compiled code calls by name: one table for the whole process."""

import ctypes

from ingot.runtime import objects

_addresses: dict[str, int] = {}
_keepers: dict[str, object] = {}


def define(name: str, function: "int | ctypes._CFunctionType | ctypes._NamedFuncPointer") -> None:
    """Let programs that are loaded from here on call `function`, an address or a ctypes function, as `name`.

    Its type is `void (void *const *buffers)`. A ctypes function is kept alive; whoever gives an address sees to that.
    """
    _addresses[name] = function if isinstance(function, int) else objects.address_of(function)
    _keepers[name] = function


def addresses() -> dict[str, int]:
    """Every name defined so far with its address."""
    return dict(_addresses)
