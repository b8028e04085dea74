"""Linear algebra: systems and factorisations of matrices, which are the last two axes; all axes before are batches.

Derivatives: Giles 2008, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation";
Murray 2016, "Differentiation of the Cholesky decomposition"; Walter & Lehmann 2010 for QR; Townsend 2016 for the SVD.
Those of factorisations of symmetric matrices are taken among symmetric matrices. Forward rules are transposes of the
reverse ones, which are linear in the cotangents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ingot.compiler.ir import Arg, Graph, Op, Sample, Shape, Size, TensorType, Value
from ingot.compiler.ops import lapack
from ingot.compiler.ops import matrices as m
from ingot.compiler.ops.elementwise import add, div, eq, mul, neg, select, sub
from ingot.compiler.ops.source import full, get, zeros_like
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.table import check_dtype, no_jvp, no_vjp, register
from ingot.compiler.passes import grad as reverse
from ingot.compiler.rewrite import inlined
from ingot.runtime import dtypes
from ingot.runtime.errors import GradError, ShapeError

Array = np.ndarray[Any, Any]
Results = tuple[Value | None, ...]
REAL = (dtypes.float32, dtypes.float64)


# ---- what the rows share


def check_matrices(name: str, *types: TensorType, square: bool = False) -> tuple[Shape, Shape]:
    """(batch axes, sizes of the first operand). Raises ShapeError (IG368) or DTypeError (IG112)."""
    check_dtype(name, REAL, *types)
    first = types[0]
    if any(t.ndim < 2 or t.shape[:-2] != first.shape[:-2] or t.dtype is not first.dtype for t in types):
        raise ShapeError("IG368", f"{name} takes matrices with the same batch axes: {', '.join(map(str, types))}")
    if square and first.shape[-1] != first.shape[-2]:
        raise ShapeError("IG368", f"{name}: A must be batches of square matrices, but they are {first}")
    return first.shape[:-2], first.shape[-2:]


def info_type(lead: Shape) -> TensorType:
    return TensorType(dtypes.int32, lead)


def transposed_rule(op: Callable[[], Op]) -> Callable[..., Any]:
    """The forward rule: the transpose of the reverse rule, which differentiating that by its cotangents gives."""

    def rule(tangents: Results, out: Value, *operands: Value, **attrs: Any) -> Any:
        row = op()
        inputs = tuple(make_input(type=v.type, name=f"x{i}") for i, v in enumerate(operands))
        own = row(*inputs, **attrs)
        several = isinstance(own.type, tuple)
        cotangents = tuple(
            make_input(type=t, name=f"ct{i}") if t.dtype.is_floating_point else None for i, t in enumerate(own.types)
        )
        floating = tuple(ct for ct in cotangents if ct is not None)
        assert row.vjp is not None
        pulled = row.vjp(cotangents if several else cotangents[0], own, *inputs, **attrs)
        moving = [(p, t) for p, t in zip(pulled, tangents, strict=True) if p is not None and t is not None]
        if not moving:
            return None
        back = Graph((*inputs, *floating), tuple(p for p, _ in moving))
        forward = reverse.vjp(back, range(len(inputs), len(inputs) + len(floating)))
        # The rule is linear in the cotangents, so their values do not matter.
        zeros = [zeros_like(ct) for ct in floating]
        found = dict(zip(floating, inlined(forward, [*operands, *zeros, *(t for _, t in moving)]), strict=True))
        results = tuple(None if ct is None else found[ct] for ct in cotangents)
        return results if several else results[0]

    return rule


def row(
    name: str,
    kind: Any,
    infer: Callable[..., Any],
    evaluate: Callable[..., Any],
    vjp: Callable[..., Results],
    samples: tuple[Sample, ...],
    doc: str,
) -> Op:
    made = Op(
        name=name,
        kind=kind,
        infer=infer,
        eval=evaluate,
        vjp=vjp,
        jvp=transposed_rule(lambda: made),
        batch=lambda size, *operands, **attrs: made(*operands, **attrs),
        dtypes=REAL,
        traits=frozenset({"hosted"}) if kind == "call" else frozenset(),
        samples=samples,
        doc=doc,
    )
    return register(made)


def or_zeros(ct: Value | None, like: Value) -> Value:
    return zeros_like(like) if ct is None else ct


def parts(out: Value) -> tuple[Value, ...]:
    return tuple(get(out, index=i) for i in range(len(out.types)))


def samples(*shapes: tuple[int, ...], low: float = -2.0, high: float = 2.0, **attrs: Any) -> tuple[Sample, ...]:
    return tuple(Sample((Arg(shape, None, low, high),), attrs) for shape in shapes)


# ---- systems


def triangular_solve_type(a: TensorType, b: TensorType, *, upper: bool = False, unit: bool = False) -> TensorType:
    check_matrices("triangular_solve", a, b, square=True)
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError("IG368", f"triangular_solve: {a} and {b} have different numbers of rows")
    return b


def triangular_solve_vjp(
    ct: Value, x: Value, a: Value, b: Value, *, upper: bool = False, unit: bool = False
) -> tuple[Value, Value]:
    """With T X = B: dB = T^-T dX, dT = -dB X^T in T's triangle."""
    right = triangular_solve(m.transposed(a), ct, upper=not upper, unit=unit)
    matrix = neg(m.product(right, m.transposed(x)))
    return (m.upper if upper else m.lower)(matrix, strict=unit), right


