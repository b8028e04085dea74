"""Optimisers and schedules: whole training runs, state as it is saved, and mistakes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from peer import Case, given

STEPS = 30
OPTIMISERS: list[tuple[str, list[dict[str, Any]]]] = [
    ("SGD", [{"lr": 0.1}, {"lr": 0.1, "momentum": 0.9, "nesterov": True}]),
    ("SGD", [{"lr": 0.1, "momentum": 0.9, "dampening": 0.3}, {"lr": 0.1, "maximize": True}]),
    ("Adam", [{}, {"amsgrad": True}, {"betas": (0.3, 0.6), "eps": 1e-3}, {"maximize": True}]),
    ("Adam", [{"decoupled_weight_decay": True, "weight_decay": 0.1}]),
    ("AdamW", [{}, {"amsgrad": True}]),
    ("RMSprop", [{}, {"momentum": 0.9}, {"centered": True}, {"centered": True, "momentum": 0.5, "alpha": 0.4}]),
    ("RMSprop", [{"maximize": True}]),
    ("Adagrad", [{}, {"lr_decay": 0.1, "initial_accumulator_value": 0.2}, {"maximize": True}]),
    ("Adadelta", [{}, {"rho": 0.5, "lr": 0.5}, {"maximize": True}]),
    ("Adamax", [{}, {"betas": (0.2, 0.5)}, {"maximize": True}]),
    ("NAdam", [{}, {"momentum_decay": 0.1}, {"maximize": True}]),
    ("NAdam", [{"decoupled_weight_decay": True, "weight_decay": 0.1}]),
    ("RAdam", [{}, {"betas": (0.8, 0.9)}, {"maximize": True}]),
    ("RAdam", [{"decoupled_weight_decay": True, "weight_decay": 0.1}]),
    ("ASGD", [{}, {"t0": 5, "lambd": 0.1, "lr": 0.1}, {"maximize": True}]),
    ("Rprop", [{}, {"etas": (0.3, 1.5), "step_sizes": (0.005, 0.02)}, {"maximize": True}]),
    ("Adafactor", [{}, {"lr": 0.1, "beta2_decay": -0.5, "d": 2.0}, {"eps": (1e-8, 1e-2)}, {"maximize": True}]),
]
# Options that a run changes as it goes.
MOVING = ("momentum", "alpha", "rho", "eps", "dampening", "weight_decay", "lambd", "momentum_decay", "beta2_decay")
_random = np.random.default_rng(0)
DATA = [
    given(_random.standard_normal((STEPS, 8, 6))),
    given(_random.integers(0, 3, (STEPS, 8))),
    *[given(0.3 * _random.standard_normal(shape)) for shape in ((16, 6), (16,), (3, 16), (3,))],
]


def trained(
    T: Any,
    name: str,
    options: dict[str, Any],
    tensors: tuple[Any, ...],
    groups: bool = False,
    compiled: bool = False,
    dtype: str = "float64",
) -> Any:
    """Losses, parameters and saved state of a run with changing options; compiled once under ingot."""
    x, y, *weights = tensors
    kind = getattr(T, dtype)
    net = T.nn.Sequential(T.nn.Linear(6, 16), T.nn.Tanh(), T.nn.Linear(16, 3)).to(kind)
    params = list(net.parameters())
    with T.no_grad():
        for p, w in zip(params, weights, strict=True):
            p.copy_(w)
    second = {} if name == "Rprop" else {"weight_decay": 0.2}
    given_params = [{"params": params[:2], "lr": 0.02}, {"params": params[2:], **second}] if groups else params
    optimizer = getattr(T.optim, name)(given_params, **options)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = T.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    ours = T.__name__ == "ingot"
    call: Any = T.jit(step) if compiled and ours else step
    losses = []
    for i in range(STEPS):
        losses.append(call(x[i].to(kind), y[i]).item())
        for group in optimizer.param_groups:
            change(group)
    if compiled and ours:
        assert call.stats()["compiles"] == 1, call.stats()
    return [losses, [p.detach().clone() for p in params], in_order(optimizer.state_dict())]


def change(group: dict[str, Any]) -> None:
    """What a schedule may do to a group between steps."""
    group["lr"] *= 0.97
    if "betas" in group:
        group["betas"] = (group["betas"][0] * 0.99, group["betas"][1])
    for key in MOVING:
        if isinstance(group.get(key), float) and group[key] != 0:
            group[key] *= 0.99


def in_order(value: Any) -> Any:
    """Dicts as lists of their sorted entries."""
    if isinstance(value, dict):
        return [[str(key), in_order(value[key])] for key in sorted(value, key=str)]
    return [in_order(item) for item in value] if isinstance(value, (list, tuple)) else value


def training_cases() -> Iterator[Case]:
    """Every optimiser, eager and compiled."""
    for name, variants in OPTIMISERS:
        for options in variants:
            for compiled in (False, True):
                for groups in (False, True):
                    every = {"lr": 0.01, **options} if groups else options
                    label = f"{name}({every}) {'groups ' if groups else ''}{'compiled' if compiled else 'eager'}"

                    def run(
                        T: Any,
                        *tensors: Any,
                        name: str = name,
                        options: dict[str, Any] = every,
                        groups: bool = groups,
                        compiled: bool = compiled,
                    ) -> Any:
                        return trained(T, name, options, tensors, groups, compiled)

                    # Numbers per parameter (mu_product) are kept in single precision.
                    yield Case(label, run, DATA, dtypes=("float64",), grad=False, layouts=False, jit=False, rtol=2e-6)


# ---- schedules

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


def between_steps(T: Any) -> Any:
    """Steps given as numbers with a fraction."""
    optimizer, found = owner(T), []
    schedule = T.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3, T_mult=2, eta_min=0.01)
    for i in range(60):
        schedule.step(i / 4)
        found.append([schedule.get_last_lr(), schedule.T_cur, schedule.T_i, schedule.last_epoch])
    schedule.step()
    return [found, schedule.get_last_lr()]


# ---- making, saving, mistakes

EVERY = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop")
MORE = ("LBFGS", "Adafactor", "Muon")


def making_cases() -> Iterator[Case]:
    """Defaults, text, and what is saved."""
    plain: dict[str, Any] = {"grad": False, "layouts": False, "jit": False, "dtypes": ("float64",)}
    for name in (*EVERY, *MORE):

        def defaults(T: Any, name: str = name) -> Any:
            optimizer = getattr(T.optim, name)([T.nn.Parameter(T.ones(2, 2))])
            saved = optimizer.state_dict()
            return [in_order(optimizer.defaults), in_order(saved), repr(optimizer), sorted(optimizer.param_groups[0])]

        yield Case(f"{name} as made", defaults, **plain)
    for name in (*EVERY, "Adafactor"):

        def reloaded(T: Any, *tensors: Any, name: str = name) -> Any:
            options = {"lr": 0.01}
            x, y, *weights = tensors
            found = []
            states: Any = None
            for first, last in ((0, 5), (5, 10)):
                params = [T.nn.Parameter(w.clone()) for w in weights]
                optimizer = getattr(T.optim, name)(params, **options)
                if states is not None:
                    optimizer.load_state_dict(states[1])
                    with T.no_grad():
                        for p, w in zip(params, states[0], strict=True):
                            p.copy_(w)
                for i in range(first, last):
                    optimizer.zero_grad()
                    hidden = T.tanh(x[i] @ params[0].T + params[1])
                    loss = T.nn.functional.cross_entropy(hidden @ params[2].T + params[3], y[i])
                    loss.backward()
                    optimizer.step()
                    found.append(loss.item())
                states = [p.detach() for p in params], optimizer.state_dict()
            return [found, in_order(states[1])]

        yield Case(f"{name} reloaded", reloaded, DATA, rtol=2e-6, **plain)

    searches: list[dict[str, Any]] = [
        {},
        {"lr": 0.5, "max_iter": 4},
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "history_size": 3, "max_iter": 7},
        {"line_search_fn": "strong_wolfe", "max_eval": 5, "tolerance_change": 1e-3},
    ]
    for options in searches:

        def searched(T: Any, options: Any = options) -> Any:
            return minimised(T, options)

        yield Case(f"LBFGS({options})", searched, rtol=1e-6, **plain)
    muon: list[dict[str, Any]] = [{"lr": 0.05}, {"lr": 0.05, "nesterov": False, "adjust_lr_fn": "match_rms_adamw"}]
    for options in muon:

        def orthogonal(T: Any, *tensors: Any, options: dict[str, Any] = options) -> Any:
            return turned(T, options, *tensors)

        # Numbers are rounded to bfloat16 within a step.
        yield Case(f"Muon({options})", orthogonal, DATA, atol=0.05, **{**plain, "dtypes": ("float32",)})
    for label, make in (
        ("plain", lambda S, net: S.AveragedModel(net)),
        ("ema", lambda S, net: S.AveragedModel(net, avg_fn=S.get_ema_avg_fn(0.9), use_buffers=True)),
        ("multi ema", lambda S, net: S.AveragedModel(net, multi_avg_fn=S.get_ema_multi_avg_fn(0.9))),
        ("multi swa", lambda S, net: S.AveragedModel(net, multi_avg_fn=S.get_swa_multi_avg_fn())),
        ("swa", lambda S, net: S.AveragedModel(net, avg_fn=S.get_swa_avg_fn())),
    ):

        def model(T: Any, *tensors: Any, make: Any = make) -> Any:
            return averaged(T, make, *tensors)

        # PyTorch divides by the count in single precision.
        yield Case(f"AveragedModel {label}", model, DATA, rtol=1e-6, **plain)
    yield Case("names", lambda T: named(T), **plain)
    yield Case("steps without some gradients", partly, **plain)
    yield Case("hooks", hooked, **plain)
    yield Case("around another one", around, **plain)
    for name in (*EVERY, "Adafactor"):

        def shapes(T: Any, name: str = name) -> Any:
            sizes: list[tuple[int, ...]] = [(), (1,), (2, 1, 3), (4, 0)]
            params = [
                T.nn.Parameter(T.full(s, 0.5, dtype=T.float64)) for s in sizes if name != "Adafactor" or 0 not in s
            ]
            optimizer = getattr(T.optim, name)([{"params": params}, {"params": []}], lr=0.1)
            for i in range(4):
                for p in params:
                    p.grad = T.full(p.shape, (-1.0) ** i * (i + 1), dtype=T.float64)
                optimizer.step()
            return [[p.detach() for p in params], in_order(optimizer.state_dict())]

        yield Case(f"{name} shapes", shapes, rtol=2e-6, **plain)


def minimised(T: Any, options: dict[str, Any]) -> Any:
    """Rosenbrock's function, from a bad start, and the state at the end."""
    p = T.nn.Parameter(T.tensor([-1.2, 1.0, 0.3], dtype=T.float64))
    unused = T.nn.Parameter(T.tensor([1.0], dtype=T.float64))
    optimizer = T.optim.LBFGS([p, unused], **options)
    calls = []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = ((1 - p[:-1]) ** 2 + 2 * (p[1:] - p[:-1] ** 2) ** 2).sum()
        loss.backward()
        calls.append(loss.item())
        return loss

    losses = [optimizer.step(closure).item() for _ in range(6)]
    # "al" is PyTorch's room for intermediate results.
    kept = sorted(set(optimizer.state_dict()["state"][0]) - {"al"})
    return [losses, calls, p.detach(), unused.detach(), kept]


