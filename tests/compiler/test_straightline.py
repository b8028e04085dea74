"""Straight-line functions over arrays give the bits of the rows' `eval`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_cases import Case, cases, operands

from ingot.compiler.ir import Op, TensorType
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.quiet import quietly
from ingot.compiler.straightline import straightline
from ingot.runtime import dtypes


def _bits(array: Any) -> tuple[Any, ...]:
    made = np.ascontiguousarray(array)
    return made.dtype, np.shape(array), made.tobytes()


OPS = [op for op in TABLE.values() if op.name not in ("input", "get")]
DTYPES = (dtypes.float32, dtypes.float64, dtypes.float16, dtypes.bfloat16, dtypes.int64, dtypes.uint8, dtypes.bool_)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_row(op: Op) -> None:
    for case in cases(*DTYPES):
        if case.op is op:
            _check(case)


def _check(case: Case) -> None:
    arrays = operands(case)
    inputs = [
        make_input(type=TensorType(dtypes.from_numpy(a.dtype), a.shape), name=f"x{i}") for i, a in enumerate(arrays)
    ]
    value = case.op(*inputs, **case.sample.attrs)
    (found,) = quietly(straightline(inputs, [value], "row"), *[a.copy() for a in arrays])
    wanted = case.op.eval(*arrays, **case.sample.attrs)
    several = isinstance(wanted, tuple)
    for got, want in zip(found if several else (found,), wanted if several else (wanted,), strict=True):
        assert _bits(got) == _bits(want), case
