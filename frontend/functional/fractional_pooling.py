"""Pooling over windows whose places are drawn at random. Graham 2014, "Fractional Max-Pooling"."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from ingot.compiler.ir import TensorType
from ingot.compiler.ops import reduce as reduce_rows
from ingot.compiler.ops import source
from ingot.functional.arithmetic import add, mul, sub
from ingot.functional.convolution import described, per_axis, positive
from ingot.functional.gathering import gather
from ingot.functional.joining import cat
from ingot.functional.pooling import image_batch
from ingot.functional.sampling import rand
from ingot.functional.shaping import expand, reshape, squeeze, unsqueeze
from ingot.gate import apply
from ingot.promote import splat
from ingot.runtime import dtypes
from ingot.runtime.errors import ShapeError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def _fractional(
    name: str,
    rank: int,
    input: Tensor,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    return_indices: bool,
    samples: Tensor | None,
) -> Any:
    x, many = image_batch(input, rank, name)
    kernel = positive(per_axis(kernel_size, rank, "kernel_size"), "kernel_size")
    shape: Any = x._layout.shape
    sizes = _sizes(name, shape[2:], output_size, output_ratio)
    if any(n < 1 or n + k - 1 > size for n, k, size in zip(sizes, kernel, shape[2:], strict=True)):
        raise ShapeError(
            "IG300",
            f"{name}: {list(sizes)} windows of {list(kernel)} elements do not fit the input {described(x)}",
            where=user_line(),
        )
    if samples is None:
        samples = rand(*shape[:2], rank, dtype=x._layout.dtype)
    if tuple(samples._layout.shape) != (*shape[:2], rank):
        raise ShapeError(
            "IG300",
            f"{name}: random samples must be [{shape[0]}, {shape[1]}, {rank}], got {described(samples)}",
            where=user_line(),
        )
    flat: Tensor | None = None
    for d in range(rank):
        # The last axis takes the first sample.
        starts = _starts(samples.select(2, rank - 1 - d), shape[2 + d], sizes[d], kernel[d])
        inside = apply(source.iota, type=TensorType(dtypes.int64, (kernel[d],)), axis=0)
        at = add(unsqueeze(starts, -1), inside)  # [n, c, windows, elements]
        place = [1] * (2 * rank)
        place[d], place[rank + d] = sizes[d], kernel[d]
        at = reshape(at, (*shape[:2], *place))
        flat = at if flat is None else add(mul(flat, shape[2 + d]), at)
    assert flat is not None
    places = reshape(expand(flat, (*shape[:2], *sizes, *kernel)), (*shape[:2], prod(sizes) * prod(kernel)))
    found = reshape(gather(reshape(x, (*shape[:2], -1)), 2, places), (*shape[:2], *sizes, prod(kernel)))
    best = unsqueeze(apply(reduce_rows.argmax, found, axis=2 + rank), -1)
    results = [squeeze(gather(found, -1, best), -1)]
    if return_indices:
        results.append(squeeze(gather(reshape(places, found._layout.shape), -1, best), -1))
    if not many:
        results = [squeeze(r, 0) for r in results]
    return (results[0], results[1]) if return_indices else results[0]


def _sizes(name: str, spatial: Any, output_size: Any, output_ratio: Any) -> tuple[int, ...]:
    """The numbers of windows. Raises SpecError (IG300) unless exactly one of the two is given and fits."""
    rank = len(spatial)
    if (output_size is None) == (output_ratio is None):
        raise SpecError(
            "IG300", f"{name} requires specifying either an output_size or an output_ratio", where=user_line()
        )
    if output_ratio is None:
        return per_axis(output_size, rank, "output_size")
    ratios = tuple(output_ratio) if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * rank
    if len(ratios) != rank or not all(0 < r < 1 for r in ratios):
        raise SpecError(
            "IG300", f"{name}: output_ratio must be between 0 and 1, got {output_ratio!r}", where=user_line()
        )
    return tuple([int(n * r) for n, r in zip(spatial, ratios, strict=True)])


def _starts(sample: Tensor, size: int, count: int, kernel: int) -> Tensor:
    """Where the windows of each channel start: [n, c, count]; the last one ends with the image."""
    shape: Any = sample._layout.shape
    last = splat(size - kernel, dtypes.int64, (*shape, 1))
    if count == 1:
        return last
    apart = (size - kernel) / (count - 1)
    u = unsqueeze(sample.detach(), -1)
    steps = apply(source.iota, type=TensorType(sample._layout.dtype, (count - 1,)), axis=0)
    first = mul(add(u, steps), apart).long()
    return cat([sub(first, mul(u, apart).long()), last], -1)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Maxima over `output_size` windows (or a ratio of the sizes) at random places of [n, c, h, w] or [c, h, w].

    Raises ShapeError and SpecError (IG300).
    """
    return _fractional(
        "fractional_max_pool2d",
        2,
        input,
        kernel_size,
        output_size,
        output_ratio,
        return_indices,
        _random_samples,
    )


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Maxima over `output_size` windows (or a ratio of the sizes) at random places of [n, c, d, h, w] or [c, d, h, w].

    Raises ShapeError and SpecError (IG300).
    """
    return _fractional(
        "fractional_max_pool3d",
        3,
        input,
        kernel_size,
        output_size,
        output_ratio,
        return_indices,
        _random_samples,
    )
