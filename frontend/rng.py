"""Generators of random numbers, as PyTorch has them on the CPU (aten/src/ATen/core/MT19937RNGEngine.h).

The state is a pair of tensors, so that compiled functions capture and advance it like any other state.
"""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.compiler.ops.random import mt19937, mt19937_seed
from ingot.compiler.ops.source import constant
from ingot.core import own_array, tensor_from_array
from ingot.creation import check_device
from ingot.functional.conversion import elements
from ingot.gate import apply_several
from ingot.modes import modes
from ingot.mutation import assign
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.tracing import suspended

if TYPE_CHECKING:
    from ingot.tensor import Tensor

# c10::detail default_rng_seed_val.
_DEFAULT_SEED = 67280421310721


class Generator:
    """A stream of random numbers. `state`: u32[626], the words and position of mt19937; `spare`: f64[2], whether a
    normal number is left over from the last pair, and which."""

    def __init__(self, device: Any = None) -> None:
        check_device(device)
        self._seed = _DEFAULT_SEED
        self._tensors: tuple[Tensor, Tensor] | None = None

    def _made(self) -> tuple[Tensor, Tensor]:
        if self._tensors is None:
            with suspended():
                state = tensor_from_array(own_array(mt19937_seed(self._seed)))
                self._tensors = state, tensor_from_array(np.zeros(2))
        return self._tensors

    @property
    def device(self) -> Any:
        """The CPU."""
        return self.state.device

    @property
    def state(self) -> Tensor:
        """The words and the position."""
        return self._made()[0]

    @property
    def spare(self) -> Tensor:
        """The normal number left over."""
        return self._made()[1]

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream that belongs to a seed of 64 bits, with a sign or without. Raises SpecError (IG211) else."""
        number = operator.index(seed)
        if not -(1 << 63) <= number < 1 << 64:
            raise SpecError("IG211", f"manual_seed: the seed {number} has more than 64 bits", where=user_line())
        self._seed = number & 0xFFFFFFFFFFFFFFFF
        with no_recording():
            assign(self.state, _constant(mt19937_seed(self._seed)))
            assign(self.spare, _constant(np.zeros(2)))
        return self

    def seed(self) -> int:
        """Start an unpredictable stream; the seed."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """The last seed."""
        return self._seed

    def get_state(self) -> Tensor:
        """A copy of the state as bytes, u8[2520]: the words, the position, and the spare normal."""
        state, spare = (elements(t, "get_state()") for t in (self.state, self.spare))
        words = np.concatenate([state, spare.view(np.uint32)])
        return tensor_from_array(own_array(words.view(np.uint8)))

    def set_state(self, new_state: Tensor) -> None:
        """Continue from a state that `get_state` gave."""
        given = elements(new_state, "set_state()")
        if given.dtype != np.uint8 or given.shape != (2520,):
            raise SpecError("IG241", "set_state takes what get_state gave: u8[2520]", where=user_line())
        words = np.ascontiguousarray(given).view(np.uint32)
        with no_recording():
            assign(self.state, _constant(words[:626]))
            assign(self.spare, _constant(words[626:].copy().view(np.float64)))

    def words(self, count: Any) -> Tensor:
        """The next 32-bit words, u32[count]."""
        with no_recording():
            drawn, after = apply_several(mt19937, self.state, n=count)
            assign(self.state, after)
        return drawn


class no_recording:
    """Gradients are not recorded inside."""

    def __enter__(self) -> None:
        self.before, modes.grad = modes.grad, False

    def __exit__(self, *error: object) -> None:
        modes.grad = self.before


def _constant(array: np.ndarray[Any, Any]) -> Tensor:
    trace = modes.trace
    if trace is None:
        return tensor_from_array(np.array(array, order="C"))
    made: Tensor = trace.wrap(constant(np.ascontiguousarray(array)))
    return made


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator: a seeded script draws PyTorch's numbers."""
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seed the default generator unpredictably; the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The last seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continue the default generator from a state."""
    default_generator.set_state(new_state)
