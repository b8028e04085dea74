"""Images in other sizes: interpolation between elements, and the moves between pixels and channels.

Positions and weights depend on sizes alone and are computed with NumPy, in the precision that PyTorch computes them in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ingot.compiler.ops import index as index_rows
from ingot.compiler.ops import reduce as reduce_rows
from ingot.creation import tensor as constant
from ingot.functional.adaptive_pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from ingot.functional.arithmetic import add, mul
from ingot.functional.convolution import described
from ingot.functional.joining import cat, stack
from ingot.functional.pooling import widened
from ingot.functional.shaping import expand, permute, reshape, sliced, transpose, unsqueeze
from ingot.gate import apply
from ingot.promote import cast_to
from ingot.runtime import dtypes
from ingot.runtime.errors import ShapeError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

Array = np.ndarray[Any, Any]
# How many sizes each mode of that name is for.
RANKS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3, "lanczos": 2}
NEAREST = ("nearest", "nearest-exact")
# The elements on each side that a filter with antialiasing takes into account.
SUPPORT = {"bilinear": 1, "bicubic": 2, "lanczos": 3}


class Taps(NamedTuple):
    """What results along one axis read: element places[i][j] counts weights[i][j] for result j."""

    places: Array
    weights: Array


def _refuse(condition: bool, text: str, kind: type[ShapeError] | type[SpecError] = SpecError) -> None:
    if condition:
        raise kind("IG300", text, where=user_line())


# ---- interpolation


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """[n, c, ...] with the sizes `size`, or those times `scale_factor` rounded down.

    `mode`: nearest, nearest-exact, linear (3 dimensions), bilinear, bicubic (4), trilinear (5) or area;
    with `antialias`, bilinear, bicubic and lanczos filters widen where images shrink. `align_corners`: the corners'
    centres stay in place, instead of the corners. `recompute_scale_factor`: positions follow from the rounded sizes.
    Raises SpecError (IG300), and ShapeError for dimensions that the mode is not for.
    """
    shape: Any = input._layout.shape
    spatial = shape[2:]
    _refuse(not 3 <= len(shape) <= 5, f"interpolate expects 3 to 5 dimensions, got {described(input)}", ShapeError)
    fixed = all(isinstance(n, int) for n in shape[1:])
    _refuse(not fixed, f"interpolate of {described(input)} needs sizes of images that are known numbers", ShapeError)
    known = mode in RANKS or mode in (*NEAREST, "area")
    _refuse(not known, f"interpolate has no mode {mode!r}", ShapeError)
    _refuse(
        RANKS.get(mode, len(spatial)) != len(spatial),
        f"mode {mode!r} is for {RANKS.get(mode, 0) + 2} dimensions, got {described(input)}",
        ShapeError,
    )
    _refuse(
        align_corners is not None and mode not in ("linear", "bilinear", "bicubic", "trilinear"),
        "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear",
    )
    _refuse(
        antialias and mode not in SUPPORT,
        f"antialias is for the modes bilinear, bicubic and lanczos, not {mode!r}",
    )
    _refuse(mode == "lanczos" and not antialias, "mode 'lanczos' needs antialias=True")
    sizes, factors = _sizes(spatial, size, scale_factor, recompute_scale_factor)
    _refuse(
        any(n < 1 for n in (*sizes, *spatial, shape[1])),
        f"input and output sizes should be greater than 0, got input {described(input)} and output {list(sizes)}",
        ShapeError,
    )
    if mode == "area":
        pool = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[len(sizes) - 1]
        return pool(input, sizes)
    if mode in NEAREST:
        return _nearest(input, sizes, factors, mode == "nearest-exact")
    dtype = input._layout.dtype
    _refuse(not dtype.is_floating_point, f"interpolate in mode {mode!r} is not defined for {dtype}", ShapeError)
    x, precision = widened(input), np.float64 if dtype is dtypes.float64 else np.float32
    for d, (target, factor) in enumerate(zip(sizes, factors, strict=True)):
        scale = _scale(spatial[d], target, factor, bool(align_corners), precision)
        x = _resampled(x, 2 + d, mode, target, scale, bool(align_corners), antialias)
    return _apart(cast_to(x, dtype), input)


def _sizes(
    spatial: Sequence[int], size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The output sizes, and the factors that positions follow from (None: from the sizes)."""
    rank = len(spatial)
    _refuse(size is None and scale_factor is None, "either size or scale_factor should be defined")
    _refuse(size is not None and scale_factor is not None, "only one of size or scale_factor should be defined")
    name, given = ("size", size) if size is not None else ("scale_factor", scale_factor)
    values = tuple(given) if isinstance(given, (tuple, list)) else (given,) * rank
    _refuse(len(values) != rank, f"{name} must have {rank} numbers for {rank} dimensions of images, got {given!r}")
    if size is not None:
        _refuse(bool(recompute), "recompute_scale_factor is not meaningful with an explicit size.")
        return tuple([n if isinstance(n, int) else n.__index__() for n in values]), (None,) * rank
    sizes = tuple([math.floor(float(n) * float(s)) for n, s in zip(spatial, values, strict=True)])
    return sizes, (None,) * rank if recompute else tuple([float(s) for s in values])


