"""Switches of oneDNN: they can be set and read, and change nothing here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

enabled = True
deterministic = False
allow_tf32 = False
fp32_precision = "none"


def is_available() -> bool:
    """False: the library is not used."""
    return False


def version() -> None:
    """None: there is no library."""


@contextlib.contextmanager
def flags(**values: Any) -> Iterator[None]:
    """Set switches inside a block."""
    before = {name: globals().get(name) for name in values}
    globals().update(values)
    try:
        yield
    finally:
        globals().update(before)
