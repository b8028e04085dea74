"""The ELF loader: every kind of reference, both machines, and what it refuses."""

from __future__ import annotations

import contextlib
import ctypes
import struct
from typing import Any

import pytest

from ingot.runtime import objects
from ingot.runtime.errors import BuildError
from ingot.runtime.objects import Plan
from ingot.runtime.relocations import TABLES, RangeError, write_stub

# Constants of several sizes, a jump table, initialised and zeroed data, pointers in data, calls inside and outside,
# data outside, and the three functions that LLVM calls by itself.
TEXT = """
@table = internal constant [4 x double] [double 1.5, double 2.5, double 3.5, double 4.5]
@state = internal global i64 7
@zeroed = internal global [100 x i64] zeroinitializer
@pointer = internal global ptr @twice
@outside_data = external global i64
@text = internal constant [6 x i8] c"hello\\00"
declare double @outside(double)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)

define internal double @twice(double %x) noinline nounwind {
  %y = fmul double %x, 2.0
  ret double %y
}
define double @compute(i64 %i) nounwind {
  %p = getelementptr double, ptr @table, i64 %i
  %v = load double, ptr %p
  %fn = load volatile ptr, ptr @pointer
  %w = call double %fn(double %v)
  %w1 = call double @twice(double %w)
  %z = call double @outside(double %w1)
  %z2 = fadd double %z, 0x400921FB54442D18
  ret double %z2
}
define i64 @bump() nounwind {
  %v = load i64, ptr @state
  %q = getelementptr i64, ptr @zeroed, i64 50
  %z = load i64, ptr %q
  %z1 = add i64 %z, 1
  store i64 %z1, ptr %q
  %w = add i64 %v, %z1
  store i64 %w, ptr @state
  %e = load i64, ptr @outside_data
  %r = add i64 %e, %w
  ret i64 %r
}
define void @fill(ptr %p, i64 %n) nounwind {
  call void @llvm.memset.p0.i64(ptr %p, i8 9, i64 %n, i1 false)
  ret void
}
define void @copy(ptr %p, ptr %q, i64 %n) nounwind {
  call void @llvm.memcpy.p0.p0.i64(ptr %p, ptr %q, i64 %n, i1 false)
  %r = getelementptr i8, ptr %p, i64 1
  call void @llvm.memmove.p0.p0.i64(ptr %r, ptr %p, i64 %n, i1 false)
  ret void
}
define void @add(ptr %p) nounwind {
  %a = load <8 x float>, ptr %p, align 4
  %b = fadd <8 x float> %a, <float 1.0, float 2.0, float 3.0, float 4.0, float 5.0, float 6.0, float 7.0, float 8.0>
  store <8 x float> %b, ptr %p, align 4
  ret void
}
define ptr @greeting() nounwind {
  ret ptr @text
}
define i32 @choose(i32 %x) nounwind {
  switch i32 %x, label %d [ i32 0, label %a
    i32 1, label %b
    i32 2, label %c
    i32 3, label %e
    i32 4, label %g ]
a:
  ret i32 10
b:
  ret i32 25
c:
  ret i32 17
e:
  ret i32 99
g:
  ret i32 -5
d:
  ret i32 0
}
"""
X86, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
host = pytest.mark.skipif(objects.host_machine() not in TABLES, reason="no ELF loader for this machine")
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lambda x: x + 100)
DATA = ctypes.c_int64(1000)
OUTSIDE = {"outside": objects.address_of(CALLBACK), "outside_data": ctypes.addressof(DATA)}


def function(loaded: objects.LoadedObject, name: str, result: Any, *arguments: Any) -> Any:
    return ctypes.CFUNCTYPE(result, *arguments)(loaded.symbols[name])


