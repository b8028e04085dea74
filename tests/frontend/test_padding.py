"""Padding, resampling and sampling grids: meaning, gradients, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ingot
from ingot import nn
from ingot.autograd import gradcheck
from ingot.jit import trace_specs
from ingot.nn import functional
from ingot.runtime.errors import IngotError, ShapeError, SpecError

RNG = np.random.default_rng(0)
NUMPY_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def numbers(*shape: int) -> Any:
    return ingot.tensor(RNG.standard_normal(shape))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("mode", NUMPY_MODES)
def test_modes_are_those_of_numpy(compiled: bool, mode: str) -> None:
    def run(x: Any) -> Any:
        return functional.pad(x, (1, 2, 3, 0), mode)

    x = numbers(2, 3, 4, 5)
    found = (ingot.jit(run) if compiled else run)(x)
    wanted = np.pad(x.numpy(), ((0, 0), (0, 0), (3, 0), (1, 2)), mode=NUMPY_MODES[mode])  # type: ignore[call-overload]
    np.testing.assert_array_equal(found.numpy(), wanted)


def test_negative_padding_crops() -> None:
    x = ingot.arange(6.0).view(2, 3)
    assert functional.pad(x, (-1, 1, 1, -1), value=9).tolist() == [[9, 9, 9], [1, 2, 9]]


def test_layers_pad_all_sides() -> None:
    x = ingot.ones(1, 1, 2, 2)
    assert nn.ZeroPad2d(1)(x).sum().item() == 4
    assert nn.ConstantPad2d((0, 1, 0, 0), 5)(x)[0, 0, 0].tolist() == [1, 1, 5]
    assert nn.ReflectionPad2d(1)(x).shape == nn.ReplicationPad2d(1)(x).shape == nn.CircularPad2d(1)(x).shape


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("factor", [2, 3, 1.5, 0.5])
def test_linear_interpolation_is_numpy_s_between_the_centres(compiled: bool, factor: float) -> None:
    x = numbers(1, 1, 6)

    def run(x: Any) -> Any:
        return functional.interpolate(x, scale_factor=factor, mode="linear")

    found = (ingot.jit(run) if compiled else run)(x).numpy()[0, 0]
    at = (np.arange(int(6 * factor)) + 0.5) / factor - 0.5
    np.testing.assert_allclose(found, np.interp(at, np.arange(6), x.numpy()[0, 0]), atol=1e-12)


def test_nearest_repeats_and_leaves_out() -> None:
    x = ingot.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    twice = functional.interpolate(x, scale_factor=2)
    assert twice[0, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert functional.interpolate(twice, scale_factor=0.5).tolist() == x.tolist()


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area"])
def test_results_of_the_same_size_are_copies(mode: str) -> None:
    x = numbers(1, 2, 3, 4)
    same = functional.interpolate(x, size=(3, 4), mode=mode)
    np.testing.assert_allclose(same.numpy(), x.numpy(), atol=1e-12)
    same.zero_()
    assert x.abs().sum().item() > 0


@pytest.mark.parametrize(
    "run",
    [
        lambda x: functional.pad(x, (2, 1, 1, 2), "reflect"),
        lambda x: functional.pad(x, (2, 1, 1, 2), "circular"),
        lambda x: functional.interpolate(x, scale_factor=2),
        lambda x: functional.interpolate(x, (5, 3)),
        lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear"),
        lambda x: functional.interpolate(x, (5, 3), mode="bilinear", align_corners=True),
        lambda x: functional.interpolate(x, (5, 3), mode="bicubic"),
        lambda x: functional.interpolate(x, (2, 3), mode="bilinear", antialias=True),
        lambda x: ingot.pixel_unshuffle(ingot.pixel_shuffle(x.view(1, 4, 2, 4), 2), 2),
    ],
)
def test_gradients(run: Callable[..., Any]) -> None:
    assert gradcheck(run, (numbers(1, 2, 4, 4).requires_grad_(),))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_gradients_of_grids(mode: str, padding: str) -> None:
    x = numbers(1, 2, 4, 5).requires_grad_()
    # No position lies at an element, where the derivative jumps.
    grid = ingot.tensor([[[[-0.93, 0.13], [0.31, -0.47], [1.33, 0.71]]]], dtype=ingot.float64).requires_grad_()
    assert gradcheck(lambda x, g: functional.grid_sample(x, g, mode, padding, align_corners=False), (x, grid))


def test_the_identity_map_gives_the_image() -> None:
    x = numbers(2, 3, 4, 5)
    theta = ingot.tensor([[[1.0, 0, 0], [0, 1.0, 0]]] * 2, dtype=ingot.float64)
    for corners in (False, True):
        grid = functional.affine_grid(theta, x.shape, align_corners=corners)
        found = functional.grid_sample(x, grid, align_corners=corners)
        np.testing.assert_allclose(found.numpy(), x.numpy(), atol=1e-12)


def test_positions_that_are_nan_or_huge_read_nothing() -> None:
    x = ingot.ones(1, 1, 2, 2)
    grid = ingot.tensor([[[[float("nan"), 0.0], [1e30, 0.0], [-1e30, float("inf")]]]])

    @ingot.jit
    def run(x: Any, grid: Any) -> Any:
        return functional.grid_sample(x, grid, "nearest", align_corners=False)

    assert functional.grid_sample(x, grid, "nearest", align_corners=False).tolist() == [[[[0, 0, 0]]]]
    assert run(x, grid).tolist() == [[[[0, 0, 0]]]]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: functional.pad(x, (1, 2, 3)), ShapeError, r"IG226[\s\S]*two numbers"),
        (lambda x: functional.pad(x, (9, 9), "reflect"), ShapeError, "IG226"),
        (lambda x: functional.pad(x, (4, 4, 0, 0), "reflect"), ShapeError, r"IG226[\s\S]*3 can be repeated"),
        (lambda x: functional.pad(x, (1, 1), "mirror"), ShapeError, r"IG226[\s\S]*constant, reflect"),
        (lambda x: nn.ZeroPad2d((1, 2, 3))(x), ShapeError, r"IG226[\s\S]*4 numbers"),
        (lambda x: functional.interpolate(x), SpecError, r"IG300[\s\S]*either size or scale_factor"),
        (lambda x: functional.interpolate(x, 3, mode="linear"), ShapeError, r"IG300[\s\S]*3 dimensions"),
        (lambda x: functional.interpolate(x, 3, align_corners=True), SpecError, r"IG300[\s\S]*align_corners"),
        (lambda x: functional.interpolate(x.long(), 3, mode="bilinear"), ShapeError, r"IG300[\s\S]*int64"),
        (lambda x: functional.grid_sample(x, x), ShapeError, r"IG300[\s\S]*grid"),
        (lambda x: functional.grid_sample(x, x, "linear"), SpecError, "IG217"),
        (lambda x: ingot.pixel_shuffle(x, 3), ShapeError, r"IG300[\s\S]*c \* 3"),
        (lambda x: ingot.channel_shuffle(x, 3), ShapeError, r"IG300[\s\S]*groups"),
    ],
)
def test_bad_arguments(call: Callable[..., Any], error: type[IngotError], text: str) -> None:
    with pytest.raises(error, match=text):
        call(ingot.rand(1, 2, 4, 4))


def test_images_of_named_sizes_are_not_resized() -> None:
    """Positions follow from sizes that are known; named batches are no matter."""
    trace_specs(lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear"), ["f32[n,3,4,4]"])
    with pytest.raises(ShapeError, match=r"IG300[\s\S]*known numbers"):
        trace_specs(lambda x: functional.interpolate(x, scale_factor=2), ["f32[1,3,h,4]"])
