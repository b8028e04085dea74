"""The row that refuses a matrix: what a factorisation says of it becomes an error, in compiled code by a status."""

from __future__ import annotations

from typing import Any

import numpy as np

from ingot.compiler.ir import Arg, Op, Sample, TensorType
from ingot.compiler.ops.table import register
from ingot.runtime import dtypes, failures
from ingot.runtime.errors import LinAlgError, ShapeError

Array = np.ndarray[Any, Any]

# The functions that refuse a matrix, and what they say of it; `{}` is the info of the factorisation.
REASONS: dict[str, tuple[str, str]] = {
    "inv": (
        "IG365",
        "linalg.inv: {batch}The diagonal element {info} is zero, the inversion could not be completed because the "
        "input matrix is singular.",
    ),
    "solve": ("IG365", "torch.linalg.solve: {batch}The solver failed because the input matrix is singular."),
    "lu_factor": (
        "IG365",
        "torch.linalg.lu_factor: {batch}U[{info},{info}] is zero and using it on lu_solve would result in a division "
        "by zero.",
    ),
    "cholesky": (
        "IG366",
        "linalg.cholesky: {batch}The factorization could not be completed because the input is not positive-definite "
        "(the leading minor of order {info} is not positive-definite).",
    ),
}


def refused(reason: str, info: int, batch: str = "") -> LinAlgError:
    code, text = REASONS[reason]
    return LinAlgError(code, text.format(batch=batch, info=info))


def describe_failures() -> None:
    """Statuses of compiled code: one kind per reason."""
    for reason in REASONS:
        failures.describe(status_kind(reason), lambda info, reason=reason: refused(reason, info))  # type: ignore[misc]


def status_kind(reason: str) -> int:
    return 1 + list(REASONS).index(reason)


# The kind of the status of rows whose `eval` raised in the midst of compiled code.
EVAL_RAISED = 1 + len(REASONS)
describe_failures()


def require_type(x: TensorType, info: TensorType, *, reason: str) -> TensorType:
    if info.dtype is not dtypes.int32 or reason not in REASONS:
        raise ShapeError("IG368", f"require: {reason!r} and {info}")
    return x


def require_eval(x: Array, info: Array, *, reason: str) -> Array:
    if info.any():
        at = int(np.flatnonzero(info)[0])
        raise refused(reason, int(info.flat[at]), f"(Batch element {at}): " if info.ndim else "")
    return x


require: Op = register(
    Op(
        name="require",
        kind="call",
        infer=require_type,
        eval=require_eval,
        vjp=lambda ct, out, x, info, *, reason: (ct, None),
        jvp=lambda tangents, out, x, info, *, reason: tangents[0],
        batch=lambda size, x, info, *, reason: require(x, info, reason=reason),
        dtypes=dtypes.ALL,
        samples=(
            Sample((Arg((2, 3)), Arg((2,), "int32", 0, 0)), {"reason": "inv"}),
            Sample((Arg(()), Arg((), "int32", 0, 0)), {"reason": "cholesky"}),
        ),
        doc="x, if `info` is 0 everywhere; else the program fails, for this reason.",
    )
)
