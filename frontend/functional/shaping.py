"""Views: the same memory under another shape, order of dimensions or part. Copies only where PyTorch copies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ingot.compiler.dims import product, quotient
from ingot.compiler.ir import Shape, Size
from ingot.compiler.ops import elementwise
from ingot.compiler.ops import view as view_rows
from ingot.core import Step, contiguous_strides_of, layout_of
from ingot.functional.reductions import axis_of
from ingot.gate import Seen, apply, apply_view, see
from ingot.modes import modes
from ingot.promote import expand_to
from ingot.runtime.errors import IngotError, OutOfRangeError, ShapeError, TraceError
from ingot.runtime.layout import Layout, normalize_dim, resolve_shape, view_strides
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def sizes_of(sizes: tuple[Any, ...]) -> tuple[Any, ...]:
    """The sizes given as separate arguments or as one sequence."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        return tuple(sizes[0])
    return sizes


def _static(*shapes: Shape) -> bool:
    return all(type(n) is int for shape in shapes for n in shape)


def resolved(new_shape: tuple[Any, ...], tensor: Tensor, name: str) -> Shape:
    """The shape with -1 filled in. Raises ShapeError (IG203) with the tensor's shape and the user's line."""
    layout = tensor._layout
    for size in new_shape:
        if hasattr(size, "_layout"):
            size.__index__()
    try:
        if _static(new_shape, layout.shape):
            return resolve_shape(new_shape, layout.numel)
        return _resolved_symbolic(new_shape, layout.shape)
    except IngotError as error:
        error.what = f"{name}: shape {list(new_shape)} is invalid for input of shape {list(layout.shape)}"
        error.detail = (f"the tensor has {layout.numel} elements",)
        error.where = user_line()
        raise


def _resolved_symbolic(new_shape: tuple[Any, ...], shape: Shape) -> Shape:
    total = product(shape)
    known = product(size for size in new_shape if not (isinstance(size, int) and size == -1))
    if known == total and -1 not in [size for size in new_shape if isinstance(size, int)]:
        return new_shape
    rest = quotient(total, known)
    unknown = [i for i, size in enumerate(new_shape) if isinstance(size, int) and size == -1]
    if rest is None or len(unknown) != 1:
        raise ShapeError("IG203", "the sizes do not fit")
    return tuple(rest if i == unknown[0] else size for i, size in enumerate(new_shape))


def strides_for(tensor: Tensor, shape: Shape) -> Any:
    """Strides under which the tensor's memory shows `shape`, or None when only a copy can."""
    layout = tensor._layout
    if _static(layout.shape, shape):
        return view_strides(layout.shape, layout.strides, shape)  # type: ignore[arg-type]
    if layout.contiguous:
        return contiguous_strides_of(shape)
    # With named sizes: axes of size 1 may come and go, everything else must be the contiguous case.
    plain = [(n, s) for n, s in zip(layout.shape, layout.strides, strict=True) if n != 1]
    if [n for n, _ in plain] != [n for n in shape if n != 1]:
        return None
    kept = iter(plain)
    return tuple(0 if n == 1 else next(kept)[1] for n in shape)


@lru_cache(maxsize=4096, typed=True)
def _viewed(layout: Layout, *sizes: Any) -> Seen | None:
    """How memory is seen as another shape; None where it cannot be, and where the sizes are none."""
    if not all(type(size) is int for size in sizes):
        return None
    try:
        shape = resolve_shape(sizes, layout.numel)
        strides = view_strides(layout.shape, layout.strides, shape)
    except IngotError:
        return None
    return None if strides is None else Seen(layout_of(layout.dtype, shape, strides), _reshaping(shape), 0)


def _reshaping(shape: Shape) -> tuple[Step]:
    return (Step(view_rows.reshape, {"shape": shape}),)


