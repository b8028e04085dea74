"""What `eval` says where it matters: special values, integers, half types, and derivatives at kinks and zeros."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import scipy.special

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, Op, TensorType, Value
from ingot.compiler.ops import TABLE, special
from ingot.compiler.ops import elementwise as e
from ingot.compiler.ops import transcendental as t
from ingot.compiler.ops.cumulative import cummax, cumprod
from ingot.compiler.ops.reduce import argmax, argmin, max, min, prod, sum
from ingot.compiler.ops.source import constant, full
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.view import expand, pad, reshape
from ingot.compiler.passes.grad import grad, vjp
from ingot.compiler.passes.linearize import linearize
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType, float16, float32, float64, from_numpy, int64

NAN, INF = float("nan"), float("inf")
BF16 = ml_dtypes.bfloat16


def same(actual: Any, expected: Any) -> None:
    """The same dtype, numbers, NaNs and signs of zero."""
    assert actual.dtype == expected.dtype
    if actual.dtype.kind not in "biu":
        actual, expected = actual.astype(np.float64), expected.astype(np.float64)
    np.testing.assert_array_equal(actual, expected)
    if actual.dtype.kind == "f":
        zero = actual == 0
        np.testing.assert_array_equal(np.signbit(actual[zero]), np.signbit(expected[zero]))


def check(op: Op, expected: list[Any], *operands: list[Any], dtype: Any = np.float32, to: Any = None) -> None:
    same(op.eval(*(np.array(o, dtype) for o in operands)), np.array(expected, to or dtype))


# ---- floating point


def test_sign_and_abs() -> None:
    check(e.sign, [0.0, 0.0, 0.0, 1.0, -1.0], [NAN, 0.0, -0.0, INF, -3.0])
    check(e.abs, [NAN, 0.0, INF], [NAN, -0.0, -INF])
    check(e.abs, [-128, 5], [-128, -5], dtype=np.int8)


def test_rounding() -> None:
    x = [0.5, 1.5, 2.5, -0.5, -1.5, 2.7, -2.7]
    check(e.round, [0.0, 2.0, 2.0, -0.0, -2.0, 3.0, -3.0], x)
    check(e.floor, [0.0, 1.0, 2.0, -1.0, -2.0, 2.0, -3.0], x)
    check(e.ceil, [1.0, 2.0, 3.0, -0.0, -1.0, 3.0, -2.0], x)
    check(e.trunc, [0.0, 1.0, 2.0, -0.0, -1.0, 2.0, -2.0], x)


def test_maximum_keeps_nan() -> None:
    a, b = [NAN, 1.0, NAN, 2.0, -INF], [1.0, NAN, NAN, 3.0, INF]
    check(e.maximum, [NAN, NAN, NAN, 3.0, INF], a, b)
    check(e.minimum, [NAN, NAN, NAN, 2.0, -INF], a, b)
    half = np.array(a, BF16), np.array(b, BF16)
    same(e.maximum.eval(*half), np.array([NAN, NAN, NAN, 3.0, INF], BF16))


def test_division_and_remainders() -> None:
    a = [7.0, -7.0, 7.0, -7.0, 6.0, -6.0, 1.0, -1.0, 1.0, INF]
    b = [3.0, 3.0, -3.0, -3.0, -3.0, 3.0, INF, INF, 0.0, 2.0]
    check(e.remainder, [1.0, 2.0, -2.0, -1.0, 0.0, -0.0, 1.0, INF, NAN, NAN], a, b)
    check(e.fmod, [1.0, -1.0, 1.0, -1.0, 0.0, -0.0, 1.0, -1.0, NAN, NAN], a, b)
    check(e.floordiv, [2.0, -3.0, -3.0, 2.0, -2.0, -2.0, 0.0, -1.0, INF, NAN], a, b)
    check(e.div, [INF, -INF, NAN], [1.0, -1.0, 0.0], [0.0, 0.0, 0.0])


def test_logarithms_and_powers() -> None:
    check(t.log, [-INF, -INF, NAN, INF], [0.0, -0.0, -1.0, INF])
    check(t.sqrt, [0.0, -0.0, NAN, INF], [0.0, -0.0, -1.0, INF])
    check(t.rsqrt, [INF, 0.0, NAN], [0.0, INF, -1.0])
    check(t.pow, [1.0, 1.0, 0.0, INF, NAN, -8.0], [NAN, 1.0, 0.0, 0.0, -1.0, -2.0], [0.0, NAN, 2.0, -1.0, 0.5, 3.0])
    check(t.sigmoid, [0.0, 1.0, 0.5, NAN, 0.0, 1.0], [-1000.0, 1000.0, 0.0, NAN, -INF, INF])
    assert t.sigmoid.eval(np.array(-100.0, np.float32)) > 0
    check(t.exp, [INF, 0.0, NAN], [1000.0, -1000.0, NAN])


def test_comparisons_with_nan() -> None:
    for op, expected in ((e.eq, [False, True]), (e.ne, [True, False]), (e.lt, [False, False]), (e.ge, [False, True])):
        check(op, expected, [NAN, 1.0], [NAN, 1.0], to=np.bool_)
    check(e.logical_not, [False, True, True], [NAN, 0.0, -0.0], to=np.bool_)


# ---- integers


def test_integer_division() -> None:
    a, b = [7, -7, 7, -7, 5, -5, -128], [3, 3, -3, -3, 0, 0, -1]
    check(e.floordiv, [2, -3, -3, 2, 0, 0, -128], a, b, dtype=np.int8)
    check(e.remainder, [1, 2, -2, -1, 0, 0, 0], a, b, dtype=np.int8)
    check(e.fmod, [1, -1, 1, -1, 0, 0, 0], a, b, dtype=np.int8)
    check(e.floordiv, [127, 0], [255, 3], [2, 0], dtype=np.uint8)


def test_integer_arithmetic_wraps() -> None:
    check(e.add, [-128], [127], [1], dtype=np.int8)
    check(e.mul, [144], [200], [2], dtype=np.uint8)
    check(e.neg, [255, 0], [1, 0], dtype=np.uint8)
    check(t.pow, [-27, 1, 0, 1, -1, 0, -128], [-3, 5, 2, -1, -1, 0, -2], [3, 0, -1, -2, -3, -1, 7], dtype=np.int8)
    check(t.pow, [1, 0], [2, 2], [0, 8], dtype=np.uint8)


def test_shifts() -> None:
    check(e.shl, [2, -128, 0, 0], [1, 1, 1, 1], [1, 7, 8, -1], dtype=np.int8)
    check(e.shr, [-1, -1, 0, -1], [-128, -1, 127, -5], [7, 8, 9, -2], dtype=np.int8)
    check(e.shr, [1, 0], [128, 255], [7, 8], dtype=np.uint8)


def test_float_to_integer() -> None:
    x = np.array([2.9, -2.9, NAN, INF, 3e9, -3e9, 1e20, 300.0, -1.0], np.float64)
    least, least64 = -(2**31), -(2**63)
    expected: dict[DType, list[int]] = {
        dtypes.int64: [2, -2, least64, least64, 3 * 10**9, -3 * 10**9, least64, 300, -1],
        dtypes.int32: [2, -2, least, least, least, least, least, 300, -1],
        dtypes.int16: [2, -2, 0, 0, 0, 0, 0, 300, -1],
        dtypes.int8: [2, -2, 0, 0, 0, 0, 0, 44, -1],
        dtypes.uint8: [2, 254, 0, 0, 0, 0, 0, 44, 255],
        dtypes.uint32: [2, 2**32 - 2, 0, 0, 3 * 10**9, 2**32 - 3 * 10**9 % 2**32, 0, 300, 2**32 - 1],
        dtypes.uint64: [2, 2**64 - 2, 2**63, 0, 3 * 10**9, 2**64 - 3 * 10**9, 0, 300, 2**64 - 1],
        dtypes.bool_: [1, 1, 1, 1, 1, 1, 1, 1, 1],
    }
    for dtype, numbers in expected.items():
        same(e.cast.eval(x, dtype=dtype), np.array(numbers, dtype.numpy))
    same(e.cast.eval(np.array([2.0**63]), dtype=dtypes.uint64), np.array([2**63], np.uint64))
    same(e.cast.eval(np.array([NAN, 1.5], BF16), dtype=dtypes.int32), np.array([least, 1], np.int32))


def test_to_half_types_goes_through_float32() -> None:
    halfway = np.array([1 + 2.0**-11 + 2.0**-40])  # just above a tie of float16, exactly a tie after float32
    same(e.cast.eval(halfway, dtype=float16), np.array([1.0], np.float16))
    same(e.cast.eval(np.array([1e6, -1e6]), dtype=float16), np.array([INF, -INF], np.float16))


# ---- half types are computed in float32 and rounded once


@pytest.mark.parametrize("op", [o for o in TABLE.values() if o.kind == "elementwise" and float16 in o.dtypes], ids=str)
@pytest.mark.parametrize("dtype", [np.float16, BF16])
def test_half_types_round_once(op: Op, dtype: Any) -> None:
    if op.samples[0].attrs or op is e.select:
        return
    rng = np.random.default_rng(2)
    narrow = [rng.uniform(0.3, 0.9, 200).astype(dtype) for _ in op.samples[0].args]
    wide = op.eval(*(x.astype(np.float32) for x in narrow))
    same(op.eval(*narrow), wide.astype(dtype) if wide.dtype == np.float32 else wide)


@pytest.mark.parametrize("dtype", [np.float16, BF16])
def test_half_sums_accumulate_in_float32(dtype: Any) -> None:
    ones = np.ones(5000, dtype)
    assert sum.eval(ones, axes=(0,)) == np.float32(5000).astype(dtype)
    assert TABLE["cumsum"].eval(ones, axis=0, reverse=False)[-1] == np.float32(5000).astype(dtype)
    assert prod.eval(np.array([200, 200, 0.01, 0.01], dtype), axes=(0,)) == pytest.approx(4, rel=0.03)


# ---- reductions


def test_positions_of_extrema() -> None:
    x = np.array([[1.0, 3.0, 3.0], [1.0, NAN, NAN], [-1.0, -1.0, 2.0]], np.float32)
    for half in (np.float32, np.float16, BF16):
        same(argmax.eval(x.astype(half), axis=1), np.array([1, 1, 2]))
        same(argmin.eval(x.astype(half), axis=1), np.array([0, 1, 0]))
        np.testing.assert_array_equal(max.eval(x.astype(half), axes=(1,)).astype(np.float32), [3.0, NAN, 2.0])
        np.testing.assert_array_equal(min.eval(x.astype(half), axes=(1,)).astype(np.float32), [1.0, NAN, -1.0])


def test_identities_are_the_empty_results() -> None:
    for name in ("sum", "prod", "max", "min"):
        op = TABLE[name]
        for dtype in op.dtypes:
            start = np.asarray(op.lower.identity(dtype)).astype(dtype.numpy)
            x = np.array([0, 1], dtype.numpy)
            combined = TABLE[op.lower.combine].eval(np.full(2, start), x)
            np.testing.assert_array_equal(combined, x)


# ---- special functions against SciPy


@pytest.mark.parametrize(
    ("mine", "oracle", "low", "high", "relative", "absolute"),
    [
        (special.erf, scipy.special.erf, -7.0, 7.0, 2e-15, 0.0),
        (special.erfinv, scipy.special.erfinv, -1.0, 1.0, 3e-15, 0.0),
        (special.lgamma, scipy.special.gammaln, -7.3, 40.0, 1e-13, 1e-14),
        (special.digamma, scipy.special.digamma, -7.3, 40.0, 2e-13, 2e-14),
    ],
)
def test_special_functions(
    mine: Callable[..., Any], oracle: Callable[..., Any], low: float, high: float, relative: float, absolute: float
) -> None:
    x = np.concatenate([np.linspace(low, high, 4001), np.copysign(np.logspace(-300, -1, 200), low + 1)])
    with np.errstate(all="ignore"):
        # Next to a pole the argument's own rounding is magnified; SciPy is no oracle there.
        near_pole = (x < 0.5) & (np.abs(x - np.rint(x)) < 1e-3) if oracle is scipy.special.digamma else np.zeros_like(x)
        x = x[near_pole == 0]
        np.testing.assert_allclose(mine(x), oracle(x), rtol=relative, atol=absolute)
        narrow = x.astype(np.float32)
        np.testing.assert_allclose(mine(narrow), oracle(narrow.astype(np.float64)).astype(np.float32), rtol=1e-6)


def test_lgamma_keeps_its_digits_around_its_zeros() -> None:
    w = np.array([1e-12, -1e-9, 1e-5, -1e-3])
    # Taylor: lgamma(1 + w) = -gamma w + zeta(2) w^2 / 2 - ..., lgamma(2 + w) = (1 - gamma) w + (zeta(2) - 1) w^2 / 2.
    square = w * w / 2
    one, two = 1 + w, 2 + w
    np.testing.assert_allclose(special.lgamma(one), -np.euler_gamma * (one - 1) + np.pi**2 / 6 * square, rtol=1e-6)
    np.testing.assert_allclose(
        special.lgamma(two), (1 - np.euler_gamma) * (two - 2) + (np.pi**2 / 6 - 1) * square, rtol=1e-6
    )


def test_special_values_of_special_functions() -> None:
    check(t.erf, [1.0, -1.0, NAN, -0.0], [INF, -INF, NAN, -0.0])
    check(t.erfinv, [INF, -INF, NAN, NAN, -0.0], [1.0, -1.0, 1.5, NAN, -0.0])
    check(t.lgamma, [INF, INF, INF, 0.0, 0.0, INF, NAN], [0.0, -1.0, INF, 1.0, 2.0, -INF, NAN])
    check(t.digamma, [-INF, INF, NAN, NAN, INF, NAN], [0.0, -0.0, -1.0, -2.0, INF, NAN])


# ---- derivatives where the function has a kink, a zero or a pole


def variable(array: Any) -> Value:
    return make_input(type=TensorType(from_numpy(array.dtype), array.shape), name="x")


def gradient(function: Callable[..., Value], *arrays: Any) -> list[Any]:
    """The cotangents for a cotangent of ones; arrays are float64."""
    held = [np.asarray(a, np.float64) for a in arrays]
    inputs = tuple(variable(a) for a in held)
    out = function(*inputs)
    back = vjp(Graph(inputs, (out,)), range(len(inputs)))
    return interpret(back, *held, np.ones(interpret(Graph(inputs, (out,)), *held)[0].shape))


def test_kinks() -> None:
    (g,) = gradient(e.abs, [0.0, -2.0, 3.0])
    same(g, np.array([0.0, -1.0, 1.0]))
    for op, first in ((e.maximum, [0.5, 0.0, 1.0]), (e.minimum, [0.5, 1.0, 0.0])):
        a, b = gradient(op, [1.0, 1.0, 2.0], [1.0, 2.0, 1.0])
        same(a, np.array(first))
        same(b, 1 - np.array(first))
    (g,) = gradient(t.sqrt, [0.0, 4.0])
    same(g, np.array([INF, 0.25]))


def test_ties_of_reductions_share() -> None:
    for op in (max, min):
        (g,) = gradient(lambda x, op=op: op(x, axes=(0,)), [2.0, 2.0, 2.0, 2.0])
        same(g, np.full(4, 0.25))
    x = variable(np.zeros(4))
    forward = linearize(Graph((x,), (max(x, axes=(0,)),)), [0])
    same(interpret(forward, np.zeros(4), np.array([1.0, 2.0, 3.0, 4.0]))[1], np.array(2.5))


def test_ties_of_cummax_go_to_the_last() -> None:
    (g,) = gradient(lambda x: cummax(x, axis=0, reverse=False), [1.0, 1.0, 0.0, 2.0])
    same(g, np.array([1.0, 2.0, 0.0, 1.0]))
    (g,) = gradient(lambda x: cummax(x, axis=0, reverse=True), [2.0, 0.0, 1.0, 1.0])
    same(g, np.array([1.0, 0.0, 2.0, 1.0]))


def test_powers_at_zero() -> None:
    base, exponent = gradient(t.pow, [0.0, 0.0, 0.0, 2.0], [0.0, 2.0, 1.0, 0.0])
    same(base, np.array([0.0, 0.0, 1.0, 0.0]))
    same(exponent, np.array([0.0, 0.0, 0.0, np.log(2.0)]))


def test_second_derivatives_at_zero_are_finite() -> None:
    x, y = variable(np.zeros(2)), variable(np.zeros(2))
    one = vjp(Graph((x, y), (t.pow(x, y),)), (0, 1))
    two = vjp(one, (0, 1))
    ones = np.ones(2)
    for result in interpret(two, np.array([0.0, 0.0]), np.array([0.0, 2.0]), ones, ones, ones):
        assert np.isfinite(result).all()


def test_select_keeps_the_other_branch_out() -> None:
    mask = constant(np.array([True, False, True]))
    a, b = gradient(lambda a, b: e.select(mask, a, b), [1.0, NAN, INF], [NAN, 2.0, INF])
    same(a, np.array([1.0, 0.0, 1.0]))
    same(b, np.array([0.0, 1.0, 0.0]))


@pytest.mark.parametrize("x", [[2.0, 3.0, 4.0], [2.0, 0.0, 4.0], [0.0, 3.0, 0.0]])
def test_products_with_zeros(x: list[float]) -> None:
    (g,) = gradient(lambda v: prod(v, axes=(0,)), x)
    a, b, c = x
    np.testing.assert_allclose(g, [b * c, a * c, a * b])
    (g,) = gradient(lambda v: cumprod(v, axis=0, reverse=False), x)
    np.testing.assert_allclose(g, [1 + b + b * c, a + a * c, a * b])
    (g,) = gradient(lambda v: cumprod(v, axis=0, reverse=True), x)
    np.testing.assert_allclose(g, [b * c, a * c + c, a * b + b + 1])


def test_third_derivative_of_a_product_with_zeros() -> None:
    x = variable(np.zeros(3))
    graph = Graph((x,), (prod(x, axes=(0,)),))
    for i in range(3):
        # d/dx[i] of the gradient's entry i - 1: in the end d^3 / dx0 dx1 dx2 = 1.
        (g,) = grad(graph, [0]).outputs
        pick = constant(np.eye(3)[i])
        graph = Graph((x,), (sum(e.mul(g, pick), axes=(0,)),))
    assert interpret(graph, np.zeros(3))[0] == 1.0


def test_integers_have_no_cotangent() -> None:
    x = variable(np.arange(6).reshape(2, 3))
    for op in TABLE.values():
        if op.kind in ("elementwise", "reduce", "cumulative") and int64 in op.dtypes and op.vjp and op is not e.select:
            operands = (x,) * len(op.samples[0].args)
            attrs = {**op.samples[0].attrs, **({"dtype": float32} if op is e.cast else {})}
            if op is e.bitcast:
                attrs = {"dtype": float64}
            out = op(*operands, **attrs)
            assert all(ct is None for ct in op.vjp(out, out, *operands, **attrs)), op


# ---- constants


def test_constants_are_keyed_by_bits() -> None:
    kind = TensorType(float32, (3,))
    assert full(kind, 0.0) is not full(kind, -0.0)
    assert full(kind, NAN) is full(kind, NAN)
    assert full(kind, 1) is full(kind, 1.0)
    assert full(TensorType(int64), 1) is not full(TensorType(dtypes.bool_), 1)
    assert constant(np.zeros((2, 3), np.float32)).attrs["data"] == b"\0\0\0\0"
    assert interpret(Graph((), (constant(np.arange(3)),)))[0].tolist() == [0, 1, 2]
    assert constant(np.zeros((0, 3), np.float32)).shape == (0, 3)
    for dtype in dtypes.ALL:
        (array,) = interpret(Graph((), (full(TensorType(dtype, (2, 2)), 1),)))
        same(array, np.ones((2, 2), dtype.numpy))
    (half,) = interpret(Graph((), (full(TensorType(dtypes.bfloat16, (2,)), 0.1),)))
    same(half, np.full(2, np.float32(0.1)).astype(BF16))


def test_views_of_views() -> None:
    x = np.arange(6.0).reshape(1, 6)
    v = variable(x)
    flat = reshape(expand(v, shape=(3, 6)), shape=(18,))
    (out,) = interpret(Graph((v,), (pad(flat, low=(1,), high=(2,), interior=(1,), value=-1.0),)), x)
    assert out.shape == (38,)
    assert out[:4].tolist() == [-1, 0, -1, 1] and out[-3:].tolist() == [5, -1, -1]
