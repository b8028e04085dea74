"""Pooling: meaning by plain loops, gradients at the places of maxima, kernels, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ingot
from ingot.autograd import gradcheck
from ingot.nn import functional
from ingot.runtime.errors import IngotError, ShapeError, SpecError

RNG = np.random.default_rng(0)


def distinct(*shape: int) -> Any:
    """Numbers that are not close to each other."""
    return ingot.tensor(RNG.permutation(int(np.prod(shape))).reshape(shape) / 7.0)


def unpooled(x: Any, places: Any) -> Any:
    return functional.max_unpool2d(x, places, 2, output_size=(5, 7))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("size", "window", "stride", "padding"), [(6, 2, 2, 0), (7, 3, 2, 1), (5, 3, 1, 1)])
def test_maxima_and_their_places(compiled: bool, size: int, window: int, stride: int, padding: int) -> None:
    x = distinct(2, 3, size, size)

    def run(x: Any) -> Any:
        return functional.max_pool2d(x, window, stride, padding, return_indices=True)

    values, places = (ingot.jit(run) if compiled else run)(x)
    edge = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    padded = np.pad(x.numpy(), edge, constant_values=-np.inf)
    views = np.lib.stride_tricks.sliding_window_view(padded, (window, window), (2, 3))[:, :, ::stride, ::stride]
    np.testing.assert_array_equal(values.numpy(), views.max((-1, -2)))
    assert places.dtype is ingot.int64
    np.testing.assert_array_equal(x.flatten(2).gather(2, places.flatten(2)).view(values.shape).numpy(), values.numpy())


@pytest.mark.parametrize("compiled", [False, True])
def test_the_gradient_goes_to_the_maxima(compiled: bool) -> None:
    def gradient(x: Any) -> Any:
        x = x.detach().requires_grad_()
        return ingot.autograd.grad(functional.max_pool2d(x, 2).sum(), x)[0]

    x = ingot.tensor([[[[1.0, 4.0, 5.0, 5.0], [2.0, 3.0, 5.0, 1.0]]]])
    found = (ingot.jit(gradient) if compiled else gradient)(x)
    assert found.tolist() == [[[[0, 1, 1, 0], [0, 0, 0, 0]]]]  # the first of equal elements


@pytest.mark.parametrize(
    "run",
    [
        lambda x: functional.max_pool2d(x, 3, 2, 1),
        lambda x: functional.max_pool2d(x, 2, 2, ceil_mode=True),
        lambda x: functional.avg_pool2d(x, 3, 2, 1, True, False),
        lambda x: functional.adaptive_avg_pool2d(x, (3, 2)),
        lambda x: functional.adaptive_max_pool2d(x, (3, 2)),
        lambda x: functional.lp_pool2d(x + 1, 3.0, 2),
        lambda x: unpooled(*functional.max_pool2d(x, 2, return_indices=True)),
        lambda x: functional.max_pool3d(x.unsqueeze(0), 2),
    ],
)
def test_gradients(run: Callable[..., Any]) -> None:
    assert gradcheck(run, (distinct(2, 2, 5, 7).requires_grad_(),))


def test_means_count_padding_or_not() -> None:
    x = ingot.ones(1, 1, 2, 2)
    assert functional.avg_pool2d(x, 2, 1, 1)[0, 0, 0].tolist() == [0.25, 0.5, 0.25]
    assert functional.avg_pool2d(x, 2, 1, 1, count_include_pad=False)[0, 0, 0].tolist() == [1, 1, 1]
    assert functional.avg_pool2d(x, 2, 1, 1, divisor_override=2)[0, 0, 0].tolist() == [0.5, 1, 0.5]


def test_adaptive_parts_cover_everything() -> None:
    x = ingot.arange(7.0).view(1, 1, 7)
    assert functional.adaptive_avg_pool1d(x, 3)[0, 0].tolist() == [1, 3, 5]
    values, places = functional.adaptive_max_pool1d(x, 3, return_indices=True)
    assert values[0, 0].tolist() == [2, 4, 6]
    assert places[0, 0].tolist() == [2, 4, 6]
    assert functional.adaptive_avg_pool1d(x, 7).tolist() == x.tolist()


@pytest.mark.parametrize("dtype", [ingot.float16, ingot.bfloat16])
def test_means_of_half_types_are_rounded_once(dtype: Any) -> None:
    x = ingot.full((1, 1, 64, 64), 1.0078125, dtype=dtype)
    assert (functional.avg_pool2d(x, 64) == x[0, 0, 0, 0]).all()
    assert (functional.adaptive_avg_pool2d(x, 2) == x[0, 0, 0, 0]).all()


def test_pooling_is_one_kernel() -> None:
    @ingot.jit
    def run(x: Any) -> Any:
        return functional.max_pool2d(x, 3, 2, 1)

    run(ingot.rand(2, 3, 8, 8))
    assert run.stats()["kernels"] == 1


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: functional.max_pool2d(x, 3, padding=2), ShapeError, r"IG300[\s\S]*at most half"),
        (lambda x: functional.max_pool2d(x, 9), ShapeError, r"IG300[\s\S]*no window"),
        (lambda x: functional.max_pool2d(x, 2, 0), ShapeError, r"IG300[\s\S]*stride"),
        (lambda x: functional.max_pool2d(x[0, 0], 2), ShapeError, r"IG300[\s\S]*one example"),
        (lambda x: functional.avg_pool2d(x, 2, divisor_override=0), ShapeError, r"IG300[\s\S]*divisor"),
        (lambda x: functional.adaptive_avg_pool2d(x, (1, 2, 3)), ShapeError, r"IG300[\s\S]*output_size"),
        (lambda x: functional.max_unpool2d(x, x, 2), ShapeError, "IG229"),
        (
            lambda x: functional.max_unpool2d(x, x.long(), 2, output_size=(99, 99)),
            SpecError,
            r"IG300[\s\S]*within one stride",
        ),
    ],
)
def test_bad_arguments(call: Callable[..., Any], error: type[IngotError], text: str) -> None:
    with pytest.raises(error, match=text):
        call(ingot.rand(2, 3, 6, 6))
