"""`ingot.compile` under PyTorch's name: functions, modules in training, options."""

from __future__ import annotations

import pytest

import ingot
from ingot import nn
from ingot.runtime.errors import SpecError


def test_a_function() -> None:
    f = ingot.compile(lambda x: x * 2 + 1, fullgraph=True, mode="max-autotune")
    assert f(ingot.ones(2)).tolist() == [3, 3]


def test_a_decorator() -> None:
    f = ingot.compile(dynamic=True)(lambda x: x + 1)
    assert f(ingot.ones(2)).tolist() == [2, 2]


def test_disabled_is_the_function_itself() -> None:
    def f(x: ingot.Tensor) -> ingot.Tensor:
        return x

    assert ingot.compile(f, disable=True) is f
    assert ingot.compile(f, backend="eager") is f


def test_a_module_trains_as_the_module_does() -> None:
    def trained(compiled: bool) -> list[float]:
        ingot.manual_seed(0)
        plain = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
        model = ingot.compile(plain) if compiled else plain
        optimizer = ingot.optim.SGD(model.parameters(), lr=0.1)
        x, losses = ingot.randn(8, 3), []
        for _ in range(3):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    assert trained(True) == pytest.approx(trained(False), rel=1e-5)


def test_the_mode_of_a_compiled_module() -> None:
    plain = nn.Dropout(0.5)
    model = ingot.compile(plain)
    model.eval()
    assert not plain.training
    assert model(ingot.ones(4)).tolist() == [1, 1, 1, 1]
    assert model.p == 0.5
    assert list(ingot.compile(nn.Linear(2, 2)).state_dict()) == ["_orig_mod.weight", "_orig_mod.bias"]


def test_a_backend_of_ones_own_is_an_error() -> None:
    with pytest.raises(SpecError, match="IG217"):
        ingot.compile(lambda x: x, backend=lambda graph, inputs: graph)
