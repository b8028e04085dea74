"""Student's t distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from ingot.distributions import constraints
from ingot.distributions.distribution import Distribution, broadcast_all
from ingot.distributions.gamma import standard_gamma
from ingot.distributions.normal import standard_normal
from ingot.functional.arithmetic import where

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class StudentT(Distribution):
    """Student's t with `df` degrees of freedom, moved by `loc` and stretched by `scale`."""

    arg_constraints: ClassVar[dict[str, Any]] = {
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return where(self.df <= 1, math.nan, self.loc)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        known = where(self.df > 2, self.df, 3.0)
        wide = where(self.df > 2, self.scale.square() * known / (known - 2), math.inf)
        return where(self.df <= 1, math.nan, wide)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = tuple(self._extended_shape(sample_shape))
        x = standard_normal(shape, self.df)
        df = self.df.expand(shape)
        chi2 = standard_gamma(0.5 * df) * 2.0
        return self.loc + self.scale * x * (chi2 / df).rsqrt()

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        y, half = (value - self.loc) / self.scale, 0.5 * self.df
        normaliser = (
            self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi) + half.lgamma() - (half + 0.5).lgamma()
        )
        return -(half + 0.5) * (y.square() / self.df).log1p() - normaliser

    def entropy(self) -> Tensor:
        half = 0.5 * self.df
        log_beta = half.lgamma() + math.lgamma(0.5) - (half + 0.5).lgamma()
        more = half + 0.5
        return self.scale.log() + more * (more.digamma() - half.digamma()) + 0.5 * self.df.log() + log_beta