def _scale(size: int, target: int, factor: float | None, align_corners: bool, precision: Any) -> Any:
    """How far apart the positions of neighbouring results are."""
    if align_corners:
        return precision(size - 1) / precision(target - 1) if target > 1 else precision(0)
    if factor is not None and factor > 0:
        return precision(1.0 / factor)
    return precision(size) / precision(target)


def _nearest(x: Tensor, sizes: Sequence[int], factors: Sequence[float | None], exact: bool) -> Tensor:
    given = x
    for d, (target, factor) in enumerate(zip(sizes, factors, strict=True)):
        size: Any = x._layout.shape[2 + d]
        scale = _scale(size, target, factor, False, np.float32)
        shift = np.float32(0.5 if exact else 0.0)
        places = np.floor((np.arange(target, dtype=np.float32) + shift) * scale)
        x = _read(x, 2 + d, np.minimum(places.astype(np.int64), size - 1))
    return _apart(x, given)


def _apart(result: Tensor, input: Tensor) -> Tensor:
    """The result in memory of its own."""
    return result.clone() if result._storage is input._storage else result


def _resampled(
    x: Tensor, axis: int, mode: str, target: int, scale: Any, align_corners: bool, antialias: bool
) -> Tensor:
    size: Any = x._layout.shape[axis]
    if antialias:
        taps = _filter_taps(size, target, float(scale), mode)
        return x if size == target and taps is None else _summed(x, axis, taps)
    if mode == "bicubic":
        return _combined(x, axis, _cubic_taps(size, target, scale, align_corners))
    if size == target:
        return x
    if not align_corners and target % size == 0 and scale == type(scale)(size) / type(scale)(target):
        return _enlarged(x, axis, target // size)
    return _combined(x, axis, _linear_taps(size, target, scale, align_corners))


def _positions(target: int, scale: Any, align_corners: bool) -> Array:
    at: Array = np.arange(target, dtype=type(scale))
    if not align_corners:
        at = at + type(scale)(0.5)
    at = at * scale
    return at if align_corners else at - type(scale)(0.5)


def _linear_taps(size: int, target: int, scale: Any, align_corners: bool) -> Taps:
    at = np.maximum(_positions(target, scale, align_corners), type(scale)(0))
    first = np.minimum(at.astype(np.int64), size - 1)
    share = np.clip(at - first.astype(at.dtype), 0, 1).astype(at.dtype)
    return Taps(np.stack([first, np.minimum(first + 1, size - 1)]), np.stack([1 - share, share]))


def _cubic_taps(size: int, target: int, scale: Any, align_corners: bool) -> Taps:
    """Keys 1981, with a = -0.75."""
    at = _positions(target, scale, align_corners)
    first = np.minimum(np.floor(at).astype(np.int64), size - 1)
    t = np.clip(at - first.astype(at.dtype), 0, 1).astype(at.dtype)
    places = np.clip(np.stack([first + i for i in range(-1, 3)]), 0, size - 1)
    return Taps(places, np.stack(cubic_weights(t)).astype(at.dtype))


def cubic_weights(t: Any, a: float = -0.75) -> list[Any]:
    """The weights of the elements at -1, 0, 1 and 2 for a position t in [0, 1]. Keys 1981."""

    def near(x: Any) -> Any:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Any) -> Any:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _filter_taps(size: int, target: int, scale: float, mode: str) -> Taps:
    """A filter as wide as the distance of results, where they are further apart than elements; weights sum to 1."""
    reach = SUPPORT[mode] * max(scale, 1.0)
    centres = scale * (np.arange(target) + 0.5)
    starts = np.maximum((centres - reach + 0.5).astype(np.int64), 0)
    stops = np.minimum((centres + reach + 0.5).astype(np.int64), size)
    offsets = np.arange(max(int((stops - starts).max()), 1))[:, None]
    places = starts + offsets
    x = np.abs((places - centres + 0.5) / max(scale, 1.0))
    weights = np.where(places < stops, _FILTERS[mode](x), 0.0)
    weights /= weights.sum(0)
    return Taps(np.minimum(places, size - 1), weights)


def _cubic_filter(x: Array, a: float = -0.5) -> Array:
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


_FILTERS: dict[str, Callable[[Array], Array]] = {
    "bilinear": lambda x: np.maximum(1 - x, 0.0),
    "bicubic": _cubic_filter,
    "lanczos": lambda x: np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0.0),
}


# ---- reading along an axis


