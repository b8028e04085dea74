"""Relocation arithmetic of ELF objects: x86-64 (System V AMD64 ABI 4.4) and AArch64 (ELF for the Arm 64-bit
Architecture 5.7), as far as LLVM emits it with reloc=pic and codemodel=small."""

import struct
from collections.abc import Callable
from typing import NamedTuple

# Bytes of one stub that jumps through a global offset table slot.
STUB_BYTES = 16


class RelocationError(Exception):
    """A relocation that cannot be applied; the text says why."""


class RangeError(RelocationError):
    """A target too far away for the relocated field."""


class Relocation(NamedTuple):
    """How to patch one field: `patch(memory, at, place, value)` with value = S + A (or G + A)."""

    name: str
    patch: Callable[[bytearray | memoryview, int, int, int], None]
    # "direct": against the symbol; "call": a stub may stand in for the symbol; "got": against its table slot.
    target: str = "direct"


def _store(memory: bytearray | memoryview, at: int, value: int, bits: int, signed: bool = True) -> None:
    low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
    if not low <= value < high:
        raise RangeError(f"value {value:#x} does not fit {bits} bits")
    memory[at : at + bits // 8] = (value & ((1 << bits) - 1)).to_bytes(bits // 8, "little")


def _absolute(bits: int, signed: bool) -> Callable[[bytearray | memoryview, int, int, int], None]:
    return lambda memory, at, place, value: _store(memory, at, value, bits, signed)


def _relative(bits: int) -> Callable[[bytearray | memoryview, int, int, int], None]:
    return lambda memory, at, place, value: _store(memory, at, value - place, bits)


def _insert(memory: bytearray | memoryview, at: int, value: int, width: int, low_bit: int) -> None:
    """Put the low `width` bits of value into an instruction word at `low_bit`."""
    mask = (1 << width) - 1
    (word,) = struct.unpack_from("<I", memory, at)
    struct.pack_into("<I", memory, at, word & ~(mask << low_bit) & 0xFFFFFFFF | (value & mask) << low_bit)


def _branch(width: int, low_bit: int) -> Callable[[bytearray | memoryview, int, int, int], None]:
    def patch(memory: bytearray | memoryview, at: int, place: int, value: int) -> None:
        distance = value - place
        if distance & 3 or not -(1 << width + 1) <= distance < 1 << width + 1:
            raise RangeError(f"branch distance {distance:#x} does not fit {width} bits")
        _insert(memory, at, distance >> 2, width, low_bit)

    return patch


def _adr(memory: bytearray | memoryview, at: int, distance: int) -> None:
    if not -(1 << 20) <= distance < 1 << 20:
        raise RangeError(f"distance {distance:#x} does not fit 21 bits")
    _insert(memory, at, distance, 2, 29)
    _insert(memory, at, distance >> 2, 19, 5)


def _adr_byte(memory: bytearray | memoryview, at: int, place: int, value: int) -> None:
    _adr(memory, at, value - place)


def _adr_page(memory: bytearray | memoryview, at: int, place: int, value: int) -> None:
    _adr(memory, at, (value >> 12) - (place >> 12))


def _low12(scale: int) -> Callable[[bytearray | memoryview, int, int, int], None]:
    def patch(memory: bytearray | memoryview, at: int, place: int, value: int) -> None:
        if value & ((1 << scale) - 1):
            raise RelocationError(f"address {value:#x} is not aligned to {1 << scale} bytes")
        _insert(memory, at, (value & 0xFFF) >> scale, 12, 10)

    return patch


TABLES: dict[str, dict[int, Relocation]] = {
    "x86_64": {
        1: Relocation("R_X86_64_64", _absolute(64, False)),
        2: Relocation("R_X86_64_PC32", _relative(32)),
        4: Relocation("R_X86_64_PLT32", _relative(32), "call"),
        9: Relocation("R_X86_64_GOTPCREL", _relative(32), "got"),
        10: Relocation("R_X86_64_32", _absolute(32, False)),
        11: Relocation("R_X86_64_32S", _absolute(32, True)),
        24: Relocation("R_X86_64_PC64", _relative(64)),
        41: Relocation("R_X86_64_GOTPCRELX", _relative(32), "got"),
        42: Relocation("R_X86_64_REX_GOTPCRELX", _relative(32), "got"),
    },
    "aarch64": {
        257: Relocation("R_AARCH64_ABS64", _absolute(64, False)),
        258: Relocation("R_AARCH64_ABS32", _absolute(32, False)),
        260: Relocation("R_AARCH64_PREL64", _relative(64)),
        261: Relocation("R_AARCH64_PREL32", _relative(32)),
        273: Relocation("R_AARCH64_LD_PREL_LO19", _branch(19, 5)),
        274: Relocation("R_AARCH64_ADR_PREL_LO21", _adr_byte),
        275: Relocation("R_AARCH64_ADR_PREL_PG_HI21", _adr_page),
        277: Relocation("R_AARCH64_ADD_ABS_LO12_NC", _low12(0)),
        278: Relocation("R_AARCH64_LDST8_ABS_LO12_NC", _low12(0)),
        279: Relocation("R_AARCH64_TSTBR14", _branch(14, 5)),
        280: Relocation("R_AARCH64_CONDBR19", _branch(19, 5)),
        282: Relocation("R_AARCH64_JUMP26", _branch(26, 0), "call"),
        283: Relocation("R_AARCH64_CALL26", _branch(26, 0), "call"),
        284: Relocation("R_AARCH64_LDST16_ABS_LO12_NC", _low12(1)),
        285: Relocation("R_AARCH64_LDST32_ABS_LO12_NC", _low12(2)),
        286: Relocation("R_AARCH64_LDST64_ABS_LO12_NC", _low12(3)),
        299: Relocation("R_AARCH64_LDST128_ABS_LO12_NC", _low12(4)),
        311: Relocation("R_AARCH64_ADR_GOT_PAGE", _adr_page, "got"),
        312: Relocation("R_AARCH64_LD64_GOT_LO12_NC", _low12(3), "got"),
    },
}


def write_stub(machine: str, memory: bytearray | memoryview, at: int, place: int, slot: int) -> None:
    """Write code at `place` that jumps to the address held in the table slot at `slot`."""
    if machine == "x86_64":
        memory[at : at + STUB_BYTES] = b"\xff\x25" + bytes(4) + b"\xcc" * 10  # jmp [rip + slot]
        _store(memory, at + 2, slot - (place + 6), 32)
        return
    struct.pack_into("<IIII", memory, at, 0x90000010, 0xF9400210, 0xD61F0200, 0xD503201F)  # adrp x16; ldr; br x16; nop
    _adr_page(memory, at, place, slot)
    _low12(3)(memory, at + 4, place + 4, slot)
