"""Constants with the same element throughout, as rules meet them: compared by their bits, so that 0.0 is not -0.0."""

from __future__ import annotations

from functools import cache
from math import frexp
from typing import Any

import numpy as np

from ingot.compiler.ir import Value
from ingot.compiler.ops.source import const, element
from ingot.runtime.dtypes import DType, bfloat16, float16, float32, float64


@cache
def zero(dtype: DType) -> bytes:
    return element(dtype, 0)


@cache
def negative_zero(dtype: DType) -> bytes:
    """-0.0; of integers simply 0."""
    return element(dtype, -0.0 if dtype.is_floating_point else 0)


@cache
def one(dtype: DType) -> bytes:
    return element(dtype, 1)


@cache
def all_ones(dtype: DType) -> bytes:
    """Every bit set; of bool, True."""
    return b"\x01" if dtype.kind == "b" else b"\xff" * dtype.itemsize


def is_zero(x: Value) -> bool:
    """0, and of floats +0.0 only."""
    return x.op is const and x.attrs["data"] == zero(x.dtype)


def is_negative_zero(x: Value) -> bool:
    """-0.0, or an integer 0."""
    return x.op is const and x.attrs["data"] == negative_zero(x.dtype)


def is_one(x: Value) -> bool:
    return x.op is const and x.attrs["data"] == one(x.dtype)


def is_all_ones(x: Value) -> bool:
    return x.op is const and x.attrs["data"] == all_ones(x.dtype)


def is_splat(x: Value) -> bool:
    return x.op is const and len(x.attrs["data"]) == x.dtype.itemsize


def number(x: Value) -> Any:
    """The element of a splat as a Python number; None for anything else."""
    return np.frombuffer(x.attrs["data"], x.dtype.numpy)[0].item() if is_splat(x) else None


# Exponents k for which 2^k and 2^-k are both normal.
EXPONENTS = {float16: 14, bfloat16: 126, float32: 126, float64: 1022}


def exact_reciprocal(x: Value) -> float | None:
    """1 / c of a splat c that is a power of two (or its negative), where no rounding can happen; else None."""
    c = number(x) if x.dtype.is_floating_point else None
    if c is None or c != c or c in (0.0, float("inf"), float("-inf")):
        return None
    fraction, exponent = frexp(c)
    if abs(fraction) != 0.5 or abs(exponent - 1) > EXPONENTS[x.dtype]:
        return None
    return float(1 / c)
