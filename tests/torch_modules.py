"""Modules, initial values and training runs in the API that PyTorch and ingot share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from torch_values import Case, classes, data, positive, with_gradients


def module_cases() -> Iterator[tuple[str, Case]]:
    """The seeded initial values of layers and what they compute."""
    layers: list[tuple[str, Callable[[Any], Any], tuple[int, ...]]] = [
        ("Linear", lambda nn: nn.Linear(8, 5), (3, 8)),
        ("Linear without bias", lambda nn: nn.Linear(8, 5, bias=False), (2, 3, 8)),
        ("Linear of nothing", lambda nn: nn.Linear(20, 700), (2, 20)),
        ("LayerNorm", lambda nn: nn.LayerNorm(8), (3, 8)),
        ("LayerNorm plain", lambda nn: nn.LayerNorm((3, 8), elementwise_affine=False), (2, 3, 8)),
        ("LayerNorm without bias", lambda nn: nn.LayerNorm(8, bias=False), (2, 3, 8)),
        ("RMSNorm", lambda nn: nn.RMSNorm(8), (2, 3, 8)),
        (
            "Sequential",
            lambda nn: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3), nn.LogSoftmax(-1)),
            (4, 8),
        ),
        ("Flatten", lambda nn: nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), (5, 3, 4)),
        ("Unflatten", lambda nn: nn.Unflatten(1, (2, -1)), (5, 8)),
        ("Softmax", lambda nn: nn.Softmax(dim=1), (5, 8)),
        ("GELU", lambda nn: nn.GELU(), (5, 8)),
        ("SiLU", lambda nn: nn.SiLU(), (5, 8)),
        ("Sigmoid", lambda nn: nn.Sigmoid(), (5, 8)),
        ("Tanh", lambda nn: nn.Tanh(), (5, 8)),
        ("LeakyReLU", lambda nn: nn.LeakyReLU(0.3), (5, 8)),
        ("Identity", lambda nn: nn.Identity(3, key=4), (5, 8)),
        ("Dropout at use", lambda nn: nn.Dropout(0.5).eval(), (5, 8)),
    ]
    for name, make, shape in layers:

        def case(torch: Any, make: Callable[[Any], Any] = make, shape: tuple[int, ...] = shape) -> list[Any]:
            torch.manual_seed(3)
            layer = make(torch.nn)
            after = torch.rand(2)
            state = [t.clone() for t in layer.state_dict().values()]
            found = with_gradients(layer, data(torch, *shape))
            return [after, *state, *found, *(p.grad for p in layer.parameters())]

        yield name, case

    def embedding(torch: Any) -> list[Any]:
        torch.manual_seed(3)
        layer = torch.nn.Embedding(7, 5, padding_idx=2)
        return [layer.weight.detach(), layer(classes(torch, 3, 4, count=7)).detach()]

    yield "Embedding", embedding
    losses: list[tuple[str, dict[str, Any]]] = [
        ("CrossEntropyLoss", {"label_smoothing": 0.2}),
        ("MSELoss", {}),
        ("L1Loss", {"reduction": "sum"}),
        ("BCELoss", {}),
        ("BCEWithLogitsLoss", {}),
        ("SmoothL1Loss", {"beta": 0.3}),
        ("HuberLoss", {"delta": 0.3}),
        ("KLDivLoss", {"reduction": "batchmean"}),
    ]
    for name, options in losses:

        def loss(torch: Any, name: str = name, options: dict[str, Any] = options) -> list[Any]:
            return [getattr(torch.nn, name)(**options)(positive(torch, 3, 5), positive(torch, 3, 5, seed=1))]

        yield f"{name}({options})", loss
    yield "NLLLoss", lambda torch: [torch.nn.NLLLoss()(data(torch, 3, 5), classes(torch, 3, count=5))]


def init_cases() -> Iterator[tuple[str, Case]]:
    """Initial values and what the generator gives after them."""
    calls: list[tuple[str, dict[str, Any]]] = [
        ("uniform_", {"a": -0.3, "b": 0.7}),
        ("normal_", {"mean": 1.0, "std": 0.02}),
        ("trunc_normal_", {"std": 0.02}),
        ("trunc_normal_", {"mean": 0.5, "std": 1.0, "a": -0.5, "b": 0.7}),
        ("kaiming_uniform_", {"a": math.sqrt(5)}),
        ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}),
        ("kaiming_normal_", {"nonlinearity": "relu"}),
        ("xavier_uniform_", {"gain": 2.0}),
        ("xavier_normal_", {}),
        ("zeros_", {}),
        ("ones_", {}),
        ("constant_", {"val": 0.25}),
        ("eye_", {}),
        ("orthogonal_", {}),
    ]
    for name, options in calls:
        for shape in ((5, 8), (3, 4), (4, 3, 2)):
            if name in ("eye_", "orthogonal_") and len(shape) > 2:
                continue

            def case(
                torch: Any, name: str = name, options: dict[str, Any] = options, shape: tuple[int, ...] = shape
            ) -> list[Any]:
                torch.manual_seed(5)
                return [getattr(torch.nn.init, name)(torch.empty(shape), **options), torch.rand(2)]

            yield f"{name}({options}) of {shape}", case
    yield (
        "calculate_gain",
        lambda torch: [
            torch.tensor(
                [
                    torch.nn.init.calculate_gain(*a)
                    for a in (("relu",), ("tanh",), ("leaky_relu", 0.3), ("selu",), ("linear",), ("sigmoid",))
                ]
            )
        ],
    )


# ---- optimisers


def optimiser_cases() -> Iterator[tuple[str, Case]]:
    """Losses and parameters over ten steps, with a schedule of learning rates, and the state at the end."""
    for name, options in OPTIMISERS:
        yield f"{name}({options})", training(name, options)


def training(name: str, options: dict[str, Any]) -> Case:
    """A run with one optimiser."""
    return lambda torch: trained(torch, name, options)


OPTIMISERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.05}),
    ("Adam", {"lr": 0.05, "betas": (0.4, 0.9), "eps": 1e-3, "weight_decay": 0.1, "amsgrad": True}),
    ("Adam", {"lr": 0.05, "maximize": True}),
    ("AdamW", {"lr": 0.05}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True}),
]


def network(torch: Any) -> Any:
    """A small classifier of 8 numbers into 3 classes."""
    torch.manual_seed(7)
    return torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))


def training_step(torch: Any, model: Any, optimiser: Any) -> Callable[[Any, Any], Any]:
    """One step: gradients and update."""

    def step(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()
        return loss.detach()

    return step


def trained(torch: Any, name: str, options: dict[str, Any], compiled: bool = False) -> list[Any]:
    """Ten steps on ten batches; compiled as one program if asked."""
    model = network(torch)
    optimiser = getattr(torch.optim, name)(model.parameters(), **options)
    step: Any = training_step(torch, model, optimiser)
    if compiled:
        step = torch.jit(step)
    losses = []
    for i in range(10):
        losses.append(float(step(data(torch, 6, 8, seed=i), classes(torch, 6, count=3, seed=i))))
        optimiser.param_groups[0]["lr"] *= 0.9
    if compiled:
        assert step.stats()["compiles"] == 1, step.stats()
    state = optimiser.state_dict()["state"]
    return [
        torch.tensor(losses),
        *(p.detach() for p in model.parameters()),
        *(t for number in sorted(state) for _, t in sorted(state[number].items()) if t is not None),
    ]
