"""Systems of linear equations, inverses and determinants. Matrices are the last two dimensions; the rest are batches.

Every function takes float32 and float64. Raises OperandError (IG369) for other dtypes, ShapeError (IG368) for shapes
that do not fit, and LinAlgError (IG365) for a singular matrix where a function says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ingot import creation
from ingot.compiler import hosted as hosted  # programs from the cache call rows by name
from ingot.compiler.ops import linalg as rows
from ingot.compiler.ops.require import require
from ingot.core import is_tensor
from ingot.functional.arithmetic import eq, mul, ne, where
from ingot.functional.gathering import argsort, gather
from ingot.functional.joining import tril, triu
from ingot.functional.linalg import matmul
from ingot.functional.reductions import any as any_
from ingot.functional.reductions import argmax, prod
from ingot.functional.reductions import sum as sum_
from ingot.functional.shaping import diagonal, narrow, reshape, squeeze, transpose, unsqueeze
from ingot.functional.unary import abs as abs_
from ingot.functional.unary import log, sign
from ingot.gate import apply, apply_several
from ingot.promote import cast_to, expand_to, splat
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError, IngotError, OperandError, ShapeError
from ingot.runtime.layout import broadcast_shapes
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

_NAMES = {"float16": "Half", "bfloat16": "BFloat16", "float32": "Float", "float64": "Double", "int64": "Long"}


class SignAndLog(NamedTuple):
    """The result of slogdet."""

    sign: Tensor
    logabsdet: Tensor


class Factored(NamedTuple):
    """The result of lu_factor."""

    LU: Tensor
    pivots: Tensor


class FactoredWithInfo(NamedTuple):
    """The result of lu_factor_ex."""

    LU: Tensor
    pivots: Tensor
    info: Tensor


class PermutedFactors(NamedTuple):
    """The result of lu and lu_unpack: A = P L U."""

    P: Tensor
    L: Tensor
    U: Tensor


class InverseWithInfo(NamedTuple):
    """The result of inv_ex."""

    inverse: Tensor
    info: Tensor


class ResultWithInfo(NamedTuple):
    """The result of solve_ex."""

    result: Tensor
    info: Tensor


class Solved(NamedTuple):
    """The result of triangular_solve."""

    solution: Tensor
    cloned_coefficient: Tensor


# ---- checks


def type_name(dtype: DType) -> str:
    """The dtype as PyTorch's errors call it."""
    return _NAMES.get(dtype.name, dtype.name.capitalize())


def check_floating(name: str, x: Tensor, low: bool = False) -> None:
    """Raises OperandError (IG369) unless the tensor is float32 or float64, or any floating one if `low`."""
    if not is_tensor(x):
        raise DTypeError("IG214", f"{name} takes tensors, not {type(x).__name__}", where=user_line())
    dtype = x._layout.dtype
    if not dtype.is_floating_point:
        raise OperandError(
            "IG369",
            f"{name}: Expected a floating point or complex tensor as input. Got {type_name(dtype)}",
            where=user_line(),
            fix="A.float()",
        )
    if dtype.itemsize == 2 and not low:
        raise OperandError(
            "IG369",
            f"{name}: Low precision dtypes not supported. Got {type_name(dtype)}",
            where=user_line(),
            fix="A.float()",
        )


def check_matrix(name: str, a: Tensor, *, square: bool = False, low: bool = False) -> None:
    """Raises ShapeError (IG368) unless the tensor holds matrices, and OperandError (IG369) as `check_floating`."""
    check_floating(name, a, low)
    layout = a._layout
    if layout.ndim < 2:
        raise ShapeError("IG368", f"{name}: The input tensor A must have at least 2 dimensions.", where=user_line())
    m, n = layout.shape[-2:]
    if square and m != n:
        raise ShapeError(
            "IG368",
            f"{name}: A must be batches of square matrices, but they are {m} by {n} matrices",
            where=user_line(),
        )


