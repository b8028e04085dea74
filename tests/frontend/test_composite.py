"""Functions that run eagerly as one operation give what their rows give one by one, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ingot
from ingot import composite
from ingot.nn import functional as F
from ingot.runtime.errors import IngotError

Call = Callable[..., Any]


def _data(*shape: int, seed: int = 0) -> ingot.Tensor:
    return ingot.tensor(np.random.default_rng(seed).uniform(-2, 2, shape).astype(np.float32))


CALLS: dict[str, tuple[Call, tuple[ingot.Tensor, ...]]] = {
    "linear": (lambda x, w, b: F.linear(x, w, b), (_data(3, 4), _data(5, 4), _data(5))),
    "linear of a transposed input": (lambda x, w: F.linear(x.t(), w), (_data(4, 3), _data(5, 4))),
    "relu": (F.relu, (_data(3, 4),)),
    "gelu": (lambda x: F.gelu(x, approximate="tanh"), (_data(3, 4),)),
    "softmax": (lambda x: F.softmax(x, dim=-1), (_data(3, 4),)),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (4,), w, b), (_data(3, 4), _data(4), _data(4))),
    "cross_entropy": (lambda x: F.cross_entropy(x, ingot.tensor([0, 2, 1])), (_data(3, 4),)),
    "mse_loss": (F.mse_loss, (_data(3, 4), _data(3, 4, seed=1))),
    "matmul": (ingot.matmul, (_data(2, 3, 4), _data(4, 5))),
    "twice the same tensor": (lambda x: ingot.mul(x, x), (_data(3, 4),)),
    "mean over a dimension": (lambda x: ingot.mean(x, 1, keepdim=True), (_data(3, 4),)),
    "no elements": (lambda x, w: F.linear(x, w), (_data(0, 4), _data(5, 4))),
    "no dimensions": (lambda x, y: x * y + x, (_data(), _data(seed=1))),
}


def _gradients(call: Call, operands: tuple[ingot.Tensor, ...]) -> list[np.ndarray[Any, Any]]:
    leaves = [t.clone().requires_grad_() for t in operands]
    result = call(*leaves)
    (result * result).sum().backward()
    return [result.detach().numpy(), *(leaf.grad.numpy() for leaf in leaves)]


@pytest.mark.parametrize("name", CALLS)
def test_recorded_calls_have_the_same_bits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call, operands = CALLS[name]
    with monkeypatch.context() as patch:
        patch.setattr(composite, "_key", lambda *args: None)
        expected = _gradients(call, operands)
    for _ in range(4):
        for found, wanted in zip(_gradients(call, operands), expected, strict=True):
            np.testing.assert_array_equal(found, wanted, strict=True)


def test_calls_are_recorded_from_the_second_on() -> None:
    runs = 0

    @composite.composite
    def twice(x: ingot.Tensor) -> ingot.Tensor:
        nonlocal runs
        runs += 1
        return x + x

    for _ in range(5):
        assert twice(_data(3)).shape == (3,)
    # Once row by row, once to be recorded.
    assert runs == 2
    twice(_data(4))
    assert runs == 3


def test_the_tape_has_one_node() -> None:
    x, w = _data(3, 4).requires_grad_(), _data(5, 4).requires_grad_()
    for _ in range(3):
        out = F.linear(x, w)
    assert out.grad_fn is not None and [edge for edge, _ in out.grad_fn.next_functions].count(None) == 0
    assert len(out.grad_fn.next_functions) == 2


def test_second_derivatives_go_through_recorded_calls() -> None:
    def second() -> ingot.Tensor:
        x = _data(3, 4).requires_grad_()
        (g,) = ingot.autograd.grad(F.softmax(x, dim=1).square().sum(), x, create_graph=True)
        result: ingot.Tensor = ingot.autograd.grad(g.square().sum(), x)[0]
        return result

    first = second().numpy()
    for _ in range(3):
        np.testing.assert_allclose(second().numpy(), first, rtol=1e-6, atol=1e-8)


def test_operands_that_changed_are_noticed() -> None:
    w = _data(5, 4).requires_grad_()
    for _ in range(3):
        x = _data(3, 4)
        out = F.linear(x, w)
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_results_that_changed_are_noticed() -> None:
    @composite.composite
    def halved(x: ingot.Tensor) -> ingot.Tensor:
        return (x * 0.5).exp()

    x = _data(3, 4).requires_grad_()
    for _ in range(3):
        out = halved(x)
    out.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_a_second_backward_is_an_error() -> None:
    x = _data(3, 4).requires_grad_()
    for _ in range(3):
        loss = F.softmax(x, dim=1).square().sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_errors_are_those_of_the_rows() -> None:
    for _ in range(3):
        with pytest.raises(IngotError, match="inner sizes differ"):
            ingot.matmul(_data(2, 3), _data(2, 3))
    logits, target = _data(2, 3), ingot.tensor([0, 2])
    for _ in range(3):
        F.cross_entropy(logits, target)
    with pytest.raises(IndexError):
        F.cross_entropy(logits, ingot.tensor([0, 3]))


def test_equal_numbers_of_different_types_are_different_calls() -> None:
    x = ingot.tensor([1, 2])
    for _ in range(3):
        assert ingot.mul(x, 2).dtype is ingot.int64
        assert ingot.mul(x, 2.0).dtype is ingot.float32
        assert ingot.mul(x, True).dtype is ingot.int64


def test_gradients_are_recorded_as_wanted_by_each_call() -> None:
    x = _data(3)
    leaf = _data(3).requires_grad_()
    for _ in range(3):
        assert not F.relu(x).requires_grad
        assert F.relu(leaf).requires_grad
        with ingot.no_grad():
            assert not F.relu(leaf).requires_grad
