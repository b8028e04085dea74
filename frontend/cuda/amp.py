"""`ingot.cuda.amp`: the older names of `ingot.amp`, for GPUs."""

from __future__ import annotations

from typing import Any

from ingot import amp
from ingot.amp import custom_bwd as custom_bwd
from ingot.amp import custom_fwd as custom_fwd
from ingot.runtime.dtypes import DType, float16


class autocast(amp.autocast):
    """`ingot.amp.autocast` for "cuda"."""

    def __init__(self, enabled: bool = True, dtype: DType = float16, cache_enabled: bool = True) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """`ingot.amp.GradScaler` for "cuda"."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("cuda", *args, **kwargs)
