"""Adaptive pooling: an image is cut into a given number of parts, of which each gives its mean or maximum."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.compiler.dims import product
from ingot.compiler.ops import elementwise
from ingot.compiler.ops import index as index_rows
from ingot.compiler.ops import reduce as reduce_rows
from ingot.compiler.ops import window as window_rows
from ingot.creation import tensor as constant
from ingot.functional.arithmetic import div
from ingot.functional.convolution import Steps, described, positive
from ingot.functional.pooling import Windows, image_batch, maxima, widened
from ingot.functional.reductions import mean
from ingot.functional.shaping import expand, permute, reshape, squeeze, unsqueeze
from ingot.gate import apply
from ingot.promote import cast_to, expand_to, splat
from ingot.runtime.errors import ShapeError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

Array = np.ndarray[Any, Any]


def _targets(name: str, x: Tensor, rank: int, output_size: Any) -> Steps:
    """The output sizes; None keeps the input's. Raises ShapeError (IG300)."""
    sizes = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * rank
    if len(sizes) != rank:
        raise ShapeError("IG300", f"{name}: output_size must have {rank} sizes, got {output_size!r}", where=user_line())
    spatial: Any = x._layout.shape[2:]
    return positive(tuple([n if m is None else m for n, m in zip(spatial, sizes, strict=True)]), "output_size", 0)


