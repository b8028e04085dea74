"""The uniform distribution on an interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from ingot.core import array_of, is_traced
from ingot.distributions import constraints
from ingot.distributions.distribution import Distribution, broadcast_all
from ingot.functional import sampling
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class Uniform(Distribution):
    """Uniform on [low, high)."""

    arg_constraints: ClassVar[dict[str, Any]] = {"low": constraints.dependent, "high": constraints.dependent}
    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, validate_args=validate_args)
        known = self._validate_args and not is_traced(self.low) and not is_traced(self.high)
        if known and not bool((array_of(self.low) < array_of(self.high)).all()):
            raise SpecError("IG374", "Uniform is not defined when low>= high", where=user_line())

    @property
    def support(self) -> Any:
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Tensor:
        return math.nan * self.high

    @property
    def stddev(self) -> Tensor:
        return (self.high - self.low) / math.sqrt(12)

    @property
    def variance(self) -> Tensor:
        return (self.high - self.low).square() / 12

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return self.low + sampling.rand(tuple(shape), dtype=self.low._layout.dtype) * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        inside = ((self.low <= value) & (self.high > value)).to(self.low._layout.dtype)
        return inside.log() - (self.high - self.low).log()

    def cdf(self, value: Tensor) -> Tensor:
        self._checked(value)
        return ((value - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value: Tensor) -> Tensor:
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Tensor:
        return (self.high - self.low).log()
