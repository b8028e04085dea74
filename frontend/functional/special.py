"""Special functions: gamma and zeta functions, Bessel functions of imaginary argument, normal distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ingot.functional.activations import log_softmax as log_softmax
from ingot.functional.activations import softmax as softmax
from ingot.functional.arithmetic import add, div, eq, gt, le, logical_and, lt, mul, sub, where
from ingot.functional.arithmetic import pow as power
from ingot.functional.arithmetic import xlog1py as xlog1py
from ingot.functional.arithmetic import xlogy as xlogy
from ingot.functional.reductions import logsumexp as logsumexp
from ingot.functional.unary import abs, digamma, erf, erfinv, exp, floating, lgamma, log, sin, sqrt, square
from ingot.functional.unary import exp2 as exp2
from ingot.functional.unary import expm1 as expm1
from ingot.functional.unary import log1p as log1p
from ingot.functional.unary import logit as logit
from ingot.functional.unary import round as round
from ingot.promote import cast_to, splat, unified
from ingot.runtime import dtypes
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def _ones(x: Tensor) -> Tensor:
    return splat(1.0, x._layout.dtype, x._layout.shape)


def _in_double(function: Any, *operands: Tensor) -> Tensor:
    """Computed in float64 and rounded once."""
    result: Tensor = function(*[cast_to(x, dtypes.float64) for x in operands])
    return cast_to(result, operands[0]._layout.dtype)


def sinc(input: Tensor) -> Tensor:
    """sin(pi x) / (pi x), 1 at 0."""
    x = floating(input)
    zero = eq(x, 0)
    angle = mul(where(zero, _ones(x), x), math.pi)
    return where(zero, add(mul(x, 0.0), 1.0), div(sin(angle), angle))


def entr(input: Tensor) -> Tensor:
    """-x log(x), 0 at 0, -inf below."""
    x = floating(input)
    safe = where(gt(x, 0), x, _ones(x))
    inside = where(gt(x, 0), -mul(safe, log(safe)), splat(0.0, x._layout.dtype, x._layout.shape))
    return where(lt(x, 0), -math.inf, where(eq(x, x), inside, x))


def ndtr(input: Tensor) -> Tensor:
    """The standard normal distribution function."""
    x = floating(input)
    return mul(erfc(mul(x, -math.sqrt(0.5))), 0.5)


def ndtri(input: Tensor) -> Tensor:
    """The inverse of `ndtr`."""
    x = floating(input)
    return mul(erfinv(sub(mul(x, 2.0), 1.0)), math.sqrt(2.0))


def erfcx(input: Tensor) -> Tensor:
    """exp(x^2) erfc(x): directly near 0, by its continued fraction (Abramowitz & Stegun 7.1.14) beyond 2."""
    return _in_double(_erfcx, floating(input))


def _erfcx(x: Tensor) -> Tensor:
    near = lt(x, 2.0)
    small = where(near, x, _ones(x))
    return where(near, mul(exp(square(small)), sub(1.0, erf(small))), _erfcx_far(x, near))


def _erfcx_far(x: Tensor, near: Tensor) -> Tensor:
    big = where(near, mul(_ones(x), 2.0), x)
    fraction = big
    for k in range(60, 0, -1):
        fraction = add(big, div(k / 2, fraction))
    return div(1 / math.sqrt(math.pi), fraction)


def erfc(input: Tensor) -> Tensor:
    """1 - erf(x), exact where it is small."""
    return _in_double(_erfc, floating(input))


def _erfc(x: Tensor) -> Tensor:
    near = lt(x, 2.0)
    far = where(near, mul(_ones(x), 2.0), x)
    return where(near, sub(1.0, erf(x)), mul(exp(-square(far)), _erfcx_far(x, near)))


def log_ndtr(input: Tensor) -> Tensor:
    """log(ndtr(x)), exact far below 0 too."""
    return _in_double(_log_ndtr, floating(input))


def _log_ndtr(x: Tensor) -> Tensor:
    t = mul(x, math.sqrt(0.5))
    low = lt(t, -1.0)
    below = where(low, t, -_ones(t))
    far = sub(log(mul(_erfcx(-below), 0.5)), square(below))
    above = where(low, mul(t, 0.0), t)
    return where(low, far, log1p(mul(erfc(above), -0.5)))


def multigammaln(input: Tensor, p: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension p."""
    x = floating(input)
    total = mul(_ones(x), p * (p - 1) / 4 * math.log(math.pi))
    for j in range(p):
        total = add(total, lgamma(sub(x, j / 2)))
    return total


mvlgamma = multigammaln

# B(2k) / (2k)! for k = 1 to 8, of the Euler-Maclaurin formula (Abramowitz & Stegun 23.1.30).
_BERNOULLI = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600)
_TERMS = 16


def zeta(input: Any, other: Any) -> Tensor:
    """The Hurwitz zeta function, sum over k >= 0 of (other + k)^-input, for input > 1 and other > 0; else NaN."""
    s, q = unified("zeta", input, other)
    s, q = floating(s), floating(q)
    return _in_double(_zeta, s, q)


