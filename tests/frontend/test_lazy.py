"""Layers that wait for their first input."""

from __future__ import annotations

import pytest

import ingot
from ingot import nn
from ingot.nn.parameter import UninitializedParameter
from ingot.runtime.errors import ShapeError, TraceError


def test_the_first_input_makes_the_layer() -> None:
    layer = nn.LazyConv2d(4, 3, padding=1)
    weight = layer.weight
    assert layer.has_uninitialized_params()
    assert isinstance(weight, UninitializedParameter)
    ingot.manual_seed(0)
    assert layer(ingot.ones(1, 2, 5, 5)).shape == (1, 4, 5, 5)
    assert type(layer) is nn.Conv2d
    assert layer.weight is weight
    assert layer.in_channels == 2
    ingot.manual_seed(0)
    assert ingot.equal(layer.weight, nn.Conv2d(2, 4, 3).weight)


def test_an_optimiser_may_hold_the_parameters_before() -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.ReLU(), nn.LazyBatchNorm1d(), nn.LazyLinear(1))
    optimiser = ingot.optim.SGD(model.parameters(), lr=0.1)
    model(ingot.rand(4, 5)).sum().backward()
    before = [p.detach().clone() for p in model.parameters()]
    optimiser.step()
    assert any(not ingot.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_state_gives_the_shapes_too() -> None:
    layer = nn.LazyLinear(3)
    assert isinstance(layer.state_dict()["weight"], UninitializedParameter)
    layer.load_state_dict(nn.Linear(5, 3).state_dict())
    weight = layer.weight.detach().clone()
    assert weight.shape == (3, 5)
    assert layer(ingot.rand(2, 5)).shape == (2, 3)
    assert ingot.equal(layer.weight, weight)
    assert layer.in_features == 5


def test_statistics_wait_for_their_channels() -> None:
    layer = nn.LazyBatchNorm2d()
    layer.load_state_dict(nn.BatchNorm2d(3).state_dict())
    assert layer(ingot.rand(2, 3, 4, 4)).shape == (2, 3, 4, 4)
    assert layer.running_mean is not None
    assert layer.running_mean.shape == (3,)


def test_dtypes_hold_from_the_start() -> None:
    layer = nn.LazyLinear(3).double()
    assert layer(ingot.rand(2, 5, dtype=ingot.float64)).dtype is ingot.float64


def test_compiled_code_is_no_first_call() -> None:
    layer = nn.LazyLinear(2)
    with pytest.raises(TraceError, match=r"IG189[\s\S]*before it is compiled"):
        ingot.jit(layer)(ingot.rand(2, 3))
    layer(ingot.rand(2, 3))
    assert ingot.jit(layer)(ingot.rand(2, 3)).shape == (2, 2)


def test_shapes_that_are_not_known() -> None:
    with pytest.raises(ShapeError, match=r"IG300[\s\S]*call the module once"):
        print(nn.LazyLinear(3).weight.shape)
    with pytest.raises(ShapeError, match=r"IG300[\s\S]*LazyConv2d"):
        nn.LazyConv2d(4, 3)(ingot.rand(5, 5))
