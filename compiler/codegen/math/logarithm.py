"""log, log2, log10, log1p, and the inverse hyperbolic functions made of them.

x = 2**e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)). f32 uses f - f**2/2 + f**3 P(f); f64 uses the series in
s = f / (2 + f) (Ng 1993, fdlibm's e_log.c and e_log2.c for the split that log2 and log10 need).
"""

from __future__ import annotations

import math

from ingot.compiler.codegen.math.arithmetic import LEAST_NORMAL, MANTISSA, Arithmetic
from ingot.compiler.codegen.spelling import Reg

SQRT_HALF_BITS = {"f32": 0x3F3504F3, "f64": 0x3FE6A09E667F3BCD}
LIFT = {"f32": 25, "f64": 54}  # subnormals are multiplied by 2**this first


def split_exponent(m: Arithmetic, x: Reg) -> tuple[Reg, Reg]:
    """(mantissa in [sqrt(1/2), sqrt(2)), exponent as an integer register) of a normal positive number."""
    f, integer = m.function, m.bits(x)
    offset = f.sub(integer, f.like(integer, SQRT_HALF_BITS[x.elt]))
    exponent = f.ashr(offset, f.like(integer, MANTISSA[x.elt]))
    return m.from_bits(f.sub(integer, f.shl(exponent, f.like(integer, MANTISSA[x.elt])))), exponent


def decompose(m: Arithmetic, x: Reg) -> tuple[Reg, Reg]:
    """x = (1 + f) 2**e for x > 0, subnormals included: (f, e as a float)."""
    tiny = m.compare("olt", x, LEAST_NORMAL[x.elt])
    lifted = m.select(tiny, m.mul(x, 2.0 ** LIFT[x.elt]), x)
    mantissa, exponent = split_exponent(m, lifted)
    e = m.function.cast("sitofp", exponent, x.elt)
    e = m.sub(e, m.select(tiny, float(LIFT[x.elt]), 0.0, x))
    return m.sub(mantissa, 1.0), e


def log_from(m: Arithmetic, f: Reg, e: Reg) -> Reg:
    """e ln2 + log(1 + f)."""
    high, low = m.values(f, "ln2")
    square = m.mul(f, f)
    if f.elt == "f32":
        cubic = m.mul(m.mul(square, f), m.estrin(f, m.values(f, "log")))
        tail = m.fma(e, low, m.fma(square, -0.5, cubic))
        return m.fma(e, high, m.add(f, tail))
    half = m.mul(square, 0.5)
    s, rest = series(m, f)
    tail = m.fma(e, low, m.mul(s, m.add(half, rest)))
    return m.fma(e, high, m.sub(f, m.sub(half, tail)))


def series(m: Arithmetic, f: Reg) -> tuple[Reg, Reg]:
    """log(1 + f) = f - f**2/2 + s (f**2/2 + R): (s, R)."""
    s = m.div(f, m.add(f, 2.0))
    z = m.mul(s, s)
    return s, m.mul(z, m.polynomial(z, "log"))


def special(m: Arithmetic, x: Reg, result: Reg) -> Reg:
    """The results of a logarithm at 0, infinity, below zero and at NaN."""
    result = m.select(m.compare("oeq", x, math.inf), math.inf, result)
    result = m.select(m.compare("oeq", x, 0.0), -math.inf, result)
    return m.select(m.compare("ult", x, 0.0), math.nan, result)


def log(m: Arithmetic, x: Reg) -> Reg:
    return special(m, x, log_from(m, *decompose(m, x)))


def log_positive(m: Arithmetic, x: Reg) -> Reg:
    """log of a finite normal positive number."""
    mantissa, exponent = split_exponent(m, x)
    return log_from(m, m.sub(mantissa, 1.0), m.function.cast("sitofp", exponent, x.elt))


def log_base(m: Arithmetic, x: Reg, reciprocal: str, exponent_unit: str) -> Reg:
    """log(x) / log(base): f - f**2/2 is cut to a short head so that its product with 1/log(base) is exact."""
    f, e = decompose(m, x)
    square = m.mul(f, f)
    half = m.mul(square, 0.5)
    if f.elt == "f32":
        correction = m.mul(m.mul(square, f), m.estrin(f, m.values(f, "log")))
    else:
        s, rest = series(m, f)
        correction = m.mul(s, m.add(half, rest))
    head = m.halves(m.sub(f, half))[0]
    tail = m.add(m.sub(m.sub(f, head), half), correction)
    short, low = m.values(x, reciprocal)
    fraction = m.mul(head, short)
    small = m.fma(m.add(tail, head), low, m.mul(tail, short))
    if exponent_unit:
        unit_high, unit_low = m.values(x, exponent_unit)
        small = m.fma(e, unit_low, small)
        e = m.mul(e, unit_high)
    total = m.add(e, fraction)  # |e| >= 1 > |fraction| or e = 0
    return special(m, x, m.add(total, m.add(m.add(m.sub(e, total), fraction), small)))


