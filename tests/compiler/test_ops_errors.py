"""Type rules refuse operands that do not fit, with a stable code and the types in the message."""

from __future__ import annotations

from typing import Any

import pytest

from ingot.compiler.ir import Op, TensorType, Value
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.source import const
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.table import register
from ingot.runtime.dtypes import by_short, float32, int64
from ingot.runtime.errors import CODES, DTypeError, IngotError, ShapeError


def operand(text: str) -> Value:
    """f32[2,3] and so on."""
    short, _, rest = text.partition("[")
    shape = tuple(int(n) for n in rest[:-1].split(",") if n)
    return make_input(type=TensorType(by_short(short), shape), name="x")


SLICE = {"start": (0, 0), "stop": (2, 3), "step": (1, 1)}
PAD = {"low": (0, 0), "high": (0, 0), "interior": (0, 0), "value": 0.0}
REFUSED: list[tuple[str, list[str], dict[str, Any], str, str]] = [
    ("add", ["f32[2,3]", "f32[3]"], {}, "IG111", r"shapes differ: f32\[2,3\], f32\[3\]"),
    ("add", ["f32[2]", "f64[2]"], {}, "IG112", "dtypes differ: f32.*f64"),
    ("add", ["bool[2]", "bool[2]"], {}, "IG112", "add does not take bool"),
    ("add", ["f32[2]"], {}, "IG113", "add takes 2 operands"),
    ("exp", ["i32[2]"], {}, "IG112", "exp does not take int32"),
    ("and_", ["f32[2]", "f32[2]"], {}, "IG112", "and_ does not take float32"),
    ("select", ["f32[2]", "f32[2]", "f32[2]"], {}, "IG112", "select does not take float32"),
    ("select", ["bool[3]", "f32[2]", "f32[2]"], {}, "IG111", "shapes differ"),
    ("select", ["bool[2]", "f32[2]"], {}, "IG113", "select takes a mask and two operands"),
    ("bitcast", ["f32[2]"], {"dtype": int64}, "IG112", "32 bits and int64 has 64"),
    ("bitcast", ["bool[2]"], {"dtype": by_short("u8")}, "IG112", "bitcast does not take bool"),
    ("sum", ["bool[2]"], {"axes": (0,)}, "IG112", "sum does not take bool"),
    ("sum", ["f32[2,3]"], {"axes": (2,)}, "IG113", "axis 2 of f32"),
    ("sum", ["f32[2,3]"], {"axes": (-1,)}, "IG113", "axis -1 of f32"),
    ("sum", ["f32[2,3]"], {"axes": (1, 0)}, "IG113", "distinct and ascending"),
    ("any", ["f32[2]"], {"axes": (0,)}, "IG112", "any does not take float32"),
    ("max", ["f32[2,0]"], {"axes": (1,)}, "IG116", "no elements, so there is no max"),
    ("argmin", ["f32[0]"], {"axis": 0}, "IG116", "no elements, so there is no argmin"),
    ("argmax", ["f32[]"], {"axis": 0}, "IG113", "axis 0 of f32"),
    ("cumsum", ["f32[2]"], {"axis": 1, "reverse": False}, "IG113", "axis 1 of f32"),
    ("cumprod", ["bool[2]"], {"axis": 0, "reverse": False}, "IG112", "cumprod does not take bool"),
    ("reshape", ["f32[2,3]"], {"shape": (4, 2)}, "IG114", r"has 6 elements and shape \[4, 2\] has 8"),
    ("reshape", ["f32[2,3]"], {"shape": (-2, -3)}, "IG114", "reshape"),
    ("permute", ["f32[2,3]"], {"axes": (0,)}, "IG113", "has 1 entries"),
    ("permute", ["f32[2,3]"], {"axes": (0, 0)}, "IG113", "distinct"),
    ("expand", ["f32[2,3]"], {"shape": (2, 4)}, "IG111", "only axes of size 1 grow"),
    ("expand", ["f32[3]"], {"shape": (2, 3)}, "IG113", "has 2 entries"),
    ("slice", ["f32[2,3]"], {**SLICE, "stop": (2, 4)}, "IG115", "0:4 is not within an axis of 3"),
    ("slice", ["f32[2,3]"], {**SLICE, "start": (2, 3), "stop": (1, 3)}, "IG115", "2:1 is not within"),
    ("slice", ["f32[2,3]"], {**SLICE, "step": (0, 1)}, "IG115", "must be positive"),
    ("pad", ["f32[2,3]"], {**PAD, "low": (-1, 0)}, "IG115", "must not be negative"),
    ("pad", ["f32[2,3]"], {**PAD, "high": (0,)}, "IG113", "has 1 entries"),
    ("concat", [], {"axis": 0}, "IG113", "at least one operand"),
    ("concat", ["f32[2,3]", "f32[2,4]"], {"axis": 0}, "IG111", "shapes differ besides axis 0"),
    ("concat", ["f32[2]", "f64[2]"], {"axis": 0}, "IG112", "dtypes differ"),
    ("flip", ["f32[2]"], {"axes": (1,)}, "IG113", "axis 1 of f32"),
    ("iota", [], {"type": TensorType(float32, (2,)), "axis": 1}, "IG113", "axis 1"),
    ("const", [], {"type": TensorType(float32, (2,)), "data": b"\0"}, "IG117", "1 bytes"),
]


@pytest.mark.parametrize(("name", "operands", "attrs", "code", "text"), REFUSED)
def test_refused(name: str, operands: list[str], attrs: dict[str, Any], code: str, text: str) -> None:
    with pytest.raises(IngotError, match=text) as caught:
        TABLE[name](*map(operand, operands), **attrs)
    assert caught.value.code == code
    assert isinstance(caught.value, DTypeError if code == "IG112" else ShapeError)
    assert code in CODES


@pytest.mark.parametrize("op", [o for o in TABLE.values() if o.kind == "elementwise" and o.samples[0].args], ids=str)
def test_every_elementwise_row_demands_equal_types(op: Op) -> None:
    if len(op.samples[0].args) < 2:
        return
    dtype = op.dtypes[-1].short
    mask = ["bool[2]"] if op.name == "select" else []
    with pytest.raises(ShapeError, match="shapes differ"):
        op(*map(operand, [*mask, f"{dtype}[2]", f"{dtype}[3]"]))


def test_an_input_has_no_value_of_its_own() -> None:
    with pytest.raises(IngotError, match="x of type f32") as caught:
        TABLE["input"].eval(type=TensorType(float32, ()), name="x")
    assert caught.value.code == "IG119"


def test_get_of_a_missing_result() -> None:
    with pytest.raises(ShapeError, match="result 1 of an op that has 1"):
        TABLE["get"](const(data=b"\0\0\0\0", type=TensorType(float32)), index=1)


def test_names_are_unique() -> None:
    with pytest.raises(ValueError, match="already has a row 'add'"):
        register(TABLE["add"])
