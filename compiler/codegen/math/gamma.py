"""lgamma and digamma, in f64; f32 goes through f64.

Polynomials around the zeros, recurrences up to 8, asymptotic series beyond, reflection for negative arguments
(Abramowitz & Stegun 6.1.17, 6.1.40, 6.3.5, 6.3.7, 6.3.18).
"""

from __future__ import annotations

import math
import sys

from ingot.compiler.codegen.math.arithmetic import Arithmetic
from ingot.compiler.codegen.math.logarithm import log, log_positive
from ingot.compiler.codegen.math.trigonometric import Angle, sine_cosine
from ingot.compiler.codegen.spelling import Reg

ASYMPTOTIC = 8.0  # from here on the series of 8 terms in 1/x**2 is exact to f64


def lgamma(m: Arithmetic, x: Reg) -> Reg:
    """log |gamma(x)|: infinite at zero, at negative integers and at both infinities."""
    if x.elt == "f32":
        return m.narrow(lgamma(m, m.widen(x)))
    f, size = m.function, m.abs(x)
    right = lgamma_positive(m, size)
    negative = m.compare("olt", x, 0.0)

    def reflected() -> list[Reg]:
        # lgamma(-a) = log(pi / (a |sin(pi a)|)) - lgamma(a)
        sine = m.abs(sine_of_turns(m, size))
        pole = m.compare("oeq", sine, 0.0)
        tiny = m.compare("olt", size, 2.0**-60)  # a sin(pi a) underflows; lgamma(-a) = -log(a)
        product = m.mul(m.select(tiny, 1.0, size), m.select(f.or_(pole, tiny), 1.0, sine))
        left = m.sub(log(m, m.div(math.pi, product)), right)
        left = m.select(pole, math.inf, left)
        return [m.select(negative, m.select(tiny, right, left), right)]

    result = f.if_(m.any(negative), reflected, lambda: [right], unlikely=True)[0]
    return m.select(m.compare("oeq", size, math.inf), math.inf, result)


def lgamma_positive(m: Arithmetic, x: Reg) -> Reg:
    """For x >= 0. Every case needs one logarithm at most, so they share it."""
    large, small = m.compare("oge", x, ASYMPTOTIC), m.compare("olt", x, 0.5)
    # Down to [1.5, 2.5) by lgamma(x) = lgamma(x - 1) + log(x - 1); up from (0, 1/2) by lgamma(x + 1) - log(x).
    base, product = x, m.function.like(x, 1.0)
    for _ in range(6):
        above = m.compare("oge", base, 2.5)
        lower = m.sub(base, 1.0)
        product = m.select(above, m.mul(product, lower), product)
        base = m.select(above, lower, base)
    base = m.select(large, 2.0, base)
    logarithm = log(m, m.select(large, x, m.select(small, x, product)))
    around_one = m.compare("olt", base, 1.5)
    shifted = m.select(small, base, m.sub(base, 1.0))  # the distance from 1 of the argument (x + 1 when small)
    centre = m.select(around_one, shifted, m.sub(base, 2.0))
    one, two = m.polynomial(centre, "lgamma_one"), m.polynomial(centre, "lgamma_two")
    from_one, from_two = shifted, m.sub(shifted, 1.0)
    polynomial = m.mul(m.mul(from_one, from_two), m.select(around_one, one, two))
    near = m.select(small, m.sub(polynomial, logarithm), m.add(polynomial, logarithm))
    reciprocal = m.div(1.0, m.select(large, x, 8.0))
    tail = m.mul(m.polynomial(m.mul(reciprocal, reciprocal), "lgamma_tail"), reciprocal)
    tail = m.add(tail, m.values(x, "half_log_two_pi")[0] - 0.5)
    far = m.fma(m.sub(x, 0.5), m.sub(logarithm, 1.0), tail)
    return m.select(large, far, near)


