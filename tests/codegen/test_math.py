"""The operations of codegen.scalar against NumPy, SciPy and mpmath, on several instruction sets and lane counts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from codegen.accuracy import EDGES, NUMPY, RANGES, SCIPY, mp_errors, pairs, points
from codegen.elementwise import (
    SETS,
    Array,
    compile_kernel,
    emit,
    object_code,
    runs_here,
    ulp_errors,
    undefined_symbols,
)

from ingot.compiler.codegen.scalar import Scalar
from ingot.compiler.codegen.target import TARGETS, Target
from ingot.compiler.ops import definitions
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType

FLOATS = (dtypes.float32, dtypes.float64)
INTEGERS = tuple(d for d in dtypes.ALL if d.kind in "ui")
SIZES = {dtypes.float32: 200_000, dtypes.float64: 50_000}
HAS_LONG_DOUBLE = np.finfo(np.longdouble).nmant > 60
ONE_DTYPE = frozenset(("abs", "sign", "floordiv", "remainder", "fmod", "pow", "maximum", "minimum", "shl", "shr"))
TYPED = ONE_DTYPE | {"eq", "ne", "lt", "le", "gt", "ge", "logical_not"}


def variants(bits: int) -> list[tuple[str, Target, int]]:
    """(name, target, lanes): the host's width, twice that, one lane, and the older instruction sets."""
    host = SETS["host"]
    found = [("host", host, host.lanes(bits)), ("host", host, 2 * host.lanes(bits)), ("host", host, 1)]
    found += [(name, t, t.lanes(bits)) for name, t in SETS.items() if name != "host" and runs_here(t)]
    return found


def apply(name: str, dtype: DType, scalar: Scalar, *xs: Any) -> Any:
    return getattr(scalar, name)(*((dtype,) if name in TYPED else ()), *xs)


def check(
    name: str, dtype: DType, got: Array, exact: Array, inputs: tuple[Array, ...], limit: float, what: str
) -> None:
    errors = ulp_errors(got, exact)
    worst = int(np.argmax(errors))
    at = ", ".join(repr(x[worst]) for x in inputs)
    assert errors[worst] <= limit, (
        f"{what}: {name}({at}) = {got[worst]!r}, exactly {exact[worst]!r}: {errors[worst]} ULP"
    )


@functools.cache
def sample(dtype: DType) -> Array:
    return points(dtype.numpy, SIZES[dtype])


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", NUMPY)
def test_elementary_function(name: str, dtype: DType) -> None:
    if dtype is dtypes.float64 and not HAS_LONG_DOUBLE:
        pytest.skip("long double is no wider than double here")
    x = sample(dtype)
    with np.errstate(all="ignore"):
        exact = NUMPY[name](x.astype(np.float64 if dtype is dtypes.float32 else np.longdouble))
    for what, target, lanes in variants(dtype.bits):
        kernel = compile_kernel(lambda s, v: apply(name, dtype, s, v), (dtype,), dtype, target, lanes)
        limit = 2.0 if what != "x86-64" and what != "x86-64-v2" else 2.5
        check(name, dtype, kernel(x), exact, (x,), limit, f"{what} x{lanes}")


@pytest.mark.parametrize("name", SCIPY)
def test_special_function_f32(name: str) -> None:
    dtype, x = dtypes.float32, sample(dtypes.float32)
    with np.errstate(all="ignore"):
        exact = SCIPY[name](x.astype(np.float64))
    for what, target, lanes in variants(32):
        kernel = compile_kernel(lambda s, v: getattr(s, name)(v), (dtype,), dtype, target, lanes)
        check(name, dtype, kernel(x), exact, (x,), 2.5, f"{what} x{lanes}")


