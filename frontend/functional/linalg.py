"""Products of matrices and vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingot.compiler.ops import contract
from ingot.composite import composite
from ingot.functional.arithmetic import add, mul, sub
from ingot.functional.joining import roll
from ingot.functional.reductions import axis_of, sum
from ingot.functional.shaping import reshape, squeeze, unsqueeze
from ingot.gate import apply
from ingot.promote import common_shape, expand_to, unified
from ingot.runtime.errors import DTypeError, IngotError, ShapeError
from ingot.runtime.layout import broadcast_shapes
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.runtime.dtypes import DType
    from ingot.tensor import Tensor


def _text(t: Tensor) -> str:
    return f"{t._layout.dtype.short}[{','.join(map(str, t._layout.shape))}]"


def _checked(name: str, a: Tensor, b: Tensor) -> None:
    """Raises DTypeError (IG227) unless both have one dtype, which is not bool."""
    for operand in (a, b):
        if not hasattr(operand, "_layout"):
            raise DTypeError("IG214", f"{name} takes tensors, not {type(operand).__name__}", where=user_line())
    x, y = a._layout.dtype, b._layout.dtype
    if x is not y:
        raise DTypeError(
            "IG227",
            f"{name}: expected both operands to have the same dtype, but got {x} and {y}",
            where=user_line(),
            fix=f"one dtype for both, for example {_same_dtype(name, x, y)}",
        )
    if x.kind == "b":
        raise DTypeError(
            "IG215", f"{name} is not defined for bool tensors", where=user_line(), fix="a.float() @ b.float()"
        )


def _same_dtype(name: str, x: DType, y: DType) -> str:
    """The conversion that is most likely meant: of data to the weights, of integers to floats."""
    if name == "linear":
        return f"input.to({y})"
    return f"a.to({y})" if y.is_floating_point and not x.is_floating_point else f"b.to({x})"


def _mismatch(name: str, a: Tensor, b: Tensor, why: str) -> ShapeError:
    return ShapeError("IG228", f"{name}: {why}", where=user_line(), detail=[f"operands: {_text(a)} and {_text(b)}"])


@composite
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The product of matrices over the last two dimensions, the others broadcast; a vector is a row on the left and a
    column on the right, and its dimension is dropped.

    Raises ShapeError (IG228) when the inner sizes differ and DTypeError (IG227) when the dtypes do.
    """
    _checked("matmul", input, other)
    a, b = input._layout, other._layout
    if a.ndim == 0 or b.ndim == 0:
        raise _mismatch("matmul", input, other, "both operands need at least 1 dimension")
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != inner:
        raise _mismatch(
            "matmul", input, other, f"inner sizes differ: {a.shape[-1]} columns on the left, {inner} rows on the right"
        )
    if b.ndim == 1:
        return apply(contract.dot_general, input, other, contract=((a.ndim - 1,), (0,)), batch=((), ()))
    if b.ndim == 2:
        return apply(contract.dot_general, input, other, contract=((a.ndim - 1,), (0,)), batch=((), ()))
    if a.ndim == 1:
        product = _batched(unsqueeze(input, 0), other)
        return squeeze(product, -2)
    return _batched(input, other)


def _batched(a: Tensor, b: Tensor) -> Tensor:
    """Matrices with leading dimensions on the right, and maybe on the left."""
    left, right = a._layout.shape[:-2], b._layout.shape[:-2]
    try:
        lead = broadcast_shapes(left, right)
    except IngotError:
        raise _mismatch("matmul", a, b, f"batch dimensions {list(left)} and {list(right)} do not broadcast") from None
    a = expand_to(a, (*lead, *a._layout.shape[-2:]))
    b = expand_to(b, (*lead, *b._layout.shape[-2:]))
    rank = len(lead)
    axes = tuple(range(rank))
    return apply(contract.dot_general, a, b, contract=((rank + 1,), (rank,)), batch=(axes, axes))


def rmatmul(input: Tensor, other: Tensor) -> Tensor:
    """other @ input."""
    return matmul(other, input)


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices."""
    _ranks("mm", (input, 2), (mat2, 2))
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices."""
    _ranks("bmm", (input, 3), (mat2, 3))
    if input._layout.shape[0] != mat2._layout.shape[0]:
        raise _mismatch("bmm", input, mat2, "batch sizes differ")
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix and a vector."""
    _ranks("mv", (input, 2), (vec, 1))
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The inner product of two vectors."""
    _ranks("dot", (input, 1), (tensor, 1))
    return matmul(input, tensor)


vdot = dot


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sums of products over the last dimensions, of every row of one with every row of the other."""
    a, b = input._layout, other._layout
    if a.ndim == 0 or b.ndim == 0:
        return mul(input, other)
    _checked("inner", input, other)
    if a.shape[-1] != b.shape[-1]:
        raise _mismatch("inner", input, other, "the last sizes differ")
    return apply(contract.dot_general, input, other, contract=((a.ndim - 1,), (b.ndim - 1,)), batch=((), ()))


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Sums of products along one dimension; the others broadcast."""
    return sum(mul(x, y), dim)


