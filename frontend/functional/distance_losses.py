"""Losses of distances between vectors, as PyTorch computes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ingot.composite import composite
from ingot.functional.arithmetic import add, div, eq, minimum, mul, sub, where
from ingot.functional.distances import pairwise_distance
from ingot.functional.losses import chosen_reduction, reduced
from ingot.functional.reductions import sum
from ingot.functional.unary import clamp_min, neg, sqrt, square
from ingot.runtime.errors import OperandError, ShapeError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

# Added to squared lengths (aten's cosine_embedding_loss).
_EPSILON = 1e-12


@composite
def _margin_ranking(input1: Tensor, input2: Tensor, target: Tensor, margin: float, reduction: str) -> Tensor:
    return reduced(clamp_min(add(mul(neg(target), sub(input1, input2)), margin), 0), reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -target * (input1 - input2) + margin); targets are 1 and -1."""
    ranks = {x._layout.ndim for x in (input1, input2, target)}
    if len(ranks) > 1:
        shapes = ", ".join(str(list(x._layout.shape)) for x in (input1, input2, target))
        raise ShapeError(
            "IG322",
            f"margin_ranking_loss: all tensors should have the same dimension but got {shapes}",
            where=user_line(),
        )
    return _margin_ranking(input1, input2, target, margin, chosen_reduction(size_average, reduce, reduction))


@composite
def _cosine_embedding(input1: Tensor, input2: Tensor, target: Tensor, margin: float, reduction: str) -> Tensor:
    dim = target._layout.ndim
    lengths = mul(add(sum(square(input1), dim), _EPSILON), add(sum(square(input2), dim), _EPSILON))
    cosine = div(sum(mul(input1, input2), dim), sqrt(lengths))
    near = where(eq(target, 1), sub(1.0, cosine), 0.0)
    far = where(eq(target, -1), clamp_min(sub(cosine, margin), 0), 0.0)
    return reduced(add(near, far), reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cosine where the target is 1, max(0, cosine - margin) where it is -1.

    Inputs [N, d] or [d], target [N] or [].
    """
    rank = target._layout.ndim
    if rank > 1:
        raise OperandError("IG322", "0D or 1D target tensor expected, multi-target not supported", where=user_line())
    for x in (input1, input2):
        if x._layout.ndim != rank + 1:
            raise ShapeError(
                "IG322",
                f"cosine_embedding_loss: {rank}D target tensor expects {rank + 1}D input tensors, but found inputs "
                f"with sizes {list(input1._layout.shape)} and {list(input2._layout.shape)}",
                where=user_line(),
            )
    return _cosine_embedding(input1, input2, target, margin, chosen_reduction(size_average, reduce, reduction))


def _check_triplet(name: str, margin: float, *tensors: Tensor) -> None:
    if margin <= 0:
        raise SpecError("IG322", f"{name}: margin must be greater than 0, got {margin}", where=user_line())
    ranks = [x._layout.ndim for x in tensors]
    if len(set(ranks)) > 1:
        raise ShapeError(
            "IG322",
            f"{name}: the anchor, positive, and negative tensors are expected to have the same number of dimensions, "
            f"but got {ranks}",
            where=user_line(),
        )


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + |anchor - positive| - |anchor - negative|) in the p-norm. Balntas et al. 2016.

    `swap`: the negative's distance is the smaller one of those from anchor and positive.
    """

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=distance,
        margin=margin,
        swap=swap,
        reduction=chosen_reduction(size_average, reduce, reduction),
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with a distance of one's own."""
    _check_triplet("triplet_margin_loss", margin, anchor, positive, negative)
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(clamp_min(add(sub(near, far), margin), 0), reduction)