def check_dtypes(name: str, a: Tensor, b: Tensor) -> None:
    """Raises OperandError (IG227) unless both have one dtype."""
    x, y = a._layout.dtype, b._layout.dtype
    if x is not y:
        raise OperandError(
            "IG227",
            f"{name}: Expected A and B to have the same dtype, but found A of type {type_name(x)} and B of type "
            f"{type_name(y)} instead",
            where=user_line(),
            fix="B.to(A.dtype)",
        )


def with_one_batch(name: str, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both with the batch dimensions that theirs broadcast to. Raises ShapeError (IG368)."""
    x, y = a._layout.shape, b._layout.shape
    if x[:-2] == y[:-2]:
        return a, b
    try:
        lead = broadcast_shapes(x[:-2], y[:-2])
    except IngotError:
        raise ShapeError(
            "IG368",
            f"{name}: the batch dimensions {list(x[:-2])} of A and {list(y[:-2])} of B do not broadcast",
            where=user_line(),
        ) from None
    return expand_to(a, (*lead, *x[-2:])), expand_to(b, (*lead, *y[-2:]))


def mT(x: Tensor) -> Tensor:
    return transpose(x, -2, -1)


def identity_like(a: Tensor) -> Tensor:
    """Identity matrices with as many rows, as wide a batch and the dtype of a."""
    n = a._layout.shape[-2]
    return expand_to(creation.eye(n, dtype=a._layout.dtype), (*a._layout.shape[:-2], n, n))


def required(x: Tensor, info: Tensor, reason: str) -> Tensor:
    """x, if `info` is 0 everywhere. Raises LinAlgError otherwise."""
    return apply(require, x, info, reason=reason)


# ---- systems


def _solved(name: str, A: Tensor, B: Tensor, left: bool) -> tuple[Tensor, Tensor]:
    check_matrix(name, A, square=True)
    check_floating(name, B)
    check_dtypes(name, A, B)
    a, b = A._layout.shape, B._layout.shape
    vector = len(b) == 1 or (len(b) == len(a) - 1 and b == a[:-1])
    if vector and not left:
        raise ShapeError(
            "IG368",
            f"{name}: Vector broadcasting of the left hand side is not supported for left=False. In this case "
            f"linalg.solve is equivalent to B / A.squeeze(-1)",
            where=user_line(),
        )
    right = unsqueeze(B, -1) if vector else B
    if right._layout.shape[-2 if left else -1] != a[-1]:
        first, second = (a[-2:], right._layout.shape[-2:])
        raise ShapeError(
            "IG368",
            f"{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({first[0]}x{first[1]} and {second[0]}x{second[1]})",
            where=user_line(),
        )
    matrix, right = with_one_batch(name, A, right)
    if not left:
        matrix, right = mT(matrix), mT(right)
    result, info = apply_several(rows.solve, matrix, right)
    result = result if left else mT(result)
    return (squeeze(result, -1) if vector else result), _of_batch(info, a[:-2])


def _of_batch(info: Tensor, lead: Any) -> Tensor:
    """The numbers for matrices with these batch dimensions, which were repeated for wider ones."""
    wide = info._layout.shape
    if wide == lead:
        return info
    if 0 in wide:
        return splat(0, dtypes.int32, lead)
    for axis in range(len(wide) - len(lead)):
        info = narrow(info, axis, 0, 1)
    added = len(wide) - len(lead)
    for axis, n in enumerate(lead):
        info = narrow(info, axis + added, 0, n)
    return reshape(info, lead)


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B (X A = B unless `left`); B holds matrices, or one vector per matrix of A.

    Raises LinAlgError (IG365) where A is singular.
    """
    result, info = _solved("linalg.solve", A, B, left)
    return required(result, info, "solve")


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> ResultWithInfo:
    """As solve, with the number of the first pivot that is 0 (or 0) instead of an error."""
    result, info = _solved("linalg.solve", A, B, left)
    return ResultWithInfo(required(result, info, "solve") if check_errors else result, info)


def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """X with T X = B (X T = B unless `left`) for one triangle T of A; a zero on its diagonal gives infinities."""
    name = "linalg.solve_triangular"
    check_matrix(name, A, square=True)
    check_matrix(name, B)
    check_dtypes(name, A, B)
    _check_rows(name, A, B, left)
    matrix, right = with_one_batch(name, A, B)
    if left:
        return apply(rows.triangular_solve, matrix, right, upper=bool(upper), unit=bool(unitriangular))
    turned = apply(rows.triangular_solve, mT(matrix), mT(right), upper=not upper, unit=bool(unitriangular))
    return mT(turned)


def _check_rows(name: str, a: Tensor, b: Tensor, left: bool = True) -> None:
    (m, n), (p, q) = a._layout.shape[-2:], b._layout.shape[-2:]
    if n != (p if left else q):
        raise ShapeError(
            "IG368",
            f"{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({m}x{n} and {p}x{q})",
            where=user_line(),
        )


def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Solved:
    """(X with T X = input, A) for one triangle T of A, or its transpose. linalg.solve_triangular is its successor."""
    check_matrix("triangular_solve", A, square=True)
    check_matrix("triangular_solve", input)
    check_dtypes("triangular_solve", A, input)
    _check_rows("triangular_solve", A, input)
    matrix, right = with_one_batch("triangular_solve", A, input)
    turned = mT(matrix) if transpose else matrix
    solved = apply(rows.triangular_solve, turned, right, upper=bool(upper != transpose), unit=bool(unitriangular))
    return Solved(solved, matrix.clone())


def inv(A: Tensor) -> Tensor:
    """The inverse of square matrices. Raises LinAlgError (IG365) where there is none."""
    result, info = inv_ex(A)
    return required(result, info, "inv")


inverse = inv


def inv_ex(A: Tensor, *, check_errors: bool = False) -> InverseWithInfo:
    """The inverse, and the number of the first pivot that is 0 (or 0) instead of an error."""
    check_matrix("linalg.inv", A, square=True)
    result, info = apply_several(rows.solve, A, identity_like(A))
    return InverseWithInfo(required(result, info, "inv") if check_errors else result, info)


def matrix_power(A: Tensor, n: int) -> Tensor:
    """A multiplied with itself n times; negative n: powers of the inverse. Raises LinAlgError (IG365)."""
    check_matrix("linalg.matrix_power", A, square=True, low=True)
    if not isinstance(n, int) or isinstance(n, bool):
        raise DTypeError("IG214", f"matrix_power: n must be an int, not {type(n).__name__}", where=user_line())
    if n == 0:
        return identity_like(A).clone()
    base, n = (inv(A), -n) if n < 0 else (A, n)
    result: Tensor | None = None
    while n:
        if n & 1:
            result = base if result is None else matmul(result, base)
        n >>= 1
        if n:
            base = matmul(base, base)
    assert result is not None
    return result.clone() if result is A else result


def matrix_exp(A: Tensor) -> Tensor:
    """The exponential of square matrices, by scaling and squaring (Higham 2005)."""
    check_matrix("linalg.matrix_exp", A, square=True)
    return apply(rows.matrix_exp, A)


# ---- LU


def _packed(name: str, A: Tensor, pivot: bool) -> tuple[Tensor, Tensor, Tensor]:
    check_matrix(name, A)
    if not pivot:
        raise OperandError(
            "IG217", f"{name}: LU without pivoting is not implemented on the CPU", where=user_line(), fix="pivot=True"
        )
    packed, pivots, order = apply_several(rows.lu, A)
    return packed, pivots, order


def first_zero(packed: Tensor) -> Tensor:
    """The number (from 1) of the first zero on the diagonal, 0 where there is none; int32."""
    zero = eq(diagonal(packed.detach(), 0, -2, -1), 0)
    if zero._layout.shape[-1] == 0:
        return splat(0, dtypes.int32, zero._layout.shape[:-1])
    place = argmax(cast_to(zero, dtypes.int32), -1) + 1
    return cast_to(where(any_(zero, -1), place, 0), dtypes.int32)


def lu_factor(A: Tensor, *, pivot: bool = True) -> Factored:
    """(L below the diagonal and U in one matrix, int32 pivots counted from 1). Raises LinAlgError (IG365)."""
    packed, pivots, info = lu_factor_ex(A, pivot=pivot)
    return Factored(required(packed, info, "lu_factor"), pivots)


def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> FactoredWithInfo:
    """As lu_factor, with the number of the first pivot that is 0 (or 0) instead of an error."""
    packed, pivots, _ = _packed("linalg.lu_factor", A, pivot)
    info = first_zero(packed)
    return FactoredWithInfo(required(packed, info, "lu_factor") if check_errors else packed, pivots, info)


def factored(A: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """torch.lu: (LU, pivots), or with `get_infos` (LU, pivots, infos). linalg.lu_factor is its successor."""
    packed, pivots, info = lu_factor_ex(A, pivot=pivot)
    return (packed, pivots, info) if get_infos else (required(packed, info, "lu_factor"), pivots)


def unpacked(packed: Tensor, order: Tensor) -> PermutedFactors:
    """P, L and U of a packed factorisation of matrices whose rows were taken in this order."""
    dtype, (m, n) = packed._layout.dtype, packed._layout.shape[-2:]
    k = min(m, n)
    below = tril(narrow(packed, -1, 0, k), -1) + creation.eye(m, k, dtype=dtype)
    hit = eq(unsqueeze(order, -2), unsqueeze(creation.arange(m), -1))
    return PermutedFactors(cast_to(hit, dtype), below, triu(narrow(packed, -2, 0, k)))


def lu(A: Tensor, *, pivot: bool = True) -> PermutedFactors:
    """(P, L, U) with A = P L U: a permutation, a lower triangle with ones on its diagonal, an upper triangle."""
    packed, _, order = _packed("linalg.lu", A, pivot)
    return unpacked(packed, order)


def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> PermutedFactors:
    """(P, L, U) of what lu_factor gave; what is not asked for is an empty tensor."""
    check_matrix("lu_unpack", LU_data)
    _check_pivots("lu_unpack", LU_pivots)
    order = apply(rows.pivot_order, LU_pivots, rows=LU_data._layout.shape[-2])
    found = unpacked(LU_data, order)
    nothing = splat(0, LU_data._layout.dtype, (0,))
    return PermutedFactors(
        found.P if unpack_pivots else nothing,
        found.L if unpack_data else nothing,
        found.U if unpack_data else nothing,
    )


def _check_pivots(name: str, pivots: Tensor) -> None:
    if pivots._layout.dtype is not dtypes.int32:
        raise OperandError("IG369", f"{name}: pivots should be a tensor of scalar type torch.int32", where=user_line())


def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """X with A X = B (X A = B unless `left`; A^T instead of A if `adjoint`), from what lu_factor gave for A."""
    name = "linalg.lu_solve"
    check_matrix(name, LU, square=True)
    check_matrix(name, B)
    check_dtypes(name, LU, B)
    _check_pivots(name, pivots)
    _check_rows(name, LU, B, left)
    packed, right = with_one_batch(name, LU, B)
    lead, n = packed._layout.shape[:-2], packed._layout.shape[-1]
    order = apply(rows.pivot_order, expand_to(pivots, (*lead, n)), rows=n)
    if not left:
        return mT(_back_substituted(packed, order, mT(right), not adjoint))
    return _back_substituted(packed, order, right, adjoint)


def _back_substituted(packed: Tensor, order: Tensor, b: Tensor, turned: bool) -> Tensor:
    if not turned:
        below = apply(rows.triangular_solve, packed, in_order(b, order), upper=False, unit=True)
        return apply(rows.triangular_solve, packed, below, upper=True, unit=False)
    above = apply(rows.triangular_solve, mT(packed), b, upper=False, unit=False)
    above = apply(rows.triangular_solve, mT(packed), above, upper=True, unit=True)
    return in_order(above, argsort(order, -1))


def in_order(x: Tensor, order: Tensor) -> Tensor:
    """Row i is row order[i] of x."""
    return gather(x, -2, expand_to(unsqueeze(order, -1), x._layout.shape))


def lu_solve_of(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """torch.lu_solve: linalg.lu_solve with the right-hand side first."""
    return lu_solve(LU_data, LU_pivots, b)


# ---- determinants


def _parity(pivots: Tensor) -> Tensor:
    """-1 for every row that is exchanged with another."""
    n = pivots._layout.shape[-1]
    return where(ne(pivots, creation.arange(1, n + 1)), -1, 1)


def det(A: Tensor) -> Tensor:
    """The determinant of square matrices, from their LU factors. Its gradient needs an invertible matrix."""
    check_matrix("linalg.det", A, square=True)
    packed, pivots, _ = apply_several(rows.lu, A)
    exchanged = cast_to(prod(_parity(pivots), -1), A._layout.dtype)
    return mul(prod(diagonal(packed, 0, -2, -1), -1), exchanged)


def slogdet(A: Tensor) -> SignAndLog:
    """(the sign of the determinant, the logarithm of its size); (0, -inf) for singular matrices."""
    check_matrix("linalg.slogdet", A, square=True)
    packed, pivots, _ = apply_several(rows.lu, A)
    found = diagonal(packed, 0, -2, -1)
    exchanged = cast_to(_parity(pivots), A._layout.dtype)
    return SignAndLog(prod(mul(sign(found), exchanged), -1), sum_(log(abs_(found)), -1))


def logdet(A: Tensor) -> Tensor:
    """The logarithm of the determinant: -inf where that is 0, NaN where it is negative."""
    sign_, logabsdet = slogdet(A)
    return where(eq(sign_, -1.0), float("nan"), logabsdet)


# ---- tensors as matrices


def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of the matrix whose rows are the first `ind` dimensions and whose columns are the others."""
    check_floating("linalg.tensorinv", A)
    if ind <= 0:
        raise ShapeError("IG368", "Expected a strictly positive integer for 'ind'", where=user_line())
    shape = A._layout.shape
    front, back = _product(shape[:ind]), _product(shape[ind:])
    if front != back:
        raise ShapeError(
            "IG368",
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{back} != {front}",
            where=user_line(),
        )
    result, info = apply_several(rows.solve, A.reshape(front, back), creation.eye(front, dtype=A._layout.dtype))
    return required(result, info, "inv").reshape((*shape[ind:], *shape[:ind]))


def tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B; `dims` of A are moved to its end first."""
    check_floating("linalg.tensorsolve", A)
    check_dtypes("linalg.tensorsolve", A, B)
    ndim = A._layout.ndim
    if dims is not None:
        moved = [d % ndim for d in dims]
        A = A.permute([d for d in range(ndim) if d not in moved] + moved)
    unknown = A._layout.shape[B._layout.ndim :]
    count = _product(unknown)
    if count != _product(B._layout.shape):
        raise ShapeError(
            "IG368",
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), "
            f"but got {count} != {_product(B._layout.shape)}",
            where=user_line(),
        )
    return solve(A.reshape(count, count), B.reshape(count)).reshape(unknown)


def _product(shape: Any) -> Any:
    result = 1
    for n in shape:
        result = result * n
    return result


def check_option(name: str, value: Any, known: tuple[Any, ...], text: str) -> None:
    """Raises OperandError (IG217) unless the option is one of those known."""
    if value not in known:
        raise OperandError("IG217", text, where=user_line(), fix=f"{name}={known[0]!r}")
