"""Elementwise rules. Each line of a docstring is one rule; c is a constant, x and y are any values.

Floats keep NaN, infinities and the sign of zero, which rules out x + 0.0 = x (it turns -0.0 into 0.0) and x * 0 = 0;
integers wrap, so for them ring identities hold.
"""

from __future__ import annotations

from ingot.compiler.ir import Value
from ingot.compiler.ops import elementwise as e
from ingot.compiler.ops import transcendental as t
from ingot.compiler.ops.source import full, ones_like, scalar_like, zeros_like
from ingot.compiler.rewrite import Rules
from ingot.compiler.rules import numbers as n
from ingot.runtime.dtypes import DType


def constant_second(v: Value) -> Value | None:
    """c + x = x + c, and so for every commutative op."""
    x, y = v.operands
    return v.op(y, x) if n.is_splat(x) and not n.is_splat(y) else None


def added(v: Value) -> Value | None:
    """x + -0.0 = x; x + -y = x - y; -x + y = y - x"""
    x, y = v.operands
    if n.is_negative_zero(y):
        return x
    if y.op is e.neg:
        return e.sub(x, y.operands[0])
    return e.sub(y, x.operands[0]) if x.op is e.neg else None


def subtracted(v: Value) -> Value | None:
    """x - 0.0 = x; -0.0 - x = -x; x - -y = x + y; x - x = 0 of integers"""
    x, y = v.operands
    if n.is_zero(y):
        return x
    if n.is_negative_zero(x) and v.dtype.is_signed:
        return e.neg(y)
    if y.op is e.neg:
        return e.add(x, y.operands[0])
    return zeros_like(v) if x is y and not v.dtype.is_floating_point else None


def multiplied(v: Value) -> Value | None:
    """x * 1 = x; x * -1 = -x; -x * -y = x * y; -x * c = x * -c; x * 0 = 0 of integers"""
    x, y = v.operands
    if n.is_one(y):
        return x
    if n.is_zero(y) and not v.dtype.is_floating_point:
        return y
    if v.dtype.is_signed and n.number(y) == -1:
        return e.neg(x)
    if x.op is e.neg and y.op is e.neg:
        return e.mul(x.operands[0], y.operands[0])
    if x.op is e.neg and n.is_splat(y) and y.dtype.is_floating_point:
        return e.mul(x.operands[0], scalar_like(y, -n.number(y)))
    return None


def divided(v: Value) -> Value | None:
    """x / 1 = x; x / 2^k = x * 2^-k; -x / -y = x / y"""
    x, y = v.operands
    if n.is_one(y):
        return x
    reciprocal = n.exact_reciprocal(y)
    if reciprocal is not None:
        return e.mul(x, scalar_like(y, reciprocal))
    return e.div(x.operands[0], y.operands[0]) if x.op is e.neg and y.op is e.neg else None


def floor_divided(v: Value) -> Value | None:
    """x // 1 = x of integers"""
    x, y = v.operands
    return x if n.is_one(y) and not v.dtype.is_floating_point else None


def negated(v: Value) -> Value | None:
    """--x = x"""
    (x,) = v.operands
    return x.operands[0] if x.op is e.neg else None


def absolute(v: Value) -> Value | None:
    """||x|| = |x|; |-x| = |x|, except of unsigned integers, whose negation wraps"""
    (x,) = v.operands
    if x.op is e.abs:
        return x
    return e.abs(x.operands[0]) if x.op is e.neg and v.dtype.is_signed else None


def raised(v: Value) -> Value | None:
    """x^1 = x; x^0 = 1 (of NaN too, as in IEEE 754-2019, 9.2.1); x^2 = x*x; x^3 = x*x*x; x^-1 = 1/x of floats

    sqrt differs from x^0.5 at -0.0 and -inf.
    """
    x, y = v.operands
    exponent = n.number(y)
    if exponent == 1:
        return x
    if exponent == 0:
        return ones_like(v)
    if exponent == 2:
        return e.mul(x, x)
    if exponent == 3:
        return e.mul(e.mul(x, x), x)
    return e.reciprocal(x) if exponent == -1 and v.dtype.is_floating_point else None


def same_twice(v: Value) -> Value | None:
    """max(x, x) = x, and so for every idempotent op"""
    x, y = v.operands
    return x if x is y else None


def conjoined(v: Value) -> Value | None:
    """x & ~0 = x; x & 0 = 0"""
    x, y = v.operands
    if n.is_all_ones(y):
        return x
    return y if n.is_zero(y) else None


def disjoined(v: Value) -> Value | None:
    """x | 0 = x; x | ~0 = ~0"""
    x, y = v.operands
    if n.is_zero(y):
        return x
    return y if n.is_all_ones(y) else None


def exclusive(v: Value) -> Value | None:
    """x ^ 0 = x; x ^ x = 0"""
    x, y = v.operands
    if n.is_zero(y):
        return x
    return zeros_like(v) if x is y else None


