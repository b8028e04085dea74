"""Dropout, with the numbers that PyTorch draws on the CPU for the same seed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ingot.creation import empty, empty_like
from ingot.functional import sampling
from ingot.functional.arithmetic import add, div, mul, sub
from ingot.mutation import assign, check_writable, fitted
from ingot.runtime.errors import ShapeError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

# The value that a selu network's activations saturate at: -scale * alpha of Klambauer et al. 2017.
_SATURATION = 1.7580993408473766


def check_probability(p: float) -> None:
    """Raises SpecError (IG246) unless 0 <= p <= 1."""
    if not 0.0 <= p <= 1.0:
        raise SpecError("IG246", f"dropout probability has to be between 0 and 1, but got {p}", where=user_line())


def _written(input: Tensor, result: Tensor, inplace: bool) -> Tensor:
    if not inplace:
        return result
    check_writable(input)
    return assign(input, fitted(input, result))


def _per_channel(input: Tensor) -> tuple[int, ...]:
    """[N, C, 1, ...]."""
    layout = input._layout
    if layout.ndim < 2:
        raise ShapeError("IG245", "Feature dropout requires at least 2 dimensions in the input", where=user_line())
    return (*layout.shape[:2], *(1,) * (layout.ndim - 2))


def _dropped(input: Tensor, p: float, training: bool, inplace: bool, channels: bool = False) -> Tensor:
    check_probability(p)
    if not training or p == 0.0 or input._layout.numel == 0:
        return input
    if p == 1.0:
        return _written(input, mul(input, 0.0), inplace)
    place = empty(_per_channel(input), dtype=input._layout.dtype) if channels else empty_like(input)
    kept = sampling.bernoulli_(place, 1 - p)
    return _written(input, mul(input, div(kept, 1 - p)), inplace)


def _alpha_dropped(input: Tensor, p: float, training: bool, inplace: bool, channels: bool = False) -> Tensor:
    """What is dropped gets the saturation value; the result is scaled and moved to keep mean and variance."""
    check_probability(p)
    if not training or p == 0.0 or input._layout.numel == 0:
        return input
    if p == 1.0:
        return _written(input, mul(input, 0.0), inplace)
    place = empty(_per_channel(input), dtype=input._layout.dtype) if channels else empty_like(input)
    kept = sampling.bernoulli_(place, 1 - p)
    scale = 1.0 / math.sqrt((_SATURATION**2 * p + 1) * (1 - p))
    shift = add(mul(sub(kept, 1), _SATURATION * scale), _SATURATION * scale * p)
    return _written(input, add(mul(input, mul(kept, scale)), shift), inplace)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Elements set to 0 with probability p, the others divided by 1 - p. Srivastava et al. 2014.

    Raises SpecError (IG246) unless 0 <= p <= 1.
    """
    return _dropped(input, p, training, inplace)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps mean 0 and variance 1, for selu networks. Klambauer et al. 2017."""
    return _alpha_dropped(input, p, training, inplace)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels; input [N, C, ...]."""
    return _alpha_dropped(input, p, training, inplace, channels=True)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels set to 0; input [N, C, L] or [C, L]."""
    return _channels_dropped("dropout1d", 1, input, p, training, inplace)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels set to 0; input [N, C, H, W]. Of three dimensions the first two are N and C, as in PyTorch."""
    return _dropped(input, p, training, inplace, channels=True)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels set to 0; input [N, C, D, H, W] or [C, D, H, W]."""
    return _channels_dropped("dropout3d", 3, input, p, training, inplace)


def _channels_dropped(name: str, space: int, input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    ndim = input._layout.ndim
    if ndim not in (space + 1, space + 2):
        raise ShapeError(
            "IG245",
            f"{name}: Expected {space + 1}D or {space + 2}D input, but received a {ndim}D input",
            where=user_line(),
        )
    if ndim == space + 2:
        return _dropped(input, p, training, inplace, channels=True)
    check_probability(p)
    result = _dropped(input.unsqueeze(0), p, training, False, channels=True).squeeze(0)
    return _written(input, result, inplace)
