"""What all schedules of learning rates share."""

from __future__ import annotations

import types
import warnings
from typing import Any

from ingot.core import is_tensor
from ingot.modes import modes
from ingot.optim.optimizer import Optimizer
from ingot.runtime.errors import DTypeError, SpecError, TraceError, UnknownNameError
from ingot.source_lines import user_line


class LRScheduler:
    """Sets the learning rate of every parameter group at each `step()`, from the number of steps so far.

    A subclass defines get_lr(), which gives the rates of step `self.last_epoch` from the present ones, and if there is
    one the closed form `_get_closed_form_lr()`, from `self.base_lrs`.
    """

    # Attributes that `state_dict` leaves out.
    _transient: tuple[str, ...] = ("optimizer",)

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _copied(group["lr"]))
            elif "initial_lr" not in group:
                raise MissingOptionError(
                    "IG397",
                    f"param 'initial_lr' is not specified in param_groups[{i}], which a schedule that is resumed with "
                    f"last_epoch={last_epoch} needs",
                    where=user_line(),
                    fix="optimizer.load_state_dict(...) before the schedule is made, or scheduler.load_state_dict(...)",
                )
        self.base_lrs: list[Any] = [_copied(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._is_initial = False
        self._get_lr_called_within_step = False
        self._last_lr: list[Any] = []
        self._initial_step()

    def _initial_step(self) -> None:
        """The rates of the first step."""
        self._is_initial = True
        try:
            self._advance(None)
        finally:
            self._is_initial = False
        self._step_count = 1

    # ---- stepping

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next step, after optimizer.step(); or to step `epoch`."""
        if self._step_count == 1 and self.optimizer._hooks.steps == 0:
            warnings.warn(
                "lr_scheduler.step() was called before optimizer.step(): the first learning rate of the schedule is "
                "skipped. Call optimizer.step() first.",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is not None:
            warnings.warn(
                "scheduler.step(epoch) is deprecated: use scheduler.step(), which counts by itself",
                UserWarning,
                stacklevel=2,
            )
        self._advance(epoch)

    def _advance(self, epoch: int | None) -> None:
        """Set the rates of the next step, or of step `epoch`, by the closed form if there is one."""
        check_untraced(self)
        self._get_lr_called_within_step = True
        try:
            if epoch is None:
                self.last_epoch += 1
                rates = self.get_lr()
            else:
                self.last_epoch = epoch
                closed_form = getattr(self, "_get_closed_form_lr", None)
                rates = self.get_lr() if closed_form is None else closed_form()
        finally:
            self._get_lr_called_within_step = False
        self._set_rates(rates)

    def _set_rates(self, rates: list[Any]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            set_option(group, "lr", rate)
        self._last_lr = self._rates()

    def _rates(self) -> list[Any]:
        """The present learning rates."""
        return [_copied(group["lr"]) for group in self.optimizer.param_groups]

    def _note_use(self) -> None:
        """get_lr() from outside would give the rates of a step that is not the present one."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                "get_lr() computes the next rates from the present ones; get_last_lr() gives the present ones",
                UserWarning,
                stacklevel=3,
            )

    def get_last_lr(self) -> list[Any]:
        """The learning rates that the last step set, one per group."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The learning rates of step `last_epoch`."""
        raise TypeError(f"{type(self).__name__} defines no get_lr()")

    # ---- state

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimiser."""
        return {key: value for key, value in vars(self).items() if key not in self._transient}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        vars(self).update(state_dict)


class MissingOptionError(UnknownNameError, KeyError):
    """An option that a parameter group does not have; a KeyError because PyTorch raises that."""

    __str__ = UnknownNameError.__str__


def check_optimizer(optimizer: Any) -> None:
    """Raises DTypeError (IG397) for what is no optimiser."""
    if not isinstance(optimizer, Optimizer):
        raise DTypeError("IG397", f"{type(optimizer).__name__} is not an Optimizer", where=user_line())


def check_untraced(scheduler: LRScheduler) -> None:
    """Raises TraceError (IG189) inside a compiled function."""
    if modes.trace is not None:
        raise TraceError(
            "IG189",
            f"a {type(scheduler).__name__} made a step while a function was traced",
            where=user_line(),
            detail=["compiled code does not run the Python statement again"],
            fix="scheduler.step() after the compiled function, which reads learning rates at every call",
        )


def bad_option(what: str) -> SpecError:
    """The error for a number outside its range."""
    return SpecError("IG260", what, where=user_line())


def set_option(group: Any, key: str, value: Any) -> None:
    """Set an option; one that is a tensor is written to."""
    present = group[key]
    if is_tensor(present):
        present.fill_(float(value))
    else:
        group[key] = value


def _copied(value: Any) -> Any:
    return value.clone() if is_tensor(value) else value


def per_group(optimizer: Optimizer, name: str, value: Any) -> list[Any]:
    """One value per parameter group. Raises SpecError (IG260) for another number of values."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise bad_option(
            f"{name} must have the same length as optimizer.param_groups: {len(value)} values for {count} groups"
        )
    return list(value)


def function_state(function: Any) -> Any:
    """What is saved of a callable: the attributes of an object, nothing of a plain function."""
    return None if isinstance(function, (types.FunctionType, types.BuiltinFunctionType)) else vars(function).copy()
