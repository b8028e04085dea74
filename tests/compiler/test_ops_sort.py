"""sort and topk: stability, NaN, ties."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from ingot.compiler.ir import TensorType
from ingot.compiler.ops.sort import sort, topk
from ingot.compiler.ops.source import input as make_input
from ingot.runtime import dtypes
from ingot.runtime.errors import ShapeError

NAN = np.nan


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_nan_is_the_largest_and_order_is_stable(dtype: Any) -> None:
    x = np.array([2, NAN, 0.0, -0.0, -np.inf, NAN, 2, np.inf], dtype)
    values, order = sort.eval(x, axis=0)
    assert order.tolist() == [4, 2, 3, 0, 6, 7, 1, 5]
    np.testing.assert_array_equal(values.astype(np.float64), x[order].astype(np.float64))
    values, order = sort.eval(x, axis=0, descending=True)
    assert order.tolist() == [1, 5, 7, 0, 6, 2, 3, 4]
    np.testing.assert_array_equal(values.astype(np.float64), x[order].astype(np.float64))
    assert topk.eval(x, k=3, axis=0)[1].tolist() == [1, 5, 7]
    assert topk.eval(x, k=3, axis=0, largest=False)[1].tolist() == [4, 2, 3]


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int8, np.uint64])
@pytest.mark.parametrize("descending", [False, True])
def test_integers_and_bool(dtype: Any, descending: bool) -> None:
    x = np.random.default_rng(0).integers(0, 4, (3, 20)).astype(dtype)
    values, order = sort.eval(x, axis=1, descending=descending)
    for row, sorted_row, positions in zip(x.tolist(), values.tolist(), order.tolist(), strict=True):
        expected = sorted(range(20), key=row.__getitem__, reverse=descending)
        assert positions == expected
        assert sorted_row == [row[i] for i in expected]


def test_unsigned_extremes_keep_their_order() -> None:
    x = np.array([0, 2**64 - 1, 2**63], np.uint64)
    assert sort.eval(x, axis=0, descending=True)[1].tolist() == [1, 2, 0]


def test_refused() -> None:
    x = make_input(type=TensorType(dtypes.float32, (2, 3)), name="x")
    with pytest.raises(ShapeError, match=r"IG133.*f32\[2,3\] along axis 1: 4 of 3"):
        topk(x, k=4, axis=1)
    with pytest.raises(ShapeError, match=r"IG113"):
        sort(x, axis=2)
