"""Bilinear maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingot.functional.arithmetic import add
from ingot.functional.linalg import matmul
from ingot.runtime.errors import ShapeError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """sum over i, j of input1[..., i] * weight[o, i, j] * input2[..., j], plus bias [o]; [..., o].

    Raises ShapeError (IG228) for sizes that differ.
    """
    outputs, first, second = weight._layout.shape
    a, b = input1._layout.shape, input2._layout.shape
    if a[:-1] != b[:-1] or a[-1:] != (first,) or b[-1:] != (second,):
        raise ShapeError(
            "IG228",
            f"bilinear(): inputs {list(a)} and {list(b)} do not fit the weight {list(weight._layout.shape)}",
            where=user_line(),
        )
    flat = weight.permute(1, 0, 2).reshape((first, outputs * second))
    halves = matmul(input1, flat).reshape((*a[:-1], outputs, second))
    result = matmul(halves, input2.unsqueeze(-1)).squeeze(-1)
    return result if bias is None else add(result, bias)
