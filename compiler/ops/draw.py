"""Random numbers whose number of draws depends on the draws (gamma, Poisson, binomial): NumPy makes them from a key.

The numbers are not PyTorch's. Gamma: Marsaglia & Tsang 2000; Poisson: Hörmann 1993 (PTRS); binomial: Kachitvichyanukul
& Schmeiser 1988 (BTPE).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ingot.compiler.ir import Arg, Op, Sample, TensorType, Value
from ingot.compiler.ops.control import each_lane
from ingot.compiler.ops.elementwise import mul
from ingot.compiler.ops.table import check_dtype, check_same, register
from ingot.runtime import dtypes
from ingot.runtime.errors import ShapeError

Array = np.ndarray[Any, Any]
REAL = (dtypes.float32, dtypes.float64)
KEY = TensorType(dtypes.uint32, (4,))
# Shape parameters from here on use the slope of a normal approximation; below, the series has few enough terms.
LARGE_SHAPE = 1000.0


def draw_type(key: TensorType, *parameters: TensorType, kind: str) -> TensorType:
    if key is not KEY:
        raise ShapeError("IG150", f"draw takes a key {KEY}, got {key}")
    check_dtype("draw", REAL, *parameters)
    return check_same("draw", *parameters)


def draw_eval(key: Array, *parameters: Array, kind: str) -> Array:
    random = np.random.Generator(np.random.Philox(key=np.ascontiguousarray(key).view(np.uint64)))
    dtype = parameters[0].dtype
    first = parameters[0].astype(np.float64)
    bad = np.isnan(first) | (first < 0)
    first = np.where(bad, 1.0, first)
    if kind == "gamma":
        # A draw of 0 would have the logarithm -inf.
        drawn = np.maximum(random.standard_gamma(first), np.finfo(dtype).tiny)
    elif kind == "poisson":
        drawn = random.poisson(first).astype(np.float64)
    else:
        chance = parameters[1].astype(np.float64)
        wrong = ~((chance >= 0) & (chance <= 1))
        bad = bad | wrong
        drawn = random.binomial(first.astype(np.int64), np.where(wrong, 0.0, chance)).astype(np.float64)
    return np.asarray(np.where(bad, np.nan, drawn)).astype(dtype)


def draw_vjp(ct: Value, out: Value, key: Value, *parameters: Value, kind: str) -> tuple[Value | None, ...]:
    """Gamma numbers follow their shape parameter along a level of the cumulative distribution."""
    if kind != "gamma":
        return (None, *(None for _ in parameters))
    return None, mul(ct, gamma_slope(parameters[0], out))


def draw_jvp(tangents: Any, out: Value, key: Value, *parameters: Value, kind: str) -> Value | None:
    if kind != "gamma" or tangents[1] is None:
        return None
    return mul(tangents[1], gamma_slope(parameters[0], out))


draw: Op = register(
    Op(
        name="draw",
        kind="call",
        infer=draw_type,
        eval=draw_eval,
        vjp=draw_vjp,
        jvp=draw_jvp,
        batch=lambda size, *operands, **attrs: each_lane(draw, size, operands, attrs)[0],
        dtypes=REAL,
        traits=frozenset({"hosted"}),
        samples=(
            Sample((Arg((4,), "uint32"), Arg((2, 3), None, 0.5, 3.0)), {"kind": "poisson"}),
            Sample((Arg((4,), "uint32"), Arg((3,), None, 5.0, 9.0), Arg((3,), None, 0.1, 0.9)), {"kind": "binomial"}),
            Sample((Arg((4,), "uint32"), Arg((0, 3), None, 0.5, 3.0)), {"kind": "poisson"}),
        ),
        doc="One random number for each element of the parameters, all from one key of four words.",
    )
)


def slope_type(shape: TensorType, x: TensorType) -> TensorType:
    check_dtype("gamma_slope", REAL, shape, x)
    return check_same("gamma_slope", shape, x)


@np.errstate(all="ignore")
def slope_eval(shape: Array, x: Array) -> Array:
    """-(d P(a, x) / d a) / (d P(a, x) / d x), P the regularised incomplete gamma function.

    By the series P(a, x) = x^a e^-x sum(x^n / gamma(a + n + 1)) (Abramowitz & Stegun 6.5.29), differentiated term by
    term: with t_n = x^n / ((a + 1) ... (a + n)), the slope is -(x / a) sum(t_n (log x - digamma(a + n + 1))).
    """
    a, y = (v.astype(np.float64).reshape(-1) for v in (shape, x))
    result = _normal_slope(a, y)
    small = (a < LARGE_SHAPE) & (y > 0) & np.isfinite(y)
    a, y = a[small], y[small]
    term, place = np.ones_like(a), a + 1.0
    level = np.log(y) - _digamma(place)
    total = np.zeros_like(a)
    active = np.ones(a.shape, np.bool_)
    while active.any():
        added = term * level
        total += np.where(active, added, 0.0)
        active &= (np.abs(added) > 1e-17 * np.abs(total)) | (place < y + 10.0)
        level = level - 1.0 / place
        term = term * y / place
        place = place + 1.0
    result[small] = -(y / a) * total
    return np.asarray(result.reshape(shape.shape)).astype(shape.dtype)


def _normal_slope(a: Array, x: Array) -> Array:
    """By the transformation x = d (1 + z / sqrt(9 d))^3, d = a - 1/3, at a fixed normal z (Wilson & Hilferty 1931)."""
    d = a - 1.0 / 3.0
    root = np.cbrt(x / d)
    return np.asarray(root**3 - 1.5 * root**2 * (root - 1.0))


def _digamma(x: Array) -> Array:
    """For x >= 1: recurrence up to 8, then the asymptotic series (Abramowitz & Stegun 6.3.18)."""
    result = np.zeros_like(x)
    for _ in range(8):
        low = x < 8.0
        result -= np.where(low, 1.0 / x, 0.0)
        x = np.where(low, x + 1.0, x)
    s = 1.0 / (x * x)
    series = s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s * (1 / 132 - s * 691 / 32760)))))
    return np.asarray(result + np.log(x) - 0.5 / x - series)


gamma_slope: Op = register(
    Op(
        name="gamma_slope",
        kind="call",
        infer=slope_type,
        eval=slope_eval,
        vjp=None,
        jvp=None,
        batch=lambda size, shape, x: gamma_slope(shape, x),
        dtypes=REAL,
        traits=frozenset({"hosted"}),
        samples=(Sample((Arg((2, 3), None, 0.5, 3.0), Arg((2, 3), None, 0.1, 4.0))),),
        doc="How fast a gamma number with this shape parameter moves with it; it has no derivative of its own.",
    )
)