def exercise(loaded: objects.LoadedObject) -> None:
    compute = function(loaded, "compute", ctypes.c_double, ctypes.c_int64)
    assert [compute(i) for i in range(4)] == [106 + 4 * i + 3.141592653589793 for i in range(4)]
    bump = function(loaded, "bump", ctypes.c_int64)
    assert [bump(), bump()] == [1008, 1010]
    choose = function(loaded, "choose", ctypes.c_int32, ctypes.c_int32)
    assert [choose(i) for i in range(6)] == [10, 25, 17, 99, -5, 0]
    buffer = ctypes.create_string_buffer(100)
    function(loaded, "fill", None, ctypes.c_void_p, ctypes.c_int64)(ctypes.addressof(buffer), 99)
    assert buffer.raw == b"\x09" * 99 + b"\0"
    source = ctypes.create_string_buffer(b"abcdef")
    function(loaded, "copy", None, *[ctypes.c_void_p] * 2, ctypes.c_int64)(
        ctypes.addressof(buffer), ctypes.addressof(source), 6
    )
    assert buffer.raw[:7] == b"aabcdef"
    vector = (ctypes.c_float * 8)()
    function(loaded, "add", None, ctypes.c_void_p)(ctypes.addressof(vector))
    assert list(vector) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert ctypes.string_at(function(loaded, "greeting", ctypes.c_void_p)()) == b"hello"


@host
def test_all_kinds_of_references_work(programs: Any) -> None:
    loaded = objects.load(programs.code(TEXT), OUTSIDE)
    exercise(loaded)
    assert {"compute", "bump", "fill"} <= loaded.symbols.keys() and "twice" not in loaded.symbols


def test_llvms_own_linker_gives_the_same(programs: Any) -> None:
    names = ("compute", "bump", "fill", "copy", "add", "greeting", "choose")
    exercise(objects.load_with_llvm(programs.code(TEXT), {**objects.freestanding_symbols(), **OUTSIDE}, names))


@host
def test_two_loads_share_nothing(programs: Any) -> None:
    first, second = (objects.load(programs.code(TEXT), OUTSIDE) for _ in range(2))
    assert function(first, "bump", ctypes.c_int64)() == 1008
    assert function(second, "bump", ctypes.c_int64)() == 1008


@host
def test_code_is_not_writable_and_data_not_executable(programs: Any) -> None:
    loaded = objects.load(programs.code(TEXT), OUTSIDE)
    rights = {}
    with open("/proc/self/maps") as maps:
        for line in maps:
            span, mode = line.split()[:2]
            low, high = (int(end, 16) for end in span.split("-"))
            for name, address in (("code", loaded.symbols["compute"]), ("text", _greeting(loaded))):
                if low <= address < high:
                    rights[name] = mode[:3]
    assert rights == {"code": "r-x", "text": "r--"}


def _greeting(loaded: objects.LoadedObject) -> int:
    address: int = function(loaded, "greeting", ctypes.c_void_p)()
    return address


def test_far_calls_go_through_stubs(programs: Any) -> None:
    plan = Plan(programs.code(TEXT, X86))
    base, far = 0x10000000, 0x7F0000000000
    memory = bytearray(plan.size)
    outside = dict.fromkeys(("outside", "outside_data", "memset", "memcpy", "memmove"), far)
    plan.write(memory, base, outside)
    for index, at in plan.stubs.items():
        assert memory[at : at + 2] == b"\xff\x25"
        (distance,) = struct.unpack_from("<i", memory, at + 2)
        assert struct.unpack_from("<Q", memory, at + 6 + distance)[0] == far
        assert plan.symbols[index].name in outside
    assert len(plan.stubs) == 4


