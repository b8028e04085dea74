"""Images read at positions that tensors give: grid_sample, and the grids of affine maps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.creation import evenly_apart
from ingot.creation import tensor as constant
from ingot.functional.arithmetic import add, ge, le, mul, sub, where
from ingot.functional.convolution import described
from ingot.functional.gathering import gather
from ingot.functional.linalg import matmul
from ingot.functional.resampling import cubic_weights
from ingot.functional.shaping import expand, reshape, unsqueeze
from ingot.functional.unary import clamp, floor
from ingot.functional.unary import round as rounded
from ingot.modes import modes
from ingot.promote import cast_to, splat
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import ShapeError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

MODES = ("bilinear", "nearest", "bicubic")
PADDING_MODES = ("zeros", "border", "reflection")


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """[n, c, h, w] read at the positions grid [n, rows, columns, 2] of (x, y) in [-1, 1]; or volumes at [..., 3].

    `mode`: bilinear, nearest or (images only) bicubic. `padding_mode` is about positions outside: zeros, border or
    reflection. `align_corners`: -1 and 1 are the centres of the first and last elements, instead of their outer edges.
    Raises SpecError (IG217) and ShapeError (IG300). Jaderberg et al. 2015.
    """
    if mode not in MODES:
        raise SpecError("IG217", f"grid_sample: mode is one of {MODES}, not {mode!r}", where=user_line())
    if padding_mode not in PADDING_MODES:
        raise SpecError(
            "IG217", f"grid_sample: padding_mode is one of {PADDING_MODES}, not {padding_mode!r}", where=user_line()
        )
    shape, places = input._layout.shape, grid._layout.shape
    rank = len(shape) - 2
    fits = rank in (2, 3) and len(places) == len(shape) and places[-1] == rank and places[0] == shape[0]
    if not fits or 0 in shape[1:] or (mode == "bicubic" and rank == 3):
        raise ShapeError(
            "IG300",
            f"grid_sample in mode {mode!r} takes images [n, c, h, w] and a grid [n, rows, columns, 2], or (not "
            "bicubic) volumes and a grid [..., 3]",
            where=user_line(),
            detail=[f"input {described(input)}, grid {described(grid)}"],
        )
    if input._layout.dtype is not grid._layout.dtype:
        raise ShapeError(
            "IG227",
            f"grid_sample: input and grid must have one dtype, got {input._layout.dtype} and {grid._layout.dtype}",
            where=user_line(),
        )
    sizes: Any = shape[2:]
    # The grid's last coordinate belongs to the outermost axis.
    at = [_unnormalized(grid.select(-1, rank - 1 - d), n, bool(align_corners)) for d, n in enumerate(sizes)]
    if mode == "bicubic":
        return _bicubic(input, at, padding_mode, bool(align_corners))
    at = [_inside(x, n, padding_mode, bool(align_corners)) for x, n in zip(at, sizes, strict=True)]
    if mode == "nearest":
        return _elements(input, [rounded(x.detach()) for x in at])
    low = [floor(x.detach()) for x in at]
    shares = [sub(x, f) for x, f in zip(at, low, strict=True)]
    total: Tensor | None = None
    for corner in product((0, 1), repeat=rank):
        weight: Tensor | None = None
        for side, share in zip(corner, shares, strict=True):
            factor = share if side else sub(1, share)
            weight = factor if weight is None else mul(weight, factor)
        assert weight is not None
        found = _elements(input, [add(f, side) if side else f for f, side in zip(low, corner, strict=True)])
        part = mul(found, unsqueeze(weight, 1))
        total = part if total is None else add(total, part)
    assert total is not None
    return total


def _unnormalized(x: Tensor, size: int, align_corners: bool) -> Tensor:
    """A coordinate in [-1, 1] as a position among the elements."""
    if align_corners:
        return mul(add(x, 1), (size - 1) / 2)
    moved = add(x, 1)
    if modes.trace is None and x._layout.dtype is dtypes.float32:
        # As compiled code and PyTorch do, which multiply and subtract with one rounding.
        return cast_to(mul(sub(mul(cast_to(moved, dtypes.float64), size), 1), 0.5), dtypes.float32)
    return mul(sub(mul(moved, size), 1), 0.5)


def _inside(x: Tensor, size: int, padding_mode: str, align_corners: bool) -> Tensor:
    """The position that is read instead of one outside."""
    if padding_mode == "zeros":
        return x
    if padding_mode == "reflection":
        low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
        x = _reflected(x, low, high)
    return clamp(x, 0, size - 1)


def _reflected(x: Tensor, low: float, high: float) -> Tensor:
    """The position mirrored at both ends until it lies between them."""
    span = high - low
    if span == 0:
        return mul(x, 0)
    distance = sub(x, low).abs()
    turns = floor(distance.detach() * (1 / span))
    rest = sub(distance, mul(turns, span))
    even = sub(turns, mul(floor(turns * 0.5), 2)) == 0
    return where(even, add(rest, low), sub(high, rest))


def _elements(input: Tensor, at: Sequence[Tensor]) -> Tensor:
    """The elements at whole positions (one tensor per axis of images); 0 outside."""
    shape: Any = input._layout.shape
    places: Any = at[0]._layout.shape
    flat: Tensor | None = None
    inside: Tensor | None = None
    for x, size in zip(at, shape[2:], strict=True):
        here = ge(x, 0) & le(x, size - 1)
        inside = here if inside is None else inside & here
        # Positions may be huge or NaN; as indices they are limited first.
        index = where(here, x, splat(0, x._layout.dtype, places)).long()
        flat = index if flat is None else add(mul(flat, size), index)
    assert flat is not None and inside is not None
    count = int(np.prod(places[1:]))
    lanes = (shape[0], shape[1], count)
    found = gather(reshape(input, (shape[0], shape[1], -1)), 2, expand(reshape(flat, (shape[0], 1, count)), lanes))
    result = reshape(found, (shape[0], shape[1], *places[1:]))
    return where(unsqueeze(inside, 1), result, splat(0, result._layout.dtype))


def _bicubic(input: Tensor, at: Sequence[Tensor], padding_mode: str, align_corners: bool) -> Tensor:
    """Keys 1981, with a = -0.75; each of the 16 elements may lie outside."""
    sizes: Any = input._layout.shape[2:]
    low = [floor(x.detach()) for x in at]
    weights = [cubic_weights(sub(x, f)) for x, f in zip(at, low, strict=True)]
    columns = [_tap(low[1], i, sizes[1], padding_mode, align_corners) for i in range(4)]
    total: Tensor | None = None
    for i in range(4):
        row = _tap(low[0], i, sizes[0], padding_mode, align_corners)
        for j, column in enumerate(columns):
            part = mul(_elements(input, [row, column]), unsqueeze(mul(weights[0][i], weights[1][j]), 1))
            total = part if total is None else add(total, part)
    assert total is not None
    return total


def _tap(low: Tensor, number: int, size: int, padding_mode: str, align_corners: bool) -> Tensor:
    return rounded(_inside(add(low, number - 1), size, padding_mode, align_corners))


def _positions(size: int, dtype: DType, align_corners: bool) -> np.ndarray[Any, Any]:
    """Where the elements of an axis are, from -1 to 1. Rounded as PyTorch does: the identity map, with which spatial
    transformers begin, samples at the elements, where the derivative depends on the last bit."""
    if size == 1:
        return np.zeros(1, dtype.numpy)
    positions = evenly_apart(-1, 1, size, dtype)
    if align_corners:
        return positions
    kind = dtype.numpy.type
    scaled: np.ndarray[Any, Any] = positions * kind(size - 1) / kind(size)
    return scaled


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid for `grid_sample` of affine maps theta [n, 2, 3] for images of `size` [n, c, h, w]; or [n, 3, 4].

    Raises SpecError and ShapeError (IG300).
    """
    shape = theta._layout.shape
    rank = len(size) - 2
    if not theta._layout.dtype.is_floating_point:
        raise SpecError(
            "IG300", f"affine_grid expects theta of a floating dtype, got {theta._layout.dtype}", where=user_line()
        )
    if rank not in (2, 3) or any(n < 1 for n in size):
        raise SpecError(
            "IG300", f"affine_grid: size must have 4 or 5 positive numbers, got {tuple(size)}", where=user_line()
        )
    if len(shape) != 3 or shape[1:] != (rank, rank + 1) or shape[0] != size[0]:
        expected = f"[{size[0]}, {rank}, {rank + 1}]"
        kind = SpecError if len(shape) != 3 or shape[1:] != (rank, rank + 1) else ShapeError
        raise kind(
            "IG300", f"affine_grid: expected theta of shape {expected}, got {described(theta)}", where=user_line()
        )
    dtype = theta._layout.dtype.numpy
    axes = [_positions(n, theta._layout.dtype, bool(align_corners)) for n in size[2:]]
    grids = np.meshgrid(*axes, indexing="ij")
    base = np.stack([*grids[::-1], np.ones(grids[0].shape)], -1).reshape(-1, rank + 1)
    result = matmul(constant(base.astype(dtype)), theta.transpose(1, 2))
    return reshape(result, (size[0], *size[2:], rank))
