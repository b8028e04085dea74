"""The distribution of exp(x), x normal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ingot.distributions import constraints
from ingot.distributions.normal import Normal
from ingot.distributions.transformed_distribution import TransformedDistribution
from ingot.distributions.transforms import ExpTransform

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class LogNormal(TransformedDistribution):
    """exp(x), where x is normal with mean `loc` and standard deviation `scale`."""

    arg_constraints: ClassVar[dict[str, Any]] = {"loc": constraints.real, "scale": constraints.positive}
    support: Any = constraints.positive

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Normal(loc, scale, validate_args=validate_args), ExpTransform(), validate_args=validate_args)

    @property
    def loc(self) -> Tensor:
        """The mean of the logarithm."""
        found: Tensor = self.base_dist.loc
        return found

    @property
    def scale(self) -> Tensor:
        """The standard deviation of the logarithm."""
        found: Tensor = self.base_dist.scale
        return found

    @property
    def mean(self) -> Tensor:
        return (self.loc + self.scale.square() / 2).exp()

    @property
    def mode(self) -> Tensor:
        return (self.loc - self.scale.square()).exp()

    @property
    def variance(self) -> Tensor:
        square = self.scale.square()
        return square.expm1() * (2 * self.loc + square).exp()

    def entropy(self) -> Tensor:
        found: Tensor = self.base_dist.entropy() + self.loc
        return found
