"""Approximate factorisations of low rank, from random projections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ingot.functional.arithmetic import sub
from ingot.functional.factorisations import qr, svd
from ingot.functional.linalg import matmul
from ingot.functional.reductions import mean
from ingot.functional.sampling import randn
from ingot.functional.systems import check_matrix, mT
from ingot.promote import expand_to
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class LowRank(NamedTuple):
    """The result of svd_lowrank and pca_lowrank: about U diag(S) V^T."""

    U: Tensor
    S: Tensor
    V: Tensor


def svd_lowrank(A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None) -> LowRank:
    """The singular values that are about the largest of A - M, and their vectors; q is a bit above the rank.

    Halko, Martinsson & Tropp 2011, algorithms 4.4 (with `niter` iterations) and 5.1. A: [..., m, n], float32 or
    float64; M broadcasts to it. Raises SpecError (IG425) for a negative niter, and as `linalg.qr`.
    """
    check_matrix("svd_lowrank", A)
    rank, rounds = 6 if q is None else q, 2 if niter is None else niter
    if rounds < 0:
        raise SpecError("IG425", f"niter(={rounds}) must be non-negative integer", where=user_line())
    centred = A if M is None else sub(A, expand_to(M, A._layout.shape))
    m, n = A._layout.shape[-2:]
    wide = m < n
    tall = mT(centred) if wide else centred
    # One random matrix, for all matrices of a batch.
    projection = randn(min(m, n), rank, dtype=A._layout.dtype)
    basis = qr(matmul(tall, projection)).Q
    for _ in range(rounds):
        basis = qr(matmul(mT(tall), basis)).Q
        basis = qr(matmul(tall, basis)).Q
    u, s, vh = svd(matmul(mT(basis), tall), full_matrices=False)
    u, v = matmul(basis, u), mT(vh)
    return LowRank(v, s, u) if wide else LowRank(u, s, v)


def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> LowRank:
    """Principal components: `svd_lowrank` of A, its columns centred unless center=False; q is at most 6 by default.

    The columns of V are the principal directions, S**2 / (m - 1) the variances along them. Raises SpecError (IG425).
    """
    check_matrix("pca_lowrank", A)
    m, n = A._layout.shape[-2:]
    most: Any = min(m, n)
    rank = min(6, most) if q is None else q
    if not 0 <= rank <= most:
        raise SpecError(
            "IG425", f"q(={rank}) must be non-negative integer and not greater than min(m, n)={most}", where=user_line()
        )
    return svd_lowrank(A, rank, niter, mean(A, -2, keepdim=True) if center else None)