triangular_solve: Op = row(
    "triangular_solve",
    "linalg",
    triangular_solve_type,
    lapack.triangular_solve,
    triangular_solve_vjp,
    tuple(
        Sample((Arg(a, None, 0.5, 1.5), Arg(b)), {"upper": upper, "unit": unit})
        for (a, b), upper, unit in (
            (((3, 3), (3, 2)), False, False),
            (((2, 3, 3), (2, 3, 1)), True, False),
            (((3, 3), (3, 4)), True, True),
            (((1, 1), (1, 1)), False, True),
            (((0, 0), (0, 2)), False, False),
            (((2, 0, 2, 2), (2, 0, 2, 1)), True, False),
        )
    ),
    "X with T X = B, where T is the lower or `upper` triangle of A, with ones on its diagonal if `unit`.",
)


def solve_type(a: TensorType, b: TensorType) -> tuple[TensorType, TensorType]:
    lead, _ = check_matrices("solve", a, b, square=True)
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError("IG368", f"solve: {a} and {b} have different numbers of rows")
    return b, info_type(lead)


def solve_vjp(ct: Results, out: Value, a: Value, b: Value) -> Results:
    """dB = A^-T dX, dA = -dB X^T."""
    if ct[0] is None:
        return None, None
    right = get(solve(m.transposed(a), ct[0]), index=0)
    return neg(m.product(right, m.transposed(get(out, index=0)))), right


solve: Op = row(
    "solve",
    "linalg",
    solve_type,
    lapack.solve,
    solve_vjp,
    tuple(
        Sample((Arg(a, None, low, 1.5), Arg(b)))
        for a, b, low in (
            ((3, 3), (3, 2), -1.5),
            ((2, 2, 2), (2, 2, 1), -1.5),
            ((1, 1), (1, 1), 0.5),
            ((0, 0), (0, 2), 0.0),
        )
    ),
    "(X with A X = B, info): info is the number of the first pivot that is 0, else 0.",
)


def lu_type(a: TensorType) -> tuple[TensorType, ...]:
    lead, (rows, columns) = check_matrices("lu", a)
    if isinstance(rows, int) and isinstance(columns, int):
        count: Any = min(rows, columns)
    elif rows == columns:
        count = rows
    else:
        raise ShapeError("IG368", f"lu: the number of pivots of {a} is not known", fix="sizes without names")
    return a, TensorType(dtypes.int32, (*lead, count)), TensorType(dtypes.int64, (*lead, rows))


def divided_right(x: Value, factor: Value) -> Value:
    """X U^-T for the upper triangle U of a matrix."""
    return m.transposed(triangular_solve(factor, m.transposed(x), upper=True))


def lu_vjp(ct: Results, out: Value, a: Value) -> Results:
    """With P A = L U, square: d(P A) = L^-T (tril(L^T dL, -1) + triu(dU U^T)) U^-T."""
    if ct[0] is None:
        return (None,)
    packed, _, order = parts(out)
    given, k = ct[0], out.types[1].shape[-1]
    if a.shape[-2] != k:
        return (m.put_back(lu_tall(packed, given, k), order),)
    if a.shape[-1] != k:
        return (m.put_back(lu_wide(packed, given, k), order),)
    return (m.put_back(lu_square(packed, m.lower(given, strict=True), m.upper(given)), order),)


