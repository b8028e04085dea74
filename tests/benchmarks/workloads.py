"""What is timed, in PyTorch's words. torch and ingot run this very code; jax_workloads.py says the same for jax.

A workload is a function of a framework that prepares its data and returns a function to be timed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

Run = Callable[[], Any]


class Framework(Protocol):
    """torch, torch.compile or ingot: the namespaces that the code below uses, and how each compiles."""

    torch: Any
    nn: Any
    optim: Any
    functional: Any

    def tensor(self, array: np.ndarray[Any, Any]) -> Any:
        """The array as a tensor."""

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function without gradients, compiled."""

    def training_step(self, loss: Callable[..., Any], optimiser: Any) -> Callable[..., Any]:
        """zero_grad, loss, backward, step; compiled as far as the framework can."""


Workload = Callable[[Framework], Run]
WORKLOADS: dict[str, Workload] = {}


def workload(prepare: Workload) -> Workload:
    WORKLOADS[prepare.__name__] = prepare
    return prepare


def normal(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def labels(count: int, classes: int = 10) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(0, classes, count)


def forward(framework: Framework, function: Callable[..., Any], *arrays: np.ndarray[Any, Any]) -> Run:
    """Time a function of arrays."""
    call, tensors = framework.compiled(function), [framework.tensor(array) for array in arrays]
    return lambda: call(*tensors)


# ---- elementwise and reductions


@workload
def dispatch10(framework: Framework) -> Run:
    return forward(framework, lambda x: x * 2 + 1, normal(10))


def gelu(framework: Framework, size: int) -> Run:
    torch, functional = framework.torch, framework.functional

    def function(x: Any) -> Any:
        return functional.gelu(x * 1.1 + 0.3, approximate="tanh") * x - torch.sigmoid(x)

    return forward(framework, function, normal(size))


@workload
def gelu_1k(framework: Framework) -> Run:
    return gelu(framework, 1_000)


@workload
def gelu_100k(framework: Framework) -> Run:
    return gelu(framework, 100_000)


@workload
def gelu_10m(framework: Framework) -> Run:
    return gelu(framework, 10_000_000)


@workload
def blackscholes_1m(framework: Framework) -> Run:
    """Call and put prices of European options (Black and Scholes 1973, equations 13 and 14)."""
    torch, rate = framework.torch, 0.05

    def cumulative(z: Any) -> Any:
        return 0.5 * (1 + torch.erf(z * 0.5**0.5))

    def prices(spot: Any, strike: Any, years: Any, volatility: Any) -> tuple[Any, Any]:
        deviation = volatility * torch.sqrt(years)
        d1 = (torch.log(spot / strike) + (rate + 0.5 * volatility * volatility) * years) / deviation
        discounted = strike * torch.exp(-rate * years)
        call = spot * cumulative(d1) - discounted * cumulative(d1 - deviation)
        return call, call - spot + discounted

    ranges = ((10, 50), (10, 50), (1, 2), (0.1, 0.5))
    rng = np.random.default_rng(0)
    return forward(framework, prices, *(rng.uniform(low, high, 1_000_000).astype(np.float32) for low, high in ranges))


@workload
def softmax_4096x1024(framework: Framework) -> Run:
    return forward(framework, lambda x: framework.torch.softmax(x, -1), normal(4096, 1024))


@workload
def layernorm_4096x1024(framework: Framework) -> Run:
    def function(x: Any, weight: Any, bias: Any) -> Any:
        return framework.functional.layer_norm(x, (1024,), weight, bias)

    return forward(framework, function, normal(4096, 1024), normal(1024), normal(1024))


@workload
def sum_axis0(framework: Framework) -> Run:
    return forward(framework, lambda x: (x * x).sum(0), normal(4096, 1024))


@workload
def transpose_add(framework: Framework) -> Run:
    return forward(framework, lambda x, y: x.t() + y, normal(2048, 2048), normal(2048, 2048))


# ---- matrix products


def matmul(framework: Framework, n: int) -> Run:
    return forward(framework, lambda a, b: a @ b, normal(n, n), normal(n, n))


@workload
def matmul_64(framework: Framework) -> Run:
    return matmul(framework, 64)


@workload
def matmul_256(framework: Framework) -> Run:
    return matmul(framework, 256)


@workload
def matmul_1024(framework: Framework) -> Run:
    return matmul(framework, 1024)


# ---- networks


def perceptron(framework: Framework) -> Any:
    nn = framework.nn
    return nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )  # fmt: skip


def training(framework: Framework, model: Any, optimiser: Any, *arrays: np.ndarray[Any, Any]) -> Run:
    """Time whole training steps of a classifier."""
    tensors = [framework.tensor(array) for array in arrays]

    def loss(x: Any, y: Any) -> Any:
        return framework.functional.cross_entropy(model(x), y)

    step = framework.training_step(loss, optimiser)
    return lambda: step(*tensors)


@workload
def mlp_infer_b1(framework: Framework) -> Run:
    return forward(framework, perceptron(framework), normal(1, 784))


@workload
def mlp_sgd_b32(framework: Framework) -> Run:
    model = perceptron(framework)
    return training(framework, model, framework.optim.SGD(model.parameters(), lr=0.01), normal(32, 784), labels(32))


@workload
def mlp_adam_b128(framework: Framework) -> Run:
    model = perceptron(framework)
    return training(framework, model, framework.optim.Adam(model.parameters(), lr=1e-3), normal(128, 784), labels(128))


@workload
def cnn_sgd_b32(framework: Framework) -> Run:
    nn = framework.nn
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    optimiser = framework.optim.SGD(model.parameters(), lr=0.01)
    return training(framework, model, optimiser, normal(32, 1, 28, 28), labels(32))


# ---- loops over arrays


@workload
def jacobi_100(framework: Framework) -> Run:
    """A hundred sweeps of the five-point stencil over a 512 x 512 grid."""

    def sweeps(grid: Any) -> Any:
        for _ in range(100):
            following = grid.clone()
            following[1:-1, 1:-1] = 0.25 * (grid[:-2, 1:-1] + grid[2:, 1:-1] + grid[1:-1, :-2] + grid[1:-1, 2:])
            grid = following
        return grid

    return forward(framework, sweeps, normal(512, 512))
