"""What numbers a dtype holds: `finfo` and `iinfo`."""

from __future__ import annotations

import math
from typing import Any

from ingot.modes import Defaults
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError
from ingot.source_lines import user_line

# Bits of the exponent and of the fraction.
_FORMATS = {"f16": (5, 10), "bf16": (8, 7), "f32": (8, 23), "f64": (11, 52)}


class finfo:
    """The limits of a floating dtype (the default one if none is given). Raises DTypeError (IG214) for others."""

    bits: int
    eps: float
    max: float
    min: float
    tiny: float
    smallest_normal: float
    resolution: float
    dtype: str

    def __init__(self, dtype: DType | None = None) -> None:
        kind = dtype or Defaults.dtype
        if not isinstance(kind, DType) or not kind.is_floating_point:
            raise DTypeError(
                "IG214", f"finfo() requires a floating point input type, not {kind}", where=user_line(), fix="iinfo"
            )
        exponent, fraction = _FORMATS[kind.short]
        top = (1 << (exponent - 1)) - 1
        self.bits = kind.bits
        self.eps = 2.0**-fraction
        self.max = math.ldexp(2.0 - 2.0**-fraction, top)
        self.min = -self.max
        self.tiny = self.smallest_normal = math.ldexp(1.0, 1 - top)
        self.resolution = 10.0 ** -math.floor(fraction * math.log10(2))
        self.dtype = kind.name

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


class iinfo:
    """The limits of an integer dtype. Raises DTypeError (IG214) for others."""

    bits: int
    max: int
    min: int
    dtype: str

    def __init__(self, dtype: DType) -> None:
        if not isinstance(dtype, DType) or dtype.kind not in "iu":
            raise DTypeError("IG214", f"iinfo() requires an integer input type, not {dtype}", where=user_line())
        self.bits = dtype.bits
        self.max = (1 << (dtype.bits - 1 if dtype.is_signed else dtype.bits)) - 1
        self.min = -self.max - 1 if dtype.is_signed else 0
        self.dtype = dtype.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


def _named(kind: str) -> Any:
    class Named:
        """A constant that prints as its name in the package."""

        __slots__ = ("name",)

        def __init__(self, name: str) -> None:
            self.name = name

        def __repr__(self) -> str:
            return f"ingot.{self.name}"

        def __reduce__(self) -> str:
            return self.name

    Named.__name__ = Named.__qualname__ = kind
    return Named


memory_format = _named("memory_format")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")

layout = _named("layout")
strided = layout("strided")