def _zeta(s: Tensor, q: Tensor) -> Tensor:
    total = power(q, -s)
    for k in range(1, _TERMS):
        total = add(total, power(add(q, float(k)), -s))
    end = add(q, float(_TERMS))
    tail = power(end, -s)
    total = add(total, add(div(mul(tail, end), sub(s, 1.0)), mul(tail, 0.5)))
    factor, decay = s, div(tail, end)
    for k, coefficient in enumerate(_BERNOULLI):
        total = add(total, mul(mul(factor, decay), coefficient))
        factor = mul(mul(factor, add(s, 2.0 * k + 1)), add(s, 2.0 * k + 2))
        decay = div(decay, square(end))
    known = logical_and(gt(s, 1.0), gt(q, 0.0))
    return where(known, total, where(eq(s, 1.0), math.inf, math.nan))


def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of digamma. Raises SpecError (IG217) for n < 0."""
    if n < 0:
        raise SpecError("IG217", f"polygamma(n, x) does not support negative n, got {n}", where=user_line())
    x = floating(input)
    if n == 0:
        return digamma(x)
    if n == 1:
        return _in_double(_trigamma, x)
    sign = 1.0 if n % 2 else -1.0
    return mul(zeta(float(n + 1), x), sign * math.factorial(n))


def polygamma_of(self: Tensor, n: int) -> Tensor:
    """`polygamma` as a method."""
    return polygamma(n, self)


def _trigamma(x: Tensor) -> Tensor:
    """Reflected (Abramowitz & Stegun 6.4.7) where x is below 1/2."""
    low = lt(x, 0.5)
    value = _zeta(mul(_ones(x), 2.0), where(low, sub(1.0, x), x))
    ratio = div(math.pi, sin(mul(where(low, x, mul(_ones(x), 0.5)), math.pi)))
    return where(low, sub(square(ratio), value), value)


def _series(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    total = mul(_ones(x), coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = add(mul(total, x), c)
    return total


def _bessel(x: Tensor, order: int) -> Tensor:
    """exp(-|x|) I_order(x), order 0 or 1: the power series to 20, the asymptotic one beyond (A & S 9.6.10, 9.7.1)."""
    size = abs(x)
    near = le(size, 20.0)
    small, big = where(near, size, mul(size, 0.0)), where(near, mul(_ones(x), 20.0), size)
    powers, asymptotic = [1.0], [1.0]
    for k in range(1, 50):
        powers.append(powers[-1] * 0.25 / (k * (k + order)))
    for k in range(1, 20):
        asymptotic.append(-asymptotic[-1] * (4 * order * order - (2 * k - 1) ** 2) / (8 * k))
    inner = mul(_series(square(small), powers), exp(-small))
    inner = mul(inner, mul(small, 0.5)) if order else inner
    outer = div(_series(div(1.0, big), asymptotic), sqrt(mul(big, 2 * math.pi)))
    return where(near, inner, outer)


def i0e(input: Tensor) -> Tensor:
    """exp(-|x|) i0(x)."""
    return _in_double(lambda x: _bessel(x, 0), floating(input))


def i0(input: Tensor) -> Tensor:
    """The modified Bessel function of the first kind, order 0."""
    return _in_double(lambda x: mul(_bessel(x, 0), exp(abs(x))), floating(input))


def i1e(input: Tensor) -> Tensor:
    """exp(-|x|) i1(x)."""
    return _in_double(lambda x: mul(_bessel(x, 1), x.sign()), floating(input))


def i1(input: Tensor) -> Tensor:
    """The modified Bessel function of the first kind, order 1."""
    return _in_double(lambda x: mul(mul(_bessel(x, 1), exp(abs(x))), x.sign()), floating(input))


_STEPS = 200


def igamma(input: Any, other: Any) -> Tensor:
    """The regularised lower incomplete gamma function P(input, other)."""
    a, x = unified("igamma", input, other)
    return _in_double(lambda a, x: _incomplete(a, x)[0], floating(a), floating(x))


def igammac(input: Any, other: Any) -> Tensor:
    """The regularised upper incomplete gamma function Q(input, other) = 1 - igamma(input, other)."""
    a, x = unified("igammac", input, other)
    return _in_double(lambda a, x: _incomplete(a, x)[1], floating(a), floating(x))


def _incomplete(a: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """(P, Q): the series below a + 1, the continued fraction from there on (Abramowitz & Stegun 6.5.29, 6.5.31)."""
    low = lt(x, add(a, 1.0))
    scale = exp(sub(sub(mul(a, log(x)), x), lgamma(a)))
    small, big = where(low, x, mul(x, 0.0)), where(low, add(a, 2.0), x)
    term = div(1.0, a)
    total = term
    for k in range(1, _STEPS):
        term = mul(term, div(small, add(a, float(k))))
        total = add(total, term)
    fraction = add(big, mul(a, 0.0))
    for k in range(_STEPS // 2, 0, -1):
        fraction = add(sub(add(big, 2.0 * k - 1), a), div(mul(sub(a, float(k)), float(k)), fraction))
    lower, upper = mul(scale, total), div(scale, fraction)
    nothing, everything = eq(x, 0), eq(x, math.inf)
    p = where(low, lower, sub(1.0, upper))
    p = where(nothing, 0.0, where(everything, 1.0, p))
    q = where(low, sub(1.0, lower), upper)
    return p, where(nothing, 1.0, where(everything, 0.0, q))


psi, gammaln, gammainc, gammaincc = digamma, lgamma, igamma, igammac
