"""LLVM IR text -> object code. Nothing here optimises: what the builder wrote is what is selected."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import threading
from collections.abc import Iterator
from typing import Any

from ingot.compiler.codegen.joined import joined
from ingot.compiler.codegen.target import Target
from ingot.runtime.errors import BuildError

# Objects of RISC-V carry their calling convention for floats, and link only with others of the same.
ABI = {"riscv64": "lp64d"}
MOST_THREADS = 8  # that compile parts of one program; more wait for the one that writes them


@functools.cache
def machine(target: Target) -> Any:
    """LLVM's code generator for the target."""
    import llvmlite.binding as llvm

    if target.architecture == "x86_64" or target.name == "host":
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    if target.name != "host":
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    return new_machine(target)


def new_machine(target: Target) -> Any:
    """A code generator: position independent, so the object can be loaded anywhere. LLVM must have been set up."""
    import llvmlite.binding as llvm

    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu,
        features=target.feature_string,
        opt=2,
        reloc="pic",
        codemodel="small",
        abiname=ABI.get(target.architecture, ""),
    )


def parse(text: str, context: Any = None) -> Any:
    """The module that the text describes. A text that LLVM refuses is a fault of the compiler: BuildError (IG901)."""
    import llvmlite.binding as llvm

    try:
        return llvm.parse_assembly(text, context)
    except RuntimeError as error:
        raise BuildError("IG403", f"generated code is not valid LLVM IR: {error}") from None


_reductions = threading.Lock()
_without = 0


@contextlib.contextmanager
def without_strength_reduction() -> Iterator[None]:
    """LLVM's loop strength reduction takes a quarter of the time and finds nothing: the builder's addresses are cheap.

    The option belongs to the whole process, where other users of LLVM want it: the last thread puts it back.
    """
    import llvmlite.binding as llvm

    global _without
    with _reductions:
        _without += 1
        if _without == 1:
            llvm.set_option("ingot", "-disable-lsr=true")
    try:
        yield
    finally:
        with _reductions:
            _without -= 1
            if not _without:
                llvm.set_option("ingot", "-disable-lsr=false")


def object_code(text: str, target: Target) -> bytes:
    """A relocatable ELF object."""
    with without_strength_reduction():
        return bytes(machine(target).emit_object(parse(text)))


class ParallelObjectCode:
    """The object code of a program that comes in parts: threads compile each while the next is being written.

    The parts, and so the bytes, depend on the program alone.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.pool: Any = None
        self.parts: list[Any] = []

    def add(self, text: str) -> None:
        """Compile a part some time."""
        if self.pool is None:
            from concurrent.futures import ThreadPoolExecutor  # small programs have one part and need no threads

            machine(self.target)  # sets LLVM up, which is not for several threads at once
            self.pool = ThreadPoolExecutor(max(1, min(self.target.cores, MOST_THREADS)))
        self.parts.append(self.pool.submit(own_object_code, text, self.target))

    def finish(self, text: str) -> bytes:
        """The one object of all parts, of which this is the last."""
        if not self.parts:
            return object_code(text, self.target)
        last = own_object_code(text, self.target)
        return joined([*(part.result() for part in self.parts), last])


@contextlib.contextmanager
def parallel_object_code(target: Target) -> Iterator[ParallelObjectCode]:
    """Threads for one program, which are gone at the end."""
    objects = ParallelObjectCode(target)
    try:
        yield objects
    finally:
        if objects.pool is not None:
            objects.pool.shutdown(cancel_futures=True)


def own_object_code(text: str, target: Target) -> bytes:
    """`object_code` with a context and a code generator of the calling thread's own.

    llvmlite takes one lock around every call of LLVM, which threads that share nothing do without in the one call that
    takes long.
    """
    import llvmlite.binding as llvm
    from llvmlite.binding import ffi

    with without_strength_reduction(), ffi.OutputString() as error:
        module, generator = parse(text, llvm.create_context()), new_machine(target)
        emit = ffi.lib.LLVMPY_TargetMachineEmitToMemory
        buffer = getattr(emit, "_cfn", emit)(generator, module, 1, error)
        if not buffer:
            raise BuildError("IG403", f"LLVM cannot compile generated code: {error}")
    try:
        return ctypes.string_at(ffi.lib.LLVMPY_GetBufferStart(buffer), ffi.lib.LLVMPY_GetBufferSize(buffer))
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)


def assembly(text: str, target: Target) -> str:
    """The same code as text."""
    with without_strength_reduction():
        return str(machine(target).emit_assembly(parse(text)))
