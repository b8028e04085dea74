"""Functions that the formulas of optimisers use besides operators: on arrays when eager, on tensors in a trace.

Operators with `=` (x += y) change an array or tensor in place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ingot.core import is_tensor
from ingot.functional import arithmetic, unary
from ingot.host_scalar import number_of
from ingot.modes import modes
from ingot.runtime import dtypes


def sqrt(x: Any) -> Any:
    """Square root."""
    return unary.sqrt(x) if is_tensor(x) else np.sqrt(x)


def sign(x: Any) -> Any:
    """-1, 0 or 1."""
    return unary.sign(x) if is_tensor(x) else np.sign(x)


def maximum(x: Any, y: Any) -> Any:
    """The larger of two; NaN where one is."""
    return arithmetic.maximum(x, y) if is_tensor(x) else np.maximum(x, y)


def clip(x: Any, low: Any, high: Any) -> Any:
    """x within [low, high]."""
    if not is_tensor(x):
        return np.minimum(np.maximum(x, low), high)
    return choose(x < low, low, choose(x > high, high, x))


def choose(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, y elsewhere; a Python number when all three are."""
    if is_tensor(condition):
        return arithmetic.where(condition, x, y)
    return np.where(condition, x, y) if isinstance(condition, np.ndarray) else x if condition else y


def assign(target: Any, value: Any) -> None:
    """Give an array or tensor other elements."""
    if is_tensor(target):
        target.copy_(value)
    else:
        target[...] = value


def larger(x: Any, y: Any) -> Any:
    """The larger of two numbers."""
    if not is_tensor(x) and not is_tensor(y):
        return max(x, y)
    second = number_of((x < y).double())
    return x * (1 - second) + y * second


def norm(x: Any) -> Any:
    """The root of the sum of squares, a number."""
    return number_of((x * x).sum().sqrt()) if is_tensor(x) else float(np.sqrt((x * x).sum()))


def mean(x: Any, axis: int) -> Any:
    """The mean along an axis, which stays with size 1."""
    return x.mean(axis, keepdim=True) if is_tensor(x) else x.mean(axis=axis, keepdims=True)


def to_bfloat16(x: Any) -> Any:
    """Numbers in single precision, rounded to those of bfloat16."""
    if is_tensor(x):
        return x.bfloat16().float()
    return x.astype(dtypes.bfloat16.numpy).astype(np.float32)


def move(start: Any, end: Any, weight: Any) -> None:
    """start += weight * (end - start), from the nearer end as `lerp` does, so that weight 1 gives the end exactly."""
    if modes.trace is not None and is_tensor(weight):
        near = weight < 0.5
        share = weight - number_of((weight >= 0.5).double())
        assign(start, arithmetic.where(near, start, end) + (end - start) * share)
    elif weight < 0.5:
        start += (end - start) * weight
    else:
        assign(start, end - (end - start) * (1 - weight))