def turned(T: Any, options: dict[str, Any], *tensors: Any) -> Any:
    """Muon on the matrices of a network."""
    x, y, *weights = tensors
    first, second = T.nn.Parameter(weights[0].clone()), T.nn.Parameter(weights[2].clone())
    optimizer = T.optim.Muon([first, second], **options)
    losses = []
    for i in range(10):
        optimizer.zero_grad()
        loss = T.nn.functional.cross_entropy(T.tanh(x[i] @ first.T) @ second.T, y[i])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return [losses, first.detach(), second.detach(), in_order(optimizer.state_dict())]


def averaged(T: Any, make: Any, *tensors: Any) -> Any:
    """Averages of a model that changes."""
    x, _, *weights = tensors
    net = T.nn.Linear(6, 16).to(T.float64)
    with T.no_grad():
        net.weight.copy_(weights[0])
        net.bias.copy_(weights[1])
    model = make(T.optim.swa_utils, net)
    for i in range(4):
        with T.no_grad():
            net.weight.mul_(0.9)
            net.bias.add_(0.1 * i)
        model.update_parameters(net)
    T.optim.swa_utils.update_bn([], model)
    return [sorted(model.state_dict()), [t.detach() for t in model.state_dict().values()], model(x[0]).detach()]


def named(T: Any) -> Any:
    """(name, parameter) pairs, in groups too."""
    net = T.nn.Sequential(T.nn.Linear(2, 3), T.nn.Linear(3, 1))
    optimizer = T.optim.Adam(net.named_parameters())
    other = T.optim.Adam([{"params": list(net[0].named_parameters())}])
    other.add_param_group({"params": list(net[1].named_parameters()), "lr": 0.5})
    return [in_order(optimizer.state_dict()), in_order(other.state_dict())]


