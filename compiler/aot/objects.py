"""One relocatable object from the wrappers and the entries, for any target that LLVM knows; no toolchain needed."""

from __future__ import annotations

import re
from typing import Any

from ingot.compiler.aot.interface import Library
from ingot.compiler.aot.weights import WeightFile
from ingot.compiler.aot.wrapper import entry_name, wrapper
from ingot.compiler.codegen.object_code import machine, parse


def object_code(library: Library, beside: WeightFile | None) -> bytes:
    """An ELF object whose global symbols are `library.exports`. Raises BuildError (IG403) if LLVM refuses it."""
    builder = machine(library.target)
    triple, layout = builder.triple, str(builder.target_data)
    module = parse(wrapper(library, beside, triple, layout))
    for function in library.functions:
        part = parse(_renamed(function.llvm, function.program.entry, entry_name(library, function)))
        part.triple, part.data_layout = triple, layout
        module.link_in(part)
    _hide(module, library)
    return bytes(builder.emit_object(module))


def _renamed(text: str, entry: str, name: str) -> str:
    return re.sub(rf"@{re.escape(entry)}(?![\w.$-])", f"@{name}", text)


def _hide(module: Any, library: Library) -> None:
    """Keep every symbol but the exported ones out of the symbol table."""
    for symbol in (*module.functions, *module.global_variables):
        if not symbol.is_declaration and symbol.name not in library.exports:
            symbol.linkage = "private"
