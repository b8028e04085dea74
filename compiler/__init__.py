"""Graph in, program out."""

from typing import TYPE_CHECKING

from ingot.runtime.lazy import lazy as _lazy

if __name__ != "ingot.compiler":
    raise ImportError(f"this folder is the package ingot.compiler; it was imported as {__name__!r}")

if TYPE_CHECKING:
    from ingot.compiler import pipeline as pipeline
else:
    # What only compiles: a program that the disk cache has needs none of it.
    __getattr__ = _lazy(__name__, modules="pipeline")
