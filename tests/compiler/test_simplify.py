"""Each rule: what it gives, that it changes no bit on special values, and where it must not apply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ingot.compiler.dims import Dim
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, TensorType, Value
from ingot.compiler.ops import elementwise as e
from ingot.compiler.ops import reduce as r
from ingot.compiler.ops import view as w
from ingot.compiler.ops.control import cond
from ingot.compiler.ops.source import full, get, ones_like, scalar_like, zeros_like
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.transcendental import pow, sin
from ingot.compiler.passes.simplify import simplify
from ingot.compiler.rules.arithmetic import lossless
from ingot.compiler.verify import verify
from ingot.runtime.dtypes import (
    ALL,
    DType,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint32,
)

FLOATS = [0.0, -0.0, 1.0, -1.0, 2.5, -3.0, 1e-40, 3e38, np.inf, -np.inf, np.nan, 7.0]
INTEGERS = [0, 1, -1, 2, 7, -8, 127, -128, 3, 5, 64, -100]
SHAPE = (3, 4)


def inputs(dtype: DType, shape: tuple[Any, ...] = SHAPE) -> tuple[Value, Value]:
    type_ = TensorType(dtype, shape)
    return make_input(type=type_, name="x"), make_input(type=type_, name="y")


def numbers(dtype: DType) -> list[np.ndarray[Any, Any]]:
    """Special values in two orders, so that pairs differ."""
    given = np.array(FLOATS if dtype.is_floating_point else INTEGERS)
    with np.errstate(all="ignore"):
        x = (given > 0) if dtype is bool_ else given.astype(dtype.numpy)
    return [x.reshape(SHAPE), np.roll(x, 5)[::-1].reshape(SHAPE).copy()]


def bits(array: np.ndarray[Any, Any]) -> list[Any]:
    """Values in which -0.0 differs from 0.0 and NaN equals NaN."""
    return [str(element) for element in array.reshape(-1)]


def check(make: Callable[[Value, Value], Value], want: Callable[[Value, Value], Value], dtype: DType) -> None:
    x, y = inputs(dtype)
    before = Graph((x, y), (make(x, y),))
    after = simplify(before)
    verify(after)
    assert after.outputs[0] is want(x, y), f"{dtype}: {after.values}"
    assert simplify(after) is after
    (a,), (b,) = (interpret(g, *numbers(dtype)) for g in (before, after))
    assert bits(a) == bits(b)


def stays(make: Callable[[Value, Value], Value], dtype: DType) -> None:
    x, y = inputs(dtype)
    value = make(x, y)
    assert simplify(Graph((x, y), (value,))).outputs[0] is value


def c(x: Value, number: float) -> Value:
    return scalar_like(x, number)


F, I, B = (float32, float64, float16, bfloat16), (int32, int64, int8, uint8), (bool_,)  # noqa: E741
EVERYWHERE = (*F, *I)
ARITHMETIC: list[tuple[Any, Any, tuple[DType, ...]]] = [
    (lambda x, y: e.mul(x, c(x, 1)), lambda x, y: x, EVERYWHERE),
    (lambda x, y: e.mul(c(x, 1), x), lambda x, y: x, EVERYWHERE),
    (lambda x, y: e.mul(x, c(x, -1)), lambda x, y: e.neg(x), (*F, int32, int8)),
    (lambda x, y: e.mul(e.neg(x), e.neg(y)), lambda x, y: e.mul(x, y), EVERYWHERE),
    (lambda x, y: e.mul(e.neg(x), c(x, 2.5)), lambda x, y: e.mul(x, c(x, -2.5)), F),
    (lambda x, y: e.mul(x, c(x, 0)), lambda x, y: c(x, 0), I),
    (lambda x, y: e.add(x, c(x, -0.0)), lambda x, y: x, EVERYWHERE),
    (lambda x, y: e.add(x, e.neg(y)), lambda x, y: e.sub(x, y), EVERYWHERE),
    (lambda x, y: e.add(e.neg(x), y), lambda x, y: e.sub(y, x), EVERYWHERE),
    (lambda x, y: e.sub(x, c(x, 0.0)), lambda x, y: x, EVERYWHERE),
    (lambda x, y: e.sub(c(x, -0.0), x), lambda x, y: e.neg(x), (*F, int32, int64)),
    (lambda x, y: e.sub(x, e.neg(y)), lambda x, y: e.add(x, y), EVERYWHERE),
    (lambda x, y: e.sub(x, x), lambda x, y: zeros_like(x), I),
    (lambda x, y: e.div(x, c(x, 1)), lambda x, y: x, F),
    (lambda x, y: e.div(x, c(x, 8)), lambda x, y: e.mul(x, c(x, 0.125)), F),
    (lambda x, y: e.div(x, c(x, -0.25)), lambda x, y: e.mul(x, c(x, -4)), F),
    (lambda x, y: e.div(x, c(x, -1)), lambda x, y: e.neg(x), F),
    (lambda x, y: e.div(e.neg(x), e.neg(y)), lambda x, y: e.div(x, y), F),
    (lambda x, y: e.floordiv(x, c(x, 1)), lambda x, y: x, I),
    (lambda x, y: e.neg(e.neg(x)), lambda x, y: x, EVERYWHERE),
    (lambda x, y: e.abs(e.neg(x)), lambda x, y: e.abs(x), (*F, int32, int8)),
    (lambda x, y: e.abs(e.abs(x)), lambda x, y: e.abs(x), EVERYWHERE),
    (lambda x, y: pow(x, c(x, 1)), lambda x, y: x, EVERYWHERE),
    (lambda x, y: pow(x, c(x, 0)), lambda x, y: ones_like(x), EVERYWHERE),
    (lambda x, y: pow(x, c(x, 2)), lambda x, y: e.mul(x, x), EVERYWHERE),
    (lambda x, y: pow(x, c(x, 3)), lambda x, y: e.mul(e.mul(x, x), x), I),
    (lambda x, y: e.maximum(x, x), lambda x, y: x, EVERYWHERE),
    (lambda x, y: e.minimum(x, x), lambda x, y: x, EVERYWHERE),
    (lambda x, y: e.and_(x, x), lambda x, y: x, (*I, *B)),
    (lambda x, y: e.and_(x, c(x, 0)), lambda x, y: c(x, 0), (*I, *B)),
    (lambda x, y: e.and_(x, c(x, -1)), lambda x, y: x, (*I, *B)),
    (lambda x, y: e.or_(x, c(x, 0)), lambda x, y: x, (*I, *B)),
    (lambda x, y: e.or_(x, c(x, -1)), lambda x, y: c(x, -1), (*I, *B)),
    (lambda x, y: e.xor(x, c(x, 0)), lambda x, y: x, (*I, *B)),
    (lambda x, y: e.xor(x, x), lambda x, y: zeros_like(x), (*I, *B)),
    (lambda x, y: e.shl(x, c(x, 0)), lambda x, y: x, I),
    (lambda x, y: e.shr(x, c(x, 0)), lambda x, y: x, I),
    (lambda x, y: e.eq(x, x), lambda x, y: full(TensorType(bool_, SHAPE), 1), (*I, *B)),
    (lambda x, y: e.lt(x, x), lambda x, y: full(TensorType(bool_, SHAPE), 0), I),
    (lambda x, y: e.logical_not(e.logical_not(x)), lambda x, y: x, B),
    (lambda x, y: e.logical_not(e.eq(x, y)), lambda x, y: e.ne(x, y), (*EVERYWHERE, *B)),
    (lambda x, y: e.logical_not(e.lt(x, y)), lambda x, y: e.ge(x, y), I),
    (lambda x, y: e.bitwise_not(e.bitwise_not(x)), lambda x, y: x, (*I, *B)),
    (lambda x, y: e.floor(e.ceil(x)), lambda x, y: e.ceil(x), F),
    (lambda x, y: e.round(e.round(x)), lambda x, y: e.round(x), F),
    (lambda x, y: e.select(e.lt(x, y), x, x), lambda x, y: x, EVERYWHERE),
    (lambda x, y: e.select(full(x.type.with_dtype(bool_), 1), x, y), lambda x, y: x, EVERYWHERE),
    (lambda x, y: e.select(full(x.type.with_dtype(bool_), 0), x, y), lambda x, y: y, EVERYWHERE),
    (
        lambda x, y: e.select(e.logical_not(e.isnan(x)), x, y),
        lambda x, y: e.select(e.isnan(x), y, x),
        F,
    ),
    (lambda x, y: e.cast(x, dtype=x.dtype), lambda x, y: x, ALL),
    (lambda x, y: e.cast(e.cast(x, dtype=float64), dtype=float32), lambda x, y: x, (float32,)),
    (lambda x, y: e.cast(e.cast(x, dtype=int64), dtype=int8), lambda x, y: e.cast(x, dtype=int8), (int32, int16)),
    (lambda x, y: e.cast(e.cast(x, dtype=float32), dtype=int8), lambda x, y: x, (int8,)),
    (lambda x, y: e.bitcast(e.bitcast(x, dtype=uint32), dtype=float32), lambda x, y: x, (float32,)),
]


@pytest.mark.parametrize("number", range(len(ARITHMETIC)))
def test_arithmetic(number: int) -> None:
    before, after, accepted = ARITHMETIC[number]
    for dtype in accepted:
        check(before, after, dtype)


@pytest.mark.parametrize("dtype", F, ids=str)
def test_powers_of_floats(dtype: DType) -> None:
    """Another rounding than that of a power, so not bit for bit; the special values are the same."""
    x, y = inputs(dtype)
    for exponent, want in ((3, e.mul(e.mul(x, x), x)), (-1, e.reciprocal(x))):
        before = Graph((x, y), (pow(x, c(x, exponent)),))
        after = simplify(before)
        assert after.outputs[0] is want
        a, b = (interpret(g, *numbers(dtype))[0].astype(np.float64) for g in (before, after))
        np.testing.assert_allclose(a, b, rtol=2.0**-22 if dtype.itemsize > 2 else 0.02)
        np.testing.assert_array_equal(np.signbit(a), np.signbit(b))


REFUSED: list[tuple[Any, tuple[DType, ...]]] = [
    (lambda x, y: e.add(x, c(x, 0.0)), F),
    (lambda x, y: e.sub(x, c(x, -0.0)), F),
    (lambda x, y: e.sub(c(x, 0.0), x), F),
    (lambda x, y: e.mul(x, c(x, 0)), F),
    (lambda x, y: e.sub(x, x), F),
    (lambda x, y: e.div(x, x), F),
    (lambda x, y: e.div(x, c(x, 3)), F),
    (lambda x, y: e.div(x, c(x, 0.0)), F),
    (lambda x, y: e.div(x, c(x, np.inf)), F),
    (lambda x, y: e.div(x, c(x, 2.0**-140)), (float32,)),
    (lambda x, y: e.div(x, c(x, 2.0**127)), (float32, bfloat16)),
    (lambda x, y: pow(x, c(x, 0.5)), F),
    (lambda x, y: e.abs(e.neg(x)), (uint8,)),
    (lambda x, y: e.eq(x, x), F),
    (lambda x, y: e.logical_not(e.lt(x, y)), F),
    (lambda x, y: e.floordiv(x, c(x, 1)), F),
    (lambda x, y: e.cast(e.cast(x, dtype=float16), dtype=float32), (float32, bfloat16, int32)),
    (lambda x, y: e.cast(e.cast(x, dtype=float32), dtype=int64), (int32,)),
    (lambda x, y: e.cast(e.cast(x, dtype=float64), dtype=int8), (int32,)),
    (lambda x, y: e.cast(e.cast(x, dtype=bool_), dtype=int32), (int32,)),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_would_change_a_special_value_stays(number: int) -> None:
    before, accepted = REFUSED[number]
    for dtype in accepted:
        stays(before, dtype)


def test_lossless_conversions() -> None:
    """Against NumPy, on the extreme values of every type."""
    for a in ALL:
        with np.errstate(all="ignore"):
            extremes = extreme_values(a)
            for b in ALL:
                there = extremes.astype(b.numpy)
                exact = [x == y and str(x) != "" for x, y in zip(extremes.tolist(), there.tolist(), strict=True)]
                if lossless(a, b):
                    assert all(exact), f"{a} to {b}"
                elif b is not bool_:
                    assert not all(exact), f"{a} to {b}"


def extreme_values(dtype: DType) -> np.ndarray[Any, Any]:
    if dtype is bool_:
        return np.array([False, True])
    if not dtype.is_floating_point:
        info = np.iinfo(dtype.numpy)
        return np.array([info.min, info.max, info.max // 3], dtype.numpy)
    largest = {float16: 65504.0, bfloat16: 3.3895314e38, float32: 3.4028235e38, float64: 1.7976931348623157e308}
    small = {float16: 1.0009766, bfloat16: 1.0078125, float32: 1.0000001, float64: 1.0000000000000002}
    return np.array([largest[dtype], small[dtype], -0.5]).astype(dtype.numpy)


# ---- views


def step(x: Value, start: tuple[Any, ...], stop: tuple[Any, ...], by: tuple[int, ...] = (1, 1)) -> Value:
    return w.slice(x, start=start, stop=stop, step=by)


def padded(x: Value, low: tuple[Any, ...], high: tuple[Any, ...], interior: tuple[int, ...] = (0, 0)) -> Value:
    return w.pad(x, low=low, high=high, interior=interior, value=0.0)


VIEWS: list[tuple[Any, Any]] = [
    (lambda x, y: w.reshape(x, shape=(3, 4)), lambda x, y: x),
    (lambda x, y: w.reshape(w.reshape(x, shape=(12,)), shape=(2, 6)), lambda x, y: w.reshape(x, shape=(2, 6))),
    (lambda x, y: w.reshape(w.reshape(x, shape=(12,)), shape=(3, 4)), lambda x, y: x),
    (lambda x, y: w.permute(w.permute(x, axes=(1, 0)), axes=(1, 0)), lambda x, y: x),
    (
        lambda x, y: w.permute(w.permute(w.reshape(x, shape=(2, 2, 3)), axes=(1, 2, 0)), axes=(1, 2, 0)),
        lambda x, y: w.permute(w.reshape(x, shape=(2, 2, 3)), axes=(2, 0, 1)),
    ),
    (lambda x, y: w.expand(x, shape=(3, 4)), lambda x, y: x),
    (
        lambda x, y: w.expand(w.expand(w.reshape(x, shape=(1, 12, 1)), shape=(2, 12, 1)), shape=(2, 12, 3)),
        lambda x, y: w.expand(w.reshape(x, shape=(1, 12, 1)), shape=(2, 12, 3)),
    ),
    (lambda x, y: w.flip(x, axes=()), lambda x, y: x),
    (lambda x, y: w.flip(w.flip(x, axes=(0, 1)), axes=(0,)), lambda x, y: w.flip(x, axes=(1,))),
    (lambda x, y: w.flip(w.reshape(x, shape=(1, 12)), axes=(0,)), lambda x, y: w.reshape(x, shape=(1, 12))),
    (lambda x, y: padded(x, (0, 0), (0, 0)), lambda x, y: x),
    (lambda x, y: w.concat(x, axis=0), lambda x, y: x),
    (lambda x, y: w.concat(x, step(x, (0, 0), (0, 4)), axis=0), lambda x, y: x),
    (lambda x, y: w.concat(w.concat(x, y, axis=1), x, axis=1), lambda x, y: w.concat(x, y, x, axis=1)),
    (lambda x, y: step(x, (0, 0), (3, 4)), lambda x, y: x),
    (lambda x, y: step(step(x, (1, 1), (3, 4)), (1, 0), (2, 2)), lambda x, y: step(x, (2, 1), (3, 3))),
    (
        lambda x, y: step(step(x, (0, 0), (3, 4), (2, 1)), (1, 0), (2, 4), (1, 3)),
        lambda x, y: step(x, (2, 0), (3, 4), (2, 3)),
    ),
    (lambda x, y: step(padded(x, (2, 0), (1, 3)), (2, 0), (5, 4)), lambda x, y: x),
    (lambda x, y: step(padded(x, (2, 0), (1, 3)), (3, 1), (5, 3)), lambda x, y: step(x, (1, 1), (3, 3))),
    (lambda x, y: step(w.concat(x, y, axis=0), (3, 0), (6, 4)), lambda x, y: y),
    (lambda x, y: step(w.concat(x, y, axis=1), (0, 5), (3, 7), (2, 1)), lambda x, y: step(y, (0, 1), (3, 3), (2, 1))),
]


@pytest.mark.parametrize("number", range(len(VIEWS)))
def test_views(number: int) -> None:
    before, after = VIEWS[number]
    for dtype in (float32, bool_):
        check(before, after, dtype)


REFUSED_VIEWS: list[Any] = [
    lambda x, y: w.concat(w.concat(x, y, axis=0), w.concat(y, x, axis=0), axis=1),
    lambda x, y: step(padded(x, (2, 0), (1, 3)), (1, 0), (5, 4)),
    lambda x, y: step(padded(x, (0, 0), (0, 0), (1, 0)), (0, 0), (3, 4)),
    lambda x, y: step(w.concat(x, y, axis=0), (2, 0), (4, 4)),
]


@pytest.mark.parametrize("number", range(len(REFUSED_VIEWS)))
def test_views_that_stay(number: int) -> None:
    stays(REFUSED_VIEWS[number], float32)


def test_views_of_named_sizes() -> None:
    n = Dim("n", 4, 100)
    x, y = inputs(float32, (n, 3))
    both = w.concat(x, y, axis=0)
    cases = [
        (step(both, (n, 0), (2 * n, 3)), y),
        (step(both, (0, 0), (4, 3)), step(x, (0, 0), (4, 3))),
        (step(padded(x, (n, 0), (2, 0)), (n, 0), (2 * n, 3)), x),
        (step(step(x, (1, 0), (n, 3)), (2, 0), (n - 1, 3)), step(x, (3, 0), (n, 3))),
    ]
    for before, after in cases:
        assert simplify(Graph((x, y), (before,))).outputs[0] is after
    # Whether 5 rows are in the first part is not known.
    stays_whole = step(both, (0, 0), (5, 3))
    assert simplify(Graph((x, y), (stays_whole,))).outputs[0] is stays_whole


# ---- reductions


def column(x: Value) -> Value:
    """One element of each row, as a column."""
    return step(x, (0, 0), (3, 1))


REDUCTIONS: list[tuple[Any, Any, tuple[DType, ...]]] = [
    (lambda x, y: r.max(x, axes=()), lambda x, y: x, (float32, int32)),
    (lambda x, y: r.prod(x, axes=()), lambda x, y: x, (float32, int32)),
    (lambda x, y: r.sum(x, axes=()), lambda x, y: x, (int32,)),
    (lambda x, y: r.sum(x, axes=()), lambda x, y: e.add(x, c(x, 0.0)), (float32, bfloat16)),
    (lambda x, y: r.max(column(x), axes=(1,)), lambda x, y: w.reshape(column(x), shape=(3,)), (float32, bool_)),
    (
        lambda x, y: r.sum(column(x), axes=(0, 1)),
        lambda x, y: w.reshape(r.sum(column(x), axes=(0,)), shape=()),
        (float32, int32),
    ),
    (
        lambda x, y: r.max(w.expand(column(x), shape=(3, 5)), axes=(1,)),
        lambda x, y: w.reshape(column(x), shape=(3,)),
        (float32, int32),
    ),
    (
        lambda x, y: r.sum(w.expand(column(x), shape=(3, 5)), axes=(1,)),
        lambda x, y: e.mul(w.reshape(column(x), shape=(3,)), full(TensorType(x.dtype, (3,)), 5)),
        (int32, int8),
    ),
    (
        lambda x, y: r.max(w.permute(x, axes=(1, 0)), axes=(0,)),
        lambda x, y: r.max(x, axes=(1,)),
        (float32, int32),
    ),
    (
        lambda x, y: r.max(r.max(w.reshape(x, shape=(2, 2, 3)), axes=(1,)), axes=(1,)),
        lambda x, y: r.max(w.reshape(x, shape=(2, 2, 3)), axes=(1, 2)),
        (float32, bool_),
    ),
]


@pytest.mark.parametrize("number", range(len(REDUCTIONS)))
def test_reductions(number: int) -> None:
    before, after, accepted = REDUCTIONS[number]
    for dtype in accepted:
        check(before, after, dtype)


def test_sums_of_copies() -> None:
    """n * x; where n is not exact in the dtype, or nothing is summed, the sum stays."""
    x, _ = inputs(float32, (3, 1))
    five = r.sum(w.expand(x, shape=(3, 5)), axes=(1,))
    (got,) = simplify(Graph((x,), (five,))).outputs
    assert got.op is e.mul
    given = np.array([[-0.0], [np.inf], [0.1]], np.float32)
    assert bits(interpret(Graph((x,), (got,)), given)[0]) == ["0.0", "inf", "0.5"]
    for shape in ((3, 0), (3, (1 << 24) + 1), (3, Dim("n"))):
        value = r.sum(w.expand(x, shape=shape), axes=(1,))
        assert simplify(Graph((x,), (value,))).outputs[0] is value


def test_half_sums_round_in_between() -> None:
    stays(lambda x, y: r.sum(r.sum(w.reshape(x, shape=(2, 2, 3)), axes=(1,)), axes=(1,)), bfloat16)


def test_permuted_rest_is_permuted_after_the_reduction() -> None:
    x, _ = inputs(float32, (2, 3, 4))
    value = r.sum(w.permute(x, axes=(2, 0, 1)), axes=(1,))
    assert simplify(Graph((x,), (value,))).outputs[0] is w.permute(r.sum(x, axes=(0,)), axes=(1, 0))


# ---- graphs


def test_rules_chain_and_reach_into_regions() -> None:
    x, _ = inputs(float32)
    flag = make_input(type=TensorType(bool_), name="flag")
    tangled = Graph((x,), (e.mul(e.neg(e.neg(x)), c(x, 1)),))
    other = Graph((x,), (sin(x),))
    plain = Graph((x,), (x,))
    before = Graph((flag, x), (get(cond(flag, x, then=tangled, otherwise=other), index=0),))
    after = Graph((flag, x), (get(cond(flag, x, then=plain, otherwise=other), index=0),))
    assert simplify(before) == after


def test_known_branches_are_inlined() -> None:
    x, _ = inputs(float32)
    then, otherwise = Graph((x,), (e.neg(e.neg(x)),)), Graph((x,), (sin(x),))
    for number, want in ((1, x), (0, sin(x))):
        value = get(cond(full(TensorType(bool_), number), x, then=then, otherwise=otherwise), index=0)
        assert simplify(Graph((x,), (value,))).outputs[0] is want
    flag = make_input(type=TensorType(bool_), name="flag")
    same = get(cond(flag, x, then=otherwise, otherwise=otherwise), index=0)
    assert simplify(Graph((flag, x), (same,))).outputs[0] is sin(x)


def test_constants_come_second() -> None:
    check(lambda x, y: e.add(c(x, 2), x), lambda x, y: e.add(x, c(x, 2)), float32)
    check(lambda x, y: e.eq(c(x, 2), x), lambda x, y: e.eq(c(x, 2), x), float32)


def test_what_does_not_change_is_the_same_graph() -> None:
    x, y = inputs(float32)
    graph = Graph((x, y), (sin(e.add(x, y)),), aliases=((0, 0),))
    assert simplify(graph) is graph
    changed = simplify(Graph((x, y), (sin(e.mul(x, c(x, 1))),), aliases=((0, 0),)))
    assert changed.aliases == ((0, 0),)


def test_values_that_no_output_needs_vanish() -> None:
    x, _ = inputs(float32)
    e.add(x, x)
    assert Graph((x,), (sin(x),)).values == (x, sin(x))
