"""Optimisers: PyTorch's numbers, one program per training step, schedules without recompilation, state."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch_golden
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


# ---- all of them

ALL: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.1, weight_decay=0.01),
    "Adam": lambda p: optim.Adam(p, lr=0.01, weight_decay=0.01),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.005, momentum=0.5, centered=True, weight_decay=0.01),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.05, lr_decay=0.01, weight_decay=0.01),
    "Adadelta": lambda p: optim.Adadelta(p, weight_decay=0.01),
    "Adamax": lambda p: optim.Adamax(p, lr=0.01, weight_decay=0.01),
    "NAdam": lambda p: optim.NAdam(p, lr=0.01, weight_decay=0.01),
    "RAdam": lambda p: optim.RAdam(p, lr=0.01, weight_decay=0.01),
    "ASGD": lambda p: optim.ASGD(p, lr=0.05, t0=3, weight_decay=0.01),
    "Rprop": lambda p: optim.Rprop(p, lr=0.005),
    "Adafactor": lambda p: optim.Adafactor(p, lr=0.01, weight_decay=0.01),
    "Muon": lambda p: optim.Muon([q for q in p if q.ndim == 2], lr=0.01),
}
EVERY = pytest.mark.parametrize("name", list(ALL))
# How a training step runs: on arrays, as one program, and with eager steps compiled from the first one on.
WAYS = ("arrays", "compiled", "eager code")


def made(name: str, params: Any, way: str) -> Any:
    """An optimiser whose eager steps run on arrays or compiled."""
    optimiser = ALL[name](params)
    optimiser._spent = 1e18 if way == "eager code" else -np.inf
    return optimiser


def test_every_optimiser_is_under_test() -> None:
    ours = {name for name in vars(optim) if isinstance(getattr(optim, name), type)} - {"Optimizer"}
    assert ours == {*ALL, "LBFGS"}


@EVERY
def test_ways_to_run_agree_while_everything_changes(name: str) -> None:
    """Options, groups, gradients that are missing, state that is cleared or saved and loaded."""
    found = []
    for way in WAYS:
        model = network(ingot)
        model[2].requires_grad_(False)
        model[0].bias.requires_grad_(name != "Muon")
        optimiser = made(name, list(model[0].parameters()), way)
        compiled = way == "compiled"
        step = run(optimiser, model, 3, compiled)
        group = optimiser.param_groups[0]
        for key in type(optimiser).run_time:
            value = group[key]
            group[key] = tuple([0.9 * v if v else v for v in value]) if isinstance(value, tuple) else 0.9 * value
        run(optimiser, model, 3, compiled, first=3, step=step)
        if compiled:
            assert step.stats()["compiles"] == 1
        optimiser.add_param_group({"params": [model[2].weight.requires_grad_()]})
        run(optimiser, model, 2, compiled, first=6, step=step)
        model[0].weight.requires_grad_(False)
        run(optimiser, model, 2, compiled, first=8, step=step)
        model[0].weight.requires_grad_(True)
        run(optimiser, model, 2, compiled, first=10, step=step)
        optimiser.state.clear()
        run(optimiser, model, 2, compiled, first=12, step=step)
        saved = copy.deepcopy(optimiser.state_dict())
        run(optimiser, model, 2, compiled, first=14, step=step)
        optimiser.load_state_dict(saved)
        run(optimiser, model, 2, compiled, first=16, step=step)
        found.append([weights(model), *state_of(optimiser)])
    for other in found[1:]:
        for ours, theirs in zip(found[0], other, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=0.02 if name == "Muon" else 2e-5)


def state_of(optimiser: Any) -> list[Any]:
    """Everything that is kept, in order."""
    saved = optimiser.state_dict()["state"]
    return [np.asarray(saved[i][key].numpy()) for i in sorted(saved) for key in sorted(saved[i])]


@EVERY
@pytest.mark.parametrize("way", WAYS)
def test_other_memory_is_noticed(name: str, way: str) -> None:
    """Parameters and state whose memory is replaced, or lies with steps between its elements."""
    found = []
    for moved in (False, True):
        room = ingot.zeros(6, 8)
        weight = nn.Parameter(room[:, ::2] if moved else ingot.zeros(6, 4))
        with ingot.no_grad():
            weight.copy_(data(ingot, 6, 4))
        optimiser = made(name, [weight], way)

        def step(x: Any, weight: Any = weight, optimiser: Any = optimiser) -> None:
            optimiser.zero_grad()
            ((weight @ x) ** 2).sum().backward()
            optimiser.step()

        call: Any = ingot.jit(step) if way == "compiled" else step
        for i in range(6):
            call(data(ingot, 4, 3, seed=i))
            if moved and i == 2:
                weight.data = weight.data.clone()
            if moved and i == 3:
                for key, value in list(optimiser.state[weight].items()):
                    optimiser.state[weight][key] = value.clone()
        found.append(weight.detach().numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=0.02 if name == "Muon" else 1e-6)


@EVERY
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_each_in_other_dtypes(name: str, dtype: str) -> None:
    found = []
    for way in WAYS:
        weight = nn.Parameter(data(ingot, 4, 3).to(getattr(ingot, dtype)))
        optimiser = made(name, [weight], way)

        def step(x: Any, weight: Any = weight, optimiser: Any = optimiser) -> None:
            optimiser.zero_grad()
            ((weight * x) ** 2).sum().backward()
            optimiser.step()

        call: Any = ingot.jit(step) if way == "compiled" else step
        for i in range(4):
            call(data(ingot, 4, 3, seed=i).to(weight.dtype))
        kept = optimiser.state[weight]
        assert all(kept[key].dtype is weight.dtype for key in kept if kept[key].ndim)
        found.append(weight.detach().double().numpy())
    tolerance = {"float16": 4e-3, "bfloat16": 3e-2, "float64": 1e-6}[dtype]
    for other in found[1:]:
        np.testing.assert_allclose(found[0], other, rtol=tolerance, atol=0.05 if name == "Muon" else tolerance)


@EVERY
def test_each_is_copied_and_pickled(name: str) -> None:
    model = network(ingot)
    optimiser = made(name, list(model.parameters()), "eager code")
    run(optimiser, model, 2, False)
    handle = optimiser.register_step_post_hook(lambda *_: None)
    both = [copy.deepcopy((model, optimiser)), pickle.loads(pickle.dumps((model, optimiser)))]
    handle.remove()
    run(optimiser, model, 2, False, first=2)
    for model_, optimiser_ in both:
        assert repr(optimiser_) == repr(optimiser)
        run(optimiser_, model_, 2, False, first=2)
        np.testing.assert_allclose(weights(model_), weights(model), atol=0.02 if name == "Muon" else 1e-6)


@EVERY
def test_compiled_eager_steps_let_go(name: str) -> None:
    model = network(ingot)
    optimiser = made(name, list(model.parameters()), "eager code")
    run(optimiser, model, 3, False)
    assert (optimiser._code is None) != optimiser.rounds_alike
    gone = weakref.ref(optimiser)
    del optimiser
    gc.collect()
    assert gone() is None


def test_eager_steps_are_compiled_when_they_have_cost_enough() -> None:
    large, small = nn.Parameter(ingot.zeros(1000, 1000)), nn.Parameter(ingot.zeros(2))
    for parameter, steps in ((large, 5), (small, 700)):
        parameter.grad = ingot.ones_like(parameter)
        optimiser = optim.Adam([parameter])
        count = 0
        while optimiser._code is None:
            optimiser.step()
            count += 1
        assert steps / 2 < count < 2 * steps
        assert optimiser.state[parameter]["step"].item() == count


@EVERY
def test_compiled_eager_steps_round_as_those_on_arrays(name: str) -> None:
    found = []
    for way in ("arrays", "eager code"):
        model = network(ingot)
        optimiser = made(name, list(model.parameters()), way)
        run(optimiser, model, 6, False)
        found.append(weights(model))
    if optimiser.rounds_alike:
        np.testing.assert_array_equal(found[0], found[1])
    else:
        # Left alone, they are never compiled, so that training continues from a checkpoint with the same bits.
        assert getattr(optim, name)([nn.Parameter(ingot.ones(2, 2))])._price == float("inf")


def test_steps_of_many_kinds_stay_on_arrays() -> None:
    params = [nn.Parameter(ingot.ones(2)) for _ in range(8)]
    optimiser = made("SGD", params, "eager code")
    for p in params:
        p.grad = ingot.ones(2)
        optimiser.step()
    assert optimiser._code is None
    expected = made("SGD", [nn.Parameter(ingot.ones(2)) for _ in range(8)], "arrays")
    for p in expected.param_groups[0]["params"]:
        p.grad = ingot.ones(2)
        expected.step()
    for ours, theirs in zip(params, expected.param_groups[0]["params"], strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), atol=1e-6)


# ---- what steps refuse


@pytest.mark.parametrize("compiled", [False, True])
def test_steps_that_cannot_be_made(compiled: bool) -> None:
    weight = nn.Parameter(ingot.ones(2))
    weight.grad = ingot.ones(2)
    differentiable = optim.SGD([weight], differentiable=True)
    call: Any = ingot.jit(lambda: differentiable.step()) if compiled else differentiable.step
    with pytest.raises(ValueError, match="IG395"):
        call()
    searching = optim.LBFGS([weight], line_search_fn="armijo")

    def closure() -> Any:
        loss = (weight * weight).sum()
        loss.backward()
        return loss

    call = ingot.jit(lambda: searching.step(closure)) if compiled else lambda: searching.step(closure)
    with pytest.raises(RuntimeError, match="IG398"):
        call()


def test_expanded_parameters_are_refused() -> None:
    weight = nn.Parameter(ingot.ones(1).expand(3))
    weight.grad = ingot.ones(3)
    with pytest.raises(RuntimeError, match="IG212"):
        optim.SGD([weight], lr=0.1).step()


def test_compiled_closures_in_lbfgs() -> None:
    found = []
    for compiled in (False, True):
        weight = nn.Parameter(ingot.tensor([2.0, -1.0]))
        optimiser = optim.LBFGS([weight], lr=0.5, line_search_fn="strong_wolfe")

        def closure(weight: Any = weight, optimiser: Any = optimiser) -> Any:
            optimiser.zero_grad()
            loss = ((weight - 1) ** 4).sum() + (weight[0] * weight[1]) ** 2
            loss.backward()
            return loss.detach()

        call: Any = ingot.jit(closure) if compiled else closure
        found.append([optimiser.step(call).item() for _ in range(3)] + weight.tolist())
        # The steps change state that the closure does not look at.
        assert not compiled or call.stats()["compiles"] == 1
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3, atol=1e-5)


def test_hooks_of_one_and_of_all() -> None:
    seen: list[str] = []
    weight = nn.Parameter(ingot.ones(1))
    optimiser = Lion([weight])
    handles = [
        optim.optimizer.register_optimizer_step_pre_hook(lambda o, a, k: seen.append("all before")),
        optimiser.register_step_pre_hook(lambda o, a, k: seen.append("before")),
        optimiser.register_step_post_hook(lambda o, a, k: seen.append("after")),
        optim.optimizer.register_optimizer_step_post_hook(lambda o, a, k: seen.append("all after")),
    ]
    optimiser.step()
    assert seen == ["all before", "before", "after", "all after"]
    for handle in handles:
        handle.remove()
    optimiser.step()
    assert len(seen) == 4

    class Twice(optim.SGD):
        """A step around the step of its base."""

        def step(self, closure: Any = None) -> Any:
            return super().step(closure)

    twice = Twice([weight], lr=0.1)
    twice.register_step_post_hook(lambda o, a, k: seen.append("twice"))
    twice.step()
    assert seen[4:] == ["twice"]


def test_a_function_that_only_clears_gradients_does_not_depend_on_the_state() -> None:
    model, x = nn.Linear(3, 1), ingot.randn(4, 3)
    optimiser = optim.Adam(model.parameters(), lr=0.01)

    @ingot.jit
    def gradients(x: Any) -> Any:
        optimiser.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        return loss

    for _ in range(4):
        gradients(x)
        optimiser.step()
    assert gradients.stats()["compiles"] == 1
    optimiser.add_param_group({"params": [nn.Parameter(ingot.ones(1))]})
    gradients(x)
    assert gradients.stats()["compiles"] == 2
