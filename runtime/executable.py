"""A loaded Program, callable with raw pointers."""

import ctypes
from collections.abc import Sequence

from ingot.runtime import failures, objects, pool, symbols, threads
from ingot.runtime.errors import BuildError
from ingot.runtime.program import Program

# Above this estimated run time the GIL is released around an entry. Releasing costs 20 to 35 ns without contention,
# and up to the interpreter's 5 ms switch interval when another Python thread is busy.
RELEASE_GIL_NS = 100_000.0

_ENTRY_ARGUMENTS = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_LOCKED = ctypes.PYFUNCTYPE(ctypes.c_int32, *_ENTRY_ARGUMENTS)
_UNLOCKED = ctypes.CFUNCTYPE(ctypes.c_int32, *_ENTRY_ARGUMENTS)


class Executable:
    """A program's code in memory. `address` is its entry; it stays valid as long as this object lives.

    Raises BuildError (IG502) when the object cannot be loaded or lacks the entry symbol.
    """

    __slots__ = ("__weakref__", "address", "entry", "keeper", "program", "releases_gil")

    def __init__(self, program: Program) -> None:
        loaded = objects.load(program.object_code, symbols.addresses(), exports=(program.entry,))
        if program.entry not in loaded.symbols:
            raise BuildError("IG502", f"the object code of {program.name!r} defines no symbol {program.entry!r}")
        self._set(program, loaded.symbols[program.entry], loaded)

    @classmethod
    def at(cls, program: Program, address: int, keeper: object = None) -> "Executable":
        """A program whose entry is in memory already, at `address`; `keeper` keeps it there."""
        executable = cls.__new__(cls)
        executable._set(program, address, keeper)
        return executable

    def _set(self, program: Program, address: int, keeper: object) -> None:
        self.program = program
        self.keeper = keeper
        self.address = address
        self.releases_gil = program.cost > RELEASE_GIL_NS
        self.entry = (_UNLOCKED if self.releases_gil else _LOCKED)(address)

    def call(self, pointers: Sequence[int], dims: Sequence[int] = (), workspace_bytes: int | None = None) -> None:
        """Run the entry on one pointer per input and output, in the program's order.

        The caller keeps the memory alive. `workspace_bytes` replaces the program's where dims decide it.
        Raises BuildError: IG503 for a wrong number of pointers or dims, IG501 for a non-zero status.
        """
        program = self.program
        expected = len(program.inputs) + len(program.outputs)
        if len(pointers) != expected or len(dims) != len(program.dims):
            raise BuildError(
                "IG503",
                f"program {program.name!r} takes {expected} buffers and {len(program.dims)} dims; "
                f"it was given {len(pointers)} and {len(dims)}",
            )
        buffers = (ctypes.c_void_p * expected)(*pointers)
        sizes = (ctypes.c_int64 * len(dims))(*dims)
        nbytes = program.workspace_bytes if workspace_bytes is None else workspace_bytes
        workspace, owner = pool.allocate(nbytes) if nbytes else (0, None)
        status = self.entry(
            ctypes.addressof(buffers), ctypes.addressof(sizes) if dims else 0, workspace, threads.context()
        )
        del owner
        if status != 0:
            raise_status(program.name, status)

    def __repr__(self) -> str:
        return f"Executable({self.program.name} at {self.address:#x})"


def raise_status(name: str, status: int) -> None:
    """Raise the error of a program that returned a non-zero status, for instance BuildError (IG501)."""
    raise failures.failure(name, status)
