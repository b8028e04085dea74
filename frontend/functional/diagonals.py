"""Diagonals and triangles put together, products of sets, and tensors made at least so many dimensions."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.compiler.ir import TensorType
from ingot.compiler.ops import elementwise, source
from ingot.compiler.ops import view as view_rows
from ingot.core import is_tensor, own_array, tensor_from_array
from ingot.functional.arithmetic import pow as power
from ingot.functional.gathering import index_select
from ingot.functional.joining import cat, meshgrid, stack
from ingot.functional.reductions import axis_of
from ingot.functional.shaping import diagonal, flatten, movedim, reshape, sizes_of, unsqueeze
from ingot.gate import apply
from ingot.promote import cast_to, common_shape, expand_to, result_dtype, splat
from ingot.runtime import dtypes
from ingot.runtime.errors import ShapeError
from ingot.runtime.layout import broadcast_shapes as broadcast_two
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, a copy; or the matrix with a vector on its diagonal. Raises ShapeError (IG202)."""
    if input._layout.ndim == 1:
        return diag_embed(input, diagonal)
    if input._layout.ndim == 2:
        return diagonal_copy(input, diagonal)
    raise ShapeError(
        "IG202", f"diag(): Supports 1D or 2D tensors. Got {input._layout.ndim}D", where=user_line(), fix="diagonal(x)"
    )


