"""Reductions over sliding windows (pooling), and the two transposes of a windowed maximum.

Windows run over all axes; an axis that takes no part has windows of one element. Padding never wins a maximum or
minimum, and adds nothing to a sum. A NaN beats every number, and the first of equals is chosen, in row-major order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

from ingot.compiler.ir import Arg, Op, Sample, Shape, Size, TensorType, Value
from ingot.compiler.ops.cumulative import highest, lowest
from ingot.compiler.ops.definitions import accumulator
from ingot.compiler.ops.source import full, zeros_like
from ingot.compiler.ops.table import NUMBERS, TABLE, check_dtype, check_length, float_vjp, register
from ingot.compiler.ops.view import expand, pad, reshape
from ingot.compiler.ops.view import slice as part
from ingot.compiler.ops.windows import Padding, Steps, extended, positions, transposed_padding
from ingot.runtime.dtypes import DType, from_numpy
from ingot.runtime.errors import ShapeError, SpecError

Array = np.ndarray[Any, Any]
REDUCTIONS: dict[str, Callable[..., Array]] = {"sum": np.add, "max": np.maximum, "min": np.minimum}


# ---- type rules


def windows_type(
    name: str, x: TensorType, window: Shape, stride: Steps, padding: Padding, dilation: Steps
) -> TensorType:
    check_dtype(name, NUMBERS, x)
    for what, values in (("window", window), ("stride", stride), ("padding", padding), ("dilation", dilation)):
        check_length(name, what, values, x)
    if any(isinstance(n, int) and n < 1 for n in (*window, *stride, *dilation)):
        raise ShapeError(
            "IG132", f"{name} of {x}: window {window}, stride {stride} and dilation {dilation} must be positive"
        )
    axes = zip(x.shape, window, stride, padding, dilation, strict=True)
    return x.with_shape([positions(n, w, s, low, high, d, x) for n, w, s, (low, high), d in axes])


def check_reduction(name: str, reduction: str, known: Sequence[str]) -> None:
    if reduction not in known:
        raise SpecError("IG132", f"{name}: there is no reduction {reduction!r}", fix="use one of " + ", ".join(known))


def reduce_window_type(
    x: TensorType, *, reduction: str, window: Shape, stride: Steps, padding: Padding, dilation: Steps
) -> TensorType:
    check_reduction("reduce_window", reduction, tuple(REDUCTIONS))
    return windows_type("reduce_window", x, window, stride, padding, dilation)


def window_gather_type(x: TensorType, t: TensorType, *, reduction: str, **windows: Any) -> TensorType:
    check_reduction("window_gather", reduction, ("max", "min"))
    chosen = windows_type("window_gather", x, **windows)
    if t.shape != x.shape:
        raise ShapeError("IG132", f"window_gather: {t} must have the shape of {x}")
    return chosen.with_dtype(t.dtype)


def window_scatter_type(x: TensorType, updates: TensorType, *, reduction: str, **windows: Any) -> TensorType:
    check_reduction("window_scatter", reduction, ("max", "min"))
    chosen = windows_type("window_scatter", x, **windows)
    if updates.shape != chosen.shape:
        raise ShapeError("IG132", f"window_scatter: {updates} must have one element per window of {x}: {chosen.shape}")
    return x.with_dtype(updates.dtype)


# ---- meaning


def identity(reduction: str, dtype: DType) -> float:
    return 0 if reduction == "sum" else lowest(dtype) if reduction == "max" else highest(dtype)


def slices(
    x: Array, counts: Sequence[int], offset: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Array:
    """For every window the element at this offset inside it."""
    axes = zip(counts, offset, stride, dilation, strict=True)
    return x[tuple(slice(o * d, o * d + (n - 1) * s + 1 if n else 0, s) for n, o, s, d in axes)]


def window_counts(shape: Sequence[int], window: Steps, stride: Steps, dilation: Steps) -> tuple[int, ...]:
    return tuple((n - (w - 1) * d - 1) // s + 1 for n, w, s, d in zip(shape, window, stride, dilation, strict=True))


@np.errstate(all="ignore")
def reduce_window_eval(
    x: Array,
    *,
    reduction: str,
    window: Steps,
    stride: Steps,
    padding: tuple[tuple[int, int], ...],
    dilation: Steps,
) -> Array:
    """Axis by axis: a window is a product of intervals, and the three reductions may be taken in any order."""
    dtype, combine = x.dtype, REDUCTIONS[reduction]
    out = extended(
        x.astype(accumulator(dtype), copy=False), padding, (1,) * x.ndim, identity(reduction, from_numpy(dtype))
    )
    counts = window_counts(out.shape, window, stride, dilation)
    for axis in range(x.ndim):
        ahead = out
        steps = [s if i == axis else 1 for i, s in enumerate(stride)]
        extents = [counts[i] if i == axis else n for i, n in enumerate(out.shape)]
        for position in range(window[axis]):
            offset = [position if i == axis else 0 for i in range(x.ndim)]
            part = slices(ahead, extents, offset, steps, dilation)
            out = part if position == 0 else combine(out, part)
    return out.astype(dtype, copy=False)


@np.errstate(all="ignore")
def chosen_places(x: Array, reduction: str, window: Steps, stride: Steps, padding: Any, dilation: Steps) -> Array:
    """For every window the flat position in x of its first maximum (minimum); -1 if it holds padding alone."""
    worst = identity(reduction, from_numpy(x.dtype))
    wide = x.astype(accumulator(x.dtype), copy=False)
    values = extended(wide, padding, (1,) * x.ndim, worst)
    counts = window_counts(values.shape, window, stride, dilation)
    beats = np.greater if reduction == "max" else np.less
    # Padding is chosen only where elements are as bad as it, or there are none; NaN beats every number.
    axes = zip(x.shape, counts, window, stride, padding, dilation, strict=True)
    mixed = any(n > 0 for pair in padding for n in pair) and (
        bool((wide == worst).any()) or not all(holds_elements(*axis) for axis in axes)
    )
    if mixed or bool((values != values).any()) or not values.size or not all(counts):
        return chosen_among_all(x, values, reduction, counts, window, stride, padding, dilation)
    best: Array | None = None
    which = np.zeros(counts, np.int32)
    for number, offset in enumerate(product(*map(range, window))):
        value = slices(values, counts, offset, stride, dilation)
        if best is None:
            best = np.array(value)
            continue
        better = beats(value, best)
        np.copyto(best, value, where=better)
        which[better] = number
    steps = [1 if i == x.ndim - 1 else int(np.prod(x.shape[i + 1 :])) for i in range(x.ndim)]
    shapes = [[-1 if i == axis else 1 for i in range(x.ndim)] for axis in range(x.ndim)]
    places = flat_offsets(window, [d * n for d, n in zip(dilation, steps, strict=True)])[which]
    for axis, (low, _) in enumerate(padding):
        places += ((np.arange(counts[axis]) * stride[axis] - low) * steps[axis]).reshape(shapes[axis])
    return places


def holds_elements(extent: int, count: int, window: int, stride: int, padding: tuple[int, int], dilation: int) -> bool:
    """Whether every window along an axis holds an element and not padding alone."""
    at = np.arange(count)[:, None] * stride + np.arange(window) * dilation - padding[0]
    return bool(((at >= 0) & (at < extent)).any(1).all())


def flat_offsets(shape: Steps, steps: Sequence[int]) -> Array:
    """The distance from the first of every element in a block of this shape, in row-major order."""
    return np.array([sum(i * s for i, s in zip(at, steps, strict=True)) for at in product(*map(range, shape))])


def chosen_among_all(
    x: Array,
    values: Array,
    reduction: str,
    counts: Sequence[int],
    window: Steps,
    stride: Steps,
    padding: Any,
    dilation: Steps,
) -> Array:
    """`chosen_places` where NaN or padding may be among the candidates."""
    places = extended(np.arange(x.size).reshape(x.shape), padding, (1,) * x.ndim, -1)
    beats = np.greater if reduction == "max" else np.less
    best = best_place = None
    for offset in product(*map(range, window)):
        value = slices(values, counts, offset, stride, dilation)
        place = slices(places, counts, offset, stride, dilation)
        if best is None or best_place is None:
            best, best_place = value, place
            continue
        better = beats(value, best) | ((value != value) & (best == best)) | (best_place < 0)
        better &= place >= 0
        best, best_place = np.where(better, value, best), np.where(better, place, best_place)
    assert best_place is not None
    return best_place


def window_gather_eval(x: Array, t: Array, *, reduction: str, **windows: Any) -> Array:
    places = chosen_places(x, reduction, **windows)
    if not x.size:
        return np.zeros(places.shape, t.dtype)
    return np.where(places < 0, np.zeros((), t.dtype), t.reshape(-1)[np.maximum(places, 0)])


@np.errstate(all="ignore")
def window_scatter_eval(x: Array, updates: Array, *, reduction: str, **windows: Any) -> Array:
    places = chosen_places(x, reduction, **windows)
    inside = places >= 0
    if updates.dtype.kind != "i" and updates.dtype.kind != "u":
        # Sums in float64, which bincount takes, are at least as exact as those in the accumulator's dtype.
        sums = np.bincount(places[inside], updates[inside].astype(np.float64, copy=False), x.size)
        return sums.astype(updates.dtype).reshape(x.shape)
    out = np.zeros(x.size, updates.dtype)
    np.add.at(out, places[inside], updates[inside])
    return out.reshape(x.shape)


# ---- derivatives and batching


def reduce_window_vjp(
    ct: Value,
    out: Value,
    x: Value,
    *,
    reduction: str,
    window: Shape,
    stride: Steps,
    padding: Padding,
    dilation: Steps,
) -> tuple[Value]:
    if reduction != "sum":
        windows = {"window": window, "stride": stride, "padding": padding, "dilation": dilation}
        return (window_scatter(x, ct, reduction=reduction, **windows),)
    if x.type.numel == 0:
        return (zeros_like(x),)
    if side_by_side(x.shape, ct.shape, window, stride, padding, dilation):
        return (repeated(ct, x.shape, window, padding),)
    wide = [axis for axis, n in enumerate(window) if n != 1 or stride[axis] != 1 or padding[axis] != (0, 0)]
    if len(wide) > 1 and large(window):
        return (along_each(ct, x, wide, window, stride, padding, dilation),)
    # An element gets the sum of the cotangents of the windows that hold it, which lie `stride` apart.
    none = (0,) * x.type.ndim
    apart = pad(ct, low=none, high=none, interior=tuple(s - 1 for s in stride), value=0)
    axes = zip(x.shape, window, stride, padding, ct.shape, dilation, strict=True)
    back = tuple(transposed_padding(n, w, s, low, count, d) for n, w, s, (low, _), count, d in axes)
    ones = (1,) * x.type.ndim
    return (reduce_window(apart, reduction="sum", window=window, stride=ones, padding=back, dilation=dilation),)


def side_by_side(shape: Shape, counts: Shape, window: Shape, stride: Steps, padding: Padding, dilation: Steps) -> bool:
    """Whether each window begins where the last one ends, and how far they reach beyond the elements is known."""
    if any(s != w or d != 1 for s, w, d in zip(stride, window, dilation, strict=True)):
        return False
    axes = zip(shape, counts, window, padding, strict=True)
    rests = [(n + low - count * w, high) for n, count, w, (low, high) in axes]
    return all(isinstance(rest, int) or (isinstance(high, int) and high <= 0) for rest, high in rests)


def repeated(ct: Value, shape: Shape, window: Shape, padding: Padding) -> Value:
    """The cotangent of a sum over windows side by side: every element gets that of the only window that holds it."""
    rank = len(shape)
    lows: list[Any] = [low for low, _ in padding]
    pairs = tuple(n for count in ct.shape for n in (count, 1))
    grown = tuple(n for pair in zip(ct.shape, window, strict=True) for n in pair)
    covered = tuple(count * w for count, w in zip(ct.shape, window, strict=True))
    whole = reshape(expand(reshape(ct, shape=pairs), shape=grown), shape=covered)
    # Elements after the last window get nothing; where the padding is longer than they are, windows reach beyond them.
    rest = [n + before - c for n, before, c in zip(shape, lows, covered, strict=True)]
    beyond = [r if isinstance(r, int) and r < 0 else 0 for r in rest]
    cut = part(
        whole,
        start=tuple(max(before, 0) for before in lows),
        stop=tuple(c + b for c, b in zip(covered, beyond, strict=True)),
        step=(1,) * rank,
    )
    low = tuple(max(-before, 0) for before in lows)
    high = tuple(r - b for r, b in zip(rest, beyond, strict=True))
    return pad(cut, low=low, high=high, interior=(0,) * rank, value=0)


MANY = 16  # elements of a window from which a pass along each axis costs less than one over all of them


def large(window: Shape) -> bool:
    """Whether a window has many elements."""
    sizes: Any = window
    return all(isinstance(n, int) for n in sizes) and prod(sizes) > MANY


def along_each(
    ct: Value, x: Value, axes: Sequence[int], window: Shape, stride: Steps, padding: Padding, dilation: Steps
) -> Value:
    """The cotangent of a sum axis by axis, the last one first: a window is a product of intervals."""
    ones, none, rank = (1,) * x.type.ndim, ((0, 0),) * x.type.ndim, x.type.ndim
    for axis in reversed(axes):

        def only(given: Sequence[Any], usual: Sequence[Any], axis: int = axis) -> tuple[Any, ...]:
            return tuple(given[i] if i == axis else usual[i] for i in range(rank))

        before = full(x.type.with_shape(only(x.shape, ct.shape)), 0)
        (ct,) = reduce_window_vjp(
            ct,
            ct,
            before,
            reduction="sum",
            window=only(window, ones),
            stride=only(stride, ones),
            padding=only(padding, none),
            dilation=only(dilation, ones),
        )
    return ct


def reduce_window_jvp(
    tangents: Sequence[Value | None], out: Value, x: Value, *, reduction: str, **windows: Any
) -> Value | None:
    (moving,) = tangents
    if moving is None:
        return None
    if reduction == "sum":
        return reduce_window(moving, reduction="sum", **windows)
    return window_gather(x, moving, reduction=reduction, **windows)


def batched(name: str) -> Callable[..., Value]:
    """The batch rule: windows of one element along the batch axis."""

    def rule(
        size: Size, *xs: Value, reduction: str, window: Shape, stride: Steps, padding: Padding, dilation: Steps
    ) -> Value:
        return TABLE[name](
            *xs,
            reduction=reduction,
            window=(1, *window),
            stride=(1, *stride),
            padding=((0, 0), *padding),
            dilation=(1, *dilation),
        )

    return rule


# ---- rows


def windows_of(rank: int, **given: Any) -> dict[str, Any]:
    """Sample attributes: one-element windows except where given."""
    ones = (1,) * rank
    return {"window": ones, "stride": ones, "padding": ((0, 0),) * rank, "dilation": ones} | given


WINDOWS = (
    ((2, 5), windows_of(2, window=(1, 2), stride=(1, 2))),
    ((3, 4), windows_of(2, window=(2, 3), padding=((1, 0), (1, 2)))),
    ((2, 6), windows_of(2, window=(1, 2), dilation=(1, 3), stride=(1, 2))),
    ((2, 1, 4, 3), windows_of(4, window=(1, 1, 3, 2), stride=(1, 1, 2, 1), padding=((0, 0), (0, 0), (1, 1), (0, 1)))),
    ((5,), windows_of(1, window=(2,), padding=((-1, -1),))),
    ((0, 3), windows_of(2, window=(1, 2))),
    ((), windows_of(0)),
)
# The first window holds padding alone, whose maximum has no derivative.
PADDED = ((3,), windows_of(1, window=(1,), padding=((2, 1),), stride=(2,)))


def counted(shape: Sequence[int], attrs: dict[str, Any]) -> tuple[int, ...]:
    padded = [n + low + high for n, (low, high) in zip(shape, attrs["padding"], strict=True)]
    return window_counts(padded, attrs["window"], attrs["stride"], attrs["dilation"])


def linear_in_second(name: str) -> Callable[..., Value | None]:
    """The jvp with respect to the second operand; the first only chooses positions."""

    def rule(tangents: Sequence[Value | None], out: Value, x: Value, moved: Value, **attrs: Any) -> Value | None:
        return None if tangents[1] is None else TABLE[name](x, tangents[1], **attrs)

    return rule


reduce_window: Op = register(
    Op(
        name="reduce_window",
        kind="window",
        infer=reduce_window_type,
        eval=reduce_window_eval,
        vjp=float_vjp(reduce_window_vjp),
        jvp=reduce_window_jvp,
        batch=batched("reduce_window"),
        dtypes=NUMBERS,
        samples=tuple(
            Sample((Arg(shape, distinct=True),), {"reduction": reduction, **attrs})
            for reduction in REDUCTIONS
            for shape, attrs in (*WINDOWS, *((PADDED,) if reduction == "sum" else ()))
        ),
        doc="sum, max or min over windows of `window` elements, `dilation` apart, every `stride` elements, of x padded "
        "by (low, high) per axis (cropped where negative). Padding is the reduction's identity; half sums in float32.",
    )
)

window_gather: Op = register(
    Op(
        name="window_gather",
        kind="window",
        infer=window_gather_type,
        eval=window_gather_eval,
        vjp=lambda ct, out, x, t, **attrs: (None, window_scatter(x, ct, **attrs)),
        jvp=linear_in_second("window_gather"),
        batch=batched("window_gather"),
        dtypes=NUMBERS,
        samples=tuple(
            Sample((Arg(shape, "float32", distinct=True), Arg(shape)), {"reduction": reduction, **attrs})
            for reduction in ("max", "min")
            for shape, attrs in (*WINDOWS, PADDED)
        ),
        doc="For each window the element of t where x has the window's first maximum (minimum); 0 where the window "
        "holds padding alone. t of counters gives the positions.",
    )
)

window_scatter: Op = register(
    Op(
        name="window_scatter",
        kind="window",
        infer=window_scatter_type,
        eval=window_scatter_eval,
        vjp=lambda ct, out, x, updates, **attrs: (None, window_gather(x, ct, **attrs)),
        jvp=linear_in_second("window_scatter"),
        batch=batched("window_scatter"),
        dtypes=NUMBERS,
        samples=tuple(
            Sample(
                (Arg(shape, "float32", distinct=True), Arg(counted(shape, attrs))), {"reduction": reduction, **attrs}
            )
            for reduction in ("max", "min")
            for shape, attrs in (*WINDOWS, PADDED)
        ),
        doc="Zeros of x's shape, plus each update where x has its window's first maximum (minimum); the transpose of "
        "window_gather.",
    )
)
