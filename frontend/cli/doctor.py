"""`ingot doctor`: what works on this machine, and what to install for what does not."""

from __future__ import annotations

import argparse
import ctypes
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ingot.cli.table import table
from ingot.compiler.aot.shared import compiler_for, package_for
from ingot.compiler.codegen import target
from ingot.runtime import cache, flags, native, threads


class Finding(NamedTuple):
    """One line: whether it works, what it is, how it is here, and for what does not work, what to do."""

    works: bool
    what: str
    state: str
    remedy: str = ""
    essential: bool = False


def add(commands: Any) -> None:
    about = "What works on this machine, and what to install for what does not."
    command = commands.add_parser(
        "doctor",
        help="what works on this machine",
        description=about,
        epilog="exit status: 1 when something that ingot cannot do without is missing",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    found = list(findings())
    print(table(None, [row(finding) for finding in found]))
    return 0 if all(f.works for f in found if f.essential) else 1


def row(finding: Finding) -> tuple[str, str, str]:
    mark = "ok" if finding.works else "MISSING" if finding.essential else "-"
    return mark, finding.what, f"{finding.state}: {finding.remedy}" if finding.remedy else finding.state


def findings() -> Iterator[Finding]:
    """Everything that is looked at, in order."""
    yield from python()
    yield from machine()
    yield from disk()
    yield from toolchains()
    yield from extras()


def python() -> Iterator[Finding]:
    yield Finding(True, "python", f"{platform.python_version()} at {sys.executable}", essential=True)
    for name in ("numpy", "llvmlite", "numba", "ml_dtypes", "safetensors"):
        version = version_of(name)
        remedy = "" if version else f"pip install {name}"
        yield Finding(version is not None, name, version or "not installed", remedy, essential=True)
    for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        if variable in os.environ:
            state = f"is set to {os.environ[variable]}"
            yield Finding(False, variable, state, f"unset {variable}; NumPy's matrix products may be slow with it")


def version_of(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def machine() -> Iterator[Finding]:
    if version_of("llvmlite") is None:
        return
    host = target.host()
    width = f"{host.vector_bits}-bit vectors"
    caches = f"caches {host.l1 >> 10} KB, {host.l2 >> 10} KB, {host.l3 >> 20} MB"
    yield Finding(True, "processor", f"{host.cpu} ({host.architecture}), {width}, {caches}", essential=True)
    limited = " (INGOT_THREADS)" if flags.THREADS.get() else ""
    cpus = f"{threads.available_cpus()} processors may be used"
    yield Finding(True, "threads", f"{threads.get_num_threads()}{limited}, {cpus}")
    yield compiled_call()
    if flags.DISPATCH.get() == "safe":
        yield Finding(False, "native calls", "off", "INGOT_DISPATCH=auto; calls cost microseconds more without")
    elif native.load() is None:
        why = "not on this interpreter" if not native.supported() else "they could not be made"
        yield Finding(False, "native calls", why, "calls cost microseconds more; INGOT_LOG=1 says the reason")
    else:
        yield Finding(True, "native calls", "in use")


def compiled_call() -> Finding:
    """Whether code can be made and run: some systems forbid pages that were written to be executed."""
    import llvmlite
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    version = ".".join(map(str, llvm.llvm_version_info))
    try:
        built = llvm.Target.from_default_triple().create_target_machine()
        module = llvm.parse_assembly("define i32 @answer(i32 %x) {\n  %y = add i32 %x, 2\n  ret i32 %y\n}")
        engine = llvm.create_mcjit_compiler(module, built)
        engine.finalize_object()
        call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int32)(engine.get_function_address("answer"))
        if call(40) != 42:
            raise RuntimeError("compiled code gives a wrong answer")
    except (RuntimeError, OSError) as error:
        remedy = "the system may forbid executable memory (seccomp, SELinux execmem)"
        return Finding(False, "native code", str(error), remedy, essential=True)
    return Finding(True, "native code", f"LLVM {version} in llvmlite {llvmlite.__version__}", essential=True)


def disk() -> Iterator[Finding]:
    folder = cache.directory()
    if folder is None:
        why = "INGOT_CACHE=0" if not flags.CACHE.get() else f"{flags.CACHE_DIR.get()} cannot be used"
        yield Finding(False, "cache", f"off, {why}", "INGOT_CACHE=1 and INGOT_CACHE_DIR name a folder of your own")
        return
    entries = cache.entries()
    size = sum(entry.bytes for entry in entries) / 1e6
    limit = f"limit {flags.CACHE_LIMIT_MB.get()} MB"
    yield Finding(True, "cache", f"{len(entries)} programs, {size:.1f} MB, {limit}, in {folder}")


def toolchains() -> Iterator[Finding]:
    """What `ingot build --emit shared` needs for each architecture; objects and archives need nothing."""
    seen: set[str] = set()
    for known in target.TARGETS.values():
        if known.architecture in seen:
            continue
        seen.add(known.architecture)
        what = f"shared libraries, {known.architecture}"
        command = compiler_for(known)
        if command is None:
            yield Finding(False, what, "no C compiler", f"apt-get install {package_for(known)}")
        else:
            yield Finding(True, what, f"linked by {shutil.which(command[0])}")


def extras() -> Iterator[Finding]:
    try:
        ctypes.CDLL("libcuda.so.1")
        yield Finding(True, "CUDA driver", "found")
    except OSError:
        yield Finding(False, "CUDA driver", "none", "needed for NVIDIA GPUs only; it comes with the driver package")
    for name in ("scikit-learn", "tqdm", "torch", "jax"):
        version = version_of(name)
        purpose = "make bench" if name in ("torch", "jax") else "samples"
        remedy = "" if version else f"for {purpose}: pip install {name}"
        yield Finding(version is not None, name, version or "not installed", remedy)
    yield Finding(True, "numpy config", blas())


def blas() -> str:
    """The library behind eager matrix products."""
    build: Any = np.show_config(mode="dicts")
    found = build.get("Build Dependencies", {}).get("blas", {})
    return f"{found.get('name', 'unknown BLAS')} {found.get('version', '')}".strip()
