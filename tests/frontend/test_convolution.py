"""Convolutions and their layers: meaning by plain loops, gradients, one kernel where one suffices, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ingot
from ingot import nn
from ingot.autograd import gradcheck
from ingot.nn import functional
from ingot.runtime.errors import IngotError, ShapeError, SpecError

RNG = np.random.default_rng(0)


def numbers(*shape: int) -> Any:
    return ingot.tensor(RNG.standard_normal(shape))


def loops(x: Any, w: Any, stride: int, padding: int, dilation: int, groups: int) -> Any:
    """Cross-correlation of images, element by element."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    reach = [(k - 1) * dilation + 1 for k in w.shape[2:]]
    counts = [(n - r) // stride + 1 for n, r in zip(x.shape[2:], reach, strict=True)]
    result = np.zeros((len(x), len(w), *counts))
    inputs, outputs = w.shape[1], len(w) // groups
    for n, o, i, j in np.ndindex(result.shape):
        group = o // outputs
        part = x[n, group * inputs : (group + 1) * inputs]
        rows = slice(i * stride, i * stride + reach[0], dilation)
        columns = slice(j * stride, j * stride + reach[1], dilation)
        result[n, o, i, j] = (part[:, rows, columns] * w[o]).sum()
    return result


CASES = [(1, 0, 1, 1), (2, 1, 1, 1), (1, 2, 2, 2), (3, 1, 1, 4), (2, 2, 2, 4)]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), CASES)
def test_conv2d_is_the_loops(compiled: bool, stride: int, padding: int, dilation: int, groups: int) -> None:
    x, w = numbers(2, 4, 7, 6), numbers(8, 4 // groups, 3, 2)

    def run(x: Any, w: Any) -> Any:
        return ingot.conv2d(x, w, None, stride, padding, dilation, groups)

    found = (ingot.jit(run) if compiled else run)(x, w)
    wanted = loops(x.numpy(), w.numpy(), stride, padding, dilation, groups)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), CASES)
