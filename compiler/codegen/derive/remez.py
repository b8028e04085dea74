"""Weighted minimax polynomials by the Remez exchange algorithm, and their rounding to machine precision.

Sources: Remez 1934; Brisebarre & Chevillard 2007 for why rounding all coefficients at once loses accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mpmath as mp

Number = mp.mpf
Curve = Callable[[mp.mpf], mp.mpf]

FIT_DIGITS = 50  # of the exchange; monomial bases of 28 terms lose about 20
CURVE_DIGITS = 110  # of the curves: (exp(r) - 1 - r) / r**2 and the like cancel near zero
NEAR_ZERO = mp.mpf(10) ** -25  # where a removable singularity at zero is evaluated instead


@dataclass(frozen=True)
class Fit:
    """p(x) = sum c_k x**k on [lo, hi] such that max |weight * (curve - p)| is least."""

    name: str
    elt: str  # f32 or f64: the precision coefficients are rounded to
    curve: Curve
    lo: float | mp.mpf
    hi: float | mp.mpf
    terms: int
    weight: Curve
    double: int = 0  # this many leading coefficients are kept as an unevaluated sum of two


@dataclass(frozen=True)
class Result:
    coefficients: list[float | list[float]]
    minimax: float  # log2 of the weighted error before rounding
    rounded: float  # and after


class Samples:
    """The curve and the weight on a Chebyshev grid, evaluated once, and anywhere else on demand."""

    def __init__(self, fit: Fit) -> None:
        self.fit, self.known = fit, dict[mp.mpf, tuple[mp.mpf, mp.mpf]]()
        count, lo, hi = 20 * (fit.terms + 3), mp.mpf(fit.lo), mp.mpf(fit.hi)
        self.grid = [(lo + hi) / 2 - (hi - lo) / 2 * mp.cos(mp.pi * i / count) for i in range(count + 1)]
        self.start = [(lo + hi) / 2 - (hi - lo) / 2 * mp.cos(mp.pi * i / fit.terms) for i in range(fit.terms + 1)]

    def __call__(self, x: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
        found = self.known.get(x)
        if found is None:
            with mp.workdps(CURVE_DIGITS):
                at = x if abs(x) > NEAR_ZERO else NEAR_ZERO
                found = self.known[x] = (+self.fit.curve(at), +self.fit.weight(at))
        return found

    def error(self, x: mp.mpf, coefficients: Sequence[mp.mpf]) -> mp.mpf:
        value, weight = self(x)
        return weight * (value - mp.polyval(list(reversed(coefficients)), x))


def solve(samples: Samples, points: Sequence[mp.mpf], fixed: Sequence[mp.mpf]) -> tuple[list[mp.mpf], mp.mpf]:
    """The polynomial that starts with `fixed` and whose weighted error alternates over `points`; and that error."""
    count = len(points)
    matrix, right = mp.matrix(count, count), mp.matrix(count, 1)
    for row, x in enumerate(points):
        value, weight = samples(x)
        power = weight * x ** len(fixed)
        for column in range(count - 1):
            matrix[row, column] = power
            power *= x
        matrix[row, count - 1] = (-1) ** row
        right[row] = weight * (value - (mp.polyval(list(reversed(fixed)), x) if fixed else 0))
    solution = mp.lu_solve(matrix, right)
    return [*fixed, *(solution[i] for i in range(count - 1))], abs(solution[count - 1])


def extrema(samples: Samples, coefficients: Sequence[mp.mpf]) -> list[tuple[mp.mpf, mp.mpf]]:
    """(|error|, x) at the largest point of every run of equal sign, sharpened with a parabola."""
    errors = [samples.error(x, coefficients) for x in samples.grid]
    runs: list[list[int]] = [[0]]
    for i in range(1, len(errors)):
        if (errors[i] >= 0) == (errors[runs[-1][-1]] >= 0):
            runs[-1].append(i)
        else:
            runs.append([i])
    found = []
    for run in runs:
        top = max(run, key=lambda i: abs(errors[i]))
        best = (abs(errors[top]), samples.grid[top])
        if 0 < top < len(errors) - 1:
            x0, x1, x2 = samples.grid[top - 1 : top + 2]
            y0, y1, y2 = errors[top - 1 : top + 2]
            slope0, slope2 = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1)
            if slope0 != slope2:
                vertex = (x0 + x1) / 2 - slope0 * (x2 - x0) / (slope2 - slope0) / 2
                if x0 < vertex < x2:
                    best = max(best, (abs(samples.error(vertex, coefficients)), vertex))
        found.append(best)
    return found


def exchange(
    samples: Samples, fixed: Sequence[mp.mpf], start: Sequence[mp.mpf] | None = None
) -> tuple[list[mp.mpf], mp.mpf, list[mp.mpf]]:
    """Minimax with the leading coefficients given: (all coefficients, largest error, alternation points)."""
    free = samples.fit.terms - len(fixed)
    points = list(start or samples.start)[: free + 1]
    best: tuple[list[mp.mpf], mp.mpf, list[mp.mpf]] | None = None
    for _ in range(25):
        coefficients, level = solve(samples, points, fixed)
        peaks = extrema(samples, coefficients)
        largest = max(p[0] for p in peaks)
        if best is None or largest < best[1]:
            best = (coefficients, largest, points)
        if len(peaks) < free + 1 or largest < level * mp.mpf("1.002"):
            break
        while len(peaks) > free + 1:
            peaks.pop(0 if peaks[0][0] < peaks[-1][0] else -1)
        points = [x for _, x in peaks]
    assert best is not None
    return best


def rounded(value: mp.mpf, bits: int) -> mp.mpf:
    with mp.workprec(bits):
        return +value


def fit(task: Fit) -> Result:
    """The rounded minimax: one coefficient after another is rounded and the rest fitted again, or all at once.

    Which of the two is better depends on the curve, so both are tried.
    """
    bits = 24 if task.elt == "f32" else 53
    with mp.workdps(FIT_DIGITS):
        samples = Samples(task)
        exact, least, points = exchange(samples, [])
        one_by_one: list[mp.mpf] = []
        while len(one_by_one) < task.terms:
            again = exchange(samples, one_by_one, points)
            points = again[2]
            one_by_one.append(store(again[0][len(one_by_one)], bits, len(one_by_one) < task.double))
        at_once = [store(c, bits, k < task.double) for k, c in enumerate(exact)]
        best = min((one_by_one, at_once), key=lambda c: max(abs(samples.error(x, c)) for x in samples.grid))
        error = max(abs(samples.error(x, best)) for x in samples.grid)
        out: list[float | list[float]] = []
        for k, c in enumerate(best):
            high = rounded(c, bits)
            out.append([float(high), float(c - high)] if k < task.double else float(high))
        return Result(out, float(mp.log(least, 2)), float(mp.log(error, 2)))


def store(value: mp.mpf, bits: int, double: bool) -> mp.mpf:
    high = rounded(value, bits)
    return high + rounded(value - high, bits) if double else high
