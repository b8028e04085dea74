"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from ingot.functional.joining import cat
from ingot.runtime.errors import DTypeError
from ingot.source_lines import user_line
from ingot.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters, one after the other, as a vector that gradients flow through."""
    return cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give the parameters the parts of a vector as their data, in order; they share its memory.

    Raises DTypeError (IG214) unless `vec` is a tensor.
    """
    if not isinstance(vec, Tensor):
        raise DTypeError("IG214", f"expected a tensor, but got {type(vec).__name__}", where=user_line())
    start = 0
    for parameter in parameters:
        count = parameter.numel()
        parameter.data = vec.narrow(0, start, count).view(parameter.shape).data
        start += count