def log2(m: Arithmetic, x: Reg) -> Reg:
    return log_base(m, x, "log2e_short", "")


def log10(m: Arithmetic, x: Reg) -> Reg:
    return log_base(m, x, "log10e_short", "log10_2")


def shifted(m: Arithmetic, x: Reg) -> tuple[Reg, Reg]:
    """1 + x = (1 + f) 2**e without losing the bits of a small x: f = x 2**-e + (2**-e - 1)."""
    _, exponent = split_exponent(m, m.add(x, 1.0))
    back = m.power_of_two(m.function.neg(exponent), 2)  # 2**(2 - e): 2**-e may be subnormal
    f = m.fma(m.mul(x, 0.25), back, m.fma(back, 0.25, -1.0))
    return f, m.function.cast("sitofp", exponent, x.elt)


def log1p(m: Arithmetic, x: Reg) -> Reg:
    result = log_from(m, *shifted(m, x))
    tiny = m.compare("olt", m.abs(x), {"f32": 2.0**-25, "f64": 2.0**-54}[x.elt])  # keeps -0 and subnormals
    result = m.select(tiny, x, result)
    result = m.select(m.compare("oeq", x, math.inf), math.inf, result)
    result = m.select(m.compare("oeq", x, -1.0), -math.inf, result)
    return m.select(m.compare("ult", x, -1.0), math.nan, result)


def asinh(m: Arithmetic, x: Reg) -> Reg:
    """sign(x) log(a + sqrt(1 + a**2)), written as log1p(a + a**2 / (1 + sqrt(1 + a**2)))."""
    size = m.abs(x)
    huge = m.compare("ogt", size, 2.0**28)  # here a + sqrt(1 + a**2) is 2a to the last bit
    square = m.mul(size, size)
    grown = m.add(size, m.div(square, m.add(m.sqrt(m.add(square, 1.0)), 1.0)))
    result = merged_log(m, huge, size, shifted(m, m.select(huge, 1.0, grown)))
    tiny = m.compare("olt", size, 2.0**-28)
    return m.copysign(m.select(tiny, x, result), x)


def acosh(m: Arithmetic, x: Reg) -> Reg:
    """log(x + sqrt(x**2 - 1)), written as log1p(t + sqrt(2t + t**2)) with t = x - 1."""
    huge = m.compare("ogt", x, 2.0**28)
    t = m.sub(x, 1.0)
    root = m.sqrt(m.fma(t, t, m.add(t, t)))
    grown = m.add(t, root)
    lost = m.sub(t, m.sub(grown, root))  # root > t
    usual = shifted(m, m.select(huge, 1.0, grown))
    result = merged_log(m, huge, x, usual)
    small = m.compare("olt", grown, 0.25)  # here the rounding error of the sum would show
    result = m.select(small, m.fma(lost, m.sub(1.0, grown), result), result)
    return m.select(m.compare("ult", x, 1.0), math.nan, result)


def merged_log(m: Arithmetic, huge: Reg, x: Reg, usual: tuple[Reg, Reg]) -> Reg:
    """log(2x) where `huge`, e ln2 + log(1 + f) elsewhere, with one evaluation of the series."""
    mantissa, exponent = split_exponent(m, x)
    f = m.select(huge, m.sub(mantissa, 1.0), usual[0])
    e = m.select(huge, m.add(m.function.cast("sitofp", exponent, x.elt), 1.0), usual[1])
    return m.select(m.compare("oeq", x, math.inf), math.inf, log_from(m, f, e))


def atanh(m: Arithmetic, x: Reg) -> Reg:
    """log((1 + a) / (1 - a)) / 2, written as log1p(2a + 2a a / (1 - a)) / 2."""
    size = m.abs(x)
    double = m.add(size, size)
    ratio = m.add(double, m.div(m.mul(double, size), m.sub(1.0, size)))
    inside = m.compare("olt", size, 1.0)
    result = m.mul(log_from(m, *shifted(m, m.select(inside, ratio, 1.0))), 0.5)
    tiny = m.compare("olt", size, 2.0**-28)
    result = m.select(tiny, size, m.select(inside, result, math.nan))
    return m.copysign(m.select(m.compare("oeq", size, 1.0), math.inf, result), x)