def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: every element of one times the whole other, in blocks."""
    a, b = input._layout.shape, other._layout.shape
    rank = max(len(a), len(b))
    a, b = ((1,) * (rank - len(shape)) + tuple(shape) for shape in (a, b))
    left = reshape(input, tuple(n for size in a for n in (size, 1)))
    right = reshape(other, tuple(n for size in b for n in (1, size)))
    return reshape(mul(left, right), tuple(m * n for m, n in zip(a, b, strict=True)))


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """torch.cross: the vector product along `dim`, or along the first dimension of size 3."""
    if dim is None:
        shape = common_shape((input, other), "cross")
        if 3 not in shape:
            raise ShapeError("IG228", f"cross: no dimension of size 3 in {list(shape)}", where=user_line())
        dim = list(shape).index(3) - len(shape)
    return linalg_cross(input, other, dim=dim)


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The vector product along a dimension of size 3; the others broadcast."""
    if input._layout.ndim != other._layout.ndim:
        raise ShapeError(
            "IG228",
            f"linalg.cross: inputs must have the same number of dimensions: {_text(input)} and {_text(other)}",
            where=user_line(),
        )
    x, y = unified("cross", input, other)
    sizes = [t._layout.shape[axis_of(t, dim)] for t in (input, other)]
    if sizes != [3, 3]:
        raise ShapeError(
            "IG228",
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {sizes[0]} and {sizes[1]}",
            where=user_line(),
        )
    ahead, behind = ([roll(t, by, dim) for t in (x, y)] for by in (-1, -2))
    return sub(mul(ahead[0], behind[1]), mul(behind[0], ahead[1]))


def multi_dot(tensors: Any) -> Tensor:
    """The product of several matrices in the order that costs least; the first and last may be vectors.

    Cormen et al., Introduction to Algorithms, 15.2.
    """
    factors = list(tensors)
    if len(factors) < 2:
        raise ShapeError("IG228", f"multi_dot(): expected at least 2 tensors but got {len(factors)}", where=user_line())
    for place, t in enumerate(factors):
        inside = 0 < place < len(factors) - 1
        if t._layout.ndim != 2 and (inside or t._layout.ndim != 1):
            raise ShapeError(
                "IG228",
                f"multi_dot(): tensor {place} must be {'2D' if inside else '1D or 2D'} but got {t._layout.ndim}D",
                where=user_line(),
            )
    first, last = factors[0]._layout.ndim == 1, factors[-1]._layout.ndim == 1
    factors[0] = unsqueeze(factors[0], 0) if first else factors[0]
    factors[-1] = unsqueeze(factors[-1], 1) if last else factors[-1]
    result = _in_best_order(factors)
    result = squeeze(result, -1) if last else result
    return squeeze(result, 0) if first else result


def chain_matmul(*matrices: Any) -> Tensor:
    """torch.chain_matmul: the product of several matrices in the order that costs least."""
    factors = list(matrices[0]) if len(matrices) == 1 and isinstance(matrices[0], list | tuple) else list(matrices)
    _ranks("chain_matmul", *((t, 2) for t in factors))
    return _in_best_order(factors)


def _in_best_order(factors: list[Tensor]) -> Tensor:
    sizes = [t._layout.shape[0] for t in factors] + [factors[-1]._layout.shape[1]]
    costs: dict[tuple[int, int], tuple[Any, int]] = {(i, i): (0, i) for i in range(len(factors))}
    known = all(isinstance(n, int) for n in sizes)
    for length in range(1, len(factors)):
        for i in range(len(factors) - length):
            j = i + length
            # Sizes without numbers cannot be compared: then from the left.
            splits = range(i, j) if known else (j - 1,)
            costs[i, j] = min(
                (costs[i, k][0] + costs[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1] if known else 0, k)
                for k in splits
            )

    def product(i: int, j: int) -> Tensor:
        if i == j:
            return factors[i]
        split = costs[i, j][1]
        return matmul(product(i, split), product(split + 1, j))

    return product(0, len(factors) - 1)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of two vectors' elements, as a matrix."""
    _ranks("outer", (input, 1), (vec2, 1))
    return mul(unsqueeze(input, 1), vec2)


ger = outer


def _ranks(name: str, *operands: tuple[Tensor, int]) -> None:
    if any(t._layout.ndim != rank for t, rank in operands):
        wanted = " and ".join(f"{rank}-d" for _, rank in operands)
        given = " and ".join(_text(t) for t, _ in operands)
        raise ShapeError("IG228", f"{name} expects {wanted} tensors, got {given}", where=user_line(), fix="a @ b")


@composite
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2)."""
    return _plus(input, mm(mat1, mat2), beta, alpha)


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (mat @ vec)."""
    return _plus(input, mv(mat, vec), beta, alpha)


def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2)."""
    return _plus(input, outer(vec1, vec2), beta, alpha)


def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * the sum of batch1 @ batch2 over the batch."""
    return _plus(input, sum(bmm(batch1, batch2), 0), beta, alpha)


@composite
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2)."""
    return _plus(input, bmm(batch1, batch2), beta, alpha)


def _plus(input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    scaled = product if alpha == 1 else mul(product, alpha)
    if beta == 0:
        return scaled
    return add(input if beta == 1 else mul(input, beta), scaled)


@composite
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias; input [..., in], weight [out, in], bias [out].

    Raises ShapeError (IG228) when the sizes of `in` differ and DTypeError (IG227) when the dtypes do.
    """
    _checked("linear", input, weight)
    a, w = input._layout, weight._layout
    if w.ndim not in (1, 2) or a.ndim == 0 or a.shape[-1] != w.shape[-1]:
        raise _mismatch("linear", input, weight, "the last size of the input must be the weight's last size")
    result = apply(contract.dot_general, input, weight, contract=((a.ndim - 1,), (w.ndim - 1,)), batch=((), ()))
    return result if bias is None else add(result, bias)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sums of products over several dimensions: the last `dims` of a with the first of b, or two lists of them."""
    _checked("tensordot", a, b)
    if isinstance(dims, int):
        left, right = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        left, right = [d % a.ndim for d in dims[0]], [d % b.ndim for d in dims[1]]
    return apply(contract.dot_general, a, b, contract=(tuple(left), tuple(right)), batch=((), ()))


def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix."""
    _ranks("trace", (input, 2))
    return input.diagonal().sum()
