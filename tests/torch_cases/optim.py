"""Optimisers: whole training runs, state as it is saved, and mistakes."""

from __future__ import annotations

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

    class Twice(T.optim.Optimizer):  # type: ignore[misc]
        """Every step twice."""

        param_groups: Any

        def __init__(self, params: Any, inner: Any, **options: Any) -> None:
            super().__init__(params, {"shrink": 0.5, **options})
            self.inner: Any = inner(self.param_groups, **options)
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


def hook_result(T: Any) -> None:
    """A hook that returns something else than arguments."""
    optimizer = T.optim.SGD([T.nn.Parameter(T.ones(2))])
    optimizer.register_step_pre_hook(lambda o, a, k: 3)
    optimizer.step()


CASES = [*training_cases(), *making_cases(), *mistakes()]