def _read(x: Tensor, axis: int, places: Array) -> Tensor:
    """The elements at these places: as a view where they lie evenly apart or repeat evenly."""
    size: Any = x._layout.shape[axis]
    count = len(places)
    if count == 1:
        return sliced(x, axis, int(places[0]), int(places[0]) + 1, 1)
    steps = np.unique(np.diff(places))
    if len(steps) == 1 and steps[0] > 0:
        return sliced(x, axis, int(places[0]), int(places[-1]) + 1, int(steps[0]))
    if count % size == 0 and np.array_equal(places, np.repeat(np.arange(size), count // size)):
        shape = x._layout.shape
        grown = expand(unsqueeze(x, axis + 1), (*shape[: axis + 1], count // size, *shape[axis + 1 :]))
        return reshape(grown, (*shape[:axis], count, *shape[axis + 1 :]))
    return apply(index_rows.take, x, constant(places), axis=axis)


def _along(weights: Array, x: Tensor, axis: int) -> Tensor:
    """Weights as a tensor that broadcasts along one axis of x."""
    dtype = x._layout.dtype
    return constant(weights.astype(dtype.numpy)).view((-1, *(1,) * (x._layout.ndim - axis - 1)))


def _combined(x: Tensor, axis: int, taps: Taps) -> Tensor:
    """The weighted sum of a few elements for every result."""
    total: Tensor | None = None
    for places, weights in zip(taps.places, taps.weights, strict=True):
        if not weights.any():
            continue
        part = _read(x, axis, places)
        same = (weights == weights[0]).all()
        if not same or weights[0] != 1:
            part = mul(part, float(weights[0]) if same else _along(weights, x, axis))
        total = part if total is None else add(total, part)
    assert total is not None, "weights sum to 1"
    return total


def _summed(x: Tensor, axis: int, taps: Taps) -> Tensor:
    """The weighted sum of many elements for every result."""
    many = apply(index_rows.take, x, constant(np.ascontiguousarray(taps.places.T)), axis=axis)
    weights = constant(np.ascontiguousarray(taps.weights.T).astype(x._layout.dtype.numpy))
    weighted = mul(many, weights.view((*weights._layout.shape, *(1,) * (x._layout.ndim - axis - 1))))
    return apply(reduce_rows.sum, weighted, axes=(axis + 1,))


def _enlarged(x: Tensor, axis: int, factor: int) -> Tensor:
    """Linear interpolation to a multiple of the size: result i * factor + p reads two neighbours, weighted by p alone.

    Beyond its ends the input goes on with its last element, which is where positions are limited to.
    """
    size: Any = x._layout.shape[axis]
    first, last = sliced(x, axis, 0, 1, 1), sliced(x, axis, size - 1, size, 1)
    wider = cat([first, x, last], axis)
    parts = []
    for phase in range(factor):
        at = (phase + 0.5) / factor - 0.5
        before = math.floor(at)
        share = at - before
        left = sliced(wider, axis, 1 + before, 1 + before + size, 1)
        right = sliced(wider, axis, 2 + before, 2 + before + size, 1)
        parts.append(add(mul(left, 1 - share), mul(right, share)) if share else left)
    shape = x._layout.shape
    return reshape(stack(parts, axis + 1), (*shape[:axis], size * factor, *shape[axis + 1 :]))


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """`interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` in mode nearest."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` in mode bilinear, with the corners aligned."""
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)


# ---- pixels and channels


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """[n, g * c, ...] with channels i of all groups together. Zhang et al. 2018. Raises ShapeError (IG300)."""
    shape = input._layout.shape
    if len(shape) < 3:
        raise ShapeError(
            "IG300", f"channel_shuffle expects at least 3 dimensions, got {described(input)}", where=user_line()
        )
    if groups < 1 or shape[1] % groups:
        raise ShapeError(
            "IG300",
            f"channel_shuffle: the channels must be a multiple of {groups} groups, got {described(input)}",
            where=user_line(),
        )
    split = reshape(input, (shape[0], groups, shape[1] // groups, *shape[2:]))
    return reshape(transpose(split, 1, 2), shape)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """[..., c * r^2, h, w] to [..., c, h * r, w * r]. Shi et al. 2016. Raises ShapeError (IG300)."""
    shape, r = input._layout.shape, upscale_factor
    if len(shape) < 3 or r < 1 or shape[-3] % (r * r):
        raise ShapeError(
            "IG300",
            f"pixel_shuffle expects [..., c * {r}^2, h, w], got {described(input)}",
            where=user_line(),
        )
    *lead, channels, height, width = shape
    rank = len(lead)
    split = reshape(input, (*lead, channels // (r * r), r, r, height, width))
    turned = permute(split, (*range(rank + 1), rank + 3, rank + 1, rank + 4, rank + 2))
    return reshape(turned, (*lead, channels // (r * r), height * r, width * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """[..., c, h * r, w * r] to [..., c * r^2, h, w]. Raises ShapeError (IG300)."""
    shape, r = input._layout.shape, downscale_factor
    if len(shape) < 3 or r < 1 or shape[-2] % r or shape[-1] % r:
        raise ShapeError(
            "IG300",
            f"pixel_unshuffle expects [..., h * {r}, w * {r}], got {described(input)}",
            where=user_line(),
        )
    *lead, channels, height, width = shape
    rank = len(lead)
    split = reshape(input, (*lead, channels, height // r, r, width // r, r))
    turned = permute(split, (*range(rank + 1), rank + 2, rank + 4, rank + 1, rank + 3))
    return reshape(turned, (*lead, channels * r * r, height // r, width // r))
