"""The Bernoulli distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from ingot import creation
from ingot.distributions import constraints
from ingot.distributions.distribution import broadcast_all
from ingot.distributions.probabilities import Chances, only_one
from ingot.functional import sampling
from ingot.functional.activations import logsigmoid
from ingot.functional.arithmetic import where
from ingot.modes import no_grad

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class Bernoulli(Chances):
    """1 with probability `probs` (log-odds `logits`), else 0."""

    arg_constraints: ClassVar[dict[str, Any]] = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        only_one(probs, logits)
        (given,) = broadcast_all(logits if probs is None else probs)
        self.__dict__["logits" if probs is None else "probs"] = given
        super().__init__(given.shape, validate_args=validate_args)

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._given.shape

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        probs = self.probs
        return where(probs == 0.5, math.nan, (probs >= 0.5).to(probs._layout.dtype))

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            return sampling.bernoulli(self.probs.expand(tuple(self._extended_shape(sample_shape))))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        # log sigmoid(x) where the value is 1, log sigmoid(-x) = log sigmoid(x) - x where it is 0.
        return logsigmoid(self.logits) - (1 - value) * self.logits

    def entropy(self) -> Tensor:
        logits = self.logits
        return (1 - self.probs) * logits - logsigmoid(logits)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = creation.arange(2, dtype=self._given._layout.dtype)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values
