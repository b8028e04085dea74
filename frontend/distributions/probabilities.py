"""Probabilities and their logits: distributions are given either, and make the other when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingot.distributions.distribution import Distribution, eps_of
from ingot.functional.activations import softmax
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities away from 0 and 1 by the dtype's eps."""
    eps = eps_of(probs)
    return probs.clamp(min=eps, max=1 - eps)


def logits_of(probs: Tensor, binary: bool = False) -> Tensor:
    """Log-odds of `binary` probabilities, else logarithms."""
    inside = clamp_probs(probs)
    return inside.log() - (-inside).log1p() if binary else inside.log()


def probs_of(logits: Tensor, binary: bool = False) -> Tensor:
    """The inverse of `logits_of`: sigmoid or softmax."""
    return logits.sigmoid() if binary else softmax(logits, -1)


def only_one(probs: Any, logits: Any) -> None:
    """Raises SpecError (IG374) unless exactly one is given."""
    if (probs is None) == (logits is None):
        raise SpecError("IG374", "Either `probs` or `logits` must be specified, but not both.", where=user_line())


class Chances(Distribution):
    """A distribution that is given probabilities of success or their log-odds; the other is made of it.

    Nothing is kept, so that a distribution is the same before and after a compiled function has used it.
    """

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        given: Tensor | None = self.__dict__.get("probs")
        return probs_of(self.__dict__["logits"], True) if given is None else given

    @property
    def logits(self) -> Tensor:
        """The log-odds."""
        given: Tensor | None = self.__dict__.get("logits")
        return logits_of(self.__dict__["probs"], True) if given is None else given

    @property
    def _given(self) -> Tensor:
        given: Tensor = self.__dict__["probs" if "probs" in self.__dict__ else "logits"]
        return given
