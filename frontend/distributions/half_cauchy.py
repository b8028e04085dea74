"""The distribution of |x|, x Cauchy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ingot.distributions.cauchy import Cauchy
from ingot.distributions.folded import Folded

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class HalfCauchy(Folded):
    """|x|, where x is Cauchy with median 0 and half width `scale`."""

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Cauchy(0.0, scale, validate_args=validate_args), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.scale.detach() * 0 + math.inf

    @property
    def variance(self) -> Tensor:
        return self.scale.detach() * 0 + math.inf
