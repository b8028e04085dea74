"""Numbers and gradients for small programs that run under PyTorch and under ingot."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

# Called with the module, `torch` or `ingot`; a list of tensors.
Case = Callable[[Any], Any]


def data(torch: Any, *shape: int, seed: int = 0, scale: float = 2.0) -> Any:
    """Numbers in (-scale, scale] that repeat no pattern of the shape."""
    count = math.prod(shape)
    numbers = [((i * 7919 + seed * 104729 + 17) % 1009) / 1009 * 2 * scale - scale for i in range(count)]
    return torch.tensor(numbers, dtype=torch.float32).reshape(shape)


def positive(torch: Any, *shape: int, seed: int = 0) -> Any:
    """Numbers in (0, 1)."""
    return (data(torch, *shape, seed=seed, scale=0.999) + 1) / 2


def classes(torch: Any, *shape: int, count: int, seed: int = 0) -> Any:
    """Class numbers."""
    total = math.prod(shape)
    numbers = [(i * 7919 + seed * 31 + 5) % count for i in range(total)]
    return torch.tensor(numbers, dtype=torch.int64).reshape(shape)


def with_gradients(call: Callable[..., Any], *operands: Any) -> list[Any]:
    """The result and the gradients of its weighted sum by the floating operands."""
    leaves = [t.clone().requires_grad_() if t.is_floating_point() else t for t in operands]
    result = call(*leaves)
    weights = (result.detach() * 0 + 1).reshape(-1).cumsum(0).reshape(result.shape)
    weights = weights / weights.sum() if result.numel() else weights
    (result * weights).sum().backward()
    return [result.detach(), *(t.grad for t in leaves if t.is_floating_point() and t.grad is not None)]