def sine_of_turns(m: Arithmetic, x: Reg) -> Reg:
    """sin(pi x) for x >= 0; exactly zero at integers."""
    sine, cosine, half_turns = turn(m, x)
    f = m.function
    odd = f.cmp("ne", f.and_(half_turns, f.like(half_turns, 1)), f.like(half_turns, 0))
    return m.select(odd, cosine, sine)


def turn(m: Arithmetic, x: Reg) -> tuple[Reg, Reg, Reg]:
    """(sin, cos) of pi (x - n/2) and the low bits of n, the nearest integer to 2x; signs by quadrant are left out."""
    x = m.at_most(x, 2.0**52)  # integers from here on
    # Remove whole turns first: 2x may be too large for the rounding constant.
    part = m.sub(x, m.rounded("floor", x))
    n, low_bits = m.nearest(m.add(part, part))
    r = m.fma(n, -0.5, part)  # exact
    product, error = m.two_product(r, math.pi)
    low = m.fma(r, 2 * m.values(x, "pi_2")[1], error)
    sine, cosine = sine_cosine(m, Angle(product, low, low_bits))
    return sine, cosine, low_bits


def digamma(m: Arithmetic, x: Reg) -> Reg:
    """The derivative of lgamma. Zero gives an infinity of the opposite sign, negative integers and -inf give NaN."""
    if x.elt == "f32":
        return m.narrow(digamma(m, m.widen(x)))
    f = m.function
    negative = m.compare("olt", x, 0.0)
    size = m.abs(x)
    right = digamma_positive(m, m.select(negative, m.add(size, 1.0), size))

    def reflected() -> list[Reg]:
        # digamma(-a) = digamma(1 + a) + pi / tan(pi a)
        sine, cosine, half_turns = turn(m, size)
        odd = f.cmp("ne", f.and_(half_turns, f.like(half_turns, 1)), f.like(half_turns, 0))
        ratio = m.div(m.select(odd, m.neg(sine), cosine), m.select(odd, cosine, sine))
        integer = m.compare("oeq", m.rounded("trunc", size), size)
        left = m.select(integer, math.nan, m.fma(ratio, math.pi, right))
        return [m.select(negative, left, right)]

    result = f.if_(m.any(negative), reflected, lambda: [right], unlikely=True)[0]
    return m.select(m.compare("oeq", x, 0.0), m.div(-1.0, x), result)


def digamma_positive(m: Arithmetic, x: Reg) -> Reg:
    """For x > 0: into [1, 2.5) by a sum of reciprocals kept as one fraction, or the asymptotic series."""
    large, small = m.compare("oge", x, ASYMPTOTIC), m.compare("olt", x, 1.0)
    base, top, bottom = x, m.function.like(x, 0.0), m.function.like(x, 1.0)
    for _ in range(6):
        above = m.compare("oge", base, 2.5)
        lower = m.sub(base, 1.0)
        top = m.select(above, m.fma(top, lower, bottom), top)
        bottom = m.select(above, m.mul(bottom, lower), bottom)
        base = m.select(above, lower, base)
    top, bottom = m.select(small, -1.0, top), m.select(small, x, bottom)
    base = m.select(small, m.add(x, 1.0), base)
    base = m.select(large, 2.0, base)
    root, root_low = m.values(x, "digamma_root")
    distance = m.sub(m.sub(base, root), root_low)
    near = m.fma(distance, m.polynomial(m.sub(base, 1.75), "digamma"), m.div(top, bottom))
    wide = m.select(large, x, 8.0)
    reciprocal = m.div(1.0, wide)
    z = m.mul(reciprocal, reciprocal)
    logarithm = log_positive(m, m.at_most(wide, sys.float_info.max))  # infinity is put in below
    far = m.sub(logarithm, m.fma(z, m.polynomial(z, "digamma_tail"), m.mul(reciprocal, 0.5)))
    return m.select(m.compare("oeq", x, math.inf), math.inf, m.select(large, far, near))
