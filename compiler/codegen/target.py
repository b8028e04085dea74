"""The machine that code is generated for: instruction set, vector width, registers, caches.

Schedules and emitters read these numbers and nothing else, so the same emitter serves AVX-512, AVX2, SSE2 and NEON.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, replace
from pathlib import Path

from ingot.runtime.errors import UnknownNameError


@dataclass(frozen=True)
class Target:
    """A named instruction set with the sizes that the cost model needs."""

    name: str
    triple: str
    cpu: str
    features: frozenset[str]
    vector_bits: int  # of the widest vector register
    vector_registers: int
    l1: int = 32 << 10  # bytes of data cache per core
    l2: int = 1 << 20
    l3: int = 32 << 20
    cores: int = 2
    fma_ports: int = 2
    fma_latency: int = 4

    @property
    def architecture(self) -> str:
        return self.triple.split("-", 1)[0]

    def lanes(self, bits: int) -> int:
        """How many elements of this width one vector register holds."""
        return max(1, self.vector_bits // bits)

    def has(self, feature: str) -> bool:
        return feature in self.features

    @property
    def feature_string(self) -> str:
        return ",".join(f"+{f}" for f in sorted(self.features))


_V2 = frozenset(["sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "cx16", "sahf"])
_V3 = _V2 | frozenset(["avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"])
_V4 = _V3 | frozenset(["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "evex512"])
_X86, _ARM, _RISCV = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "riscv64-unknown-linux-gnu"

TARGETS: dict[str, Target] = {
    t.name: t
    for t in (
        Target("x86-64", _X86, "x86-64", frozenset(), 128, 16),
        Target("x86-64-v2", _X86, "x86-64-v2", _V2, 128, 16),
        Target("x86-64-v3", _X86, "x86-64-v3", _V3, 256, 16),
        Target("x86-64-v4", _X86, "x86-64-v4", _V4, 512, 32),
        Target("aarch64", _ARM, "generic", frozenset(("neon", "fp-armv8")), 128, 32),
        Target("riscv64", _RISCV, "generic-rv64", frozenset(["m", "a", "f", "d", "c"]), 64, 16, fma_ports=1),
    )
}


def named(name: str) -> Target:
    """A baseline by name, or "host" for this machine. Unknown names raise UnknownNameError (IG401)."""
    if name == "host":
        return host()
    try:
        return TARGETS[name]
    except KeyError:
        known = ", ".join([*TARGETS, "host"])
        raise UnknownNameError("IG401", f"unknown target {name!r}", fix=f"one of: {known}") from None


@functools.cache
def host() -> Target:
    """This machine, from what LLVM detects and what the kernel says of its caches."""
    import llvmlite.binding as llvm

    detected = llvm.get_host_cpu_features()
    features = frozenset(name for name, on in detected.items() if on)
    triple = llvm.get_default_triple()
    architecture = triple.split("-", 1)[0]
    if architecture == "x86_64":
        base = TARGETS["x86-64-v4" if "avx512vl" in features else "x86-64-v3" if "avx2" in features else "x86-64-v2"]
        if "avx512vl" in features:
            features |= {"evex512"}
    else:
        base = TARGETS.get(architecture, TARGETS["riscv64"])
    sizes = cache_sizes()
    return replace(
        base,
        name="host",
        cpu=llvm.get_host_cpu_name(),
        features=features,
        triple=elf_triple(triple),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        l1=sizes.get(1, base.l1),
        l2=sizes.get(2, base.l2),
        l3=sizes.get(3, base.l3),
    )


def elf_triple(triple: str) -> str:
    """The ELF spelling of a triple: one object loader then serves every operating system."""
    architecture = triple.split("-", 1)[0].replace("arm64", "aarch64")
    return {"x86_64": _X86, "aarch64": _ARM, "riscv64": _RISCV}.get(architecture, triple)


def cache_sizes() -> dict[int, int]:
    """Bytes of data cache by level, as Linux reports them; empty elsewhere."""
    sizes: dict[int, int] = {}
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            kind, level, size = ((index / part).read_text().strip() for part in ("type", "level", "size"))
        except OSError:
            continue
        if kind != "Instruction" and size.endswith("K"):
            sizes[int(level)] = int(size[:-1]) << 10
    return sizes
