"""Losses of scores of classes, as PyTorch computes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingot.compiler.ir import TensorType
from ingot.compiler.ops import source
from ingot.composite import composite
from ingot.functional.activations import log_softmax, logsigmoid, relu
from ingot.functional.arithmetic import add, div, eq, ge, mul, ne, sub, where
from ingot.functional.gathering import gather, index_select
from ingot.functional.losses import chosen_reduction, reduced
from ingot.functional.reductions import any as any_of
from ingot.functional.reductions import cumprod, mean, sum
from ingot.functional.unary import neg, square
from ingot.gate import apply
from ingot.promote import cast_to
from ingot.runtime import dtypes
from ingot.runtime.errors import OperandError, ShapeError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def _axis(input: Tensor) -> int:
    """The class dimension: 1, or 0 for a single row. Raises SpecError (IG244) for a number."""
    if input._layout.ndim == 0:
        raise SpecError("IG244", "Expected 1 or more dimensions (got 0)", where=user_line())
    return 0 if input._layout.ndim == 1 else 1


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input) at the target class; input [N, C, ...] or [C].

    target: class indices [N, ...] (int64), or probabilities in the shape of the input. `weight`: one per class.
    Raises SpecError and ShapeError (IG244) for targets of another shape, OperandError (IG227, IG322) for other dtypes
    and options.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    axis = _axis(input)
    if not 0.0 <= label_smoothing <= 1.0:
        raise OperandError(
            "IG322", f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}", where=user_line()
        )
    _check_weight(weight, input, axis)
    if target._layout.dtype.is_floating_point and target._layout.shape == input._layout.shape:
        if ignore_index >= 0:
            raise OperandError("IG322", "ignore_index is not supported for floating point target", where=user_line())
        return _soft_targets(input, target, weight, axis, reduction, label_smoothing)
    _check_targets(input, target, axis)
    return _cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)


@composite
def _cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, label_smoothing: float
) -> Tensor:
    axis = _axis(input)
    logs = log_softmax(input, axis)
    loss = _nll(logs, target, weight, ignore_index, reduction)
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


@composite
def _soft_targets(
    input: Tensor, target: Tensor, weight: Tensor | None, axis: int, reduction: str, smoothing: float
) -> Tensor:
    logs = log_softmax(input, axis)
    count = logs._layout.shape[axis]
    if smoothing > 0:
        target = add(mul(target, 1 - smoothing), smoothing / count)
    scaled = mul(logs, target) if weight is None else mul(mul(logs, target), _per_class(weight, logs, axis))
    loss = neg(sum(scaled, axis))
    if reduction == "mean":
        return div(sum(loss), loss._layout.numel)
    return reduced(loss, reduction)


def _per_class(weight: Tensor, logs: Tensor, axis: int) -> Tensor:
    return weight.reshape(tuple(-1 if i == axis else 1 for i in range(logs._layout.ndim)))


def _total_weight(target: Tensor, valid: Tensor, weight: Tensor | None, logs: Tensor) -> Tensor:
    if weight is None:
        return sum(cast_to(valid, logs._layout.dtype))
    return sum(_target_weights(target, valid, weight))


def _target_weights(target: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
    classes = where(valid, target, 0)
    chosen = index_select(weight, 0, classes.reshape(-1)).view(target._layout.shape)
    result: Tensor = where(valid, chosen, 0.0)
    return result


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-input at the target class; input [N, C, ...] or [C] holds log-probabilities, target int64 class indices.

    Targets equal to `ignore_index` count neither in the sum nor in the mean's denominator.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    axis = _axis(input)
    _check_weight(weight, input, axis)
    _check_targets(input, target, axis)
    return _nll(input, target, weight, ignore_index, reduction)


def _check_weight(weight: Tensor | None, input: Tensor, axis: int) -> None:
    if weight is None:
        return
    count = input._layout.shape[axis]
    if weight._layout.shape != (count,):
        raise OperandError(
            "IG322",
            f"weight tensor should be defined either for all {count} classes or no classes but got weight tensor of "
            f"shape: {list(weight._layout.shape)}",
            where=user_line(),
        )
    if weight._layout.dtype is not input._layout.dtype:
        raise OperandError(
            "IG227",
            f"expected scalar type {input._layout.dtype} for the weight of the classes but found "
            f"{weight._layout.dtype}",
            where=user_line(),
            fix="weight.to(input.dtype)",
        )


def _check_targets(input: Tensor, target: Tensor, axis: int) -> None:
    expected = (*input._layout.shape[:axis], *input._layout.shape[axis + 1 :])
    given = target._layout.shape
    if given != expected:
        batches = input._layout.ndim > 1 and len(given) > 0 and given[0] != expected[0]
        kind: type[SpecError] | type[ShapeError] = SpecError if batches else ShapeError
        raise kind(
            "IG244",
            f"Expected input batch_size ({expected[0]}) to match target batch_size ({given[0]})."
            if batches
            else f"Expected target size {list(expected)}, got {list(given)} for input of shape "
            f"{list(input._layout.shape)}",
            where=user_line(),
            fix="target.long(), if it holds class indices" if target._layout.dtype.is_floating_point else None,
        )
    if target._layout.dtype.kind not in "iu":
        raise OperandError(
            "IG229",
            f"expected target dtype to be Long or Byte (class indices), but got {target._layout.dtype}",
            where=user_line(),
            fix="target.long()",
        )


@composite
def _nll(input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> Tensor:
    axis = _axis(input)
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


def _rows(name: str, input: Tensor, target: Tensor, labels: bool) -> tuple[Tensor, Tensor]:
    """The input as [N, C] and the target as [N], or [N, C] for `labels`. Raises ShapeError (IG244)."""
    shape = input._layout.shape
    wanted = shape if labels else shape[:-1]
    # A single row may have its target as one number or as a vector of one.
    fits = target._layout.shape == wanted or (len(shape) == 1 and not labels and target._layout.numel == 1)
    if len(shape) not in (1, 2) or not fits:
        raise ShapeError(
            "IG244",
            f"{name}: inconsistent target size: {list(target._layout.shape)} for input of size: {list(shape)}",
            where=user_line(),
        )
    if len(shape) == 2:
        return input, target
    return input.unsqueeze(0), target.unsqueeze(0) if labels else target.reshape(1)


def _averaged(loss: Tensor, reduction: str, shape: Any) -> Tensor:
    """`reduced`; what is not reduced has this shape."""
    return loss.reshape(shape) if reduction == "none" else reduced(loss, reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over the classes but the target of max(0, margin - x[target] + x[class])^p. input [N, C] or [C].

    `weight`: factors of the target classes. Raises SpecError (IG322) unless p is 1 or 2.
    """
    if p not in (1, 2):
        raise SpecError("IG322", f"only p == 1 and p == 2 supported, not {p}", where=user_line())
    scores, classes = _rows("multi_margin_loss", input, target, labels=False)
    loss = _multi_margin(scores, classes, p, margin, weight)
    return _averaged(loss, chosen_reduction(size_average, reduce, reduction), target._layout.shape)