def diagonal_copy(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal in memory of its own; see `diagonal`."""
    part = diagonal(input, offset, dim1, dim2)
    return apply(view_rows.reshape, part, shape=part._layout.shape)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices in dimensions `dim1` and `dim2` with the last dimension on their diagonals, 0 elsewhere."""
    x = unsqueeze(input, 0) if input._layout.ndim == 0 else input
    size: Any = x._layout.shape[-1]
    wide = size + abs(offset)
    rank = x._layout.ndim + 1
    index_type = TensorType(dtypes.int64, (wide, wide))
    rows, columns = (apply(source.iota, type=index_type, axis=i) for i in (0, 1))
    on = apply(elementwise.eq, columns, apply(elementwise.add, rows, splat(offset, dtypes.int64, (wide, wide))))
    # Element i stands in column i + offset of a diagonal above the main one, in column i of one below.
    none = (0,) * (rank - 1)
    low, high = (*none[:-1], max(offset, 0)), (*none[:-1], max(-offset, 0))
    numbered = unsqueeze(apply(view_rows.pad, x, low=low, high=high, interior=none, value=0), -2)
    shape = (*x._layout.shape[:-1], wide, wide)
    made = apply(
        elementwise.select,
        expand_to(on, shape),
        expand_to(numbered, shape),
        splat(0, x._layout.dtype, shape),
    )
    first, second = _two_axes(rank, dim1, dim2)
    return movedim(made, (rank - 2, rank - 1), (first, second))


def _two_axes(rank: int, dim1: int, dim2: int) -> tuple[int, int]:
    if not (-rank <= dim1 < rank and -rank <= dim2 < rank) or dim1 % rank == dim2 % rank:
        raise ShapeError(
            "IG202", f"diagonal dimensions cannot be identical or outside: {dim1}, {dim2}", where=user_line()
        )
    return dim1 % rank, dim2 % rank


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements on its diagonal."""
    return diag_embed(flatten(input), offset)


def block_diag(*tensors: Tensor) -> Tensor:
    """The matrix with the tensors (of at most 2 dimensions) as blocks on its diagonal."""
    if any(t._layout.ndim > 2 for t in tensors):
        raise ShapeError("IG202", "block_diag: input tensors must have 2 or fewer dimensions", where=user_line())
    dtype = result_dtype(*tensors)
    blocks = [cast_to(atleast_2d(t), dtype) for t in tensors]
    width: Any = sum(b._layout.shape[1] for b in blocks)
    rows, before = [], 0
    for block in blocks:
        size: Any = block._layout.shape[1]
        after = width - before - size
        rows.append(apply(view_rows.pad, block, low=(0, before), high=(0, after), interior=(0, 0), value=0))
        before += size
    return cat(rows, 0)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers N - 1, ..., 1, 0 (or 0, 1, ...) of a vector's elements, as columns."""
    count = x._layout.shape[0] if N is None else N
    powers = range(count) if increasing else range(count - 1, -1, -1)
    dtype = x._layout.dtype if x._layout.dtype.is_floating_point else dtypes.int64
    columns = [power(cast_to(x, dtype), n) for n in powers]
    return stack(columns, 1) if columns else reshape(x[:0], (x._layout.shape[0], 0))


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of elements, one of each vector, as rows."""
    if len(tensors) == 1:
        return tensors[0]
    return stack([flatten(grid) for grid in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All combinations of `r` elements of a vector, as rows, in the order of itertools."""
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    size: Any = input._layout.shape[0]
    places = np.array(list(choose(range(size), r)), np.int64).reshape(-1, r)
    flat = index_select(input, 0, tensor_from_array(own_array(places.reshape(-1))))
    return reshape(flat, places.shape)


def atleast_1d(*tensors: Any) -> Any:
    """With at least one dimension."""
    return _each(tensors, lambda x: reshape(x, (1,)) if x._layout.ndim == 0 else x)


def atleast_2d(*tensors: Any) -> Any:
    """With at least two dimensions; a vector becomes a row."""

    def grown(x: Tensor) -> Tensor:
        return x if x._layout.ndim >= 2 else reshape(x, (1, 1)) if x._layout.ndim == 0 else unsqueeze(x, 0)

    return _each(tensors, grown)


def atleast_3d(*tensors: Any) -> Any:
    """With at least three dimensions; a vector becomes [1, n, 1], a matrix [m, n, 1]."""

    def grown(x: Tensor) -> Tensor:
        if x._layout.ndim >= 3:
            return x
        return unsqueeze(x, 2) if x._layout.ndim == 2 else unsqueeze(unsqueeze(reshape(x, (-1,)), 0), 2)

    return _each(tensors, grown)


def _each(tensors: tuple[Any, ...], grown: Any) -> Any:
    if len(tensors) == 1 and is_tensor(tensors[0]):
        return grown(tensors[0])
    return tuple([grown(x) for x in sizes_of(tensors)])


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """All in their common shape, as views."""
    given = sizes_of(tensors)
    shape = common_shape(given, "broadcast_tensors")
    return tuple([expand_to(x, shape) for x in given])


def dstack(tensors: Any) -> Tensor:
    """The tensors along dimension 2."""
    return cat(list(atleast_3d(*tensors)) if len(tensors) > 1 else [atleast_3d(tensors[0])], 2)


def column_stack(tensors: Any) -> Tensor:
    """Vectors as columns, matrices side by side."""
    return cat([reshape(t, (-1, 1)) if t._layout.ndim <= 1 else t for t in tensors], 1)


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts along dimension 1; of a vector, along 0."""
    return _equal_split(input, indices_or_sections, 0 if input._layout.ndim == 1 else 1, "hsplit", 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts along dimension 0."""
    return _equal_split(input, indices_or_sections, 0, "vsplit", 2)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts along dimension 2."""
    return _equal_split(input, indices_or_sections, 2, "dsplit", 3)


def _equal_split(input: Tensor, parts: Any, axis: int, name: str, rank: int) -> tuple[Tensor, ...]:
    ndim = input._layout.ndim
    if ndim < rank:
        raise ShapeError("IG225", f"{name} needs at least {rank} dimensions, got {ndim}", where=user_line())
    size: Any = input._layout.shape[axis]
    if isinstance(parts, int) and (parts <= 0 or size % parts):
        raise ShapeError(
            "IG225", f"{name}: dimension {axis} of size {size} is not divisible by {parts}", where=user_line()
        )
    made: tuple[Tensor, ...] = input.tensor_split(parts, dim=axis_of(input, axis))
    return made


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that several shapes broadcast to. Raises ShapeError (IG201)."""
    return broadcast_two(*[(s,) if isinstance(s, int) else tuple(s) for s in shapes])
