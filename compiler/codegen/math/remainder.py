"""fmod, the remainder with the divisor's sign, and floor division of floats. All exact, by NumPy's definitions."""

from __future__ import annotations

import math

from ingot.compiler.codegen.math.arithmetic import LEAST_NORMAL, MANTISSA, Arithmetic
from ingot.compiler.codegen.spelling import Reg

# Bits of quotient that one exact step removes. Without fma the product with half a mantissa must be exact.
STEP = {(True, "f32"): 22, (True, "f64"): 50, (False, "f32"): 11, (False, "f64"): 24}


def fmod(m: Arithmetic, a: Reg, b: Reg) -> Reg:
    """a - b trunc(a / b) exactly, with the sign of a."""
    f = m.function
    a, b = f.match(a, b)
    top, bottom = m.abs(a), m.abs(b)
    step = STEP[m.has_fma, a.elt]
    possible = f.and_(m.compare("olt", top, math.inf), m.compare("ogt", bottom, 0.0))
    possible = f.and_(possible, f.not_(f.cmp("uno", b, b)))

    def long(rest: Reg) -> Reg:
        return f.and_(possible, f.not_(m.compare("olt", m.div(rest, bottom), 2.0**step)))

    def reduce() -> list[Reg]:
        return f.while_(lambda c: m.any(long(c[0])), lambda c: [shorten(m, c[0], bottom, long(c[0]), step)], [top])

    rest = f.if_(m.any(long(top)), reduce, lambda: [top], unlikely=True)[0]
    quotient = m.rounded("trunc", m.div(rest, bottom))
    last = minus_product(m, rest, quotient, bottom)
    last = m.select(m.compare("olt", last, 0.0), m.add(last, bottom), last)  # the division had rounded up
    rest = m.select(m.compare("olt", rest, bottom), rest, last)
    return m.copysign(m.select(possible, rest, math.nan), a)


def shorten(m: Arithmetic, rest: Reg, bottom: Reg, active: Reg, step: int) -> Reg:
    """rest modulo bottom * 2**k, where k leaves a quotient of fewer than `step` bits."""
    f = m.function
    distance = f.sub(exponent(m, rest), exponent(m, bottom))
    k = f.sub(distance, f.like(distance, step - 2))
    quarter = f.lshr(k, f.like(k, 2))  # from the least subnormal to the largest number 2**k exceeds even two factors
    factor = m.power_of_two(quarter)
    last = m.power_of_two(f.sub(k, f.mul(quarter, f.like(k, 3))))
    unit = m.mul(m.mul(m.mul(m.mul(bottom, factor), factor), factor), last)
    unit = m.select(active, unit, 1.0)
    quotient = m.rounded("trunc", m.div(rest, unit))
    left = minus_product(m, rest, quotient, unit)
    left = m.select(m.compare("olt", left, 0.0), m.add(left, unit), left)
    return m.select(active, left, rest)


def exponent(m: Arithmetic, x: Reg) -> Reg:
    """The biased exponent of a positive number, as if subnormals were normal."""
    f, lift = m.function, MANTISSA[x.elt] + 1
    tiny = m.compare("olt", x, LEAST_NORMAL[x.elt])
    bits = m.bits(m.select(tiny, m.mul(x, 2.0**lift), x))
    field = f.lshr(bits, f.like(bits, MANTISSA[x.elt]))
    return f.sub(field, f.select(tiny, f.like(bits, lift), f.like(bits, 0)))


def minus_product(m: Arithmetic, rest: Reg, quotient: Reg, unit: Reg) -> Reg:
    """rest - quotient * unit, exact for a quotient of STEP bits next to rest / unit."""
    if m.has_fma:
        return m.fnma(quotient, unit, rest)
    high, low = m.halves(unit)
    product, lost = m.fast_two_sum(m.mul(quotient, high), m.mul(quotient, low))
    return m.sub(m.sub(rest, product), lost)


def remainder(m: Arithmetic, a: Reg, b: Reg) -> Reg:
    """a - b floor(a / b): fmod, moved to the sign of b. A zero keeps the sign of a, as in PyTorch."""
    f = m.function
    a, b = f.match(a, b)
    rest = fmod(m, a, b)
    differ = f.xor(m.compare("olt", rest, 0.0), m.compare("olt", b, 0.0))
    return m.select(f.and_(differ, m.compare("one", rest, 0.0)), m.add(rest, b), rest)


def floor_divide(m: Arithmetic, a: Reg, b: Reg) -> Reg:
    """floor(a / b) from the exact remainder, as NumPy: (a - mod) / b, snapped to the nearest integer."""
    f = m.function
    a, b = f.match(a, b)
    rest = fmod(m, a, b)
    quotient = m.div(m.sub(a, rest), b)
    differ = f.and_(f.xor(m.compare("olt", rest, 0.0), m.compare("olt", b, 0.0)), m.compare("one", rest, 0.0))
    quotient = m.select(differ, m.sub(quotient, 1.0), quotient)
    floor = m.rounded("floor", quotient)
    floor = m.select(m.compare("ogt", m.sub(quotient, floor), 0.5), m.add(floor, 1.0), floor)
    result = m.select(m.compare("oeq", quotient, 0.0), m.copysign(0.0, m.div(a, b)), floor)
    return m.select(m.compare("oeq", b, 0.0), m.div(a, b), result)
