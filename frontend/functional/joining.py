"""Joining, splitting, repeating, flipping, padding."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ingot.compiler.ir import TensorType
from ingot.compiler.ops import elementwise, source
from ingot.compiler.ops import view as view_rows
from ingot.functional.reductions import axes_of, axis_of
from ingot.functional.shaping import expand, flatten, movedim, permute, reshape, sizes_of, sliced, unsqueeze
from ingot.gate import apply
from ingot.promote import cast_to, result_dtype, splat
from ingot.runtime import dtypes
from ingot.runtime.errors import ShapeError, SpecError
from ingot.runtime.layout import normalize_dim
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one after another along `dim`, in their common dtype.

    Raises ShapeError (IG224) when other dimensions differ.
    """
    if not tensors:
        raise SpecError("IG224", "cat(): expected a non-empty list of Tensors", where=user_line())
    # As in PyTorch, an empty vector joins anything.
    parts = [t for t in tensors if t._layout.shape != (0,)] or list(tensors[:1])
    first = parts[0]
    if first._layout.ndim == 0:
        raise ShapeError("IG224", "0-d tensors cannot be concatenated", where=user_line(), fix="stack(...)")
    axis = axis_of(first, dim)
    dtype = result_dtype(*tensors)
    for position, part in enumerate(parts):
        mine, other = first._layout.shape, part._layout.shape
        if len(mine) != len(other) or any(
            m != n for i, (m, n) in enumerate(zip(mine, other, strict=True)) if i != axis
        ):
            raise ShapeError(
                "IG224",
                f"cat: sizes must match except in dimension {axis}",
                where=user_line(),
                detail=[f"tensor 0 has shape {list(mine)}, tensor {position} has shape {list(other)}"],
            )
    return apply(view_rows.concat, *[cast_to(part, dtype) for part in parts], axis=axis)