def test_every_aarch64_reference_points_where_it_should(programs: Any) -> None:
    """Decode the patched instructions and compare with the addresses of the symbols."""
    plan = Plan(programs.code(TEXT, ARM))
    base = 0x5555_0000_0000
    memory = bytearray(plan.size)
    outside = {"outside": base + 0x800_0000, "outside_data": 0x1234_5678_9AB8, "memset": 0x7000_0000_0000}
    outside |= {"memcpy": 0x7000_0000_1000, "memmove": 0x7000_0000_2000}
    plan.write(memory, base, outside)
    addresses = plan._resolve(base, outside)
    kinds = set()
    for section, offset, kind, index, addend in plan.relocations:
        assert section.place is not None
        at = section.place + offset
        target = addresses[index] + addend
        name = TABLES["aarch64"][kind].name
        kinds.add(name)
        if TABLES["aarch64"][kind].target == "got":
            target = base + plan.slots[index]
            assert struct.unpack_from("<Q", memory, plan.slots[index])[0] == addresses[index]
        if name == "R_AARCH64_ABS64":
            assert struct.unpack_from("<Q", memory, at)[0] == target
            continue
        (word,) = struct.unpack_from("<I", memory, at)
        if name in ("R_AARCH64_ADR_PREL_PG_HI21", "R_AARCH64_ADR_GOT_PAGE"):
            pages = _signed((word >> 29 & 3) | (word >> 5 & 0x7FFFF) << 2, 21)
            assert (base + at >> 12) + pages == target >> 12
        elif name.endswith("LO12_NC"):
            scale = {"LDST128": 4, "LDST64": 3, "LD64": 3, "LDST32": 2, "LDST16": 1}
            shift = next((s for part, s in scale.items() if f"_{part}_" in name), 0)
            assert (word >> 10 & 0xFFF) << shift == target & 0xFFF
        else:
            assert name in ("R_AARCH64_CALL26", "R_AARCH64_JUMP26")
            reached = base + at + 4 * _signed(word & 0x3FFFFFF, 26)
            if index in plan.stubs and reached != target:
                reached = _stub_target(memory, base, plan.stubs[index])
            assert reached == target
    assert {"R_AARCH64_ADR_PREL_PG_HI21", "R_AARCH64_ADD_ABS_LO12_NC", "R_AARCH64_CALL26"} <= kinds


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


def _stub_target(memory: bytearray, base: int, at: int) -> int:
    page, load, jump, _ = struct.unpack_from("<IIII", memory, at)
    assert page & 0x9F00001F == 0x90000010 and load & 0xFFC003FF == 0xF9400210 and jump == 0xD61F0200
    pages = _signed((page >> 29 & 3) | (page >> 5 & 0x7FFFF) << 2, 21)
    slot = ((base + at >> 12) + pages << 12) + ((load >> 10 & 0xFFF) << 3)
    address: int = struct.unpack_from("<Q", memory, slot - base)[0]
    return address


def test_ranges_are_checked() -> None:
    word = bytearray(8)
    x86, arm = TABLES["x86_64"], TABLES["aarch64"]
    with pytest.raises(RangeError, match="does not fit 32 bits"):
        x86[2].patch(word, 0, 0, 1 << 31)
    x86[2].patch(word, 0, 1 << 31, 0)
    assert word[:4] == b"\0\0\0\x80"
    with pytest.raises(RangeError, match="does not fit 26 bits"):
        arm[283].patch(word, 0, 0, 1 << 27)
    with pytest.raises(RangeError, match="does not fit 21 bits"):
        arm[275].patch(word, 0, 0, 1 << 32)
    with pytest.raises(RangeError):
        write_stub("x86_64", bytearray(16), 0, 0, 1 << 40)


@host
def test_unresolved_symbols_are_all_named(programs: Any) -> None:
    with pytest.raises(
        BuildError, match=r"\[IG502\].*symbols that nobody supplies: outside_data, outside|outside, out"
    ):
        objects.load(programs.code(TEXT))


@host
def test_truncated_and_foreign_files_are_refused(programs: Any) -> None:
    code = programs.code(TEXT)
    for cut in (0, 3, 63, 64, 200, len(code) // 2, len(code) - 70):
        with pytest.raises(BuildError, match="IG502"):
            objects.load(code[:cut], OUTSIDE)
    with pytest.raises(BuildError, match="not a relocatable 64-bit ELF object"):
        objects.load(b"MZ" + code[2:], OUTSIDE)
    other = ARM if objects.host_machine() == "x86_64" else X86
    with pytest.raises(BuildError, match="this process is"):
        objects.load(programs.code(TEXT, other), OUTSIDE)


@host
def test_damaged_headers_never_crash(programs: Any) -> None:
    """Any one byte of the header, section table or relocations may be wrong: a load works or says why."""
    code = bytearray(programs.code(TEXT))
    for at in [*range(0, 64), *range(len(code) - 800, len(code), 3)]:
        before = code[at]
        code[at] ^= 0xFF
        with contextlib.suppress(BuildError):
            Plan(bytes(code))
        code[at] = before


@host
def test_thread_local_data_is_refused(programs: Any) -> None:
    text = "@x = thread_local global i64 1\ndefine i64 @f() { %v = load i64, ptr @x\n ret i64 %v }"
    with pytest.raises(BuildError, match="thread-local data"):
        objects.load(programs.code(text))
