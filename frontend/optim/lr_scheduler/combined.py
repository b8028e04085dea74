"""Schedules made of others."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from ingot.optim.lr_scheduler.base import LRScheduler, bad_option, check_untraced
from ingot.optim.lr_scheduler.plateau import ReduceLROnPlateau
from ingot.optim.optimizer import Optimizer


class _Combined(LRScheduler):
    """Holds other schedules of one optimiser, and saves them with itself."""

    _transient = ("optimizer", "_schedulers")
    _schedulers: list[Any]

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimiser; of schedules their state."""
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        rest = dict(state_dict)
        for scheduler, saved in zip(self._schedulers, rest.pop("_schedulers"), strict=True):
            scheduler.load_state_dict(saved)
        super().load_state_dict(rest)


def _check_owner(kind: str, schedulers: Sequence[Any], optimizer: Any) -> None:
    for i, scheduler in enumerate(schedulers):
        if not hasattr(scheduler, "optimizer"):
            raise TypeError(f"{kind}: the schedule at index {i}, a {type(scheduler).__name__}, has no optimizer")
        if scheduler.optimizer is not optimizer:
            raise bad_option(
                f"{kind} takes schedules of one optimizer: the {type(scheduler).__name__} at index {i} has another one"
            )


class SequentialLR(_Combined):
    """One schedule after another: the next one begins at each milestone."""

    def __init__(
        self, optimizer: Optimizer, schedulers: list[Any], milestones: list[int], last_epoch: int = -1
    ) -> None:
        if len(schedulers) < 1:
            raise bad_option("SequentialLR needs at least one schedule")
        for i, scheduler in enumerate(schedulers):
            if isinstance(scheduler, ReduceLROnPlateau):
                raise bad_option(f"SequentialLR cannot give ReduceLROnPlateau, at index {i}, the metric it needs")
        _check_owner("SequentialLR", schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise bad_option(
                f"SequentialLR needs one milestone less than schedules: {len(schedulers)} schedules, "
                f"{len(milestones)} milestones"
            )
        self._schedulers = list(schedulers)
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        # All schedules made their first step, each on top of the others: take that back, and begin with the first.
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        _rewind(self._schedulers)
        self._schedulers[0]._initial_step()
        self._last_lr = self._schedulers[0].get_last_lr()

    def _initial_step(self) -> None:
        # Within another one it begins with its second rates, as in PyTorch.
        self._advance(None)

    def step(self) -> None:  # type: ignore[override]
        """Go on to the next step."""
        self._advance(None)

    def _advance(self, epoch: int | None) -> None:
        check_untraced(self)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        index = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[index]
        if index > 0 and self._milestones[index - 1] == self.last_epoch:
            scheduler._advance(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


def _rewind(schedulers: Sequence[Any]) -> None:
    for scheduler in schedulers:
        inner = getattr(scheduler, "_schedulers", None)
        if inner is not None:
            _rewind(inner)
        elif hasattr(scheduler, "last_epoch"):
            scheduler.last_epoch -= 1


class ChainedScheduler(_Combined):
    """Several schedules at once: each changes the rates that the one before has set."""

    def __init__(self, schedulers: Sequence[Any], optimizer: Optimizer | None = None) -> None:
        if len(schedulers) < 1:
            raise bad_option("ChainedScheduler needs at least one schedule")
        optimizer = optimizer or schedulers[0].optimizer
        _check_owner("ChainedScheduler", schedulers, optimizer)
        for i, scheduler in enumerate(schedulers):
            if isinstance(scheduler, ReduceLROnPlateau):
                raise bad_option(f"ChainedScheduler cannot give ReduceLROnPlateau, at index {i}, the metric it needs")
        self._schedulers = list(schedulers)
        self.optimizer = optimizer
        self._last_lr = self._rates()

    def step(self) -> None:  # type: ignore[override]
        """Go on to the next step of all."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._rates()
