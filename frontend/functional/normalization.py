"""Normalisation, as PyTorch computes it: of features, of channels over a batch, of groups and of vectors.

Half types are computed in float32 and rounded once, as PyTorch's kernels do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ingot.composite import composite
from ingot.functional.arithmetic import add, div, lerp, mul, sub
from ingot.functional.arithmetic import pow as power
from ingot.functional.matrix_norms import vector_norm
from ingot.functional.padding import pad
from ingot.functional.reductions import mean
from ingot.functional.unary import rsqrt, square
from ingot.modes import no_grad
from ingot.mutation import assign
from ingot.promote import cast_to
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import OperandError, ShapeError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def _wide(input: Tensor) -> Tensor:
    """Half types in float32."""
    return cast_to(input, dtypes.float32) if input._layout.itemsize < 4 else input


def _trailing(name: str, input: Tensor, shape: Sequence[int]) -> tuple[int, ...]:
    """The last dimensions, which must have this shape. Raises ShapeError (IG245)."""
    count = len(shape)
    if count == 0 or tuple(input._layout.shape[-count:]) != tuple(shape):
        raise ShapeError(
            "IG245",
            f"{name}: normalized_shape {list(shape)} must be the last dimensions of the input, which has shape "
            f"{list(input._layout.shape)}",
            where=user_line(),
        )
    return tuple(range(-count, 0))


def _standardized(x: Tensor, axes: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """((x - mean) / sqrt(variance + eps), mean, variance) over the axes, which stay with size 1."""
    middle = mean(x, axes, True)
    centred = sub(x, middle)
    variance = mean(square(centred), axes, True)
    return mul(centred, rsqrt(add(variance, eps))), middle, variance


def _one_dtype(name: str, input: Tensor, *parameters: Tensor | None) -> None:
    """Raises OperandError (IG227) for parameters of another dtype; those of half types may be float32."""
    for tensor in parameters:
        if tensor is None or tensor._layout.dtype is input._layout.dtype:
            continue
        if input._layout.itemsize >= 4 or tensor._layout.dtype is not dtypes.float32:
            raise OperandError(
                "IG227",
                f"{name}: the input is {input._layout.dtype} and a parameter {tensor._layout.dtype}; all must share "
                "one dtype",
                where=user_line(),
                fix="module.to(x.dtype), or x.to(weight.dtype)",
            )


def _scaled(x: Tensor, weight: Tensor | None, bias: Tensor | None, dtype: DType, shape: Any = None) -> Tensor:
    """x * weight + bias in a dtype; both are viewed in `shape` first, if given."""
    for factor, combine in ((weight, mul), (bias, add)):
        if factor is not None:
            x = combine(x, factor if shape is None else factor.reshape(shape))
    return cast_to(x, dtype)


@composite
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) over the last dimensions, times weight, plus bias. Ba et al. 2016."""
    axes = _trailing("layer_norm", input, normalized_shape)
    _one_dtype("layer_norm", input, weight, bias)
    return _scaled(_standardized(_wide(input), axes, eps)[0], weight, bias, input._layout.dtype)


