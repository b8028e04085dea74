"""Which version this is."""

from __future__ import annotations

__version__ = "0.1.0"
# What PyTorch's module of this name tells of its GPU libraries.
cuda: str | None = None
hip: str | None = None
debug = False
git_version = "unknown"
