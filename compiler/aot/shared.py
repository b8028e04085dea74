"""Linking a shared library, the one output that needs a toolchain of the target."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from ingot.compiler.codegen.target import Target
from ingot.runtime.errors import BuildError

_MACHINES = {"AMD64": "x86_64", "arm64": "aarch64"}


def is_native(target: Target) -> bool:
    """Whether this machine's own toolchain serves the target."""
    machine = platform.machine()
    return _MACHINES.get(machine, machine) == target.architecture and platform.system() == "Linux"


def compiler_for(target: Target) -> list[str] | None:
    """The command of a C compiler that links for the target: $CC (this machine's architecture only), cc, gcc, clang, or
    a cross compiler under its Debian name. None where there is none."""
    if is_native(target):
        named = shlex.split(os.environ.get("CC", ""))
        candidates = [*([named] if named else []), ["cc"], ["gcc"], ["clang"]]
    else:
        candidates = [[f"{target.architecture}-linux-gnu-gcc"]]
    return next((command for command in candidates if shutil.which(command[0])), None)


def package_for(target: Target) -> str:
    """The Debian package that brings the compiler."""
    return "gcc" if is_native(target) else f"gcc-{target.architecture.replace('_', '-')}-linux-gnu"


def shared_library(name: str, code: bytes, target: Target) -> bytes:
    """The object linked as lib<name>.so. Raises BuildError (IG707) without a compiler or when it fails."""
    command = compiler_for(target)
    if command is None:
        raise BuildError(
            "IG707",
            f"there is no C compiler to link lib{name}.so for {target.name}",
            detail=[f"install one, for example: apt-get install {package_for(target)}"],
            fix="--emit obj,archive,header, which need no compiler",
        )
    flags = ["-shared", "-nostartfiles", "-s", "-Wl,--build-id=none", "-Wl,-z,noexecstack", "-Wl,-z,defs"]
    with tempfile.TemporaryDirectory(prefix="ingot-") as folder:
        source, out = Path(folder, f"{name}.o"), Path(folder, f"lib{name}.so")
        source.write_bytes(code)
        command = [*command, *flags, f"-Wl,-soname,{out.name}", "-o", str(out), str(source)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            raise BuildError("IG707", f"{command[0]} cannot be run: {error.strerror}") from None
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            raise BuildError("IG707", f"{command[0]} could not link lib{name}.so", detail=said[-6:])
        return out.read_bytes()
