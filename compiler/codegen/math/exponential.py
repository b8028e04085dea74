"""exp and its relatives: exp2, expm1, sigmoid, sinh, cosh, tanh.

All reduce x = n ln2 + r with |r| <= ln2/2 and use exp(r) = 1 + r + r**2 q(r) (Tang 1989 without the table).
"""

from __future__ import annotations

from ingot.compiler.codegen.math.arithmetic import ROUNDER, Arithmetic
from ingot.compiler.codegen.spelling import Reg

# Below the first the result rounds to zero; above the second it overflows. Both are safe to reduce.
EXP_RANGE = {"f32": (-104.5, 89.0), "f64": (-746.0, 710.0)}
EXP2_RANGE = {"f32": (-151.0, 129.0), "f64": (-1076.0, 1025.0)}


class Reduced:
    """x = n ln2 + r: n as a float and as low bits, and expm1(r)."""

    __slots__ = ("expm1", "low_bits", "n", "r")

    def __init__(self, m: Arithmetic, x: Reg) -> None:
        high, low = m.values(x, "ln2")
        self.n, self.low_bits = nearest_multiple(m, x, m.values(x, "log2e")[0])
        # n * high is exact because high is short, so this holds without fma too.
        self.r = m.fnma(self.n, low, m.fnma(self.n, high, x))
        self.expm1 = m.fma(m.mul(self.r, self.r), m.polynomial(self.r, "exp"), self.r)


def nearest_multiple(m: Arithmetic, x: Reg, reciprocal: float) -> tuple[Reg, Reg]:
    """round(x * reciprocal) with the rounding folded into the multiplication."""
    carrier = m.fma(x, reciprocal, ROUNDER[x.elt])
    return m.sub(carrier, ROUNDER[x.elt]), m.bits(carrier)


def exp(m: Arithmetic, x: Reg) -> Reg:
    low, high = EXP_RANGE[x.elt]
    return exp_clamped(m, m.at_least(m.at_most(x, high), low))


def exp_clamped(m: Arithmetic, x: Reg) -> Reg:
    """exp of an argument inside EXP_RANGE."""
    part = Reduced(m, x)
    return m.scale(m.add(part.expm1, 1.0), part.n, part.low_bits)


def exp2(m: Arithmetic, x: Reg) -> Reg:
    low, high = EXP2_RANGE[x.elt]
    clamped = m.at_least(m.at_most(x, high), low)
    n, low_bits = m.nearest(clamped)
    r = m.sub(clamped, n)
    return m.scale(m.fma(r, m.polynomial(r, "exp2"), 1.0), n, low_bits)


def expm1(m: Arithmetic, x: Reg) -> Reg:
    # Below the first the result rounds to -1; the second still overflows to infinity.
    low, high = {"f32": (-18.0, 89.0), "f64": (-38.0, 710.0)}[x.elt]
    part = Reduced(m, m.at_least(m.at_most(x, high), low))
    half = m.power_of_two(part.low_bits, -1)  # 2**(n-1): 2**n would overflow one step early
    total = m.fma(half, part.expm1, m.sub(half, 0.5))
    tiny = m.compare("olt", m.abs(x), {"f32": 2.0**-26, "f64": 2.0**-55}[x.elt])  # keeps -0 and subnormals
    return m.select(tiny, x, m.add(total, total))


def sigmoid(m: Arithmetic, x: Reg) -> Reg:
    """1 / (1 + exp(-x)) from e = exp(-|x|): e / (1 + e) on the left, 1 / (1 + e) on the right."""
    e = exp_clamped(m, m.at_least(m.neg(m.abs(x)), EXP_RANGE[x.elt][0]))
    total = m.add(e, 1.0)
    lost = m.sub(e, m.sub(total, 1.0))
    quotient = m.div(m.select(m.compare("olt", x, 0.0), e, 1.0), total)
    # 1/(total + lost) = (1 - lost/total + ...) / total. Dropping the division overcorrects where total is near two,
    # by less than what correcting gains where it is near one.
    return m.fnma(quotient, lost, quotient)


def tanh(m: Arithmetic, x: Reg) -> Reg:
    """-E / (2 + E) with E = expm1(-2|x|), which keeps its relative accuracy down to zero."""
    size = m.at_most(m.abs(x), {"f32": 10.0, "f64": 22.0}[x.elt])
    part = Reduced(m, m.mul(size, -2.0))
    power = m.power_of_two(part.low_bits)
    below = m.sub(power, 1.0)
    e = m.fma(power, part.expm1, below)
    e_low = m.fma(power, part.expm1, m.sub(below, e))
    total = m.add(e, 2.0)
    total_low = m.sub(e, m.sub(total, 2.0))
    quotient = m.div(e, total)
    # (e + e_low) / (total + total_low) to first order; 1/total lies in [1/2, 1].
    change = m.fnma(quotient, total_low, e_low)
    return m.copysign(m.fma(change, 0.6, quotient), x)


def half_exp(m: Arithmetic, size: Reg) -> Reg:
    """exp(size) / 2 for size >= 0, without overflowing before the half does."""
    limit = {"f32": 90.0, "f64": 711.0}[size.elt]
    high, low = m.values(size, "ln2")
    x = m.at_most(size, limit)
    n, low_bits = nearest_multiple(m, x, m.values(size, "log2e")[0])
    first = m.fnma(n, high, x)
    r = m.fnma(n, low, first)
    lost = m.fnma(n, low, m.sub(first, r))  # the rounding error of r
    expm1_r = m.add(m.fma(m.mul(r, r), m.polynomial(r, "exp"), lost), r)
    one = m.function.like(low_bits, 1)
    # n - 1 reaches 128 (1024) only where the result overflows, so two factors cover everything.
    return m.scale(m.add(expm1_r, 1.0), m.sub(n, 1.0), m.function.sub(low_bits, one))


def sinh(m: Arithmetic, x: Reg) -> Reg:
    size = m.abs(x)
    half = half_exp(m, size)
    large = m.sub(half, m.div(0.25, half))
    square = m.mul(size, size)
    small = m.fma(m.mul(size, square), m.polynomial(square, "sinh"), size)
    return m.copysign(m.select(m.compare("ult", size, 1.0), small, large), x)


def cosh(m: Arithmetic, x: Reg) -> Reg:
    half = half_exp(m, m.abs(x))
    return m.add(half, m.div(0.25, half))


def times_exp(m: Arithmetic, factor: Reg, high: Reg, low: Reg) -> Reg:
    """factor * exp(high + low), where |low| is far below one but not below the precision of the result."""
    part_high, part_low = m.values(high, "ln2")
    n, low_bits = nearest_multiple(m, high, m.values(high, "log2e")[0])
    first = m.fnma(n, part_high, high)
    r = m.fnma(n, part_low, first)
    lost = m.add(m.fnma(n, part_low, m.sub(first, r)), low)
    curve = m.mul(m.mul(r, r), m.polynomial(r, "exp"))
    lost = m.fma(lost, m.add(r, curve), lost)  # exp(r + lost) = exp(r) + exp(r) lost
    return m.scale(m.fma(factor, m.add(m.add(curve, lost), r), factor), n, low_bits)
