"""How LLVM's text spells types, literals and modules."""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Callable, Collection

import numpy as np

BITS = {
    "i1": 1,
    "i8": 8,
    "i16": 16,
    "i32": 32,
    "i64": 64,
    "i128": 128,
    "f16": 16,
    "bf16": 16,
    "f32": 32,
    "f64": 64,
    "ptr": 64,
}
LLVM_NAME = {"f16": "half", "bf16": "bfloat", "f32": "float", "f64": "double"}
FLOATS = frozenset(("f16", "bf16", "f32", "f64"))
HALVES = frozenset(("f16", "bf16"))  # memory is read and written as i16: where these are no types of the processor,
# LLVM would convert them on the way, by calling a library


class Reg:
    """An SSA value: its spelling, element type, number of lanes, and the loop level at which it is defined."""

    __slots__ = ("elt", "lanes", "level", "literal", "name")

    def __init__(self, name: str, elt: str, lanes: int = 1, level: int = 0, literal: int | float | None = None) -> None:
        self.name, self.elt, self.lanes, self.level, self.literal = name, elt, lanes, level, literal

    @property
    def type(self) -> str:
        return type_name(self.elt, self.lanes)

    @property
    def is_float(self) -> bool:
        return self.elt in FLOATS

    def __str__(self) -> str:
        """The operand with its type, as instructions want it."""
        return f"{type_name(self.elt, self.lanes)} {self.name}"

    __repr__ = __str__


def type_name(elt: str, lanes: int = 1) -> str:
    scalar = LLVM_NAME.get(elt, elt)
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


def overload(elt: str, lanes: int = 1) -> str:
    """The suffix by which intrinsics are overloaded: v16f32."""
    return (f"v{lanes}" if lanes > 1 else "") + ("p0" if elt == "ptr" else elt)


def single_lane(mask: Reg) -> int | None:
    """The lane that a constant mask has on, if it is one."""
    lanes = mask.name.strip("<>").split(", ")
    return lanes.index("i1 true") if mask.name[0] == "<" and lanes.count("i1 true") == 1 else None


def round_to(elt: str, value: float) -> float:
    """`value` rounded to the element type (f32 through a C float)."""
    if elt != "f32" or math.isinf(value) or math.isnan(value):
        return value
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def spell(elt: str, value: int | float | bool) -> str:
    """A literal of the element type. Floats are spelt by their bits, so every value survives."""
    if elt in ("f32", "f64"):
        return f"0x{struct.unpack('<Q', struct.pack('<d', round_to(elt, float(value))))[0]:016X}"
    if elt == "f16":
        return f"0xH{struct.unpack('<H', struct.pack('<e', float(value)))[0]:04X}"
    if elt == "bf16":
        bits = int(struct.unpack("<I", struct.pack("<f", float(value)))[0])
        return f"0xR{(bits + 0x7FFF + (bits >> 16 & 1)) >> 16 & 0xFFFF:04X}" if value == value else "0xR7FC0"
    if elt == "ptr":
        return "null"
    if elt == "i1":
        return "true" if value else "false"
    width = BITS[elt]
    wrapped = int(value) & ((1 << width) - 1)
    return str(wrapped - (1 << width) if wrapped >> (width - 1) else wrapped)


@functools.cache
def byte_escapes() -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Row b: the three characters that spell byte b in a string."""
    return np.frombuffer(b"".join(b"\\%02X" % b for b in range(256)), np.uint8).reshape(256, 3)


def spell_bytes(data: bytes) -> str:
    """A constant of type [n x i8], with its type."""
    if not any(data):
        return f"[{len(data)} x i8] zeroinitializer"
    return f'[{len(data)} x i8] c"{byte_escapes()[np.frombuffer(data, np.uint8)].tobytes().decode()}"'


class Module:
    """Functions, constants and declarations of one object file."""

    def __init__(self, triple: str = "", layout: str = "") -> None:
        self.triple, self.layout = triple, layout
        self.functions: list[str] = []
        self.globals: dict[str, str] = {}
        self.declarations: dict[str, str] = {}
        self.defined: set[str] = set()

    def declare(self, name: str, text: str) -> None:
        self.declarations.setdefault(name, text)

    def constant(self, name: str, text: str) -> str:
        """A private constant `@name`; defined once however often it is asked for."""
        self.globals.setdefault(name, f"@{name} = internal unnamed_addr constant {text}")
        return f"@{name}"

    def once(self, name: str, define: Callable[[], None]) -> str:
        """Run `define` (which must add function `name`) unless it is already there."""
        if name not in self.defined:
            self.defined.add(name)
            define()
        return name

    @property
    def size(self) -> int:
        """Characters of the functions so far."""
        return sum(map(len, self.functions))

    def cut(self, shown: Collection[str]) -> str:
        """The module so far as text, in which the functions `shown` can be called from other parts; begins anew."""
        for i, text in enumerate(self.functions):
            internal, _, rest = text.partition("define internal void @")
            if not internal and rest[: rest.index("(")] in shown:
                self.functions[i] = f"define hidden void @{rest}"
        part = self.text()
        self.functions, self.globals, self.declarations, self.defined = [], {}, {}, set()
        return part

    def text(self) -> str:
        head = [f'target triple = "{self.triple}"'] if self.triple else []
        if self.layout:
            head.append(f'target datalayout = "{self.layout}"')
        declared = [t for n, t in self.declarations.items() if n not in self.defined]
        meta = ["!0 = !{i32 1}", '!1 = !{!"branch_weights", i32 1, i32 100000}']
        return "\n".join(
            [*head, *self.globals.values(), *declared, *self.functions, "attributes #0 = { nounwind }", *meta, ""]
        )
