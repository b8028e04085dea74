"""The Dirichlet distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ingot.distributions import constraints
from ingot.distributions.distribution import Distribution
from ingot.distributions.gamma import standard_gamma
from ingot.functional import arithmetic
from ingot.functional.arithmetic import where
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class Dirichlet(Distribution):
    """Dirichlet: probabilities that gamma numbers with these shape parameters have in their sum."""

    arg_constraints: ClassVar[dict[str, Any]] = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise SpecError("IG376", "`concentration` parameter must be at least one-dimensional.", where=user_line())
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Tensor:
        above = (self.concentration - 1).clamp(min=0.0)
        total = above.sum(-1, True)
        none = total == 0
        even = (self.concentration == self.concentration.amax(-1, True)).to(above._layout.dtype)
        even = even / even.sum(-1, True)
        inside = above / where(none, 1.0, total)
        return where(none, even, inside)

    @property
    def variance(self) -> Tensor:
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.square() * (total + 1))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = tuple(self._extended_shape(sample_shape))
        parts = standard_gamma(self.concentration.expand(shape))
        return parts / parts.sum(-1, True)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        return (
            arithmetic.xlogy(self.concentration - 1.0, value).sum(-1)
            + self.concentration.sum(-1).lgamma()
            - self.concentration.lgamma().sum(-1)
        )

    def entropy(self) -> Tensor:
        a = self.concentration
        k: int = a.shape[-1]
        total = a.sum(-1)
        return a.lgamma().sum(-1) - total.lgamma() - (k - total) * total.digamma() - ((a - 1.0) * a.digamma()).sum(-1)
