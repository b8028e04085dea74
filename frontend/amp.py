"""Mixed precision: contexts and scalers of programs written for GPUs, which on the CPU change nothing.

`autocast` that would have to convert operations on the CPU is an error: it comes later.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from ingot.runtime.dtypes import DType, bfloat16, float16
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line

P = ParamSpec("P")
R = TypeVar("R")


class autocast:
    """A context manager and decorator. For "cuda", or with enabled=False, operations run as they are.

    Raises SpecError (IG349) for device_type "cpu" with enabled=True: conversion by operation comes later.
    """

    def __init__(
        self,
        device_type: str = "cuda",
        dtype: DType | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise SpecError("IG349", f"Expected `device_type` of type `str`, got: {device_type!r}", where=user_line())
        self.device_type = device_type.split(":")[0]
        self.fast_dtype = dtype or bfloat16
        if self.device_type == "cpu" and enabled:
            raise SpecError(
                "IG349",
                "autocast on the CPU comes later",
                where=user_line(),
                fix="autocast('cpu', enabled=False), and model.to(ingot.bfloat16) for half the memory",
            )
        if enabled:
            warnings.warn(
                f"User provided device_type of '{self.device_type}', but {self.device_type.upper()} is not available. "
                "Disabling",
                stacklevel=2,
            )
        self.enabled = False

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __call__(self, fn: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(fn)
        def inside(*args: P.args, **kwargs: P.kwargs) -> R:
            return fn(*args, **kwargs)

        return inside


class GradScaler:
    """Scales losses on GPUs. Here losses stay as they are, and `step` calls the optimiser's."""

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and str(device).split(":")[0] == "cpu":
            raise SpecError(
                "IG349",
                "the gradient scaling of the CPU comes later",
                where=user_line(),
                fix="GradScaler(enabled=False): float32 and bfloat16 gradients need no scale",
            )
        if enabled:
            warnings.warn("torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2)

    def scale(self, outputs: Any) -> Any:
        """The outputs themselves."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Nothing: gradients are not scaled."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """The optimiser's step."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Nothing."""

    def get_scale(self) -> float:
        """1."""
        return 1.0

    def is_enabled(self) -> bool:
        """False."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing."""


def is_autocast_available(device_type: str) -> bool:
    """False: nothing is converted."""
    return False


def custom_fwd(fwd: Any = None, *, device_type: str = "cuda", cast_inputs: DType | None = None) -> Any:
    """The function itself."""
    return fwd if fwd is not None else custom_fwd


def custom_bwd(bwd: Any = None, *, device_type: str = "cuda") -> Any:
    """The function itself."""
    return bwd if bwd is not None else custom_bwd


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """False: nothing is converted."""
    return False


def is_autocast_cpu_enabled() -> bool:
    """False: nothing is converted."""
    return False


def is_autocast_cache_enabled() -> bool:
    """False: there is nothing to keep."""
    return False


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Nothing."""


def set_autocast_enabled(device_type: Any, enabled: bool = False) -> None:
    """Off is what it is. Raises SpecError (IG349) for the CPU and True."""
    if device_type == "cpu" and enabled:
        autocast("cpu")


def get_autocast_dtype(device_type: str) -> DType:
    """What autocast would convert to: bfloat16 on the CPU, float16 elsewhere."""
    return bfloat16 if device_type == "cpu" else float16


def get_autocast_gpu_dtype() -> DType:
    """float16."""
    return float16
