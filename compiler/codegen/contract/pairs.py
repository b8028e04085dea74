"""bfloat16 products two at a time: neighbours along k travel as one 32-bit lane, and one instruction multiplies both.

The instruction (AVX-512 BF16, VDPBF16PS) sums in float32 and takes subnormal bfloat16 numbers as zero, as every
library that uses it does.
"""

from __future__ import annotations

from ingot.compiler.codegen.contract.plan import Plan, count
from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.spelling import Reg, type_name
from ingot.compiler.codegen.target import Target
from ingot.compiler.kernel import Contract, Load
from ingot.runtime import dtypes


def paired(contract: Contract, plan: Plan, target: Target) -> bool:
    """Whether this contraction runs on pairs: both operands are bfloat16 in memory and blocks of k hold whole pairs."""
    if not target.has("avx512bf16") or contract.dtype is not dtypes.float32:
        return False
    inner = count(plan.k_inner)
    whole = not plan.k_outer or (isinstance(inner, int) and inner % 2 == 0)
    return whole and all(isinstance(x, Load) and x.dtype is dtypes.bfloat16 for x in (contract.a, contract.b))


def halves(f: Function, value: Reg) -> Reg:
    """float32 values that came from bfloat16, as their 16 bits."""
    bits = f.bitcast(value, "i32")
    return f.cast("trunc", f.lshr(bits, f.like(bits, 16)), "i16")


def join_pairs(f: Function, first: Reg, second: Reg) -> Reg:
    """Lane by lane, (first, second) as one i32: the first in the low half."""
    low, high = f.bitcast(first, "i32"), f.bitcast(second, "i32")
    return f.or_(f.lshr(low, f.like(low, 16)), f.and_(high, f.like(high, -65536)))


def as_pairs(f: Function, value: Reg) -> Reg:
    """2n neighbours along k as n pairs."""
    half, lanes = halves(f, value), value.lanes // 2
    return f.emit(f"bitcast {half} to {type_name('i32', lanes)}", "i32", lanes, (half,))


def multiply_pairs(f: Function, a: Reg, b: Reg, total: Reg) -> Reg:
    """total + the products of both halves, for each i32 lane of a and b."""
    lanes = total.lanes
    wide = type_name("bf16", 2 * lanes)
    x, y = (f.emit(f"bitcast {r} to {wide}", "bf16", 2 * lanes, (r,)) for r in (a, b))
    name = f"llvm.x86.avx512bf16.dpbf16ps.{32 * lanes}"
    f.module.declare(name, f"declare {total.type} @{name}({total.type}, {wide}, {wide})")
    return f.emit(f"call {total.type} @{name}({total}, {x}, {y})", "f32", lanes, (total, x, y))
