"""The distribution of |x|, x normal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ingot.distributions.folded import Folded
from ingot.distributions.normal import Normal

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class HalfNormal(Folded):
    """|x|, where x is normal with mean 0 and standard deviation `scale`."""

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Normal(0.0, scale, validate_args=validate_args), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Tensor:
        return self.scale.square() * (1 - 2 / math.pi)
