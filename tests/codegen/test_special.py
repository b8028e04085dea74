"""Ops with an emitter of their own, on shapes with whole vectors, rests, several panels and several threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_cases import applied
from running import Array, run

from ingot.compiler import pipeline
from ingot.compiler.codegen.target import Target, host, named
from ingot.compiler.interpret import interpret
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.random import mt19937_seed
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType

# Code of older instruction sets runs on newer processors.
TARGETS = [t for t in (host(), named("x86-64"), named("x86-64-v3")) if t.features <= host().features]
TARGETS = [t for t in TARGETS if t.architecture == host().architecture]
NUMBERS = [d for d in dtypes.ALL if d is not dtypes.bool_]
EACH_TARGET = pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
EACH_DTYPE = pytest.mark.parametrize("dtype", dtypes.ALL, ids=lambda d: d.short)
EACH_NUMBER = pytest.mark.parametrize("dtype", NUMBERS, ids=lambda d: d.short)
TOLERANCE = {"f16": 1e-3, "bf16": 8e-3, "f32": 1e-4, "f64": 1e-11}


def check(name: str, *arrays: Array, target: Target | None = None, near: float = 0.0, **attrs: Any) -> None:
    """Compiled code gives what `eval` gives; NaN and infinities alike."""
    graph = applied(TABLE[name], arrays, **attrs)
    for got, want in zip(run(graph, arrays, target), interpret(graph, *arrays), strict=True):
        note = f"{name} {attrs} of {[f'{a.dtype}{a.shape}' for a in arrays]}"
        if dtypes.from_numpy(got.dtype).is_floating_point:
            with np.errstate(invalid="ignore"):  # signalling NaN
                got, want = got.astype(np.float64), want.astype(np.float64)
        np.testing.assert_allclose(got, want, rtol=near, atol=near, err_msg=note)


def numbers(dtype: DType, *shape: int, finite: bool = False) -> Array:
    """Few different values, so that there are ties; NaN, infinities and both zeros among floats."""
    rng = np.random.default_rng([*shape, dtype.bits])
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype.kind in "iu":
        return rng.integers(-50 if dtype.is_signed else 0, 100, shape).astype(dtype.numpy)
    x = rng.integers(-20, 20, shape) / 4
    if not finite:
        for special in (np.nan, -np.nan, np.inf, -np.inf, -0.0):
            x = np.where(rng.random(shape) < 0.02, special, x)
    return np.asarray(x).astype(dtype.numpy)


def places(below: int, *shape: int) -> Array:
    return np.random.default_rng([below, *shape]).integers(0, below, shape)


LINES = [((3, 37), 1), ((2, 1000), 1), ((1, 33), 1), ((5, 3), 1), ((50, 130), 0), ((2, 7, 70), 1)]


@EACH_DTYPE
def test_position_of_the_first_extremum(dtype: DType) -> None:
    for shape, axis in LINES:
        for name in ("argmax", "argmin"):
            check(name, numbers(dtype, *shape), axis=axis)


def test_nothing_is_better_than_the_least() -> None:
    least = np.full((2, 70), -np.inf, np.float32)
    check("argmax", least, axis=1)
    least[1, 69] = 0
    check("argmax", least, axis=1)


@EACH_NUMBER
def test_cumulative(dtype: DType) -> None:
    near = TOLERANCE.get(dtype.short, 0.0)
    for shape, axis in LINES:
        for reverse in (False, True):
            x, tame = numbers(dtype, *shape), numbers(dtype, *shape, finite=True)
            check("cummax", x, axis=axis, reverse=reverse)
            check("cummin", x, axis=axis, reverse=reverse)
            check("cumsum", tame, near=near, axis=axis, reverse=reverse)
            check("cumprod", x, near=near, axis=axis, reverse=reverse)


def test_a_product_of_zero_and_large_numbers_is_zero() -> None:
    check("cumprod", np.array([[0, 1e30, 1e30, 1e30]], np.float32), axis=1)


@EACH_DTYPE
def test_sort(dtype: DType) -> None:
    for shape, axis in [((2, 200), 1), ((3, 37), 1), ((65, 3), 0), ((2, 1), 1)]:
        for descending in (False, True):
            check("sort", numbers(dtype, *shape), axis=axis, descending=descending)


def test_sort_of_all_digits() -> None:
    rng = np.random.default_rng(0)
    for kind in (np.int8, np.int16, np.int32, np.int64, np.uint64, np.float32, np.float64):
        check("sort", rng.integers(0, 256, (3, 500, 8), np.uint8).view(kind)[..., 0], axis=1)


@EACH_DTYPE
def test_topk(dtype: DType) -> None:
    for shape, axis, k in [((2, 200), 1, 7), ((37, 3), 0, 37), ((2, 5), 1, 1), ((2, 3), 1, 0)]:
        check("topk", numbers(dtype, *shape), k=k, axis=axis, largest=True)
        check("topk", numbers(dtype, *shape), k=k, axis=axis, largest=False)


def write_arguments(dtype: DType) -> list[tuple[str, list[Array], dict[str, Any]]]:
    def put(x: tuple[int, ...], axis: int, index: tuple[int, ...], batch: int = 0) -> Any:
        shape = (*x[:axis], *index[batch:], *x[axis + 1 :])
        operands = [numbers(dtype, *x, finite=True), places(x[axis], *index), numbers(dtype, *shape, finite=True)]
        return "put", operands, {"axis": axis} | ({"batch_axes": batch} if batch else {})

    def scatter(x: tuple[int, ...], axis: int, index: tuple[int, ...]) -> Any:
        operands = [numbers(dtype, *x, finite=True), places(x[axis], *index), numbers(dtype, *index, finite=True)]
        return "scatter", operands, {"axis": axis}

    return [
        put((50, 130), 0, (77,)),
        put((5, 1300), 0, (7,)),
        put((5, 40), 1, (6, 3)),
        put((2, 3, 20, 5), 2, (2, 7), 1),
        scatter((50, 30), 0, (77, 30)),
        scatter((50, 30), 0, (77, 20)),
        scatter((5, 6, 30), 2, (3, 4, 70)),
        scatter((5, 6, 30), 1, (3, 9, 17)),
    ]


@EACH_DTYPE
def test_writes(dtype: DType) -> None:
    near = TOLERANCE.get(dtype.short, 0.0)
    for name, (x, index, updates), attrs in write_arguments(dtype):
        for mode in ("set", "add", "max") if dtype is not dtypes.bool_ else ("set", "add"):
            check(name, x, index.astype(np.int32), updates, near=near, mode=mode, **attrs)
        check(name, x, index, updates, mode="set", **attrs)


def test_writes_outside_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emitters write nothing outside, also where no check has refused the indices before."""
    unchecked = tuple((name, run) for name, run in pipeline.PASSES if name != "check_indices")
    monkeypatch.setattr(pipeline, "PASSES", unchecked)
    x, updates = np.zeros((4, 3), np.float32), np.ones((5, 3), np.float32)
    rows = np.array([-1, 2, 4, 1 << 40, -(1 << 40)])
    want = np.zeros((4, 3), np.float32)
    want[2] = 1
    for name, index in (("put", rows), ("scatter", np.stack([rows] * 3, 1))):
        attrs = {"axis": 0, "mode": "add"}
        (got,) = run(applied(TABLE[name], [x, index, updates], **attrs), [x, index, updates])
        np.testing.assert_array_equal(got, want)


