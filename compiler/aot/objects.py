"""One relocatable object from the wrappers and the entries, for any target that LLVM knows; no toolchain needed."""

from __future__ import annotations

import re
from typing import Any

from ingot.compiler.aot.interface import Library
from ingot.compiler.aot.weights import WeightFile
from ingot.compiler.aot.wrapper import entry_name, wrapper
from ingot.compiler.codegen.target import Target
from ingot.runtime.errors import BuildError

# The calling convention for floating point is part of a RISC-V object's header and must match what it is linked with.
_ABI = {"riscv64": "lp64d"}


def object_code(library: Library, beside: WeightFile | None) -> bytes:
    """An ELF object whose global symbols are `library.exports`. Raises BuildError (IG706) if LLVM refuses it."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = target_machine(library.target)
    triple, layout = machine.triple, str(machine.target_data)
    try:
        module = llvm.parse_assembly(wrapper(library, beside, triple, layout))
        for function in library.functions:
            text = _renamed(function.llvm, function.program.entry, entry_name(library, function))
            part = llvm.parse_assembly(text)
            part.triple, part.data_layout = triple, layout
            module.link_in(part)
        _hide(module, library)
        module.verify()
    except RuntimeError as error:
        raise BuildError("IG706", f"LLVM rejects the library {library.name}: {error}") from None
    return bytes(machine.emit_object(module))


def target_machine(target: Target) -> Any:
    """LLVM's code generator for a target: position-independent code at its highest level."""
    import llvmlite.binding as llvm

    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu,
        features=target.feature_string,
        opt=3,
        reloc="pic",
        codemodel="small",
        abiname=_ABI.get(target.architecture, ""),
    )


def _renamed(text: str, entry: str, name: str) -> str:
    return re.sub(rf"@{re.escape(entry)}(?![\w.$-])", f"@{name}", text)


def _hide(module: Any, library: Library) -> None:
    """Keep every symbol but the exported ones out of the symbol table."""
    for symbol in (*module.functions, *module.global_variables):
        if not symbol.is_declaration and symbol.name not in library.exports:
            symbol.linkage = "private"
