"""Elements put around a tensor: a constant, or taken from the tensor itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ingot.compiler.ops import view as view_rows
from ingot.functional.joining import cat, flip
from ingot.functional.shaping import expand, sliced
from ingot.gate import apply
from ingot.promote import check_number
from ingot.runtime.errors import DTypeError, ShapeError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

MODES = ("constant", "reflect", "replicate", "circular")


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Elements put around the tensor: `pad` lists (before, after) from the last dimension backwards; negative: crop.

    `mode`: "constant" (with `value`, 0 by default), or for the last one to three dimensions "reflect", "replicate" or
    "circular". Raises ShapeError (IG226) where the numbers do not fit the tensor.
    """
    if not hasattr(input, "_layout"):
        raise DTypeError("IG214", f"pad takes a tensor, not {type(input).__name__}", where=user_line())
    amounts = [n if isinstance(n, int) else n.__index__() for n in pad]
    rank = input._layout.ndim
    if len(amounts) % 2 or len(amounts) > 2 * rank:
        raise _unfit(input, amounts, mode, "two numbers are needed per padded dimension")
    if mode not in MODES:
        raise _unfit(input, amounts, mode, f"the modes are {', '.join(MODES)}")
    pairs = [(rank - 1 - i, amounts[2 * i], amounts[2 * i + 1]) for i in range(len(amounts) // 2)]
    if mode == "constant":
        return _constant(input, pairs, 0.0 if value is None else value, amounts)
    if value is not None and value != 0:
        raise ShapeError("IG226", f"pad: mode {mode!r} doesn't take in value argument", where=user_line())
    if not 1 <= len(pairs) <= 3 or rank - len(pairs) not in (1, 2):
        raise _unfit(input, amounts, mode, "only the dimensions after channels (and examples) are padded, all of them")
    x = input
    for axis, low, high in pairs:
        x = _from_itself(x, axis, low, high, mode, amounts)
    return x.clone() if x is input or x._view is not None else x


def _unfit(input: Tensor, amounts: list[int], mode: str, why: str) -> ShapeError:
    return ShapeError(
        "IG226",
        f"pad: {tuple(amounts)} with mode {mode!r} does not fit a tensor of shape {list(input._layout.shape)}: {why}",
        where=user_line(),
    )


def _cropped(x: Tensor, axis: int, low: int, high: int, amounts: list[int], mode: str) -> Tensor:
    """Without the elements that negative padding takes away."""
    if low >= 0 and high >= 0:
        return x
    size: Any = x._layout.shape[axis]
    start, stop = max(-low, 0), size - max(-high, 0)
    if isinstance(size, int) and start > stop:
        raise _unfit(x, amounts, mode, f"dimension {axis} would have a negative size")
    return sliced(x, axis, start, stop, 1)


def _constant(input: Tensor, pairs: list[tuple[int, int, int]], value: Any, amounts: list[int]) -> Tensor:
    x = input
    low, high = [0] * x._layout.ndim, [0] * x._layout.ndim
    for axis, before, after in pairs:
        x = _cropped(x, axis, before, after, amounts, "constant")
        low[axis], high[axis] = max(before, 0), max(after, 0)
    dtype = input._layout.dtype
    number = value if dtype.is_floating_point else bool(value) if dtype.kind == "b" else int(value)
    check_number(number, dtype)
    return apply(view_rows.pad, x, low=tuple(low), high=tuple(high), interior=(0,) * x._layout.ndim, value=number)


def _from_itself(x: Tensor, axis: int, low: int, high: int, mode: str, amounts: list[int]) -> Tensor:
    size: Any = x._layout.shape[axis]
    limit = size - 1 if mode == "reflect" else size
    if mode != "replicate" and isinstance(size, int) and max(low, high) > limit:
        raise _unfit(x, amounts, mode, f"dimension {axis} has {size} elements, of which {limit} can be repeated")
    if isinstance(size, int) and (size == 0 or size + low + high < 1):
        raise _unfit(x, amounts, mode, f"dimension {axis} would be empty")
    if mode == "circular":
        # What is put at one end may be cropped at the other.
        before, after = sliced(x, axis, size - max(low, 0), size, 1), sliced(x, axis, 0, max(high, 0), 1)
        x = _cropped(x, axis, low, high, amounts, mode)
        return _joined(before, x, after, axis)
    before_end, after_end = max(low, 0), max(high, 0)
    if mode == "replicate":
        first, last = sliced(x, axis, 0, 1, 1), sliced(x, axis, size - 1, size, 1)
        before, after = _repeated(first, axis, before_end), _repeated(last, axis, after_end)
    else:
        before = flip(sliced(x, axis, 1, 1 + before_end, 1), (axis,)) if before_end else first_none(x, axis)
        after = flip(sliced(x, axis, size - 1 - after_end, size - 1, 1), (axis,)) if after_end else first_none(x, axis)
    if low >= 0 and high >= 0:
        return _joined(before, x, after, axis)
    # Elements are repeated first and cropped afterwards, so that the other end may be reached.
    joined = _joined(before, x, after, axis)
    return _cropped(joined, axis, min(low, 0), min(high, 0), amounts, mode)


def first_none(x: Tensor, axis: int) -> Tensor:
    """A part without elements."""
    return sliced(x, axis, 0, 0, 1)


def _repeated(edge: Tensor, axis: int, count: int) -> Tensor:
    return expand(edge, tuple(count if i == axis else n for i, n in enumerate(edge._layout.shape)))


def _joined(before: Tensor, x: Tensor, after: Tensor, axis: int) -> Tensor:
    parts = [part for part in (before, x, after) if part._layout.shape[axis] != 0]
    return cat(parts, axis) if len(parts) > 1 else x
