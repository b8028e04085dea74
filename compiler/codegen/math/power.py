"""pow: 2**(y log2(x)) with the logarithm to about 68 bits; f32 takes its logarithm in f64."""

from __future__ import annotations

import math

from ingot.compiler.codegen.math.arithmetic import Arithmetic
from ingot.compiler.codegen.math.logarithm import decompose
from ingot.compiler.codegen.spelling import Reg


def pow(m: Arithmetic, x: Reg, y: Reg) -> Reg:
    """x**y with C's special cases (Annex F 9.4.4): pow(1, NaN) = pow(NaN, 0) = 1, a negative base wants an integer."""
    size = m.abs(x)
    magnitude = magnitude_f32(m, size, y) if x.elt == "f32" else magnitude_f64(m, size, y)
    # Plain lanes have x > 0 finite and y finite.
    plain = m.function.and_(m.compare("olt", m.abs(y), math.inf), m.compare("olt", size, math.inf))
    plain = m.function.and_(plain, m.compare("ogt", x, 0.0))
    odd_lane = m.any(m.function.not_(plain))
    return m.function.if_(odd_lane, lambda: [special(m, x, y, magnitude)], lambda: [magnitude], unlikely=True)[0]


def magnitude_f32(m: Arithmetic, size: Reg, y: Reg) -> Reg:
    """The logarithm in f64, where a plain polynomial without division is exact enough; 2**r back in f32."""
    f, e = decompose(m, size)
    wide = m.widen(f)
    logarithm = m.fma(wide, m.polynomial(wide, "log2_short"), m.widen(e))
    exponent = m.mul(m.widen(y), logarithm)
    exponent = m.at_least(m.at_most(exponent, 200.0), -200.0)
    n, _ = m.nearest(exponent)
    r = m.narrow(m.sub(exponent, n))
    n = m.narrow(n)
    return m.scale(m.fma(r, m.polynomial(r, "exp2"), 1.0), n, m.nearest(n)[1])


def magnitude_f64(m: Arithmetic, size: Reg, y: Reg) -> Reg:
    f, e = decompose(m, size)
    high, low = log_double(m, f)
    # log2(size) = e + (high + low) * log2(e)
    unit, unit_low = m.values(size, "log2e")
    scaled, scaled_low = m.two_product(high, unit)
    scaled_low = m.add(scaled_low, m.fma(high, unit_low, m.mul(low, unit)))
    total, total_low = m.fast_two_sum(e, scaled)  # |e| >= 1 > |scaled| or e = 0
    total_low = m.add(total_low, scaled_low)
    total, total_low = m.fast_two_sum(total, total_low)
    product, product_low = m.two_product(y, total)
    product_low = m.fma(y, total_low, product_low)
    # Out of range the low part may be infinite or NaN; the result is 0 or infinity without it.
    product_low = m.select(m.compare("olt", m.abs(product), 2000.0), product_low, 0.0)
    clamped = m.at_least(m.at_most(product, 2000.0), -2000.0)
    n, low_bits = m.nearest(clamped)
    r = m.add(m.sub(clamped, n), product_low)
    return m.scale(m.fma(r, m.polynomial(r, "exp2"), 1.0), n, low_bits)


def log_double(m: Arithmetic, f: Reg) -> tuple[Reg, Reg]:
    """log(1 + f) as a sum of two, from s = f / (2 + f): 2s + s z (2/3 + z R(z)) with z = s**2."""
    total = m.add(f, 2.0)
    lost = m.sub(f, m.sub(total, 2.0))  # 2 + f = total + lost exactly
    reciprocal = m.div(1.0, total)
    s = m.mul(f, reciprocal)
    product, product_low = m.two_product(s, total)
    rest = m.sub(m.sub(f, product), product_low)
    s_low = m.mul(m.fnma(s, lost, rest), reciprocal)
    z, z_low = m.two_product(s, s)
    z_low = m.fma(m.add(s, s), s_low, z_low)
    series = m.polynomial(z, "log_long")
    third, third_low = m.values(f, "two_thirds")
    inner, inner_low = m.two_product(z, series)
    inner_low = m.fma(z_low, series, inner_low)
    head, tail = m.fast_two_sum(third, inner)
    tail = m.add(tail, m.add(inner_low, third_low))
    t, t_low = m.two_product(z, head)
    t_low = m.add(t_low, m.fma(z, tail, m.mul(z_low, head)))
    p, p_low = m.two_product(s, t)
    p_low = m.add(p_low, m.fma(s, t_low, m.mul(s_low, t)))
    high, low = m.fast_two_sum(m.add(s, s), p)
    return high, m.add(low, m.add(p_low, m.add(s_low, s_low)))


def special(m: Arithmetic, x: Reg, y: Reg, result: Reg) -> Reg:
    """`result` = |x|**y of plain numbers put right for zeros, infinities, NaN and negative bases."""
    f, size = m.function, m.abs(x)
    half = m.mul(y, 0.5)
    whole = m.compare("oeq", m.rounded("trunc", y), y)  # infinity counts as an even integer
    odd = f.and_(whole, m.compare("one", m.rounded("trunc", half), half))
    zero_power, growing = m.compare("oeq", y, 0.0), m.compare("ogt", y, 0.0)
    not_zero_power = f.not_(zero_power)
    at_zero = m.select(growing, 0.0, math.inf, x)
    at_infinity = m.select(growing, math.inf, 0.0, x)
    result = m.select(f.and_(m.compare("oeq", size, 0.0), not_zero_power), at_zero, result)
    result = m.select(f.and_(m.compare("oeq", size, math.inf), not_zero_power), at_infinity, result)
    one = m.compare("oeq", size, 1.0)
    by_size = m.select(m.compare("ogt", size, 1.0), at_infinity, m.select(one, 1.0, at_zero))
    result = m.select(m.compare("oeq", m.abs(y), math.inf), by_size, result)
    # The sign bit alone decides the sign, so that -0 counts as negative.
    below = m.compare("olt", m.copysign(1.0, x), 0.0)
    result = m.select(f.and_(below, odd), m.neg(result), result)
    negative = f.and_(m.compare("olt", x, 0.0), m.compare("ogt", x, -math.inf))
    result = m.select(f.and_(negative, f.not_(whole)), math.nan, result)
    result = m.select(f.cmp("uno", x, y), math.nan, result)
    return m.select(f.or_(zero_power, m.compare("oeq", x, 1.0)), 1.0, result)
