"""What the rows of linear algebra mean, in NumPy: matrices are the last two axes, all axes before them are batches.

Plain arrays, no graph. float32 and float64 only, as in PyTorch on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ingot.runtime.errors import LinAlgError

Array = npt.NDArray[Any]

# Columns that are factorised one by one before the rest is updated by a product of matrices.
PANEL = 32
# Below so many rows a triangular system is solved row by row.
SUBSTITUTION = 32

# Coefficients of the numerator of the [13/13] Padé approximant of exp, and the norm up to which it is exact to 2^-53:
# Higham 2005, "The scaling and squaring method for the matrix exponential revisited", table 2.3 and equation 2.3.
PADE = (
    64764752532480000.0,
    32382376266240000.0,
    7771770303897600.0,
    1187353796428800.0,
    129060195264000.0,
    10559470521600.0,
    670442572800.0,
    33522128640.0,
    1323241920.0,
    40840800.0,
    960960.0,
    16380.0,
    182.0,
    1.0,
)
PADE_NORM = 5.371920351148152


def flat(a: Array) -> Array:
    """A copy with one batch axis."""
    return np.array(a.reshape((-1, *a.shape[-2:]) if a.size else (_count(a.shape[:-2]), *a.shape[-2:])))


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for n in shape:
        count *= n
    return count


# ---- LU


@np.errstate(all="ignore")
def lu(a: Array) -> tuple[Array, Array, Array]:
    """(L below the diagonal and U, pivots counted from 1, the order of A's rows), by partial pivoting.

    Golub & Van Loan, Matrix Computations, 3.4: right-looking, by panels of columns. A pivot of 0 is not divided by.
    """
    work = flat(a)
    batch, m, n = work.shape
    k = min(m, n)
    pivots = np.zeros((batch, k), np.int32)
    order = np.broadcast_to(np.arange(m), (batch, m)).copy()
    for start in range(0, k, PANEL):
        stop = min(start + PANEL, k)
        for j in range(start, stop):
            _eliminate(work, pivots, order, j, stop)
        if stop < n:
            _substitute(work[:, start:stop, start:stop], work[:, start:stop, stop:], False, True)
            work[:, stop:, stop:] -= work[:, stop:, start:stop] @ work[:, start:stop, stop:]
    lead = a.shape[:-2]
    return work.reshape(a.shape), pivots.reshape((*lead, k)), order.reshape((*lead, m))


def _eliminate(work: Array, pivots: Array, order: Array, j: int, stop: int) -> None:
    """One column of a panel that ends at `stop`: find its pivot, exchange rows, divide, and update the panel."""
    every = np.arange(len(work))
    # NaN is the largest, so that it shows in the result.
    at = j + np.argmax(np.abs(work[:, j:, j]), axis=1)
    pivots[:, j] = at + 1
    for rows in (work, order):
        kept = rows[:, j].copy()
        rows[:, j] = rows[every, at]
        rows[every, at] = kept
    pivot = work[:, j, j][:, None]
    work[:, j + 1 :, j] = np.where(pivot == 0, work[:, j + 1 :, j], work[:, j + 1 :, j] / pivot)
    if j + 1 < stop:
        work[:, j + 1 :, j + 1 : stop] -= work[:, j + 1 :, j, None] * work[:, j, None, j + 1 : stop]


def first_zero(packed: Array) -> Array:
    """The number (from 1) of the first zero on the diagonal, 0 where there is none; int32."""
    zero = np.diagonal(packed, 0, -2, -1) == 0
    if zero.shape[-1] == 0:
        return np.zeros(zero.shape[:-1], np.int32)
    return np.where(zero.any(-1), zero.argmax(-1) + 1, 0).astype(np.int32)


def pivot_order(pivots: Array, rows: int) -> Array:
    """The order of `rows` rows after exchanging row i with row pivots[i] - 1, for one i after the other."""
    flat_pivots = pivots.reshape(_count(pivots.shape[:-1]), pivots.shape[-1])
    order = np.broadcast_to(np.arange(rows), (len(flat_pivots), rows)).copy()
    every = np.arange(len(order))
    for i in range(pivots.shape[-1]):
        at = np.clip(flat_pivots[:, i].astype(np.int64) - 1, 0, rows - 1)
        kept = order[:, i].copy()
        order[:, i] = order[every, at]
        order[every, at] = kept
    return order.reshape((*pivots.shape[:-1], rows))


# ---- systems


@np.errstate(all="ignore")
def solve(a: Array, b: Array) -> tuple[Array, Array]:
    """(X with A X = B, info): info is the number of the first pivot that is 0, and then X has no meaning."""
    try:
        return np.linalg.solve(a, b), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        packed, _, order = lu(a)
        right = np.take_along_axis(b, order[..., None], -2)
        return triangular_solve(packed, triangular_solve(packed, right, False, True), True), first_zero(packed)


@np.errstate(all="ignore")
def triangular_solve(a: Array, b: Array, upper: bool = False, unit: bool = False) -> Array:
    """X with T X = B, where T is one triangle of A (with ones on the diagonal if `unit`)."""
    x = flat(b)
    _substitute(flat(a), x, upper, unit)
    return x.reshape(b.shape)


def _substitute(a: Array, x: Array, upper: bool, unit: bool) -> None:
    """In place, the half that stands alone first, then what it leaves of the other."""
    n = a.shape[-1]
    if n > SUBSTITUTION:
        h = n // 2
        first, second = (slice(h, n), slice(0, h)) if upper else (slice(0, h), slice(h, n))
        _substitute(a[:, first, first], x[:, first], upper, unit)
        x[:, second] -= a[:, second, first] @ x[:, first]
        _substitute(a[:, second, second], x[:, second], upper, unit)
        return
    for i in range(n - 1, -1, -1) if upper else range(n):
        known = slice(i + 1, n) if upper else slice(0, i)
        x[:, i : i + 1] -= a[:, i : i + 1, known] @ x[:, known]
        if not unit:
            x[:, i] /= a[:, i, i, None]


# ---- factorisations


@np.errstate(all="ignore")
def cholesky(a: Array) -> tuple[Array, Array]:
    """(L with L L^T = A, info), from the lower triangle; info is the order of the first minor that is not positive."""
    try:
        return np.linalg.cholesky(a), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        work = flat(a)
        made = [_cholesky(one) for one in work]
        info = np.array([number for _, number in made], np.int32).reshape(a.shape[:-2])
        return np.stack([factor for factor, _ in made]).reshape(a.shape), info


def _cholesky(a: Array) -> tuple[Array, int]:
    """One matrix, column by column; it stops at the first minor that is not positive."""
    factor = np.tril(a)
    for j in range(len(a)):
        rest = factor[j, j] - factor[j, :j] @ factor[j, :j]
        if not rest > 0:
            return factor, j + 1
        factor[j, j] = np.sqrt(rest)
        factor[j + 1 :, j] = (factor[j + 1 :, j] - factor[j + 1 :, :j] @ factor[j, :j]) / factor[j, j]
    return factor, 0


def qr(a: Array, full: bool = False) -> tuple[Array, Array]:
    """(Q, R): Q has orthonormal columns, all of them if `full`."""
    made = np.linalg.qr(a, "complete" if full else "reduced")
    return made.Q, made.R


def converged(name: str, function: Callable[[], Any]) -> Any:
    """What the function gives. Raises LinAlgError (IG367) where its iteration does not converge."""
    try:
        return function()
    except np.linalg.LinAlgError:
        raise not_converged(name) from None


def not_converged(name: str) -> LinAlgError:
    return LinAlgError(
        "IG367",
        f"{name}: The algorithm failed to converge because the input matrix is ill-conditioned or contained non-finite "
        "values",
        fix="a finite matrix; torch.isfinite(A).all() tells",
    )


def eigh(a: Array, lower: bool = True) -> tuple[Array, Array]:
    """(eigenvalues in ascending order, eigenvectors in columns) of a symmetric matrix, from one of its triangles; NaN
    where it is not finite."""
    finite = np.asarray(np.isfinite(a).all((-1, -2)))
    checked = a if finite.all() else np.where(finite[..., None, None], a, 0)
    made = converged("linalg.eigh", lambda: np.linalg.eigh(checked, "L" if lower else "U"))
    values, vectors = made.eigenvalues, made.eigenvectors
    if checked is not a:
        values = np.where(finite[..., None], values, np.nan).astype(a.dtype)
        vectors = np.where(finite[..., None, None], vectors, np.nan).astype(a.dtype)
    return values, vectors


def svd(a: Array, full: bool = False) -> tuple[Array, Array, Array]:
    """(U, singular values in descending order, V^T); `full`: U and V are square."""
    if not np.isfinite(a).all():
        raise not_converged("linalg.svd")
    made = converged("linalg.svd", lambda: np.linalg.svd(a, full_matrices=full))
    return made.U, made.S, made.Vh


def pinv(a: Array, atol: float, rtol: float) -> Array:
    """The Moore-Penrose inverse; singular values up to the larger of atol and rtol times the largest one count as 0."""
    if a.size == 0:
        return np.zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)
    u, s, vh = svd(a)
    kept = s > np.maximum(atol, rtol * s[..., :1])
    inverse = np.where(kept, 1 / np.where(kept, s, 1), 0).astype(a.dtype)
    return np.asarray(np.swapaxes(vh, -1, -2) @ (inverse[..., None] * np.swapaxes(u, -1, -2)))


@np.errstate(all="ignore")
def matrix_exp(a: Array) -> Array:
    """exp(A) by the [13/13] Padé approximant, scaling and squaring (Higham 2005); float32 is computed in float64."""
    work = flat(a).astype(np.float64)
    n = work.shape[-1]
    if work.size == 0:
        return np.array(a)
    norm = np.abs(work).sum(-2).max(-1)
    finite = np.isfinite(norm)
    work = np.where(finite[:, None, None], work, 0)
    halvings = np.ceil(np.log2(np.maximum(np.where(finite, norm, 0), PADE_NORM) / PADE_NORM)).astype(np.int64)
    work = np.ldexp(work, -halvings[:, None, None])
    one = np.eye(n)
    two, c = work @ work, PADE
    four = two @ two
    six = two @ four
    odd = six @ (c[13] * six + c[11] * four + c[9] * two) + c[7] * six + c[5] * four + c[3] * two + c[1] * one
    even = six @ (c[12] * six + c[10] * four + c[8] * two) + c[6] * six + c[4] * four + c[2] * two + c[0] * one
    odd = work @ odd
    result = np.linalg.solve(even - odd, even + odd)
    for turn in range(int(halvings.max())):
        result = np.where((halvings > turn)[:, None, None], result @ result, result)
    result[~finite] = np.nan
    return result.astype(a.dtype).reshape(a.shape)
