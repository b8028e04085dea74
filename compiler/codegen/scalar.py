"""The builder that `lower` rules of elementwise ops use: one method per op, on registers of any number of lanes.

In registers bool is i1, float16 and bfloat16 are f32 (rounded where they are stored or cast), everything else is
itself; `register` and `memory` name the element types. Results at NaN, infinities, signed zeros, subnormals and
integer overflow are NumPy's.
"""

from __future__ import annotations

import math
from typing import Any

from ingot.compiler.codegen.llvm import BITS, Function, Reg
from ingot.compiler.codegen.math import (
    error_function,
    exponential,
    gamma,
    half_precision,
    integer,
    inverse,
    logarithm,
    power,
    remainder,
    trigonometric,
)
from ingot.compiler.codegen.math.arithmetic import Arithmetic
from ingot.compiler.codegen.target import Target
from ingot.runtime.dtypes import DType

HALF = ("float16", "bfloat16")


def register(dtype: DType) -> str:
    """The element type of a value of this dtype in registers."""
    if dtype.kind == "b":
        return "i1"
    if dtype.kind == "f":
        return "f32" if dtype.name in HALF else f"f{dtype.bits}"
    return f"i{dtype.bits}"


def memory(dtype: DType) -> str:
    """The element type of a value of this dtype in memory."""
    if dtype.kind == "b":
        return "i8"
    return dtype.short if dtype.kind == "f" else f"i{dtype.bits}"


