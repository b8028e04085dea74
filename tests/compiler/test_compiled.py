"""Every row x dtype x sample: compiled code gives what `eval` gives."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from op_cases import Case, cases, together
from running import run

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Op
from ingot.compiler.ops import TABLE
from ingot.runtime import symbols
from ingot.runtime.dtypes import DType

OPS = [op for op in TABLE.values() if op.name not in ("input", "get")]
# The kinds whose results are elements of their operands, or bits; all results that are not floats are exact anyway.
EXACT = ("view", "sort", "source", "random")
# Sums of a few numbers, in an order of their own: about ten units in the last place.
TOLERANCE = {"f16": 2e-3, "bf16": 1.6e-2, "f32": 3e-6, "f64": 1e-14}


def check(op: Op, dtype: DType, chosen: Sequence[Case]) -> None:
    graph, arrays, owners = together(chosen, op.name)
    want, got = interpret(graph, *arrays), run(graph, arrays)
    for owner, expected, actual, value in zip(owners, want, got, graph.outputs, strict=True):
        expected = np.asarray(expected)
        assert actual.shape == expected.shape and actual.dtype == expected.dtype
        near = 0.0 if op.kind in EXACT else TOLERANCE.get(value.dtype.short, 0.0)
        if value.dtype.is_floating_point:
            actual, expected = actual.astype(np.float64), expected.astype(np.float64)
        note = f"{owner} {owner.sample}"
        np.testing.assert_allclose(actual, expected, rtol=near, atol=near, err_msg=note)


@pytest.fixture(autouse=True)
def native_function() -> None:
    """The function that the samples of native_call name."""

    def sorted_rows(buffers: Any) -> None:
        x, rows, total = (
            np.ctypeslib.as_array(ctypes.cast(buffers[i], ctypes.POINTER(ctypes.c_double)), shape)
            for i, shape in enumerate(((2, 3), (2, 3), ()))
        )
        rows[...] = np.sort(x, axis=1)
        total[...] = x.sum()

    symbols.define("sorted_rows", ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_void_p))(sorted_rows))


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_compiled_rows(op: Op) -> None:
    by_dtype: dict[DType, list[Case]] = {}
    for case in cases():
        if case.op is op:
            by_dtype.setdefault(case.dtype, []).append(case)
    for dtype, chosen in by_dtype.items():
        check(op, dtype, chosen)
