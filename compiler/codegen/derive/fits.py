"""Which curve each coefficient list approximates, where, and in which measure of error.

Weights turn the error of the polynomial into the relative error of the function it serves.
"""

from __future__ import annotations

from collections.abc import Iterator

import mpmath as mp

from ingot.compiler.codegen.derive.remez import NEAR_ZERO, Curve, Fit

mp.mp.dps = 60
HALF_LN2 = mp.log(2) / 2 * mp.mpf("1.001")
LOG_LO, LOG_HI = mp.sqrt(2) / 2 - 1, mp.sqrt(2) - 1  # mantissas are taken from [sqrt(1/2), sqrt(2))
ATANH_HI = (LOG_HI / (2 + LOG_HI)) ** 2 * mp.mpf("1.001")  # z = (f / (2 + f))**2
QUARTER = (mp.pi / 4 * mp.mpf("1.001")) ** 2
ATAN_HI = (mp.sqrt(2) - 1) ** 2 * mp.mpf("1.001")  # tan(pi/8)**2


def of_square(function: Curve) -> Curve:
    """z -> function(sqrt(z)) / sqrt(z): the even part of an odd function."""
    return lambda z: function(mp.sqrt(z)) / mp.sqrt(z)


def atanh_series(z: mp.mpf) -> mp.mpf:
    """log(m) = 2s + s z R(z) with s = (m-1)/(m+1), z = s**2."""
    return (of_square(mp.atanh)(z) * 2 - 2) / z


def scaled_erfc(pole: float) -> Curve:
    """u -> erfc(t) exp(t**2) where u = (t - pole) / (t + pole)."""

    def curve(u: mp.mpf) -> mp.mpf:
        t = pole * (1 + u) / (1 - u)
        return mp.erfc(t) * mp.exp(t * t)

    return curve


def erfc_decay(u: mp.mpf) -> mp.mpf:
    t = 2 * (1 + u) / (1 - u)
    return mp.exp(-t * t) / mp.erf(t)


def from_pole(t: float, pole: float) -> mp.mpf:
    return (mp.mpf(t) - pole) / (mp.mpf(t) + pole)


def erf_exponent(t: mp.mpf) -> mp.mpf:
    """erf(t) = 1 - exp(-t Q(t))."""
    return -mp.log(mp.erfc(t)) / t


