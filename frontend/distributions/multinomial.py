"""The multinomial distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ingot import creation
from ingot.distributions import constraints
from ingot.distributions.categorical import OfCategorical
from ingot.functional.arithmetic import where
from ingot.modes import no_grad
from ingot.runtime.errors import DTypeError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class Multinomial(OfCategorical):
    """How often each class occurs in `total_count` draws of a Categorical."""

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
        super().__init__(probs, logits, validate_args)

    @property
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

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
