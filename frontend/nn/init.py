"""Initial values of parameters, written in place; the numbers are PyTorch's (torch/nn/init.py)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ingot.core import tensor_from_array
from ingot.creation import empty_like
from ingot.creation import eye as identity
from ingot.functional import sampling
from ingot.functional.arithmetic import where
from ingot.functional.conversion import elements
from ingot.functional.inplace import copy_, fill_, zero_
from ingot.modes import no_grad
from ingot.rng import Generator
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor


def calculate_gain(nonlinearity: str, param: Any = None) -> float:
    """The factor by which a nonlinearity shrinks its input's standard deviation, inverted.

    `param`: the slope of leaky_relu. Raises SpecError (IG217) for another name, and for what is no slope.
    """
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, (int, float))):
            raise SpecError("IG217", f"negative_slope {param} not a valid number", where=user_line())
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity == "selu":
        return 3.0 / 4
    if nonlinearity in ("linear", "sigmoid") or nonlinearity.startswith("conv"):
        return 1
    raise SpecError("IG217", f"Unsupported nonlinearity {nonlinearity!r}", where=user_line())


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """(fan in, fan out) of a weight. Raises SpecError (IG248) below two dimensions."""
    shape: Any = tensor._layout.shape
    if len(shape) < 2:
        raise SpecError(
            "IG248",
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions: "
            f"its shape is {list(shape)}",
            where=user_line(),
        )
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    """The fan of a mode. Raises SpecError (IG217) for another one."""
    chosen = mode.lower()
    if chosen not in ("fan_in", "fan_out"):
        raise SpecError("IG217", f"Mode {mode} not supported, please use 'fan_in' or 'fan_out'", where=user_line())
    return _calculate_fan_in_and_fan_out(tensor)[chosen == "fan_out"]


def _is_empty(tensor: Tensor) -> bool:
    """Whether there is nothing to draw, which deserves a warning."""
    if tensor._layout.numel == 0:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
    return bool(tensor._layout.numel == 0)


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
    """The identity matrix. Raises SpecError (IG248) unless there are two dimensions."""
    if tensor._layout.ndim != 2:
        raise SpecError("IG248", "Only tensors with 2 dimensions are supported", where=user_line())
    return copy_(tensor, identity(*tensor._layout.shape, dtype=tensor._layout.dtype))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform with variance gain^2 / fan. He et al. 2015."""
    if _is_empty(tensor):
        return tensor
    bound = math.sqrt(3.0) * calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with variance gain^2 / fan. He et al. 2015."""
    if _is_empty(tensor):
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
    return normal_(tensor, 0.0, std, generator)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform with variance 2 gain^2 / (fan in + fan out). Glorot & Bengio 2010."""
    bound = math.sqrt(3.0) * gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with variance 2 gain^2 / (fan in + fan out). Glorot & Bengio 2010."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor))), generator)


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal, limited to [a, b]: what lies outside is drawn again. Outside of compiled code.

    Where less than 0.3 of the distribution lies inside, uniform candidates are accepted by the density instead.
    """

    def below(x: float) -> float:
        return (1.0 + math.erf((x - mean) / std / math.sqrt(2.0))) / 2.0

    if below(b) - below(a) <= 0.3:
        return _accepted(tensor, mean, std, a, b, generator)
    low, high = (number.item() for number in (tensor.new_tensor(a), tensor.new_tensor(b)))
    sampling.normal_(tensor, mean, std, generator=generator)
    while True:
        outside = (tensor < low) | (tensor > high)
        if not outside.any():
            return tensor
        again = sampling.normal_(empty_like(tensor), mean, std, generator=generator)
        copy_(tensor, where(outside, again, tensor))


def _accepted(tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Generator | None) -> Tensor:
    """Rejection sampling: a candidate stays if the logarithm of a uniform number is not above that of its density."""
    mode = max(a, min(mean, b))
    peak = -0.5 * ((mode - mean) / std) ** 2

    def candidates() -> tuple[Tensor, Tensor]:
        drawn = sampling.uniform_(empty_like(tensor), a, b, generator=generator)
        density = ((drawn - mean) / std) ** 2 * -0.5 - peak
        return drawn, sampling.uniform_(empty_like(tensor), generator=generator).log() > density

    drawn, pending = candidates()
    copy_(tensor, drawn)
    while pending.any():
        drawn, rejected = candidates()
        copy_(tensor, where(pending, drawn, tensor))
        pending = pending & rejected
    return tensor


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Rows (or columns, if there are fewer) that are orthonormal, times gain. Saxe et al. 2013.

    Dimensions after the first count as one. Outside of compiled code. Raises SpecError (IG248) below two dimensions.
    """
    if tensor._layout.ndim < 2:
        raise SpecError("IG248", "Only tensors with 2 or more dimensions are supported", where=user_line())
    if tensor._layout.numel == 0:
        return tensor
    rows = tensor._layout.shape[0]
    drawn = sampling.normal_(empty_like(tensor).view(rows, -1), generator=generator)
    matrix = elements(drawn, "orthogonal_()")
    wide = matrix.shape[0] < matrix.shape[1]
    q, r = np.linalg.qr(matrix.T if wide else matrix)
    q = q * np.sign(np.diagonal(r))
    made = np.array(q.T if wide else q, tensor._layout.dtype.numpy, order="C")
    return copy_(tensor, (tensor_from_array(made) * gain).view(tensor._layout.shape))


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Weights of a convolution that hands its input on: 1 in the middle of the field of equal channels, else 0.

    `groups`: parts of the output channels that begin anew. Raises SpecError (IG248) for another rank or parts.
    """
    shape: Any = tensor._layout.shape
    if len(shape) not in (3, 4, 5):
        raise SpecError("IG248", "Only tensors with 3, 4, or 5 dimensions are supported", where=user_line())
    if shape[0] % groups != 0:
        raise SpecError("IG248", "dim 0 must be divisible by groups", where=user_line())
    part = shape[0] // groups
    made = np.zeros(shape, tensor._layout.dtype.numpy)
    middle = tuple(n // 2 for n in shape[2:])
    for group in range(groups):
        for channel in range(min(part, shape[1])):
            made[(group * part + channel, channel, *middle)] = 1
    return copy_(tensor, tensor_from_array(made))


@no_grad()
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Normal, with a share `sparsity` of each column set to 0. Martens 2010.

    Raises SpecError (IG248) unless there are two dimensions.
    """
    if tensor._layout.ndim != 2:
        raise SpecError("IG248", "Only tensors with 2 dimensions are supported", where=user_line())
    rows, columns = tensor._layout.shape
    count = math.ceil(sparsity * rows)
    sampling.normal_(tensor, 0, std, generator=generator)
    for column in range(columns):
        chosen = sampling.randperm(rows).narrow(0, 0, count)
        place = tensor.select(1, column)
        copy_(place, place.index_fill(0, chosen, 0))
    return tensor


def _older(fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The name without an underscore, which older programs use."""
    new = fn.__name__
    old = new.rstrip("_")

    def function(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning, stacklevel=2)
        return fn(*args, **kwargs)

    function.__name__ = function.__qualname__ = old
    function.__doc__ = f"The older name of `{new}`."
    return function


uniform = _older(uniform_)
normal = _older(normal_)
constant = _older(constant_)
dirac = _older(dirac_)
eye = _older(eye_)
xavier_uniform = _older(xavier_uniform_)
xavier_normal = _older(xavier_normal_)
kaiming_uniform = _older(kaiming_uniform_)
kaiming_normal = _older(kaiming_normal_)
orthogonal = _older(orthogonal_)
sparse = _older(sparse_)
