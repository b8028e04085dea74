"""The dtype table and promotion."""

from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import pytest

from ingot.runtime import dtypes
from ingot.runtime.errors import DTypeError, UnknownNameError


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_every_name_leads_back_to_the_one_object(dtype: dtypes.DType) -> None:
    assert dtypes.by_name(dtype.name) is dtype
    assert dtypes.by_short(dtype.short) is dtype
    assert dtypes.from_numpy(dtype.numpy) is dtype
    assert dtypes.from_numpy(dtype.numpy.type) is dtype
    assert pickle.loads(pickle.dumps(dtype)) is dtype
    assert copy.deepcopy(dtype) is dtype and copy.copy(dtype) is dtype
    assert dtype.itemsize == dtype.numpy.itemsize and dtype.bits == 8 * dtype.itemsize
    assert repr(dtype) == f"ingot.{dtype.name}"


def test_kinds() -> None:
    assert [dtype.short for dtype in dtypes.ALL if dtype.is_floating_point] == ["f16", "bf16", "f32", "f64"]
    assert [dtype.short for dtype in dtypes.ALL if not dtype.is_signed] == ["bool", "u8", "u32", "u64"]


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"\[IG205\] there is no dtype 'float12'\n.*float32"):
        dtypes.by_name("float12")
    with pytest.raises(UnknownNameError, match="there is no dtype 'x1'"):
        dtypes.by_short("x1")


@pytest.mark.parametrize("dtype", ["complex64", "uint16", "U3", "datetime64[ns]", "O"])
def test_numpy_dtypes_without_counterpart(dtype: str) -> None:
    with pytest.raises(DTypeError, match="ingot has no such element type"):
        dtypes.from_numpy(np.dtype(dtype))


def test_foreign_byte_order() -> None:
    with pytest.raises(DTypeError, match="byte order"):
        dtypes.from_numpy(np.dtype(">f4"))


# PyTorch 2.x torch.promote_types, written out; rows and columns in the order of ORDER.
ORDER = ("bool", "u8", "i8", "i16", "i32", "i64", "f16", "bf16", "f32", "f64")
TABLE = """
bool u8   i8   i16  i32  i64  f16  bf16 f32  f64
u8   u8   i16  i16  i32  i64  f16  bf16 f32  f64
i8   i16  i8   i16  i32  i64  f16  bf16 f32  f64
i16  i16  i16  i16  i32  i64  f16  bf16 f32  f64
i32  i32  i32  i32  i32  i64  f16  bf16 f32  f64
i64  i64  i64  i64  i64  i64  f16  bf16 f32  f64
f16  f16  f16  f16  f16  f16  f16  f32  f32  f64
bf16 bf16 bf16 bf16 bf16 bf16 f32  bf16 f32  f64
f32  f32  f32  f32  f32  f32  f32  f32  f32  f64
f64  f64  f64  f64  f64  f64  f64  f64  f64  f64
"""


def test_promotion_is_pytorchs() -> None:
    for row, left in zip(TABLE.split("\n")[1:], ORDER, strict=False):
        for wanted, right in zip(row.split(), ORDER, strict=True):
            assert dtypes.promote(dtypes.by_short(left), dtypes.by_short(right)).short == wanted, (left, right)


def test_promotion_of_wide_unsigned_types() -> None:
    for wide, other in itertools.product((dtypes.uint32, dtypes.uint64), dtypes.ALL):
        if other is wide or other is dtypes.bool_:
            assert dtypes.promote(wide, other) is dtypes.promote(other, wide) is wide
        elif other.is_floating_point:
            assert dtypes.promote(wide, other) is dtypes.promote(other, wide) is other
        else:
            with pytest.raises(DTypeError, match="have no common dtype"):
                dtypes.promote(wide, other)