def view(input: Tensor, *shape: Any) -> Tensor:
    """The same memory under another shape (one size may be -1); with a dtype of the same size, its bits reread.

    Raises ShapeError (IG203) for another number of elements and ShapeError (IG221) when memory order does not allow it.
    """
    sizes = sizes_of(shape)
    if modes.trace is None:
        try:
            seen = _viewed(input._layout, *sizes)
        except TypeError:
            # Something that cannot be hashed is no size.
            seen = None
        if seen is not None:
            return see(input, seen)
    if len(sizes) == 1 and hasattr(sizes[0], "itemsize"):
        return apply(elementwise.bitcast, input, dtype=sizes[0])
    new_shape = resolved(sizes, input, "view")
    if new_shape == input._layout.shape and input._layout.contiguous:
        return _same(input)
    strides = strides_for(input, new_shape)
    if strides is None:
        raise ShapeError(
            "IG221",
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across "
            "two contiguous subspaces)",
            where=user_line(),
            detail=[f"shape {list(input._layout.shape)}, strides {list(input._layout.strides)} to {list(new_shape)}"],
            fix=".reshape(...)",
        )
    return apply_view(input, view_rows.reshape, {"shape": new_shape}, new_shape, strides)


def _same(input: Tensor) -> Tensor:
    shape = input._layout.shape
    return apply_view(input, view_rows.reshape, {"shape": shape}, shape, input._layout.strides)


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """Another shape for the same elements: a view where memory order allows, else a copy."""
    new_shape = resolved(sizes_of(shape), input, "reshape")
    strides = strides_for(input, new_shape)
    if strides is None:
        return apply(view_rows.reshape, input, shape=new_shape)
    return apply_view(input, view_rows.reshape, {"shape": new_shape}, new_shape, strides)


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`view` with the shape of another tensor."""
    return view(input, other._layout.shape)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`reshape` to the shape of another tensor."""
    return reshape(input, other._layout.shape)


def contiguous(input: Tensor) -> Tensor:
    """The tensor itself if its elements lie in row-major order, else a copy that does."""
    return input if input._layout.contiguous else apply(view_rows.reshape, input, shape=input._layout.shape)


def permute(input: Tensor, *dims: Any) -> Tensor:
    """The dimensions in another order. Raises ShapeError (IG202) unless `dims` names each once."""
    layout = input._layout
    given = sizes_of(dims)
    axes = tuple([axis_of(input, d) for d in given])
    if sorted(axes) != list(range(layout.ndim)):
        raise ShapeError(
            "IG202",
            f"permute{given} does not name each dimension of shape {list(layout.shape)} once",
            where=user_line(),
        )
    shape = tuple([layout.shape[a] for a in axes])
    return apply_view(input, view_rows.permute, {"axes": axes}, shape, tuple([layout.strides[a] for a in axes]))


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged."""
    a, b = axis_of(input, dim0), axis_of(input, dim1)
    axes = list(range(input._layout.ndim))
    if axes:
        axes[a], axes[b] = b, a
    return permute(input, axes)


swapaxes = swapdims = transpose


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; vectors and scalars as they are."""
    if input._layout.ndim > 2:
        raise ShapeError(
            "IG222",
            f"t() expects at most 2 dimensions, the tensor has {input._layout.ndim}",
            where=user_line(),
            fix="x.mT",
        )
    return permute(input, tuple(reversed(range(input._layout.ndim))))


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimensions `source` moved to the places `destination`; the others keep their order."""
    sources = [axis_of(input, d) for d in ((source,) if isinstance(source, int) else source)]
    places = [axis_of(input, d) for d in ((destination,) if isinstance(destination, int) else destination)]
    rest = iter([a for a in range(input._layout.ndim) if a not in sources])
    return permute(input, [sources[places.index(i)] if i in places else next(rest) for i in range(input._layout.ndim)])


moveaxis = movedim


def expand(input: Tensor, *sizes: Any) -> Tensor:
    """Dimensions of size 1 repeated without copying, and dimensions put before; -1 keeps a size.

    Raises ShapeError (IG201) where a size is neither 1 nor the wanted one.
    """
    goal = sizes_of(sizes)
    shape = input._layout.shape
    added = len(goal) - len(shape)
    wanted = tuple(shape[i - added] if i >= added and isinstance(n, int) and n == -1 else n for i, n in enumerate(goal))
    fits = added >= 0 and all(m == 1 or m == n for m, n in zip(shape, wanted[added:], strict=True))
    if not fits or any(isinstance(n, int) and n < 0 for n in wanted):
        raise ShapeError("IG201", f"expand: shape {list(shape)} cannot be expanded to {list(goal)}", where=user_line())
    return expand_to(input, wanted) if wanted != shape else _same(input)


broadcast_to = expand


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`expand` to the shape of another tensor."""
    return expand(input, other._layout.shape)


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A dimension of size 1 put at `dim`."""
    layout = input._layout
    try:
        axis = normalize_dim(dim, layout.ndim + 1)
    except ShapeError as error:
        error.where, error.detail = user_line(), (f"unsqueeze of a tensor of shape {list(layout.shape)}",)
        raise
    shape = (*layout.shape[:axis], 1, *layout.shape[axis:])
    step = layout.shape[axis] * layout.strides[axis] if axis < layout.ndim else 1
    return apply_view(
        input, view_rows.reshape, {"shape": shape}, shape, (*layout.strides[:axis], step, *layout.strides[axis:])
    )


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Dimensions of size 1 dropped: all of them, or those of `dim` that have size 1."""
    layout = input._layout
    if dim is None:
        axes = list(range(layout.ndim))
    else:
        axes = [axis_of(input, d) for d in ((dim,) if isinstance(dim, int) else dim)]
    left = [i for i, n in enumerate(layout.shape) if not (i in axes and isinstance(n, int) and n == 1)]
    shape = tuple(layout.shape[i] for i in left)
    return apply_view(input, view_rows.reshape, {"shape": shape}, shape, tuple(layout.strides[i] for i in left))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim to end_dim as one."""
    shape = input._layout.shape
    if not shape:
        return reshape(input, (1,))
    first, last = axis_of(input, start_dim), axis_of(input, end_dim)
    if first > last:
        raise ShapeError("IG202", "flatten() has invalid args: start_dim cannot come after end_dim", where=user_line())
    if first == last:
        return input
    return reshape(input, (*shape[:first], product(shape[first : last + 1]), *shape[last + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """All elements as one dimension, one after another in memory."""
    if not input._layout.contiguous:
        return apply(view_rows.reshape, input, shape=(input._layout.numel,))
    return reshape(input, (-1,)) if input._layout.numel != 0 else reshape(input, (0,))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Dimension `dim` as several; one size may be -1."""
    shape = input._layout.shape
    axis = axis_of(input, dim)
    known = product(n for n in sizes if n != -1)
    inner = tuple(quotient(shape[axis], known) if n == -1 else n for n in sizes)
    return view(input, (*shape[:axis], *inner, *shape[axis + 1 :]))


