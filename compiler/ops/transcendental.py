"""Elementwise rows from analysis: exponentials, logarithms, powers, trigonometry, special functions."""

from __future__ import annotations

import math

import numpy as np

from ingot.compiler.ir import Arg, Op, Sample, Value
from ingot.compiler.ops import definitions, special
from ingot.compiler.ops.elementwise import add, and_, div, eq, floor, ge, lt, mul, neg, reciprocal, select, sub
from ingot.compiler.ops.source import ones_like, scalar_like, zeros_like
from ingot.compiler.ops.table import NUMBERS, elementwise


def times(x: Value, number: float) -> Value:
    return mul(x, scalar_like(x, number))


def plus(x: Value, number: float) -> Value:
    return add(x, scalar_like(x, number))


def _one_minus_square(x: Value) -> Value:
    return sub(ones_like(x), mul(x, x))


# ---- exponentials, logarithms, powers

exp: Op = elementwise(
    "exp", np.exp, vjp=lambda g, y, x: (mul(g, y),), lower=lambda s, t, x: s.exp(x), doc="e to the x."
)
expm1: Op = elementwise(
    "expm1",
    np.expm1,
    vjp=lambda g, y, x: (mul(g, plus(y, 1)),),
    lower=lambda s, t, x: s.expm1(x),
    doc="exp(x) - 1, accurate near 0.",
)
log: Op = elementwise(
    "log",
    np.log,
    low=0.5,
    vjp=lambda g, y, x: (div(g, x),),
    lower=lambda s, t, x: s.log(x),
    doc="The natural logarithm; log(0) = -inf, NaN below.",
)
log1p: Op = elementwise(
    "log1p",
    np.log1p,
    low=-0.5,
    vjp=lambda g, y, x: (div(g, plus(x, 1)),),
    lower=lambda s, t, x: s.log1p(x),
    doc="log(1 + x), accurate near 0.",
)
log2: Op = elementwise(
    "log2",
    np.log2,
    low=0.5,
    vjp=lambda g, y, x: (div(g, times(x, math.log(2))),),
    lower=lambda s, t, x: s.log2(x),
    doc="The logarithm to base 2.",
)
sqrt: Op = elementwise(
    "sqrt",
    np.sqrt,
    low=0.5,
    vjp=lambda g, y, x: (div(g, add(y, y)),),
    lower=lambda s, t, x: s.sqrt(x),
    doc="The square root, correctly rounded; NaN below 0. sqrt'(0) = inf.",
)
rsqrt: Op = elementwise(
    "rsqrt",
    lambda x: np.true_divide(x.dtype.type(1), np.sqrt(x)),
    low=0.5,
    vjp=lambda g, y, x: (mul(times(g, -0.5), mul(y, mul(y, y))),),
    lower=lambda s, t, x: s.rsqrt(x),
    doc="1 / sqrt(x).",
)


def _pow_vjp(g: Value, y: Value, a: Value, b: Value) -> tuple[Value, Value]:
    # Where a branch is not taken its operands are replaced too, so that its own derivative cannot give 0 * inf.
    zero, one = zeros_like(g), ones_like(g)
    constant = eq(b, zero)
    by_base = mul(g, mul(b, pow(a, select(constant, one, sub(b, one)))))
    at_zero = and_(eq(a, zero), ge(b, zero))
    by_exponent = mul(g, mul(y, log(select(at_zero, one, a))))
    return select(constant, zero, by_base), select(at_zero, zero, by_exponent)


def _integer_power_samples() -> tuple[Sample, ...]:
    positive = tuple(Sample((Arg(s, None, 0.5, 2.0), Arg(s, None, -2.0, 2.0))) for s in ((2, 3), (), (0, 3)))
    return (*positive, Sample((Arg((4, 5), None, 1.0, 4.0), Arg((4, 5), None, 0.0, 5.0))))


pow: Op = elementwise(
    "pow",
    definitions.power,
    arity=2,
    dtypes=NUMBERS,
    samples=_integer_power_samples(),
    vjp=_pow_vjp,
    lower=lambda s, t, a, b: s.pow(t, a, b),
    doc="a to the b as C's pow; integers wrap, and a negative integer exponent gives 0 unless a is 1 or -1.",
)

# ---- trigonometry