def lu_square(packed: Value, d_lower: Value, d_upper: Value) -> Value:
    left, right = m.with_unit_diagonal(packed), m.upper(packed)
    inner = add(
        m.lower(m.product(m.transposed(left), d_lower), strict=True),
        m.upper(m.product(d_upper, m.transposed(right))),
    )
    return divided_right(triangular_solve(m.transposed(packed), inner, upper=True, unit=True), packed)


def lu_tall(packed: Value, ct: Value, k: Any) -> Value:
    """Below the square part A2 = L2 U, so L2 = A2 U^-1."""
    rows = packed.shape[-2]
    square, given = m.rows_of(packed, 0, k), m.rows_of(ct, 0, k)
    rest = divided_right(m.rows_of(ct, k, rows), square)
    d_upper = sub(given, m.product(m.transposed(m.rows_of(packed, k, rows)), rest))
    return m.stacked(lu_square(square, m.lower(given, strict=True), m.upper(d_upper)), rest)


def lu_wide(packed: Value, ct: Value, k: Any) -> Value:
    """To the right of the square part A2 = L U2, so U2 = L^-1 A2."""
    columns = packed.shape[-1]
    square, given = m.columns_of(packed, 0, k), m.columns_of(ct, 0, k)
    rest = triangular_solve(m.transposed(square), m.columns_of(ct, k, columns), upper=True, unit=True)
    d_lower = sub(given, m.product(rest, m.transposed(m.columns_of(packed, k, columns))))
    return m.beside(lu_square(square, m.lower(d_lower, strict=True), m.upper(given)), rest)


lu: Op = row(
    "lu",
    "linalg",
    lu_type,
    lapack.lu,
    lu_vjp,
    samples((3, 3), (2, 3, 2), (2, 4), (1, 1), (0, 3), (3, 0), (0, 2, 2)),
    "(L below the diagonal and U in one matrix, pivots counted from 1, order) with A[order] = L U; of equally large "
    "pivots the first.",
)


# ---- factorisations


def cholesky_type(a: TensorType) -> tuple[TensorType, TensorType]:
    lead, _ = check_matrices("cholesky", a, square=True)
    return a, info_type(lead)


def cholesky_vjp(ct: Results, out: Value, a: Value) -> Results:
    """sym(L^-T phi(L^T dL) L^-1), phi the lower triangle with half the diagonal (Murray 2016, section 4.1)."""
    if ct[0] is None:
        return (None,)
    factor = get(out, index=0)
    inner = m.lower(m.product(m.transposed(factor), m.lower(ct[0])))
    inner = sub(inner, m.scaled(m.on_diagonal(m.diagonal(inner)), 0.5))
    turned = m.transposed(factor)
    left = triangular_solve(turned, inner, upper=True)
    return (m.symmetrised(m.transposed(triangular_solve(turned, m.transposed(left), upper=True))),)


cholesky: Op = row(
    "cholesky",
    "linalg",
    cholesky_type,
    lapack.cholesky,
    cholesky_vjp,
    samples((1, 1), (3, 1, 1), (0, 0), (0, 2, 2), low=0.5),
    "(L with L L^T = A from the lower triangle of A, info): info is the order of the first minor that is not positive.",
)


def qr_type(a: TensorType, *, full: bool = False) -> tuple[TensorType, TensorType]:
    lead, (rows, columns) = check_matrices("qr", a)
    if not (isinstance(rows, int) and isinstance(columns, int)):
        raise ShapeError("IG368", f"qr: the sizes of {a} must be known", fix="sizes without names")
    k = rows if full else min(rows, columns)
    return a.with_shape((*lead, rows, k)), a.with_shape((*lead, k, columns))


def qr_vjp(ct: Results, out: Value, a: Value, *, full: bool = False) -> Results:
    """(dQ + Q copyltu(R dR^T - dQ^T Q)) R^-T (Walter & Lehmann 2010); of a wide matrix [X Y], Y = Q R2 besides."""
    rows, columns = a.shape[-2:]
    q, r = parts(out)
    d_q, d_r = or_zeros(ct[0], q), or_zeros(ct[1], r)
    if ct[0] is None and ct[1] is None:
        return (None,)
    assert isinstance(rows, int) and isinstance(columns, int)
    if full and rows > columns:
        raise GradError(
            "IG353",
            f"the complete QR decomposition of {a.type} has no derivative: the last columns of Q are not determined",
            fix='torch.linalg.qr(A, mode="reduced")',
        )
    if rows >= columns:
        return (qr_square(q, r, d_q, d_r),)
    d_right = m.columns_of(d_r, rows, columns)
    d_q = add(d_q, m.product(m.columns_of(a, rows, columns), m.transposed(d_right)))
    left = qr_square(q, m.columns_of(r, 0, rows), d_q, m.columns_of(d_r, 0, rows))
    return (m.beside(left, m.product(q, d_right)),)


