"""Floating-point building blocks: operands that may be plain numbers, exact sums and products, polynomials, rounding.

Everything here works on any number of lanes and on every target: what an instruction set lacks (fma, rounding modes)
is built from what every one has, so that no library call is left in the object.
"""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.spelling import BITS, Reg
from ingot.compiler.codegen.target import Target

Operand = Reg | float  # a number takes the type of the register beside it

MANTISSA = {"f32": 23, "f64": 52}
BIAS = {"f32": 127, "f64": 1023}
INTEGER = {"f32": "i32", "f64": "i64", "f16": "i16", "bf16": "i16"}
ROUNDER = {"f32": 12582912.0, "f64": 6755399441055744.0}  # 1.5 * 2**mantissa: adding it rounds to an integer
LEAST_NORMAL = {"f32": 2.0**-126, "f64": 2.0**-1022}


@functools.cache
def table() -> dict[str, dict[str, list[Any]]]:
    """coefficients.json, which ingot.compiler.codegen.derive writes."""
    path = Path(__file__).resolve().parent.parent / "coefficients.json"
    return cast("dict[str, dict[str, list[Any]]]", json.loads(path.read_text()))


class Arithmetic:
    """Computes inside `function` for `target`; registers are f32 or f64 unless a method says otherwise."""

    def __init__(self, function: Function, target: Target) -> None:
        self.function, self.target = function, target
        x86 = target.architecture in ("x86_64", "i386", "i686")
        self.has_fma = not x86 or target.has("fma")
        self.has_rounding = target.has("sse4.1") if x86 else target.architecture in ("aarch64", "nvptx64")

    # ---- operands

    def pair(self, a: Operand, b: Operand) -> tuple[Reg, Reg]:
        if isinstance(a, Reg):
            return (a, b) if isinstance(b, Reg) else (a, self.function.like(a, b))
        if isinstance(b, Reg):
            return self.function.like(b, a), b
        raise AssertionError("two numbers: fold them in Python")

    def values(self, x: Reg, name: str) -> list[Any]:
        """A coefficient list or the parts of a constant, at the precision of `x`."""
        return table()[x.elt][name]

    def bits(self, x: Reg) -> Reg:
        return self.function.bitcast(x, INTEGER[x.elt])

    def from_bits(self, i: Reg) -> Reg:
        return self.function.bitcast(i, "f32" if BITS[i.elt] == 32 else "f64")

    # ---- arithmetic

    def add(self, a: Operand, b: Operand) -> Reg:
        return self.function.add(*self.pair(a, b))

    def sub(self, a: Operand, b: Operand) -> Reg:
        return self.function.sub(*self.pair(a, b))

    def mul(self, a: Operand, b: Operand) -> Reg:
        return self.function.mul(*self.pair(a, b))

    def div(self, a: Operand, b: Operand) -> Reg:
        return self.function.div(*self.pair(a, b))

    def neg(self, a: Reg) -> Reg:
        return self.function.neg(a)

    def abs(self, a: Reg) -> Reg:
        return self.function.fabs(a)

    def sqrt(self, a: Reg) -> Reg:
        return self.function.sqrt(a)

    def copysign(self, a: Operand, b: Reg) -> Reg:
        return self.function.copysign(*self.pair(a, b))

    def fma(self, a: Operand, b: Operand, c: Operand) -> Reg:
        """a * b + c: one rounding where the target has the instruction, two elsewhere."""
        if not self.has_fma:
            return self.add(self.mul(a, b), c)
        model = next(r for r in (a, b, c) if isinstance(r, Reg))
        one, two, three = (r if isinstance(r, Reg) else self.function.like(model, r) for r in (a, b, c))
        return self.function.fma(one, two, three)

    def fnma(self, a: Operand, b: Operand, c: Operand) -> Reg:
        """c - a * b."""
        if isinstance(a, Reg):
            return self.fma(a, -b, c) if not isinstance(b, Reg) else self.fma(self.neg(a), b, c)
        return self.fma(-a, b, c)

    def compare(self, predicate: str, a: Operand, b: Operand) -> Reg:
        return self.function.cmp(predicate, *self.pair(a, b))

    def select(self, mask: Reg, a: Operand, b: Operand, model: Reg | None = None) -> Reg:
        """`model` gives the type when both arms are numbers."""
        if not isinstance(a, Reg) and not isinstance(b, Reg):
            assert model is not None
            a = self.function.like(model, a)
        return self.function.select(mask, *self.pair(a, b))

    def at_most(self, x: Reg, limit: float) -> Reg:
        """min(x, limit) that lets NaN through: one instruction on x86."""
        return self.select(self.compare("olt", limit, x), limit, x)

    def at_least(self, x: Reg, limit: float) -> Reg:
        """max(x, limit) that lets NaN through."""
        return self.select(self.compare("ogt", limit, x), limit, x)

    def any(self, mask: Reg) -> Reg:
        return self.function.any(mask)

    def widen(self, x: Reg) -> Reg:
        return self.function.cast("fpext", x, "f64")

    def narrow(self, x: Reg) -> Reg:
        return self.function.cast("fptrunc", x, "f32")

    # ---- exact arithmetic (Dekker 1971; Knuth, volume 2, section 4.2.2)

    def fast_two_sum(self, a: Operand, b: Operand) -> tuple[Reg, Reg]:
        """a + b as a rounded sum and its error, given |a| >= |b| or a = 0."""
        total = self.add(a, b)
        return total, self.add(self.sub(a, total), b)

    def two_sum(self, a: Operand, b: Operand) -> tuple[Reg, Reg]:
        total = self.add(a, b)
        virtual = self.sub(total, a)
        return total, self.add(self.sub(a, self.sub(total, virtual)), self.sub(b, virtual))

    def two_product(self, a: Operand, b: Operand) -> tuple[Reg, Reg]:
        """a * b as a rounded product and its error (exact unless it underflows)."""
        product = self.mul(a, b)
        if self.has_fma:
            return product, self.fma(a, b, self.neg(product))
        first, second = self.pair(a, b)
        a_high, a_low = self.halves(first)
        b_high, b_low = self.halves(second)
        error = self.sub(self.mul(a_high, b_high), product)
        error = self.add(self.add(error, self.mul(a_high, b_low)), self.mul(a_low, b_high))
        return product, self.add(error, self.mul(a_low, b_low))

    def halves(self, x: Reg) -> tuple[Reg, Reg]:
        """x as a sum of two numbers of half the mantissa. The head is cut, not rounded, so nothing overflows."""
        if x.literal is not None:
            high = self.function.like(x, cut(x.elt, float(x.literal)))
            return high, self.function.like(x, float(x.literal) - cut(x.elt, float(x.literal)))
        mask = -1 << (12 if x.elt == "f32" else 27)
        integer = self.bits(x)
        high = self.from_bits(self.function.and_(integer, self.function.like(integer, mask)))
        return high, self.sub(x, high)

    # ---- polynomials

    def polynomial(self, x: Reg, coefficients: str | Sequence[float]) -> Reg:
        """sum c_k x**k, by name from the table: Horner when short, else Estrin, whose chains are shorter."""
        values = self.values(x, coefficients) if isinstance(coefficients, str) else list(coefficients)
        return self.horner(x, values) if len(values) <= 9 and x.elt == "f32" else self.estrin(x, values)

    def horner(self, x: Reg, values: Sequence[Operand]) -> Reg:
        total: Operand = values[-1]
        for c in reversed(values[:-1]):
            total = self.fma(total, x, c)
        return total if isinstance(total, Reg) else self.function.like(x, total)

    def estrin(self, x: Reg, values: Sequence[Operand]) -> Reg:
        level, power = list(values), x
        while len(level) > 1:
            pairs: list[Operand] = [self.fma(level[k + 1], power, level[k]) for k in range(0, len(level) - 1, 2)]
            level = pairs + level[len(level) & ~1 :]
            if len(level) > 1:
                power = self.mul(power, power)
        return level[0] if isinstance(level[0], Reg) else self.function.like(x, level[0])

    # ---- rounding to integers

    def rounded(self, name: str, x: Reg) -> Reg:
        """`name` is floor, ceil, trunc or roundeven. -0 and what rounds to it keep their sign."""
        if self.has_rounding:
            return self.function.intrinsic(name, x)
        size = self.abs(x)
        whole = 2.0 ** MANTISSA[x.elt]  # from here on every value is an integer
        near = self.sub(self.add(size, whole), whole)
        if name == "trunc":
            near = self.select(self.compare("ogt", near, size), self.sub(near, 1.0), near)
        near = self.copysign(near, x)
        if name == "floor":
            near = self.copysign(self.select(self.compare("ogt", near, x), self.sub(near, 1.0), near), x)
        if name == "ceil":
            near = self.copysign(self.select(self.compare("olt", near, x), self.add(near, 1.0), near), x)
        return self.select(self.compare("olt", size, whole), near, x)

    def nearest(self, x: Reg) -> tuple[Reg, Reg]:
        """The integer next to a small x as a float, and as the low bits of an integer register."""
        carrier = self.add(x, ROUNDER[x.elt])
        return self.sub(carrier, ROUNDER[x.elt]), self.bits(carrier)

    # ---- powers of two

    def power_of_two(self, low_bits: Reg, offset: int = 0) -> Reg:
        """2**(n + offset) where the low bits hold n and the result is normal."""
        elt = "f32" if low_bits.elt == "i32" else "f64"
        shift, one = MANTISSA[elt], (BIAS[elt] + offset) << MANTISSA[elt]
        f = self.function
        return self.from_bits(f.add(f.shl(low_bits, f.like(low_bits, shift)), f.like(low_bits, one)))

    def scale_normal(self, x: Reg, low_bits: Reg) -> Reg:
        """x * 2**n when x and the result are known to be normal: one shift and one addition."""
        f = self.function
        return self.from_bits(f.add(self.bits(x), f.shl(low_bits, f.like(low_bits, MANTISSA[x.elt]))))

    def scale(self, x: Reg, n: Reg, low_bits: Reg) -> Reg:
        """x * 2**n over the whole range, subnormal results and overflow included (n as float and as low bits)."""
        native = self.scalef(x, n)
        if native is not None:
            return native
        f, elt = self.function, x.elt
        integer = f.sub(low_bits, f.like(low_bits, 0x4B400000 if elt == "f32" else 0x4338000000000000))
        half = f.ashr(integer, f.like(integer, 1))
        return self.mul(self.mul(x, self.power_of_two(half)), self.power_of_two(f.sub(integer, half)))

    def scalef(self, x: Reg, n: Reg) -> Reg | None:
        """AVX-512's vscalef, piece by piece for values wider than a register."""
        piece = 512 // BITS[x.elt]
        if not self.target.has("avx512f") or x.lanes % piece:
            return None
        f, mask = self.function, "i16" if x.elt == "f32" else "i8"
        name = f"llvm.x86.avx512.mask.scalef.{'ps' if x.elt == 'f32' else 'pd'}.512"
        parts = []
        for start in range(0, x.lanes, piece):
            lanes = range(start, start + piece)
            a, b = (f.shuffle(r, None, lanes) if x.lanes > piece else r for r in (x, n))
            f.module.declare(name, f"declare {a.type} @{name}({a.type}, {a.type}, {a.type}, {mask}, i32)")
            parts.append(f.emit(f"call {a.type} @{name}({a}, {b}, {a}, {mask} -1, i32 4)", a.elt, piece, (a, b)))
        while len(parts) > 1:
            if len(parts) % 2:  # three registers and the like: pad, and drop the padding below
                parts.append(parts[-1])
            parts = [self.joined(a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
        whole = parts[0]
        return whole if whole.lanes == x.lanes else f.shuffle(whole, None, range(x.lanes))

    def joined(self, a: Reg, b: Reg) -> Reg:
        return self.function.shuffle(a, b, range(2 * a.lanes))


def cut(elt: str, value: float) -> float:
    """The head that `halves` keeps, of a literal."""
    code, integer, mask = ("f", "I", 0xFFFFF000) if elt == "f32" else ("d", "Q", 0xFFFFFFFFF8000000)
    bits = struct.unpack(f"<{integer}", struct.pack(f"<{code}", value))[0] & mask
    return float(struct.unpack(f"<{code}", struct.pack(f"<{integer}", bits))[0])
