"""Linear algebra: systems, factorisations, determinants, norms and products."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from peer import Case, Input, given, integer, nograd, positive, real


def matrix(*shape: int) -> Input:
    """Rows that are never made equal."""
    return replace(real(*shape), apart=True)


def regular(T: Any, x: Any) -> Any:
    """A matrix far from singular."""
    return x + 4.0 * T.eye(x.shape[-1], dtype=x.dtype)


def positive_definite(T: Any, x: Any) -> Any:
    return x @ x.mT + T.eye(x.shape[-1], dtype=x.dtype)


def symmetric(x: Any) -> Any:
    return x + x.mT


SQUARE = [(3, 3), (2, 3, 3), (2, 1, 2, 2), (1, 1), (0, 0), (0, 2, 2)]
RECTANGULAR = [(4, 2), (2, 4), (2, 3, 2), (2, 2, 3), (3, 3), (1, 3), (3, 1)]
EMPTY = [(0, 3), (3, 0), (0, 0), (0, 3, 2)]
LOOSE: dict[str, Any] = {
    "rtol": 2e-3,
    "atol": 2e-3,
}  # second factors of inverses: float32 loses what the condition number takes


def square_cases() -> list[Case]:
    found = []
    for s in SQUARE:
        t = " ".join(map(str, s))
        found += [
            Case(f"linalg.inv {t}", lambda T, x: T.linalg.inv(regular(T, x)), [real(*s)]),
            Case(f"linalg.det {t}", lambda T, x: T.linalg.det(regular(T, x)), [real(*s)], rtol=1e-4),
            Case(f"linalg.slogdet {t}", lambda T, x: T.linalg.slogdet(regular(T, x)), [real(*s)], rtol=1e-4),
            Case(f"logdet {t}", lambda T, x: T.logdet(regular(T, x)), [real(*s)], rtol=1e-4),
            Case(
                f"linalg.cholesky {t}", lambda T, x: T.linalg.cholesky(positive_definite(T, x)), [real(*s)], rtol=1e-3
            ),
            Case(
                f"linalg.cholesky upper {t}",
                lambda T, x: T.linalg.cholesky(positive_definite(T, x), upper=True),
                [real(*s)],
                rtol=1e-3,
            ),
            Case(f"linalg.eigvalsh {t}", lambda T, x: T.linalg.eigvalsh(symmetric(x)), [matrix(*s)], rtol=1e-3),
            Case(
                f"linalg.eigh {t}",
                lambda T, x: (T.linalg.eigh(symmetric(x))[0], T.linalg.eigh(symmetric(x)).eigenvectors.abs()),
                [matrix(*s)],
                **LOOSE,
            ),
            Case(
                f"linalg.eigvalsh U {t}", lambda T, x: T.linalg.eigvalsh(x, UPLO="U"), [nograd(matrix(*s))], rtol=1e-3
            ),
            Case(f"linalg.eigvalsh L {t}", lambda T, x: T.linalg.eigvalsh(x), [nograd(matrix(*s))], rtol=1e-3),
            Case(f"matrix_exp {t}", lambda T, x: T.matrix_exp(x), [real(*s)], rtol=1e-3),
            Case(f"linalg.matrix_power 3 {t}", lambda T, x: T.linalg.matrix_power(x, 3), [real(*s)]),
            Case(f"matrix_power -2 {t}", lambda T, x: T.matrix_power(regular(T, x), -2), [real(*s)], rtol=1e-3),
            Case(f"matrix_power 0 {t}", lambda T, x: T.matrix_power(x, 0), [nograd(real(*s))]),
            Case(f"matrix_power 1 {t}", lambda T, x: T.matrix_power(x, 1), [real(*s)]),
            Case(f"inv_ex {t}", lambda T, x: T.linalg.inv_ex(regular(T, x)), [real(*s)]),
            Case(f"cholesky_ex {t}", lambda T, x: T.linalg.cholesky_ex(positive_definite(T, x)), [real(*s)], rtol=1e-3),
        ]
    return found


def rectangular_cases() -> list[Case]:
    found = []
    for s in [*RECTANGULAR, *EMPTY]:
        t = " ".join(map(str, s))
        smooth = 0 not in s
        found += [
            Case(f"linalg.qr {t}", lambda T, x: T.linalg.qr(x), [matrix(*s)], grad=smooth, **LOOSE),
            Case(
                f"linalg.qr complete {t}",
                lambda T, x: T.linalg.qr(x, mode="complete")[1],
                [nograd(matrix(*s))],
                **LOOSE,
            ),
            Case(f"linalg.qr r {t}", lambda T, x: T.linalg.qr(x, "r"), [nograd(matrix(*s))], **LOOSE),
            Case(f"linalg.svdvals {t}", lambda T, x: T.linalg.svdvals(x), [matrix(*s)], **LOOSE),
            Case(
                f"linalg.svd reduced {t}",
                lambda T, x: tuple(f.abs() for f in T.linalg.svd(x, full_matrices=False)),
                [matrix(*s)],
                grad=smooth,
                **LOOSE,
            ),
            Case(
                f"linalg.svd full shapes {t}",
                lambda T, x: (T.linalg.svd(x)[1], [f.shape for f in T.linalg.svd(x)]),
                [nograd(matrix(*s))],
                **LOOSE,
            ),
            Case(f"linalg.pinv {t}", lambda T, x: T.linalg.pinv(x), [matrix(*s)], **LOOSE),
            Case(f"linalg.matrix_rank {t}", lambda T, x: T.linalg.matrix_rank(x), [nograd(matrix(*s))]),
            Case(f"linalg.lu {t}", lambda T, x: T.linalg.lu(x), [matrix(*s)], grad=smooth, **LOOSE),
            Case(f"linalg.lu_factor_ex {t}", lambda T, x: T.linalg.lu_factor_ex(x), [matrix(*s)], grad=smooth, **LOOSE),
            Case(
                f"lu_unpack {t}", lambda T, x: T.lu_unpack(*T.linalg.lu_factor_ex(x)[:2]), [nograd(matrix(*s))], **LOOSE
            ),
        ]
    return found


def system_cases() -> list[Case]:
    L = [
        ((3, 3), (3, 2)),
        ((3, 3), (3,)),
        ((2, 3, 3), (2, 3, 2)),
        ((2, 3, 3), (2, 3)),
        ((2, 1, 3, 3), (4, 3, 2)),
        ((3, 3), (2, 3, 2)),
        ((0, 0), (0, 2)),
        ((3, 3), (3, 0)),
        ((1, 1), (1, 1)),
    ]
    found = []
    for a, b in L:
        t = f"{' '.join(map(str, a))} by {' '.join(map(str, b))}"
        found += [
            Case(f"linalg.solve {t}", lambda T, x, y: T.linalg.solve(regular(T, x), y), [real(*a), real(*b)]),
            Case(f"linalg.solve_ex {t}", lambda T, x, y: T.linalg.solve_ex(regular(T, x), y), [real(*a), real(*b)]),
        ]
        if len(b) == 1 or len(b) < len(a):
            continue
        found += [
            Case(
                f"linalg.solve_triangular lower {t}",
                lambda T, x, y: T.linalg.solve_triangular(regular(T, x), y, upper=False),
                [real(*a), real(*b)],
            ),
            Case(
                f"linalg.solve_triangular unit {t}",
                lambda T, x, y: T.linalg.solve_triangular(x, y, upper=True, unitriangular=True),
                [real(*a), real(*b)],
                rtol=1e-4,
            ),
            Case(
                f"linalg.solve_triangular right {t}",
                lambda T, x, y: T.linalg.solve_triangular(regular(T, x), y.mT, upper=True, left=False),
                [real(*a), real(*b)],
            ),
            Case(
                f"linalg.solve right {t}",
                lambda T, x, y: T.linalg.solve(regular(T, x), y.mT, left=False),
                [real(*a), real(*b)],
            ),
            Case(f"triangular_solve {t}", lambda T, x, y: T.triangular_solve(y, regular(T, x)), [real(*a), real(*b)]),
            Case(
                f"triangular_solve transposed {t}",
                lambda T, x, y: T.triangular_solve(y, regular(T, x), upper=False, transpose=True).solution,
                [real(*a), real(*b)],
            ),
            Case(
                f"cholesky_solve {t}",
                lambda T, x, y: T.cholesky_solve(y, T.tril(regular(T, x))),
                [real(*a), real(*b)],
                rtol=1e-3,
            ),
            Case(
                f"cholesky_solve upper {t}",
                lambda T, x, y: T.cholesky_solve(y, T.triu(regular(T, x)), upper=True),
                [real(*a), real(*b)],
                rtol=1e-3,
            ),
            Case(
                f"linalg.lu_solve {t}",
                lambda T, x, y: T.linalg.lu_solve(*T.linalg.lu_factor(regular(T, x)), y),
                [real(*a), real(*b)],
                rtol=1e-3,
            ),
            Case(
                f"linalg.lu_solve adjoint right {t}",
                lambda T, x, y: T.linalg.lu_solve(*T.linalg.lu_factor(regular(T, x)), y.mT, adjoint=True, left=False),
                [real(*a), real(*b)],
                rtol=1e-3,
            ),
            Case(
                f"linalg.lu_solve adjoint {t}",
                lambda T, x, y: T.linalg.lu_solve(*T.linalg.lu_factor(regular(T, x)), y, adjoint=True),
                [real(*a), real(*b)],
                rtol=1e-3,
            ),
        ]
    return found


def norm_cases() -> list[Case]:
    found = []
    p: Any
    for p in (0, 1, 2, 3, 0.5, -1, -2, math.inf, -math.inf):
        found += [
            Case(f"vector_norm {p}", lambda T, x, p=p: T.linalg.vector_norm(x, p), [real(3, 4)]),
            Case(
                f"vector_norm {p} dim",
                lambda T, x, p=p: T.linalg.vector_norm(x, p, dim=(0, 2), keepdim=True),
                [real(2, 3, 2)],
            ),
            Case(f"vector_norm {p} 0-d", lambda T, x, p=p: T.linalg.vector_norm(x, p), [real()]),
            Case(f"norm {p}", lambda T, x, p=p: x.norm(p, 1), [real(3, 4)]),
            Case(f"dist {p}", lambda T, x, y, p=p: T.dist(x, y, p), [real(3, 4), real(4)], grad=p != 0),
        ]
    for ord in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf):
        found += [
            Case(f"matrix_norm {ord}", lambda T, x, o=ord: T.linalg.matrix_norm(x, o), [matrix(3, 4)], **LOOSE),
            Case(
                f"matrix_norm {ord} dims",
                lambda T, x, o=ord: T.linalg.matrix_norm(x, o, dim=(2, 0), keepdim=True),
                [matrix(2, 3, 4)],
                **LOOSE,
            ),
            Case(f"linalg.norm {ord}", lambda T, x, o=ord: T.linalg.norm(x, o), [matrix(3, 3)], **LOOSE),
        ]
    for p in (None, 2, -2, "fro", "nuc", 1, -1, math.inf, -math.inf):
        # torch's own gradient fails for the other norms.
        found.append(
            Case(
                f"cond {p}",
                lambda T, x, p=p: T.linalg.cond(regular(T, x), p),
                [matrix(2, 3, 3)],
                grad=p in (None, 2, -2, "nuc"),
                rtol=1e-3,
            )
        )
    return [
        *found,
        Case("vector_norm half", lambda T, x: T.linalg.vector_norm(x), [real(5)], dtypes="half"),
        Case("vector_norm dtype", lambda T, x: T.linalg.vector_norm(x, dtype=T.float64), [real(5)]),
        Case("vector_norm empty", lambda T, x: T.linalg.vector_norm(x), [real(0)]),
        Case("vector_norm empty -1", lambda T, x: T.linalg.vector_norm(x, 1, dim=1), [real(2, 0)]),
        Case("vector_norm at 0", lambda T, x: T.linalg.vector_norm(x * 0.0, 2), [real(3)]),
        Case("vector_norm p at 0", lambda T, x: T.linalg.vector_norm(T.relu(x), 3), [real(6)]),
        Case("norm at 0", lambda T, x: (x * 0).norm(), [real(3)]),
        Case("norm fro dim", lambda T, x: T.norm(x, dim=0), [real(3, 4)]),
        Case("norm nuc", lambda T, x: T.norm(x, "nuc"), [matrix(3, 4)], **LOOSE),
        Case("norm dtype", lambda T, x: T.norm(x, dtype=T.float64), [real(3, 4)]),
        Case("linalg.norm 3d", lambda T, x: T.linalg.norm(x), [real(2, 3, 2)]),
        Case("linalg.norm dim", lambda T, x: T.linalg.norm(x, dim=1), [real(2, 3, 2)]),
        Case("linalg.norm two dims", lambda T, x: T.linalg.norm(x, dim=(0, 2)), [real(2, 3, 2)]),
        Case("linalg.norm vector 3", lambda T, x: T.linalg.norm(x, 3), [real(4)]),
        Case(
            "cond singular", lambda T, x: (T.linalg.cond(x * 0, 1), T.linalg.cond(x * 0, "fro")), [nograd(real(2, 2))]
        ),
        Case("cond rectangular", lambda T, x: T.linalg.cond(x), [matrix(4, 2)], **LOOSE),
        Case.misuse("cond p rectangular", lambda T, x: T.linalg.cond(x, 1), [real(3, 2)]),
        Case.misuse("cond name", lambda T, x: T.linalg.cond(x, "x"), [real(2, 2)]),
        Case.misuse("linalg.norm ord 3d", lambda T, x: T.linalg.norm(x, "fro"), [real(2, 2, 2)]),
        Case.misuse("linalg.norm ord name", lambda T, x: T.linalg.norm(x, "fro"), [real(2)]),
        Case.misuse("linalg.norm three dims", lambda T, x: T.linalg.norm(x, 2, dim=(0, 1, 2)), [real(2, 2, 2)]),
        Case.misuse("matrix_norm order", lambda T, x: T.linalg.matrix_norm(x, 3), [real(2, 2)]),
        Case.misuse("matrix_norm name", lambda T, x: T.linalg.matrix_norm(x, "x"), [real(2, 2)]),
        Case.misuse("matrix_norm same dims", lambda T, x: T.linalg.matrix_norm(x, dim=(1, 1)), [real(2, 2)]),
        Case.misuse("vector_norm inf empty", lambda T, x: T.linalg.vector_norm(x, math.inf), [real(0)]),
        Case.misuse("vector_norm ints", lambda T, x: T.linalg.vector_norm(x), [integer(3)]),
        Case.misuse("matrix_norm ints", lambda T, x: T.linalg.matrix_norm(x), [integer(3, 3)]),
    ]


def least_squares_cases() -> list[Case]:
    found = []
    for a, b in (((4, 2), (4, 3)), ((2, 4), (2, 3)), ((2, 3, 2), (2, 3, 1)), ((2, 3, 2), (2, 3)), ((3, 3), (3, 1))):
        t = f"{' '.join(map(str, a))} by {' '.join(map(str, b))}"
        for driver in (None, "gels", "gelsd", "gelss", "gelsy"):
            found.append(
                Case(
                    f"lstsq {driver} {t}",
                    lambda T, x, y, d=driver: tuple(T.linalg.lstsq(x, y, driver=d)),
                    [matrix(*a), matrix(*b)],
                    grad=False,
                    **LOOSE,
                )
            )
        found.append(
            Case(
                f"lstsq gradient {t}", lambda T, x, y: T.linalg.lstsq(x, y).solution, [matrix(*a), matrix(*b)], **LOOSE
            )
        )
    return found


CASES = [
    *square_cases(),
    *rectangular_cases(),
    *system_cases(),
    *norm_cases(),
    *least_squares_cases(),
    Case("inverse", lambda T, x: (T.inverse(regular(T, x)), regular(T, x).inverse()), [real(3, 3)]),
    Case("det of a product", lambda T, x: (x @ x.mT + 0.1 * T.eye(3, dtype=x.dtype)).det(), [matrix(3, 3)], **LOOSE),
    Case("det negative", lambda T, x: (T.det(x), x.slogdet()), [matrix(3, 3)], **LOOSE),
    Case("logdet negative", lambda T, x: T.logdet(x - 4 * T.eye(3, dtype=x.dtype)), [nograd(real(3, 3))]),
    Case("det singular", lambda T, x: (T.det(x * 0), T.linalg.slogdet(x * 0), T.logdet(x * 0)), [nograd(real(2, 2))]),
    Case(
        "cholesky",
        lambda T, x: (T.cholesky(positive_definite(T, x)), T.cholesky(positive_definite(T, x), True)),
        [real(3, 3)],
        rtol=1e-3,
    ),
    Case(
        "cholesky lower triangle",
        lambda T, x: T.linalg.cholesky(T.tril(x) + 5 * T.eye(3, dtype=x.dtype)),
        [nograd(real(3, 3))],
    ),
    Case("cholesky_inverse", lambda T, x: T.cholesky_inverse(T.tril(regular(T, x))), [real(2, 3, 3)], rtol=1e-3),
    Case(
        "cholesky_inverse upper",
        lambda T, x: T.triu(regular(T, x)).cholesky_inverse(upper=True),
        [real(3, 3)],
        rtol=1e-3,
    ),
    Case("qr some", lambda T, x: T.qr(x), [matrix(4, 2)], **LOOSE),
    Case("qr not some", lambda T, x: x.qr(some=False)[1], [nograd(matrix(4, 2))], **LOOSE),
    Case("svd some", lambda T, x: tuple(f.abs() for f in T.svd(x)), [matrix(4, 2)], **LOOSE),
    Case(
        "svd of a sum",
        lambda T, x: (lambda u, s, v: u @ T.diag(s) @ v)(*T.linalg.svd(x, False)),
        [matrix(4, 3)],
        **LOOSE,
    ),
    *[
        Case(
            f"svd_lowrank {s}",
            lambda T, x: (lambda a, b, c: (b, a @ T.diag_embed(b) @ c.mT))(*T.svd_lowrank(x, 3)),
            [nograd(matrix(*s))],
            seeded=True,
            **LOOSE,
        )
        for s in [(6, 4), (4, 6), (2, 5, 4), (3, 3), (2, 7)]
    ],
    *[
        Case(
            f"pca_lowrank {s} {options}",
            lambda T, x, options=options: [p.abs() for p in T.pca_lowrank(x, **options)],
            [nograd(matrix(*s))],
            seeded=True,
            layouts=False,
            **LOOSE,
        )
        for s in [(9, 4), (2, 8, 3)]
        for options in [{}, {"q": 2}, {"center": False}, {"niter": 4}]
    ],
    Case(
        "svd_lowrank M", lambda T, x: T.svd_lowrank(x, 2, M=x.mean(0, keepdim=True))[1], [nograd(matrix(6, 4))], **LOOSE
    ),
    Case.misuse("pca_lowrank q", lambda T, x: T.pca_lowrank(x, 5), [nograd(matrix(3, 4))]),
    Case.misuse("pca_lowrank niter", lambda T, x: T.pca_lowrank(x, 2, niter=-1), [nograd(matrix(3, 4))]),
    Case("svd values alone", lambda T, x: T.svd(x, compute_uv=False), [matrix(4, 2)], **LOOSE),
    Case("pinverse", lambda T, x: T.pinverse(x), [matrix(4, 2)], **LOOSE),
    Case("pinv rank 1", lambda T, x: T.linalg.pinv(x[:, :1] @ x[:1, :]), [nograd(matrix(3, 4))], **LOOSE),
    Case("pinv hermitian", lambda T, x: T.linalg.pinv(symmetric(x), hermitian=True), [matrix(3, 3)], **LOOSE),
    Case("pinv rtol", lambda T, x: T.linalg.pinv(x, rtol=0.5), [nograd(matrix(3, 4))], **LOOSE),
    Case("pinv atol", lambda T, x: T.linalg.pinv(x, atol=1.0), [nograd(matrix(3, 4))], **LOOSE),
    Case(
        "pinv atol tensor",
        lambda T, x: T.linalg.pinv(x, atol=T.tensor(1.0, dtype=x.dtype)),
        [nograd(matrix(3, 4))],
        **LOOSE,
    ),
    Case("pinv rcond", lambda T, x: T.linalg.pinv(x, 0.5), [nograd(matrix(3, 4))], **LOOSE),
    Case("matrix_rank tol", lambda T, x: T.linalg.matrix_rank(x, 1.0), [nograd(matrix(3, 4))]),
    Case("matrix_rank atol", lambda T, x: T.linalg.matrix_rank(x, atol=1.0, rtol=0.1), [nograd(matrix(2, 3, 4))]),
    Case("matrix_rank deficient", lambda T, x: T.linalg.matrix_rank(x[:, :1] @ x[:1, :]), [nograd(matrix(3, 4))]),
    Case(
        "matrix_rank hermitian", lambda T, x: T.linalg.matrix_rank(symmetric(x), hermitian=True), [nograd(matrix(3, 3))]
    ),
    Case("householder_product", lambda T, x, t: T.linalg.householder_product(x, t), [real(4, 2), real(2)]),
    Case("householder_product batch", lambda T, x, t: T.linalg.householder_product(x, t), [real(2, 3, 3), real(2, 2)]),
    Case("orgqr", lambda T, x, t: T.orgqr(x, t), [real(3, 3), real(3)]),
    Case("tensorinv", lambda T, x: T.linalg.tensorinv(x), [matrix(2, 3, 6)], **LOOSE),
    Case("tensorinv 1", lambda T, x: T.linalg.tensorinv(x, ind=1), [matrix(6, 2, 3)], **LOOSE),
    Case("tensorsolve", lambda T, x, y: T.linalg.tensorsolve(x, y), [matrix(2, 3, 6), real(2, 3)], **LOOSE),
    Case(
        "tensorsolve dims", lambda T, x, y: T.linalg.tensorsolve(x, y, dims=(0, 2)), [matrix(2, 6, 3), real(6)], **LOOSE
    ),
    Case("vander", lambda T, x: T.linalg.vander(x), [real(4)]),
    Case("vander N", lambda T, x: T.linalg.vander(x, N=3), [real(2, 4)]),
    Case("linalg.diagonal", lambda T, x: T.linalg.diagonal(x, offset=1), [real(2, 3, 4)]),
    Case("lu", lambda T, x: T.lu(x), [matrix(3, 3)], **LOOSE),
    Case("lu infos", lambda T, x: T.lu(x, get_infos=True), [matrix(3, 3)], **LOOSE),
    Case("lu_solve", lambda T, x, y: T.lu_solve(y, *T.lu(regular(T, x))), [real(3, 3), real(3, 2)], rtol=1e-3),
    Case("lu_factor_ex singular", lambda T, x: T.linalg.lu_factor_ex(x * 0), [nograd(real(2, 3, 3))]),
    Case("inv_ex singular", lambda T, x: T.linalg.inv_ex(x * 0).info, [nograd(real(2, 3, 3))]),
    Case(
        "cholesky_ex indefinite",
        lambda T, x: T.linalg.cholesky_ex(T.eye(3) - 2 * T.diag(x)).info,
        [nograd(given([0.0, 1.0, 0.0]))],
    ),
    # products
    Case("multi_dot", lambda T, a, b, c: T.linalg.multi_dot([a, b, c]), [real(2, 5), real(5, 3), real(3, 4)]),
    Case("multi_dot vectors", lambda T, a, b, c: T.linalg.multi_dot([a, b, c]), [real(5), real(5, 3), real(3)]),
    Case(
        "multi_dot four",
        lambda T, a, b, c, d: T.linalg.multi_dot([a, b, c, d]),
        [real(2, 5), real(5, 1), real(1, 4), real(4)],
    ),
    Case("chain_matmul", lambda T, a, b, c: T.chain_matmul(a, b, c), [real(2, 5), real(5, 3), real(3, 4)]),
    Case("linalg.cross", lambda T, x, y: T.linalg.cross(x, y), [real(2, 3), real(1, 3)]),
    Case("linalg.cross dim", lambda T, x, y: T.linalg.cross(x, y, dim=0), [matrix(3, 2), matrix(3, 2)]),
    Case("cross", lambda T, x, y: x.cross(y, dim=1), [real(2, 3, 4), real(2, 3, 4)]),
    Case("cross default", lambda T, x, y: T.cross(x, y), [real(2, 3), real(2, 3)]),
    Case("linalg.vecdot", lambda T, x, y: T.linalg.vecdot(x, y), [real(2, 3), real(3)]),
    Case("linalg.vecdot dim", lambda T, x, y: T.linalg.vecdot(x, y, dim=0), [real(2, 3), real(2, 3)]),
    Case("vdot", lambda T, x, y: T.vdot(x, y), [real(4), real(4)]),
    Case("dot", lambda T, x, y: x.dot(y), [real(4), real(4)]),
    Case("mv", lambda T, x, y: x.mv(y), [real(3, 4), real(4)]),
    Case("ger", lambda T, x, y: T.ger(x, y), [real(3), real(4)]),
    Case("outer", lambda T, x, y: x.outer(y), [real(3), real(4)]),
    Case("inner", lambda T, x, y: T.inner(x, y), [real(2, 3), real(4, 3)]),
    Case("inner vectors", lambda T, x, y: T.inner(x, y), [real(3), real(3)]),
    Case("inner scalar", lambda T, x, y: T.inner(x, y), [real(2, 3), real()]),
    Case("kron", lambda T, x, y: T.kron(x, y), [real(2, 3), real(3, 2)]),
    Case("kron ranks", lambda T, x, y: x.kron(y), [real(3), real(2, 1, 2)], layouts=False),
    Case("addr", lambda T, m, x, y: T.addr(m, x, y, beta=2, alpha=0.5), [real(3, 4), real(3), real(4)]),
    Case("addbmm", lambda T, m, x, y: T.addbmm(m, x, y, beta=0.5, alpha=2), [real(3, 4), real(2, 3, 5), real(2, 5, 4)]),
    Case("addmm", lambda T, m, x, y: T.addmm(m, x, y, beta=0.5, alpha=2), [real(4), real(3, 5), real(5, 4)]),
    Case("addmv", lambda T, m, x, y: T.addmv(m, x, y), [real(3), real(3, 5), real(5)]),
    Case("baddbmm", lambda T, m, x, y: T.baddbmm(m, x, y, beta=0.5), [real(2, 3, 4), real(2, 3, 5), real(2, 5, 4)]),
    Case("trace", lambda T, x: x.trace(), [real(3, 4)]),
    Case(
        "mahalanobis",
        lambda T, x, y: T.linalg.solve(positive_definite(T, x), y).dot(y),
        [real(3, 3), positive(3)],
        rtol=1e-3,
    ),
    # mistakes
    Case.misuse("inv singular", lambda T, x: T.linalg.inv(x * 0), [real(2, 2)]),
    Case.misuse("inv singular in a batch", lambda T, x: T.linalg.inv(T.stack([T.eye(2), x * 0])), [real(2, 2)]),
    Case.misuse("solve singular", lambda T, x: T.linalg.solve(x * 0, x), [real(2, 2)]),
    Case.misuse("solve_ex checked", lambda T, x: T.linalg.solve_ex(x * 0, x, check_errors=True), [real(2, 2)]),
    Case.misuse("cholesky indefinite", lambda T, x: T.linalg.cholesky(-T.eye(2)), [real(2, 2)]),
    Case.misuse("lu_factor singular", lambda T, x: T.linalg.lu_factor(x * 0), [real(2, 2)]),
    Case.misuse("inv not square", lambda T, x: T.linalg.inv(x), [real(2, 3)]),
    Case.misuse("inv vector", lambda T, x: T.linalg.inv(x), [real(2)]),
    Case.misuse("inv ints", lambda T, x: T.linalg.inv(x), [integer(2, 2)]),
    Case.misuse("inv half", lambda T, x: T.linalg.inv(x.half()), [real(2, 2)]),
    Case.misuse("det not square", lambda T, x: T.det(x), [real(2, 3)]),
    Case.misuse("solve shapes", lambda T, x, y: T.linalg.solve(x, y), [real(2, 2), real(3, 2)]),
    Case.misuse("solve dtypes", lambda T, x, y: T.linalg.solve(x, y.double()), [real(2, 2), real(2, 2)]),
    Case.misuse("solve batches", lambda T, x, y: T.linalg.solve(x, y), [real(2, 2, 2), real(3, 2, 2)]),
    Case.misuse("solve_triangular no upper", lambda T, x: T.linalg.solve_triangular(x, x), [real(2, 2)]),
    Case.misuse("qr mode", lambda T, x: T.linalg.qr(x, mode="x"), [real(2, 2)]),
    Case.misuse("eigh UPLO", lambda T, x: T.linalg.eigh(x, UPLO="x"), [real(2, 2)]),
    Case.misuse("svd driver", lambda T, x: T.linalg.svd(x, driver="gesvd"), [real(2, 2)]),
    Case.misuse("svd of NaN", lambda T, x: T.linalg.svd(x * math.nan), [real(2, 2)]),
    Case.misuse("lstsq driver", lambda T, x: T.linalg.lstsq(x, x, driver="x"), [real(2, 2)]),
    Case.misuse("lstsq shapes", lambda T, x, y: T.linalg.lstsq(x, y), [real(2, 3), real(3, 1)]),
    Case.misuse("multi_dot one", lambda T, x: T.linalg.multi_dot([x]), [real(2, 2)]),
    Case.misuse("multi_dot 3d", lambda T, x, y: T.linalg.multi_dot([x, y]), [real(2, 2, 2), real(2, 2)]),
    Case.misuse("cross size", lambda T, x, y: T.linalg.cross(x, y), [real(2), real(2)]),
    Case.misuse("cross ranks", lambda T, x, y: T.linalg.cross(x, y), [real(2, 3), real(3)]),
    Case.misuse("tensorinv sizes", lambda T, x: T.linalg.tensorinv(x), [real(2, 3, 5)]),
    Case.misuse("lu without pivots", lambda T, x: T.linalg.lu(x, pivot=False), [real(2, 2)]),
    Case.misuse("symeig", lambda T, x: T.symeig(x), [real(2, 2)]),
    Case.misuse("removed solve", lambda T, x: T.solve(x, x), [real(2, 2)]),
    Case.misuse("removed matrix_rank", lambda T, x: T.matrix_rank(x), [real(2, 2)]),
    Case.misuse("removed eig", lambda T, x: T.eig(x), [real(2, 2)]),
    Case.misuse("removed lstsq", lambda T, x: T.lstsq(x, x), [real(2, 2)]),
]