def test_gradients_of_conv2d(stride: int, padding: int, dilation: int, groups: int) -> None:
    x, w, b = (t.requires_grad_() for t in (numbers(2, 4, 7, 6), numbers(4, 4 // groups, 3, 2), numbers(4)))
    assert gradcheck(lambda x, w, b: ingot.conv2d(x, w, b, stride, padding, dilation, groups), (x, w, b))


@pytest.mark.parametrize(
    "run",
    [
        lambda x, w: ingot.conv_transpose2d(x, w, None, 2, 1, 1),
        lambda x, w: ingot.conv_transpose2d(x, w, None, (3, 1), 0, 0, 2, (1, 2)),
        lambda x, w: functional.unfold(x, (2, 3), 1, 1, 2) * w.sum(),
        lambda x, w: functional.fold(functional.unfold(x, 2, stride=2), (4, 6), 2, stride=2) * w.sum(),
    ],
)
def test_gradients_of_what_convolutions_transpose(run: Callable[..., Any]) -> None:
    x, w = numbers(2, 4, 4, 6).requires_grad_(), numbers(4, 2, 3, 2).requires_grad_()
    assert gradcheck(run, (x, w))


def test_a_transposed_convolution_is_the_transpose() -> None:
    """<conv(x), y> = <x, conv_transpose(y)>."""
    x, w = numbers(2, 4, 7, 7), numbers(6, 2, 3, 3)
    y = ingot.conv2d(x, w, None, 2, 1, 1, 2)
    other = numbers(*y.shape)
    back = ingot.conv_transpose2d(other, w, None, 2, 1, 0, 2)
    assert ((y * other).sum() - (x * back).sum()).abs().item() < 1e-10


def test_fold_sums_what_unfold_copies() -> None:
    x = numbers(1, 2, 5, 5)
    counts = functional.fold(functional.unfold(ingot.ones_like(x), 3), (5, 5), 3)
    np.testing.assert_allclose(functional.fold(functional.unfold(x, 3), (5, 5), 3).numpy(), (x * counts).numpy())


def test_unfold_and_a_product_are_the_convolution() -> None:
    x, w = numbers(2, 3, 6, 5), numbers(4, 3, 3, 2)
    columns = functional.unfold(x, (3, 2), padding=1)
    found = (w.view(4, -1) @ columns).view(2, 4, 6, 6)
    np.testing.assert_allclose(found.numpy(), ingot.conv2d(x, w, padding=1).numpy(), atol=1e-12)


def test_one_example_is_a_batch_of_one() -> None:
    layer = nn.Conv2d(3, 4, 3, padding=1)
    x = ingot.rand(3, 5, 5)
    assert layer(x).shape == (4, 5, 5)
    assert ingot.equal(layer(x), layer(x.unsqueeze(0))[0])


def test_bias_and_activation_are_part_of_the_convolution() -> None:
    layer = nn.Conv2d(3, 8, 3, padding=1)

    @ingot.jit
    def run(x: Any) -> Any:
        return layer(x).relu()

    run(ingot.rand(2, 3, 16, 16))
    assert run.stats()["kernels"] == 1


def test_a_training_step_of_a_convolution_is_few_kernels() -> None:
    """Forward with its loss, the cotangents, and the two gradients: none of them copies weights by itself."""
    layer = nn.Conv2d(8, 8, 3, stride=2, padding=1)

    @ingot.jit
    def step(x: Any) -> Any:
        x.requires_grad_()
        return ingot.autograd.grad(layer(x).square().sum(), [x, layer.weight, layer.bias])

    step(ingot.rand(2, 8, 16, 16))
    assert step.stats()["kernels"] <= 6


def test_a_layer_remembers_its_arguments() -> None:
    layer = nn.Conv2d(4, 6, (3, 2), stride=2, padding="valid", groups=2, bias=False)
    assert (layer.kernel_size, layer.stride, layer.padding, layer.groups) == ((3, 2), (2, 2), "valid", 2)
    assert layer.bias is None
    assert layer.weight.shape == (6, 2, 3, 2)
    assert nn.ConvTranspose2d(4, 6, 3, groups=2).weight.shape == (4, 3, 3, 3)


def test_the_first_weights_are_within_their_bound() -> None:
    layer = nn.Conv2d(4, 6, 3)
    bound = (4 * 9) ** -0.5
    assert layer.weight.abs().max().item() <= bound
    assert layer.bias.abs().max().item() <= bound  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x, w: ingot.conv2d(x, w[:, :2]), ShapeError, r"IG300[\s\S]*expected input to have 2 channels"),
        (lambda x, w: ingot.conv2d(x[0, 0], w), ShapeError, r"IG300[\s\S]*one example"),
        (lambda x, w: ingot.conv2d(x, w, stride=(1, 2, 3)), ShapeError, r"IG300[\s\S]*2 integers"),
        (lambda x, w: ingot.conv2d(x, w, padding="full"), ShapeError, r"IG300[\s\S]*'full'"),
        (lambda x, w: ingot.conv2d(x, w, stride=2, padding="same"), ShapeError, r"IG300[\s\S]*stride 1"),
        (lambda x, w: ingot.conv2d(x[..., :2], w), ShapeError, r"IG300[\s\S]*larger than the padded input"),
        (lambda x, w: ingot.conv2d(x.double(), w), ShapeError, r"IG227[\s\S]*input.to\("),
        (lambda x, w: ingot.conv2d(x > 0, w > 0), ShapeError, r"IG300[\s\S]*bool"),
        (lambda x, w: ingot.conv_transpose2d(x, w, output_padding=1), ShapeError, r"IG300[\s\S]*output padding"),
        (lambda x, w: nn.Conv2d(3, 4, 3, groups=2), SpecError, r"IG300[\s\S]*divisible"),
        (
            lambda x, w: nn.ConvTranspose2d(3, 4, 3, 2)(x, output_size=(99, 99)),
            SpecError,
            r"IG300[\s\S]*between",
        ),
    ],
)
def test_bad_arguments(call: Callable[..., Any], error: type[IngotError], text: str) -> None:
    with pytest.raises(error, match=text):
        call(ingot.rand(2, 3, 6, 6), ingot.rand(4, 3, 3, 3))


def test_errors_name_the_line_inside_compiled_functions_too() -> None:
    @ingot.jit
    def run(x: Any, w: Any) -> Any:
        return ingot.conv2d(x, w)

    with pytest.raises(ShapeError, match=r"return ingot.conv2d\(x, w\)"):
        run(ingot.rand(1, 2, 5, 5), ingot.rand(1, 3, 3, 3))
