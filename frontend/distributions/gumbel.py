"""The Gumbel distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from ingot.distributions import constraints
from ingot.distributions.distribution import broadcast_all, finfo
from ingot.distributions.transformed_distribution import TransformedDistribution
from ingot.distributions.transforms import AffineTransform, ExpTransform
from ingot.distributions.uniform import Uniform

if TYPE_CHECKING:
    from ingot.tensor import Tensor

EULER = 0.57721566490153286060  # the Euler-Mascheroni constant


class Gumbel(TransformedDistribution):
    """Gumbel with mode `loc` and `scale`."""

    arg_constraints: ClassVar[dict[str, Any]] = {"loc": constraints.real, "scale": constraints.positive}
    support: Any = constraints.real

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        limits = finfo(self.loc._layout.dtype)
        zero = self.loc.detach() * 0
        base = Uniform(zero + float(limits.tiny), zero + (1 - float(limits.eps)), validate_args=False)
        log = ExpTransform().inv
        steps = [log, AffineTransform(0.0, -1.0), log, AffineTransform(self.loc, -self.scale)]
        super().__init__(base, steps, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return Gumbel(self.loc.expand(batch_shape), self.scale.expand(batch_shape), validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * EULER

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return (math.pi / math.sqrt(6)) * self.scale

    @property
    def variance(self) -> Tensor:
        return self.stddev.square()

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        y = (self.loc - value) / self.scale
        return (y - y.exp()) - self.scale.log()

    def entropy(self) -> Tensor:
        return self.scale.log() + (1 + EULER)
