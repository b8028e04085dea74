"""Schedules of learning rates: under compiled steps, their warnings, saving and copies."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch_modules import network, training_step
from torch_values import classes, data

import ingot
from ingot import nn, optim
from ingot.optim import lr_scheduler
from ingot.runtime.errors import TraceError

MAKERS: list[Callable[[Any], Any]] = [
    lambda o: lr_scheduler.StepLR(o, 2),
    lambda o: lr_scheduler.OneCycleLR(o, 0.02, total_steps=10),
    lambda o: lr_scheduler.CyclicLR(o, 0.005, 0.02, step_size_up=3, base_momentum=0.3, max_momentum=0.7),
    lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3),
    lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.LinearLR(o), lr_scheduler.ExponentialLR(o, 0.9)], [4]),
]


def owner(rate: Any = 0.1) -> Any:
    """An optimiser of one parameter."""
    return optim.SGD([nn.Parameter(ingot.ones(2))], lr=rate, momentum=0.9)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "RMSprop"])
@pytest.mark.parametrize("make", MAKERS)
def test_schedules_change_what_compiled_steps_do(make: Callable[[Any], Any], kind: str) -> None:
    """Rates and momentum that a schedule sets are used at the next call, by the code that exists."""
    found = []
    for compiled in (False, True):
        model = network(ingot)
        options: dict[str, Any] = {} if kind == "Adam" else {"momentum": 0.5}
        optimizer = getattr(optim, kind)(model.parameters(), lr=0.01, **options)
        schedule = make(optimizer)
        step = training_step(ingot, model, optimizer)
        call: Any = ingot.jit(step) if compiled else step
        for i in range(9):
            call(data(ingot, 6, 8, seed=i), classes(ingot, 6, count=3, seed=i))
            schedule.step()
        found.append(np.concatenate([p.detach().numpy().ravel() for p in model.parameters()]))
    np.testing.assert_allclose(found[0], found[1], atol=2e-6)
    assert call.stats()["compiles"] == 1


def test_a_schedule_within_a_compiled_step_is_an_error() -> None:
    optimizer = owner()
    schedule = lr_scheduler.ExponentialLR(optimizer, 0.5)

    @ingot.jit
    def step() -> None:
        optimizer.param_groups[0]["params"][0].sum().backward()
        optimizer.step()
        schedule.step()

    with pytest.raises(TraceError, match="IG189"):
        step()
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_the_order_of_steps() -> None:
    optimizer = owner()
    schedule = lr_scheduler.StepLR(optimizer, 3)
    with pytest.warns(UserWarning, match="before optimizer.step"):
        schedule.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule.step()
        optimizer = owner()
        schedule = lr_scheduler.StepLR(optimizer, 3)
        optimizer.step()
        schedule.step()


def test_get_lr_is_not_for_users() -> None:
    optimizer = owner()
    schedule = lr_scheduler.StepLR(optimizer, 3)
    optimizer.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        schedule.get_lr()
    with pytest.warns(UserWarning, match="deprecated"):
        schedule.step(4)
    assert schedule.get_last_lr() == [pytest.approx(0.01)]


def test_rates_that_are_tensors_are_written_to() -> None:
    rate = ingot.tensor(0.5)
    optimizer = owner(rate)
    schedule = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] is rate and rate.item() == 0.25
    assert schedule.base_lrs[0].item() == 0.5


def test_schedules_of_the_users() -> None:
    class Halved(lr_scheduler.LRScheduler):
        """Half of the rate at every step."""

        def get_lr(self) -> list[Any]:
            return [base * 0.5**self.last_epoch for base in self.base_lrs]

    optimizer = owner()
    schedule = Halved(optimizer)
    optimizer.step()
    schedule.step()
    assert schedule.get_last_lr() == [0.05]


class Falling:
    """A function with state."""

    def __init__(self) -> None:
        self.factor = 0.5

    def __call__(self, step: float) -> float:
        return float(self.factor**step)


def test_callable_objects_are_saved() -> None:
    first, second = Falling(), Falling()
    first.factor = 0.25
    saved = lr_scheduler.LambdaLR(owner(), first).state_dict()
    assert saved["lr_lambdas"] == [{"factor": 0.25}]
    schedule = lr_scheduler.LambdaLR(owner(), second)
    schedule.load_state_dict(copy.deepcopy(saved))
    assert second.factor == 0.25
    cyclic = lr_scheduler.CyclicLR(owner(), 0.1, 0.2, scale_fn=first)
    assert cyclic.state_dict()["_scale_fn_custom"] == {"factor": 0.25}


@pytest.mark.parametrize("make", MAKERS)
def test_copies_and_pickles(make: Callable[[Any], Any]) -> None:
    optimizer = owner()
    schedule = make(optimizer)
    optimizer.step()
    schedule.step()
    for optimizer_, schedule_ in (
        copy.deepcopy((optimizer, schedule)),
        pickle.loads(pickle.dumps((optimizer, schedule))),
    ):
        assert schedule_.optimizer is optimizer_
        schedule_.step()
        assert optimizer_.param_groups[0]["lr"] == schedule_.get_last_lr()[0]
    assert optimizer.param_groups[0]["lr"] == schedule.get_last_lr()[0]


def test_batch_statistics_are_computed_anew() -> None:
    class Counted(nn.Module):
        """Running statistics as batch normalisation keeps them."""

        running_mean: Any

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("running_mean", ingot.ones(2))
            self.momentum: float | None = 0.1
            self.batches = 0

        def reset_running_stats(self) -> None:
            self.running_mean.zero_()
            self.batches = 0

        def forward(self, x: Any) -> Any:
            assert self.training and self.momentum is None
            self.batches += 1
            self.running_mean += (x.mean(0) - self.running_mean) / self.batches
            return x

    layer = Counted()
    layer.eval()
    batches = [(ingot.full((3, 2), float(i)), i) for i in range(3)]
    optim.swa_utils.update_bn(batches, layer)
    assert layer.running_mean.tolist() == [1.0, 1.0] and layer.momentum == 0.1 and not layer.training
