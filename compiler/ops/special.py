"""Special functions on arrays: sigmoid, erf, its inverse, log gamma, digamma. Plain NumPy, no graph.

All but sigmoid compute in float64, which float32 results are rounded from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]


# The intermediate arrays of one block stay in a core's second-level cache.
BLOCK = 1 << 13


def in_double(define: Callable[[Doubles], Doubles]) -> Callable[[Array], Array]:
    """The same function for float32 too, block by block."""

    @wraps(define)
    def run(x: Array) -> Array:
        flat = x.reshape(-1)
        result = np.empty(flat.shape, x.dtype)
        for start in range(0, flat.size, BLOCK):
            part = slice(start, start + BLOCK)
            result[part] = define(flat[part].astype(np.float64))
        return result.reshape(x.shape)

    return run


def polynomial(x: Doubles, coefficients: Sequence[float]) -> Doubles:
    """Horner's rule, highest power first."""
    result = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        result = result * x + c
    return result


def sigmoid(x: Array, out: Array | None = None) -> Array:
    """1 / (1 + exp(-x)); exp(x), which is the same, where exp(-x) overflows."""
    if x.ndim == 0:
        return sigmoid(x.reshape(1)).reshape(())
    one = _one(x.dtype)
    # In memory that is there already: of small arrays the number of calls and of new arrays is what it costs.
    total = np.negative(x)
    np.exp(total, total)
    # A sum of squares is the fastest look at all of them; it may take large numbers for infinite ones.
    large = None if np.vdot(total, total) < np.inf else np.isinf(total)
    np.add(total, one, total)
    result = np.divide(one, total, total if out is None else out)
    if large is not None:
        result[large] = np.exp(x[large])
    return result


@lru_cache
def _one(dtype: np.dtype[Any]) -> Array:
    return np.ones((), dtype)


# W. J. Cody, Rational Chebyshev approximations for the error function, Math. Comp. 23 (1969): |x| <= 0.46875 in x^2,
# up to 4 in |x|, beyond in 1 / x^2; numerators and denominators, highest power first.
_ERF_SMALL = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_ERFC_MIDDLE = (
    (
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594,
        6.61191906371416295e1,
        2.98635138197400131e2,
        8.81952221241769090e2,
        1.71204761263407058e3,
        2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0,
        1.57449261107098347e1,
        1.17693950891312499e2,
        5.37181101862009858e2,
        1.62138957456669019e3,
        3.29079923573345963e3,
        4.36261909014324716e3,
        3.43936767414372164e3,
        1.23033935480374942e3,
    ),
)


@in_double
def erf(x: Doubles) -> Doubles:
    """2 / sqrt(pi) * integral of exp(-t^2) from 0 to x. Cody 1969."""
    size = np.abs(x)
    square = np.minimum(x * x, 1.0)
    small = x * polynomial(square, _ERF_SMALL[0]) / polynomial(square, _ERF_SMALL[1])
    # From 6 on erf is 1 to the last bit, so the middle range serves the far one.
    middle = np.minimum(size, 6.0)
    tail = np.exp(-middle * middle) * polynomial(middle, _ERFC_MIDDLE[0]) / polynomial(middle, _ERFC_MIDDLE[1])
    return np.where(size <= 0.46875, small, np.copysign(1.0 - tail, x))


# M. J. Wichura, Algorithm AS 241: the percentage points of the normal distribution, Applied Statistics 37 (1988),
# routine PPND16; numerators and denominators, highest power first.
_CENTRAL = (
    (
        2.5090809287301226727e3,
        3.3430575583588128105e4,
        6.7265770927008700853e4,
        4.5921953931549871457e4,
        1.3731693765509461125e4,
        1.9715909503065514427e3,
        1.3314166789178437745e2,
        3.3871328727963666080,
    ),
    (
        5.2264952788528545610e3,
        2.8729085735721942674e4,
        3.9307895800092710610e4,
        2.1213794301586595867e4,
        5.3941960214247511077e3,
        6.8718700749205790830e2,
        4.2313330701600911252e1,
        1.0,
    ),
)
_MIDDLE = (
    (
        7.74545014278341407640e-4,
        2.27238449892691845833e-2,
        2.41780725177450611770e-1,
        1.27045825245236838258,
        3.64784832476320460504,
        5.76949722146069140550,
        4.63033784615654529590,
        1.42343711074968357734,
    ),
    (
        1.05075007164441684324e-9,
        5.47593808499534494600e-4,
        1.51986665636164571966e-2,
        1.48103976427480074590e-1,
        6.89767334985100004550e-1,
        1.67638483018380384940,
        2.05319162663775882187,
        1.0,
    ),
)
_TAIL = (
    (
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        1.24266094738807843860e-3,
        2.65321895265761230930e-2,
        2.96560571828504891230e-1,
        1.78482653991729133580,
        5.46378491116411436990,
        6.65790464350110377720,
    ),
    (
        2.04426310338993978564e-15,
        1.42151175831644588870e-7,
        1.84631831751005468180e-5,
        7.86869131145613259100e-4,
        1.48753612908506148525e-2,
        1.36929880922735805310e-1,
        5.99832206555887937690e-1,
        1.0,
    ),
)


def _ratio(x: Doubles, coefficients: tuple[Sequence[float], Sequence[float]]) -> Doubles:
    return polynomial(x, coefficients[0]) / polynomial(x, coefficients[1])