@pytest.mark.parametrize("name", RANGES)
def test_special_function_f64(name: str) -> None:
    rng = np.random.default_rng(1)
    kernels = [
        (
            what,
            lanes,
            compile_kernel(lambda s, v: getattr(s, name)(v), (dtypes.float64,), dtypes.float64, target, lanes),
        )
        for what, target, lanes in variants(64)
    ]
    for low, high, fused, split in RANGES[name]:
        x = rng.uniform(low, high, 60) if high < 100 else np.exp(rng.uniform(np.log(low), np.log(high), 60))
        seen: dict[bytes, float] = {}  # most variants give the same bits
        for what, lanes, kernel in kernels:
            got = kernel(x)
            worst = seen.setdefault(got.tobytes(), 0.0) or float(mp_errors(name, x, got).max())
            seen[got.tobytes()] = worst
            assert worst <= (split if what in ("x86-64", "x86-64-v2") else fused), f"{what} x{lanes} in [{low}, {high}]"


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_special_values(dtype: DType) -> None:
    inf, nan = np.inf, np.nan
    expected = {
        "erf": ([0.0, -0.0, inf, -inf, nan], [0.0, -0.0, 1, -1, nan]),
        "erfc": ([0.0, -0.0, inf, -inf, nan, 30], [1, 1, 0, 2, nan, 0]),
        "erfinv": ([0.0, -0.0, 1, -1, 1.5, -inf, nan], [0.0, -0.0, inf, -inf, nan, nan, nan]),
        "lgamma": ([0.0, -0.0, 1, 2, -1, -3, inf, -inf, nan], [inf, inf, 0, 0, inf, inf, inf, inf, nan]),
        "digamma": ([0.0, -0.0, -1, -7, inf, -inf, nan], [-inf, inf, nan, nan, inf, nan, nan]),
        "sigmoid": ([inf, -inf, nan, 0], [1, 0, nan, 0.5]),
        "sign": ([3, -2, 0.0, -0.0, nan, -inf], [1, -1, 0.0, 0.0, 0.0, -1]),
        "isnan": ([nan, inf, 0], [1, 0, 0]),
        "isinf": ([nan, inf, -inf, 0], [0, 1, 1, 0]),
        "isfinite": ([nan, inf, -inf, 0], [0, 0, 0, 1]),
    }
    for what, target, lanes in variants(dtype.bits):
        for name, (x, y) in expected.items():
            output = dtypes.bool_ if name.startswith("is") else dtype
            got = compile_kernel(lambda s, v, n=name: apply(n, dtype, s, v), (dtype,), output, target, lanes)(
                np.array(x, dtype.numpy)
            )
            want: Array = np.array(y, output.numpy)
            assert np.array_equal(got, want, equal_nan=output is dtype), (what, lanes, name, got, want)
            assert np.array_equal(np.signbit(got * 1.0), np.signbit(want * 1.0)) or np.isnan(want).any(), (name, got)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ["pow", "atan2"])
def test_function_of_two(name: str, dtype: DType) -> None:
    if dtype is dtypes.float64 and not HAS_LONG_DOUBLE:
        pytest.skip("long double is no wider than double here")
    x, y = pairs(dtype.numpy, SIZES[dtype])
    wide: Any = np.float64 if dtype is dtypes.float32 else np.longdouble
    with np.errstate(all="ignore"):
        a, b = x.astype(wide), y.astype(wide)
        exact = np.power(a, b) if name == "pow" else np.arctan2(a, b)
    for what, target, lanes in variants(dtype.bits):
        kernel = compile_kernel(lambda s, a, b: apply(name, dtype, s, a, b), (dtype, dtype), dtype, target, lanes)
        check(name, dtype, kernel(x, y), exact, (x, y), 2.0, f"{what} x{lanes}")


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ["fmod", "remainder", "floordiv", "maximum", "minimum"])
def test_exact_function_of_two(name: str, dtype: DType) -> None:
    references: dict[str, Callable[[Array, Array], Array]] = {
        "fmod": np.fmod,
        "remainder": definitions.remainder,
        "floordiv": np.floor_divide,
        "maximum": np.maximum,
        "minimum": np.minimum,
    }
    x, y = pairs(dtype.numpy, 30_000)
    with np.errstate(all="ignore"):
        exact = references[name](x, y)
    for what, target, lanes in variants(dtype.bits):
        kernel = compile_kernel(lambda s, a, b: apply(name, dtype, s, a, b), (dtype, dtype), dtype, target, lanes)
        check(name, dtype, kernel(x, y), exact, (x, y), 0.0, f"{what} x{lanes}")


def test_huge_angles_beside_small_ones() -> None:
    """Lanes that need the long reduction leave their neighbours alone."""
    x = np.tile(np.array([0.5, 1e300, -3.0, 6381956970095103 * 2.0**797, np.inf, 1e6, -2e6, 1e22]), 4)
    with mp.workdps(800):
        exact = np.array([float(mp.sin(mp.mpf(v))) if np.isfinite(v) else np.nan for v in x])
    for _, target, lanes in variants(64):
        got = compile_kernel(lambda s, v: s.sin(v), (dtypes.float64,), dtypes.float64, target, lanes)(x)
        np.testing.assert_allclose(got, exact, rtol=3e-16, equal_nan=True)


