"""Names of a package that are imported when they are first asked for."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy(package: str, modules: str = "", names: Mapping[str, str] | None = None) -> Callable[[str], Any]:
    """A `__getattr__` for a package: finds the package's own modules, and names of other modules, {module: its names}.

    Names are separated by spaces. Type checkers do not follow them: the same imports stand beside the table, under
    `if TYPE_CHECKING`.
    """
    places: dict[str, str | None] = dict.fromkeys(modules.split())
    for module, several in (names or {}).items():
        places.update(dict.fromkeys(several.split(), module))

    def found(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = places[name]
        if module is None:
            return importlib.import_module(f"{package}.{name}")
        value = getattr(importlib.import_module(module), name)
        setattr(sys.modules[package], name, value)
        return value

    return found