def partly(T: Any) -> Any:
    """Parameters whose gradient comes late, or not at all."""
    found = []
    for name in EVERY:
        a, b, c = (T.nn.Parameter(T.tensor([1.0, 2.0], dtype=T.float64)) for _ in range(3))
        optimizer = getattr(T.optim, name)([a, b, c], lr=0.1)
        for i in range(6):
            optimizer.zero_grad()
            loss = (a * a).sum() + ((b * a).sum() if i % 3 else 0)
            loss.backward()
            optimizer.step()
        found.append([a.detach(), b.detach(), c.detach(), in_order(optimizer.state_dict()["state"])])
    return found


def around(T: Any) -> Any:
    """An optimiser of the user's that makes steps with another one, and shares its groups."""

    class Twice(T.optim.Optimizer):  # type: ignore[name-defined, misc]
        """Every step twice."""

        def __init__(self, params: Any, inner: Any, **options: Any) -> None:
            super().__init__(params, {"shrink": 0.5, **options})
            self.inner = inner(self.param_groups, **options)
            self.param_groups = self.inner.param_groups
            self.defaults.update(self.inner.defaults)

        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for p in group["params"]:
                    p.grad.mul_(group["shrink"])
            self.inner.step()
            self.inner.step()

    p = T.nn.Parameter(T.tensor([1.0, 2.0], dtype=T.float64))
    optimizer = Twice([p], T.optim.Adam, lr=0.1)
    schedule = T.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        (p * p).sum().backward()
        optimizer.step()
        schedule.step()
    return [p.detach(), in_order(optimizer.inner.state_dict()), sorted(optimizer.defaults), schedule.get_last_lr()]


