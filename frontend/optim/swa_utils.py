"""Averages of models over training. Izmailov et al. 2018 (stochastic weight averaging)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

from ingot.creation import tensor
from ingot.modes import no_grad
from ingot.nn.module import Module
from ingot.optim.lr_scheduler.base import LRScheduler, bad_option, per_group
from ingot.optim.optimizer import Optimizer
from ingot.tensor import Tensor

Average = Callable[[Any, Any, Any], Any]
ManyAverages = Callable[[Any, Any, Any], None]


def get_swa_avg_fn() -> Average:
    """The plain average: f(averaged, new, how many so far)."""

    @no_grad()
    def average(averaged: Any, new: Any, count: Any) -> Any:
        return averaged + (new - averaged) / (count + 1)

    return average


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The average with weights that fall by `decay`. Raises SpecError (IG260) unless it lies in [0, 1]."""
    _check_decay(decay)

    @no_grad()
    def average(averaged: Any, new: Any, count: Any) -> Any:
        return decay * averaged + (1 - decay) * new

    return average


def get_swa_multi_avg_fn() -> ManyAverages:
    """As get_swa_avg_fn, for lists of tensors, in place."""
    return _each(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> ManyAverages:
    """As get_ema_avg_fn, for lists of tensors, in place."""
    return _each(get_ema_avg_fn(decay))


def _each(average: Average) -> ManyAverages:
    @no_grad()
    def averages(averaged: Any, new: Any, count: Any) -> None:
        for a, b in zip(averaged, new, strict=True):
            a.copy_(average(a, b, count) if a.is_floating_point() else b)

    return averages


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise bad_option(f"decay must lie in [0, 1], but is {decay}")


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's at each `update_parameters`.

    `avg_fn(averaged, new, count)`: how one parameter is averaged; `multi_avg_fn`: how lists of them are, in place.
    `use_buffers`: buffers are averaged too; otherwise they are copied.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: ManyAverages | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise bad_option("avg_fn and multi_avg_fn cannot be given both")
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", tensor(0))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model gives."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's present parameters into the averages."""
        pairs = list(zip(_held(self.module, self.use_buffers), _held(model, self.use_buffers), strict=True))
        with no_grad():
            if int(self.n_averaged) == 0:
                for averaged, new in pairs:
                    averaged.copy_(new)
            elif self.multi_avg_fn is not None or self.avg_fn is None:
                averages = self.multi_avg_fn or get_swa_multi_avg_fn()
                averages([a for a, _ in pairs], [b.detach() for _, b in pairs], self.n_averaged)
            else:
                for averaged, new in pairs:
                    averaged.copy_(self.avg_fn(averaged.detach(), new.detach(), self.n_averaged))
            if not self.use_buffers:
                for kept, new in zip(self.module.buffers(), model.buffers(), strict=True):
                    kept.copy_(new)
            self.n_averaged.add_(1)


def _held(model: Module, use_buffers: bool) -> list[Any]:
    return [*model.parameters(), *model.buffers()] if use_buffers else list(model.parameters())


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of batch normalisations anew, from the batches of a loader.

    A batch that is a list or tuple has the input first.
    """
    layers = [m for m in model.modules() if hasattr(m, "running_mean") and hasattr(m, "momentum")]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    before = model.training
    model.train()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    for batch in loader:
        model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.train(before)


class SWALR(LRScheduler):
    """From the present learning rates to swa_lr in anneal_epochs steps, and constant from then on."""

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for rate, group in zip(per_group(optimizer, "swa_lr", swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise bad_option(f"anneal_strategy must be 'cos' or 'linear', not {anneal_strategy!r}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise bad_option(f"anneal_epochs must be an integer from 0 on, but is {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How far step is on the way."""
        t = max(0, min(1, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[Any]:
        """From the present rates, so that the rates of the way's start need not be known."""
        self._note_use()
        step = max(1, self.last_epoch) if self.anneal_epochs == 0 else self.last_epoch
        before, now = self._share(max(0, step - 1)), self._share(max(0, step))
        rates = []
        for group in self.optimizer.param_groups:
            goal, rate = group["swa_lr"], group["lr"]
            start = goal if before == 1 else (rate - before * goal) / (1 - before)
            rates.append(goal * now + start * (1 - now))
        return rates