@composite
def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / sqrt(mean(x^2) + eps) over the last dimensions, times weight. Zhang & Sennrich 2019."""
    axes = _trailing("rms_norm", input, normalized_shape)
    small = (
        eps
        if eps is not None
        else {"f64": 2.0**-52, "f16": 2.0**-10, "bf16": 2.0**-7}.get(input._layout.dtype.short, 2.0**-23)
    )
    x = _wide(input)
    return _scaled(mul(x, rsqrt(add(mean(square(x), axes, True), small))), weight, None, input._layout.dtype)


def _per_channel(name: str, channels: Any, **tensors: Tensor | None) -> None:
    """Raises ShapeError (IG319) for a tensor that has not one element per channel."""
    for what, tensor in tensors.items():
        if tensor is not None and tensor._layout.numel != channels:
            raise ShapeError(
                "IG319",
                f"{name}: {what} should contain {channels} elements, one for each channel, not "
                f"{list(tensor._layout.shape)}",
                where=user_line(),
            )


def _several_values(count: Any, input: Tensor, what: str) -> None:
    if count == 1:
        raise SpecError(
            "IG320",
            f"Expected more than 1 {what} when training, got input size {list(input._layout.shape)}",
            where=user_line(),
            fix="a larger batch, or module.eval()",
        )


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) of each channel (dimension 1), times weight, plus bias. Ioffe & Szegedy 2015.

    While `training`, mean and variance are those of the batch, and the running ones move towards them by `momentum`, in
    place (the variance with n - 1 in the denominator). Else the running ones are used.
    Raises ShapeError (IG319) for statistics of another size, SpecError (IG320) for a single value per channel.
    """
    layout = input._layout
    if layout.ndim < 2:
        raise ShapeError("IG319", f"batch_norm needs [N, C, ...], not {list(layout.shape)}", where=user_line())
    channels = layout.shape[1]
    _per_channel("batch_norm", channels, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    _one_dtype("batch_norm", input, weight, bias, running_mean, running_var)
    shape = (1, channels, *(1,) * (layout.ndim - 2))
    if not training:
        if running_mean is None or running_var is None:
            raise OperandError(
                "IG320", "running_mean and running_var must be defined in evaluation mode", where=user_line()
            )
        return _by_statistics(input, running_mean, running_var, weight, bias, shape, eps)
    axes = (0, *range(2, layout.ndim))
    count = math.prod(layout.shape[axis] for axis in axes)
    _several_values(count, input, "value per channel")
    result, middle, variance = _by_batch(input, weight, bias, axes, shape, eps)
    if isinstance(count, int) and count == 0:
        return result
    _follow(running_mean, middle, momentum)
    _follow(running_var, _unbiased(variance, count), momentum)
    return result


@composite
def _by_statistics(
    input: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    shape: tuple[Any, ...],
    eps: float,
) -> Tensor:
    scale = rsqrt(add(_wide(running_var), eps))
    normal = mul(sub(_wide(input), running_mean.reshape(shape)), scale.reshape(shape))
    return _scaled(normal, weight, bias, input._layout.dtype, shape)


@composite
def _by_batch(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    axes: tuple[int, ...],
    shape: tuple[Any, ...],
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """(the result, the means, the variances)."""
    normal, middle, variance = _standardized(_wide(input), axes, eps)
    return _scaled(normal, weight, bias, input._layout.dtype, shape), middle, variance


def _unbiased(variance: Tensor, count: Any) -> Tensor:
    """The variance of a sample of `count` numbers, with count - 1 in the denominator."""
    if isinstance(count, int):
        return mul(variance, count / max(count - 1, 1))
    return div(mul(variance, count), count - 1)


@no_grad()
def _follow(running: Tensor | None, fresh: Tensor, momentum: Any) -> None:
    """Move a running statistic towards that of the batch."""
    if running is not None:
        known = _wide(running.detach())
        moved = lerp(known, fresh.detach().reshape(running._layout.shape), momentum)
        assign(running, cast_to(moved, running._layout.dtype))


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """As `batch_norm`, but each element of the batch has statistics of its own, over its space. Ulyanov et al. 2016.

    Running statistics move towards the mean of those of the batch's elements.
    """
    layout = input._layout
    if layout.ndim < 2:
        raise ShapeError("IG319", f"instance_norm needs [N, C, ...], not {list(layout.shape)}", where=user_line())
    channels = layout.shape[1]
    _per_channel(
        "instance_norm", channels, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    _one_dtype("instance_norm", input, weight, bias, running_mean, running_var)
    axes = tuple(range(2, layout.ndim))
    count = math.prod(layout.shape[axis] for axis in axes)
    _several_values(count, input, "spatial element")
    result, middle, variance = _by_batch(input, weight, bias, axes, (1, channels, *(1,) * (layout.ndim - 2)), eps)
    if running_mean is not None:
        _follow(running_mean, mean(middle, 0), momentum)
    if running_var is not None:
        _follow(running_var, _unbiased(mean(variance, 0), count), momentum)
    return result


@composite
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) of each group of neighbouring channels, times weight, plus bias.

    input [N, C, ...]. Raises ShapeError (IG319) when the groups do not divide C. Wu & He 2018.
    """
    layout = input._layout
    if layout.ndim < 2:
        raise ShapeError("IG319", f"group_norm needs [N, C, ...], not {list(layout.shape)}", where=user_line())
    batch, channels, *space = layout.shape
    if num_groups <= 0 or channels % num_groups != 0:
        raise ShapeError(
            "IG319",
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(layout.shape)} and num_groups={num_groups}",
            where=user_line(),
        )
    _per_channel("group_norm", channels, weight=weight, bias=bias)
    _one_dtype("group_norm", input, weight, bias)
    _several_values(math.prod((batch, channels // num_groups, *space)), input, "value per channel")
    grouped = _wide(input).reshape((batch, num_groups, channels // num_groups, *space))
    normal = _standardized(grouped, tuple(range(2, layout.ndim + 1)), eps)[0].reshape(layout.shape)
    return _scaled(normal, weight, bias, layout.dtype, (1, channels, *(1,) * len(space)))


def batch_norm_by_weight(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """`ingot.batch_norm`, which takes the arguments in another order."""
    return batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm_by_weight(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """`ingot.instance_norm`, which takes the arguments in another order."""
    return instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + alpha * mean of x^2 over `size` neighbouring channels)^beta. Krizhevsky et al. 2012."""
    layout = input._layout
    if layout.ndim < 3:
        raise SpecError(
            "IG319", f"Expected 3D or higher dimensionality input (got {layout.ndim} dimensions)", where=user_line()
        )
    if layout.numel == 0:
        return input
    space = (0, 0) * (layout.ndim - 2)
    padded = pad(square(input), (*space, size // 2, (size - 1) // 2))
    near = padded.narrow(1, 0, layout.shape[1])
    for first in range(1, size):
        near = add(near, padded.narrow(1, first, layout.shape[1]))
    return div(input, power(add(mul(near, alpha / size), k), beta))


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """x divided by its p-norm along `dim`, or by eps where that is larger. `out`: where to write the result."""
    result = div(input, vector_norm(input, p, dim, True).clamp_min(eps))
    return result if out is None else assign(out, result)
