"""Distances and similarities of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingot.functional.arithmetic import add, div, mul, sub
from ingot.functional.matrix_norms import vector_norm
from ingot.functional.reductions import sum
from ingot.functional.unary import floating
from ingot.promote import unified

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def _at_least(x: Tensor, bound: float) -> Tensor:
    """The larger of both, with the gradient of x everywhere."""
    return add(x, x.detach().clamp_min(bound) - x.detach())


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along `dim`; lengths count as `eps` at least."""
    a, b = unified("cosine_similarity", floating(x1), floating(x2))
    first, second = (div(x, _at_least(vector_norm(x, 2, dim, True), eps)) for x in (a, b))
    return sum(mul(first, second), dim)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension."""
    return vector_norm(add(sub(x1, x2), eps), p, -1, keepdim)
