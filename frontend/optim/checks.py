"""Checks that optimisers share."""

from __future__ import annotations

from typing import Any

from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line


def not_negative(**settings: Any) -> None:
    """Raises SpecError (IG251) for a negative number."""
    for name, value in settings.items():
        if isinstance(value, (int, float)) and not value >= 0:
            raise SpecError("IG251", f"Invalid {name.replace('_', ' ')} value: {value}", where=user_line())


def betas_in_range(betas: tuple[Any, Any]) -> None:
    """Raises SpecError (IG251) unless both lie in [0, 1)."""
    for index, beta in enumerate(betas):
        if isinstance(beta, (int, float)) and not 0.0 <= beta < 1.0:
            raise SpecError("IG251", f"Invalid beta parameter at index {index}: {beta}", where=user_line())
