"""Calls of native functions that the user supplies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ingot.compiler.ir import Arg, Op, Sample, TensorType, Value
from ingot.compiler.ops.control import each_lane
from ingot.compiler.ops.table import register
from ingot.runtime import dtypes
from ingot.runtime.errors import ShapeError, SpecError, VerifyError

Array = np.ndarray[Any, Any]
Evaluate = Callable[..., tuple[Array, ...]]


def native_call_type(
    *operands: TensorType, types: tuple[TensorType, ...], symbol: str, eval: Evaluate
) -> tuple[TensorType, ...]:
    if not (symbol.isascii() and symbol.isidentifier()):
        raise SpecError("IG170", f"native_call: {symbol!r} is not the name of a C function")
    if not types:
        raise ShapeError("IG170", f"native_call of {symbol} has no result, so it would never run")
    return types


def native_call_eval(*operands: Array, types: tuple[TensorType, ...], symbol: str, eval: Evaluate) -> tuple[Array, ...]:
    results = tuple(np.asarray(r) for r in eval(*operands))
    found = [(r.dtype, r.shape) for r in results]
    if found != [(t.dtype.numpy, t.shape) for t in types]:
        raise VerifyError("IG171", f"native_call of {symbol} gave {found} where {list(types)} was declared")
    return results


def native_call_batch(size: Any, *operands: Value, **attrs: Any) -> tuple[Value, ...]:
    return each_lane(native_call, size, operands, attrs)


def sorted_rows(x: Array) -> tuple[Array, Array]:
    """What the sample's function would do."""
    return np.sort(x, axis=1), np.asarray(x.sum())


native_call: Op = register(
    Op(
        name="native_call",
        kind="call",
        infer=native_call_type,
        eval=native_call_eval,
        vjp=None,
        jvp=None,
        batch=native_call_batch,
        dtypes=dtypes.ALL,
        samples=(
            Sample(
                (Arg((2, 3), "float64"),),
                {
                    "types": (TensorType(dtypes.float64, (2, 3)), TensorType(dtypes.float64)),
                    "symbol": "sorted_rows",
                    "eval": sorted_rows,
                },
            ),
        ),
        doc="The results, of the declared `types`, of the C function `void symbol(void *const *buffers)` on contiguous "
        "buffers: operands first, then results. `eval` is the same function on arrays. The function must be pure.",
    )
)
