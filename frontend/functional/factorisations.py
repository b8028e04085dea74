"""Factorisations of matrices, which are the last two dimensions, and what is made of them: least squares, ranks.

Every function takes float32 and float64. Raises OperandError (IG369) for other dtypes, ShapeError (IG368) for shapes
that do not fit, and LinAlgError (IG366, IG367) where a factorisation does not exist.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from ingot import creation
from ingot.compiler.ops import linalg as rows
from ingot.core import array_of, is_tensor, is_traced
from ingot.functional.arithmetic import div, gt, mul, where
from ingot.functional.joining import cat, tril
from ingot.functional.linalg import matmul
from ingot.functional.matrix_norms import matrix_norm
from ingot.functional.reductions import amax
from ingot.functional.reductions import sum as sum_
from ingot.functional.shaping import narrow, select, squeeze, unsqueeze
from ingot.functional.systems import (
    check_dtypes,
    check_matrix,
    check_option,
    identity_like,
    inv_ex,
    mT,
    required,
    with_one_batch,
)
from ingot.functional.unary import abs as abs_
from ingot.functional.unary import square
from ingot.gate import apply, apply_several
from ingot.promote import splat
from ingot.runtime import dtypes
from ingot.runtime.errors import OperandError, ShapeError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class CholeskyWithInfo(NamedTuple):
    """The result of cholesky_ex."""

    L: Tensor
    info: Tensor


class QR(NamedTuple):
    """The result of qr."""

    Q: Tensor
    R: Tensor


class Eigen(NamedTuple):
    """The result of eigh."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class SVD(NamedTuple):
    """The result of linalg.svd: A = U diag(S) Vh."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class OldSVD(NamedTuple):
    """The result of torch.svd: A = U diag(S) V^T."""

    U: Tensor
    S: Tensor
    V: Tensor


class LeastSquares(NamedTuple):
    """The result of lstsq; what the driver does not compute is empty."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


# ---- Cholesky


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """L with L L^T = A, from the lower triangle; with `upper` L^T, from the upper one. Raises LinAlgError (IG366)."""
    factor, info = cholesky_ex(A, upper=upper)
    return required(factor, info, "cholesky")


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> CholeskyWithInfo:
    """As cholesky, with the order of the first minor that is not positive (or 0) instead of an error."""
    check_matrix("linalg.cholesky", A, square=True)
    factor, info = apply_several(rows.cholesky, mT(A) if upper else A)
    factor = mT(factor) if upper else factor
    return CholeskyWithInfo(required(factor, info, "cholesky") if check_errors else factor, info)


def cholesky_of(input: Tensor, upper: bool = False) -> Tensor:
    """torch.cholesky: linalg.cholesky with a positional `upper`."""
    return cholesky(input, upper=upper)


def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """X with A X = input, where A has the Cholesky factor L (L^T if `upper`)."""
    check_matrix("cholesky_solve", input)
    check_matrix("cholesky_solve", L, square=True)
    check_dtypes("cholesky_solve", L, input)
    if input._layout.shape[-2] != L._layout.shape[-1]:
        raise ShapeError(
            "IG368",
            f"cholesky_solve: Incompatible matrix sizes for cholesky_solve: each A matrix is {L._layout.shape[-1]} by "
            f"{L._layout.shape[-1]} but each b matrix is {input._layout.shape[-2]} by {input._layout.shape[-1]}",
            where=user_line(),
        )
    factor, right = with_one_batch("cholesky_solve", L, input)
    below, above = (mT(factor), factor) if upper else (factor, mT(factor))
    half = apply(rows.triangular_solve, below, right, upper=False, unit=False)
    return apply(rows.triangular_solve, above, half, upper=True, unit=False)


def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """The inverse of the matrix that has the Cholesky factor L (L^T if `upper`)."""
    check_matrix("cholesky_inverse", L, square=True)
    return cholesky_solve(identity_like(L), L, upper)


# ---- QR


