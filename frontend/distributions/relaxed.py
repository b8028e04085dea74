"""Continuous relaxations of Bernoulli and one-hot distributions (Maddison et al. 2017, Jang et al. 2017)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from ingot.distributions import constraints
from ingot.distributions.categorical import OfCategorical
from ingot.distributions.distribution import broadcast_all
from ingot.distributions.probabilities import Chances, clamp_probs, only_one
from ingot.distributions.transformed_distribution import TransformedDistribution
from ingot.distributions.transforms import ExpTransform, SigmoidTransform
from ingot.functional import sampling

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class LogitRelaxedBernoulli(Chances):
    """The log-odds of a RelaxedBernoulli."""

    arg_constraints: ClassVar[dict[str, Any]] = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.real
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        only_one(probs, logits)
        (given,) = broadcast_all(logits if probs is None else probs)
        self.temperature = temperature
        self.__dict__["logits" if probs is None else "probs"] = given
        super().__init__(given.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = tuple(self._extended_shape(sample_shape))
        probs = clamp_probs(self.probs.expand(shape))
        u = clamp_probs(sampling.rand(shape, dtype=probs._layout.dtype))
        found: Tensor = (u.log() - (-u).log1p() + probs.log() - (-probs).log1p()) / self.temperature
        return found

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        away = self.logits - value * self.temperature
        size: Any = self.temperature.log() if hasattr(self.temperature, "log") else math.log(self.temperature)
        found: Tensor = size + away - 2 * away.exp().log1p()
        return found


class _Relaxed(TransformedDistribution):
    """What both have: the parameters are those of the distribution that is transformed."""

    @property
    def temperature(self) -> Any:
        """The temperature."""
        return self.base_dist.temperature

    @property
    def probs(self) -> Any:
        """The probabilities."""
        return self.base_dist.probs

    @property
    def logits(self) -> Any:
        """The log-odds, or the logarithms of the probabilities."""
        return self.base_dist.logits


class RelaxedBernoulli(_Relaxed):
    """Numbers in (0, 1) that are nearer to 0 or 1 the lower the temperature is."""

    arg_constraints: ClassVar[dict[str, Any]] = {"probs": constraints.unit_interval, "logits": constraints.real}
    support: Any = constraints.unit_interval

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        super().__init__(LogitRelaxedBernoulli(temperature, probs, logits), SigmoidTransform(), validate_args)


class ExpRelaxedCategorical(OfCategorical):
    """The logarithm of a RelaxedOneHotCategorical."""

    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self.temperature = temperature
        super().__init__(probs, logits, validate_args)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = tuple(self._extended_shape(sample_shape))
        logits = self.logits
        u = clamp_probs(sampling.rand(shape, dtype=logits._layout.dtype))
        scores: Tensor = (logits - (-u.log()).log()) / self.temperature
        return scores - scores.logsumexp(-1, True)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        n = self._event_shape[0]
        logits = self.logits
        heat = self.temperature.log() if hasattr(self.temperature, "log") else math.log(self.temperature)
        score: Tensor = logits - value * self.temperature
        found: Tensor = (score - score.logsumexp(-1, True)).sum(-1) + (math.lgamma(n) + heat * (n - 1))
        return found


class RelaxedOneHotCategorical(_Relaxed):
    """Probabilities that are nearer to one-hot vectors the lower the temperature is."""

    arg_constraints: ClassVar[dict[str, Any]] = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support: Any = constraints.simplex

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        super().__init__(ExpRelaxedCategorical(temperature, probs, logits), ExpTransform(), validate_args)
