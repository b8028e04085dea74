"""Activations that draw random numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingot.creation import empty_like, zeros_like
from ingot.functional import sampling
from ingot.functional.activations import softmax
from ingot.functional.arithmetic import add, div, mul, sub, where
from ingot.functional.gathering import scatter
from ingot.functional.reductions import argmax
from ingot.functional.unary import log, neg
from ingot.mutation import assign, check_writable
from ingot.runtime.errors import OperandError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """x where positive, else x times a slope: drawn from [lower, upper) while training, their mean otherwise.

    A slope is drawn for every element, so that compiled code draws the same ones; PyTorch draws for the others alone,
    so its numbers differ. Raises OperandError (IG324) for an empty range. Xu et al. 2015.
    """
    if lower > upper:
        raise OperandError(
            "IG324", f"Lower bound should be less than or equal to the upper bound: {lower}, {upper}", where=user_line()
        )
    if inplace:
        check_writable(input)
    slope = sampling.uniform_(empty_like(input.detach()), lower, upper) if training else (lower + upper) / 2
    result = where(input > 0, input, mul(input, slope))
    return assign(input, result) if inplace else result


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """In-place form of `rrelu`."""
    return rrelu(input, lower, upper, training, inplace=True)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """softmax of (logits + Gumbel noise) / tau: a soft draw of a class. Jang et al. 2017.

    `hard`: one class exactly, with the gradient of the soft draw. `eps` changes nothing.
    """
    noise = neg(log(sampling.exponential_(empty_like(logits.detach()))))
    soft = softmax(div(add(logits, noise), tau), dim)
    if not hard:
        return soft
    chosen = scatter(zeros_like(soft.detach()), dim, argmax(soft.detach(), dim, True), value=1.0)
    return add(sub(chosen, soft.detach()), soft)