def hooked(T: Any) -> Any:
    """Hooks around steps, saving and loading."""
    seen: list[Any] = []
    p = T.nn.Parameter(T.ones(2))
    optimizer = T.optim.SGD([p], lr=0.1)
    handles = [
        optimizer.register_step_pre_hook(lambda o, a, k: seen.append(["before", len(a), sorted(k)])),
        optimizer.register_step_post_hook(lambda o, a, k: seen.append(["after", len(a), sorted(k)])),
        optimizer.register_state_dict_pre_hook(lambda o: seen.append("saving")),
        optimizer.register_state_dict_post_hook(lambda o, s: {**s, "more": 1}),
        optimizer.register_load_state_dict_pre_hook(lambda o, s: seen.append("loading")),
        optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded")),
    ]
    p.sum().backward()
    optimizer.step()
    optimizer.step(closure=lambda: seen.append("closure"))
    saved = optimizer.state_dict()
    optimizer.load_state_dict(saved)
    for handle in handles:
        handle.remove()
    optimizer.step()
    return [seen, sorted(saved), p.detach()]


def mistakes() -> Iterator[Case]:
    """Arguments outside their range."""
    refused: list[tuple[str, dict[str, Any]]] = [
        ("SGD", {"lr": -1.0}),
        ("SGD", {"momentum": -1.0}),
        ("SGD", {"weight_decay": -1.0}),
        ("SGD", {"nesterov": True}),
        ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
        ("Adam", {"lr": -1.0}),
        ("Adam", {"eps": -1.0}),
        ("Adam", {"betas": (1.0, 0.9)}),
        ("Adam", {"betas": (0.9, -0.1)}),
        ("Adam", {"weight_decay": -1.0}),
        ("AdamW", {"betas": (0.9, 1.0)}),
        ("RMSprop", {"lr": -1.0}),
        ("RMSprop", {"alpha": -1.0}),
        ("RMSprop", {"eps": -1.0}),
        ("RMSprop", {"momentum": -1.0}),
        ("Adagrad", {"lr_decay": -1.0}),
        ("Adagrad", {"initial_accumulator_value": -1.0}),
        ("Adadelta", {"rho": 1.1}),
        ("Adadelta", {"lr": -1.0}),
        ("Adamax", {"betas": (0.9, 1.0)}),
        ("NAdam", {"momentum_decay": -1.0}),
        ("RAdam", {"eps": -1.0}),
        ("ASGD", {"lr": -1.0}),
        ("ASGD", {"weight_decay": -1.0}),
        ("Rprop", {"etas": (1.1, 1.2)}),
        ("Rprop", {"etas": (0.5, 0.9)}),
        ("Adafactor", {"beta2_decay": 0.1}),
        ("Adafactor", {"eps": (None, -1.0)}),
        ("Adafactor", {"d": 0.5}),
        ("Muon", {"lr": -1.0}),
        ("Muon", {"momentum": -1.0}),
        ("Muon", {"adjust_lr_fn": "other"}),
        ("LBFGS", {"lr": -1.0}),
        ("SGD", {"no_such_option": 1}),
    ]
    for name, options in refused:

        def make(T: Any, name: str = name, options: dict[str, Any] = options) -> Any:
            return getattr(T.optim, name)([T.nn.Parameter(T.ones(2, 2))], **options)

        yield Case.misuse(f"{name}({options})", make)
    p: Callable[[Any], Any] = lambda T: T.nn.Parameter(T.ones(2))  # noqa: E731
    for label, mistake in [
        ("no parameters", lambda T: T.optim.SGD([])),
        ("a tensor alone", lambda T: T.optim.SGD(p(T))),
        ("numbers", lambda T: T.optim.SGD([3])),
        ("not a leaf", lambda T: T.optim.SGD([p(T) * 2])),
        ("a set", lambda T: T.optim.SGD([{"params": {p(T)}}])),
        ("twice", lambda T: (lambda q: T.optim.SGD([{"params": [q]}, {"params": [q]}]))(p(T))),
        ("some names", lambda T: T.optim.SGD([("a", p(T)), p(T)])),
        ("named groups", lambda T: T.optim.SGD([{"params": [("a", p(T))]}, {"params": [p(T)]}])),
        ("group that is no dict", lambda T: T.optim.SGD([p(T)]).add_param_group([p(T)])),
        ("other groups", lambda T: T.optim.SGD([p(T)]).load_state_dict({"state": {}, "param_groups": []})),
        (
            "other parameters",
            lambda T: T.optim.SGD([p(T)]).load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]}),
        ),
        ("LBFGS groups", lambda T: T.optim.LBFGS([{"params": [p(T)]}, {"params": [p(T)]}])),
        ("Muon of vectors", lambda T: T.optim.Muon([p(T)])),
        ("hook result", hook_result),
    ]:
        yield Case.misuse(f"mistaken {label}", mistake)
    yield from schedule_mistakes()


def hook_result(T: Any) -> None:
    """A hook that returns something else than arguments."""
    optimizer = T.optim.SGD([T.nn.Parameter(T.ones(2))])
    optimizer.register_step_pre_hook(lambda o, a, k: 3)
    optimizer.step()


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


CASES = [*training_cases(), *schedule_cases(), *making_cases(), *mistakes()]
