"""FILE:FUNCTION: import a file by its path and find a function in it."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ingot.aot import Traced
from ingot.jit import trace_specs
from ingot.runtime import flags
from ingot.runtime.errors import BuildError, IngotError, UnknownNameError
from ingot.source_lines import describe, is_internal


def load(reference: str) -> tuple[str, Callable[..., Any]]:
    """The function's name and the function. The file's own output goes to standard error.

    Raises UnknownNameError (IG701, IG702) where there is no such file or function, BuildError (IG701) where the file
    raises while it is imported.
    """
    path, separator, name = reference.rpartition(":")
    if not separator:
        path, name = reference, ""
    module = imported(file(path))
    if not name:
        raise UnknownNameError(
            "IG702", f"{reference} names no function", detail=offered(module), fix=f"{path}:FUNCTION"
        )
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise UnknownNameError("IG702", f"{path} has no function {name!r}", detail=offered(module, name))
        found = getattr(found, part)
    if not callable(found):
        raise UnknownNameError("IG702", f"{name} in {path} is no function but of type {type(found).__name__}")
    return name.replace(".", "_"), found


def file(path: str) -> Path:
    """The path of an existing file. Raises UnknownNameError (IG701)."""
    found = Path(path)
    if found.is_file():
        return found.resolve()
    folder = found.parent
    near = sorted(p.name for p in folder.glob("*.py")) if folder.is_dir() else []
    close = difflib.get_close_matches(found.name, near, 3)
    kind = "is a folder" if found.is_dir() else "does not exist"
    detail = [f"similar: {', '.join(str(folder / name) for name in close)}"] if close else []
    raise UnknownNameError("IG701", f"the file {path} {kind}", detail=detail)


def offered(module: ModuleType, name: str = "") -> list[str]:
    """What the file defines, likely candidates first."""
    own = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    defined = [key for key in own if getattr(getattr(module, key), "__module__", None) == module.__name__]
    close = difflib.get_close_matches(name, own, 3, 0.4)
    listed = list(dict.fromkeys([*close, *defined]))[:12]
    return [f"it has: {', '.join(listed)}"] if listed else ["it defines no function"]


@cache
def imported(path: Path) -> ModuleType:
    """The file as a module, run once. Its folder is importable meanwhile and after, as for `python FILE`."""
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_of_the_command_line"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UnknownNameError("IG701", f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    with user_code(f"{path.name} cannot be imported"):
        spec.loader.exec_module(module)
    return module


def add_specs(command: argparse.ArgumentParser) -> None:
    """The option with the specs that `traced` takes."""
    command.add_argument(
        "--spec",
        action="append",
        default=[],
        metavar="SPEC",
        help="shape and dtype of the next argument, such as 'f32[32,784]' or 'i64[b]'; "
        "not needed after @ingot.jit(specs=[...])",
    )


def traced(reference: str, specs: Sequence[str]) -> tuple[str, Traced]:
    """The function's name, and the function with its trace on tensors of these specs, or of its own without any.

    Raises what `load` and `trace_specs` raise, and BuildError (IG701) where the function raises.
    """
    name, function = load(reference)
    with user_code(f"{name} cannot be traced"):
        return name, Traced(function, trace_specs(function, specs or None))


@contextlib.contextmanager
def user_code(failing: str) -> Iterator[None]:
    """Run the user's code: what it prints goes to standard error, what it raises becomes BuildError (IG701)."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except IngotError:
        raise
    except (Exception, SystemExit) as error:
        if flags.DEBUG.get():
            raise
        what = f"{failing}: {type(error).__name__}: {error}"
        raise BuildError("IG701", what, where=place(error), detail=["INGOT_DEBUG=1 shows the calls"]) from None


def place(error: BaseException) -> str | None:
    """The last line of the user's that the error passed through."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return describe(error.filename, error.lineno)
    installed = (sys.prefix, sys.base_prefix)
    passed = traceback.extract_tb(error.__traceback__)
    frames = [f for f in passed if not is_internal(f.filename) and not f.filename.startswith(installed)]
    return describe(frames[-1].filename, frames[-1].lineno or 0) if frames else None