concat = concatenate = cat


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors, all of one shape, along a dimension put at `dim`."""
    if not tensors:
        raise ShapeError("IG224", "stack needs at least one tensor", where=user_line())
    shape = tensors[0]._layout.shape
    for position, part in enumerate(tensors):
        if part._layout.shape != shape:
            raise ShapeError(
                "IG224",
                f"stack: each tensor must have one shape; tensor 0 has {list(shape)}, tensor {position} has "
                f"{list(part._layout.shape)}",
                where=user_line(),
            )
    axis = normalize_dim(dim, len(shape) + 1)
    return cat([unsqueeze(part, axis) for part in tensors], axis)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors side by side: along dimension 1, vectors along 0."""
    parts = [reshape(x, (1,)) if x._layout.ndim == 0 else x for x in tensors]
    return cat(parts, 0 if not parts or parts[0]._layout.ndim <= 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors one below another."""
    return cat([reshape(x, (1, -1)) if x._layout.ndim < 2 else x for x in tensors], 0)


row_stack = vstack


def _check_sized(name: str, input: Tensor) -> None:
    if input._layout.ndim == 0:
        raise ShapeError("IG225", f"{name} expects at least a 1-dimensional tensor", where=user_line())


def split(input: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts along `dim`: of a size (the last may be smaller), or of the sizes listed."""
    _check_sized("split", input)
    axis = axis_of(input, dim)
    size = input._layout.shape[axis]
    if isinstance(split_size, int):
        if split_size < 0 or (split_size == 0 and size != 0):
            raise ShapeError(
                "IG225", f"split: the size of a part must be positive, it is {split_size}", where=user_line()
            )
        step = max(split_size, 1)
        bounds = [(i, min(i + step, size)) for i in range(0, max(size, 1), step)]
        return tuple([sliced(input, axis, a, b, 1) for a, b in bounds])
    if sum(split_size) != size:
        raise ShapeError(
            "IG225",
            f"split: sizes {list(split_size)} sum to {sum(split_size)}, dimension {dim} has {size}",
            where=user_line(),
        )
    parts: list[Tensor] = []
    start = 0
    for length in split_size:
        parts.append(sliced(input, axis, start, start + length, 1))
        start += length
    return tuple(parts)


split_with_sizes = unsafe_split = unsafe_split_with_sizes = split


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` parts of equal size along `dim`; the last may be smaller."""
    if chunks < 1:
        raise ShapeError("IG225", f"chunk expects at least one chunk, got {chunks}", where=user_line())
    _check_sized("chunk", input)
    size: Any = input._layout.shape[axis_of(input, dim)]
    return split(input, max(-(-size // chunks), 1) if size else 0, dim)


unsafe_chunk = chunk


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts along `dim`: a number of them, sizes differing by at most one, or cut at the indices listed."""
    _check_sized("tensor_split", input)
    axis = axis_of(input, dim)
    size: Any = input._layout.shape[axis]
    if isinstance(indices_or_sections, int):
        base, extra = divmod(size, indices_or_sections)
        return split(input, [base + (i < extra) for i in range(indices_or_sections)], dim)
    bounds = [0, *[min(i if i >= 0 else max(i + size, 0), size) for i in indices_or_sections], size]
    return tuple([sliced(input, axis, a, max(a, b), 1) for a, b in itertools.pairwise(bounds)])


def repeat(input: Tensor, *sizes: Any) -> Tensor:
    """The tensor repeated sizes[i] times along dimension i; a copy."""
    times = sizes_of(sizes)
    shape = (*(1,) * (len(times) - input._layout.ndim), *input._layout.shape)
    if len(shape) != len(times):
        raise ShapeError(
            "IG202",
            f"repeat: {len(times)} repeats for a tensor of {input._layout.ndim} dimensions",
            where=user_line(),
        )
    rank = len(shape)
    interleaved = tuple(n for size in shape for n in (1, size))
    grown = tuple(n for count, size in zip(times, shape, strict=True) for n in (count, size))
    x = expand(reshape(input, interleaved), grown)
    return apply(view_rows.reshape, x, shape=tuple(grown[2 * i] * grown[2 * i + 1] for i in range(rank)))


def tile(input: Tensor, *dims: Any) -> Tensor:
    """As `repeat`; missing counts are 1."""
    times = sizes_of(dims)
    return repeat(input, (*(1,) * (input._layout.ndim - len(times)), *times))


def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element repeated `repeats` times (an int, or a tensor of counts outside compiled code).

    Counts alone give 0 as often as the first says, then 1, ...
    """
    if repeats is None:
        size_of_counts: Any = input._layout.shape[0]
        counter = apply(source.iota, type=TensorType(dtypes.int64, (size_of_counts,)), axis=0)
        return repeat_interleave(counter, input, 0, output_size=output_size)
    x = input if dim is not None else flatten(input)
    axis = axis_of(x, dim or 0)
    if isinstance(repeats, int):
        grown = expand(unsqueeze(x, axis + 1), (*x._layout.shape[: axis + 1], repeats, *x._layout.shape[axis + 1 :]))
        return apply(view_rows.reshape, grown, shape=flatten(grown, axis, axis + 1)._layout.shape)
    counts = repeats.tolist()
    counts = [counts] if isinstance(counts, int) else counts
    size: Any = x._layout.shape[axis]
    per_element = counts * size if len(counts) == 1 else counts
    if len(per_element) != size:
        raise ShapeError(
            "IG225",
            f"repeats must have the same size as input along dim, but got {len(per_element)} for {size}",
            where=user_line(),
        )
    places = [i for i, count in enumerate(per_element) for _ in range(count)]
    return x[(slice(None),) * axis + (places,)]


def flip(input: Tensor, *dims: Any) -> Tensor:
    """The order reversed along each of `dims`; a copy."""
    axes = axes_of(input, sizes_of(dims)) if dims and sizes_of(dims) else ()
    return apply(view_rows.flip, input, axes=axes)


def fliplr(input: Tensor) -> Tensor:
    """The order of the columns reversed."""
    return flip(input, (1,))


def flipud(input: Tensor) -> Tensor:
    """The order of the rows reversed."""
    return flip(input, (0,))


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """The elements moved by `shifts` along `dims`; those pushed out come in at the other end."""
    if dims is None:
        return roll(flatten(input), shifts, 0).view(input._layout.shape)
    moves = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    axes = (dims,) if isinstance(dims, int) else tuple(dims)
    x = input
    if len(moves) != len(axes):
        raise ShapeError("IG202", f"roll: shifts {moves} and dims {axes} must be of one length", where=user_line())
    for move, dim in zip(moves, axes, strict=True):
        axis = axis_of(x, dim)
        size: Any = x._layout.shape[axis]
        by = move % size if size else 0
        if by:
            x = cat([sliced(x, axis, size - by, size, 1), sliced(x, axis, 0, size - by, 1)], axis)
    return x if x is not input else apply(view_rows.reshape, input, shape=input._layout.shape)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """A rotation by 90 degrees, `k` times, in the plane of two dimensions."""
    a, b = axis_of(input, dims[0]), axis_of(input, dims[1])
    k %= 4
    if k == 0:
        return apply(view_rows.reshape, input, shape=input._layout.shape)
    if k == 2:
        return flip(input, (a, b))
    axes = list(range(input._layout.ndim))
    axes[a], axes[b] = b, a
    return flip(permute(input, axes), (a,)) if k == 1 else permute(flip(input, (a,)), axes)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Grids of coordinates from vectors; `indexing` "ij" (rows first) or "xy"."""
    vectors = list(sizes_of(tensors))
    if indexing not in ("ij", "xy"):
        raise SpecError("IG217", f"indexing is 'ij' or 'xy', not {indexing!r}", where=user_line())
    for v in vectors:
        if v._layout.ndim > 1:
            raise ShapeError(
                "IG228", f"meshgrid takes vectors, and not a tensor of shape {list(v._layout.shape)}", where=user_line()
            )
    shape = tuple(v._layout.numel for v in vectors)
    grids = [
        expand(reshape(v, tuple(-1 if j == i else 1 for j in range(len(shape)))), shape) for i, v in enumerate(vectors)
    ]
    return tuple(grids) if indexing == "ij" or len(shape) < 2 else tuple([movedim(g, 0, 1) for g in grids])


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The elements on and below a diagonal; 0 elsewhere."""
    return _triangle(input, diagonal, lower=True)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The elements on and above a diagonal; 0 elsewhere."""
    return _triangle(input, diagonal, lower=False)


def _triangle(input: Tensor, diagonal: int, *, lower: bool) -> Tensor:
    layout = input._layout
    if layout.ndim < 2:
        raise ShapeError("IG202", f"tril and triu need at least 2 dimensions, got {layout.ndim}", where=user_line())
    index_type = TensorType(dtypes.int64, layout.shape)
    rows = apply(source.iota, type=index_type, axis=layout.ndim - 2)
    columns = apply(source.iota, type=index_type, axis=layout.ndim - 1)
    edge = apply(elementwise.add, rows, splat(diagonal, dtypes.int64, layout.shape))
    keep = apply(elementwise.le if lower else elementwise.ge, columns, edge)
    return apply(elementwise.select, keep, input, splat(0, layout.dtype, layout.shape))
