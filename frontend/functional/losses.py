"""Losses, as PyTorch computes them. `reduction`: "mean", "sum" or "none"."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ingot.composite import composite
from ingot.functional.activations import log_softmax, logsigmoid
from ingot.functional.arithmetic import add, div, eq, mul, ne, sub, where
from ingot.functional.gathering import gather, index_select
from ingot.functional.reductions import mean, sum
from ingot.functional.unary import abs as absolute
from ingot.functional.unary import clamp_min, exp, log, neg, square
from ingot.promote import cast_to, common_shape
from ingot.runtime import dtypes
from ingot.runtime.errors import DTypeError, ShapeError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The mean, the sum, or the losses themselves. Raises SpecError (IG217) for another name."""
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return sum(loss)
    if reduction != "none":
        raise SpecError("IG217", f"reduction is 'mean', 'sum' or 'none', not {reduction!r}", where=user_line())
    return loss


def _classes_last(input: Tensor) -> tuple[Tensor, int]:
    """The class dimension: 1, or 0 for a single row."""
    return input, 0 if input._layout.ndim == 1 else 1


@composite
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input) at the target class; input [N, C, ...] or [C].

    target: class indices [N, ...] (int64), or probabilities in the shape of the input. `weight`: one per class.
    """
    x, axis = _classes_last(input)
    logs = log_softmax(x, axis)
    if target._layout.dtype.is_floating_point:
        return _soft_targets(logs, target, weight, axis, reduction, label_smoothing)
    loss = nll_loss(logs, target, weight, ignore_index, reduction)
    if label_smoothing == 0.0:
        return loss
    spread = _smooth_loss(logs, target, weight, ignore_index, axis, reduction)
    count = logs._layout.shape[axis]
    return add(mul(loss, 1 - label_smoothing), mul(spread, label_smoothing / count))


def _smooth_loss(
    logs: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, axis: int, reduction: str
) -> Tensor:
    weighted = logs if weight is None else mul(logs, _per_class(weight, logs, axis))
    valid = ne(target, ignore_index)
    loss = where(valid, neg(sum(weighted, axis)), 0.0)
    if reduction != "mean":
        return reduced(loss, reduction)
    return div(sum(loss), _total_weight(target, valid, weight, logs))


def _soft_targets(
    logs: Tensor, target: Tensor, weight: Tensor | None, axis: int, reduction: str, smoothing: float
) -> Tensor:
    if target._layout.shape != logs._layout.shape:
        raise ShapeError(
            "IG244",
            f"probabilities for input of shape {list(logs._layout.shape)} must have that shape, not "
            f"{list(target._layout.shape)}",
            where=user_line(),
            fix="target.long(), if it holds class indices",
        )
    count = logs._layout.shape[axis]
    if smoothing > 0:
        target = add(mul(target, 1 - smoothing), smoothing / count)
    scaled = mul(logs, target) if weight is None else mul(mul(logs, target), _per_class(weight, logs, axis))
    loss = neg(sum(scaled, axis))
    if reduction == "mean":
        return div(sum(loss), loss._layout.numel)
    return reduced(loss, reduction)


def _per_class(weight: Tensor, logs: Tensor, axis: int) -> Tensor:
    return weight.view(tuple(-1 if i == axis else 1 for i in range(logs._layout.ndim)))


def _total_weight(target: Tensor, valid: Tensor, weight: Tensor | None, logs: Tensor) -> Tensor:
    if weight is None:
        return sum(cast_to(valid, logs._layout.dtype))
    return sum(_target_weights(target, valid, weight))


def _target_weights(target: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
    classes = where(valid, target, 0)
    chosen = index_select(weight, 0, classes.reshape(-1)).view(target._layout.shape)
    result: Tensor = where(valid, chosen, 0.0)
    return result


@composite
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-input at the target class; input [N, C, ...] or [C] holds log-probabilities, target int64 class indices.

    Targets equal to `ignore_index` count neither in the sum nor in the mean's denominator.
    """
    axis = 0 if input._layout.ndim == 1 else 1
    expected = (*input._layout.shape[:axis], *input._layout.shape[axis + 1 :])
    if target._layout.shape != expected:
        raise ShapeError(
            "IG244",
            f"Expected target of shape {list(expected)} for input of shape {list(input._layout.shape)}, got "
            f"{list(target._layout.shape)}",
            where=user_line(),
        )
    if target._layout.dtype.kind not in "iu":
        raise DTypeError(
            "IG229", f"class indices must be int64, not {target._layout.dtype}", where=user_line(), fix="target.long()"
        )
    target = cast_to(target, dtypes.int64)
    valid = ne(target, ignore_index)
    classes = where(valid, target, 0)
    picked = gather(input, axis, classes.unsqueeze(axis)).squeeze(axis)
    loss = where(valid, neg(picked), 0.0)
    if weight is not None:
        loss = mul(loss, _target_weights(target, valid, weight))
    if reduction != "mean":
        return reduced(loss, reduction)
    return div(sum(loss), _total_weight(target, valid, weight, input))


