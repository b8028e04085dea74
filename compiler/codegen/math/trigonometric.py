"""sin, cos and tan: reduction by multiples of pi/2, and the polynomials on [-pi/4, pi/4].

Cody & Waite 1980 up to a limit, Payne & Hanek 1983 beyond it, in an internal function that is called only when a lane
needs it. Both keep the low part of the reduced argument in f64.
"""

from __future__ import annotations

import math

from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.math.arithmetic import INTEGER, ROUNDER, Arithmetic, table
from ingot.compiler.codegen.spelling import BITS, Reg

# f32: n < 2**15 keeps n * (pi/2) exact in the last part; f64: n < 2**20 keeps products with 33-bit parts exact.
LIMIT = {"f32": 48000.0, "f64": 1647099.0}


class Angle:
    """x = quadrant pi/2 + r + low with |r| <= pi/4; `low` only in f64. Two low bits of `quadrant` count."""

    __slots__ = ("low", "quadrant", "r")

    def __init__(self, r: Reg, low: Reg | None, quadrant: Reg) -> None:
        self.r, self.low, self.quadrant = r, low, quadrant


def reduce(m: Arithmetic, x: Reg) -> Angle:
    near = reduce_f64(m, x) if x.elt == "f64" else reduce_f32(m, x)
    large = m.function.not_(m.compare("olt", m.abs(x), LIMIT[x.elt]))
    usual = [near.r, near.quadrant] if near.low is None else [near.r, near.quadrant, near.low]
    merged = m.function.if_(m.any(large), lambda: reduce_large(m, x, usual), lambda: usual, unlikely=True)
    return Angle(merged[0], merged[2] if near.low is not None else None, merged[1])


def reduce_f32(m: Arithmetic, x: Reg) -> Angle:
    if not m.has_fma:  # products with the parts of pi/2 are not exact in f32 then, but they are in f64
        wide = m.widen(x)
        first, second, _ = m.values(wide, "pi_2_short")
        n, low_bits = m.nearest(m.mul(wide, m.values(wide, "two_over_pi")[0]))
        r = m.sub(m.sub(wide, m.mul(n, first)), m.mul(n, second))
        return Angle(m.narrow(r), None, m.function.cast("trunc", low_bits, "i32"))
    first, second, third = m.values(x, "pi_2")
    carrier = m.fma(x, m.values(x, "two_over_pi")[0], ROUNDER["f32"])
    n = m.sub(carrier, ROUNDER["f32"])
    r = m.fnma(n, third, m.fnma(n, second, m.fnma(n, first, x)))
    return Angle(r, None, m.bits(carrier))


def reduce_f64(m: Arithmetic, x: Reg) -> Angle:
    first, second, third = m.values(x, "pi_2_short")
    carrier = m.fma(x, m.values(x, "two_over_pi")[0], ROUNDER["f64"])
    n = m.sub(carrier, ROUNDER["f64"])
    head = m.fnma(n, first, x)  # exact: the product is short, and the difference cancels
    tail = m.mul(n, second)
    # Exact even where the head has cancelled below the tail: both are multiples of 2**-67 below 2**-12 then.
    r, low = m.fast_two_sum(head, m.neg(tail))
    low = m.fnma(n, third, low)
    r, low = m.fast_two_sum(r, low)
    return Angle(r, low, m.bits(carrier))


def reduce_large(m: Arithmetic, x: Reg, usual: list[Reg]) -> list[Reg]:
    """`usual` with the lanes beyond the limit replaced. Lanes travel through memory, as f64."""
    f, lanes = m.function, x.lanes
    store = [f.alloca("f64", lanes) for _ in range(3)] + [f.alloca("i64", lanes)]
    is_f32 = x.elt == "f32"
    r, quadrant = usual[0], usual[1]
    low = usual[2] if len(usual) > 2 else f.const("f64", 0.0, lanes)
    wide = [m.widen(v) if is_f32 else v for v in (x, r)]
    f.store(wide[0], store[0])
    f.store(wide[1], store[1])
    f.store(low, store[2])
    f.store(f.cast("zext", quadrant, "i64") if is_f32 else quadrant, store[3])
    name = f.module.once(f"payne_hanek_{x.elt}", lambda: define_payne_hanek(m, f"payne_hanek_{x.elt}", LIMIT[x.elt]))
    f.call("void", name, *store, f.const("i64", lanes))
    out = [f.load(store[1], "f64", lanes), f.load(store[3], "i64", lanes), f.load(store[2], "f64", lanes)]
    if is_f32:
        return [m.narrow(out[0]), f.cast("trunc", out[1], "i32")]
    return out


