"""Promotion and broadcasting are PyTorch's. The table was printed by torch 2.13 (`torch.result_type`)."""

from __future__ import annotations

from typing import Any

import pytest

import ingot
from ingot.runtime.errors import DTypeError, ShapeError

NAMES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]

# Row by row: the dtype of (row tensor with dimensions) + (column tensor with dimensions).
LATTICE = """
bool    uint8   int8    int16   int32   int64   float16 bfloat16 float32 float64
uint8   uint8   int16   int16   int32   int64   float16 bfloat16 float32 float64
int8    int16   int8    int16   int32   int64   float16 bfloat16 float32 float64
int16   int16   int16   int16   int32   int64   float16 bfloat16 float32 float64
int32   int32   int32   int32   int32   int64   float16 bfloat16 float32 float64
int64   int64   int64   int64   int64   int64   float16 bfloat16 float32 float64
float16 float16 float16 float16 float16 float16 float16 float32  float32 float64
bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 float32 bfloat16 float32 float64
float32 float32 float32 float32 float32 float32 float32 float32  float32 float64
float64 float64 float64 float64 float64 float64 float64 float64  float64 float64
"""
CASES = [
    (a, b, found)
    for a, row in zip(NAMES, LATTICE.strip().splitlines(), strict=True)
    for b, found in zip(NAMES, row.split(), strict=True)
]


def dtype(name: str) -> Any:
    return getattr(ingot, name)


@pytest.mark.parametrize(("a", "b", "expected"), CASES)
def test_two_tensors(a: str, b: str, expected: str) -> None:
    x, y = ingot.ones(2, dtype=dtype(a)), ingot.ones(2, dtype=dtype(b))
    assert ingot.result_type(x, y) is dtype(expected)
    assert (x * y).dtype is dtype(expected)


@pytest.mark.parametrize(
    ("tensor", "scalar", "expected"),
    [
        ("bool", True, "bool"),
        ("bool", 1, "int64"),
        ("bool", 1.0, "float32"),
        ("uint8", 1, "uint8"),
        ("int32", 7, "int32"),
        ("int32", 2.5, "float32"),
        ("float16", 2, "float16"),
        ("float16", 2.5, "float16"),
        ("float64", 2.5, "float64"),
    ],
)
def test_python_numbers_give_way(tensor: str, scalar: Any, expected: str) -> None:
    assert (ingot.ones(2, dtype=dtype(tensor)) * scalar).dtype is dtype(expected)
    assert (scalar * ingot.ones(2, dtype=dtype(tensor))).dtype is dtype(expected)


@pytest.mark.parametrize(
    ("sized", "zero", "expected"),
    [
        ("float32", "float64", "float32"),
        ("int64", "float64", "float64"),
        ("int32", "int64", "int32"),
        ("bool", "uint8", "uint8"),
        ("float16", "int64", "float16"),
    ],
)
def test_tensors_without_dimensions_give_way(sized: str, zero: str, expected: str) -> None:
    assert (ingot.ones(2, dtype=dtype(sized)) * ingot.ones((), dtype=dtype(zero))).dtype is dtype(expected)


def test_default_dtype() -> None:
    ingot.set_default_dtype(ingot.float64)
    try:
        assert ingot.tensor(1.5).dtype is ingot.float64
        assert (ingot.ones(2, dtype=ingot.int32) / 2).dtype is ingot.float64
    finally:
        ingot.set_default_dtype(ingot.float32)
    with pytest.raises(DTypeError, match="IG210"):
        ingot.set_default_dtype(ingot.int32)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [((3, 1), (4,), (3, 4)), ((), (2, 0), (2, 0)), ((1, 5), (4, 1), (4, 5)), ((2, 1, 3), (7, 1), (2, 7, 3))],
)
def test_broadcasting(a: tuple[int, ...], b: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert (ingot.ones(a) + ingot.ones(b)).shape == expected


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ShapeError) as caught:
        ingot.ones(2, 3) + ingot.ones(4)
    text = str(caught.value)
    assert text.startswith("[IG201] add: shapes (2, 3) and (4,) cannot be broadcast together")
    assert "test_promotion.py" in text and "ingot.ones(2, 3) + ingot.ones(4)" in text
    assert "operands: f32[2,3], f32[4]" in text


def test_a_number_that_does_not_fit() -> None:
    with pytest.raises(DTypeError, match=r"IG211.*value 300 cannot be converted to ingot.uint8 without overflow"):
        ingot.ones(2, dtype=ingot.uint8) + 300


def test_something_that_is_no_number() -> None:
    with pytest.raises(DTypeError, match=r"IG214.*add takes tensors and numbers, not list"):
        ingot.add(ingot.ones(2), [1, 2])
    assert ingot.ones(1).__eq__(None) is NotImplemented