def erfinv_over_x(w: mp.mpf) -> mp.mpf:
    """erfinv(x) / x as a function of w = -log(1 - x**2) (Giles 2010)."""
    w = max(w, NEAR_ZERO)
    x = mp.sqrt(-mp.expm1(-w))
    # Newton on log erfc, which stays well conditioned when x is next to one.
    y = mp.sqrt(w) if w > 4 else x * mp.sqrt(mp.pi) / 2 * (1 + mp.pi * x * x / 12)
    target = mp.exp(-w) / (1 + x)  # 1 - x
    for _ in range(60):
        survival = mp.erfc(y)
        step = survival * mp.log(survival / target) * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
        y += step
        if abs(step) < abs(y) * mp.mpf(10) ** -(mp.mp.dps // 2 - 3):
            break
    survival = mp.erfc(y)
    y += survival * mp.log(survival / target) * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
    return y / x


def lgamma_zeros(x: mp.mpf) -> mp.mpf:
    """lgamma(x) / ((x - 1) (x - 2)), which has no zero."""
    return mp.loggamma(x) / ((x - 1) * (x - 2))


def stirling(z: mp.mpf) -> mp.mpf:
    """x (lgamma(x) - (x - 1/2) log(x) + x - log(2 pi) / 2) with z = 1 / x**2."""
    x = 1 / mp.sqrt(z)
    return x * (mp.loggamma(x) - (x - mp.mpf(1) / 2) * mp.log(x) + x - mp.log(2 * mp.pi) / 2)


def digamma_tail(z: mp.mpf) -> mp.mpf:
    """x**2 (log(x) - 1 / (2x) - digamma(x)) with z = 1 / x**2."""
    x = 1 / mp.sqrt(z)
    return (mp.log(x) - 1 / (2 * x) - mp.digamma(x)) / z


def digamma_root() -> mp.mpf:
    return mp.findroot(mp.digamma, mp.mpf("1.4616321449683623"))


def one(_: mp.mpf) -> mp.mpf:
    return mp.mpf(1)


def relative(curve: Curve) -> Curve:
    return lambda x: 1 / curve(x)


def exponential() -> Iterator[Fit]:
    for elt, exp_terms, exp2_terms, tanh_terms, sinh_terms in (("f32", 5, 6, 6, 4), ("f64", 11, 12, 11, 7)):
        quadratic: Curve = lambda r: (mp.exp(r) - 1 - r) / r**2
        linear: Curve = lambda r: (mp.mpf(2) ** r - 1) / r
        yield Fit("exp", elt, quadratic, -HALF_LN2, HALF_LN2, exp_terms, lambda r: r * r / mp.exp(r))
        yield Fit("exp2", elt, linear, -0.5005, 0.5005, exp2_terms, lambda r: r / mp.mpf(2) ** r)
        yield Fit("tanh", elt, lambda z: (of_square(mp.tanh)(z) - 1) / z, 0, 0.625**2, tanh_terms, lambda z: z)
        yield Fit("sinh", elt, lambda z: (of_square(mp.sinh)(z) - 1) / z, 0, 1, sinh_terms, lambda z: z)


def logarithm() -> Iterator[Fit]:
    cubic: Curve = lambda f: (mp.log(1 + f) - f + f * f / 2) / f**3
    yield Fit("log", "f32", cubic, LOG_LO, LOG_HI, 8, lambda f: f**3 / mp.log(1 + f))
    yield Fit("log", "f64", atanh_series, 0, ATANH_HI, 7, lambda z: z / 2)
    yield Fit("log_long", "f64", lambda z: (atanh_series(z) - mp.mpf(2) / 3) / z, 0, ATANH_HI, 8, lambda z: z * z / 2)
    base2: Curve = lambda f: mp.log(1 + f, 2) / f
    yield Fit("log2_short", "f64", base2, LOG_LO, LOG_HI, 12, relative(base2))


def trigonometric() -> Iterator[Fit]:
    sine: Curve = lambda z: (of_square(mp.sin)(z) - 1) / z
    cosine: Curve = lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2
    tangent: Curve = lambda z: (of_square(mp.tan)(z) - 1) / z
    arctangent: Curve = lambda z: (of_square(mp.atan)(z) - 1) / z
    arcsine: Curve = lambda z: (of_square(mp.asin)(z) - 1) / z
    for elt, terms, atan_terms, asin_terms in (("f32", 3, 5, 5), ("f64", 6, 11, 12)):
        yield Fit("sin", elt, sine, 0, QUARTER, terms, lambda z: z)
        yield Fit("cos", elt, cosine, 0, QUARTER, terms, lambda z: z * z)
        yield Fit("atan", elt, arctangent, 0, ATAN_HI, atan_terms, lambda z: z)
        yield Fit("asin", elt, arcsine, 0, mp.mpf("0.2501"), asin_terms, lambda z: z)
    yield Fit("tan", "f64", tangent, 0, QUARTER, 14, lambda z: z * mp.sqrt(z) / mp.tan(mp.sqrt(z)))


def error() -> Iterator[Fit]:
    even: Curve = lambda z: of_square(mp.erf)(z) - 1
    decay: Curve = lambda t: t * mp.erfc(t) / mp.erf(t)
    yield Fit("erf", "f32", erf_exponent, 0, 3.95, 9, decay, double=1)
    yield Fit("erf", "f64", even, 0, 1, 13, lambda z: 1 / (even(z) + 1))
    tail = scaled_erfc(2)
    yield Fit("erf_tail", "f64", tail, from_pole(0.99, 2), from_pole(6, 2), 14, erfc_decay)
    wide: Curve = lambda u: scaled_erfc(3.75)(u) * 7.5 / (1 - u)  # times t + 3.75
    yield Fit("erfc", "f64", wide, from_pole(0.74, 3.75), from_pole(27.5, 3.75), 21, relative(wide), double=2)


def inverse_error() -> Iterator[Fit]:
    inner: Curve = lambda v: erfinv_over_x(v + mp.mpf("3.125"))
    middle: Curve = lambda v: erfinv_over_x((v + mp.mpf("3.25")) ** 2)
    outer: Curve = lambda v: erfinv_over_x((v + 5) ** 2)
    yield Fit("erfinv_inner", "f64", inner, -3.125, 3.13, 25, relative(inner), double=2)
    yield Fit("erfinv_middle", "f64", middle, -0.7505, 0.7505, 20, relative(middle), double=2)
    yield Fit("erfinv_outer", "f64", outer, -1.0005, 1.05, 18, relative(outer), double=2)


def gamma() -> Iterator[Fit]:
    low: Curve = lambda v: lgamma_zeros(v + 1)
    high: Curve = lambda v: lgamma_zeros(v + 2)
    root = digamma_root()
    centre: Curve = lambda v: mp.digamma(v + mp.mpf("1.75")) / (v + mp.mpf("1.75") - root)
    yield Fit("lgamma_one", "f64", low, -0.5, 0.5, 27, relative(low))
    yield Fit("lgamma_two", "f64", high, -0.5, 0.5, 18, relative(high))
    yield Fit("lgamma_tail", "f64", stirling, mp.mpf(10) ** -20, mp.mpf(1) / 64, 8, lambda z: mp.sqrt(z))
    yield Fit("digamma", "f64", centre, -0.75, 0.75, 25, relative(centre))
    yield Fit("digamma_tail", "f64", digamma_tail, mp.mpf(10) ** -20, mp.mpf(1) / 64, 8, lambda z: z)


FAMILIES = (exponential, logarithm, trigonometric, error, inverse_error, gamma)


def split(value: mp.mpf, *bits: int) -> list[float]:
    """`value` as a sum of floats with the given numbers of significant bits."""
    parts = []
    with mp.workdps(120):
        for count in bits:
            with mp.workprec(count):
                part = +value
            parts.append(float(part))
            value = value - part
    return parts


def constants() -> dict[str, dict[str, list[float]]]:
    """Constants as sums of floats. Short heads make products with small integers exact without fma."""
    with mp.workdps(120):
        ln2, pi_2, log2e = mp.log(2), mp.pi / 2, 1 / mp.log(2)
        log10_2, log10e, root = mp.log10(2), mp.log10(mp.e), digamma_root()
        return {
            "f32": {
                "ln2": split(ln2, 15, 24),
                "log2e": split(log2e, 24, 24),
                "log2e_short": split(log2e, 12, 24),
                "log10e_short": split(log10e, 12, 24),
                "log10_2": split(log10_2, 15, 24),
                "pi_2": split(pi_2, 24, 24, 24),
                "two_over_pi": split(2 / mp.pi, 24),
            },
            "f64": {
                "ln2": split(ln2, 42, 53),
                "log2e": split(log2e, 53, 53),
                "log2e_short": split(log2e, 21, 53),
                "log10e_short": split(log10e, 21, 53),
                "log10_2": split(log10_2, 42, 53),
                "pi_2": split(pi_2, 53, 53),
                "pi_2_short": split(pi_2, 33, 33, 53),
                "two_over_pi": split(2 / mp.pi, 53),
                "two_thirds": split(mp.mpf(2) / 3, 53, 53),
                "digamma_root": split(root, 53, 53),
                "log_pi": split(mp.log(mp.pi), 53),
                "half_log_two_pi": split(mp.log(2 * mp.pi) / 2, 53),
            },
        }


def two_over_pi_words() -> list[int]:
    """The bits of 2/pi after the binary point, 64 per word, behind one zero word (Payne & Hanek 1983)."""
    with mp.workprec(1500):
        bits = int(mp.floor(2 / mp.pi * mp.mpf(2) ** 1280))
    return [0, *((bits >> (1280 - 64 * (i + 1))) & (2**64 - 1) for i in range(20))]
