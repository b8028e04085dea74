"""Products of matrices and vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingot.compiler.ops import contract
from ingot.composite import composite
from ingot.functional.arithmetic import add, mul
from ingot.functional.shaping import squeeze, unsqueeze
from ingot.gate import apply
from ingot.promote import expand_to
from ingot.runtime.errors import DTypeError, IngotError, ShapeError
from ingot.runtime.layout import broadcast_shapes
from ingot.source_lines import user_line

if TYPE_CHECKING:
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
            fix=f"one dtype for both, for example b.to({x})",
        )
    if x.kind == "b":
        raise DTypeError(
            "IG215", f"{name} is not defined for bool tensors", where=user_line(), fix="a.float() @ b.float()"
        )


def _mismatch(name: str, a: Tensor, b: Tensor, why: str) -> ShapeError:
    return ShapeError("IG228", f"{name}: {why}", where=user_line(), detail=[f"operands: {_text(a)} and {_text(b)}"])


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


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2)."""
    return _plus(input, mm(mat1, mat2), beta, alpha)


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (mat @ vec)."""
    return _plus(input, mv(mat, vec), beta, alpha)


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