def qr_square(q: Value, r: Value, d_q: Value, d_r: Value) -> Value:
    inner = sub(m.product(r, m.transposed(d_r)), m.product(m.transposed(d_q), q))
    mirrored = add(m.lower(inner), m.transposed(m.lower(inner, strict=True)))
    return divided_right(add(d_q, m.product(q, mirrored)), r)


qr: Op = row(
    "qr",
    "call",
    qr_type,
    lapack.qr,
    qr_vjp,
    (
        *samples((3, 3), (2, 4, 2), (2, 3), (1, 1), (2, 0), (0, 3), full=False),
        *samples((3, 3), (2, 3), full=True),
    ),
    "(Q, R) with A = Q R: orthonormal columns and an upper triangle; `full` makes Q square.",
)


def inverse_differences(x: Value) -> Value:
    """1 / (x[j] - x[i]) off the diagonal, 0 on it."""
    n = x.shape[-1]
    gaps = sub(m.as_rows(x, n), m.as_columns(x, n))
    row_, column = m.places(gaps)
    same = eq(row_, column)
    return select(same, zeros_like(gaps), div(full(gaps.type, 1), select(same, full(gaps.type, 1), gaps)))


def eigh_type(a: TensorType, *, lower: bool = True) -> tuple[TensorType, TensorType]:
    lead, (rows, _) = check_matrices("eigh", a, square=True)
    return a.with_shape((*lead, rows)), a


def eigh_vjp(ct: Results, out: Value, a: Value, *, lower: bool = True) -> Results:
    """V (diag(dw) + F * (V^T dV)) V^T with F[i, j] = 1 / (w[j] - w[i]) off the diagonal (Giles 2008, section 3.1)."""
    values, vectors = parts(out)
    inner: Value | None = None if ct[0] is None else m.on_diagonal(ct[0])
    if ct[1] is not None:
        turned = mul(inverse_differences(values), m.product(m.transposed(vectors), ct[1]))
        inner = turned if inner is None else add(inner, turned)
    if inner is None:
        return (None,)
    return (m.symmetrised(m.product(vectors, inner, m.transposed(vectors))),)


eigh: Op = row(
    "eigh",
    "call",
    eigh_type,
    lapack.eigh,
    eigh_vjp,
    samples((1, 1), (3, 1, 1), (0, 0), (0, 2, 2)),
    "(ascending eigenvalues, eigenvectors in columns) of a symmetric matrix, read from its `lower` or upper triangle.",
)


def svd_type(a: TensorType, *, full: bool = False) -> tuple[TensorType, ...]:
    lead, (rows, columns) = check_matrices("svd", a)
    if not (isinstance(rows, int) and isinstance(columns, int)):
        raise ShapeError("IG368", f"svd: the sizes of {a} must be known", fix="sizes without names")
    k = min(rows, columns)
    left, right = (rows, columns) if full else (k, k)
    return a.with_shape((*lead, rows, left)), a.with_shape((*lead, k)), a.with_shape((*lead, right, columns))


def svd_vjp(ct: Results, out: Value, a: Value, *, full: bool = False) -> Results:
    """Townsend 2016, "Differentiating the singular value decomposition". Of square U and V the columns beyond the
    singular values are not determined by A, and count as constant."""
    u, s, vh = parts(out)
    d_u, d_s, d_vh = ct
    (rows, columns), k = a.shape[-2:], s.shape[-1]
    if full:
        u, vh = m.columns_of(u, 0, k), m.rows_of(vh, 0, k)
        d_u = None if d_u is None else m.columns_of(d_u, 0, k)
        d_vh = None if d_vh is None else m.rows_of(d_vh, 0, k)
    inner: Value | None = None if d_s is None else m.on_diagonal(d_s)
    outer: Value | None = None
    squares = inverse_differences(mul(s, s))
    inverse = div(full_like(s, 1), s)
    if d_u is not None:
        turned = m.product(m.transposed(u), d_u)
        part = mul(mul(sub(turned, m.transposed(turned)), squares), m.as_rows(s, k))
        inner = part if inner is None else add(inner, part)
        if rows != k:
            across = mul(sub(d_u, m.product(u, turned)), m.as_rows(inverse, rows))
            outer = m.product(across, vh)
    if d_vh is not None:
        turned = m.product(vh, m.transposed(d_vh))
        part = mul(m.as_columns(s, k), mul(sub(turned, m.transposed(turned)), squares))
        inner = part if inner is None else add(inner, part)
        if columns != k:
            across = mul(m.as_columns(inverse, columns), sub(d_vh, m.product(m.transposed(turned), vh)))
            added = m.product(u, across)
            outer = added if outer is None else add(outer, added)
    if inner is None:
        return (None,)
    result = m.product(u, inner, vh)
    return (result if outer is None else add(result, outer),)


