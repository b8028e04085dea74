"""Integers: division that never traps, shifts by any amount, powers, conversions. All wrap around as NumPy's do."""

from __future__ import annotations

from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.math.arithmetic import Arithmetic
from ingot.compiler.codegen.spelling import BITS, Reg


def divide(m: Arithmetic, a: Reg, b: Reg, *, signed: bool) -> tuple[Reg, Reg]:
    """(quotient toward zero, remainder with the sign of a); both 0 where b = 0, and MIN / -1 wraps to MIN."""
    f = m.function
    a, b = f.match(a, b)
    if b.literal not in (None, 0, -1):  # the backend multiplies by a reciprocal
        quotient = f.emit(f"{'sdiv' if signed else 'udiv'} {a}, {b.name}", a.elt, a.lanes, (a, b))
        return quotient, f.sub(a, f.mul(quotient, b))
    zero = f.like(b, 0)
    by_zero = f.cmp("eq", b, zero)
    if a.lanes > 1 and BITS[a.elt] <= 32:
        quotient = divide_as_floats(f, a, f.select(by_zero, f.like(b, 1), b), signed=signed)
    else:
        unsafe = by_zero
        if signed:
            least = f.like(a, -1 << (BITS[a.elt] - 1))
            wraps = f.and_(f.cmp("eq", b, f.like(b, -1)), f.cmp("eq", a, least))
            unsafe = f.or_(by_zero, wraps)
        safe = f.select(unsafe, f.like(b, 1), b)
        quotient = f.emit(f"{'sdiv' if signed else 'udiv'} {a}, {safe.name}", a.elt, a.lanes, (a, safe))
    rest = f.sub(a, f.mul(quotient, b))
    return f.select(by_zero, zero, quotient), f.select(by_zero, zero, rest)


def divide_as_floats(f: Function, a: Reg, b: Reg, *, signed: bool) -> Reg:
    """Lanes of at most 32 bits in f64, whose quotient truncates correctly: no machine divides integer vectors."""
    to_float, to_integer = ("sitofp", "fptosi") if signed else ("uitofp", "fptoui")
    quotient = f.div(f.cast(to_float, a, "f64"), f.cast(to_float, b, "f64"))
    # 64 bits hold MIN / -1 and every unsigned quotient; the truncation then wraps. Narrow types fit 32 bits.
    wide = "i64" if BITS[a.elt] == 32 else "i32"
    return f.cast("trunc", f.cast("fptosi" if wide == "i64" else to_integer, quotient, wide), a.elt)


def floor_divide(m: Arithmetic, a: Reg, b: Reg, *, signed: bool) -> tuple[Reg, Reg]:
    """(floor(a / b), remainder with the sign of b); both 0 where b = 0."""
    f = m.function
    a, b = f.match(a, b)
    quotient, rest = divide(m, a, b, signed=signed)
    if not signed:
        return quotient, rest
    zero = f.like(a, 0)
    differ = f.cmp("slt", f.xor(rest, b), zero)
    adjust = f.and_(differ, f.cmp("ne", rest, zero))
    down = f.cast("sext", adjust, a.elt)  # -1 where the floor is one less
    return f.add(quotient, down), f.add(rest, f.and_(down, b))


def shift(f: Function, op: str, a: Reg, b: Reg) -> Reg:
    """`op` is shl, lshr or ashr; amounts outside [0, width) shift everything out."""
    a, b = f.match(a, b)
    width = BITS[a.elt]
    if b.literal is not None and 0 <= b.literal < width:
        return f.binary(op, a, b)
    inside = f.cmp("ult", b, f.like(b, width))
    if op == "ashr":
        return f.ashr(a, f.select(inside, b, f.like(b, width - 1)))
    return f.select(inside, f.binary(op, a, f.select(inside, b, f.like(b, 0))), f.like(a, 0))


def power(m: Arithmetic, a: Reg, b: Reg, *, signed: bool) -> Reg:
    """a**b by squaring, modulo 2**width."""
    f = m.function
    a, b = f.match(a, b)
    one, zero = f.like(a, 1), f.like(b, 0)
    negative = f.cmp("slt", b, zero) if signed else None
    start = f.select(negative, zero, b) if negative is not None else b

    def step(carried: list[Reg]) -> list[Reg]:
        result, base, exponent = carried
        odd = f.cmp("ne", f.and_(exponent, f.like(b, 1)), zero)
        return [f.select(odd, f.mul(result, base), result), f.mul(base, base), f.lshr(exponent, f.like(b, 1))]

    result = f.while_(lambda c: f.any(f.cmp("ne", c[2], zero)), step, [f.like(a, 1), a, start])[0]
    if negative is None:
        return result
    # 1 / a**-b truncated: a itself for 1; for -1, 1 or -1 by parity; 0 for the rest.
    odd = f.cmp("ne", f.and_(b, f.like(b, 1)), zero)
    unit = f.select(f.cmp("eq", a, one), one, f.like(a, 0))
    minus = f.cmp("eq", a, f.like(a, -1))
    unit = f.select(minus, f.select(odd, f.like(a, -1), one), unit)
    return f.select(negative, unit, result)


def resize(f: Function, x: Reg, elt: str, *, signed: bool) -> Reg:
    """Integer to integer: truncation, or extension by the signedness of the source."""
    if BITS[elt] <= BITS[x.elt]:
        return f.cast("trunc", x, elt)
    return f.cast("sext" if signed and x.elt != "i1" else "zext", x, elt)


def from_float(m: Arithmetic, x: Reg, elt: str, *, signed: bool) -> Reg:
    """Truncation toward zero, as x86-64 compilers write it: see Scalar.cast for values out of range."""
    f, bits = m.function, BITS[elt]
    if bits < 32:
        return f.cast("trunc", to_signed(m, x, "i32"), elt)
    if signed:
        return to_signed(m, x, elt)
    if bits == 32:
        return f.cast("trunc", to_signed(m, x, "i64"), elt)
    half = 2.0**63
    above = m.compare("oge", x, half)
    low = to_signed(m, m.select(above, m.sub(x, half), x), elt)
    return f.xor(low, f.select(above, f.const(elt, 1 << 63, x.lanes), f.const(elt, 0, x.lanes)))


def to_signed(m: Arithmetic, x: Reg, elt: str) -> Reg:
    """fptosi, and the least integer where that would be poison."""
    f, limit = m.function, 2.0 ** (BITS[elt] - 1)
    inside = m.compare("olt", m.abs(x), limit)
    return f.select(inside, f.cast("fptosi", x, elt), f.const(elt, -1 << (BITS[elt] - 1), x.lanes))
