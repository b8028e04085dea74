"""`nn.utils`: clipping inside compiled steps, computed parameters, functional_call."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest

import ingot
from ingot import nn
from ingot.nn import utils
from ingot.nn.utils import parametrize
from ingot.runtime.errors import GradError, SpecError


def trained(steps: int, compiled: bool, norm_type: float) -> tuple[list[Any], list[float]]:
    """The parameters after some steps with clipped gradients, and the norms."""
    ingot.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = ingot.optim.SGD(net.parameters(), lr=0.5)
    x, y = ingot.randn(8, 3), ingot.randn(8, 1) * 10

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        ((net(x) - y) ** 2).mean().backward()
        norm = utils.clip_grad_norm_(net.parameters(), 0.5, norm_type)
        optimizer.step()
        return norm

    run = ingot.jit(step) if compiled else step
    norms = [run(x, y).item() for _ in range(steps)]
    return list(net.parameters()), norms


@pytest.mark.parametrize("norm_type", [2.0, 1.0, math.inf])
def test_clipping_in_a_compiled_step_is_the_eager_one(norm_type: float) -> None:
    eager, norms = trained(4, False, norm_type)
    compiled, compiled_norms = trained(4, True, norm_type)
    assert norms == pytest.approx(compiled_norms, rel=1e-5)
    assert norms[0] > 0.5
    for a, b in zip(eager, compiled, strict=True):
        assert ingot.allclose(a, b, atol=1e-6)


def test_clipped_gradients_have_the_wanted_norm() -> None:
    weights = [ingot.zeros(3, requires_grad=True), ingot.zeros(2, 2, requires_grad=True), ingot.zeros(1)]
    weights[0].grad, weights[1].grad = ingot.full((3,), 3.0), ingot.full((2, 2), -4.0)
    assert utils.clip_grad_norm_(weights, 1.0).item() == pytest.approx(math.sqrt(91))
    assert utils.get_total_norm([w.grad for w in weights[:2]]).item() == pytest.approx(1.0, rel=1e-5)
    utils.clip_grad_value_(weights, 0.1)
    assert weights[1].grad.abs().max().item() == pytest.approx(0.1)


def test_a_norm_that_is_not_finite_is_an_error_where_it_is_known() -> None:
    weight = ingot.zeros(2, requires_grad=True)
    weight.grad = ingot.tensor([1.0, math.inf])
    with pytest.raises(GradError, match="non-finite"):
        utils.clip_grad_norm_(weight, 1.0, error_if_nonfinite=True)
    assert weight.grad[0].item() == 1.0
    with pytest.raises(GradError, match="while a function is traced"):
        ingot.jit(lambda: utils.clip_grad_norm_(weight, 1.0, error_if_nonfinite=True))()


def test_parameters_become_a_vector_and_back() -> None:
    layer = nn.Linear(2, 3)
    vector = utils.parameters_to_vector(layer.parameters())
    assert vector.shape == (9,)
    assert vector.requires_grad
    utils.vector_to_parameters(ingot.arange(9).float(), layer.parameters())
    assert layer.weight.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert layer.bias is not None
    assert layer.bias.tolist() == [6, 7, 8]
    with pytest.raises(TypeError, match="expected a tensor"):
        utils.vector_to_parameters([1.0], layer.parameters())  # type: ignore[arg-type]


class Doubled(nn.Module):
    def forward(self, x: Any) -> Any:
        return 2 * x

    def right_inverse(self, x: Any) -> Any:
        return x / 2


def test_a_parametrized_layer_trains_its_original() -> None:
    layer = nn.Linear(2, 2, bias=False)
    weight = layer.weight
    before = weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Doubled())
    assert ingot.allclose(layer.weight, before)
    assert ingot.allclose(weight, before / 2)
    layer(ingot.ones(1, 2)).sum().backward()
    assert weight.grad.tolist() == [[2, 2], [2, 2]]
    layer.weight = ingot.eye(2)  # type: ignore[assignment]
    assert weight.tolist() == [[0.5, 0], [0, 0.5]]


def test_copies_of_parametrized_layers_are_their_own() -> None:
    layer = utils.weight_norm(nn.Linear(2, 3))
    other = copy.deepcopy(layer)
    utils.remove_weight_norm(layer)
    assert type(layer) is nn.Linear
    with ingot.no_grad():
        other.weight_g.mul_(2)
    assert ingot.allclose(other.weight, 2 * layer.weight)
    assert repr(other) == repr(layer)


@pytest.mark.parametrize(
    "norm",
    [
        utils.weight_norm,
        utils.spectral_norm,
        utils.parametrizations.weight_norm,
        utils.parametrizations.spectral_norm,
    ],
)
def test_normalised_layers_can_be_pickled(norm: Any) -> None:
    layer = norm(nn.Linear(2, 3))
    other = pickle.loads(pickle.dumps(layer)).eval()
    assert type(other).__name__ == type(layer).__name__
    x = ingot.ones(1, 2)
    assert ingot.equal(other(x), layer.eval()(x))
    assert other.state_dict().keys() == layer.state_dict().keys()


def test_compiled_code_sees_a_parametrization_that_comes_later() -> None:
    layer = nn.Linear(2, 2, bias=False)
    run = ingot.jit(lambda x: layer(x))
    x = ingot.eye(2)
    plain = run(x)
    parametrize.register_parametrization(layer, "weight", Doubled())
    parametrize.register_parametrization(layer, "weight", Doubled(), unsafe=True)
    assert ingot.allclose(run(x), 2 * plain)
    parametrize.remove_parametrizations(layer, "weight")
    assert ingot.allclose(run(x), 2 * plain)


def test_spectral_norm_has_a_largest_singular_value_of_one() -> None:
    ingot.manual_seed(0)
    for normed in (utils.spectral_norm(nn.Linear(4, 3)), utils.parametrizations.spectral_norm(nn.Linear(4, 3))):
        for _ in range(50):
            normed(ingot.ones(1, 4))
        normed.eval()
        assert ingot.linalg.svdvals(normed.weight.detach())[0].item() == pytest.approx(1, rel=1e-4)


def test_functional_call_leaves_the_module_as_it_was() -> None:
    layer = nn.Linear(2, 2)
    before = layer.weight
    zeros = {"weight": ingot.zeros(2, 2), "bias": ingot.zeros(2)}
    assert not ingot.func.functional_call(layer, zeros, ingot.ones(1, 2)).any()
    assert layer.weight is before
    with pytest.raises(SpecError, match="multiple dictionaries"):
        ingot.func.functional_call(layer, [zeros, zeros], ingot.ones(1, 2))
    with pytest.raises(GradError, match="Missing key"):
        ingot.func.functional_call(layer, {"bias": ingot.zeros(2)}, ingot.ones(1, 2), strict=True)


def test_gradients_by_functional_call_are_those_of_backward() -> None:
    layer = nn.Linear(3, 2)
    x = ingot.randn(4, 3)
    parameters = dict(layer.named_parameters())
    loss = lambda p: (ingot.func.functional_call(layer, p, x) ** 2).sum()  # noqa: E731
    for compute in (ingot.func.grad(loss), ingot.jit(ingot.func.grad(loss))):
        found = compute({name: p.detach() for name, p in parameters.items()})
        layer.zero_grad()
        (layer(x) ** 2).sum().backward()
        assert all(ingot.allclose(found[name], p.grad) for name, p in parameters.items())
