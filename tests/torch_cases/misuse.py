"""Mistakes: our exceptions are of PyTorch's types."""

from __future__ import annotations

from misuse import MISUSES
from peer import Case

CASES = [Case.misuse(made.name, lambda T, run=made.run: run(T)) for made in MISUSES]
