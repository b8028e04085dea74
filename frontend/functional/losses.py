"""Losses of numbers and probabilities, as PyTorch computes them. `reduction`: "mean", "sum" or "none".

`size_average` and `reduce` are the older way to say `reduction`.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from ingot.composite import composite
from ingot.core import array_of
from ingot.functional.activations import logsigmoid
from ingot.functional.arithmetic import add, div, eq, gt, lt, mul, sub, where
from ingot.functional.reductions import mean, sum
from ingot.functional.unary import abs as absolute
from ingot.functional.unary import clamp_min, exp, log, log1p, neg, square
from ingot.modes import modes
from ingot.promote import cast_to, common_shape, splat
from ingot.runtime.errors import OperandError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

# A probability p with p (1 - p) below this has the gradient of this bound (aten's binary_cross_entropy_backward).
_LEAST_PRODUCT = 1e-12
# Logarithms of probabilities are not below this.
_LEAST_LOGARITHM = -100.0


def chosen_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that the older options ask for, with a warning; else the one given."""
    if size_average is None and reduce is None:
        return reduction
    average, total = (option is None or option for option in (size_average, reduce))
    found = "none" if not total else ("mean" if average else "sum")
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{found}' instead.", stacklevel=4
    )
    return found


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The mean, the sum, or the losses themselves. Raises SpecError (IG217) for another name."""
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return sum(loss)
    if reduction != "none":
        raise SpecError("IG217", f"reduction is 'mean', 'sum' or 'none', not {reduction!r}", where=user_line())
    return loss


def _paired(name: str, input: Tensor, target: Tensor) -> None:
    """Warns of two shapes that broadcast, as PyTorch does: likely the result is not what was meant.

    Raises ShapeError (IG201) for shapes that do not. A single number goes with every shape.
    """
    given, wanted = target._layout, input._layout
    if given.shape == wanted.shape or given.numel == 1 or wanted.numel == 1:
        return
    common_shape((input, target), name)
    warnings.warn(
        f"{name}: the target has shape {list(given.shape)} and the input {list(wanted.shape)}; broadcasting pairs "
        f"elements that may not belong together. Write target.view_as(input), or target.expand_as(input) if every "
        f"pair is meant ({user_line()})",
        UserWarning,
        stacklevel=3,
    )


def _same_shape(name: str, input: Tensor, target: Tensor) -> None:
    """Raises SpecError (IG201) for two shapes, as PyTorch does for probabilities."""
    if target._layout.shape != input._layout.shape:
        raise SpecError(
            "IG201",
            f"{name}: the target size {list(target._layout.shape)} must be the same as the input size "
            f"{list(input._layout.shape)}",
            where=user_line(),
            fix="target.view_as(input)",
        )


def _fail(name: str, what: str) -> OperandError:
    return OperandError("IG322", f"{name} {what}", where=user_line())


def _weighted(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """`reduced`; the mean of weighted losses is divided by the sum of the weights."""
    if weight is None:
        return reduced(loss, reduction)
    scaled = mul(loss, weight)
    return div(sum(scaled), sum(weight)) if reduction == "mean" else reduced(scaled, reduction)


@composite
def _mse(input: Tensor, target: Tensor, reduction: str, weight: Tensor | None) -> Tensor:
    return _weighted(square(sub(input, target)), weight, reduction)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input - target)^2. The mean of losses with a `weight` is that of their weighted elements."""
    _paired("mse_loss", input, target)
    return _mse(input, target, chosen_reduction(size_average, reduce, reduction), weight)


