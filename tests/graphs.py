"""Small graphs that several tests share, written with the op table."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ingot.compiler.ir import Graph, Size, TensorType, Value
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.source import full, scalar_like
from ingot.compiler.passes.grad import grad
from ingot.runtime.dtypes import DType, float32, int64


def static(shape: Sequence[Size]) -> tuple[int, ...]:
    """A shape in which no size is named."""
    sizes = tuple(n for n in shape if isinstance(n, int))
    assert len(sizes) == len(shape), shape
    return sizes


def tensor(name: str, *shape: Size, dtype: DType = float32) -> Value:
    """A graph input."""
    return TABLE["input"](type=TensorType(dtype, shape), name=name)


def apply(name: str, *operands: Value, **attrs: object) -> Value:
    return TABLE[name](*operands, **attrs)


def row(values: Value, shape: Sequence[Size]) -> Value:
    """One number per row, spread over the last axis."""
    return apply("expand", apply("reshape", values, shape=(*values.shape, 1)), shape=tuple(shape))


def column(values: Value, shape: Sequence[Size]) -> Value:
    """One number per column, spread over the leading axes."""
    wide = (*([1] * (len(shape) - len(values.shape))), *values.shape)
    return apply("expand", apply("reshape", values, shape=wide), shape=tuple(shape))


def softmax(x: Value) -> Value:
    """Over the last axis."""
    axis = (len(x.shape) - 1,)
    shifted = apply("sub", x, row(apply("max", x, axes=axis), x.shape))
    powers = apply("exp", shifted)
    return apply("div", powers, row(apply("sum", powers, axes=axis), x.shape))


def layer_norm(x: Value, weight: Value, bias: Value) -> Value:
    """Over the last axis."""
    axis, count = (len(x.shape) - 1,), x.shape[-1]
    assert isinstance(count, int)
    mean = apply("div", apply("sum", x, axes=axis), full(TensorType(x.dtype, x.shape[:-1]), count))
    centred = apply("sub", x, row(mean, x.shape))
    spread = apply("sum", apply("mul", centred, centred), axes=axis)
    variance = apply("div", spread, scalar_like(spread, count))
    scale = apply("rsqrt", apply("add", variance, scalar_like(variance, 1e-5)))
    normal = apply("mul", centred, row(scale, x.shape))
    return apply("add", apply("mul", normal, column(weight, x.shape)), column(bias, x.shape))


def linear(x: Value, weight: Value, bias: Value) -> Value:
    """x @ weight.T + bias."""
    turned = apply("permute", weight, axes=(1, 0))
    product = apply("dot_general", x, turned, contract=((1,), (0,)), batch=((), ()))
    return apply("add", product, column(bias, product.shape))


def relu(x: Value) -> Value:
    return apply("select", apply("gt", x, scalar_like(x, 0)), x, scalar_like(x, 0))


def sgd_step(batch: int, sizes: Sequence[int], rate: float = 0.01) -> Graph:
    """A training step of a multi-layer perceptron: loss and gradients out, parameters updated in place."""
    x, y = tensor("x", batch, sizes[0]), tensor("y", batch, dtype=int64)
    parameters: list[Value] = []
    h = x
    for i, (m, n) in enumerate(itertools.pairwise(sizes)):
        weight, bias = tensor(f"w{i}", n, m), tensor(f"b{i}", n)
        parameters += [weight, bias]
        h = linear(h, weight, bias)
        h = relu(h) if i + 2 < len(sizes) else h
    shifted = apply("sub", h, row(apply("max", h, axes=(1,)), h.shape))
    total = apply("sum", apply("exp", shifted), axes=(1,))
    log_softmax = apply("sub", shifted, row(apply("log", total), h.shape))
    chosen = apply("gather", log_softmax, apply("reshape", y, shape=(batch, 1)), axis=1)
    loss = apply("div", apply("neg", apply("sum", chosen, axes=(0, 1))), full(TensorType(float32), batch))
    forward = Graph((x, y, *parameters), (loss,))
    gradients = grad(forward, list(range(2, 2 + len(parameters)))).outputs
    updated = [
        apply("sub", p, apply("mul", g, scalar_like(p, rate))) for p, g in zip(parameters, gradients, strict=True)
    ]
    aliases = tuple((1 + len(parameters) + i, 2 + i) for i in range(len(parameters)))
    return Graph((x, y, *parameters), (loss, *gradients, *updated), aliases, "step")
