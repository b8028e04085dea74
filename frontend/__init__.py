"""ingot: a JIT tracing compiler for static tensor graphs, with PyTorch's conventions."""

if __name__ != "ingot":
    raise ImportError(f"this folder is the package ingot; it was imported as {__name__!r}")

import importlib
from typing import TYPE_CHECKING

from ingot.tensor import Tensor as Tensor
from ingot.creation import *
from ingot.jit import jit as jit
from ingot.rng import Generator as Generator
from ingot.rng import bernoulli as bernoulli
from ingot.rng import default_generator as default_generator
from ingot.rng import get_rng_state as get_rng_state
from ingot.rng import initial_seed as initial_seed
from ingot.rng import manual_seed as manual_seed
from ingot.rng import multinomial as multinomial
from ingot.rng import normal as normal
from ingot.rng import rand as rand
from ingot.rng import rand_like as rand_like
from ingot.rng import randint as randint
from ingot.rng import randint_like as randint_like
from ingot.rng import randn as randn
from ingot.rng import randn_like as randn_like
from ingot.rng import randperm as randperm
from ingot.rng import seed as seed
from ingot.rng import set_rng_state as set_rng_state

if TYPE_CHECKING:
    from ingot import aot as aot
else:

    def __getattr__(name: str) -> object:
        """`ingot.aot` brings the whole compiler with it, so it is imported when it is first asked for."""
        if name == "aot":
            return importlib.import_module("ingot.aot")
        raise AttributeError(f"module 'ingot' has no attribute {name!r}")
