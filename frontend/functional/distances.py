"""Distances and similarities of vectors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ingot.functional.arithmetic import add, div, eq, mul, sub, where
from ingot.functional.reductions import all, norm, sum
from ingot.functional.unary import floating, sqrt, square
from ingot.promote import unified

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def length(x: Tensor, p: float, dim: Any, keepdim: bool = True) -> Tensor:
    """The p-norm along `dim`; its gradient where all is 0 is 0."""
    if p in (0, 1, math.inf, -math.inf):
        return norm(x, p, dim, keepdim)
    if p == 2:
        total = sum(square(x), dim, keepdim)
        zero = eq(total, 0)
        return where(zero, 0.0, sqrt(where(zero, 1.0, total)))
    nothing = all(eq(x, 0), dim, True)
    found = norm(where(nothing, 1.0, x), p, dim, keepdim)
    return where(nothing.reshape(found._layout.shape), 0.0, found)


def _at_least(x: Tensor, bound: float) -> Tensor:
    """The larger of both, with the gradient of x everywhere."""
    return add(x, x.detach().clamp_min(bound) - x.detach())


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along `dim`; lengths count as `eps` at least."""
    a, b = unified("cosine_similarity", floating(x1), floating(x2))
    first, second = (div(x, _at_least(length(x, 2, dim), eps)) for x in (a, b))
    return sum(mul(first, second), dim)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension."""
    return length(add(sub(x1, x2), eps), p, -1, keepdim)
