"""Ahead of time: compiled functions as a C library that runs without Python.

`build` makes the files of a library from compiled programs: an object, a static archive, a shared library, a C99
header, a manifest, and a safetensors file when the weights are not inside.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from ingot.compiler.aot.archive import Member, archive
from ingot.compiler.aot.header import header
from ingot.compiler.aot.interface import Captured, Function, Library, check, library_name
from ingot.compiler.aot.manifest import manifest
from ingot.compiler.aot.objects import object_code
from ingot.compiler.aot.output import write
from ingot.compiler.aot.shared import shared_library
from ingot.compiler.aot.weights import weight_file
from ingot.runtime.errors import UnknownNameError

__all__ = ["EMITTED", "Captured", "Emit", "Function", "Library", "build", "emitted", "files"]

Emit = Literal["obj", "archive", "shared", "header"]
EMITTED: tuple[Emit, ...] = get_args(Emit)


def emitted(names: Sequence[str]) -> tuple[Emit, ...]:
    """The kinds of output called so. Raises UnknownNameError (IG704)."""
    for name in names:
        if name not in EMITTED:
            raise UnknownNameError(
                "IG704", f"there is no output called {name!r}", fix=f"--emit with some of: {','.join(EMITTED)}"
            )
    return tuple(kind for kind in EMITTED if kind in names)


def files(library: Library, emit: Sequence[Emit]) -> dict[str, bytes]:
    """The library's files by name; the same library gives the same bytes.

    Raises SpecError (IG705) for names that C cannot tell apart, BuildError (IG707) when linking fails.
    """
    name = library_name(library.name)
    check(library)
    beside = weight_file(library.captured) if library.weights == "beside" and library.captured else None
    made: dict[str, bytes] = {}
    if set(emit) - {"header"}:
        code = object_code(library, beside)
        if "obj" in emit:
            made[f"{name}.o"] = code
        if "archive" in emit:
            made[f"lib{name}.a"] = archive([Member(f"{name}.o", code, library.exports)])
        if "shared" in emit:
            made[f"lib{name}.so"] = shared_library(name, code, library.target)
    if "header" in emit:
        made[f"{name}.h"] = header(library).encode()
    if beside is not None:
        made[f"{name}.safetensors"] = beside.data
    made[f"{name}.json"] = manifest(library, beside, made)
    return made


def build(library: Library, folder: Path, emit: Sequence[Emit]) -> tuple[Path, ...]:
    """Write the library's files into `folder`, all or none. Raises what `files` raises, and OutputError (IG602)."""
    return write(folder, files(library, emit))
