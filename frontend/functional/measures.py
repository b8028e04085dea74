"""Distances between vectors, norms that are limited, and sums in logarithms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.compiler.ops import view as view_rows
from ingot.core import own_array, tensor_from_array
from ingot.functional.arithmetic import add, div, gt, logaddexp, mul, sub, where
from ingot.functional.gathering import index_select
from ingot.functional.matrix_norms import vector_norm
from ingot.functional.reductions import axis_of, sum
from ingot.functional.shaping import reshape, sliced, unsqueeze
from ingot.functional.unary import floating
from ingot.gate import apply
from ingot.promote import expand_to
from ingot.runtime.errors import ShapeError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """The p-norms of the differences of all rows [..., P, M] and [..., R, M]: [..., P, R].

    Raises ShapeError (IG228) for rows of different lengths. `compute_mode` chooses an algorithm of PyTorch's.
    """
    a, b = x1._layout.shape, x2._layout.shape
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-1]:
        raise ShapeError(
            "IG228",
            f"cdist: X1 and X2 must have at least two dimensions and the same number of columns: {list(a)}, {list(b)}",
            where=user_line(),
        )
    return vector_norm(sub(unsqueeze(x1, -2), unsqueeze(x2, -3)), p, -1)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norms of the differences of all pairs of rows, the first row's first."""
    size: Any = input._layout.shape[0]
    first, second = (tensor_from_array(own_array(i.astype(np.int64))) for i in np.triu_indices(size, 1))
    return vector_norm(sub(index_select(input, 0, first), index_select(input, 0, second)), p, 1)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Each slice along `dim` scaled down to the p-norm `maxnorm` where its norm is larger."""
    axis = axis_of(input, dim)
    others = [i for i in range(input._layout.ndim) if i != axis]
    size = vector_norm(input, p, others, True)
    return mul(input, where(gt(size, maxnorm), div(maxnorm, add(size, 1e-7)), 1.0))


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """The logarithm of the sums of exp(x) up to each element along `dim`, without overflow (Hillis & Steele 1986)."""
    x = floating(input)
    axis = axis_of(x, dim)
    shape = x._layout.shape
    if x._layout.ndim == 0 or shape[axis] in (0, 1):
        return apply(view_rows.reshape, x, shape=shape)
    size: Any = shape[axis]
    step = 1
    while step < size:
        none = (0,) * len(shape)
        low = tuple(step if i == axis else 0 for i in range(len(shape)))
        before = sliced(x, axis, 0, size - step, 1)
        x = logaddexp(x, apply(view_rows.pad, before, low=low, high=none, interior=none, value=-math.inf))
        step *= 2
    return x


def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Summed over the dimensions that broadcasting `size` to the tensor's shape would repeat."""
    goal = tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    shape = self._layout.shape
    added = len(shape) - len(goal)
    if added < 0 or any(n not in (1, m) for n, m in zip(goal, shape[added:], strict=True)):
        raise ShapeError(
            "IG201",
            f"size {list(goal)} is not expandable to size {list(shape)}.",
            where=user_line(),
        )
    axes = [i for i, m in enumerate(shape) if i < added or (goal[i - added] == 1 and m != 1)]
    return reshape(sum(self, axes, True), goal) if axes else self


def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor of the same shape and dtype with one number everywhere."""
    number = value if hasattr(value, "_layout") else None
    if number is None:
        return input.detach().clone().fill_(value)
    return expand_to(number.to(input._layout.dtype), input._layout.shape).clone()