def shifted(v: Value) -> Value | None:
    """x << 0 = x; x >> 0 = x"""
    x, y = v.operands
    return x if n.is_zero(y) else None


def compared_with_itself(v: Value) -> Value | None:
    """x == x is True of integers, and so for every comparison (of floats, NaN differs from itself)"""
    x, y = v.operands
    if x is not y or x.dtype.is_floating_point:
        return None
    return full(v.type, v.op in (e.eq, e.le, e.ge))


INVERSE = {e.eq: e.ne, e.ne: e.eq}
# NaN makes both of these false.
INTEGER_INVERSE = {e.lt: e.ge, e.ge: e.lt, e.le: e.gt, e.gt: e.le}


def inverted(v: Value) -> Value | None:
    """not not x = x of bool; not (x == y) = x != y; not (x < y) = x >= y of integers"""
    (x,) = v.operands
    if x.op is e.logical_not and x.operands[0].dtype is v.dtype:
        return x.operands[0]
    opposite = INVERSE.get(x.op)
    if opposite is None and x.op in INTEGER_INVERSE and not x.operands[0].dtype.is_floating_point:
        opposite = INTEGER_INVERSE[x.op]
    return opposite(*x.operands) if opposite else None


def complemented(v: Value) -> Value | None:
    """~~x = x"""
    (x,) = v.operands
    return x.operands[0] if x.op is e.bitwise_not else None


def rounded_twice(v: Value) -> Value | None:
    """floor(ceil(x)) = ceil(x), and so for every pair of roundings to whole numbers"""
    (x,) = v.operands
    return x if x.op in WHOLE else None


WHOLE = (e.floor, e.ceil, e.round, e.trunc)


def selected(v: Value) -> Value | None:
    """select(True, x, y) = x; select(False, x, y) = y; select(m, x, x) = x; select(not m, x, y) = select(m, y, x)"""
    mask, x, y = v.operands
    if x is y or n.is_one(mask):
        return x
    if n.is_zero(mask):
        return y
    if mask.op is e.logical_not and mask.operands[0].dtype is mask.dtype:
        return e.select(mask.operands[0], y, x)
    return None


def converted(v: Value) -> Value | None:
    """cast to the same dtype = x; cast of a cast = one cast, where the first loses nothing that the second keeps"""
    (x,) = v.operands
    if x.dtype is v.dtype:
        return x
    if x.op is not e.cast:
        return None
    origin = x.operands[0]
    if not lossless(origin.dtype, x.dtype):
        return None
    # A float out of an integer's range converts by its own rule, an integer by wrapping.
    if x.dtype.is_floating_point and v.dtype.kind in "iu" and not lossless(origin.dtype, v.dtype):
        return None
    return origin if origin.dtype is v.dtype else e.cast(origin, dtype=v.dtype)


# Whole numbers up to 2^digits are exact in a float; so are values of a float with fewer digits and a smaller range.
DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
EXPONENT_BITS = {"float16": 5, "bfloat16": 8, "float32": 8, "float64": 11}


def lossless(a: DType, b: DType) -> bool:
    """Does every value of a have an equal one in b?"""
    if a is b or a.kind == "b":
        return True
    if b.kind == "b" or (a.is_floating_point and not b.is_floating_point):
        return False
    if a.is_floating_point:
        return DIGITS[a.name] <= DIGITS[b.name] and EXPONENT_BITS[a.name] <= EXPONENT_BITS[b.name]
    if b.is_floating_point:
        return a.bits - a.is_signed <= DIGITS[b.name]
    if a.is_signed:
        return b.is_signed and a.bits <= b.bits
    return a.bits <= b.bits - b.is_signed


def reinterpreted(v: Value) -> Value | None:
    """bitcast to the same dtype = x; bitcast of a bitcast = one bitcast"""
    (x,) = v.operands
    if x.dtype is v.dtype:
        return x
    return e.bitcast(x.operands[0], dtype=v.dtype) if x.op is e.bitcast else None


COMPARISONS = (e.eq, e.ne, e.lt, e.le, e.gt, e.ge)

RULES: Rules = {
    e.add: (constant_second, added),
    e.sub: (subtracted,),
    e.mul: (constant_second, multiplied),
    e.div: (divided,),
    e.floordiv: (floor_divided,),
    e.neg: (negated,),
    e.abs: (absolute,),
    t.pow: (raised,),
    e.maximum: (constant_second, same_twice),
    e.minimum: (constant_second, same_twice),
    e.and_: (constant_second, conjoined, same_twice),
    e.or_: (constant_second, disjoined, same_twice),
    e.xor: (constant_second, exclusive),
    e.shl: (shifted,),
    e.shr: (shifted,),
    e.logical_not: (inverted,),
    e.bitwise_not: (complemented,),
    e.select: (selected,),
    e.cast: (converted,),
    e.bitcast: (reinterpreted,),
    **dict.fromkeys(WHOLE, (rounded_twice,)),
    **dict.fromkeys(COMPARISONS, (compared_with_itself,)),
}