class Scalar:
    """Elementwise operations inside `function` for `target`.

    Binary operations want equal element types; a register of one lane is spread. Integers are taken as signed unless
    `signed=False`. Comparisons give i1.
    """

    def __init__(self, function: Function, target: Target) -> None:
        self.function, self.target = function, target
        self.math = Arithmetic(function, target)

    # ---- constants, selection, conversion

    def const(self, dtype: DType, value: int | float | bool, lanes: int = 1) -> Reg:
        """A constant as it is held in registers."""
        if dtype.name in HALF:
            value = float(dtype.numpy.type(value))
        return self.function.const(register(dtype), value, lanes)

    def select(self, condition: Reg, a: Reg, b: Reg) -> Reg:
        return self.function.select(condition, a, b)

    def load(self, pointer: Reg, dtype: DType, lanes: int = 1, **options: Any) -> Reg:
        """Load and widen to the register form; options as Function.load."""
        return self.from_memory(self.function.load(pointer, memory(dtype), lanes, **options), dtype)

    def store(self, value: Reg, pointer: Reg, dtype: DType, **options: Any) -> None:
        """Narrow to the memory form and store; options as Function.store."""
        self.function.store(self.to_memory(value, dtype), pointer, **options)

    def from_memory(self, raw: Reg, dtype: DType) -> Reg:
        if dtype.kind == "b":
            return self.function.cmp("ne", raw, self.function.like(raw, 0))
        return self.widen(raw) if dtype.name in HALF else raw

    def to_memory(self, value: Reg, dtype: DType) -> Reg:
        if dtype.kind == "b":
            return self.function.cast("zext", value, "i8")
        return self.narrow(value, dtype.short) if dtype.name in HALF else value

    def widen(self, x: Reg) -> Reg:
        """f16 or bf16 (as loaded) -> f32."""
        return half_precision.widen_half(self.math, x)

    def narrow(self, x: Reg, elt: str) -> Reg:
        """f32 -> "f16" or "bf16" (to be stored), to nearest even."""
        return half_precision.narrow_half(self.math, x, elt)

    def cast(self, x: Reg, source: DType, target: DType) -> Reg:
        """astype between register forms.

        float -> integer truncates. Out of range and NaN give what NumPy gives on x86-64: the least integer for int32,
        int64 (and through it for narrower ones, whose low bits remain); unsigned 32 and 64 bits wrap around twice
        the signed range.
        """
        if source is target:
            return x
        if target.kind == "b":
            return self.ne(x, self.function.like(x, 0)) if source.kind != "b" else x
        if target.kind == "f":
            return self.to_float(x, source, target)
        if source.kind == "f":
            return integer.from_float(self.math, x, register(target), signed=target.kind == "i")
        return integer.resize(self.function, x, register(target), signed=source.kind == "i")

    def to_float(self, x: Reg, source: DType, target: DType) -> Reg:
        f, elt = self.function, register(target)
        if source.kind != "f":
            # NumPy converts integers to half types through float32.
            x = f.cast("sitofp" if source.kind == "i" else "uitofp", x, elt)
        elif BITS[x.elt] > BITS[elt]:
            x = half_precision.to_odd(self.math, x) if target.name == "float16" else f.cast("fptrunc", x, elt)
        else:
            x = f.cast("fpext", x, elt)
        return self.widen(self.narrow(x, target.short)) if target.name in HALF else x

    def bitcast(self, x: Reg, elt: str) -> Reg:
        return self.function.bitcast(x, elt)

    # ---- arithmetic

    def add(self, a: Reg, b: Reg) -> Reg:
        return self.function.or_(a, b) if a.elt == "i1" else self.function.add(a, b)

    def sub(self, a: Reg, b: Reg) -> Reg:
        return self.function.sub(a, b)

    def mul(self, a: Reg, b: Reg) -> Reg:
        return self.function.and_(a, b) if a.elt == "i1" else self.function.mul(a, b)

    def div(self, a: Reg, b: Reg, *, signed: bool = True) -> Reg:
        """Quotient; of integers truncated toward zero, 0 where b is 0."""
        if a.is_float:
            return self.function.div(a, b)
        return integer.divide(self.math, a, b, signed=signed)[0]

    def fma(self, a: Reg, b: Reg, c: Reg) -> Reg:
        """a * b + c, fused where the target can."""
        return self.math.fma(a, b, c) if a.is_float else self.add(self.mul(a, b), c)

    def floordiv(self, a: Reg, b: Reg, *, signed: bool = True) -> Reg:
        """floor(a / b); integer division by zero gives 0."""
        if a.is_float:
            return remainder.floor_divide(self.math, a, b)
        return integer.floor_divide(self.math, a, b, signed=signed)[0]

    def remainder(self, a: Reg, b: Reg, *, signed: bool = True) -> Reg:
        """a - b floor(a / b), with the sign of b (Python's %); integer remainder by zero gives 0."""
        if a.is_float:
            return remainder.remainder(self.math, a, b)
        return integer.floor_divide(self.math, a, b, signed=signed)[1]

    def fmod(self, a: Reg, b: Reg, *, signed: bool = True) -> Reg:
        """The remainder with the sign of a, exact (C's fmod and %); integer remainder by zero gives 0."""
        if a.is_float:
            return remainder.fmod(self.math, a, b)
        return integer.divide(self.math, a, b, signed=signed)[1]

    def pow(self, a: Reg, b: Reg, *, signed: bool = True) -> Reg:
        """a**b. Integers wrap around; a negative exponent gives 0 except for bases 1 and -1."""
        if a.is_float:
            return power.pow(self.math, *self.function.match(a, b))
        return integer.power(self.math, a, b, signed=signed)

    def neg(self, x: Reg) -> Reg:
        return self.function.neg(x)

    def abs(self, x: Reg, *, signed: bool = True) -> Reg:
        if x.is_float:
            return self.math.abs(x)
        if not signed or x.elt == "i1":
            return x
        return self.function.select(self.function.cmp("slt", x, self.function.like(x, 0)), self.neg(x), x)

    def sign(self, x: Reg, *, signed: bool = True) -> Reg:
        """-1, 0 or 1; NaN for NaN, +0 for -0."""
        f, zero = self.function, self.function.like(x, 0)
        if x.elt == "i1":
            return x
        if x.is_float:
            unit = self.math.copysign(1.0, x)
            return f.select(f.cmp("one", x, zero), unit, f.add(x, zero))  # -0 + 0 is +0, NaN + 0 is NaN
        positive = f.cast("zext", f.cmp("ne", x, zero), x.elt)
        return f.select(f.cmp("slt", x, zero), f.like(x, -1), positive) if signed else positive

    def reciprocal(self, x: Reg) -> Reg:
        return self.math.div(1.0, x)

    def sqrt(self, x: Reg) -> Reg:
        return self.math.sqrt(x)

    def rsqrt(self, x: Reg) -> Reg:
        return self.math.div(1.0, self.math.sqrt(x))

    def maximum(self, a: Reg, b: Reg, *, signed: bool = True) -> Reg:
        """The larger; NaN if either is. Of zeros of either sign, the second."""
        return self.extremum("gt", a, b, signed=signed)

    def minimum(self, a: Reg, b: Reg, *, signed: bool = True) -> Reg:
        """The smaller; NaN if either is. Of zeros of either sign, the second."""
        return self.extremum("lt", a, b, signed=signed)

    def extremum(self, relation: str, a: Reg, b: Reg, *, signed: bool) -> Reg:
        f = self.function
        if not a.is_float:
            return f.select(self.order(relation, a, b, signed=signed), a, b)
        # One vmax or vmin, which returns b for unordered operands; then a's NaN.
        return f.select(f.cmp("uno", a, a), a, f.select(f.cmp(f"o{relation}", a, b), a, b))

    # ---- comparison and bits

    def order(self, relation: str, a: Reg, b: Reg, *, signed: bool) -> Reg:
        if a.is_float:
            return self.function.cmp(f"o{relation}", a, b)
        return self.function.cmp(("s" if signed and a.elt != "i1" else "u") + relation, a, b)

    def eq(self, a: Reg, b: Reg) -> Reg:
        return self.function.cmp("oeq" if a.is_float else "eq", a, b)

    def ne(self, a: Reg, b: Reg) -> Reg:
        return self.function.cmp("une" if a.is_float else "ne", a, b)

    def lt(self, a: Reg, b: Reg, *, signed: bool = True) -> Reg:
        return self.order("lt", a, b, signed=signed)

    def le(self, a: Reg, b: Reg, *, signed: bool = True) -> Reg:
        return self.order("le", a, b, signed=signed)

    def gt(self, a: Reg, b: Reg, *, signed: bool = True) -> Reg:
        return self.order("gt", a, b, signed=signed)

    def ge(self, a: Reg, b: Reg, *, signed: bool = True) -> Reg:
        return self.order("ge", a, b, signed=signed)

    def and_(self, a: Reg, b: Reg) -> Reg:
        return self.function.and_(a, b)

    def or_(self, a: Reg, b: Reg) -> Reg:
        return self.function.or_(a, b)

    def xor(self, a: Reg, b: Reg) -> Reg:
        return self.function.xor(a, b)

    def not_(self, x: Reg) -> Reg:
        """Bitwise; of a bool, logical."""
        return self.function.not_(x)

    def shl(self, a: Reg, b: Reg) -> Reg:
        """Left shift; amounts outside [0, width) give 0."""
        return integer.shift(self.function, "shl", a, b)

    def shr(self, a: Reg, b: Reg, *, signed: bool = True) -> Reg:
        """Right shift, arithmetic for signed; amounts outside [0, width) leave only the sign."""
        return integer.shift(self.function, "ashr" if signed else "lshr", a, b)

    # ---- classification and rounding

    def isnan(self, x: Reg) -> Reg:
        return self.function.cmp("uno", x, x)

    def isinf(self, x: Reg) -> Reg:
        return self.math.compare("oeq", self.math.abs(x), math.inf)

    def isfinite(self, x: Reg) -> Reg:
        return self.math.compare("olt", self.math.abs(x), math.inf)

    def floor(self, x: Reg) -> Reg:
        return self.math.rounded("floor", x) if x.is_float else x

    def ceil(self, x: Reg) -> Reg:
        return self.math.rounded("ceil", x) if x.is_float else x

    def round(self, x: Reg) -> Reg:
        """To the nearest integer, halves to even."""
        return self.math.rounded("roundeven", x) if x.is_float else x

    def trunc(self, x: Reg) -> Reg:
        return self.math.rounded("trunc", x) if x.is_float else x

    # ---- functions of one float

    def exp(self, x: Reg) -> Reg:
        return exponential.exp(self.math, x)

    def exp2(self, x: Reg) -> Reg:
        return exponential.exp2(self.math, x)

    def expm1(self, x: Reg) -> Reg:
        return exponential.expm1(self.math, x)

    def sigmoid(self, x: Reg) -> Reg:
        return exponential.sigmoid(self.math, x)

    def sinh(self, x: Reg) -> Reg:
        return exponential.sinh(self.math, x)

    def cosh(self, x: Reg) -> Reg:
        return exponential.cosh(self.math, x)

    def tanh(self, x: Reg) -> Reg:
        return exponential.tanh(self.math, x)

    def log(self, x: Reg) -> Reg:
        return logarithm.log(self.math, x)

    def log2(self, x: Reg) -> Reg:
        return logarithm.log2(self.math, x)

    def log10(self, x: Reg) -> Reg:
        return logarithm.log10(self.math, x)

    def log1p(self, x: Reg) -> Reg:
        return logarithm.log1p(self.math, x)

    def asinh(self, x: Reg) -> Reg:
        return logarithm.asinh(self.math, x)

    def acosh(self, x: Reg) -> Reg:
        return logarithm.acosh(self.math, x)

    def atanh(self, x: Reg) -> Reg:
        return logarithm.atanh(self.math, x)

    def sin(self, x: Reg) -> Reg:
        return trigonometric.sin(self.math, x)

    def cos(self, x: Reg) -> Reg:
        return trigonometric.cos(self.math, x)

    def tan(self, x: Reg) -> Reg:
        return trigonometric.tan(self.math, x)

    def asin(self, x: Reg) -> Reg:
        return inverse.asin(self.math, x)

    def acos(self, x: Reg) -> Reg:
        return inverse.acos(self.math, x)

    def atan(self, x: Reg) -> Reg:
        return inverse.atan(self.math, x)

    def atan2(self, y: Reg, x: Reg) -> Reg:
        """The angle of the point (x, y)."""
        return inverse.atan2(self.math, *self.function.match(y, x))

    def erf(self, x: Reg) -> Reg:
        return error_function.erf(self.math, x)

    def erfc(self, x: Reg) -> Reg:
        return error_function.erfc(self.math, x)

    def erfinv(self, x: Reg) -> Reg:
        return error_function.erfinv(self.math, x)

    def lgamma(self, x: Reg) -> Reg:
        return gamma.lgamma(self.math, x)

    def digamma(self, x: Reg) -> Reg:
        return gamma.digamma(self.math, x)