def full_like(x: Value, number: float) -> Value:
    return full(x.type, number)


svd: Op = row(
    "svd",
    "call",
    svd_type,
    lapack.svd,
    svd_vjp,
    (
        *samples((2, 2), (2, 3, 2), (2, 4), (1, 1), (3, 0), (0, 2), full=False),
        *samples((2, 2), (1, 1), full=True),
    ),
    "(U, descending singular values, V^T) with A = U diag(S) V^T; `full` makes U and V square.",
)


def matrix_exp_type(a: TensorType) -> TensorType:
    check_matrices("matrix_exp", a, square=True)
    return a


def matrix_exp_vjp(ct: Value, out: Value, a: Value) -> Results:
    """The upper right block of exp([[A^T, dY], [0, A^T]]) (Higham 2008, Functions of Matrices, equation 3.16)."""
    n, turned = a.shape[-1], m.transposed(a)
    blocks = m.stacked(m.beside(turned, ct), m.beside(zeros_like(a), turned))
    return (m.columns_of(m.rows_of(matrix_exp(blocks), 0, n), n, n + n),)


matrix_exp: Op = row(
    "matrix_exp",
    "call",
    matrix_exp_type,
    lapack.matrix_exp,
    matrix_exp_vjp,
    samples((3, 3), (2, 2, 2), (1, 1), (0, 0), (0, 2, 2)),
    "The exponential of square matrices.",
)


def pinv_type(a: TensorType, *, atol: float, rtol: float) -> TensorType:
    lead, (rows, columns) = check_matrices("pinv", a)
    return a.with_shape((*lead, columns, rows))


def pinv_vjp(ct: Value, p: Value, a: Value, *, atol: float, rtol: float) -> Results:
    """dP = -P dA P + P P^T dA^T (1 - A P) + (1 - P A) dA^T P^T P where the rank does not change (Golub & Pereyra 1973,
    equation 4.12)."""
    turned, ct_turned = m.transposed(p), m.transposed(ct)
    # Of (1 - A P) X and X (1 - P A) only products with A and P are formed.
    left = m.product(ct_turned, p, turned)
    right = m.product(turned, p, ct_turned)
    left = sub(left, m.product(a, p, left))
    right = sub(right, m.product(right, p, a))
    return (sub(add(left, right), m.product(turned, ct, turned)),)


pinv: Op = row(
    "pinv",
    "call",
    pinv_type,
    lapack.pinv,
    pinv_vjp,
    samples((3, 2), (2, 2, 3), (2, 2), (1, 1), (2, 0), (0, 3), atol=0.0, rtol=1e-6),
    "The Moore-Penrose inverse; singular values up to the larger of atol and rtol times the largest one count as 0.",
)


def pivot_order_type(pivots: TensorType, *, rows: Size) -> TensorType:
    check_dtype("pivot_order", (dtypes.int32,), pivots)
    return TensorType(dtypes.int64, (*pivots.shape[:-1], rows))


pivot_order: Op = register(
    Op(
        name="pivot_order",
        kind="call",
        infer=pivot_order_type,
        eval=lapack.pivot_order,
        vjp=no_vjp,
        jvp=no_jvp,
        batch=lambda size, pivots, *, rows: pivot_order(pivots, rows=rows),
        dtypes=(dtypes.int32,),
        traits=frozenset({"hosted"}),
        samples=tuple(
            Sample((Arg(shape, "int32", 1, 3),), {"rows": rows}) for shape, rows in (((3,), 3), ((2, 2), 4), ((0,), 3))
        ),
        doc="The order of rows after exchanging row i with row pivots[i] - 1, for one i after the other.",
    )
)
