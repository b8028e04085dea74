"""Windowed reductions against loops, and which element a window chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from op_cases import operand

from ingot.compiler.dims import Dim
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph
from ingot.compiler.ops.window import reduce_window, window_gather, window_scatter, windows_of
from ingot.compiler.passes.grad import vjp
from ingot.runtime import dtypes
from ingot.runtime.errors import DTypeError, ShapeError, SpecError

NUMPY: dict[str, Callable[[Any], Any]] = {"sum": np.sum, "max": np.max, "min": np.min}


def random_windows(seed: int) -> tuple[Any, dict[str, Any]]:
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(1, 4))
    window, dilation = rng.integers(1, 4, rank), rng.integers(1, 3, rank)
    reach = dilation * (window - 1) + 1
    low, high = rng.integers(-1, 3, rank), rng.integers(-1, 3, rank)
    shape = reach + rng.integers(2, 5, rank)
    attrs = {
        "window": tuple(map(int, window)),
        "dilation": tuple(map(int, dilation)),
        "stride": tuple(map(int, rng.integers(1, 4, rank))),
        "padding": tuple((int(a), int(b)) for a, b in zip(low, high, strict=True)),
    }
    return rng.permutation(int(np.prod(shape))).reshape(shape).astype(np.float64), attrs


def members(x: Any, attrs: dict[str, Any]) -> dict[tuple[int, ...], list[tuple[int, ...]]]:
    """The elements of x in each window, in row-major order."""
    rows = list(zip(x.shape, *(attrs[k] for k in ("window", "stride", "padding", "dilation")), strict=True))
    counts = [(n + lo + hi - d * (w - 1) - 1) // s + 1 for n, w, s, (lo, hi), d in rows]
    found = {}
    for place in np.ndindex(*counts):
        inside = []
        for offset in np.ndindex(*attrs["window"]):
            at = tuple(p * s + o * d - lo for p, o, (_, _, s, (lo, _), d) in zip(place, offset, rows, strict=True))
            if all(0 <= i < n for i, n in zip(at, x.shape, strict=True)):
                inside.append(at)
        found[place] = inside
    return found


@pytest.mark.parametrize("seed", range(25))
def test_windows_are_loops(seed: int) -> None:
    x, attrs = random_windows(seed)
    windows = members(x, attrs)
    t = np.random.default_rng(seed).standard_normal(x.shape)
    for reduction in NUMPY:
        found = reduce_window.eval(x, reduction=reduction, **attrs)
        empty = {"sum": 0.0, "max": -np.inf, "min": np.inf}[reduction]
        for place, inside in windows.items():
            expected = NUMPY[reduction]([x[at] for at in inside]) if inside else empty
            assert found[place] == expected
        if reduction == "sum":
            continue
        chosen = {
            p: max(inside, key=lambda at: x[at] if reduction == "max" else -x[at])
            for p, inside in windows.items()
            if inside
        }
        gathered = window_gather.eval(x, t, reduction=reduction, **attrs)
        updates = np.random.default_rng(seed + 1).standard_normal(gathered.shape)
        scattered = np.zeros(x.shape)
        for place in windows:
            assert gathered[place] == (t[chosen[place]] if place in chosen else 0)
            if place in chosen:
                scattered[chosen[place]] += updates[place]
        np.testing.assert_allclose(window_scatter.eval(x, updates, reduction=reduction, **attrs), scattered)


@pytest.mark.parametrize("seed", range(25))
def test_cotangent_of_a_sum_is_its_transpose(seed: int) -> None:
    x, attrs = random_windows(seed)
    rng = np.random.default_rng(seed)
    v = operand(x.shape)
    back = vjp(Graph((v,), (reduce_window(v, reduction="sum", **attrs),)), (0,))
    out = reduce_window.eval(x, reduction="sum", **attrs)
    ct = rng.standard_normal(out.shape)
    (dx,) = interpret(back, x, ct)
    np.testing.assert_allclose((dx * x).sum(), (out * ct).sum(), rtol=1e-9, atol=1e-9)


def test_first_of_equals_and_nan() -> None:
    x = np.array([1.0, 1.0, np.nan, 2.0, np.nan, 0.0])
    attrs = windows_of(1, window=(2,), stride=(1,))
    np.testing.assert_array_equal(reduce_window.eval(x, reduction="max", **attrs), [1, np.nan, np.nan, np.nan, np.nan])
    # Counters as the second operand give the positions.
    positions = np.arange(6)
    np.testing.assert_array_equal(window_gather.eval(x, positions, reduction="max", **attrs), [0, 2, 2, 4, 4])


def test_padding_never_wins() -> None:
    x = np.full((3,), -np.inf)
    attrs = windows_of(1, window=(2,), padding=((1, 1),))
    np.testing.assert_array_equal(window_gather.eval(x, np.arange(3), reduction="max", **attrs), [0, 0, 1, 2])
    low = np.full((2,), np.iinfo(np.int32).min, np.int32)
    np.testing.assert_array_equal(reduce_window.eval(low, reduction="max", **attrs), [low[0]] * 3)


def test_half_types_are_summed_in_float32() -> None:
    ones = np.ones(4096, np.float16)
    assert float(reduce_window.eval(ones, reduction="sum", **windows_of(1, window=(4096,)))[0]) == 4096


def test_named_sizes() -> None:
    n, s = Dim("n"), Dim("s", 4)
    x = operand((n, s))
    attrs = windows_of(2, window=(1, 3), stride=(1, 2), padding=((0, 0), (1, 1)))
    for reduction in NUMPY:
        back = vjp(Graph((x,), (reduce_window(x, reduction=reduction, **attrs),)), (0,))
        assert back.outputs[0].type is x.type
        array = np.random.default_rng(0).standard_normal((2, 7))
        (dx,) = interpret(back, array, np.ones((2, 4)))
        assert dx.shape == (2, 7)
    whole = reduce_window(x, reduction="max", **windows_of(2, window=(1, s)))
    assert whole.shape == (n, 1)


@pytest.mark.parametrize(
    ("error", "build", "message"),
    [
        (ShapeError, lambda x: reduce_window(x, reduction="sum", **windows_of(2, window=(1, 9))), "IG131.*9 elements"),
        (ShapeError, lambda x: reduce_window(x, reduction="sum", **windows_of(1)), r"IG113.*f64\[2,3\]"),
        (ShapeError, lambda x: reduce_window(x, reduction="sum", **windows_of(2, stride=(0, 1))), "IG132.*positive"),
        (SpecError, lambda x: reduce_window(x, reduction="mean", **windows_of(2)), "IG132.*mean"),
        (SpecError, lambda x: window_gather(x, x, reduction="sum", **windows_of(2)), "IG132.*sum"),
        (ShapeError, lambda x: window_gather(x, operand((3,)), reduction="max", **windows_of(2)), "IG132"),
        (ShapeError, lambda x: window_scatter(x, operand((3,)), reduction="max", **windows_of(2)), "IG132"),
        (
            DTypeError,
            lambda x: reduce_window(operand((2, 3), dtypes.bool_), reduction="sum", **windows_of(2)),
            "IG112",
        ),
    ],
)
def test_refused(error: Any, build: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        build(operand((2, 3)))
