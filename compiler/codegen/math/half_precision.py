"""float16 and bfloat16: two bytes in memory, f32 in registers.

Rounding is to nearest even, subnormals are kept, NaN stays NaN. AVX-512-BF16 is not used: its conversion flushes
subnormals. Integer code does what the target has no instruction for, so that no library call appears.
"""

from __future__ import annotations

from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.math.arithmetic import Arithmetic
from ingot.compiler.codegen.spelling import Reg


def native_half(m: Arithmetic) -> bool:
    return m.target.has("f16c") or m.target.architecture in ("aarch64", "nvptx64")


def widen_half(m: Arithmetic, x: Reg) -> Reg:
    """f16, bf16 -> f32, exactly."""
    f = m.function
    if x.elt == "f16" and native_half(m):
        return f.cast("fpext", x, "f32")
    wide = f.cast("zext", f.bitcast(x, "i16"), "i32")
    if x.elt == "bf16":
        return m.from_bits(f.shl(wide, f.like(wide, 16)))
    sign = f.shl(f.and_(wide, f.like(wide, 0x8000)), f.like(wide, 16))
    body = f.shl(f.and_(wide, f.like(wide, 0x7FFF)), f.like(wide, 13))
    # The exponent is rebased by a multiplication, which normalises subnormals too.
    value = m.mul(m.from_bits(body), 2.0**112)
    finite = f.cmp("ult", body, f.like(body, 0x7C00 << 13))
    special = f.or_(body, f.like(body, 0x7F800000))
    return m.from_bits(f.or_(f.select(finite, m.bits(value), special), sign))


def narrow_half(m: Arithmetic, x: Reg, elt: str) -> Reg:
    """f32 -> f16 or bf16, to nearest even."""
    f = m.function
    if elt == "f16" and native_half(m):
        return narrow_one(f, x) if m.target.has("f16c") and x.lanes == 1 else f.cast("fptrunc", x, "f16")
    bits = m.bits(x)

    def const(value: int) -> Reg:
        return f.like(bits, value)

    if elt == "bf16":
        odd = f.and_(f.lshr(bits, const(16)), const(1))
        rounded = f.lshr(f.add(bits, f.add(odd, const(0x7FFF))), const(16))
        nan = f.or_(f.lshr(bits, const(16)), const(0x40))
        result = f.select(f.cmp("uno", x, x), nan, rounded)
        return f.bitcast(f.cast("trunc", result, "i16"), "bf16")
    size = f.and_(bits, const(0x7FFFFFFF))
    odd = f.and_(f.lshr(size, const(13)), const(1))
    normal = f.lshr(f.add(f.sub(size, const(112 << 23)), f.add(odd, const(0xFFF))), const(13))
    # Below 2**-14 an addition of 1/2 aligns the bits to the subnormal unit 2**-24 and rounds them.
    shifted = m.add(m.from_bits(size), 0.5)
    subnormal = f.sub(m.bits(shifted), const(0x3F000000))
    result = f.select(f.cmp("ult", size, const(113 << 23)), subnormal, normal)
    over = f.cmp("uge", size, const(0x477FF000))  # 65520: rounds to infinity
    nan = f.or_(f.and_(f.lshr(size, const(13)), const(0x3FF)), const(0x7E00))
    special = f.select(f.cmp("ugt", size, const(0x7F800000)), nan, const(0x7C00))
    result = f.or_(f.select(over, special, result), f.and_(f.lshr(bits, const(16)), const(0x8000)))
    return f.bitcast(f.cast("trunc", result, "i16"), "f16")


def narrow_one(f: Function, x: Reg) -> Reg:
    """A single f32 -> f16 by F16C's own intrinsic.

    LLVM 22 pulls the sign of a copysign that was taken in f64 through a plain fptrunc and then converts that f64 to
    f16 with a library call.
    """
    name = "llvm.x86.vcvtps2ph.128"
    f.module.declare(name, f"declare <8 x i16> @{name}(<4 x float>, i32)")
    four = f.insert(f.const("f32", 0.0, 4), x, 0)
    halves = f.emit(f"call <8 x i16> @{name}({four}, i32 0)", "i16", 8, (four,))
    return f.bitcast(f.extract(halves, 0), "f16")
