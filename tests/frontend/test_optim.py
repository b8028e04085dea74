"""Optimisers: PyTorch's numbers, one program per training step, schedules without recompilation, state."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch_golden
import torch_modules
from torch_modules import OPTIMISERS, network, trained, training_step
from torch_values import classes, data

import ingot
from ingot import nn, optim
from ingot.nn import functional
from ingot.runtime.errors import TraceError

GOLDEN = torch_golden.golden()["optimiser"]
NAMES = [f"{name}({options})" for name, options in OPTIMISERS]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("index", range(len(NAMES)), ids=NAMES)
def test_training_runs_are_those_of_pytorch(index: int, compiled: bool) -> None:
    """Losses, parameters and state over ten steps with falling learning rates; compiled once, as one program."""
    results = trained(ingot, *OPTIMISERS[index], compiled)
    assert torch_golden.differences([torch_golden.summary(t) for t in results], GOLDEN[NAMES[index]]) == []


def run(optimiser: Any, model: Any, steps: int, compiled: bool, first: int = 0, step: Any = None) -> Any:
    """Some steps; the function that makes them."""
    if step is None:
        step = training_step(ingot, model, optimiser)
        step = ingot.jit(step) if compiled else step
    for i in range(first, first + steps):
        step(data(ingot, 6, 8, seed=i), classes(ingot, 6, count=3, seed=i))
    return step


def weights(model: Any) -> Any:
    return np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])


MAKERS: list[Callable[[Any], Any]] = [
    lambda params: optim.SGD(params, lr=0.1, momentum=0.9, dampening=0.2),
    lambda params: optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    lambda params: optim.Adam(params, lr=0.01, weight_decay=0.1, amsgrad=True),
    lambda params: optim.AdamW(params, lr=0.01),
]


@pytest.mark.parametrize("make", MAKERS)
def test_state_goes_around_between_eager_and_compiled(make: Callable[[Any], Any]) -> None:
    model = network(ingot)
    run(make(model.parameters()), model, 0, False)
    optimiser = make(model.parameters())
    run(optimiser, model, 3, True)
    saved = (copy.deepcopy(model.state_dict()), copy.deepcopy(optimiser.state_dict()))
    run(optimiser, model, 3, True, first=3)
    wanted = weights(model)
    for compiled in (False, True):
        model = network(ingot)
        optimiser = make(model.parameters())
        run(optimiser, model, 2, compiled)
        model.load_state_dict(saved[0])
        optimiser.load_state_dict(saved[1])
        run(optimiser, model, 3, compiled, first=3)
        np.testing.assert_allclose(weights(model), wanted, atol=2e-6)


def test_loading_state_under_compiled_code() -> None:
    model = network(ingot)
    optimiser = optim.Adam(model.parameters(), lr=0.01)
    step = run(optimiser, model, 2, True)
    saved = (copy.deepcopy(model.state_dict()), copy.deepcopy(optimiser.state_dict()))
    run(optimiser, model, 2, True, first=2, step=step)
    wanted = weights(model)
    model.load_state_dict(saved[0])
    optimiser.load_state_dict(saved[1])
    run(optimiser, model, 2, True, first=2, step=step)
    np.testing.assert_allclose(weights(model), wanted, atol=1e-6)


def test_state_dict_is_in_pytorchs_form() -> None:
    model = network(ingot)
    optimiser = optim.Adam(model.parameters(), lr=0.01)
    run(optimiser, model, 2, True)
    state = optimiser.state_dict()
    assert set(state) == {"state", "param_groups"}
    assert state["param_groups"][0]["params"] == [0, 1, 2, 3]
    assert state["param_groups"][0]["lr"] == 0.01 and state["param_groups"][0]["betas"] == (0.9, 0.999)
    assert set(state["state"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    step = state["state"][0]["step"]
    assert step.shape == () and step.dtype is ingot.float32 and step.item() == 2
    assert optim.SGD(model.parameters(), lr=1).state_dict()["state"] == {}


# ---- options


def test_run_time_numbers_change_without_recompilation() -> None:
    models = [network(ingot), network(ingot)]
    optimisers = [optim.AdamW(model.parameters(), lr=0.1) for model in models]
    steps = [run(o, m, 1, c) for o, m, c in zip(optimisers, models, (False, True), strict=True)]
    for i in range(1, 5):
        for optimiser, model, step in zip(optimisers, models, steps, strict=True):
            group = optimiser.param_groups[0]
            group["lr"] *= 0.7
            group["betas"] = (0.9 - i * 0.01, 0.99)
            group["weight_decay"] = 0.1 * i
            run(optimiser, model, 1, True, first=i, step=step)
    np.testing.assert_allclose(weights(models[0]), weights(models[1]), atol=1e-6)
    assert steps[1].stats()["compiles"] == 1


def test_numpy_numbers_are_read_at_every_call_too() -> None:
    model = network(ingot)
    optimiser = optim.SGD(model.parameters(), lr=0.1)
    step = run(optimiser, model, 1, True)
    optimiser.param_groups[0]["lr"] = np.float64(0.0)
    before = weights(model)
    run(optimiser, model, 1, True, first=1, step=step)
    assert np.array_equal(weights(model), before)
    assert step.stats()["compiles"] == 1


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (lambda p: optim.SGD(p, lr=0.1), {"momentum": 0.9}),
        (lambda p: optim.SGD(p, lr=0.1), {"weight_decay": 0.3}),
        (lambda p: optim.SGD(p, lr=0.1, momentum=0.9), {"nesterov": True}),
        (lambda p: optim.SGD(p, lr=0.1), {"maximize": True}),
        (lambda p: optim.Adam(p, lr=0.1), {"amsgrad": True}),
        (lambda p: optim.Adam(p, lr=0.1), {"eps": 0.5}),
        (lambda p: optim.Adam(p, lr=0.1), {"betas": (0.2, 0.3)}),
    ],
)
def test_changed_options_are_noticed(make: Callable[[Any], Any], change: dict[str, Any]) -> None:
    found = []
    for compiled in (False, True):
        model = network(ingot)
        optimiser = make(model.parameters())
        step = run(optimiser, model, 2, compiled)
        optimiser.param_groups[0].update(change)
        run(optimiser, model, 2, compiled, first=2, step=step)
        found.append(weights(model))
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def test_new_groups_and_cleared_state_are_noticed() -> None:
    found = []
    for compiled in (False, True):
        model = network(ingot)
        optimiser = optim.Adam(model[0].parameters(), lr=0.1)
        step = run(optimiser, model, 2, compiled)
        optimiser.add_param_group({"params": model[2].parameters(), "lr": 0.01})
        run(optimiser, model, 2, compiled, first=2, step=step)
        optimiser.state.clear()
        run(optimiser, model, 2, compiled, first=4, step=step)
        del optimiser.state[model[0].weight]
        run(optimiser, model, 2, compiled, first=6, step=step)
        found.append(weights(model))
    np.testing.assert_allclose(found[0], found[1], atol=2e-6)


def test_parameters_without_gradients_stay_and_do_not_count() -> None:
    counts = []
    for compiled in (False, True):
        model = network(ingot)
        optimiser = optim.Adam(model.parameters(), lr=0.1)
        last = weights(model[2])
        step = run(optimiser, model, 2, compiled)
        model[2].requires_grad_(False)
        last = weights(model[2])
        run(optimiser, model, 2, compiled, first=2, step=step)
        assert np.array_equal(weights(model[2]), last)
        model[2].requires_grad_(True)
        run(optimiser, model, 1, compiled, first=4, step=step)
        counts.append([optimiser.state[p]["step"].item() for p in model.parameters()])
    assert counts == [[5, 5, 3, 3]] * 2


def test_each_step_count_has_memory_of_its_own() -> None:
    model = network(ingot)
    optimiser = optim.Adam(model.parameters(), lr=0.1)
    step = run(optimiser, model, 2, True)
    first, second = (optimiser.state[p]["step"] for p in list(model.parameters())[:2])
    first.zero_()
    run(optimiser, model, 1, True, first=2, step=step)
    assert (first.item(), second.item()) == (1, 3)


def test_a_learning_rate_may_be_a_tensor() -> None:
    found = []
    for compiled in (False, True):
        model, rate = network(ingot), ingot.tensor(0.1)
        optimiser = optim.Adam(model.parameters(), lr=rate)
        step = run(optimiser, model, 2, compiled)
        rate.mul_(0.5)
        run(optimiser, model, 2, compiled, first=2, step=step)
        found.append(weights(model))
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_other_dtypes(dtype: str) -> None:
    found = []
    for compiled in (False, True):
        weight = nn.Parameter(ingot.ones(4, dtype=getattr(ingot, dtype)))
        optimiser = optim.Adam([weight], lr=0.125)

        def step(x: Any, weight: Any = weight, optimiser: Any = optimiser) -> None:
            optimiser.zero_grad()
            (weight * x).sum().backward()
            optimiser.step()

        call = ingot.jit(step) if compiled else step
        for _ in range(3):
            call(ingot.tensor([1.0, -2.0, 0.5, 3.0], dtype=weight.dtype))
        assert optimiser.state[weight]["exp_avg"].dtype is weight.dtype
        found.append(weight.detach().double().numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=2e-2 if dtype == "bfloat16" else 2e-3)


# ---- stepping


def test_closures_and_accumulated_gradients() -> None:
    weight = nn.Parameter(ingot.tensor([2.0]))
    optimiser = optim.SGD([weight], lr=0.25)

    def closure() -> Any:
        optimiser.zero_grad()
        loss = (weight * weight).sum()
        loss.backward()
        return loss

    with ingot.no_grad():
        assert optimiser.step(closure).item() == 4
    assert weight.item() == 1
    (weight * 1).sum().backward()
    assert weight.grad is not None and weight.grad.item() == 5
    optimiser.zero_grad(set_to_none=False)
    assert weight.grad.item() == 0


def test_zeroed_gradients_compiled() -> None:
    model = network(ingot)
    optimiser = optim.SGD(model.parameters(), lr=0.1, momentum=0.5)

    @ingot.jit
    def step(x: Any, y: Any) -> None:
        optimiser.zero_grad(set_to_none=False)
        functional.cross_entropy(model(x), y).backward()
        optimiser.step()

    other = network(ingot)
    run(optim.SGD(other.parameters(), lr=0.1, momentum=0.5), other, 4, False)
    run(optimiser, model, 4, True, step=step)
    np.testing.assert_allclose(weights(model), weights(other), atol=1e-6)


def test_a_whole_step_with_dropout_is_one_program() -> None:
    found = []
    for compiled in (False, True):
        ingot.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))
        optimiser = optim.AdamW(model.parameters(), lr=0.05)
        step = run(optimiser, model, 5, compiled)
        model.eval()
        run(optimiser, model, 2, compiled, first=5, step=step)
        model.train()
        run(optimiser, model, 2, compiled, first=7, step=step)
        found.append((weights(model), ingot.rand(2).tolist()))
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-5)
    assert found[0][1] == found[1][1]
    assert step.stats()["compiles"] == 2


class Lion(optim.Optimizer):
    """An optimiser as users write them for PyTorch. Chen et al. 2023."""

    def __init__(self, params: Any, lr: float = 1e-2, beta: float = 0.9, decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "beta": beta, "decay": decay})

    @ingot.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["moment"] = ingot.zeros_like(p)
                    state["count"] = ingot.tensor(0.0)
                state["count"] += 1
                moment = state["moment"]
                if group["decay"] != 0:
                    p.mul_(1 - group["lr"] * group["decay"])
                p.add_(ingot.sign(moment * group["beta"] + p.grad * (1 - group["beta"])), alpha=-group["lr"])
                moment.mul_(group["beta"]).add_(p.grad, alpha=1 - group["beta"])


def test_optimisers_written_for_pytorch_compile() -> None:
    found = []
    for compiled in (False, True):
        model = network(ingot)
        optimiser = Lion(model.parameters(), decay=0.1)
        step = run(optimiser, model, 2, compiled)
        optimiser.param_groups[0]["lr"] *= 0.5
        run(optimiser, model, 2, compiled, first=2, step=step)
        optimiser.param_groups[0]["beta"] = 0.5
        run(optimiser, model, 2, compiled, first=4, step=step)
        assert all(optimiser.state[p]["count"].item() == 6 for p in model.parameters())
        found.append(weights(model))
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def test_python_statements_that_compiled_code_would_not_repeat() -> None:
    model = network(ingot)
    optimiser = optim.SGD(model.parameters(), lr=0.1)

    @ingot.jit
    def step(x: Any, y: Any) -> None:
        functional.cross_entropy(model(x), y).backward()
        optimiser.step()
        optimiser.param_groups[0]["lr"] = 0.05

    with pytest.raises(TraceError, match=r"IG189.*'lr'[\s\S]*scheduler.step\(\)"):
        run(optimiser, model, 1, True, step=step)
    assert optimiser.param_groups[0]["lr"] == 0.1


def test_options_are_read_at_run_time_by_the_users_code_too() -> None:
    optimiser = optim.SGD([nn.Parameter(ingot.ones(1))], lr=0.5)
    group = optimiser.param_groups[0]
    read = ingot.jit(lambda x: x * group["lr"] + dict(group.items())["lr"] + group.get("lr"))
    assert read(ingot.ones(1)).item() == 1.5
    group["lr"] = 2
    assert read(ingot.ones(1)).item() == 6
    assert read.stats()["compiles"] == 1


def test_copies_are_independent() -> None:
    model = network(ingot)
    optimiser = optim.Adam(model.parameters(), lr=0.1)
    run(optimiser, model, 2, False)
    both = copy.deepcopy((model, optimiser))
    kept = weights(model)
    run(both[1], both[0], 2, True, first=2)
    assert np.array_equal(weights(model), kept)
    run(optimiser, model, 2, False, first=2)
    np.testing.assert_allclose(weights(both[0]), weights(model), atol=1e-6)
    again = pickle.loads(pickle.dumps(optimiser.param_groups[0]))
    assert type(again) is type(optimiser.param_groups[0]) and again["lr"] == 0.1


# ---- making them


def test_groups_names_and_text() -> None:
    model = network(ingot)
    optimiser = optim.SGD(
        [{"params": model[0].parameters(), "lr": 0.5}, {"params": [model[2].weight, model[2].bias]}],
        lr=0.1,
        momentum=0.9,
    )
    assert [g["lr"] for g in optimiser.param_groups] == [0.5, 0.1]
    assert [len(g["params"]) for g in optimiser.param_groups] == [2, 2]
    assert repr(optimiser).startswith("SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n")
    named = optim.SGD(model.named_parameters())
    assert named.param_groups[0]["param_names"] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert named.defaults["lr"] == 1e-3


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda p: optim.SGD([], lr=0.1), "IG261.*empty parameter list"),
        (lambda p: optim.SGD(p), "IG261.*iterable of Tensors"),
        (lambda p: optim.SGD([3]), "IG261.*one of the params is int"),
        (lambda p: optim.SGD([p * 2]), "IG261.*non-leaf"),
        (lambda p: optim.SGD([p, p]), "IG261.*twice"),
        (lambda p: optim.SGD([{"params": [p]}, {"params": [p]}]), "IG261.*more than one parameter group"),
        (lambda p: optim.SGD([{"params": {p}}]), "IG261.*ordered"),
        (lambda p: optim.SGD([p], lr=-1), "IG260.*learning rate: -1"),
        (lambda p: optim.SGD([p], nesterov=True), "IG260.*Nesterov"),
        (lambda p: optim.Adam([p], betas=(1.0, 0.9)), "IG260.*index 0: 1.0"),
        (lambda p: optim.Adam([p], eps=-1.0), "IG260.*epsilon"),
        (lambda p: optim.AdamW([p], weight_decay=-1.0), "IG260.*weight_decay"),
        (
            lambda p: optim.SGD([p]).load_state_dict({"state": {}, "param_groups": []}),
            "IG262.*different number of parameter groups",
        ),
        (
            lambda p: optim.SGD([p]).load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]}),
            "IG262.*size of optimizer's group",
        ),
    ],
)
def test_bad_arguments(make: Callable[[Any], Any], text: str) -> None:
    kinds = (ValueError, TypeError) if "IG261" in text else ValueError
    with pytest.raises(kinds, match=text):
        make(nn.Parameter(ingot.ones(2)))


def test_every_optimiser_is_under_test() -> None:
    ours = {name for name in vars(optim) if isinstance(getattr(optim, name), type)} - {"Optimizer"}
    assert ours == {name for name, _ in torch_modules.OPTIMISERS}
