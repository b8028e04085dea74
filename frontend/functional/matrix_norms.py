"""Norms of vectors and matrices. Half types are summed in float32, as in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ingot.compiler.ops import linalg as rows
from ingot.functional.arithmetic import eq, mul, ne, sub, where
from ingot.functional.arithmetic import pow as power
from ingot.functional.reductions import amax, amin, axes_of, axis_of, root
from ingot.functional.reductions import sum as sum_
from ingot.functional.shaping import movedim, reshape
from ingot.functional.systems import check_floating, type_name
from ingot.functional.unary import abs as abs_
from ingot.functional.unary import square
from ingot.gate import apply_several
from ingot.promote import cast_to
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import OperandError, ShapeError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

Dims = int | Sequence[int] | None


def _bad_order(name: str, order: Any) -> OperandError:
    return OperandError("IG373", f"{name}: Order {order} not supported.", where=user_line())


def _prepared(name: str, x: Tensor, dtype: DType | None) -> Tensor:
    """The tensor in the dtype to compute in. Raises OperandError (IG369)."""
    if dtype is not None:
        if not dtype.is_floating_point:
            raise OperandError(
                "IG369", f"{name}: dtype should be floating point or complex. Got {type_name(dtype)}", where=user_line()
            )
        check_floating(name, x, low=True)
        x = cast_to(x, dtype)
    check_floating(name, x, low=True)
    return cast_to(x, dtypes.float32) if x._layout.dtype.itemsize == 2 else x


def vector_norm(
    x: Tensor, ord: Any = 2, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """(sum |x|^ord)^(1/ord) over `dim` (None: all elements); the largest or smallest size for inf and -inf, the number
    of elements that are not 0 for 0. The gradient at 0 is 0."""
    name = "linalg.vector_norm"
    if isinstance(ord, str | bool):
        raise OperandError("IG373", f"{name}: ord must be a number, not {ord!r}", where=user_line())
    wide = _prepared(name, x, dtype)
    found = _p_norm(name, wide, float(ord), dim, keepdim)
    return cast_to(found, dtype or x._layout.dtype)


def _p_norm(name: str, x: Tensor, p: float, dim: Dims, keepdim: bool) -> Tensor:
    if p == 2:
        return root(sum_(square(x), dim, keepdim))
    if p == 0:
        return sum_(where(ne(x, 0), 1.0, mul(x, 0)), dim, keepdim)
    size = abs_(x)
    if p == 1:
        return sum_(size, dim, keepdim)
    if math.isinf(p) or p < 0:
        _check_not_empty(name, x, p, dim)
    if math.isinf(p):
        return (amax if p > 0 else amin)(size, () if dim is None else dim, keepdim)
    zero = eq(x, 0)
    # For p > 0 the derivative of |x|^p at 0 would be 0 * inf.
    powers = where(zero, 0.0, power(where(zero, 1.0, size), p)) if p > 0 else power(size, p)
    total = sum_(powers, dim, keepdim)
    none = eq(total, 0)
    return where(none, 0.0 if p > 0 else math.inf, power(where(none, 1.0, total), 1.0 / p))


def _check_not_empty(name: str, x: Tensor, p: float, dim: Dims) -> None:
    shape = x._layout.shape
    whole = dim is None or (not isinstance(dim, int) and not len(dim))
    if any(shape[axis] == 0 for axis in axes_of(x, dim)):
        place = "an empty tensor because" if whole else f"the dimension {dim} because this dimension is empty and"
        raise OperandError(
            "IG373",
            f"{name} cannot compute the {p:g} norm on {place} the operation does not have an identity",
            where=user_line(),
        )


def matrix_norm(
    A: Tensor,
    ord: Any = "fro",
    dim: Any = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """Norms of matrices, whose rows and columns are the dimensions `dim`.

    "fro": the root of the sum of squares; "nuc": the sum of singular values; 2 and -2: the largest and smallest one;
    1 and -1: the largest and smallest sum of sizes in a column; inf and -inf: in a row.
    """
    name = "linalg.matrix_norm"
    wide = _prepared(name, A, dtype)
    if A._layout.ndim < 2:
        raise ShapeError("IG368", f"{name}: The input tensor A must have at least 2 dimensions.", where=user_line())
    if isinstance(dim, int) or len(dim) != 2:
        raise OperandError("IG373", f"{name}: dim must be a 2-tuple. Got {dim}", where=user_line())
    row, column = (axis_of(A, d) for d in dim)
    if row == column:
        raise OperandError("IG373", f"{name}: dims must be different. Got ({dim[0]}, {dim[1]})", where=user_line())
    result_dtype = dtype or A._layout.dtype
    if ord == "fro":
        return cast_to(_p_norm(name, wide, 2.0, (row, column), keepdim), result_dtype)
    if isinstance(ord, str) and ord != "nuc":
        raise _bad_order(name, ord)
    if ord == "nuc" or abs(ord) == 2:
        if A._layout.dtype.itemsize == 2:
            raise OperandError(
                "IG369",
                f"{name}: Low precision dtypes not supported. Got {type_name(A._layout.dtype)}",
                where=user_line(),
                fix="A.float()",
            )
        found = _of_singular_values(name, movedim(wide, (row, column), (-2, -1)), ord)
    elif abs(ord) == 1 or math.isinf(ord):
        found = _of_sums(wide, float(ord), row, column)
    else:
        raise _bad_order(name, ord)
    if keepdim:
        shape = tuple(1 if i in (row, column) else n for i, n in enumerate(A._layout.shape))
        found = reshape(found, shape)
    return cast_to(found, result_dtype)


def _of_singular_values(name: str, A: Tensor, ord: Any) -> Tensor:
    _, values, _ = apply_several(rows.svd, A, full=False)
    if ord == "nuc":
        return sum_(values, -1)
    _check_not_empty(name, values, float(ord), -1)
    return (amax if ord > 0 else amin)(values, -1)


def _of_sums(A: Tensor, ord: float, row: int, column: int) -> Tensor:
    along, over = (row, column) if abs(ord) == 1 else (column, row)
    sums = sum_(abs_(A), along, True)
    _check_not_empty("linalg.matrix_norm", sums, ord, over)
    return (amax if ord > 0 else amin)(sums, (row, column))


def linalg_norm(
    A: Tensor, ord: Any = None, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """vector_norm over all elements without `ord`; else of vectors (one dimension) or matrices (two)."""
    ndim = A._layout.ndim
    count = None if dim is None else 1 if isinstance(dim, int) else len(dim)
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if count is None and ndim not in (1, 2):
        raise OperandError(
            "IG373",
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {ndim}D.",
            where=user_line(),
        )
    if count is not None and count not in (1, 2):
        raise OperandError(
            "IG373",
            f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dim)}",  # type: ignore[arg-type]
            where=user_line(),
        )
    if count == 2 or (count is None and ndim == 2):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if isinstance(ord, str):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


def norm(input: Tensor, p: Any = "fro", dim: Dims = None, keepdim: bool = False, dtype: DType | None = None) -> Tensor:
    """torch.norm: the p-norm of the elements over `dim`; "fro" is 2, "nuc" is of matrices."""
    if p == "nuc":
        if dim is None:
            if input._layout.ndim != 2:
                raise OperandError(
                    "IG373",
                    "norm: p='nuc' is for matrices; give the two dimensions",
                    where=user_line(),
                    fix="dim=(-2, -1)",
                )
            dim = (-2, -1)
        return matrix_norm(input, "nuc", dim, keepdim, dtype=dtype)
    if isinstance(p, str) and p != "fro":
        raise OperandError("IG373", f"norm: only 'fro', 'nuc' and numbers are norms, not {p!r}", where=user_line())
    order = 2 if p == "fro" or p is None else p
    return vector_norm(input, order, dim, keepdim, dtype=dtype)


def dist(input: Tensor, other: Tensor, p: Any = 2) -> Tensor:
    """The p-norm of the difference."""
    return vector_norm(sub(input, other), p)
