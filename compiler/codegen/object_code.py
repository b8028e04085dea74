"""LLVM IR text -> object code. Nothing here optimises: what the builder wrote is what is selected."""

from __future__ import annotations

import functools
from typing import Any

from ingot.compiler.codegen.target import Target
from ingot.runtime.errors import BuildError

# Objects of RISC-V carry their calling convention for floats, and link only with others of the same.
ABI = {"riscv64": "lp64d"}


@functools.cache
def machine(target: Target) -> Any:
    """LLVM's code generator for the target: position independent, so the object can be loaded anywhere."""
    import llvmlite.binding as llvm

    if target.architecture == "x86_64" or target.name == "host":
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    if target.name != "host":
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    selected = llvm.Target.from_triple(target.triple)
    return selected.create_target_machine(
        cpu=target.cpu,
        features=target.feature_string,
        opt=2,
        reloc="pic",
        codemodel="small",
        abiname=ABI.get(target.architecture, ""),
    )


def parse(text: str) -> Any:
    """The module that the text describes. A text that LLVM refuses is a fault of the compiler: BuildError (IG901)."""
    import llvmlite.binding as llvm

    try:
        return llvm.parse_assembly(text)
    except RuntimeError as error:
        raise BuildError("IG403", f"generated code is not valid LLVM IR: {error}") from None


def object_code(text: str, target: Target) -> bytes:
    """A relocatable ELF object."""
    return bytes(machine(target).emit_object(parse(text)))


def assembly(text: str, target: Target) -> str:
    return str(machine(target).emit_assembly(parse(text)))
