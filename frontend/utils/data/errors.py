"""What goes wrong when data is loaded, in the classes that programs written for PyTorch expect."""

from __future__ import annotations

from ingot.runtime.errors import IngotError, UnavailableError


class DatasetError(IngotError, AssertionError):
    """Datasets that do not fit; an AssertionError because PyTorch raises that."""


class AbstractError(UnavailableError):
    """A method that a dataset of the user's has to define."""


class PlaceError(IngotError, ValueError):
    """A place that a dataset does not have."""


class CollateError(IngotError, TypeError):
    """Samples that make no batch."""


class UnequalError(IngotError, RuntimeError):
    """Samples that do not match each other."""


class WorkerError(IngotError, RuntimeError):
    """A worker process that died, hangs or failed."""
