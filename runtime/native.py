"""The runtime's own native code: the .ll files beside this one, compiled once and kept in the disk cache.

It is freestanding: every outside function it declares is looked up in the Python and C libraries of this process and
handed to the loader. A process that finds the object in the cache never loads LLVM.
"""

import ctypes
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from ingot.runtime import cache, objects
from ingot.runtime.errors import BuildError
from ingot.runtime.log import log
from ingot.runtime.operators import kernels

_HERE = Path(__file__).parent
_PARTS = ("allocator", "tensors", "guards", "execute", "dispatch", "operators", "threads")
# The spin-wait hint of each architecture.
_RELAX = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
}
_FUTEX_SYSCALL = {"x86_64": 202, "aarch64": 98}
_MADV_HUGEPAGE = 14


class NativeRuntime:
    """The loaded code: global variables by name and address. It is never unloaded, because capsule destructors run
    until the interpreter's last moment."""

    def __init__(self, object_code: bytes, text: str) -> None:
        self.loaded = objects.load(object_code, _outside_symbols(text), _exports(text))
        keep(self.loaded, self.loaded.memory)
        self.address = self.loaded.symbols

    def set_word(self, name: str, value: int, index: int = 0) -> None:
        """Store into the index-th 64-bit word of a global variable."""
        ctypes.c_uint64.from_address(self.address[name] + 8 * index).value = value & (1 << 64) - 1

    def word(self, name: str, index: int = 0) -> int:
        """The index-th 64-bit word of a global variable."""
        return ctypes.c_int64.from_address(self.address[name] + 8 * index).value

    def set_object(self, name: str, value: object) -> None:
        """Store a reference to an object that then lives for ever."""
        keep(value)
        self.set_word(name, id(value))

    def set_int32(self, name: str, value: int) -> None:
        """Store into a 32-bit global variable."""
        ctypes.c_int32.from_address(self.address[name]).value = value


def keep(*values: object) -> None:
    """Let objects live as long as the process: a reference that nobody drops, not even the interpreter at its exit,
    which clears every module before it frees the last tensors."""
    for value in values:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))


_lock = threading.Lock()
_runtime: NativeRuntime | None = None
_failed = False
# The cache is asked once: what is not in it at first is compiled later, or never.
_asked_cache = False


def supported() -> bool:
    """Whether the native runtime can exist here: CPython with a GIL on a POSIX system of a known architecture."""
    has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return (
        sys.implementation.name == "cpython"
        and has_gil
        and os.name == "posix"
        and ctypes.sizeof(ctypes.c_void_p) == 8
        and objects.host_machine() in _RELAX
    )


def load(build: bool = True) -> NativeRuntime | None:
    """The native runtime: loaded from the cache, compiled when `build` allows it, or None where it cannot be."""
    global _runtime, _failed, _asked_cache
    if _runtime is not None or _failed or (_asked_cache and not build):
        return _runtime
    with _lock:
        if _runtime is None and not _failed:
            _asked_cache = True
            try:
                _runtime = _load(build)
            except (BuildError, OSError, RuntimeError, ImportError) as error:
                _failed = True
                log(1, f"no native call path: {error}")
    return _runtime


def _load(build: bool) -> NativeRuntime | None:
    if not supported():
        raise BuildError("IG505", f"{sys.implementation.name} on {objects.host_machine()} {sys.platform}")
    text = source()
    # Baseline code that depends on nothing but the text and the target.
    key = cache.key("native runtime", text, sys.platform)
    code = cache.get(key)
    if code is None:
        if not build:
            return None
        code = compile_text(text)
        cache.put(key, code)
    runtime = NativeRuntime(code, text)
    _start(runtime)
    return runtime


def source(park: str | None = None) -> str:
    """The LLVM IR of the whole runtime; `park` chooses "futex" or "condition", by default what this system has."""
    park = park or ("futex" if sys.platform == "linux" else "condition")
    texts = [(_HERE / f"{part}.ll").read_text() for part in (*_PARTS, f"park_{park}")]
    declaration, hint = _RELAX[objects.host_machine()]
    relax = f"{declaration}\ndefine internal void @cpu_relax() alwaysinline {{\n  {hint}\n  ret void\n}}\n"
    return "\n".join([*texts, kernels(), relax])


def compile_text(text: str) -> bytes:
    """A relocatable object for this machine's baseline CPU."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple = llvm.get_process_triple()
    machine = llvm.Target.from_triple(triple).create_target_machine(reloc="pic", codemodel="small", opt=2)
    module = llvm.parse_assembly(text)
    module.triple = triple
    module.data_layout = str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    code: bytes = machine.emit_object(module)
    return code


def _exports(text: str) -> list[str]:
    """The names that the text defines for others."""
    heads = [line for line in text.splitlines() if line.startswith(("define ", "@")) and " internal " not in line]
    return [head.split("@", 1)[1].split("(")[0].split(" ")[0] for head in heads]


def _outside_symbols(text: str) -> dict[str, int]:
    """Addresses of all functions that the text declares and does not define."""
    process = ctypes.CDLL(None)
    symbols = {}
    for line in text.splitlines():
        if not line.startswith("declare ") or "@llvm." in line:
            continue
        name = line.split("@", 1)[1].split("(")[0]
        library: Any = ctypes.pythonapi if name.startswith("Py") else process
        try:
            symbols[name] = objects.address_of(getattr(library, name))
        except AttributeError:
            raise BuildError("IG502", f"this system has no function {name}") from None
    return symbols


def _start(runtime: NativeRuntime) -> None:
    """Fill what the code needs to know about this system."""
    linux = sys.platform == "linux"
    runtime.set_word("pool_huge_advice", _MADV_HUGEPAGE if linux else 0)
    runtime.set_word("futex_syscall", _FUTEX_SYSCALL[objects.host_machine()] if linux else 0)
    runtime.set_int32("signal_set_mask", signal.SIG_SETMASK)
    reset = ctypes.PYFUNCTYPE(None)(runtime.address["threads_reset"])
    reset()
    os.register_at_fork(after_in_child=reset)