BINARY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "floordiv": np.floor_divide,
    "remainder": definitions.remainder,
    "fmod": np.fmod,
    "pow": definitions.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "and_": np.bitwise_and,
    "or_": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shl": definitions.shift_left,
    "shr": definitions.shift_right,
}
UNARY: dict[str, Callable[..., Any]] = {
    "neg": np.negative,
    "abs": np.abs,
    "sign": definitions.sign,
    "bitwise_not": np.invert,
    "logical_not": np.logical_not,
}
BOOLEAN = frozenset(("eq", "ne", "lt", "le", "gt", "ge", "logical_not"))
NOT_OF_BOOL = frozenset(("sub", "floordiv", "remainder", "fmod", "pow", "shl", "shr", "neg", "abs", "sign"))


def integer_pairs(dtype: DType) -> tuple[Array, Array]:
    """All pairs of the ends of the range and small numbers, random bits, and small operands."""
    rng, kind = np.random.default_rng(2), dtype.numpy
    if dtype.kind == "b":
        return rng.integers(0, 2, 2000).astype(kind), rng.integers(0, 2, 2000).astype(kind)
    info = np.iinfo(kind)
    ends = [info.min, info.max, 0, 1, 2, info.max - 1, info.min + 1, 7, *([-1, -2, -7] if dtype.is_signed else [])]
    x0, y0 = (a.ravel() for a in np.meshgrid(np.array(ends, kind), np.array(ends, kind)))
    x1, y1 = (rng.integers(info.min, info.max, 4000, dtype=kind, endpoint=True) for _ in range(2))
    x2, y2 = (rng.integers(max(-20, info.min), 20, 4000).astype(kind) for _ in range(2))
    return np.concatenate([x0, x1, x2]), np.concatenate([y0, y1, y2])


@pytest.mark.parametrize("dtype", [dtypes.bool_, *INTEGERS], ids=str)
def test_integers(dtype: DType) -> None:
    x, y = integer_pairs(dtype)
    for name, reference in (BINARY | UNARY).items():
        if dtype.kind == "b" and name in NOT_OF_BOOL:
            continue
        inputs = (x,) if name in UNARY else (x, y)
        with np.errstate(all="ignore"):
            want = reference(*inputs)
        output = dtypes.bool_ if name in BOOLEAN else dtype
        for what in ("host", "x86-64"):
            target = SETS[what]
            for lanes in (target.lanes(dtype.bits), 1) if runs_here(target) else ():
                kernel = compile_kernel(
                    lambda s, *v, n=name: apply(n, dtype, s, *v), (dtype,) * len(inputs), output, target, lanes
                )
                wrong = np.flatnonzero(kernel(*inputs) != want)
                assert not wrong.size, (what, lanes, name, [a[wrong[0]] for a in inputs], want[wrong[0]])


def test_division_by_literal() -> None:
    for dtype in (dtypes.int32, dtypes.uint8, dtypes.int64):
        x, _ = integer_pairs(dtype)
        for divisor in (3, 7, -5, -1, 0) if dtype.is_signed else (3, 7, 0):
            b = np.full_like(x, divisor)
            with np.errstate(all="ignore"):
                want = np.floor_divide(x, b), np.remainder(x, b)
            for name, exact in zip(("floordiv", "remainder"), want, strict=True):
                kernel = compile_kernel(
                    lambda s, v, n=name, d=divisor, t=dtype: apply(n, t, s, v, s.const(t, d)),
                    (dtype,),
                    dtype,
                    SETS["host"],
                    8,
                )
                assert np.array_equal(kernel(x), exact), (dtype, name, divisor)


def conversion_points(dtype: DType) -> Array:
    rng = np.random.default_rng(3)
    if dtype.kind != "f":
        return np.concatenate(integer_pairs(dtype))
    wild = rng.normal(size=4000) * 10.0 ** rng.uniform(-10, 25, 4000)
    with np.errstate(all="ignore"):
        return np.concatenate(
            [EDGES, wild, rng.uniform(-300, 300, 4000), rng.uniform(-70000, 70000, 4000), 2.0 ** np.arange(-30, 40)]
        ).astype(dtype.numpy)