def sliced(input: Tensor, dim: int, start: Any, stop: Any, step: int) -> Tensor:
    """input[..., start:stop:step, ...] along `dim`, a view; 0 <= start <= stop <= size."""
    layout = input._layout
    shape, strides = layout.shape, layout.strides
    size: Size = (stop - start + step - 1) // step
    rank = layout.ndim
    attrs = {
        "start": (*(0,) * dim, start, *(0,) * (rank - dim - 1)),
        "stop": (*shape[:dim], stop, *shape[dim + 1 :]),
        "step": (*(1,) * dim, step, *(1,) * (rank - dim - 1)),
    }
    moved = input._offset + (start * strides[dim] if size != 0 else 0)
    return apply_view(
        input,
        view_rows.slice,
        attrs,
        (*shape[:dim], size, *shape[dim + 1 :]),
        (*strides[:dim], strides[dim] * step, *strides[dim + 1 :]),
        moved,
    )


def narrow(input: Tensor, dim: int, start: Any, length: Any) -> Tensor:
    """`length` elements along `dim` from `start`. Raises ShapeError (IG202) when they are not all there."""
    if input._layout.ndim == 0:
        raise ShapeError("IG202", "narrow() cannot be applied to a 0-dim tensor.", where=user_line())
    axis = axis_of(input, dim)
    size = input._layout.shape[axis]
    if hasattr(start, "_layout"):
        start = start.__index__()
    if isinstance(start, int) and start < 0:
        start = start + size
    if all(isinstance(n, int) for n in (size, start, length)) and not 0 <= start <= start + length <= size:
        raise ShapeError(
            "IG202",
            f"narrow: start ({start}) + length ({length}) exceeds dimension size ({size})",
            where=user_line(),
        )
    return sliced(input, axis, start, start + length, 1)


