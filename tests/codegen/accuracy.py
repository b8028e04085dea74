"""What the math functions are compared with: sample points, references of higher precision, and the error allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import scipy.special as special
from numpy.typing import NDArray

Array = NDArray[Any]

# Signed zeros, subnormals, infinities, NaN, overflow and underflow thresholds, interval borders, a worst case of
# range reduction (Muller 2016, table 11.1).
# fmt: off
EDGES = np.array([
    0.0, 1, np.inf, np.nan, 5e-324, 1e-310, 1e-45, 1e-39, 1.17549435e-38, 2.2250738585072014e-308, 3.4028234e38,
    1.7976931348623157e308, 88.72283, 88.72284, 88.8, 87.33, 87.34, 103.97, 103.98, 104, 709.78, 709.79, 708.4, 745.13,
    745.14, 0.5, 0.625, 2, 3, 10, 1e5, 1e10, 1e22, 1e300, np.pi, np.pi / 2, 6381956970095103 * 2.0**797, 1e-200, 1e-30,
    1e-17, 0.9999999, 1 - 2.0**-53, 2.5, 1.5, 710.4, 710.5, 89.4, 89.5, 26.5, 27.2, 9.1, 10.05, 14, 128, 127.99999,
    149, 150, 1023.9999, 1024, 1074, 1075, 48000, 1647099, 2.0**28, 2.0**60, 171.7,
])
# fmt: on
EDGES = np.concatenate([EDGES, -EDGES])


def points(dtype: Any, count: int, *, seed: int = 0) -> Array:
    """Edges, bit patterns spread over all exponents, and denser samples where functions bend."""
    rng = np.random.default_rng(seed)
    n = count // 5
    if dtype == np.float32:
        patterns = np.arange(0, 2**32, 2**32 // n, dtype=np.uint64).astype(np.uint32).view(np.float32)
    else:
        exponents = rng.integers(0, 2047, n, dtype=np.uint64) << np.uint64(52)
        signs = rng.integers(0, 2, n, dtype=np.uint64) << np.uint64(63)
        patterns = (signs | exponents | rng.integers(0, 2**52, n, dtype=np.uint64)).view(np.float64)
    dense = [
        rng.uniform(-1, 1, n) * 10.0 ** rng.uniform(-3, 3, n),
        rng.uniform(-1.1, 1.1, n),
        rng.uniform(-10, 10, n),
        rng.uniform(0.5, 1.5, n // 2),
        rng.uniform(-750, 750, n // 2) * (1 if dtype == np.float64 else 0.15),
    ]
    with np.errstate(over="ignore"):
        return np.concatenate([EDGES.astype(dtype), patterns, *(d.astype(dtype) for d in dense)])


def pairs(dtype: Any, count: int, *, seed: int = 0) -> tuple[Array, Array]:
    """Operands of pow, atan2 and remainders: all pairs of edges, results over the whole range, integer exponents."""
    rng = np.random.default_rng(seed)
    n, span = count // 4, 38 if dtype == np.float32 else 300
    top = np.log(np.finfo(dtype).max)
    firsts = np.concatenate([EDGES, [-2, -3, -0.25, 1.5]])
    seconds = np.concatenate([EDGES, [-3, 4, -4, 0.3333, 1e9, -7, 1e17, 2.0**24 + 2, 2.0**53 - 1]])
    x0, y0 = (a.ravel() for a in np.meshgrid(firsts, seconds))
    x1 = 10.0 ** rng.uniform(-span, span, n)
    x2 = 1 + rng.uniform(-0.5, 0.5, n) * 10.0 ** rng.uniform(-6, 0, n)
    y1, y2 = (rng.uniform(-1, 1, n) * top / np.abs(np.log(x)) for x in (x1, x2))
    x3, y3 = rng.uniform(-20, 20, n), rng.integers(-12, 12, n).astype(np.float64)
    x4, y4 = (rng.normal(size=n) * 10.0 ** rng.uniform(-span, span, n) for _ in range(2))
    with np.errstate(over="ignore"):
        return np.concatenate([x0, x1, x2, x3, x4]).astype(dtype), np.concatenate([y0, y1, y2, y3, y4]).astype(dtype)


def sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x < 0, e, np.where(np.isnan(x), x, 1)) / (1 + e))


def lgamma(x: Array) -> Array:
    return np.where(np.isinf(x), np.inf, special.gammaln(x))


def erfinv(x: Array) -> Array:
    return np.where(x == 0, x, special.erfinv(x))


# References in the precision of their argument.
NUMPY: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "sigmoid": sigmoid,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "trunc": np.trunc,
}
# SciPy has these in f64 only: good for f32; f64 is checked against mpmath.
SCIPY: dict[str, Callable[[Array], Array]] = {
    "erf": special.erf,
    "erfc": special.erfc,
    "erfinv": erfinv,
    "lgamma": lgamma,
    "digamma": special.psi,
}
MPMATH: dict[str, Callable[[Any], Any]] = {
    "erf": mp.erf,
    "erfc": mp.erfc,
    "erfinv": mp.erfinv,
    "lgamma": lambda x: mp.log(abs(mp.gamma(x))),
    "digamma": mp.digamma,
}
# Where mpmath is asked, and how many units in the last place are allowed there (with fma, without).
RANGES: dict[str, list[tuple[float, float, float, float]]] = {
    "erf": [(-6, 6, 2, 4), (-1e-3, 1e-3, 2, 4)],
    "erfc": [(-6, 1, 2, 4), (0.7, 26, 2, 4)],
    "erfinv": [(-0.999, 0.999, 2, 2.5), (0.999, 1 - 1e-15, 2.5, 3), (-1e-6, 1e-6, 2, 2.5)],
    "lgamma": [(1e-6, 4, 4, 4), (4, 30, 4, 4), (30, 1e9, 4, 4), (-0.9, -1e-6, 4, 4)],
    "digamma": [(1e-6, 4, 4, 4), (4, 30, 4, 4), (30, 1e9, 4, 4), (-0.45, -1e-6, 4, 4)],
}


def mp_errors(name: str, x: Array, got: Array) -> Array:
    """Errors against mpmath at 40 digits, in units in the last place of f64 and never of a smaller unit than 2**-53.

    That floor makes the measure absolute next to the zeros of lgamma and digamma between the poles.
    """
    out = np.empty(len(x))
    with mp.workdps(40):
        for i, (at, value) in enumerate(zip(x.tolist(), got.tolist(), strict=True)):
            exact = MPMATH[name](mp.mpf(at))
            exponent = mp.floor(mp.log(abs(exact), 2)) if exact else mp.mpf(-1000)
            low = -1 if name in ("lgamma", "digamma") and at < 0 else -1022
            out[i] = float(abs(mp.mpf(value) - exact) / mp.mpf(2) ** (max(exponent, low) - 52))
    return out
