"""The multinomial distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from ingot import creation
from ingot.distributions import constraints
from ingot.distributions.categorical import Categorical
from ingot.distributions.distribution import Distribution
from ingot.functional.arithmetic import where
from ingot.modes import no_grad
from ingot.runtime.errors import DTypeError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class Multinomial(Distribution):
    """How often each class occurs in `total_count` draws of a Categorical."""

    arg_constraints: ClassVar[dict[str, Any]] = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(
        self,
        total_count: int = 1,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise DTypeError("IG214", "inhomogeneous total_count is not supported", where=user_line(), fix="an int")
        self.total_count = total_count
        self._categorical = Categorical(probs, logits)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Multinomial:
        new = self._alike(tuple(batch_shape))
        new._categorical = self._categorical.expand(batch_shape)
        return new

    @property
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

    @property
    def probs(self) -> Tensor:
        """The probabilities of the classes."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def mean(self) -> Tensor:
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            drawn = self._categorical.sample((self.total_count, *sample_shape))
            dtype = self._categorical._given._layout.dtype
            return (drawn.unsqueeze(-1) == creation.arange(self._event_shape[0])).to(dtype).sum(0)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        logits = where((value == 0) & (self.logits == -math.inf), 0.0, self.logits)
        ways = (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1)
        return ways + (logits * value).sum(-1)
