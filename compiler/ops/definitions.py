"""What elementwise rows mean, where NumPy alone does not say it as PyTorch does. Plain NumPy, no graph.

Every function here takes and returns arrays; floating warnings are off while they run, because overflow, division by
zero and NaN have results here and are no accidents.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def is_half(dtype: np.dtype[Any]) -> bool:
    """float16 or bfloat16 (to NumPy bfloat16 is a void-like type of two bytes)."""
    return dtype.itemsize == 2 and dtype.kind not in "iu"


def is_float(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "f" or is_half(dtype)


def accumulator(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that sums and products of this type are kept in."""
    return np.dtype(np.float32) if is_half(dtype) else dtype


def rounded(define: Callable[..., Any]) -> Callable[..., Array]:
    """The same function for every dtype: half types are computed in float32 and rounded once."""

    @wraps(define)
    def run(*xs: Array, **attrs: Any) -> Array:
        dtype = xs[0].dtype
        with np.errstate(all="ignore"):
            if not is_half(dtype):
                return np.asarray(define(*xs, **attrs))
            result = np.asarray(define(*(x.astype(np.float32) for x in xs), **attrs))
            return result.astype(dtype) if result.dtype == np.float32 else result

    return run


def sign(x: Array) -> Array:
    """(x > 0) - (x < 0): NaN and both zeros give 0, as in PyTorch."""
    return np.subtract(x > 0, x < 0, dtype=np.int8).astype(x.dtype)


def remainder(a: Array, b: Array) -> Array:
    """a - b * floor(a / b), with the sign of b; integers: x % 0 = 0. A zero result keeps the sign of a."""
    if a.dtype.kind != "f":
        return np.asarray(np.remainder(a, b))
    rest = np.fmod(a, b)
    return np.where((rest != 0) & ((b < 0) != (rest < 0)), rest + b, rest)


def power(a: Array, b: Array) -> Array:
    """a ** b. Integers wrap; a negative integer exponent gives 0 except for the bases 1 and -1."""
    if a.dtype.kind != "i":
        return np.asarray(np.power(a, b))
    result = np.power(a, np.maximum(b, 0))
    inverse = np.where(a == 1, 1, np.where(a == -1, 1 - 2 * (b & 1), 0)).astype(a.dtype)
    return np.where(b < 0, inverse, result)


def shift_left(a: Array, b: Array) -> Array:
    """a << b; a count outside 0 .. bits - 1 gives 0."""
    inside = (b >= 0) & (b < 8 * a.dtype.itemsize)
    return np.where(inside, np.left_shift(a, np.where(inside, b, 0).astype(a.dtype)), 0).astype(a.dtype)


def shift_right(a: Array, b: Array) -> Array:
    """a >> b, arithmetic for signed types; a count outside 0 .. bits - 1 shifts all bits out (0, or -1 if a < 0)."""
    inside = (b >= 0) & (b < 8 * a.dtype.itemsize)
    shifted = np.right_shift(a, np.where(inside, b, 0).astype(a.dtype))
    return np.where(inside, shifted, np.where(a < 0, -1, 0).astype(a.dtype))


def convert(x: Array, dtype: np.dtype[Any]) -> Array:
    """x in another dtype.

    To bool: x != 0 (NaN is True). Integers wrap. Floats to integers truncate; NaN and values out of range give the
    smallest int64 (for int64) or int32 (for int32), of which narrower types (int8, int16, uint8) take the low bits;
    uint32 takes the low bits of the int64 result; uint64 from 2^63 on converts x - 2^63 and adds it back. That is
    what x86 compilers make of C, and so PyTorch's CPU kernels. Half types are reached through float32, as in PyTorch.
    """
    if x.dtype == dtype:
        return x
    with np.errstate(all="ignore"):
        if dtype == np.bool_:
            return np.asarray((x.astype(np.float32) if is_half(x.dtype) else x) != 0)
        if is_half(dtype):
            return x.astype(np.float32).astype(dtype)
        if dtype.kind in "iu" and is_float(x.dtype):
            return _float_to_int(x.astype(np.float64), dtype)
        return x.astype(dtype)


def _float_to_int(x: Array, dtype: np.dtype[Any]) -> Array:
    if dtype == np.uint64:
        above = x >= 2.0**63
        low = _truncated(np.where(above, x - 2.0**63, x), np.dtype(np.int64)).view(np.uint64)
        return np.where(above, low ^ np.uint64(1 << 63), low)
    wide = np.dtype(np.int64 if dtype in (np.int64, np.uint32) else np.int32)
    return _truncated(x, wide).astype(dtype)


def _truncated(x: Array, dtype: np.dtype[Any]) -> Array:
    """x cut to a whole number in int32 or int64; the smallest one where it does not fit."""
    bound = 2.0 ** (8 * dtype.itemsize - 1)
    whole = np.trunc(x)
    return np.where((whole >= -bound) & (whole < bound), whole, -bound).astype(dtype)
