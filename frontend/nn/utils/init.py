"""Modules made without drawing first numbers for their parameters."""

from __future__ import annotations

from typing import Any

from ingot.nn.module import Module
from ingot.rng import get_rng_state, set_rng_state


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """module_cls(*args, **kwargs), whose parameters hold numbers that mean nothing; the generator stays as it is."""
    state = get_rng_state()
    try:
        return module_cls(*args, **kwargs)
    finally:
        set_rng_state(state)
