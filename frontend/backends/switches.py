"""Switches that are the variables of a module."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any


@contextlib.contextmanager
def switched(variables: dict[str, Any], values: Mapping[str, Any]) -> Iterator[None]:
    """Give variables these values inside a block."""
    before = {name: variables.get(name) for name in values}
    variables.update(values)
    try:
        yield
    finally:
        variables.update(before)
