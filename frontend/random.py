"""The default generator of random numbers under the names of PyTorch's module `random`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ingot.rng import default_generator as default_generator
from ingot.rng import get_rng_state as get_rng_state
from ingot.rng import initial_seed as initial_seed
from ingot.rng import manual_seed as manual_seed
from ingot.rng import seed as seed
from ingot.rng import set_rng_state as set_rng_state


@contextlib.contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, **_: Any) -> Iterator[None]:
    """Whatever is drawn or seeded inside, the default generator continues afterwards where it was."""
    state = get_rng_state() if enabled else None
    try:
        yield
    finally:
        if state is not None:
            set_rng_state(state)
