"""Switches of cuDNN: they can be set and read, and change nothing here."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from ingot.backends.switches import switched

enabled = True
deterministic = False
benchmark = False
benchmark_limit = 10
allow_tf32 = True
fp32_precision = "none"


def is_available() -> bool:
    """False: the library is not used."""
    return False


def version() -> None:
    """None: there is no library."""


def flags(**values: Any) -> AbstractContextManager[None]:
    """Set switches inside a block."""
    return switched(globals(), values)
