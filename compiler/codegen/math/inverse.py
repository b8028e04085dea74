"""asin, acos, atan and atan2."""

from __future__ import annotations

import math

from ingot.compiler.codegen.math.arithmetic import Arithmetic
from ingot.compiler.codegen.spelling import Reg

TAN_EIGHTH, TAN_THREE_EIGHTHS = math.sqrt(2) - 1, math.sqrt(2) + 1  # tan(pi/8), tan(3 pi/8)


def atan_of_ratio(m: Arithmetic, y: Reg, x: Reg) -> Reg:
    """atan(y / x) in [0, pi/2] for y, x >= 0, one division: the ratio is brought below tan(pi/8) by pi/4 or pi/2."""
    steep = m.compare("ogt", y, m.mul(x, TAN_THREE_EIGHTHS))
    middle = m.compare("ogt", y, m.mul(x, TAN_EIGHTH))
    numerator = m.select(steep, m.neg(x), m.select(middle, m.sub(y, x), y))
    denominator = m.select(steep, y, m.select(middle, m.add(y, x), x))
    t = m.div(numerator, denominator)
    z = m.mul(t, t)
    curve = m.mul(m.mul(t, z), m.polynomial(z, "atan"))
    high, low = m.values(y, "pi_2")[:2]
    base = m.select(steep, high, m.select(middle, high / 2, 0.0, y))
    base_low = m.select(steep, low, m.select(middle, low / 2, 0.0, y))
    # base > |t| or base = 0
    total, lost = m.fast_two_sum(base, t)
    return m.add(total, m.add(lost, m.add(curve, base_low)))


def atan(m: Arithmetic, x: Reg) -> Reg:
    size = m.at_most(m.abs(x), {"f32": 2.0**30, "f64": 2.0**60}[x.elt])  # infinity over itself is not a ratio
    return m.copysign(atan_of_ratio(m, size, m.function.like(x, 1.0)), x)


def atan2(m: Arithmetic, y: Reg, x: Reg) -> Reg:
    """The angle of (x, y) in [-pi, pi], with C's signs at zeros and infinities."""
    f, rise, run = m.function, m.abs(y), m.abs(x)
    both = f.and_(m.compare("oeq", rise, math.inf), m.compare("oeq", run, math.inf))
    rise, run = m.select(both, 1.0, rise), m.select(both, 1.0, run)
    # Neither the sum nor the products with tan(3 pi/8) may overflow; what a scaling loses is far below the result.
    limit = {"f32": 2.0**120, "f64": 2.0**1000}[x.elt]
    huge = f.or_(m.compare("ogt", rise, limit), m.compare("ogt", run, limit))
    factor = m.select(huge, 2.0**-10, 1.0, x)
    rise, run = m.mul(rise, factor), m.mul(run, factor)
    origin = m.compare("oeq", m.add(rise, run), 0.0)
    angle = atan_of_ratio(m, rise, m.select(origin, 1.0, run))
    high, low = m.values(x, "pi_2")[:2]
    left = m.compare("olt", m.copysign(1.0, x), 0.0)  # -0 is on the left
    angle = m.select(left, m.sub(2 * high, m.sub(angle, 2 * low)), angle)
    angle = m.select(f.cmp("uno", x, y), m.add(x, y), angle)
    return m.copysign(angle, y)


def asin(m: Arithmetic, x: Reg) -> Reg:
    """x + x z P(z) up to 1/2; pi/2 - 2 asin(sqrt((1 - a) / 2)) beyond."""
    size = m.abs(x)
    root, z, near = reduced(m, size)
    curve = m.mul(m.mul(root, z), m.polynomial(z, "asin"))
    high, low = m.values(x, "pi_2")[:2]
    double = m.add(root, root)
    outer, lost = m.fast_two_sum(high, m.neg(double))
    outer = m.add(outer, m.add(lost, m.fma(curve, -2.0, low)))
    return m.copysign(m.select(near, m.add(root, curve), outer), x)


def acos(m: Arithmetic, x: Reg) -> Reg:
    size = m.abs(x)
    root, z, near = reduced(m, size)
    curve = m.mul(m.mul(root, z), m.polynomial(z, "asin"))
    high, low = m.values(x, "pi_2")[:2]
    centre, lost = m.fast_two_sum(high, m.neg(m.copysign(root, x)))
    inner = m.add(centre, m.add(lost, m.sub(low, m.copysign(curve, x))))
    right = m.add(root, curve)
    right = m.add(right, right)
    below, below_lost = m.fast_two_sum(2 * high, m.mul(root, -2.0))
    left = m.add(below, m.add(below_lost, m.fma(curve, -2.0, 2 * low)))
    return m.select(near, inner, m.select(m.compare("olt", x, 0.0), left, right))


def reduced(m: Arithmetic, size: Reg) -> tuple[Reg, Reg, Reg]:
    """(t, t**2, size <= 1/2) with t = size or sqrt((1 - size) / 2). Beyond one, the root of a negative gives NaN."""
    near = m.compare("ule", size, 0.5)
    half = m.mul(m.sub(1.0, size), 0.5)
    return m.select(near, size, m.sqrt(half)), m.select(near, m.mul(size, size), half), near
