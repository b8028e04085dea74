"""Sorting along an axis. Stable; NaN counts as the largest value, as in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ingot.compiler.ir import Arg, Op, Sample, Size, TensorType, Value
from ingot.compiler.ops.definitions import accumulator
from ingot.compiler.ops.index import gather, scatter
from ingot.compiler.ops.source import get, zeros_like
from ingot.compiler.ops.table import check_axis, register
from ingot.runtime import dtypes
from ingot.runtime.errors import ShapeError

Array = np.ndarray[Any, Any]


def sort_type(x: TensorType, *, axis: int, descending: bool = False) -> tuple[TensorType, TensorType]:
    check_axis("sort", x, axis)
    return x, x.with_dtype(dtypes.int64)


def topk_type(x: TensorType, *, k: Size, axis: int, largest: bool = True) -> tuple[TensorType, TensorType]:
    check_axis("topk", x, axis)
    extent = x.shape[axis]
    if isinstance(k, int) and (k < 0 or (isinstance(extent, int) and k > extent)):
        raise ShapeError("IG133", f"topk of {x} along axis {axis}: {k} of {extent} elements")
    values = x.with_shape((*x.shape[:axis], k, *x.shape[axis + 1 :]))
    return values, values.with_dtype(dtypes.int64)


def sort_eval(x: Array, *, axis: int, descending: bool = False) -> tuple[Array, Array]:
    keys = x.astype(accumulator(x.dtype), copy=False)
    if descending:
        # The mirror of the ascending order of the mirrored array: equal elements keep their order, NaN comes first.
        mirrored = np.argsort(np.flip(keys, axis), axis, kind="stable")
        order = np.flip(x.shape[axis] - 1 - mirrored, axis)
    else:
        order = np.argsort(keys, axis, kind="stable")
    return np.take_along_axis(x, order, axis), order.astype(np.int64, copy=False)


def topk_eval(x: Array, *, k: int, axis: int, largest: bool = True) -> tuple[Array, Array]:
    values, order = sort_eval(x, axis=axis, descending=largest)
    first = (*(slice(None) for _ in range(axis)), slice(k))
    return values[first], order[first]


def sorted_vjp(ct: tuple[Value | None, ...], out: Value, x: Value, *, axis: int, **attrs: Any) -> tuple[Value | None]:
    if ct[0] is None or not x.dtype.is_floating_point:
        return (None,)
    return (scatter(zeros_like(x), get(out, index=1), ct[0], axis=axis, mode="add"),)


def sorted_jvp(
    tangents: Sequence[Value | None], out: Value, x: Value, *, axis: int, **attrs: Any
) -> tuple[Value, None] | None:
    return None if tangents[0] is None else (gather(tangents[0], get(out, index=1), axis=axis), None)


sort: Op = register(
    Op(
        name="sort",
        kind="sort",
        infer=sort_type,
        eval=sort_eval,
        vjp=sorted_vjp,
        jvp=sorted_jvp,
        batch=lambda size, x, *, axis, **attrs: sort(x, axis=axis + 1, **attrs),
        dtypes=dtypes.ALL,
        samples=(
            Sample((Arg((2, 5), distinct=True),), {"axis": 1, "descending": False}),
            Sample((Arg((4, 3), distinct=True),), {"axis": 0, "descending": True}),
            Sample((Arg((3, 1, 2), distinct=True),), {"axis": 1}),
            Sample((Arg((0, 3)),), {"axis": 0}),
            Sample((Arg((3, 0)),), {"axis": 0}),
        ),
        doc="(sorted values, their int64 positions along the axis). Equal elements keep their order; NaN comes last, "
        "first when descending.",
    )
)

topk: Op = register(
    Op(
        name="topk",
        kind="sort",
        infer=topk_type,
        eval=topk_eval,
        vjp=sorted_vjp,
        jvp=sorted_jvp,
        batch=lambda size, x, *, axis, **attrs: topk(x, axis=axis + 1, **attrs),
        dtypes=dtypes.ALL,
        samples=(
            Sample((Arg((2, 5), distinct=True),), {"k": 2, "axis": 1, "largest": True}),
            Sample((Arg((4, 3), distinct=True),), {"k": 3, "axis": 0, "largest": False}),
            Sample((Arg((3,), distinct=True),), {"k": 3, "axis": 0}),
            Sample((Arg((3, 2)),), {"k": 0, "axis": 0}),
            Sample((Arg((3, 0)),), {"k": 1, "axis": 0}),
        ),
        doc="(the k largest or smallest elements in order, their int64 positions along the axis). Of equal elements "
        "the first wins; NaN counts as the largest.",
    )
)
