"""Graph values that are matrices in their last two axes: what the derivatives of linear algebra are written with."""

from __future__ import annotations

from ingot.compiler.ir import Size, Value
from ingot.compiler.ops.contract import dot_general
from ingot.compiler.ops.elementwise import add, eq, ge, gt, mul, select
from ingot.compiler.ops.index import gather, scatter
from ingot.compiler.ops.reduce import sum as sum_
from ingot.compiler.ops.source import counter, full, zeros_like
from ingot.compiler.ops.view import concat, crop, expand, permute, reshape


def product(*factors: Value) -> Value:
    """The product of matrices with the same leading axes, from the left."""
    result, *rest = factors
    for factor in rest:
        lead = tuple(range(result.type.ndim - 2))
        last = len(lead)
        result = dot_general(result, factor, contract=((last + 1,), (last,)), batch=(lead, lead))
    return result


def transposed(x: Value) -> Value:
    rank = x.type.ndim
    return permute(x, axes=(*range(rank - 2), rank - 1, rank - 2))


def places(x: Value) -> tuple[Value, Value]:
    """(row, column) of every element."""
    rank = x.type.ndim
    return counter(x.shape, rank - 2), counter(x.shape, rank - 1)


def lower(x: Value, strict: bool = False) -> Value:
    """The elements below the diagonal, and on it unless `strict`; 0 elsewhere."""
    row, column = places(x)
    return select((gt if strict else ge)(row, column), x, zeros_like(x))


def upper(x: Value, strict: bool = False) -> Value:
    """The elements above the diagonal, and on it unless `strict`; 0 elsewhere."""
    row, column = places(x)
    return select((gt if strict else ge)(column, row), x, zeros_like(x))


def diagonal(x: Value) -> Value:
    """The elements on the diagonal of square matrices."""
    row, column = places(x)
    return sum_(select(eq(row, column), x, zeros_like(x)), axes=(x.type.ndim - 1,))


def as_rows(x: Value, rows: Size) -> Value:
    """A vector per batch, repeated as every row of a matrix."""
    *lead, n = x.shape
    return expand(reshape(x, shape=(*lead, 1, n)), shape=(*lead, rows, n))


def as_columns(x: Value, columns: Size) -> Value:
    """A vector per batch, repeated as every column of a matrix."""
    *lead, n = x.shape
    return expand(reshape(x, shape=(*lead, n, 1)), shape=(*lead, n, columns))


def on_diagonal(x: Value) -> Value:
    """Square matrices with these diagonals."""
    spread = as_rows(x, x.shape[-1])
    row, column = places(spread)
    return select(eq(row, column), spread, zeros_like(spread))


def with_unit_diagonal(x: Value) -> Value:
    """The strictly lower triangle, and ones on the diagonal."""
    row, column = places(x)
    return select(eq(row, column), full(x.type, 1), lower(x, strict=True))


def symmetrised(x: Value) -> Value:
    """(X + X^T) / 2."""
    return scaled(add(x, transposed(x)), 0.5)


def scaled(x: Value, by: float) -> Value:
    return mul(x, full(x.type, by))


def rows_of(x: Value, start: Size, stop: Size) -> Value:
    return crop(x, x.type.ndim - 2, start, stop)


def columns_of(x: Value, start: Size, stop: Size) -> Value:
    return crop(x, x.type.ndim - 1, start, stop)


def stacked(a: Value, b: Value) -> Value:
    """The rows of a, then those of b."""
    return concat(a, b, axis=a.type.ndim - 2)


def beside(a: Value, b: Value) -> Value:
    """The columns of a, then those of b."""
    return concat(a, b, axis=a.type.ndim - 1)


def in_order(x: Value, order: Value) -> Value:
    """Row i is row order[i] of x."""
    return gather(x, as_columns(order, x.shape[-1]), axis=x.type.ndim - 2)


def put_back(x: Value, order: Value) -> Value:
    """The inverse of `in_order`: row order[i] is row i of x."""
    return scatter(zeros_like(x), as_columns(order, x.shape[-1]), x, axis=x.type.ndim - 2, mode="add")