def test_half_types_are_summed_in_float32() -> None:
    ones = np.ones((5000, 2), np.float16)
    graph = applied(TABLE["put"], [ones[:3], places(1, 5000), ones], axis=0, mode="add")
    (got,) = run(graph, [ones[:3], places(1, 5000), ones])
    assert got[0, 0] == 5000


def test_mersenne_twister() -> None:
    for n in (0, 1, 17, 227, 400, 624, 625, 1248, 5000):
        state = mt19937_seed(n)
        check("mt19937", state, n=n)
        state[624:] = 100, 7
        check("mt19937", state, n=n)


def test_philox() -> None:
    rng = np.random.default_rng(0)
    for shape in ((2,), (3, 2)):
        for n in (0, 1, 7, 64, 65, 5001):
            check("philox", *rng.integers(0, 1 << 32, (2, *shape)).astype(np.uint32), n=n)
    check("philox", np.array([1, 2], np.uint32), np.array([0xFFFFFFFF, 3], np.uint32), n=400)


@EACH_TARGET
def test_other_vector_widths(target: Target) -> None:
    for dtype in (dtypes.float32, dtypes.bfloat16, dtypes.int8, dtypes.bool_):
        for shape, axis in LINES:
            x = numbers(dtype, *shape)
            check("argmax", x, target=target, axis=axis)
            if dtype is not dtypes.bool_:
                check("cummax", x, target=target, axis=axis, reverse=True)
        for name, operands, attrs in write_arguments(dtype)[::3]:
            check(name, *operands, target=target, mode="set", **attrs)
    check("mt19937", mt19937_seed(1), target=target, n=2000)
    check("philox", *np.arange(4, dtype=np.uint32).reshape(2, 2), target=target, n=333)


def test_several_threads() -> None:
    """Sizes at which kernels are shared; what a thread does may not depend on how."""
    x = numbers(dtypes.float32, 600, 1000, finite=True)
    half = x.astype(np.float16)
    check("argmax", x, axis=1)
    check("argmin", x, axis=0)
    check("cumsum", x, axis=1, near=1e-4)
    check("cumsum", x, axis=0, near=1e-4)
    check("sort", x, axis=1)
    check("sort", x, axis=0)
    check("topk", x, k=10, axis=1)
    check("put", x, places(600, 500), numbers(dtypes.float32, 500, 1000, finite=True), axis=0, mode="add")
    check("put", half, places(600, 200), half[:200], axis=0, mode="add", near=1e-3)
    check("scatter", x, places(600, 100, 1000), x[:100], axis=0, mode="set")
    check("philox", *np.arange(4, dtype=np.uint32).reshape(2, 2), n=300_000)
