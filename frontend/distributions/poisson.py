"""The Poisson distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ingot.distributions import constraints
from ingot.distributions.distribution import Distribution, broadcast_all
from ingot.distributions.gamma import drawn
from ingot.functional import arithmetic
from ingot.modes import no_grad

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class Poisson(Distribution):
    """Poisson with a rate. Samples are not those of PyTorch for the same seed."""

    arg_constraints: ClassVar[dict[str, Any]] = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.rate

    @property
    def mode(self) -> Tensor:
        return self.rate.floor()

    @property
    def variance(self) -> Tensor:
        return self.rate

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            return drawn("poisson", self.rate.expand(tuple(self._extended_shape(sample_shape))))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        return arithmetic.xlogy(value, self.rate) - self.rate - (value + 1).lgamma()
