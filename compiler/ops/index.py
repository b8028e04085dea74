"""Reading and writing at computed positions: `take` and `put` along an axis, `gather` and `scatter` per element.

An index counts from 0 and must be inside its axis (IG120): the frontend has wrapped negative ones. Where one position
is written several times, "set" keeps the last write in row-major order of the indices, "add" sums all (half types in
float32; bool: or) and "max" keeps the largest, NaN above all.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ingot.compiler.ir import Arg, Op, Sample, Shape, Size, TensorType, Value
from ingot.compiler.ops.definitions import accumulator
from ingot.compiler.ops.elementwise import div, eq, select
from ingot.compiler.ops.source import full, iota, zeros_like
from ingot.compiler.ops.table import check_axis, check_dtype, float_vjp, register
from ingot.compiler.ops.uniform import uniform
from ingot.compiler.ops.view import expand, permute, reshape
from ingot.runtime import dtypes, failures
from ingot.runtime.errors import OutOfRangeError, ShapeError, SpecError

Array = np.ndarray[Any, Any]
INDICES = (dtypes.int64, dtypes.int32)
MODES = ("set", "add", "max")


# ---- type rules


def taken_shape(x: TensorType, indices: TensorType, axis: int, batch_axes: int) -> Shape:
    return (*x.shape[:axis], *indices.shape[batch_axes:], *x.shape[axis + 1 :])


def take_type(x: TensorType, indices: TensorType, *, axis: int, batch_axes: int = 0) -> TensorType:
    check_dtype("the index of take or put", INDICES, indices)
    check_axis("take or put", x, axis)
    if not 0 <= batch_axes <= min(axis, indices.ndim) or x.shape[:batch_axes] != indices.shape[:batch_axes]:
        raise ShapeError(
            "IG121", f"take or put along axis {axis} of {x} by {indices}: the first {batch_axes} axes must be equal"
        )
    return x.with_shape(taken_shape(x, indices, axis, batch_axes))


def put_type(
    x: TensorType, indices: TensorType, updates: TensorType, *, axis: int, mode: str = "set", batch_axes: int = 0
) -> TensorType:
    return written_type("put", x, updates, take_type(x, indices, axis=axis, batch_axes=batch_axes), mode)


def gather_type(x: TensorType, indices: TensorType, *, axis: int) -> TensorType:
    check_dtype("the index of gather or scatter", INDICES, indices)
    check_axis("gather or scatter", x, axis)
    pairs = zip(x.shape, indices.shape, strict=False)
    too_large = (i != axis and exceeds(m, n) for i, (n, m) in enumerate(pairs))
    if x.ndim != indices.ndim or any(too_large):
        raise ShapeError(
            "IG121",
            f"gather or scatter along axis {axis} of {x} by {indices}: the index must have as many axes and may not be "
            "larger along the others",
        )
    return x.with_shape(indices.shape)


def exceeds(inner: Size, outer: Size) -> bool:
    """Whether `inner` is known to be the larger one; sizes that differ by name count as larger."""
    return inner > outer if isinstance(inner, int) and isinstance(outer, int) else inner != outer


def scatter_type(
    x: TensorType, indices: TensorType, updates: TensorType, *, axis: int, mode: str = "set"
) -> TensorType:
    return written_type("scatter", x, updates, gather_type(x, indices, axis=axis), mode)


def written_type(name: str, x: TensorType, updates: TensorType, read: TensorType, mode: str) -> TensorType:
    if mode not in MODES:
        raise SpecError("IG122", f"{name} into {x}: there is no mode {mode!r}", fix="use one of " + ", ".join(MODES))
    if updates is not read:
        raise ShapeError("IG121", f"{name} of {updates} into {x}: the updates must be {read}")
    return x


# ---- meaning

# The kind of a program's status (`ingot.runtime.failures`) for an index outside its axis.
OUT_OF_RANGE = 100


def out_of_range(extent: int) -> OutOfRangeError:
    """The error of compiled code, which knows the extent if that is small."""
    axis = "its axis" if extent == failures.DETAIL else f"an axis of {extent} elements"
    return OutOfRangeError(
        "IG120",
        f"an index is out of range for {axis}",
        fix="the same call without ingot.jit, which names the index and the line",
    )


failures.describe(OUT_OF_RANGE, out_of_range)


def checked(indices: Array, extent: int) -> Array:
    """The indices. Raises OutOfRangeError (IG120) when one is outside 0 .. extent - 1."""
    if indices.size and (indices.min() < 0 or indices.max() >= extent):
        wrong = indices[(indices < 0) | (indices >= extent)].flat[0]
        raise OutOfRangeError("IG120", f"index {wrong} is out of range for an axis of {extent} elements")
    return indices


@np.errstate(all="ignore")
def write(rows: Array, places: Array, updates: Array, mode: str) -> Array:
    """rows[places[i]] combined with updates[i], in order; `rows` and `updates` are matrices."""
    if mode == "set":
        # A contiguous index array makes NumPy assign in order, so that the last write stays.
        rows[np.ascontiguousarray(places)] = updates
        return rows
    dtype, combine = rows.dtype, np.add if mode == "add" else np.maximum
    wide = rows.astype(accumulator(dtype), copy=False)
    updates = updates.astype(wide.dtype, copy=False)
    if rows.shape[1] == 1:
        combine.at(wide[:, 0], places, updates[:, 0])
    elif len(places) and rows.shape[1]:
        # Whole rows: sorted by place, each run of equal places is one reduction; ufunc.at goes element by element.
        order = np.argsort(places, kind="stable")
        runs = places[order]
        starts = np.flatnonzero(np.r_[True, runs[1:] != runs[:-1]])
        combined = combine.reduceat(updates[order], starts, axis=0)
        wide[runs[starts]] = combine(wide[runs[starts]], combined)
    return wide.astype(dtype, copy=False)


def row_places(indices: Array, extent: int, batch_axes: int) -> Array:
    """Positions of the indices among all rows, where the batch axes and the indexed one are flattened."""
    lanes = prod(indices.shape[:batch_axes])
    if batch_axes == 0:
        return indices.reshape(-1)
    return (np.arange(lanes)[:, None] * extent + indices.reshape(lanes, prod(indices.shape[batch_axes:]))).reshape(-1)


def take_eval(x: Array, indices: Array, *, axis: int, batch_axes: int = 0) -> Array:
    checked(indices, x.shape[axis])
    if batch_axes == 0:
        return (
            np.take(x, indices, axis, mode="clip")
            if indices.size
            else np.empty((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype)
        )
    front = np.moveaxis(x, axis, batch_axes)
    rest = front.shape[batch_axes + 1 :]
    rows = front.reshape(prod(front.shape[: batch_axes + 1]), prod(rest))
    picked = rows[row_places(indices, x.shape[axis], batch_axes)].reshape(*indices.shape, *rest)
    new, between = indices.ndim - batch_axes, axis - batch_axes
    order = (*range(batch_axes), *range(indices.ndim, indices.ndim + between), *range(batch_axes, indices.ndim))
    return picked.transpose(*order, *range(batch_axes + new + between, picked.ndim))


def put_eval(x: Array, indices: Array, updates: Array, *, axis: int, mode: str = "set", batch_axes: int = 0) -> Array:
    checked(indices, x.shape[axis])
    front = np.moveaxis(x, axis, batch_axes)
    rest = front.shape[batch_axes + 1 :]
    rows = np.array(front, order="C").reshape(prod(front.shape[: batch_axes + 1]), prod(rest))
    new = indices.ndim - batch_axes
    # The updates' axes: batch, between, index, after; the rows want the index axes before those in between.
    order = (*range(batch_axes), *range(axis, axis + new), *range(batch_axes, axis), *range(axis + new, updates.ndim))
    values = updates.transpose(order).reshape(indices.size, prod(rest))
    written = write(rows, row_places(indices, x.shape[axis], batch_axes), values, mode)
    return np.moveaxis(written.reshape(front.shape), batch_axes, axis)


def element_places(indices: Array, shape: Sequence[int], axis: int) -> Array:
    """Flat positions in an array of this shape of the elements that the indices name along `axis`."""
    stride = prod(shape[axis + 1 :])
    named = indices.astype(np.int64, copy=False)
    flat = element_offsets(indices.shape, tuple(shape), axis) + (named if stride == 1 else named * stride)
    return flat.reshape(-1)


@lru_cache(maxsize=64)
def element_offsets(indices: tuple[int, ...], shape: tuple[int, ...], axis: int) -> Array:
    """What the places of indices add to flat positions; of size 1 where it does not depend on the place."""
    total: Any = np.zeros((1,) * len(indices), np.int64)
    for i, n in enumerate(indices):
        if i != axis:
            steps = np.arange(n, dtype=np.int64) * prod(shape[i + 1 :])
            total = total + steps.reshape([-1 if j == i else 1 for j in range(len(indices))])
    return np.asarray(total)


def gather_eval(x: Array, indices: Array, *, axis: int) -> Array:
    checked(indices, x.shape[axis])
    return x.reshape(-1)[element_places(indices, x.shape, axis)].reshape(indices.shape)


def scatter_eval(x: Array, indices: Array, updates: Array, *, axis: int, mode: str = "set") -> Array:
    checked(indices, x.shape[axis])
    elements = np.array(x, order="C").reshape(-1, 1)
    places = element_places(indices, x.shape, axis)
    return write(elements, places, updates.reshape(-1, 1), mode).reshape(x.shape)


# ---- derivatives


def numbered(type: TensorType) -> Value:
    """0, 1, 2, ... in row-major order."""
    flat = iota(type=TensorType(dtypes.int64, (type.numel,)), axis=0)
    return reshape(flat, shape=type.shape)


def wins_put(x: Value, indices: Value, updates: Value, axis: int, batch_axes: int) -> Value | None:
    """Which updates a put in mode "set" leaves in place; None for all. Each writes its number and reads it back."""
    if indices.type.numel == 1:
        return None
    order = numbered(indices.type)
    lanes = indices.shape[:batch_axes]
    board = full(TensorType(dtypes.int64, (*lanes, x.shape[axis])), -1)
    board = put(board, indices, order, axis=batch_axes, mode="set", batch_axes=batch_axes)
    wins = eq(take(board, indices, axis=batch_axes, batch_axes=batch_axes), order)
    between, after = x.shape[batch_axes:axis], x.shape[axis + 1 :]
    ones = (*lanes, *(1 for _ in between), *indices.shape[batch_axes:], *(1 for _ in after))
    return expand(reshape(wins, shape=ones), shape=updates.shape)


def wins_scatter(x: Value, indices: Value, axis: int) -> Value | None:
    if indices.type.numel == 1:
        return None
    order = numbered(indices.type)
    board = scatter(full(x.type.with_dtype(dtypes.int64), -1), indices, order, axis=axis, mode="set")
    return eq(gather(board, indices, axis=axis), order)


def kept(mask: Value | None, x: Value) -> Value:
    return x if mask is None else select(mask, x, zeros_like(x))


def write_vjp(
    ct: Value,
    out: Value,
    x: Value,
    indices: Value,
    updates: Value,
    *,
    op: Op,
    read: Op,
    mode: str = "set",
    **attrs: Any,
) -> tuple[Value | None, None, Value | None]:
    """The rule of put and scatter. For "max" the cotangent is shared evenly by all that equal the result."""
    if mode == "add":
        return ct, None, read(ct, indices, **attrs)
    if mode == "set":
        cleared = op(ct, indices, zeros_like(updates), mode="set", **attrs)
        return cleared, None, kept(survivors(op, x, indices, updates, attrs), read(ct, indices, **attrs))
    mine, theirs, winners = shares(out, x, indices, updates, op, read, attrs)
    share = div(ct, winners)
    return kept(mine, share), None, kept(theirs, read(share, indices, **attrs))


def write_jvp(
    tangents: Sequence[Value | None],
    out: Value,
    x: Value,
    indices: Value,
    updates: Value,
    *,
    op: Op,
    read: Op,
    mode: str = "set",
    **attrs: Any,
) -> Value | None:
    if tangents[0] is None and tangents[2] is None:
        return None
    moving = tangents[0] or zeros_like(x)
    writing = tangents[2] or zeros_like(updates)
    if mode != "max":
        return op(moving, indices, writing, mode=mode, **attrs)
    mine, theirs, winners = shares(out, x, indices, updates, op, read, attrs)
    return div(op(kept(mine, moving), indices, kept(theirs, writing), mode="add", **attrs), winners)


def survivors(op: Op, x: Value, indices: Value, updates: Value, attrs: dict[str, Any]) -> Value | None:
    if op is scatter:
        return wins_scatter(x, indices, attrs["axis"])
    return wins_put(x, indices, updates, attrs["axis"], attrs.get("batch_axes", 0))


def shares(
    out: Value, x: Value, indices: Value, updates: Value, op: Op, read: Op, attrs: dict[str, Any]
) -> tuple[Value, Value, Value]:
    """For mode "max": which elements of x and which updates equal the result, and how many do at each position."""
    mine, theirs = eq(x, out), eq(updates, read(out, indices, **attrs))
    one, ones = full(x.type, 1), full(updates.type, 1)
    return mine, theirs, op(kept(mine, one), indices, kept(theirs, ones), mode="add", **attrs)


def take_batch(size: Size, x: Value, indices: Value, *, axis: int, batch_axes: int = 0) -> Value:
    one_x, one_indices = uniform(x), uniform(indices)
    if one_indices is not None and batch_axes == 0:
        return take(x, one_indices, axis=axis + 1)
    if one_x is not None and batch_axes == 0:
        out = take(one_x, indices, axis=axis)
        return permute(out, axes=(axis, *(i for i in range(out.type.ndim) if i != axis))) if axis else out
    return take(x, indices, axis=axis + 1, batch_axes=batch_axes + 1)


def put_batch(
    size: Size, x: Value, indices: Value, updates: Value, *, axis: int, mode: str = "set", batch_axes: int = 0
) -> Value:
    one_indices = uniform(indices)
    if one_indices is not None and batch_axes == 0:
        return put(x, one_indices, updates, axis=axis + 1, mode=mode)
    return put(x, indices, updates, axis=axis + 1, mode=mode, batch_axes=batch_axes + 1)


# ---- rows


def index_arg(*shape: int, below: int) -> Arg:
    """Positions in an axis of `below` elements."""
    return Arg(shape, "int64", 0, below - 1)


def distinct(*shape: int, high: float = 2.0) -> Arg:
    """Values without ties; another upper end keeps them apart from those of another operand."""
    return Arg(shape, high=high, low=-high, distinct=True)


take: Op = register(
    Op(
        name="take",
        kind="index",
        infer=take_type,
        eval=take_eval,
        vjp=float_vjp(
            lambda ct, out, x, indices, **attrs: (put(zeros_like(x), indices, ct, mode="add", **attrs), None)
        ),
        jvp=lambda tangents, out, x, indices, **attrs: (
            None if tangents[0] is None else take(tangents[0], indices, **attrs)
        ),
        batch=take_batch,
        dtypes=dtypes.ALL,
        samples=(
            Sample((Arg((4, 3)), index_arg(2, 2, below=4)), {"axis": 0}),
            Sample((Arg((2, 3, 2)), index_arg(5, below=3)), {"axis": 1}),
            Sample((Arg((2, 3)), index_arg(below=3)), {"axis": 1}),
            Sample((Arg((2, 3, 4, 2)), index_arg(2, 3, below=4)), {"axis": 2, "batch_axes": 1}),
            Sample((Arg((2, 3, 4)), index_arg(2, 3, below=4)), {"axis": 2, "batch_axes": 2}),
            Sample((Arg((4, 0)), index_arg(2, below=4)), {"axis": 0}),
            Sample((Arg((0, 2)), index_arg(0, below=1)), {"axis": 0}),
        ),
        doc="Slices of x along `axis` at `indices` (int32 or int64). The first `batch_axes` axes of both correspond: "
        "result x.shape[:axis] + indices.shape[batch_axes:] + x.shape[axis+1:].",
    )
)

put: Op = register(
    Op(
        name="put",
        kind="index",
        infer=put_type,
        eval=put_eval,
        vjp=float_vjp(lambda *operands, **attrs: write_vjp(*operands, op=put, read=take, **attrs)),
        jvp=lambda *operands, **attrs: write_jvp(*operands, op=put, read=take, **attrs),
        batch=put_batch,
        dtypes=dtypes.ALL,
        samples=(
            Sample((Arg((4, 2)), index_arg(3, below=4), Arg((3, 2))), {"axis": 0, "mode": "set"}),
            Sample((Arg((2, 3)), index_arg(below=3), Arg((2,))), {"axis": 1, "mode": "set"}),
            Sample((Arg((2, 3, 4)), index_arg(2, 3, below=4), Arg((2, 3, 3))), {"axis": 2, "batch_axes": 1}),
            Sample((Arg((2, 0)), index_arg(1, below=2), Arg((1, 0))), {"axis": 0, "mode": "set"}),
            Sample((Arg((2, 1)), index_arg(0, below=2), Arg((0, 1))), {"axis": 0, "mode": "set"}),
            Sample((Arg((4, 2)), index_arg(5, below=3), Arg((5, 2))), {"axis": 0, "mode": "add"}),
            Sample(
                (Arg((2, 3, 3)), index_arg(2, 4, below=3), Arg((2, 4, 3))), {"axis": 1, "mode": "add", "batch_axes": 1}
            ),
            Sample((distinct(3, 2), index_arg(4, below=3), distinct(4, 2, high=1.9)), {"axis": 0, "mode": "max"}),
        ),
        doc="x with `updates` written at `indices` along `axis`; mode set, add or max. Shapes as in take.",
    )
)

gather: Op = register(
    Op(
        name="gather",
        kind="index",
        infer=gather_type,
        eval=gather_eval,
        vjp=float_vjp(
            lambda ct, out, x, indices, *, axis: (scatter(zeros_like(x), indices, ct, axis=axis, mode="add"), None)
        ),
        jvp=lambda tangents, out, x, indices, *, axis: (
            None if tangents[0] is None else gather(tangents[0], indices, axis=axis)
        ),
        batch=lambda size, x, indices, *, axis: gather(x, indices, axis=axis + 1),
        dtypes=dtypes.ALL,
        samples=(
            Sample((Arg((3, 4)), index_arg(2, 4, below=3)), {"axis": 0}),
            Sample((Arg((2, 3, 2)), index_arg(1, 5, 2, below=3)), {"axis": 1}),
            Sample((Arg((4,)), index_arg(1, below=4)), {"axis": 0}),
            Sample((Arg((2, 3)), index_arg(2, 0, below=3)), {"axis": 1}),
        ),
        doc="out[i, j] = x[indices[i, j], j] for axis 0, and so on (torch.gather). The index may be smaller than x "
        "along the other axes.",
    )
)

scatter: Op = register(
    Op(
        name="scatter",
        kind="index",
        infer=scatter_type,
        eval=scatter_eval,
        vjp=float_vjp(lambda *operands, **attrs: write_vjp(*operands, op=scatter, read=gather, **attrs)),
        jvp=lambda *operands, **attrs: write_jvp(*operands, op=scatter, read=gather, **attrs),
        batch=lambda size, x, indices, updates, *, axis, mode="set": scatter(
            x, indices, updates, axis=axis + 1, mode=mode
        ),
        dtypes=dtypes.ALL,
        samples=(
            Sample((Arg((3, 4)), index_arg(2, 4, below=3), Arg((2, 4))), {"axis": 0, "mode": "set"}),
            Sample((Arg((2, 3)), index_arg(1, 4, below=3), Arg((1, 4))), {"axis": 1, "mode": "set"}),
            Sample((Arg((4,)), index_arg(1, below=4), Arg((1,))), {"axis": 0, "mode": "set"}),
            Sample((Arg((2, 3)), index_arg(2, 0, below=3), Arg((2, 0))), {"axis": 1, "mode": "set"}),
            Sample((Arg((3, 4)), index_arg(4, 3, below=2), Arg((4, 3))), {"axis": 0, "mode": "add"}),
            Sample((distinct(3), index_arg(4, below=2), distinct(4, high=1.9)), {"axis": 0, "mode": "max"}),
        ),
        doc="x with updates[i, j] written at [indices[i, j], j] for axis 0, and so on (torch.scatter); mode set, add "
        "or max. The updates have the shape of the index.",
    )
)


def within_type(indices: TensorType, *, extent: Size) -> TensorType:
    check_dtype("within", INDICES, indices)
    return indices


within: Op = register(
    Op(
        name="within",
        kind="call",
        infer=within_type,
        eval=lambda indices, *, extent: checked(indices, extent),
        vjp=lambda ct, out, indices, *, extent: (None,),
        jvp=lambda tangents, out, indices, *, extent: None,
        batch=lambda size, indices, *, extent: within(indices, extent=extent),
        dtypes=INDICES,
        samples=(
            Sample((Arg((2, 3), None, 0, 4),), {"extent": 5}),
            Sample((Arg((), None, 0, 0),), {"extent": 1}),
            Sample((Arg((0,), None, 0, 0),), {"extent": 0}),
            Sample((Arg((70, 67), None, 0, 90),), {"extent": 100}),
        ),
        doc="The indices, all of them inside 0 .. extent - 1; else the program fails.",
    )
)
