"""The categorical distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from ingot import creation
from ingot.distributions import constraints
from ingot.distributions.distribution import Distribution, finfo
from ingot.distributions.probabilities import logits_of, only_one, probs_of
from ingot.functional import sampling
from ingot.modes import no_grad
from ingot.promote import expand_to
from ingot.runtime import dtypes
from ingot.runtime.errors import SpecError
from ingot.runtime.layout import broadcast_shapes
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class Categorical(Distribution):
    """One of as many classes as the last dimension has, with these probabilities (normalised) or log-probabilities."""

    arg_constraints: ClassVar[dict[str, Any]] = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        only_one(probs, logits)
        name, given = ("logits", logits) if probs is None else ("probs", probs)
        assert given is not None
        if given.ndim < 1:
            raise SpecError("IG376", f"`{name}` parameter must be at least one-dimensional.", where=user_line())
        normalised = given - given.logsumexp(-1, True) if probs is None else given / given.sum(-1, True)
        self.__dict__[name] = normalised
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], validate_args=validate_args)

    @property
    def _given(self) -> Tensor:
        given: Tensor = self.__dict__["probs" if "probs" in self.__dict__ else "logits"]
        return given

    @property
    def probs(self) -> Tensor:
        """The probabilities of the classes."""
        given: Tensor | None = self.__dict__.get("probs")
        return probs_of(self.__dict__["logits"]) if given is None else given

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        given: Tensor | None = self.__dict__.get("logits")
        return logits_of(self.__dict__["probs"]) if given is None else given

    @property
    def support(self) -> Any:
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._given.shape

    def _filled(self, number: float) -> Tensor:
        return creation.full(tuple(self._extended_shape()), number, dtype=self._given._layout.dtype)

    @property
    def mean(self) -> Tensor:
        return self._filled(math.nan)

    @property
    def mode(self) -> Tensor:
        return self.probs.argmax(-1)

    @property
    def variance(self) -> Tensor:
        return self._filled(math.nan)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        count = math.prod(sample_shape)
        with no_grad():
            rows = self.probs.reshape(-1, self._num_events)
            return sampling.multinomial(rows, count, True).t().reshape(tuple(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        logits = self.logits
        shape = broadcast_shapes(value.shape, logits.shape[:-1])
        place = expand_to(value.to(dtypes.int64), shape).unsqueeze(-1)
        return expand_to(logits, (*shape, self._num_events)).gather(-1, place).squeeze(-1)

    def entropy(self) -> Tensor:
        logits = self.logits
        bounded = logits.clamp(min=float(finfo(logits._layout.dtype).min))
        return -(bounded * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = creation.arange(self._num_events, dtype=dtypes.int64)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values


class OfCategorical(Distribution):
    """A distribution that a Categorical over the same classes makes: its vectors have an element for each class."""

    arg_constraints: ClassVar[dict[str, Any]] = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        self._categorical = Categorical(probs, logits)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._alike(tuple(batch_shape))
        new._categorical = self._categorical.expand(batch_shape)
        return new

    @property
    def probs(self) -> Tensor:
        """The probabilities of the classes."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return self._categorical.logits