def define_payne_hanek(m: Arithmetic, name: str, limit: float) -> None:
    """void name(f64* x, f64* r, f64* low, i64* quadrant, i64 n): reduces every |x| >= limit, one after another."""
    module = m.function.module
    params = [("ptr", "x"), ("ptr", "r"), ("ptr", "low"), ("ptr", "quadrant"), ("i64", "n")]
    f = Function(module, name, params, attributes="noinline cold ")
    inner = Arithmetic(f, m.target)
    xs, rs, lows, quadrants, count = f.params

    def body(i: Reg, _: list[Reg]) -> list[Reg]:
        x = f.load(f.offset(xs, i, 8), "f64")
        large = f.not_(f.cmp("olt", f.fabs(x), f.const("f64", limit)))

        def one() -> list[Reg]:
            r, low, quadrant = payne_hanek(inner, x)
            f.store(r, f.offset(rs, i, 8))
            f.store(low, f.offset(lows, i, 8))
            f.store(quadrant, f.offset(quadrants, i, 8))
            return []

        f.if_(large, one, unlikely=True)
        return []

    f.loop(0, count, 1, body)
    f.finish()


def two_over_pi_table(f: Function) -> Reg:
    words = table()["i64"]["two_over_pi"]
    body = ", ".join(f"i64 {w - (1 << 64) if w >> 63 else w}" for w in words)
    return Reg(f.module.constant("two_over_pi", f"[{len(words)} x i64] [{body}]"), "ptr")


def payne_hanek(m: Arithmetic, x: Reg) -> tuple[Reg, Reg, Reg]:
    """One f64 of any size: (r, low, quadrant). Infinity and NaN give NaN.

    With x = M 2**E, 192 bits of 2/pi starting four bits before the binary point of the product hold all that matters:
    the product modulo 2**192 has 4 integer bits (the quadrant) and 188 fraction bits.
    """
    f = m.function

    def i64(value: int) -> Reg:
        return f.const("i64", value)

    bits = f.bitcast(x, "i64")
    exponent = f.and_(f.lshr(bits, i64(52)), i64(0x7FF))
    mantissa = f.or_(f.and_(bits, i64((1 << 52) - 1)), i64(1 << 52))
    start = f.sub(exponent, i64(1023 + 52 - 60))  # the table begins with a zero word: 64 - 4 bits
    start = f.select(f.cmp("slt", start, i64(0)), i64(0), start)
    word = f.lshr(start, i64(6))
    # Exponents stop at 971 for finite numbers; infinity and NaN read the first words and are replaced below.
    word = f.select(f.cmp("eq", exponent, i64(0x7FF)), i64(0), word)
    base = f.offset(two_over_pi_table(f), word, 8)
    w = [f.load(f.offset(base, 8 * k), "i64") for k in range(4)]
    a = [f.intrinsic("fshl", w[k], w[k + 1], f.and_(start, i64(63))) for k in range(3)]
    high, low = fraction(f, mantissa, a)
    quadrant = f.lshr(high, i64(60))
    # Four integer bits out: the fraction is now (high, low) / 2**128, read as signed to lie in [-1/2, 1/2).
    high, low = f.intrinsic("fshl", high, low, i64(4)), f.shl(low, i64(4))
    negative = f.cmp("slt", high, i64(0))
    quadrant = f.add(quadrant, f.cast("zext", negative, "i64"))
    borrow = f.cast("zext", f.cmp("ne", low, i64(0)), "i64")
    high = f.select(negative, f.sub(f.neg(high), borrow), high)
    low = f.select(negative, f.neg(low), low)
    # Normalise so that 53 + 64 bits are kept however small the fraction is (below 2**-62 for no f64).
    zeros = leading_zeros(f, high)
    high, low = f.intrinsic("fshl", high, low, zeros), f.shl(low, zeros)
    head = f.cast("uitofp", f.and_(high, i64(-2048)), "f64")
    rest = f.or_(f.shl(f.and_(high, i64(2047)), i64(52)), f.lshr(low, i64(12)))
    unit = f.bitcast(f.shl(f.sub(i64(1023 - 64), zeros), i64(52)), "f64")  # 2**(-64 - zeros)
    head = f.mul(head, unit)
    tail = f.mul(f.mul(f.cast("sitofp", rest, "f64"), f.const("f64", 2.0**-52)), unit)
    sign = f.select(negative, f.const("f64", -1.0), f.const("f64", 1.0))
    below = f.cmp("slt", bits, i64(0))
    sign = f.select(below, f.neg(sign), sign)
    quadrant = f.select(below, f.neg(quadrant), quadrant)
    first, second = m.values(x, "pi_2")
    r, error = m.two_product(head, first)
    error = m.add(m.fma(head, second, error), m.mul(tail, first))
    r, error = m.fast_two_sum(r, error)
    r = f.select(f.cmp("eq", exponent, i64(0x7FF)), f.const("f64", math.nan), f.mul(r, sign))
    return r, f.mul(error, sign), quadrant


