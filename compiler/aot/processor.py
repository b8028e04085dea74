"""`<library>_check_processor`: whether this processor has what the library was built for, instead of a crash.

x86 processors are asked with CPUID and XGETBV, for which LLVM has no intrinsic; as machine code in front of a function
body (LLVM's prologue data) they need no assembler. Other targets are baselines of their architecture.
Bit positions: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2A, CPUID; those of leaf 80000001H:
AMD64 Architecture Programmer's Manual, volume 3, appendix E.
"""

from __future__ import annotations

from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.spelling import Module, Reg, spell_bytes
from ingot.compiler.codegen.target import Target

# push rbx; mov r8, rdx; mov eax, edi; mov ecx, esi; cpuid;
# mov [r8], eax; mov [r8+4], ebx; mov [r8+8], ecx; mov [r8+12], edx; pop rbx; ret
_CPUID = bytes.fromhex("53 4989d0 89f8 89f1 0fa2 418900 41895804 41894808 4189500c 5b c3")
# xor ecx, ecx; xgetbv; ret
_XGETBV = bytes.fromhex("31c9 0f01d0 c3")

EBX, ECX = 4, 8  # offsets in what _CPUID stores
# feature -> leaf, register, bit
_FEATURES = {
    "sse3": (0x1, ECX, 0),
    "ssse3": (0x1, ECX, 9),
    "fma": (0x1, ECX, 12),
    "cx16": (0x1, ECX, 13),
    "sse4.1": (0x1, ECX, 19),
    "sse4.2": (0x1, ECX, 20),
    "movbe": (0x1, ECX, 22),
    "popcnt": (0x1, ECX, 23),
    "xsave": (0x1, ECX, 27),  # OSXSAVE: the system has switched it on
    "avx": (0x1, ECX, 28),
    "f16c": (0x1, ECX, 29),
    "bmi": (0x7, EBX, 3),
    "avx2": (0x7, EBX, 5),
    "bmi2": (0x7, EBX, 8),
    "avx512f": (0x7, EBX, 16),
    "avx512dq": (0x7, EBX, 17),
    "avx512cd": (0x7, EBX, 28),
    "avx512bw": (0x7, EBX, 30),
    "avx512vl": (0x7, EBX, 31),
    "sahf": (0x80000001, ECX, 0),
    "lzcnt": (0x80000001, ECX, 5),
}
_AVX_STATE, _AVX512_STATE = 0x06, 0xE6  # bits of XCR0: the system saves these registers
# Nothing newer than the first x86-64 processors may run before the answer is known.
_OLDEST = '"target-cpu"="x86-64" "target-features"="" '


def check_processor(module: Module, name: str, target: Target, fine: int, missing: int) -> None:
    """Add `int32_t name(void)`: `fine`, or `missing` where the processor or the system lacks a feature."""
    if target.architecture != "x86_64":
        f = Function(module, name, [], result="i32", linkage="")
        f.finish(f.const("i32", fine))
        return
    _machine_code(module, f"{name}.cpuid", "void", "i32 %leaf, i32 %subleaf, ptr %out", _CPUID)
    _machine_code(module, f"{name}.xgetbv", "i32", "", _XGETBV)
    f = Function(module, name, [], result="i32", linkage="", attributes=_OLDEST)
    memory = f.alloca("i32", 4, align=16)

    def cpuid(leaf: int) -> None:
        f.call("void", f"{name}.cpuid", f.const("i32", leaf), f.const("i32", 0), memory)

    def has(wanted: dict[int, int]) -> Reg:
        """Whether all bits are set, by register, of the leaf asked last."""
        found = f.const("i1", True)
        for register, bits in wanted.items():
            mask = f.const("i32", bits)
            value = f.load(f.offset(memory, register), "i32")
            found = f.and_(found, f.cmp("eq", f.and_(value, mask), mask))
        return found

    def leaves(remaining: list[tuple[int, dict[int, int]]]) -> Reg:
        """A leaf is asked only when the processor knows it, and XGETBV only when the system has switched it on."""
        if not remaining:
            return saved()
        leaf, wanted = remaining[0]
        cpuid(leaf & 0x80000000)
        known = f.cmp("uge", f.load(memory, "i32"), f.const("i32", leaf))

        def look() -> list[Reg]:
            cpuid(leaf)
            return [f.if_(has(wanted), lambda: [leaves(remaining[1:])], no)[0]]

        return f.if_(known, look, no)[0]

    def no() -> list[Reg]:
        return [f.const("i32", missing)]

    def saved() -> Reg:
        state = _AVX512_STATE if target.has("avx512f") else _AVX_STATE if target.has("avx") else 0
        if not state:
            return f.const("i32", fine)
        mask, value = f.const("i32", state), f.call("i32", f"{name}.xgetbv")
        assert value is not None
        return f.select(f.cmp("eq", f.and_(value, mask), mask), f.const("i32", fine), f.const("i32", missing))

    f.finish(leaves(_wanted(target)))


def _wanted(target: Target) -> list[tuple[int, dict[int, int]]]:
    """Leaf -> register -> bits, for the features that can be asked for."""
    leaves: dict[int, dict[int, int]] = {}
    # AVX is usable only where XGETBV is.
    for feature in sorted(target.features | ({"xsave"} if target.has("avx") else set())):
        if feature in _FEATURES:
            leaf, register, bit = _FEATURES[feature]
            registers = leaves.setdefault(leaf, {})
            registers[register] = registers.get(register, 0) | 1 << bit
    return sorted(leaves.items())


def _machine_code(module: Module, name: str, result: str, parameters: str, code: bytes) -> None:
    """A function that is these bytes, `ret` included; its body is never reached."""
    module.functions.append(
        f"define internal {result} @{name}({parameters}) #0 noinline prologue {spell_bytes(code)} {{\n  unreachable\n}}"
    )
    module.defined.add(name)
