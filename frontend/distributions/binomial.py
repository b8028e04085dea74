"""The binomial distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ingot import creation
from ingot.core import array_of, is_traced
from ingot.distributions import constraints
from ingot.distributions.distribution import broadcast_all
from ingot.distributions.gamma import drawn
from ingot.distributions.probabilities import Chances, only_one
from ingot.functional import arithmetic
from ingot.functional.activations import logsigmoid
from ingot.modes import no_grad
from ingot.runtime import dtypes

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class Binomial(Chances):
    """The number of successes in `total_count` trials. Samples are not those of PyTorch for the same seed."""

    arg_constraints: ClassVar[dict[str, Any]] = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(
        self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        only_one(probs, logits)
        count, given = broadcast_all(total_count, logits if probs is None else probs)
        if not given._layout.dtype.is_floating_point:
            (count, given) = broadcast_all(total_count, given.to(dtypes.float32))
        self._trials = total_count if isinstance(total_count, int) else None
        self.total_count = count.to(given._layout.dtype)
        self.__dict__["logits" if probs is None else "probs"] = given
        super().__init__(given.shape, validate_args=validate_args)

    @property
    def support(self) -> Any:
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        return arithmetic.minimum(((self.total_count + 1) * self.probs).floor(), self.total_count)

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            shape = tuple(self._extended_shape(sample_shape))
            return drawn("binomial", self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        n, logits = self.total_count, self.logits
        ways = (n + 1).lgamma() - (value + 1).lgamma() - (n - value + 1).lgamma()
        return ways + value * logits + n * logsigmoid(-logits)

    def _count(self) -> int:
        if self._trials is not None:
            return self._trials
        if is_traced(self.total_count) or self.total_count.numel() == 0:
            raise self._missing("known number of trials")
        counts = array_of(self.total_count)
        if not bool((counts == counts.flat[0]).all()):
            raise self._missing("one number of trials")
        return int(counts.flat[0])

    def entropy(self) -> Tensor:
        found = self.log_prob(self.enumerate_support(False))
        return -(found.exp() * found).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = creation.arange(1 + self._count(), dtype=self._given._layout.dtype)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values
