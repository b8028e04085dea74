"""The gamma distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ingot.compiler.ops.draw import draw
from ingot.distributions import constraints
from ingot.distributions.distribution import Distribution, broadcast_all, finfo
from ingot.functional import arithmetic
from ingot.functional.special import igamma
from ingot.gate import apply
from ingot.rng import default_generator

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def drawn(kind: str, *parameters: Tensor) -> Tensor:
    """Numbers that NumPy draws from a key, for which the generator gives four words; not those of PyTorch."""
    return apply(draw, default_generator.words(4), *parameters, kind=kind)


def standard_gamma(shape: Tensor) -> Tensor:
    """Gamma numbers of rate 1 (Marsaglia & Tsang 2000), whose gradient follows their shape parameter."""
    return drawn("gamma", shape)


class Gamma(Distribution):
    """Gamma with shape parameter `concentration` and a rate.

    Samples are made by Marsaglia & Tsang's method (2000) and are not those of PyTorch for the same seed. Gradients flow
    to both parameters (implicit reparameterisation, Figurnov et al. 2018); they have no derivative of their own.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate.square()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = tuple(self._extended_shape(sample_shape))
        made = standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)
        return made.clamp(min=float(finfo(made._layout.dtype).tiny))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        return (
            arithmetic.xlogy(self.concentration, self.rate)
            + arithmetic.xlogy(self.concentration - 1, value)
            - self.rate * value
            - self.concentration.lgamma()
        )

    def cdf(self, value: Tensor) -> Tensor:
        self._checked(value)
        return igamma(self.concentration, self.rate * value)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a - self.rate.log() + a.lgamma() + (1.0 - a) * a.digamma()
