"""LLVM IR text -> object code. Nothing here optimises: what the builder wrote is what is selected."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
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


@contextlib.contextmanager
def without_strength_reduction() -> Iterator[None]:
    """LLVM's loop strength reduction takes a quarter of the time and finds nothing: the builder's addresses are cheap.

    The option belongs to the whole process, where other users of LLVM want it, so it is put back.
    """
    import llvmlite.binding as llvm

    llvm.set_option("ingot", "-disable-lsr=true")
    try:
        yield
    finally:
        llvm.set_option("ingot", "-disable-lsr=false")


def object_code(text: str, target: Target) -> bytes:
    """A relocatable ELF object."""
    with without_strength_reduction():
        return bytes(machine(target).emit_object(parse(text)))


def assembly(text: str, target: Target) -> str:
    """The same code as text."""
    with without_strength_reduction():
        return str(machine(target).emit_assembly(parse(text)))
