"""The geometric distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ingot.distributions import constraints
from ingot.distributions.distribution import broadcast_all, finfo
from ingot.distributions.probabilities import Chances, only_one
from ingot.functional import sampling
from ingot.functional.activations import logsigmoid
from ingot.functional.arithmetic import where
from ingot.modes import no_grad

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class Geometric(Chances):
    """The number of failures before the first success, which has probability `probs`."""

    arg_constraints: ClassVar[dict[str, Any]] = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        only_one(probs, logits)
        (given,) = broadcast_all(logits if probs is None else probs)
        self.__dict__["logits" if probs is None else "probs"] = given
        super().__init__(given.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        return self.probs.detach() * 0

    @property
    def variance(self) -> Tensor:
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            shape, probs = tuple(self._extended_shape(sample_shape)), self.probs
            u = sampling.uniform_(probs.new_empty(shape), float(finfo(probs._layout.dtype).tiny), 1)
            return (u.log() / (-probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        probs = self.probs
        certain = (probs == 1) & (value == 0)
        return value * (-where(certain, 0.0, probs)).log1p() + probs.log()

    def entropy(self) -> Tensor:
        logits, probs = self.logits, self.probs
        return ((1 - probs) * logits - logsigmoid(logits)) / probs