def _same_shape(name: str, input: Tensor, target: Tensor) -> None:
    """Raises ShapeError (IG201) for two shapes, where PyTorch warns that broadcasting likely gives wrong results.

    A single number goes with every shape.
    """
    given, wanted = target._layout, input._layout
    if given.shape == wanted.shape or given.numel == 1 or wanted.numel == 1:
        return
    common_shape((input, target), name)
    raise ShapeError(
        "IG201",
        f"{name}: the target has shape {list(given.shape)} and the input {list(wanted.shape)}; broadcasting would pair "
        "elements that do not belong together",
        where=user_line(),
        fix="target.view_as(input), or target.expand_as(input) if every pair is meant",
    )


@composite
def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """(input - target)^2."""
    _same_shape("mse_loss", input, target)
    return reduced(square(sub(input, target)), reduction)


@composite
def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """|input - target|."""
    _same_shape("l1_loss", input, target)
    return reduced(absolute(sub(input, target)), reduction)


@composite
def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """Squared below `delta`, linear above. Huber 1964."""
    _same_shape("huber_loss", input, target)
    size = absolute(sub(input, target))
    return reduced(where(size < delta, mul(square(size), 0.5), mul(sub(size, 0.5 * delta), delta)), reduction)


@composite
def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Squared below `beta`, linear above; huber_loss / beta. Girshick 2015."""
    _same_shape("smooth_l1_loss", input, target)
    if beta == 0:
        return l1_loss(input, target, reduction)
    size = absolute(sub(input, target))
    return reduced(where(size < beta, div(mul(square(size), 0.5), beta), sub(size, 0.5 * beta)), reduction)


@composite
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """-(y log p + (1 - y) log(1 - p)), logarithms not below -100."""
    _same_shape("binary_cross_entropy", input, target)
    yes, no = clamp_min(log(input), -100.0), clamp_min(log(sub(1.0, input)), -100.0)
    loss = sub(mul(sub(target, 1.0), no), mul(target, yes))
    return reduced(loss if weight is None else mul(loss, weight), reduction)


@composite
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """binary_cross_entropy of sigmoid(input), without overflow."""
    _same_shape("binary_cross_entropy_with_logits", input, target)
    softplus = neg(logsigmoid(input))
    if pos_weight is None:
        loss = add(mul(sub(1.0, target), input), softplus)
    else:
        factor = add(mul(sub(pos_weight, 1.0), target), 1.0)
        loss = add(mul(sub(1.0, target), input), mul(factor, softplus))
    return reduced(loss if weight is None else mul(loss, weight), reduction)


@composite
def kl_div(input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """target * (log target - input); input holds log-probabilities. `reduction` may be "batchmean"."""
    if log_target:
        loss = mul(exp(target), sub(target, input))
    else:
        safe = where(eq(target, 0), 1.0, target)
        loss = sub(mul(target, log(safe)), mul(target, input))
    if reduction == "batchmean":
        return div(sum(loss), input._layout.shape[0])
    return reduced(loss, reduction)


@composite
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of Poisson counts; `full` adds Stirling's term."""
    loss = sub(exp(input), mul(target, input)) if log_input else sub(input, mul(target, log(add(input, eps))))
    if full:
        stirling = add(sub(mul(target, log(target)), target), mul(log(mul(target, 2 * math.pi)), 0.5))
        loss = add(loss, where(target > 1, stirling, 0.0))
    return reduced(loss, reduction)