def select(input: Tensor, dim: int, index: Any) -> Tensor:
    """The part at one index of `dim`, without that dimension. Raises OutOfRangeError (IG223) outside it."""
    axis = axis_of(input, dim)
    size = input._layout.shape[axis]
    place = index.__index__() if not isinstance(index, int) else index
    if isinstance(size, int) and not -size <= place < size:
        raise OutOfRangeError(
            "IG223", f"index {place} is out of bounds for dimension {dim} with size {size}", where=user_line()
        )
    if place < 0:
        place = place + size
    if modes.trace is None and type(place) is int:
        row, rest = _selected(input._layout, axis, place)
        return see(see(input, row), rest)
    part = sliced(input, axis, place, place + 1, 1)
    layout = part._layout
    shape = (*layout.shape[:axis], *layout.shape[axis + 1 :])
    return apply_view(
        part, view_rows.reshape, {"shape": shape}, shape, (*layout.strides[:axis], *layout.strides[axis + 1 :])
    )


@lru_cache(maxsize=4096)
def _selected(layout: Layout, axis: int, place: int) -> tuple[Seen, Seen]:
    """How `select` sees memory: one index of a dimension, then without the dimension."""
    bounds = tuple((place, place + 1, 1) if i == axis else (0, n, 1) for i, n in enumerate(layout.shape))
    row = parts_seen(layout, bounds)
    shape = (*layout.shape[:axis], *layout.shape[axis + 1 :])
    strides = (*row.layout.strides[:axis], *row.layout.strides[axis + 1 :])
    return row, Seen(layout_of(layout.dtype, shape, strides), _reshaping(shape), 0)


def parts_seen(layout: Layout, bounds: Sequence[tuple[int, int, int]]) -> Seen:
    """How [start:stop:step] of every dimension sees memory; 0 <= start <= stop <= size."""
    start, stop, step = zip(*bounds, strict=True)
    shape = tuple((end - begin + by - 1) // by for begin, end, by in bounds)
    strides = tuple(s * by for s, by in zip(layout.strides, step, strict=True))
    shift = sum(begin * s for begin, s, n in zip(start, layout.strides, shape, strict=True) if n)
    chain = (Step(view_rows.slice, {"start": start, "stop": stop, "step": step}),)
    return Seen(layout_of(layout.dtype, shape, strides), chain, shift)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """One tensor per index of `dim`. Raises TraceError (IG183) for a named size."""
    size: Any = input._layout.shape[axis_of(input, dim)]
    if not isinstance(size, int):
        raise TraceError(
            "IG183",
            f"iteration over dimension {dim} of the size {size}: how many steps that are is known at each call alone",
            where=user_line(),
            fix="an operation along the dimension (sum, cumsum, ...), or a number instead of the name in the spec",
        )
    return tuple([select(input, dim, i) for i in range(size)])


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The elements where two dimensions have equal indices (dim2's larger by `offset`), as a last dimension; a view."""
    a, b = axis_of(input, dim1), axis_of(input, dim2)
    if a == b:
        raise ShapeError("IG202", f"diagonal dimensions cannot be identical {dim1}, {dim2}", where=user_line())
    x: Any = movedim(input, (a, b), (-2, -1))
    layout = x._layout
    *outer, rows, columns = layout.shape
    down, right = max(-offset, 0), max(offset, 0)
    length: Any = max(min(rows - down, columns - right), 0)
    # Flattened, the elements of a diagonal lie columns + 1 apart.
    start = down * columns + right
    total: Any = rows * columns
    strides = layout.strides[:-2]
    flat_shape = (*outer, total)
    flat = apply_view(x, view_rows.reshape, {"shape": flat_shape}, flat_shape, (*strides, 1))
    rank = len(outer)
    begin = start if length else 0
    attrs = {
        "start": (*(0,) * rank, begin),
        "stop": (*outer, begin + (length - 1) * (columns + 1) + 1 if length else begin),
        "step": (*(1,) * rank, columns + 1),
    }
    moved = x._offset + (down * layout.strides[-2] + right * layout.strides[-1] if length else 0)
    step = layout.strides[-2] + layout.strides[-1]
    return apply_view(flat, view_rows.slice, attrs, (*outer, length), (*strides, step), moved)
