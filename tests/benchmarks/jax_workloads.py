"""The workloads of workloads.py in jax's words, under the same names; what is missing here is not compared with jax."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.workloads import Run, labels, normal
from jax import lax

Prepare = Callable[[], Run]
Parameters = list[dict[str, Any]]
JAX_WORKLOADS: dict[str, Prepare] = {}


def workload(prepare: Prepare) -> Prepare:
    JAX_WORKLOADS[prepare.__name__] = prepare
    return prepare


def forward(function: Callable[..., Any], *arrays: Any) -> Run:
    call, placed = jax.jit(function), [jnp.asarray(array) for array in arrays]
    return lambda: jax.block_until_ready(call(*placed))


@workload
def dispatch10() -> Run:
    return forward(lambda x: x * 2 + 1, normal(10))


def gelu(size: int) -> Run:
    return forward(lambda x: jax.nn.gelu(x * 1.1 + 0.3, approximate=True) * x - jax.nn.sigmoid(x), normal(size))


@workload
def gelu_1k() -> Run:
    return gelu(1_000)


@workload
def gelu_100k() -> Run:
    return gelu(100_000)


@workload
def gelu_10m() -> Run:
    return gelu(10_000_000)


@workload
def blackscholes_1m() -> Run:
    rate = 0.05

    def cumulative(z: Any) -> Any:
        return 0.5 * (1 + lax.erf(z * 0.5**0.5))

    def prices(spot: Any, strike: Any, years: Any, volatility: Any) -> tuple[Any, Any]:
        deviation = volatility * jnp.sqrt(years)
        d1 = (jnp.log(spot / strike) + (rate + 0.5 * volatility * volatility) * years) / deviation
        discounted = strike * jnp.exp(-rate * years)
        call = spot * cumulative(d1) - discounted * cumulative(d1 - deviation)
        return call, call - spot + discounted

    ranges = ((10, 50), (10, 50), (1, 2), (0.1, 0.5))
    rng = np.random.default_rng(0)
    return forward(prices, *(rng.uniform(low, high, 1_000_000).astype(np.float32) for low, high in ranges))


@workload
def softmax_4096x1024() -> Run:
    return forward(lambda x: jax.nn.softmax(x, -1), normal(4096, 1024))


@workload
def layernorm_4096x1024() -> Run:
    def function(x: Any, weight: Any, bias: Any) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        return centred * lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight + bias

    return forward(function, normal(4096, 1024), normal(1024), normal(1024))


@workload
def sum_axis0() -> Run:
    return forward(lambda x: (x * x).sum(0), normal(4096, 1024))


@workload
def transpose_add() -> Run:
    return forward(lambda x, y: x.T + y, normal(2048, 2048), normal(2048, 2048))


@workload
def matmul_64() -> Run:
    return forward(jnp.matmul, normal(64, 64), normal(64, 64))


@workload
def matmul_256() -> Run:
    return forward(jnp.matmul, normal(256, 256), normal(256, 256))


@workload
def matmul_1024() -> Run:
    return forward(jnp.matmul, normal(1024, 1024), normal(1024, 1024))


def layers(*sizes: int) -> Parameters:
    pairs = itertools.pairwise(sizes)
    return [{"weight": jnp.asarray(normal(m, n) / m**0.5), "bias": jnp.zeros(n)} for m, n in pairs]


def perceptron(parameters: Parameters, x: Any) -> Any:
    *hidden, last = parameters
    for layer in hidden:
        x = jax.nn.relu(x @ layer["weight"] + layer["bias"])
    return x @ last["weight"] + last["bias"]


def cross_entropy(logits: Any, y: Any) -> Any:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1))


@workload
def mlp_infer_b1() -> Run:
    parameters = layers(784, 512, 512, 10)
    return forward(lambda x: perceptron(parameters, x), normal(1, 784))


def training(step: Callable[..., Any], state: Any, *arrays: Any) -> Run:
    """Time steps that give back the new state and the loss; the old state's memory is donated."""
    call, placed = jax.jit(step, donate_argnums=0), [jnp.asarray(array) for array in arrays]
    held = [state]

    def run() -> Any:
        held[0], loss = call(held[0], *placed)
        return jax.block_until_ready(loss)

    return run


def mlp_loss(parameters: Parameters, x: Any, y: Any) -> Any:
    return cross_entropy(perceptron(parameters, x), y)


@workload
def mlp_sgd_b32() -> Run:
    def step(parameters: Parameters, x: Any, y: Any) -> tuple[Any, Any]:
        loss, gradients = jax.value_and_grad(mlp_loss)(parameters, x, y)
        return jax.tree.map(lambda p, g: p - 0.01 * g, parameters, gradients), loss

    return training(step, layers(784, 512, 512, 10), normal(32, 784), labels(32))


@workload
def mlp_adam_b128() -> Run:
    def step(state: Any, x: Any, y: Any) -> tuple[Any, Any]:
        parameters, first, second, count = state
        loss, gradients = jax.value_and_grad(mlp_loss)(parameters, x, y)
        count = count + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
        size, scale = 1e-3 / (1 - 0.9**count), 1 / (1 - 0.999**count)
        parameters = jax.tree.map(
            lambda p, m, v: p - size * m / (jnp.sqrt(v * scale) + 1e-8), parameters, first, second
        )
        return (parameters, first, second, count), loss

    parameters = layers(784, 512, 512, 10)
    state = (parameters, jax.tree.map(jnp.zeros_like, parameters), jax.tree.map(jnp.zeros_like, parameters), 0)
    return training(step, state, normal(128, 784), labels(128))


@workload
def jacobi_100() -> Run:
    def sweep(_: int, u: Any) -> Any:
        return u.at[1:-1, 1:-1].set(0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]))

    return forward(lambda grid: lax.fori_loop(0, 100, sweep, grid), normal(512, 512))