def leading_zeros(f: Function, value: Reg) -> Reg:
    f.module.declare("llvm.ctlz.i64", "declare i64 @llvm.ctlz.i64(i64, i1)")
    return f.emit(f"call i64 @llvm.ctlz.i64({value}, i1 false)", "i64", 1, (value,))


def fraction(f: Function, mantissa: Reg, a: list[Reg]) -> tuple[Reg, Reg]:
    """The two upper words of mantissa * (a0:a1:a2) modulo 2**192."""

    def product(word: Reg) -> Reg:
        return f.mul(f.cast("zext", mantissa, "i128"), f.cast("zext", word, "i128"))

    def upper(wide: Reg) -> Reg:
        return f.cast("trunc", f.lshr(wide, f.const("i128", 64)), "i64")

    middle = f.add(product(a[1]), f.cast("zext", upper(product(a[2])), "i128"))
    return f.add(f.mul(mantissa, a[0]), upper(middle)), f.cast("trunc", middle, "i64")


def sine_cosine(m: Arithmetic, angle: Angle) -> tuple[Reg, Reg]:
    """(sin, cos) of r + low."""
    r, low = angle.r, angle.low
    z = m.mul(r, r)
    s, c = m.polynomial(z, "sin"), m.polynomial(z, "cos")
    if low is None:
        sine = m.fma(m.mul(r, z), s, r)
        return sine, m.fma(m.mul(z, z), c, m.fma(z, -0.5, 1.0))
    sine = m.add(r, m.fma(m.mul(r, z), s, m.fma(m.mul(low, z), -0.5, low)))
    half = m.mul(z, 0.5)
    main = m.sub(1.0, half)
    lost = m.sub(m.sub(1.0, main), half)
    return sine, m.add(main, m.add(lost, m.fma(m.mul(z, z), c, m.neg(m.mul(r, low)))))


def by_quadrant(m: Arithmetic, quadrant: Reg, even: Reg, odd: Reg) -> Reg:
    """`even` or `odd` by the lowest bit, negated by the next."""
    f = m.function
    is_odd = f.cmp("ne", f.and_(quadrant, f.like(quadrant, 1)), f.like(quadrant, 0))
    value = m.select(is_odd, odd, even)
    width = BITS[INTEGER[value.elt]]
    sign = f.shl(f.and_(quadrant, f.like(quadrant, 2)), f.like(quadrant, width - 2))
    return m.from_bits(f.xor(m.bits(value), sign))


def sin(m: Arithmetic, x: Reg) -> Reg:
    angle = reduce(m, x)
    result = by_quadrant(m, angle.quadrant, *sine_cosine(m, angle))
    return m.select(m.compare("oeq", x, 0.0), x, result)  # -0


def cos(m: Arithmetic, x: Reg) -> Reg:
    angle = reduce(m, x)
    sine, cosine = sine_cosine(m, angle)
    f = m.function
    return by_quadrant(m, f.add(angle.quadrant, f.like(angle.quadrant, 1)), sine, cosine)


def tan(m: Arithmetic, x: Reg) -> Reg:
    """tan(r) in even quadrants, -1 / tan(r) in odd ones, where the low part of tan(r) is kept."""
    if x.elt == "f32":
        return m.narrow(tan(m, m.widen(x)))
    angle = reduce(m, x)
    r, low = angle.r, angle.low
    assert low is not None
    z = m.mul(r, r)
    change = m.fma(m.mul(r, z), m.polynomial(z, "tan"), m.fma(low, z, low))
    head, tail = m.fast_two_sum(r, change)
    inverse = m.div(-1.0, head)
    f = m.function
    is_odd = f.cmp("ne", f.and_(angle.quadrant, f.like(angle.quadrant, 1)), f.like(angle.quadrant, 0))
    result = m.select(is_odd, m.fma(m.mul(inverse, inverse), tail, inverse), head)
    return m.select(m.compare("oeq", x, 0.0), x, result)