@composite
def _l1(input: Tensor, target: Tensor, reduction: str, weight: Tensor | None) -> Tensor:
    return _weighted(absolute(sub(input, target)), weight, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input - target|. The mean of losses with a `weight` is that of their weighted elements."""
    _paired("l1_loss", input, target)
    return _l1(input, target, chosen_reduction(size_average, reduce, reduction), weight)


@composite
def _huber(input: Tensor, target: Tensor, reduction: str, delta: float, weight: Tensor | None) -> Tensor:
    size = absolute(sub(input, target))
    loss = where(lt(size, delta), mul(square(size), 0.5), mul(sub(size, 0.5 * delta), delta))
    return reduced(loss if weight is None else mul(loss, weight), reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Squared below `delta`, linear above. Huber 1964."""
    if delta <= 0:
        raise _fail("huber_loss", f"does not support non-positive values for delta, but got {delta}")
    _paired("huber_loss", input, target)
    return _huber(input, target, reduction, delta, weight)


@composite
def _smooth_l1(input: Tensor, target: Tensor, reduction: str, beta: float) -> Tensor:
    size = absolute(sub(input, target))
    return reduced(where(lt(size, beta), div(mul(square(size), 0.5), beta), sub(size, 0.5 * beta)), reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Squared below `beta`, linear above; huber_loss / beta. Girshick 2015."""
    if beta < 0:
        raise _fail("smooth_l1_loss", f"does not support negative values for beta, but got {beta}")
    reduction = chosen_reduction(size_average, reduce, reduction)
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    _paired("smooth_l1_loss", input, target)
    return _smooth_l1(input, target, reduction, beta)


@composite
def _bce(input: Tensor, target: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    edge = lt(mul(input, sub(1.0, input)), _LEAST_PRODUCT)
    inner = where(edge, 0.5, input)
    loss = sub(mul(sub(target, 1.0), log1p(neg(inner))), mul(target, log(inner)))
    # At 0 and 1 the value has bounded logarithms, and the gradient a bounded denominator.
    fixed = input.detach()
    yes, no = (clamp_min(part, _LEAST_LOGARITHM) for part in (log(fixed), log1p(neg(fixed))))
    slope = mul(sub(fixed, target.detach()), 1 / _LEAST_PRODUCT)
    limit = add(sub(mul(sub(target, 1.0), no), mul(target, yes)), mul(slope, sub(input, fixed)))
    loss = where(edge, limit, loss)
    return reduced(loss if weight is None else mul(loss, weight), reduction)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(y log p + (1 - y) log(1 - p)), logarithms not below -100.

    Raises SpecError (IG201) for two shapes and, outside of compiled code, OperandError (IG322) for what is no
    probability.
    """
    _same_shape("binary_cross_entropy", input, target)
    if modes.trace is None and input._layout.numel:
        given = array_of(input)
        if given.min() < 0 or given.max() > 1:
            raise _fail("binary_cross_entropy:", "all elements of input should be between 0 and 1")
    return _bce(input, target, weight, chosen_reduction(size_average, reduce, reduction))


@composite
def _bce_logits(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, pos_weight: Tensor | None
) -> Tensor:
    softplus = neg(logsigmoid(input))
    factor = 1.0 if pos_weight is None else add(mul(sub(pos_weight, 1.0), target), 1.0)
    scaled = softplus if pos_weight is None else mul(factor, softplus)
    loss = add(mul(sub(1.0, target), input), scaled)
    return reduced(loss if weight is None else mul(loss, weight), reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """binary_cross_entropy of sigmoid(input), without overflow. Raises SpecError (IG201) for two shapes."""
    _same_shape("binary_cross_entropy_with_logits", input, target)
    return _bce_logits(input, target, weight, chosen_reduction(size_average, reduce, reduction), pos_weight)


@composite
def _kl_div(input: Tensor, target: Tensor, reduction: str, log_target: bool) -> Tensor:
    if log_target:
        loss = mul(exp(target), sub(target, input))
    else:
        safe = where(eq(target, 0), 1.0, target)
        loss = sub(mul(target, log(safe)), mul(target, input))
    if reduction != "batchmean":
        return reduced(loss, reduction)
    total = sum(loss)
    return div(total, input._layout.shape[0]) if input._layout.ndim else total


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target * (log target - input); input holds log-probabilities. `reduction` may be "batchmean"."""
    return _kl_div(input, target, chosen_reduction(size_average, reduce, reduction), log_target)


@composite
def _poisson(input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: str) -> Tensor:
    loss = sub(exp(input), mul(target, input)) if log_input else sub(input, mul(target, log(add(input, eps))))
    if full:
        large = gt(target, 1)
        counts = where(large, target, 1.0)
        stirling = add(sub(mul(counts, log(counts)), counts), mul(log(mul(counts, 2 * math.pi)), 0.5))
        loss = add(loss, where(large, stirling, 0.0))
    return reduced(loss, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of Poisson counts; `full` adds Stirling's term."""
    return _poisson(input, target, log_input, full, eps, chosen_reduction(size_average, reduce, reduction))


@composite
def _gaussian(input: Tensor, target: Tensor, var: Tensor, full: bool, eps: float, reduction: str) -> Tensor:
    # The bound has no part in the gradient.
    fixed = var.detach()
    bounded = add(sub(var, fixed), clamp_min(fixed, eps))
    loss = mul(add(log(bounded), div(square(sub(input, target)), bounded)), 0.5)
    return reduced(add(loss, 0.5 * math.log(2 * math.pi)) if full else loss, reduction)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """The negative log-likelihood of normal numbers with the variances `var`, which count as `eps` at least.

    `var`: a number, the shape of the input, that without the last dimension, or with one dimension of size 1. `full`
    adds the constant. Raises SpecError (IG322) for another shape and for negative variances. Nix & Weigend 1994.
    """
    layout = input._layout
    spread: Tensor = var if hasattr(var, "_layout") else splat(float(var), layout.dtype, layout.shape)
    if spread._layout.shape == layout.shape[:-1] and spread._layout.shape != layout.shape:
        spread = spread.unsqueeze(-1)
    sizes = spread._layout.shape
    differing = [(m, n) for m, n in zip(sizes, layout.shape, strict=False) if m != n]
    if len(sizes) != layout.ndim or len(differing) > 1 or any(m != 1 for m, _ in differing):
        raise SpecError("IG322", f"var is of incorrect size: {list(sizes)} for {list(layout.shape)}", where=user_line())
    if modes.trace is None and spread._layout.numel and array_of(spread).min() < 0:
        raise SpecError("IG322", "var has negative entry/entries", where=user_line())
    return _gaussian(input, target, spread, full, eps, reduction)


@composite
def _soft_margin(input: Tensor, target: Tensor, reduction: str) -> Tensor:
    return reduced(log1p(exp(neg(mul(cast_to(target, input._layout.dtype), input)))), reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target * input)); targets are 1 and -1."""
    return _soft_margin(input, target, chosen_reduction(size_average, reduce, reduction))


@composite
def _hinge_embedding(input: Tensor, target: Tensor, margin: float, reduction: str) -> Tensor:
    far = where(eq(target, 1), 0.0, clamp_min(sub(margin, input), 0))
    near = where(eq(target, -1), 0.0, input)
    return reduced(add(far, near), reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The input where the target is 1, max(0, margin - input) where it is -1."""
    return _hinge_embedding(input, target, margin, chosen_reduction(size_average, reduce, reduction))
