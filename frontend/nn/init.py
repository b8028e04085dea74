"""Initial values of parameters, written in place; the numbers are PyTorch's (torch/nn/init.py)."""

from __future__ import annotations

import math
from typing import Any

from ingot.functional import sampling
from ingot.functional.inplace import copy_, fill_, zero_
from ingot.modes import no_grad
from ingot.rng import Generator
from ingot.runtime.errors import ShapeError, SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor


def calculate_gain(nonlinearity: str, param: Any = None) -> float:
    """The factor by which a nonlinearity shrinks its input's standard deviation, inverted."""
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity == "selu":
        return 3.0 / 4
    if nonlinearity in ("linear", "sigmoid") or nonlinearity.startswith("conv"):
        return 1.0
    raise SpecError("IG217", f"unsupported nonlinearity {nonlinearity!r}", where=user_line())


def _fans(tensor: Tensor) -> tuple[int, int]:
    """(fan in, fan out) of a weight. Raises ShapeError (IG248) below two dimensions."""
    shape: Any = tensor._layout.shape
    if len(shape) < 2:
        raise ShapeError(
            "IG248",
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions",
            where=user_line(),
        )
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _fan(tensor: Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise SpecError("IG217", f"mode is 'fan_in' or 'fan_out', not {mode!r}", where=user_line())
    return _fans(tensor)[mode == "fan_out"]


@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform in [a, b)."""
    return sampling.uniform_(tensor, a, b, generator=generator)


@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal."""
    return sampling.normal_(tensor, mean, std, generator=generator)


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """One number everywhere."""
    return fill_(tensor, val)


@no_grad()
def ones_(tensor: Tensor) -> Tensor:
    """All 1."""
    return fill_(tensor, 1.0)


@no_grad()
def zeros_(tensor: Tensor) -> Tensor:
    """All 0."""
    return zero_(tensor)


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix."""
    zero_(tensor)
    fill_(tensor.diagonal(), 1.0)
    return tensor


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform with variance gain^2 / fan. He et al. 2015."""
    bound = math.sqrt(3.0) * calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with variance gain^2 / fan. He et al. 2015."""
    std = calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    return normal_(tensor, 0.0, std, generator)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform with variance 2 gain^2 / (fan in + fan out). Glorot & Bengio 2010."""
    bound = math.sqrt(3.0) * gain * math.sqrt(2.0 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with variance 2 gain^2 / (fan in + fan out). Glorot & Bengio 2010."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_fans(tensor))), generator)


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal, limited to [a, b], by the inverse of the distribution function."""

    def below(x: float) -> float:
        return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0

    low, high = below((a - mean) / std), below((b - mean) / std)
    sampling.uniform_(tensor, 2 * low - 1, 2 * high - 1, generator=generator)
    return copy_(tensor, (tensor.erfinv() * (std * math.sqrt(2.0)) + mean).clamp(a, b))
