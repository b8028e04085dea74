"""Mixtures of distributions of one family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingot.distributions.categorical import Categorical
from ingot.distributions.distribution import Distribution
from ingot.modes import no_grad
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class MixtureSameFamily(Distribution):
    """One of the distributions along the last batch dimension, chosen by a Categorical."""

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise SpecError(
                "IG376",
                " The Mixture distribution needs to be an  instance of torch.distributions.Categorical",
                where=user_line(),
            )
        batch, event = component_distribution.batch_shape, component_distribution.event_shape
        chosen = mixture_distribution.param_shape[-1]
        if not batch or batch[-1] != chosen:
            raise SpecError(
                "IG376",
                f"`mixture_distribution` component ({chosen}) does not equal `component_distribution.batch_shape[-1]` "
                f"({batch[-1] if batch else 'none'})",
                where=user_line(),
            )
        self._mixture_distribution, self._component_distribution = mixture_distribution, component_distribution
        super().__init__(tuple(batch[:-1]), tuple(event), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._alike(tuple(batch_shape))
        count = self._mixture_distribution.param_shape[-1]
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        new._component_distribution = self._component_distribution.expand((*batch_shape, count))
        return new

    @property
    def mixture_distribution(self) -> Categorical:
        """The distribution of the choice."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """The distributions to choose from."""
        return self._component_distribution

    @property
    def support(self) -> Any:
        return self._component_distribution.support

    def _weights(self) -> Tensor:
        probs = self._mixture_distribution.probs
        return probs.reshape((*probs.shape, *(1,) * len(self._event_shape)))

    @property
    def mean(self) -> Tensor:
        return (self._weights() * self._component_distribution.mean).sum(-1 - len(self._event_shape))

    @property
    def variance(self) -> Tensor:
        axis, parts = -1 - len(self._event_shape), self._component_distribution
        within = (self._weights() * parts.variance).sum(axis)
        return within + (self._weights() * (parts.mean - self.mean.unsqueeze(axis)).square()).sum(axis)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        padded = value.unsqueeze(-1 - len(self._event_shape))
        logits = self._mixture_distribution.logits
        weights = logits - logits.logsumexp(-1, True)
        return (self._component_distribution.log_prob(padded) + weights).logsumexp(-1)

    def cdf(self, value: Tensor) -> Tensor:
        padded = value.unsqueeze(-1 - len(self._event_shape))
        return (self._component_distribution.cdf(padded) * self._mixture_distribution.probs).sum(-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            choice = self._mixture_distribution.sample(sample_shape)
            parts = self._component_distribution.sample(sample_shape)
            axis = choice.ndim
            events = (1,) * len(self._event_shape)
            index = choice.reshape((*choice.shape, 1, *events))
            return parts.gather(axis, index.expand((*choice.shape, 1, *self._event_shape))).squeeze(axis)