def _spans(size: int, target: int) -> list[tuple[int, int]]:
    """The elements that each of `target` parts takes: from floor(i n / m) to ceil((i + 1) n / m)."""
    return [(i * size // target, -(-(i + 1) * size // target)) for i in range(target)]


def _regular(spans: list[tuple[int, int]]) -> tuple[int, int] | None:
    """(length, step) of spans that all have one length and lie evenly apart."""
    if not spans:
        return None
    lengths = {stop - start for start, stop in spans}
    steps = {b[0] - a[0] for a, b in pairwise(spans)} or {1}
    # More parts than elements lie at one place.
    return (lengths.pop(), steps.pop()) if len(lengths) == len(steps) == 1 and 0 not in steps else None


def _regular_windows(x: Tensor, spans: Sequence[list[tuple[int, int]]]) -> Windows | None:
    """The spans of all axes as windows of one size, where they are."""
    found = [_regular(s) for s in spans]
    if any(f is None for f in found):
        return None
    ends = [
        (0, s[-1][1] - n) for s, n in zip(spans, x._layout.shape[2:], strict=True)
    ]  # what no window reads is cropped
    return {
        "window": (1, 1, *[f[0] for f in found if f]),
        "stride": (1, 1, *[f[1] for f in found if f]),
        "padding": ((0, 0), (0, 0), *ends),
        "dilation": (1,) * x._layout.ndim,
    }


def _taken(x: Tensor, axis: int, spans: list[tuple[int, int]]) -> tuple[Tensor, Any]:
    """The elements of each span along two axes in place of one, and their places: short spans repeat their last."""
    longest = max((stop - start for start, stop in spans), default=1)
    places = np.array([[min(start + i, stop - 1) for i in range(longest)] for start, stop in spans], np.int64)
    places = places.reshape(len(spans), longest)
    return apply(index_rows.take, x, constant(places), axis=axis), places


def _known(name: str, x: Tensor) -> None:
    if not all(isinstance(n, int) for n in x._layout.shape[2:]):
        raise ShapeError(
            "IG300", f"{name} of {described(x)} needs sizes of images that are known numbers", where=user_line()
        )


def _adaptive_avg(name: str, rank: int, input: Tensor, output_size: Any) -> Tensor:
    x, many = image_batch(input, rank, name)
    sizes = _targets(name, x, rank, output_size)
    dtype = x._layout.dtype
    if not dtype.is_floating_point:
        raise ShapeError("IG300", f"{name} is not defined for {dtype}", where=user_line(), fix="input.float()")
    if all(n == 1 for n in sizes):
        result = mean(x, tuple(range(2, rank + 2)), True)
        return result if many else squeeze(result, 0)
    _known(name, x)
    spatial: Any = x._layout.shape[2:]
    spans = [_spans(n, m) for n, m in zip(spatial, sizes, strict=True)]
    windows = _regular_windows(x, spans)
    total = widened(x)
    if windows is not None:
        total = apply(window_rows.reduce_window, total, reduction="sum", **windows)
        result = cast_to(div(total, product(windows["window"])), dtype)
        return result if many else squeeze(result, 0)
    for d, parts in enumerate(spans):
        total = _span_means(total, 2 + d, parts)
    result = cast_to(total, dtype)
    return result if many else squeeze(result, 0)


def _span_means(x: Tensor, axis: int, spans: list[tuple[int, int]]) -> Tensor:
    """The means over the spans of one axis."""
    taken, places = _taken(x, axis, spans)
    starts = np.array([start for start, _ in spans]).reshape(-1, 1)
    stops = np.array([stop for _, stop in spans]).reshape(-1, 1)
    inside = starts + np.arange(places.shape[1]) < stops
    kept = constant(inside).view((*inside.shape, *(1,) * (x._layout.ndim - axis - 1)))
    shape = taken._layout.shape
    part = apply(elementwise.select, expand_to(kept, shape), taken, splat(0, taken._layout.dtype, shape))
    counts = constant((stops - starts).astype(taken._layout.dtype.numpy))
    total = apply(reduce_rows.sum, part, axes=(axis + 1,))
    return div(total, counts.view((-1, *(1,) * (x._layout.ndim - axis - 1))))


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The means of `output_size` equal parts of [n, c, l] or [c, l]. Raises ShapeError (IG300)."""
    return _adaptive_avg("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The means of parts of [n, c, h, w] or [c, h, w]; a size None keeps the input's. Raises ShapeError (IG300)."""
    return _adaptive_avg("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """The means of parts of [n, c, d, h, w] or [c, d, h, w]; a size None keeps the input's."""
    return _adaptive_avg("adaptive_avg_pool3d", 3, input, output_size)


def _adaptive_max(name: str, rank: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    x, many = image_batch(input, rank, name)
    sizes = _targets(name, x, rank, output_size)
    _known(name, x)
    spatial: Any = x._layout.shape[2:]
    spans = [_spans(n, m) for n, m in zip(spatial, sizes, strict=True)]
    windows = _regular_windows(x, spans)
    if windows is not None:
        return maxima(x, many, rank, windows, return_indices)
    taken, along = x, []
    for d, parts in enumerate(spans):
        # The axis of the parts is followed by that inside of a part.
        taken, places = _taken(taken, 2 + 2 * d, parts)
        along.append(places)
    order = (*range(0, 2 * rank, 2), *range(1, 2 * rank, 2))
    apart = permute(taken, (0, 1, *[2 + i for i in order]))
    counts = apart._layout.shape[: 2 + rank]
    flat = reshape(apart, (*counts, product(apart._layout.shape[2 + rank :])))
    best = unsqueeze(apply(reduce_rows.argmax, flat, axis=2 + rank), -1)
    results = [squeeze(apply(index_rows.gather, flat, best, axis=2 + rank), -1)]
    if return_indices:
        numbered = expand(constant(_numbered(along, spatial))[None, None], flat._layout.shape)
        results.append(squeeze(apply(index_rows.gather, numbered, best, axis=2 + rank), -1))
    if not many:
        results = [squeeze(r, 0) for r in results]
    return (results[0], results[1]) if return_indices else results[0]


def _numbered(along: Sequence[Array], sizes: Sequence[int]) -> Array:
    """Of every part, and every element in it, the place in the image: [*parts, elements of a part]."""
    rank = len(along)
    total = np.zeros((1,) * 2 * rank, np.int64)
    for d, places in enumerate(along):
        shape = [places.shape[0] if i == d else places.shape[1] if i == rank + d else 1 for i in range(2 * rank)]
        total = total * sizes[d] + places.reshape(shape)
    return total.reshape(*(len(places) for places in along), -1)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of `output_size` equal parts of [n, c, l] or [c, l]; with their places if asked."""
    return _adaptive_max("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of parts of [n, c, h, w] or [c, h, w]; with their places if asked."""
    return _adaptive_max("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of parts of [n, c, d, h, w] or [c, d, h, w]; with their places if asked."""
    return _adaptive_max("adaptive_max_pool3d", 3, input, output_size, return_indices)


def adaptive_max_pool1d_with_indices(input: Tensor, output_size: Any, return_indices: bool = True) -> Any:
    """`adaptive_max_pool1d` with the places; PyTorch's `torch.adaptive_max_pool1d`."""
    return _adaptive_max("adaptive_max_pool1d", 1, input, output_size, True)


def adaptive_max_pool2d_with_indices(input: Tensor, output_size: Any, return_indices: bool = True) -> Any:
    """`adaptive_max_pool2d` with the places."""
    return _adaptive_max("adaptive_max_pool2d", 2, input, output_size, True)


def adaptive_max_pool3d_with_indices(input: Tensor, output_size: Any, return_indices: bool = True) -> Any:
    """`adaptive_max_pool3d` with the places."""
    return _adaptive_max("adaptive_max_pool3d", 3, input, output_size, True)