def qr(A: Tensor, mode: str = "reduced") -> QR:
    """(Q, R) with A = Q R: orthonormal columns and an upper triangle.

    `mode`: "reduced", "complete" (Q square), "r" (R alone, Q empty).
    """
    check_matrix("linalg.qr", A)
    check_option(
        "mode",
        mode,
        ("reduced", "complete", "r"),
        f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'",
    )
    m, n = A._layout.shape[-2:]
    q, r = apply_several(rows.qr, A, full=mode == "complete" and m > n)
    return QR(splat(0.0, A._layout.dtype, (0,)) if mode == "r" else q, r)


def qr_of(input: Tensor, some: bool = True) -> QR:
    """torch.qr: linalg.qr with mode "reduced", or "complete" unless `some`."""
    return qr(input, "reduced" if some else "complete")


def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """The first columns of the product of reflections 1 - tau v v^T, whose vectors v are below the diagonal of A."""
    check_matrix("linalg.householder_product", A)
    m, n = A._layout.shape[-2:]
    if m < n:
        raise ShapeError(
            "IG368",
            f"torch.linalg.householder_product: input.shape[-2] must be greater than or equal to input.shape[-1], got "
            f"{m} by {n}",
            where=user_line(),
        )
    k = tau._layout.shape[-1]
    if k > n:
        raise ShapeError(
            "IG368",
            "torch.linalg.householder_product: input.shape[-1] must be greater than or equal to tau.shape[-1], got "
            f"{n} and {k}",
            where=user_line(),
        )
    one = creation.eye(m, n, dtype=A._layout.dtype)
    vectors = tril(A, -1) + one
    result = one.expand((*A._layout.shape[:-2], m, n))
    for i in reversed(range(k)):
        v = narrow(vectors, -1, i, 1)
        scaled = mul(v, unsqueeze(narrow(tau, -1, i, 1), -1))
        result = result - matmul(scaled, matmul(mT(v), result))
    return result


# ---- eigenvalues and singular values