sin: Op = elementwise(
    "sin", np.sin, vjp=lambda g, y, x: (mul(g, cos(x)),), lower=lambda s, t, x: s.sin(x), doc="Sine of radians."
)
cos: Op = elementwise(
    "cos", np.cos, vjp=lambda g, y, x: (neg(mul(g, sin(x))),), lower=lambda s, t, x: s.cos(x), doc="Cosine of radians."
)
tan: Op = elementwise(
    "tan",
    np.tan,
    low=-1.2,
    high=1.2,
    vjp=lambda g, y, x: (mul(g, plus(mul(y, y), 1)),),
    lower=lambda s, t, x: s.tan(x),
    doc="Tangent of radians.",
)
asin: Op = elementwise(
    "asin",
    np.arcsin,
    low=-0.9,
    high=0.9,
    vjp=lambda g, y, x: (mul(g, rsqrt(_one_minus_square(x))),),
    lower=lambda s, t, x: s.asin(x),
    doc="The angle in [-pi/2, pi/2] whose sine is x.",
)
acos: Op = elementwise(
    "acos",
    np.arccos,
    low=-0.9,
    high=0.9,
    vjp=lambda g, y, x: (neg(mul(g, rsqrt(_one_minus_square(x)))),),
    lower=lambda s, t, x: s.acos(x),
    doc="The angle in [0, pi] whose cosine is x.",
)
atan: Op = elementwise(
    "atan",
    np.arctan,
    vjp=lambda g, y, x: (div(g, plus(mul(x, x), 1)),),
    lower=lambda s, t, x: s.atan(x),
    doc="The angle in [-pi/2, pi/2] whose tangent is x.",
)
sinh: Op = elementwise(
    "sinh", np.sinh, vjp=lambda g, y, x: (mul(g, cosh(x)),), lower=lambda s, t, x: s.sinh(x), doc="Hyperbolic sine."
)
cosh: Op = elementwise(
    "cosh", np.cosh, vjp=lambda g, y, x: (mul(g, sinh(x)),), lower=lambda s, t, x: s.cosh(x), doc="Hyperbolic cosine."
)
tanh: Op = elementwise(
    "tanh",
    np.tanh,
    vjp=lambda g, y, x: (mul(g, _one_minus_square(y)),),
    lower=lambda s, t, x: s.tanh(x),
    doc="Hyperbolic tangent.",
)
asinh: Op = elementwise(
    "asinh",
    np.arcsinh,
    vjp=lambda g, y, x: (mul(g, rsqrt(plus(mul(x, x), 1))),),
    lower=lambda s, t, x: s.asinh(x),
    doc="The inverse of sinh.",
)
acosh: Op = elementwise(
    "acosh",
    np.arccosh,
    low=1.2,
    vjp=lambda g, y, x: (mul(g, rsqrt(plus(mul(x, x), -1))),),
    lower=lambda s, t, x: s.acosh(x),
    doc="The non-negative inverse of cosh; NaN below 1.",
)
atanh: Op = elementwise(
    "atanh",
    np.arctanh,
    low=-0.9,
    high=0.9,
    vjp=lambda g, y, x: (div(g, _one_minus_square(x)),),
    lower=lambda s, t, x: s.atanh(x),
    doc="The inverse of tanh; NaN outside [-1, 1].",
)


def _atan2_vjp(g: Value, y: Value, a: Value, b: Value) -> tuple[Value, Value]:
    square = add(mul(a, a), mul(b, b))
    # 0 at the origin, which has no angle.
    part = div(g, select(eq(square, zeros_like(square)), ones_like(square), square))
    return mul(part, b), neg(mul(part, a))


atan2: Op = elementwise(
    "atan2",
    np.arctan2,
    arity=2,
    low=0.5,
    vjp=_atan2_vjp,
    lower=lambda s, t, a, b: s.atan2(a, b),
    doc="The angle in [-pi, pi] of the point (x=b, y=a), signs of zero as in C.",
)

# ---- special functions

erf: Op = elementwise(
    "erf",
    special.erf,
    vjp=lambda g, y, x: (mul(times(g, 2 / math.sqrt(math.pi)), exp(neg(mul(x, x)))),),
    lower=lambda s, t, x: s.erf(x),
    doc="The error function.",
)
erfinv: Op = elementwise(
    "erfinv",
    special.erfinv,
    low=-0.9,
    high=0.9,
    vjp=lambda g, y, x: (mul(times(g, math.sqrt(math.pi) / 2), exp(mul(y, y))),),
    lower=lambda s, t, x: s.erfinv(x),
    doc="The inverse of erf; infinite at -1 and 1, NaN outside.",
)
sigmoid: Op = elementwise(
    "sigmoid",
    special.sigmoid,
    vjp=lambda g, y, x: (mul(g, mul(y, sub(ones_like(y), y))),),
    lower=lambda s, t, x: s.sigmoid(x),
    doc="1 / (1 + exp(-x)).",
)
lgamma: Op = elementwise(
    "lgamma",
    special.lgamma,
    low=0.5,
    vjp=lambda g, y, x: (mul(g, digamma(x)),),
    lower=lambda s, t, x: s.lgamma(x),
    doc="log |Gamma(x)|; +inf at 0, -1, -2, ...",
)


def trigamma(x: Value) -> Value:
    """The second derivative of lgamma: reflection below 1/2, six steps of recurrence, then the asymptotic series.

    Abramowitz & Stegun 6.4.6, 6.4.7, 6.4.12.
    """
    one, zero = ones_like(x), zeros_like(x)
    low = lt(x, scalar_like(x, 0.5))
    # sin has period pi up to its sign, which the square drops: the whole part would only cost digits.
    fraction = select(low, sub(x, floor(x)), scalar_like(x, 0.5))
    sine = sin(times(fraction, math.pi))
    up = select(low, sub(one, x), x)
    sums = zero
    for _ in range(6):
        sums = add(sums, reciprocal(mul(up, up)))
        up = plus(up, 1)
    square = reciprocal(mul(up, up))
    series = zero
    for c in (7 / 6, -691 / 2730, 5 / 66, -1 / 30, 1 / 42, -1 / 30, 1 / 6):
        series = mul(square, plus(series, c))
    sums = add(sums, div(add(plus(div(scalar_like(up, 0.5), up), 1), series), up))
    return select(low, sub(div(scalar_like(x, math.pi**2), mul(sine, sine)), sums), sums)


digamma: Op = elementwise(
    "digamma",
    special.digamma,
    low=0.5,
    vjp=lambda g, y, x: (mul(g, trigamma(x)),),
    lower=lambda s, t, x: s.digamma(x),
    doc="The derivative of lgamma: -inf at 0, +inf at -0, NaN at -1, -2, ...",
)
