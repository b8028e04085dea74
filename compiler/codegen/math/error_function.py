"""erf, erfc and erfinv."""

from __future__ import annotations

import math

from ingot.compiler.codegen.math.arithmetic import Arithmetic
from ingot.compiler.codegen.math.exponential import Reduced, times_exp
from ingot.compiler.codegen.math.logarithm import log_positive
from ingot.compiler.codegen.spelling import Reg

ERFC_POLE = 3.75  # erfc(t) exp(t**2) (t + pole) is smooth in (t - pole) / (t + pole): Shepherd & Laframboise 1981


def erf(m: Arithmetic, x: Reg) -> Reg:
    return erf_f32(m, x) if x.elt == "f32" else erf_f64(m, x)


def erf_f32(m: Arithmetic, x: Reg) -> Reg:
    """-expm1(-a Q(a)): no branch, because expm1 keeps its relative accuracy and Q's head has two parts."""
    size = m.at_most(m.abs(x), 3.95)
    (high, low), *rest = m.values(x, "erf")
    tail = m.fma(m.horner(size, rest), size, low)
    exponent = m.fma(size, high, m.mul(size, tail))
    part = Reduced(m, m.neg(exponent))
    power = m.power_of_two(part.low_bits)
    return m.copysign(m.fnma(power, part.expm1, m.sub(1.0, power)), x)


def erf_f64(m: Arithmetic, x: Reg) -> Reg:
    """x + x P(x**2) up to one, 1 - exp(-x**2) P((x - 2) / (x + 2)) beyond."""
    size = m.at_most(m.abs(x), 5.95)
    square = m.mul(size, size)
    small = m.fma(size, m.polynomial(square, "erf"), size)
    u = m.div(m.sub(size, 2.0), m.add(size, 2.0))
    part = Reduced(m, m.neg(square))
    decay = m.scale_normal(m.add(part.expm1, 1.0), part.low_bits)
    large = m.fnma(decay, m.polynomial(u, "erf_tail"), 1.0)
    return m.copysign(m.select(m.compare("ult", size, 1.0), small, large), x)


def erfc(m: Arithmetic, x: Reg) -> Reg:
    """1 - erf(x) around zero; exp(-x**2) F(u) / (x + pole) in the right tail, 2 minus that in the left one."""
    if x.elt == "f32":
        return m.narrow(erfc(m, m.widen(x)))
    size = m.at_most(m.abs(x), 27.5)
    square, square_low = m.two_product(size, size)
    small = m.fnma(x, m.polynomial(square, "erf"), m.sub(1.0, x))
    # G = exp(x**2) erfc(x) (x + pole) is a polynomial in u = (x - pole) / (x + pole); every rounding error on the way
    # is followed to first order where fma makes it cheap to see.
    total, total_low = m.two_sum(size, ERFC_POLE)
    top, top_low = m.two_sum(size, -ERFC_POLE)
    reciprocal = m.div(1.0, total)
    u = m.mul(top, reciprocal)
    (first, first_low), (second, second_low), *rest = m.values(x, "erfc")
    head, tail = m.fast_two_sum(first, m.mul(u, m.fma(u, m.estrin(u, rest), second)))
    tail = m.add(tail, m.fma(u, second_low, first_low))
    quotient = m.mul(head, reciprocal)
    if m.has_fma:
        u_low = m.mul(m.fnma(u, total_low, m.add(m.fnma(u, total, top), top_low)), reciprocal)
        slope = m.horner(u, [second, *(k * c for k, c in enumerate(rest[:3], 2))])
        tail = m.add(m.fma(u_low, slope, tail), m.fnma(quotient, total, head))
    # The relative correction of the quotient enters the exponent's low part, where it costs nothing more.
    relative = m.div(m.fnma(quotient, total_low, tail), head)
    large = times_exp(m, quotient, m.neg(square), m.sub(relative, square_low))
    large = m.select(m.compare("olt", x, 0.0), m.sub(2.0, large), large)
    return m.select(m.compare("ult", m.abs(x), 0.75), small, large)


def erfinv(m: Arithmetic, x: Reg) -> Reg:
    """x P(w) with w = -log(1 - x**2), in three intervals of w (Giles 2010)."""
    if x.elt == "f32":
        return m.narrow(erfinv(m, m.widen(x)))
    size = m.abs(x)
    inside = m.compare("olt", size, 1.0)
    argument = m.select(inside, m.mul(m.sub(1.0, size), m.add(size, 1.0)), 1.0)
    w = m.neg(log_positive(m, argument))
    usual = double_polynomial(m, m.sub(w, 3.125), "erfinv_inner")
    far = m.compare("ogt", w, 6.25)

    def tail() -> list[Reg]:
        root = m.sqrt(w)
        outermost = m.compare("ogt", root, 4.0)
        middle = double_polynomial(m, m.sub(root, 3.25), "erfinv_middle")
        outer = double_polynomial(m, m.sub(root, 5.0), "erfinv_outer")
        return [m.select(far, m.select(outermost, o, c), u) for u, c, o in zip(usual, middle, outer, strict=True)]

    high, low = m.function.if_(m.any(far), tail, lambda: usual, unlikely=True)
    result = m.select(inside, m.fma(high, x, m.mul(low, x)), math.nan)
    result = m.select(m.compare("oeq", size, 1.0), math.inf, result)
    return m.copysign(result, x)  # where x is -0 too


def double_polynomial(m: Arithmetic, x: Reg, name: str) -> list[Reg]:
    """A polynomial whose first two terms dominate, as a sum of two."""
    (first, first_low), (second, second_low), *rest = m.values(x, name)
    slope, slope_low = m.fast_two_sum(second, m.mul(x, m.estrin(x, rest)))
    product, product_low = m.two_product(x, slope)
    product_low = m.fma(x, m.add(slope_low, second_low), product_low)
    high, low = m.fast_two_sum(first, product)
    return [high, m.add(low, m.add(product_low, first_low))]
