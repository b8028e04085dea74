"""Gradients made smaller before an optimiser's step. Pascanu et al. 2013."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ingot.core import TensorBase
from ingot.creation import zeros
from ingot.functional.conversion import elements
from ingot.functional.inplace import clamp_, mul_
from ingot.functional.joining import stack
from ingot.functional.matrix_norms import vector_norm
from ingot.modes import modes, no_grad
from ingot.promote import cast_to, result_dtype
from ingot.runtime.errors import GradError
from ingot.source_lines import user_line
from ingot.tensor import Tensor

Tensors = Tensor | Iterable[Tensor]


def _listed(tensors: Tensors) -> list[Tensor]:
    return [tensors] if isinstance(tensors, TensorBase) else list(tensors)


def _gradients(parameters: Tensors) -> list[Tensor]:
    return [p.grad for p in _listed(parameters) if p.grad is not None]


@no_grad()
def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of all elements of the tensors together: a scalar tensor.

    `error_if_nonfinite`: GradError (IG331) when the norm is infinite or NaN, outside of compiled code. `foreach`
    changes nothing.
    """
    found = _listed(tensors)
    order = float(norm_type)
    if not found:
        return zeros(())
    dtype = result_dtype(*[t.reshape(-1) for t in found])
    norms = [cast_to(vector_norm(t, order), dtype) for t in found]
    total = vector_norm(stack(norms), order)
    if error_if_nonfinite:
        _check_finite(total, order)
    return total


def _check_finite(total: Tensor, order: float) -> None:
    if modes.trace is not None:
        raise GradError(
            "IG331",
            "error_if_nonfinite=True cannot look at the norm while a function is traced",
            where=user_line(),
            fix="return the norm from the compiled function and check it there",
        )
    if not math.isfinite(elements(total, "error_if_nonfinite").item()):
        raise GradError(
            "IG331",
            f"The total norm of order {order} for gradients from `parameters` is non-finite, so it cannot be clipped",
            where=user_line(),
            fix="error_if_nonfinite=False to clip all the same",
        )


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Multiply the gradients, in place, by max_norm / (total_norm + 1e-6) where that is less than 1."""
    factor: Any = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    for gradient in _gradients(parameters):
        mul_(gradient, cast_to(factor, gradient._layout.dtype))


@no_grad()
def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients, in place, so that their norm together is at most `max_norm`; the norm before.

    `norm_type` may be math.inf. Parameters without a gradient are passed over. See `get_total_norm`.
    """
    given = _listed(parameters)
    total = get_total_norm(_gradients(given), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(given, max_norm, total)
    return total


@no_grad()
def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Limit every element of the gradients, in place, to [-clip_value, clip_value]."""
    limit = float(clip_value)
    for gradient in _gradients(parameters):
        clamp_(gradient, -limit, limit)


# PyTorch's older name.
clip_grad_norm = clip_grad_norm_
