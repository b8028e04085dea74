"""What goes wrong with checkpoints, in the classes that programs written for PyTorch expect."""

from __future__ import annotations

import pickle

from ingot.runtime.errors import IngotError, OutputError


class CheckpointError(IngotError, RuntimeError):
    """A file that is no checkpoint, or a damaged one; a RuntimeError because PyTorch raises that."""


class UnsafeGlobalError(IngotError, pickle.UnpicklingError):
    """A checkpoint that names a class or function that nobody has allowed."""


class UnpicklableError(IngotError, pickle.PicklingError):
    """An object that cannot be stored."""


class MissingFileError(OutputError, FileNotFoundError):
    """A file or folder that does not exist."""


def damaged(what: str) -> CheckpointError:
    """The error for bytes that are not what `ingot.save` or `torch.save` wrote."""
    return CheckpointError("IG406", f"the checkpoint is damaged: {what}")