@pytest.mark.parametrize("source", dtypes.ALL, ids=str)
def test_cast(source: DType) -> None:
    x = conversion_points(source)
    for goal in dtypes.ALL:
        want = definitions.convert(x, goal.numpy)
        for what in ("host", "x86-64"):
            for lanes in (16, 1) if runs_here(SETS[what]) else ():
                got = compile_kernel(lambda s, v, g=goal: s.cast(source, v, g), (source,), goal, SETS[what], lanes)(x)
                same = (got == want) | (np.not_equal(got, got) & np.not_equal(want, want))
                if goal.kind == "f":
                    signs = np.signbit(got.astype(np.float64)) == np.signbit(want.astype(np.float64))
                    same &= signs | np.isnan(want.astype(np.float64))
                wrong = np.flatnonzero(~same)
                assert not wrong.size, (what, lanes, goal, x[wrong[0]], got[wrong[0]], want[wrong[0]])


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16], ids=str)
@pytest.mark.parametrize("lanes", [16, 1])
def test_every_half_survives(dtype: DType, lanes: int) -> None:
    x = np.arange(2**16, dtype=np.uint16).view(dtype.numpy)
    for target in filter(runs_here, SETS.values()):
        wide = compile_kernel(lambda s, v: v, (dtype,), dtypes.float32, target, lanes)(x)
        want = x.astype(np.float32)
        assert np.array_equal(wide, want, equal_nan=True) and np.array_equal(np.signbit(wide), np.signbit(want))
        back = compile_kernel(lambda s, v: v, (dtype,), dtype, target, lanes)(x)
        number = ~np.isnan(want)
        assert np.array_equal(back.view(np.uint16)[number], x.view(np.uint16)[number])
        assert np.isnan(back.astype(np.float32)[~number]).all()


def test_bitcast_and_select() -> None:
    x = np.random.default_rng(4).normal(size=64).astype(np.float32)
    got = compile_kernel(
        lambda s, v: s.bitcast(dtypes.float32, v, dtypes.int32), (dtypes.float32,), dtypes.int32, SETS["host"], 16
    )(x)
    assert np.array_equal(got, x.view(np.int32))
    half = x.astype(np.float16)
    swapped = compile_kernel(
        lambda s, v: s.bitcast(dtypes.float16, v, dtypes.int16), (dtypes.float16,), dtypes.int16, SETS["host"], 16
    )(half)
    assert np.array_equal(swapped, half.view(np.int16))
    mask = x > 0
    picked = compile_kernel(
        lambda s, m, v: s.select(m, v, s.const(dtypes.float32, -1.0)),
        (dtypes.bool_, dtypes.float32),
        dtypes.float32,
        SETS["host"],
        16,
    )(mask, x)
    assert np.array_equal(picked, np.where(mask, x, np.float32(-1)))


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_no_library_calls(target: Target) -> None:
    """Nothing but memcpy, memmove and memset may be left for a linker, whatever the instruction set."""

    def left(name: str, inputs: tuple[DType, ...], output: DType, lanes: int) -> set[str]:
        text = emit(lambda s, *v: apply(name, inputs[0], s, *v), inputs, output, target, lanes)
        return undefined_symbols(object_code(text, target))

    names = [*NUMPY, *SCIPY, "isnan"]
    for name in [*names, "pow", "fmod", "floordiv", "atan2", "maximum"]:
        for dtype, lanes in ((dtypes.float32, 2 * target.lanes(32)), (dtypes.float64, 1)):
            inputs = (dtype,) if name in names else (dtype, dtype)
            assert not left(name, inputs, dtypes.bool_ if name == "isnan" else dtype, lanes), (name, dtype)
    for dtype in (dtypes.float16, dtypes.bfloat16):
        for lanes in (1, 8):
            assert not left("erfinv", (dtype,), dtype, lanes)
    for source, goal in ((a, b) for a in dtypes.ALL for b in dtypes.ALL if "f" in (a.kind, b.kind)):
        text = emit(lambda s, v, a=source, b=goal: s.cast(a, v, b), (source,), goal, target, 8)
        assert not undefined_symbols(object_code(text, target)), (source, goal)
    # A copysign taken in f64 must not reach a conversion to f16 (see narrow_one).
    text = emit(
        lambda s, v: s.cast(dtypes.float64, s.tanh(v), dtypes.float16), (dtypes.float64,), dtypes.float16, target, 1
    )
    assert not undefined_symbols(object_code(text, target))
