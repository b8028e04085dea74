"""ingot: a JIT tracing compiler for static tensor graphs, with PyTorch's conventions."""

if __name__ != "ingot":
    raise ImportError(f"this folder is the package ingot; it was imported as {__name__!r}")

from ingot.tensor import Tensor as Tensor
from ingot.creation import *
from ingot.jit import jit as jit
from ingot import aot as aot
