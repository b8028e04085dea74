"""The builder that `lower` rules of elementwise ops use: one method per op, on registers of any number of lanes.

In registers bool is i1, float16 and bfloat16 are f32 (rounded where they are stored or cast), everything else is
itself; `register` and `memory` name the element types. Results at NaN, infinities, signed zeros, subnormals and
integer overflow are NumPy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ingot.compiler.codegen.llvm import Function
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
from ingot.compiler.codegen.spelling import BITS, Reg
from ingot.compiler.codegen.target import Target
from ingot.runtime import flags
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

    Binary operations want equal element types; a register of one lane is spread. A dtype that comes first is that of
    the first operand and says what its register cannot: whether an integer is signed, which half type a value has.
    """

    def __init__(self, function: Function, target: Target) -> None:
        self.function, self.target = function, target
        self.math = Arithmetic(function, target)
        self.may_contract = flags.FP.get() != "strict"

    # ---- constants, selection, conversion

    def const(self, dtype: DType, value: int | float | bool, lanes: int = 1) -> Reg:
        """A constant as it is held in registers."""
        if dtype.name in HALF:
            value = float(dtype.numpy.type(value))
        return self.function.const(register(dtype), value, lanes)

    def zero(self, x: Reg) -> Reg:
        return self.function.like(x, 0)

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

    def cast(self, source: DType, x: Reg, target: DType) -> Reg:
        """astype between register forms.

        To bool: x != 0. Integers wrap. float -> integer truncates; NaN and values out of range give the least int64
        (int64) or int32 (int32), whose low bits narrower types take; uint32 takes those of the int64 result, and
        uint64 from 2**63 on converts x - 2**63 and adds it back. Half types are reached through float32.
        """
        if source is target:
            return x
        if target.kind == "b":
            return x if source.kind == "b" else self.function.cmp("une" if x.is_float else "ne", x, self.zero(x))
        if target.kind != "f":
            if source.kind == "f":
                return integer.from_float(self.math, x, register(target), signed=target.kind == "i")
            return integer.resize(self.function, x, register(target), signed=source.kind == "i")
        elt = register(target)
        if source.kind != "f":
            x = self.function.cast("sitofp" if source.kind == "i" else "uitofp", x, elt)
        else:
            x = self.function.cast("fptrunc" if BITS[x.elt] > BITS[elt] else "fpext", x, elt)
        return self.widen(self.narrow(x, target.short)) if target.name in HALF else x

    def bitcast(self, source: DType, x: Reg, target: DType) -> Reg:
        """The same bits as another dtype of the same width."""
        return self.from_memory(self.function.bitcast(self.to_memory(x, source), memory(target)), target)

    # ---- arithmetic

    def add(self, a: Reg, b: Reg) -> Reg:
        return self.function.or_(a, b) if a.elt == "i1" else self.contracted("add", a, b)

    def sub(self, a: Reg, b: Reg) -> Reg:
        return self.contracted("sub", a, b)

    def mul(self, a: Reg, b: Reg) -> Reg:
        return self.function.and_(a, b) if a.elt == "i1" else self.contracted("mul", a, b)

    def contracted(self, op: str, a: Reg, b: Reg) -> Reg:
        """Float operations that the code generator may fuse with a neighbour into one rounding, unless fp is strict."""
        if a.is_float and self.may_contract:
            return self.function.binary(f"f{op} contract", a, b)
        operation: Callable[[Reg, Reg], Reg] = getattr(self.function, op)
        return operation(a, b)

    def div(self, a: Reg, b: Reg) -> Reg:
        """Quotient of floats."""
        return self.function.div(a, b)

    def fma(self, a: Reg, b: Reg, c: Reg) -> Reg:
        """a * b + c, fused where the target can."""
        return self.math.fma(a, b, c) if a.is_float else self.add(self.mul(a, b), c)

    def floordiv(self, dtype: DType, a: Reg, b: Reg) -> Reg:
        """floor(a / b); integer division by zero gives 0."""
        if a.is_float:
            return remainder.floor_divide(self.math, a, b)
        return integer.floor_divide(self.math, a, b, signed=dtype.is_signed)[0]

    def remainder(self, dtype: DType, a: Reg, b: Reg) -> Reg:
        """a - b floor(a / b), with the sign of b (Python's %); integer remainder by zero gives 0."""
        if a.is_float:
            return remainder.remainder(self.math, a, b)
        return integer.floor_divide(self.math, a, b, signed=dtype.is_signed)[1]

    def fmod(self, dtype: DType, a: Reg, b: Reg) -> Reg:
        """The remainder with the sign of a, exact (C's fmod and %); integer remainder by zero gives 0."""
        if a.is_float:
            return remainder.fmod(self.math, a, b)
        return integer.divide(self.math, a, b, signed=dtype.is_signed)[1]

    def pow(self, dtype: DType, a: Reg, b: Reg) -> Reg:
        """a**b. Integers wrap around; a negative exponent gives 0 except for bases 1 and -1."""
        if a.is_float:
            return power.pow(self.math, *self.function.match(a, b))
        return integer.power(self.math, a, b, signed=dtype.is_signed)

    def neg(self, x: Reg) -> Reg:
        return self.function.neg(x)

    def abs(self, dtype: DType, x: Reg) -> Reg:
        if x.is_float:
            return self.math.abs(x)
        if not dtype.is_signed:
            return x
        return self.function.select(self.function.cmp("slt", x, self.zero(x)), self.neg(x), x)

    def sign(self, dtype: DType, x: Reg) -> Reg:
        """(x > 0) - (x < 0): NaN and both zeros give 0."""
        f, zero = self.function, self.zero(x)
        if x.elt == "i1":
            return x
        if x.is_float:
            return f.select(f.cmp("one", x, zero), self.math.copysign(1.0, x), zero)
        positive = f.cast("zext", f.cmp("ne", x, zero), x.elt)
        return f.select(f.cmp("slt", x, zero), f.like(x, -1), positive) if dtype.is_signed else positive

    def reciprocal(self, x: Reg) -> Reg:
        return self.math.div(1.0, x)

    def sqrt(self, x: Reg) -> Reg:
        return self.math.sqrt(x)

    def rsqrt(self, x: Reg) -> Reg:
        return self.math.div(1.0, self.math.sqrt(x))

    def maximum(self, dtype: DType, a: Reg, b: Reg) -> Reg:
        """The larger; NaN if either is. Of zeros of either sign, the second."""
        return self.extremum("gt", dtype, a, b)

    def minimum(self, dtype: DType, a: Reg, b: Reg) -> Reg:
        """The smaller; NaN if either is. Of zeros of either sign, the second."""
        return self.extremum("lt", dtype, a, b)

    def extremum(self, relation: str, dtype: DType, a: Reg, b: Reg) -> Reg:
        f, kept = self.function, self.order(relation, dtype, a, b)
        chosen = f.select(kept, a, b)  # one vmax or vmin, which returns b for unordered operands
        return f.select(f.cmp("uno", a, a), a, chosen) if a.is_float else chosen

    # ---- comparison, logic, bits

    def order(self, relation: str, dtype: DType, a: Reg, b: Reg) -> Reg:
        prefix = "o" if a.is_float else "s" if dtype.is_signed else "u"
        return self.function.cmp(prefix + relation, a, b)

    def eq(self, dtype: DType, a: Reg, b: Reg) -> Reg:
        return self.function.cmp("oeq" if a.is_float else "eq", a, b)

    def ne(self, dtype: DType, a: Reg, b: Reg) -> Reg:
        return self.function.cmp("une" if a.is_float else "ne", a, b)

    def lt(self, dtype: DType, a: Reg, b: Reg) -> Reg:
        return self.order("lt", dtype, a, b)

    def le(self, dtype: DType, a: Reg, b: Reg) -> Reg:
        return self.order("le", dtype, a, b)

    def gt(self, dtype: DType, a: Reg, b: Reg) -> Reg:
        return self.order("gt", dtype, a, b)

    def ge(self, dtype: DType, a: Reg, b: Reg) -> Reg:
        return self.order("ge", dtype, a, b)

    def logical_not(self, dtype: DType, x: Reg) -> Reg:
        """x == 0."""
        return self.eq(dtype, x, self.zero(x))

    def bitwise_not(self, x: Reg) -> Reg:
        return self.function.not_(x)

    def and_(self, a: Reg, b: Reg) -> Reg:
        return self.function.and_(a, b)

    def or_(self, a: Reg, b: Reg) -> Reg:
        return self.function.or_(a, b)

    def xor(self, a: Reg, b: Reg) -> Reg:
        return self.function.xor(a, b)

    def shl(self, dtype: DType, a: Reg, b: Reg) -> Reg:
        """Left shift; amounts outside [0, width) give 0."""
        return integer.shift(self.function, "shl", a, b)

    def shr(self, dtype: DType, a: Reg, b: Reg) -> Reg:
        """Right shift, arithmetic for signed; amounts outside [0, width) leave only the sign."""
        return integer.shift(self.function, "ashr" if dtype.is_signed else "lshr", a, b)

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
