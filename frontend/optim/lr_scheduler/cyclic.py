"""Cycles of learning rates and momentum. Smith 2015; Smith & Topin 2017 (one cycle)."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

from ingot.optim.lr_scheduler.base import LRScheduler, bad_option, per_group, set_option
from ingot.optim.optimizer import Optimizer


def _uses_beta1(optimizer: Optimizer) -> bool:
    """Whether momentum is the first of "betas". Raises SpecError (IG260) for an optimiser without momentum."""
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise bad_option(f"cycle_momentum needs an optimiser with momentum or betas, which {type(optimizer)} has not")
    return "betas" in optimizer.defaults


def _set_momentum(group: Any, value: Any, use_beta1: bool) -> None:
    if use_beta1:
        group["betas"] = (value, *group["betas"][1:])
    else:
        set_option(group, "momentum", value)


class CyclicLR(LRScheduler):
    """Up from base_lr to max_lr in step_size_up steps, and down again; momentum goes the other way."""

    _transient = ("optimizer", "_scale_fn_custom")

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        groups = optimizer.param_groups
        base_lrs = per_group(optimizer, "base_lr", base_lr)
        if last_epoch == -1:
            for rate, group in zip(base_lrs, groups, strict=True):
                set_option(group, "lr", rate)
        self.max_lrs = per_group(optimizer, "max_lr", max_lr)
        up = float(step_size_up)
        down = up if step_size_down is None else float(step_size_down)
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise bad_option(f"mode must be 'triangular', 'triangular2' or 'exp_range' without scale_fn, not {mode!r}")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _uses_beta1(optimizer)
            self.base_momentums = per_group(optimizer, "base_momentum", base_momentum)
            self.max_momentums = per_group(optimizer, "max_momentum", max_momentum)
            if last_epoch == -1:
                for high, low, group in zip(self.max_momentums, self.base_momentums, groups, strict=True):
                    _set_momentum(group, high, self.use_beta1)
                    group["max_momentum"] = high
                    group["base_momentum"] = low
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """How high a cycle is, by its number or that of the step."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular2":
            return float(1 / 2.0 ** (x - 1))
        return float(self.gamma**x) if self.mode == "exp_range" else 1.0

    def get_lr(self) -> list[Any]:
        """base + height of this step; momentum is set by the way."""
        self._note_use()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        place = 1.0 + self.last_epoch / self.total_size - cycle
        share = place / self.step_ratio if place <= self.step_ratio else (place - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        rates = [base + (high - base) * share * scale for base, high in zip(self.base_lrs, self.max_lrs, strict=True)]
        if self.cycle_momentum:
            for group, low, high in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                _set_momentum(group, high - (high - low) * share * scale, self.use_beta1)
        return rates

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimiser; of scale_fn the attributes of a callable object."""
        custom = self._scale_fn_custom
        saved = None if custom is None or isinstance(custom, types.FunctionType) else vars(custom).copy()
        return {**super().state_dict(), "_scale_fn_custom": saved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave; scale_fn stays."""
        rest = dict(state_dict)
        saved = rest.pop("_scale_fn_custom", None)
        if saved is not None:
            vars(self._scale_fn_custom).update(saved)
        super().load_state_dict(rest)


class OneCycleLR(LRScheduler):
    """Up to max_lr in the first pct_start of all steps, then down to nearly 0; momentum goes the other way."""

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise bad_option(f"pct_start must be a float between 0 and 1, but is {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise bad_option(f"anneal_strategy must be 'cos' or 'linear', not {anneal_strategy!r}")
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        self._anneal_func_type = anneal_strategy
        highest = per_group(optimizer, "max_lr", max_lr)
        groups = optimizer.param_groups
        if last_epoch == -1:
            for high, group in zip(highest, groups, strict=True):
                group["initial_lr"] = high / div_factor
                group["max_lr"] = high
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _uses_beta1(optimizer)
            high_momentums = per_group(optimizer, "max_momentum", max_momentum)
            low_momentums = per_group(optimizer, "base_momentum", base_momentum)
            if last_epoch == -1:
                for high, low, group in zip(high_momentums, low_momentums, groups, strict=True):
                    _set_momentum(group, high, self.use_beta1)
                    group["max_momentum"] = high
                    group["base_momentum"] = low
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, share: float) -> float:
        if self._anneal_func_type == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)

    def get_lr(self) -> list[Any]:
        """Within the present phase; momentum is set by the way. Raises SpecError (IG260) after the last step."""
        self._note_use()
        number = self.last_epoch
        if number > self.total_steps:
            raise bad_option(f"step {number} of a schedule of {self.total_steps} steps")
        rates = []
        for group in self.optimizer.param_groups:
            start = 0.0
            for i, phase in enumerate(self._schedule_phases):
                end = phase["end_step"]
                if number <= end or i == len(self._schedule_phases) - 1:
                    share = (number - start) / (end - start)
                    rates.append(self._between(group[phase["start_lr"]], group[phase["end_lr"]], share))
                    if self.cycle_momentum:
                        ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                        _set_momentum(group, self._between(*ends, share), self.use_beta1)
                    break
                start = end
        return rates


def _total_steps(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    given = {"total_steps": total_steps}
    if total_steps is None:
        given = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    if None in given.values():
        raise bad_option("either total_steps or both epochs and steps_per_epoch must be given")
    product = 1
    for name, value in given.items():
        if not isinstance(value, int) or value <= 0:
            raise bad_option(f"{name} must be a positive integer, but is {value}")
        product *= value
    return product


def _phases(total: int, pct_start: float, three_phase: bool) -> list[dict[str, Any]]:
    """Where each phase ends, and between which options of the group it leads."""
    up = {"start_lr": "initial_lr", "end_lr": "max_lr"}
    up |= {"start_momentum": "max_momentum", "end_momentum": "base_momentum"}
    back = {"start_momentum": "base_momentum", "end_momentum": "max_momentum"}
    first = {"end_step": float(pct_start * total) - 1, **up}
    if not three_phase:
        return [first, {"end_step": total - 1, "start_lr": "max_lr", "end_lr": "min_lr", **back}]
    flat = {"start_momentum": "max_momentum", "end_momentum": "max_momentum"}
    return [
        first,
        {"end_step": float(2 * pct_start * total) - 2, "start_lr": "max_lr", "end_lr": "initial_lr", **back},
        {"end_step": total - 1, "start_lr": "initial_lr", "end_lr": "min_lr", **flat},
    ]
