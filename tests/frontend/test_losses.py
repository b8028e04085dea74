"""Losses: PyTorch's values and gradients, eager and compiled; errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch_golden

import ingot
from ingot.nn import functional
from ingot.runtime.errors import DTypeError, IngotError, ShapeError, SpecError

CASES = torch_golden.cases("loss")
GOLDEN = torch_golden.golden()["loss"]


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_pytorch(name: str) -> None:
    found = [torch_golden.summary(t) for t in CASES[name](ingot)]
    assert torch_golden.differences(found, GOLDEN[name]) == []


@pytest.mark.parametrize("name", CASES)
def test_compiled_values_and_gradients_are_those_of_pytorch(name: str) -> None:
    found = [torch_golden.summary(t) for t in torch_golden.compiled(ingot, CASES[name])]
    assert torch_golden.differences(found, GOLDEN[name]) == []


def test_cross_entropy_and_its_gradient_are_few_kernels() -> None:
    @ingot.jit
    def loss(x: Any, y: Any) -> Any:
        x.requires_grad_()
        functional.cross_entropy(x, y).backward()
        return x.grad

    loss(ingot.rand(32, 10), ingot.randint(0, 10, (32,)))
    assert loss.stats()["kernels"] <= 3


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: functional.mse_loss(ingot.ones(3), ingot.ones(2)), ShapeError, "IG201"),
        (lambda: functional.mse_loss(ingot.ones(3), ingot.ones(3), reduction="avg"), SpecError, "IG217.*'avg'"),
        (lambda: functional.cross_entropy(ingot.ones(3, 4), ingot.ones(2, dtype=ingot.int64)), ShapeError, "IG244"),
        (lambda: functional.mse_loss(ingot.ones(3, 1), ingot.ones(3)), ShapeError, r"IG201[\s\S]*do not belong"),
        (lambda: functional.cross_entropy(ingot.ones(4, 4), ingot.ones(4)), ShapeError, r"IG244[\s\S]*target.long"),
        (lambda: functional.nll_loss(ingot.ones(3, 4), ingot.ones(3)), DTypeError, "IG229"),
        (lambda: functional.cross_entropy(ingot.ones(3, 4), ingot.tensor([1, 2, 9])), IngotError, "9"),
    ],
)
def test_bad_arguments(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_a_single_number_goes_with_every_shape() -> None:
    assert functional.mse_loss(ingot.ones(3, 2), ingot.tensor(3.0)).item() == 4
