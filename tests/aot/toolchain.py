"""C compilers, emulators and binutils for the tests, and clear skips where one is missing."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ingot.compiler.aot.shared import compiler_for, package_for
from ingot.compiler.codegen import target

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]


def need(tool: str, package: str) -> str:
    """The tool's path, or a skip that says what to install."""
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not installed (apt-get install {package})")
    return found


def c_compiler(on: str) -> list[str]:
    """A compiler for the named target, or a skip."""
    command = compiler_for(target.named(on))
    if command is None:
        pytest.skip(f"no C compiler for {on} (apt-get install {package_for(target.named(on))})")
    return command


def emulator(on: str) -> list[str]:
    """The command that runs a static program of the named target under qemu-user, or a skip."""
    if on == "x86-64-v2":
        return [need("qemu-x86_64", "qemu-user"), "-cpu", "Nehalem"]
    return [need(f"qemu-{target.named(on).architecture}", "qemu-user")]


def runner(on: str) -> list[str]:
    """The command in front of a static program of the named target: none where this processor has all of it."""
    wanted, here = target.named(on), target.host()
    if wanted.architecture == here.architecture and wanted.features <= here.features:
        return []
    if on == "x86-64-v4":
        pytest.skip("this processor has no AVX-512, and qemu-user emulates none")
    return [need(f"qemu-{wanted.architecture}", "qemu-user"), "-cpu", "max"]


def run(command: Sequence[str | Path], **options: Any) -> str:
    """The command's output; a failure shows what it said."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return str(done.stdout)


def compile_c(source: str, out: Path, *link: str | Path, on: str, static: bool = False) -> Path:
    """Compile C99 text strictly against the folder of `out` and link it."""
    out.with_suffix(".c").write_text(source)
    flags = [*STRICT, *(["-static"] if static else []), f"-I{out.parent}", f"-L{out.parent}"]
    run([*c_compiler(on), *flags, out.with_suffix(".c"), "-o", out, *link])
    return out


def defined(path: Path, *flags: str) -> set[str]:
    """The external symbols that a file defines."""
    lines = run([need("nm", "binutils"), *flags, "--extern-only", "--defined-only", path]).splitlines()
    return {line.split()[-1] for line in lines if re.match(r"[0-9a-f]+ \w ", line)}


def undefined(path: Path) -> set[str]:
    """The symbols that a file expects from elsewhere."""
    return {line.split()[-1] for line in run([need("nm", "binutils"), "--undefined-only", path]).splitlines() if line}
