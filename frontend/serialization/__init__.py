"""Checkpoints: PyTorch's zip format, safetensors, and what a file may name."""

from ingot.serialization.errors import CheckpointError as CheckpointError
from ingot.serialization.errors import UnpicklableError as UnpicklableError
from ingot.serialization.errors import UnsafeGlobalError as UnsafeGlobalError
from ingot.serialization.files import get_unsafe_globals_in_checkpoint as get_unsafe_globals_in_checkpoint
from ingot.serialization.files import load as load
from ingot.serialization.files import save as save
from ingot.serialization.safe import add_safe_globals as add_safe_globals
from ingot.serialization.safe import clear_safe_globals as clear_safe_globals
from ingot.serialization.safe import get_safe_globals as get_safe_globals
from ingot.serialization.safe import safe_globals as safe_globals