@composite
def _multi_margin(scores: Tensor, target: Tensor, p: int, margin: float, weight: Tensor | None) -> Tensor:
    classes = target.unsqueeze(1)
    picked = gather(scores, 1, classes)
    short = relu(add(sub(scores, picked), margin))
    if p == 2:
        short = square(short)
    if weight is not None:
        short = mul(short, index_select(weight, 0, target).unsqueeze(1))
    return mean(where(eq(_numbers(scores), classes), 0.0, short), 1)


def _numbers(scores: Tensor) -> Tensor:
    """0 .. C - 1 in every row."""
    return apply(source.iota, type=TensorType(dtypes.int64, scores._layout.shape), axis=1)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum over target and other classes of max(0, 1 - x[target] + x[other]), divided by C. input [N, C] or [C].

    target: class indices in the shape of the input; the first negative one ends a row.
    """
    scores, labels = _rows("multilabel_margin_loss", input, target, labels=True)
    loss = _multilabel_margin(scores, labels)
    return _averaged(loss, chosen_reduction(size_average, reduce, reduction), input._layout.shape[:-1])


@composite
def _multilabel_margin(scores: Tensor, labels: Tensor) -> Tensor:
    count: Any = scores._layout.shape[1]
    valid = ne(cumprod(cast_to(ge(labels, 0), dtypes.int64), 1), 0)
    classes = where(valid, labels, 0)
    picked = gather(scores, 1, classes).unsqueeze(2)
    numbers = _numbers(scores).unsqueeze(1)
    is_target = any_of(eq(classes.unsqueeze(2), numbers) & valid.unsqueeze(2), 1)
    short = relu(sub(1.0, sub(picked, scores.unsqueeze(1))))
    counted = where(valid.unsqueeze(2) & is_target.logical_not().unsqueeze(1), short, 0.0)
    return div(sum(counted, (1, 2)), count)


@composite
def _multilabel_soft_margin(input: Tensor, target: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    loss = neg(add(mul(target, logsigmoid(input)), mul(sub(1.0, target), logsigmoid(neg(input)))))
    return reduced(mean(loss if weight is None else mul(loss, weight), -1), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over the last dimension of binary_cross_entropy_with_logits."""
    return _multilabel_soft_margin(input, target, weight, chosen_reduction(size_average, reduce, reduction))
