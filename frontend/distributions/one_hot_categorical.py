"""The categorical distribution over one-hot vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingot import creation
from ingot.distributions import constraints
from ingot.distributions.categorical import OfCategorical
from ingot.modes import no_grad

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class OneHotCategorical(OfCategorical):
    """A vector with a 1 at the class that a Categorical would draw, and 0 elsewhere."""

    support = constraints.one_hot
    has_enumerate_support = True

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._categorical.param_shape

    def _encoded(self, place: Tensor) -> Tensor:
        dtype = self._categorical._given._layout.dtype
        return (place.unsqueeze(-1) == creation.arange(self._event_shape[0])).to(dtype)

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        return self._encoded(self._categorical.mode)

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            return self._encoded(self._categorical.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self) -> Tensor:
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        n = self._event_shape[0]
        values = creation.eye(n, dtype=self._categorical._given._layout.dtype)
        values = values.view((n,) + (1,) * len(self._batch_shape) + (n,))
        return values.expand((n, *self._batch_shape, n)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """One-hot samples whose gradient is that of the probabilities (Bengio et al. 2013)."""

    has_rsample = True

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        samples, probs = self.sample(sample_shape), self.probs
        return samples + (probs - probs.detach())
