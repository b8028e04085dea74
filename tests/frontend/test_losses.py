"""Losses: PyTorch's values and gradients, eager and compiled; errors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch_golden

import ingot
from ingot.nn import functional
from ingot.runtime.errors import IngotError, OperandError, ShapeError, SpecError

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
        (lambda: functional.cross_entropy(ingot.ones(3, 4), ingot.ones(2, dtype=ingot.int64)), SpecError, "IG244"),
        (lambda: functional.mse_loss(ingot.ones(3, 2), ingot.ones(3)), ShapeError, r"IG201[\s\S]*3, 2"),
        (lambda: functional.cross_entropy(ingot.ones(4, 4), ingot.ones(4)), OperandError, r"IG229[\s\S]*target.long"),
        (lambda: functional.nll_loss(ingot.ones(3, 4), ingot.ones(3)), OperandError, "IG229"),
        (lambda: functional.huber_loss(ingot.ones(2), ingot.ones(2), delta=0.0), OperandError, "IG322"),
        (lambda: functional.binary_cross_entropy(ingot.ones(2) * 2, ingot.ones(2)), OperandError, "between 0 and 1"),
        (lambda: functional.ctc_loss(ingot.ones(3, 1, 4), ingot.ones(1, 1).long(), (4,), (1,)), OperandError, "IG323"),
        (lambda: functional.cross_entropy(ingot.ones(3, 4), ingot.tensor([1, 2, 9])), IngotError, "9"),
    ],
)
def test_bad_arguments(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_a_single_number_goes_with_every_shape() -> None:
    assert functional.mse_loss(ingot.ones(3, 2), ingot.tensor(3.0)).item() == 4


def test_the_older_options_say_how_to_reduce() -> None:
    x, y = ingot.tensor([1.0, 3.0]), ingot.zeros(2)
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert functional.mse_loss(x, y, size_average=False).item() == 10
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert ingot.nn.L1Loss(reduce=False)(x, y).tolist() == [1, 3]
    assert functional.smooth_l1_loss(x, y, None, None, "sum").item() == 3


def _ctc(x: Any, target: Any) -> Any:
    return functional.ctc_loss(x.log_softmax(2), target, (5, 4), (2, 1), reduction="sum")


def test_ctc_adds_up_the_probabilities_of_all_paths() -> None:
    x = ingot.randn(5, 2, 3, dtype=ingot.float64)
    target = ingot.tensor([[1, 2], [2, 0]])
    probabilities = x.softmax(2)
    wanted = 0.0
    for row, (steps, spelled) in enumerate(((5, (1, 2)), (4, (2,)))):
        total = 0.0
        for path in itertools.product(range(3), repeat=steps):
            merged = [c for c, _ in itertools.groupby(path) if c != 0]
            if tuple(merged) == spelled:
                total += math.prod(probabilities[t, row, c].item() for t, c in enumerate(path))
        wanted -= math.log(total)
    assert _ctc(x, target).item() == pytest.approx(wanted, rel=1e-9)
    assert ingot.jit(_ctc)(x, target).item() == pytest.approx(wanted, rel=1e-9)
    assert ingot.autograd.gradcheck(lambda x: _ctc(x, target), (x.requires_grad_(),))


@pytest.mark.parametrize("compiled", [False, True])
def test_probabilities_at_the_ends_have_bounded_losses_and_gradients(compiled: bool) -> None:
    def both(x: Any, y: Any) -> Any:
        x.requires_grad_()
        loss = functional.binary_cross_entropy(x, y, reduction="none")
        loss.sum().backward()
        return loss, x.grad

    x, y = ingot.tensor([0.0, 1.0, 0.0, 1.0]), ingot.tensor([0.0, 0.0, 1.0, 1.0])
    loss, gradient = (ingot.jit(both) if compiled else both)(x, y)
    assert loss.tolist() == [0, 100, 100, 0]
    assert gradient.tolist() == pytest.approx([0, 1e12, -1e12, 0])


@pytest.mark.parametrize("loss", [functional.mse_loss, functional.l1_loss, functional.huber_loss])
def test_shapes_that_broadcast_are_warned_of(loss: Callable[..., Any]) -> None:
    x, y = ingot.arange(3.0)[:, None], ingot.arange(3.0)
    with pytest.warns(UserWarning, match=r"\[3\] and the input \[3, 1\].*test_losses.py"):
        found = loss(x, y)
    assert found.item() == pytest.approx(loss(x.expand(3, 3), y.expand(3, 3)).item())