def eigh(A: Tensor, UPLO: str = "L") -> Eigen:
    """(eigenvalues in ascending order, eigenvectors in columns) of symmetric matrices, read from one triangle.

    The gradient by way of eigenvectors needs distinct eigenvalues.
    """
    check_matrix("linalg.eigh", A, square=True)
    check_option("UPLO", UPLO, ("L", "U", "l", "u"), f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return Eigen(*apply_several(rows.eigh, A, lower=UPLO in "Ll"))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric matrices in ascending order."""
    return eigh(A, UPLO).eigenvalues


def _complex(name: str, real: str) -> NoReturn:
    raise OperandError(
        "IG370",
        f"{name} gives complex tensors, which come later",
        where=user_line(),
        fix=f"{real} for symmetric matrices",
    )


def eig(A: Tensor) -> NoReturn:
    """Complex results come later. Raises OperandError (IG370)."""
    _complex("linalg.eig", "linalg.eigh")


def eigvals(A: Tensor) -> NoReturn:
    """Complex results come later. Raises OperandError (IG370)."""
    _complex("linalg.eigvals", "linalg.eigvalsh")


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> SVD:
    """(U, singular values in descending order, Vh) with A = U diag(S) Vh; U and Vh are square if `full_matrices`.

    The gradient by way of U and Vh needs distinct singular values. Raises LinAlgError (IG367) for infinite elements.
    """
    check_matrix("linalg.svd", A)
    _check_driver("svd", driver)
    m, n = A._layout.shape[-2:]
    return SVD(*apply_several(rows.svd, A, full=bool(full_matrices) and m != n))


def _check_driver(name: str, driver: str | None) -> None:
    if driver is not None:
        raise OperandError(
            "IG217",
            f"torch.linalg.{name}: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend.",
            where=user_line(),
            fix="no driver",
        )


def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values in descending order."""
    check_matrix("linalg.svdvals", A)
    _check_driver("svdvals", driver)
    return svd(A, False).S


def svd_of(input: Tensor, some: bool = True, compute_uv: bool = True) -> OldSVD:
    """torch.svd: (U, S, V); reduced if `some`; U and V are zeros unless `compute_uv`."""
    check_matrix("linalg.svd", input)
    u, s, vh = svd(input, not some)
    if compute_uv:
        return OldSVD(u, s, mT(vh))
    lead, (m, n), dtype = input._layout.shape[:-2], input._layout.shape[-2:], input._layout.dtype
    return OldSVD(creation.zeros((*lead, m, m), dtype=dtype), s, creation.zeros((*lead, n, n), dtype=dtype))


# ---- ranks and least squares


def _default_rtol(A: Tensor) -> float:
    return float(np.finfo(A._layout.dtype.numpy).eps) * max(A._layout.shape[-2:], default=0)


def _tolerances(A: Tensor, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """PyTorch's: rtol is 0 where a positive atol is given alone."""
    if rtol is None:
        if atol is None:
            return 0.0, _default_rtol(A)
        if is_tensor(atol):
            return atol, where(gt(atol, 0), 0.0, _default_rtol(A))
        return atol, 0.0 if atol > 0 else _default_rtol(A)
    return (0.0 if atol is None else atol), rtol


def pinv(A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    """The Moore-Penrose inverse. Singular values up to max(atol, rtol * the largest) count as 0.

    Default: atol = 0 and rtol = max(m, n) times the dtype's eps. `rcond` is an older name of rtol. The gradient holds
    where the rank does not change (Golub & Pereyra 1973).
    """
    check_matrix("linalg.pinv", A, square=hermitian)
    absolute, relative = _tolerances(A, atol, rcond if rtol is None else rtol)
    if not hermitian and not is_tensor(absolute) and not is_tensor(relative):
        return apply(rows.pinv, A, atol=float(absolute), rtol=float(relative))
    if hermitian:
        values, left = eigh(A)
        right = mT(left)
    else:
        left, values, right = svd(A, False)
    if values._layout.shape[-1] == 0:
        return creation.zeros((*A._layout.shape[:-2], *reversed(A._layout.shape[-2:])), dtype=A._layout.dtype)
    size = abs_(values)
    kept = gt(size, _cutoff(size, absolute, relative))
    inverse = where(kept, div(1.0, where(kept, values, 1.0)), 0.0)
    return matmul(mT(right), mul(unsqueeze(inverse, -1), mT(left)))


def _cutoff(sizes: Tensor, atol: Any, rtol: Any) -> Tensor:
    largest = amax(sizes, -1, True)
    parts = [unsqueeze(t, -1) if is_tensor(t) else t for t in (atol, rtol)]
    relative = mul(largest, parts[1])
    return where(gt(relative, parts[0]), relative, parts[0])


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """torch.pinverse: linalg.pinv with its older default."""
    return pinv(input, rcond)


def matrix_rank(A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    """How many singular values (sizes of eigenvalues if `hermitian`) exceed max(atol, rtol * the largest); int64."""
    check_matrix("linalg.matrix_rank", A, square=hermitian)
    if tol is not None:
        absolute, relative = tol, 0.0
    else:
        absolute, relative = _tolerances(A, atol, rtol)
    plain = A.detach()
    sizes = abs_(eigvalsh(plain)) if hermitian else svdvals(plain)
    if sizes._layout.shape[-1] == 0:
        return creation.zeros(sizes._layout.shape[:-1], dtype=dtypes.int64)
    return sum_(gt(sizes, _cutoff(sizes, absolute, relative)), -1)


def cond(A: Tensor, p: Any = None) -> Tensor:
    """The condition number: the norm of A times that of its inverse; inf for singular matrices."""
    check_matrix("linalg.cond", A)
    known = (None, 2, -2, "fro", "nuc", math.inf, -math.inf, 1, -1)
    check_option("p", p, known, f"linalg.cond got an invalid norm type: {p}")
    if p is None or p in (2, -2):
        values = svdvals(A)
        k = values._layout.shape[-1]
        if k == 0:
            return creation.zeros(values._layout.shape[:-1], dtype=A._layout.dtype)
        first, last = select(values, -1, 0), select(values, -1, k - 1)
        return div(last, first) if p == -2 else div(first, last)
    check_matrix("linalg.cond", A, square=True)
    inverse, info = inv_ex(A)
    found = mul(matrix_norm(A, p), matrix_norm(inverse, p))
    return where(info == 0, found, math.inf)


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> LeastSquares:
    """X that makes |A X - B| least, and of those the smallest; B holds matrices, or one vector per matrix of A.

    `driver`: "gelsy" (default), "gels", "gelsd" or "gelss", which differ in what they give besides: residuals unless
    gelsy, where A is taller than wide (and of full rank); the rank unless gels; singular values of gelsd and gelss.
    Compiled code cannot drop the residuals of a matrix without full rank: there they are NaN.
    """
    name = "torch.linalg.lstsq"
    check_matrix(name, A)
    known = (None, "gelsy", "gels", "gelsd", "gelss")
    check_option("driver", driver, known, f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    check_dtypes(name, A, B)
    vector = B._layout.ndim == A._layout.ndim - 1 and B._layout.shape == A._layout.shape[:-1]
    right = unsqueeze(B, -1) if vector else B
    check_matrix(name, right)
    m, n = A._layout.shape[-2:]
    if right._layout.shape[-2] != m:
        raise ShapeError("IG368", f"{name}: input.size(-2) should match other.size(-2)", where=user_line())
    matrix, right = with_one_batch(name, A, right)
    rtol = _default_rtol(A) if rcond is None else rcond
    inverse = apply(rows.pinv, matrix, atol=0.0, rtol=0.0 if driver == "gels" else float(rtol))
    solution = matmul(inverse, right)
    nothing, dtype = splat(0.0, A._layout.dtype, (0,)), A._layout.dtype
    values = svdvals(matrix.detach()) if driver != "gels" else nothing
    rank = splat(0, dtypes.int64, (0,)) if driver == "gels" else _rank_of(values, float(rtol))
    residuals = nothing
    if driver not in (None, "gelsy") and m > n:
        residuals = sum_(square(matmul(matrix, solution) - right), -2)
        if driver != "gels":
            residuals = _of_full_rank(residuals, rank, n, splat(0.0, dtype, (0,)))
    return LeastSquares(
        squeeze(solution, -1) if vector else solution,
        residuals,
        rank,
        values if driver in ("gelsd", "gelss") else nothing,
    )


def _rank_of(values: Tensor, rtol: float) -> Tensor:
    if values._layout.shape[-1] == 0:
        return creation.zeros(values._layout.shape[:-1], dtype=dtypes.int64)
    return sum_(gt(values, _cutoff(values, 0.0, rtol)), -1)


def _of_full_rank(residuals: Tensor, rank: Tensor, full: Any, nothing: Tensor) -> Tensor:
    if is_traced(rank):
        return where(unsqueeze(rank == full, -1), residuals, math.nan)
    return residuals if bool((array_of(rank) == full).all()) else nothing


def vander(x: Tensor, N: int | None = None) -> Tensor:
    """Powers 0 .. N - 1 of the elements along a new last dimension."""
    n = x._layout.shape[-1] if N is None else N
    if n <= 0:
        raise ShapeError("IG368", "N must be greater than 1.", where=user_line())
    column = unsqueeze(x, -1)
    ones = creation.ones_like(column)
    if n == 1:
        return ones
    repeated = column.expand((*x._layout.shape, n - 1))
    return cat([ones, repeated.cumprod(-1)], -1)


# ---- names that PyTorch removed


def _removed(name: str, instead: str) -> Any:
    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise OperandError(
            "IG372",
            f"torch.{name} was deprecated since version 1.9 and is now removed",
            where=user_line(),
            fix=instead,
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Removed from PyTorch: {instead}. Raises OperandError (IG372)."
    return function


symeig = _removed("symeig", 'torch.linalg.eigh(A, UPLO="U" if upper else "L")')
removed_eig = _removed("eig", "torch.linalg.eig(A)")
removed_lstsq = _removed("lstsq", "torch.linalg.lstsq(A, B).solution")
removed_solve = _removed("solve", "torch.linalg.solve(A, B)")
removed_matrix_rank = _removed("matrix_rank", "torch.linalg.matrix_rank(A)")
