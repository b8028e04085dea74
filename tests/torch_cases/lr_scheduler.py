"""Schedules of learning rates: 50 steps each, state as it is saved, resuming, and mistakes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from peer import Case

SCHEDULES: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("LambdaLR", lambda S, o: S.LambdaLR(o, lambda e: 0.95**e)),
    ("LambdaLR list", lambda S, o: S.LambdaLR(o, [lambda e: 0.95**e, lambda e: 1 / (1 + e)])),
    ("MultiplicativeLR", lambda S, o: S.MultiplicativeLR(o, lambda e: 0.9 + 0.001 * e)),
    ("StepLR", lambda S, o: S.StepLR(o, 7, gamma=0.3)),
    ("MultiStepLR", lambda S, o: S.MultiStepLR(o, [3, 10, 10, 30], gamma=0.5)),
    ("ConstantLR", lambda S, o: S.ConstantLR(o, factor=0.25, total_iters=9)),
    ("ConstantLR defaults", lambda S, o: S.ConstantLR(o)),
    ("LinearLR", lambda S, o: S.LinearLR(o, start_factor=0.2, end_factor=0.9, total_iters=12)),
    ("LinearLR defaults", lambda S, o: S.LinearLR(o)),
    ("ExponentialLR", lambda S, o: S.ExponentialLR(o, 0.93)),
    ("PolynomialLR", lambda S, o: S.PolynomialLR(o, total_iters=20, power=2.0)),
    ("PolynomialLR defaults", lambda S, o: S.PolynomialLR(o)),
    ("CosineAnnealingLR", lambda S, o: S.CosineAnnealingLR(o, 13, eta_min=0.001)),
    ("CosineAnnealingLR long", lambda S, o: S.CosineAnnealingLR(o, 100)),
    ("CosineAnnealingWarmRestarts", lambda S, o: S.CosineAnnealingWarmRestarts(o, 7, eta_min=0.01)),
    ("CosineAnnealingWarmRestarts growing", lambda S, o: S.CosineAnnealingWarmRestarts(o, 5, T_mult=2)),
    ("CyclicLR", lambda S, o: S.CyclicLR(o, 0.01, 0.3, step_size_up=8)),
    ("CyclicLR lists", lambda S, o: S.CyclicLR(o, [0.01, 0.02], [0.3, 0.1], 6, 9, mode="triangular2")),
    ("CyclicLR exp_range", lambda S, o: S.CyclicLR(o, 0.01, 0.3, 5, mode="exp_range", gamma=0.98)),
    ("CyclicLR scale_fn", lambda S, o: S.CyclicLR(o, 0.01, 0.3, 5, scale_fn=lambda x: 1 / x, cycle_momentum=False)),
    ("OneCycleLR", lambda S, o: S.OneCycleLR(o, 0.5, total_steps=60)),
    ("OneCycleLR epochs", lambda S, o: S.OneCycleLR(o, [0.5, 0.2], epochs=6, steps_per_epoch=10, pct_start=0.4)),
    (
        "OneCycleLR three phases",
        lambda S, o: S.OneCycleLR(o, 0.5, 55, anneal_strategy="linear", three_phase=True, div_factor=10.0),
    ),
    ("OneCycleLR rates alone", lambda S, o: S.OneCycleLR(o, 0.5, 55, cycle_momentum=False, final_div_factor=100.0)),
    (
        "SequentialLR",
        lambda S, o: S.SequentialLR(
            o, [S.LinearLR(o, 0.1, total_iters=5), S.StepLR(o, 4), S.CosineAnnealingLR(o, 20)], [6, 20]
        ),
    ),
    (
        "SequentialLR of SequentialLR",
        lambda S, o: S.SequentialLR(
            o,
            [S.SequentialLR(o, [S.ExponentialLR(o, 0.9), S.ExponentialLR(o, 0.8)], [5]), S.ConstantLR(o, 0.1, 4)],
            [8],
        ),
    ),
    ("ChainedScheduler", lambda S, o: S.ChainedScheduler([S.ConstantLR(o, 0.1, 4), S.ExponentialLR(o, 0.9)])),
    (
        "ChainedScheduler many",
        lambda S, o: S.ChainedScheduler(
            [S.LinearLR(o), S.StepLR(o, 9), S.CosineAnnealingLR(o, 25), S.PolynomialLR(o, 60), S.MultiStepLR(o, [3])],
            optimizer=o,
        ),
    ),
]


def owner(T: Any, kind: str = "SGD") -> Any:
    """An optimiser with two groups."""
    first, second = T.nn.Parameter(T.ones(2)), T.nn.Parameter(T.ones(3))
    options: dict[str, Any] = {"momentum": 0.9} if kind == "SGD" else {}
    return getattr(T.optim, kind)([{"params": [first]}, {"params": [second], "lr": 0.3}], lr=0.1, **options)


def followed(T: Any, optimizer: Any, schedule: Any, steps: int = 50) -> list[Any]:
    """The numbers that a schedule sets over some steps."""
    found: list[Any] = [list(schedule.get_last_lr())]
    for _ in range(steps):
        optimizer.step()
        schedule.step()
        found.append([list(schedule.get_last_lr()), schedule_options(optimizer)])
    return found


def schedule_options(optimizer: Any) -> list[Any]:
    """What schedules change."""
    keys = ("lr", "momentum", "betas", "initial_lr", "max_lr", "min_lr", "swa_lr")
    return [[key, group[key]] for group in optimizer.param_groups for key in keys if key in group]


def schedule_cases() -> Iterator[Case]:
    """Every schedule: 50 steps, saved and loaded half-way, and resumed by last_epoch."""
    plain: dict[str, Any] = {"grad": False, "layouts": False, "jit": False, "dtypes": ("float64",)}
    swa: list[tuple[str, Callable[[Any, Any], Any]]] = [
        ("SWALR", lambda S, o: S.SWALR(o, [0.05, 0.2], anneal_epochs=7)),
        ("SWALR linear", lambda S, o: S.SWALR(o, 0.01, anneal_strategy="linear")),
        ("SWALR at once", lambda S, o: S.SWALR(o, 0.01, anneal_epochs=0)),
    ]
    for name, make in [*SCHEDULES, *swa]:
        place = "swa_utils" if name.startswith("SWALR") else "lr_scheduler"

        def run(T: Any, make: Any = make, kind: str = "SGD", place: str = place) -> Any:
            optimizer = owner(T, kind)
            return followed(T, optimizer, make(getattr(T.optim, place), optimizer))

        def adam(T: Any, run: Any = run) -> Any:
            return run(T, kind="Adam")

        def saved(T: Any, make: Any = make, place: str = place) -> Any:
            optimizer = owner(T)
            schedule = make(getattr(T.optim, place), optimizer)
            followed(T, optimizer, schedule, 13)
            states = schedule.state_dict(), optimizer.state_dict()
            keys = sorted(states[0])
            optimizer = owner(T)
            schedule = make(getattr(T.optim, place), optimizer)
            optimizer.load_state_dict(states[1])
            schedule.load_state_dict(states[0])
            return [keys, followed(T, optimizer, schedule, 20)]

        yield Case(name, run, **plain)
        yield Case(f"{name} of Adam", adam, **plain)
        yield Case(f"{name} saved", saved, **plain)
    for name, resume in (
        ("StepLR", lambda S, o: S.StepLR(o, 3, last_epoch=4)),
        ("LambdaLR", lambda S, o: S.LambdaLR(o, lambda e: 0.9**e, last_epoch=4)),
        ("MultiplicativeLR", lambda S, o: S.MultiplicativeLR(o, lambda e: 0.9, last_epoch=4)),
        ("MultiStepLR", lambda S, o: S.MultiStepLR(o, [5, 7], last_epoch=4)),
        ("ConstantLR", lambda S, o: S.ConstantLR(o, 0.5, 5, last_epoch=4)),
        ("LinearLR", lambda S, o: S.LinearLR(o, 0.5, total_iters=9, last_epoch=4)),
        ("ExponentialLR", lambda S, o: S.ExponentialLR(o, 0.9, last_epoch=4)),
        ("PolynomialLR", lambda S, o: S.PolynomialLR(o, 9, last_epoch=4)),
        ("CosineAnnealingLR", lambda S, o: S.CosineAnnealingLR(o, 9, last_epoch=4)),
        ("CosineAnnealingWarmRestarts", lambda S, o: S.CosineAnnealingWarmRestarts(o, 9, last_epoch=4)),
        ("CyclicLR", lambda S, o: S.CyclicLR(o, 0.1, 0.4, 5, last_epoch=4)),
    ):

        def resumed(T: Any, resume: Any = resume) -> Any:
            optimizer = owner(T)
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]
                group["lr"] *= 0.5
            schedule = resume(T.optim.lr_scheduler, optimizer)
            return [schedule.last_epoch, followed(T, optimizer, schedule, 12)]

        yield Case(f"{name} resumed", resumed, **plain)

        def jumped(T: Any, resume: Any = resume) -> Any:
            optimizer = owner(T)
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]
            schedule = resume(T.optim.lr_scheduler, optimizer)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                schedule.step(11)
                schedule.step()
            return followed(T, optimizer, schedule, 3)

        yield Case(f"{name} to a step", jumped, **plain)
    yield Case("CosineAnnealingWarmRestarts between steps", between_steps, **plain)
    for mode in ("min", "max"):
        for threshold_mode in ("rel", "abs"):

            def plateau(T: Any, mode: str = mode, threshold_mode: str = threshold_mode) -> Any:
                optimizer = owner(T)
                schedule = T.optim.lr_scheduler.ReduceLROnPlateau(
                    optimizer, mode, 0.5, 2, 0.01, threshold_mode, cooldown=2, min_lr=[0.001, 0.2]
                )
                random, found = np.random.default_rng(3), []
                for i in range(60):
                    schedule.step(T.tensor(random.uniform(0.5, 1) + (0.1 * i if i < 20 else 0)))
                    found.append([schedule.get_last_lr(), schedule.num_bad_epochs, schedule.cooldown_counter])
                return [found, in_order(schedule.state_dict())]

            yield Case(f"ReduceLROnPlateau {mode} {threshold_mode}", plateau, rtol=1e-6, **plain)


def in_order(value: Any) -> Any:
    """Dicts as lists of their sorted entries."""
    if isinstance(value, dict):
        return [[str(key), in_order(value[key])] for key in sorted(value, key=str)]
    return [in_order(item) for item in value] if isinstance(value, (list, tuple)) else value


def between_steps(T: Any) -> Any:
    """Steps given as numbers with a fraction."""
    optimizer, found = owner(T), []
    schedule = T.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3, T_mult=2, eta_min=0.01)
    for i in range(60):
        schedule.step(i / 4)
        found.append([schedule.get_last_lr(), schedule.T_cur, schedule.T_i, schedule.last_epoch])
    schedule.step()
    return [found, schedule.get_last_lr()]


def schedule_mistakes() -> Iterator[Case]:
    """Schedules with arguments outside their range."""

    def too_far(T: Any) -> None:
        optimizer = owner(T)
        schedule = T.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, 5)
        for _ in range(6):
            optimizer.step()
            schedule.step()

    yield Case.misuse("OneCycleLR too far", too_far)
    made: list[tuple[str, Callable[[Any, Any, Any], Any]]] = [
        ("of a number", lambda T, S, o: S.StepLR(3, 1)),
        ("resumed without initial_lr", lambda T, S, o: S.StepLR(o, 3, last_epoch=2)),
        ("LambdaLR functions", lambda T, S, o: S.LambdaLR(o, [lambda e: 1])),
        ("MultiplicativeLR functions", lambda T, S, o: S.MultiplicativeLR(o, [lambda e: 1] * 3)),
        ("ConstantLR factor", lambda T, S, o: S.ConstantLR(o, 1.5)),
        ("LinearLR start", lambda T, S, o: S.LinearLR(o, 0)),
        ("LinearLR end", lambda T, S, o: S.LinearLR(o, 0.5, 1.5)),
        ("CosineAnnealingWarmRestarts T_0", lambda T, S, o: S.CosineAnnealingWarmRestarts(o, 0)),
        ("CosineAnnealingWarmRestarts T_0 float", lambda T, S, o: S.CosineAnnealingWarmRestarts(o, 5.5)),
        ("CosineAnnealingWarmRestarts T_mult", lambda T, S, o: S.CosineAnnealingWarmRestarts(o, 5, 0)),
        ("CosineAnnealingWarmRestarts step", lambda T, S, o: S.CosineAnnealingWarmRestarts(o, 5).step(-1)),
        ("CyclicLR rates", lambda T, S, o: S.CyclicLR(o, [0.1], 1)),
        ("CyclicLR mode", lambda T, S, o: S.CyclicLR(o, 0.1, 1, mode="x")),
        ("CyclicLR momentum", lambda T, S, o: S.CyclicLR(owner(T, "Adagrad"), 0.1, 1)),
        ("OneCycleLR steps", lambda T, S, o: S.OneCycleLR(o, 0.1)),
        ("OneCycleLR no steps", lambda T, S, o: S.OneCycleLR(o, 0.1, 0)),
        ("OneCycleLR half a step", lambda T, S, o: S.OneCycleLR(o, 0.1, 2.5)),
        ("OneCycleLR epochs", lambda T, S, o: S.OneCycleLR(o, 0.1, epochs=0, steps_per_epoch=3)),
        ("OneCycleLR steps_per_epoch", lambda T, S, o: S.OneCycleLR(o, 0.1, epochs=3, steps_per_epoch=0)),
        ("OneCycleLR pct_start", lambda T, S, o: S.OneCycleLR(o, 0.1, 10, pct_start=2)),
        ("OneCycleLR strategy", lambda T, S, o: S.OneCycleLR(o, 0.1, 10, anneal_strategy="x")),
        ("OneCycleLR rates", lambda T, S, o: S.OneCycleLR(o, [0.1], 10)),
        ("ReduceLROnPlateau factor", lambda T, S, o: S.ReduceLROnPlateau(o, factor=1.0)),
        ("ReduceLROnPlateau mode", lambda T, S, o: S.ReduceLROnPlateau(o, mode="x")),
        ("ReduceLROnPlateau threshold", lambda T, S, o: S.ReduceLROnPlateau(o, threshold_mode="x")),
        ("ReduceLROnPlateau min_lr", lambda T, S, o: S.ReduceLROnPlateau(o, min_lr=[1])),
        ("ReduceLROnPlateau of a number", lambda T, S, o: S.ReduceLROnPlateau(3)),
        ("SequentialLR of nothing", lambda T, S, o: S.SequentialLR(o, [], [1])),
        ("SequentialLR of others", lambda T, S, o: S.SequentialLR(o, [S.ConstantLR(owner(T))], [])),
        ("SequentialLR milestones", lambda T, S, o: S.SequentialLR(o, [S.ConstantLR(o)], [1, 2])),
        (
            "SequentialLR plateau",
            lambda T, S, o: S.SequentialLR(o, [S.ConstantLR(o), S.ReduceLROnPlateau(o)], [2]),
        ),
        ("ChainedScheduler of nothing", lambda T, S, o: S.ChainedScheduler([])),
        ("ChainedScheduler of others", lambda T, S, o: S.ChainedScheduler([S.ConstantLR(o), S.ConstantLR(owner(T))])),
    ]
    for label, mistake in made:

        def run(T: Any, mistake: Any = mistake) -> Any:
            return mistake(T, T.optim.lr_scheduler, owner(T))

        yield Case.misuse(f"mistaken {label}", run)


CASES = [*schedule_cases(), *schedule_mistakes()]