@in_double
def erfinv(x: Doubles) -> Doubles:
    """The y with erf(y) = x; -1 and 1 give infinities, NaN beyond. Wichura 1988, at probability (1 + x) / 2."""
    half = 0.5 * x
    central = half * _ratio(0.180625 - half * half, _CENTRAL)
    distance = np.sqrt(-np.log(0.5 * (1.0 - np.abs(x))))
    finite = np.where(np.isinf(distance), 0.0, distance)
    outer = np.where(finite <= 5.0, _ratio(finite - 1.6, _MIDDLE), _ratio(finite - 5.0, _TAIL))
    outer = np.copysign(np.where(np.isinf(distance), np.inf, outer), x)
    result = np.where(np.abs(half) <= 0.425, central, outer) * math.sqrt(0.5)
    return np.where(np.abs(x) <= 1.0, result, np.nan)


# (-1)^k (zeta(k) - 1) / k from k = 29 down to 2, and 1 - Euler's constant: log Gamma(2 + w) in powers of w.
_AROUND_TWO = (
    -6.42296456383810002e-11,
    1.33047643742444895e-10,
    -2.75952288512423315e-10,
    5.73136724167886201e-10,
    -1.19214014058609121e-9,
    2.48367454380247832e-9,
    -5.18347504197004666e-9,
    1.08386592148969541e-8,
    -2.27110946089431649e-8,
    4.76981016936398057e-8,
    -1.00432248239680996e-7,
    2.12071848055546659e-7,
    -4.49246919876456604e-7,
    9.55141213040741983e-7,
    -2.03921575380136624e-6,
    4.3748667899074878e-6,
    -9.4394882752683959e-6,
    0.0000205072127756706916,
    -0.0000449262367381331417,
    0.0000994575127818085337,
    -0.00022315475845357938,
    0.000509669524743042422,
    -0.00119275391170326098,
    0.00289051033074152329,
    -0.00738555102867398527,
    0.0205808084277845479,
    -0.0673523010531980951,
    0.322467033424113218,
    0.422784335098467139,
    0.0,
)
# B(2k) / (2k (2k - 1)) from k = 8 down to 1: Stirling's series.
_STIRLING = (-3617 / 122400, 1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12)


@in_double
def lgamma(x: Doubles) -> Doubles:
    """log |Gamma(x)|; +inf at 0, -1, -2, ... and at both infinities.

    Abramowitz & Stegun 6.1.33 around the zeros at 1 and 2, 6.1.15 between them and 10, 6.1.41 beyond, 6.1.17 below 0.
    """
    size = np.abs(x)
    right = _lgamma_positive(size)
    # |sin(pi x)| of the fractional part, which is exact.
    sine = np.sin(np.pi * np.abs(x - np.rint(x)))
    left = np.log(np.pi / (size * sine)) - right
    pole = (x <= 0) & (x == np.floor(x))
    return np.where(pole | np.isinf(x), np.inf, np.where((x < 0) & (size > 1e-15), left, right))


def _lgamma_positive(x: Doubles) -> Doubles:
    # Into [0.5, 2.5] by lgamma(x) = lgamma(x - 1) + log(x - 1), and up from below 0.5 by lgamma(x + 1) - log(x).
    small = x < 0.5
    base = np.where(x < 10.0, x, 2.0)
    product = np.ones_like(x)
    for _ in range(8):
        above = base > 2.5
        base = np.where(above, base - 1.0, base)
        product = np.where(above, product * base, product)
    low = small | (base < 1.5)
    z = np.where(small, base, np.where(low, base - 1.0, base - 2.0))
    near = polynomial(z, _AROUND_TWO) - np.where(low, np.log1p(z), 0.0) + np.where(small, -np.log(x), np.log(product))
    inverse = 1.0 / np.maximum(x, 10.0)
    far = (x - 0.5) * np.log(x) - x + 0.5 * math.log(2.0 * math.pi)
    far = far + inverse * polynomial(inverse * inverse, _STIRLING)
    return np.where(x < 10.0, near, far)


@in_double
def digamma(x: Doubles) -> Doubles:
    """The derivative of lgamma: -inf at 0, +inf at -0, NaN at -1, -2, ...

    Reflection below 0, recurrence up to 10, then the asymptotic series (Abramowitz & Stegun 6.3.5, 6.3.7, 6.3.18).
    """
    whole = x == np.floor(x)
    # pi / tan(pi x) with the nearest whole number, which would cost digits, removed first.
    fraction = x - np.rint(x)
    reflected = np.where(x < 0, -np.pi / np.tan(np.pi * np.where(whole, 0.5, fraction)), 0.0)
    up = np.where(x < 0, 1.0 - x, x)
    sums = np.zeros_like(x)
    for _ in range(10):
        below = up < 10.0
        sums = np.where(below, sums - 1.0 / up, sums)
        up = np.where(below, up + 1.0, up)
    inverse = 1.0 / (up * up)
    series = inverse * polynomial(inverse, (1 / 12, -691 / 32760, 1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12))
    result = np.where(up > 1e17, np.log(up), np.log(up) - 0.5 / up - series) + sums + reflected
    result = np.where(whole & (x < 0), np.nan, result)
    return np.where(x == 0, np.copysign(np.inf, -x), result)
