"""Window functions of signal processing, as vectors. `periodic` leaves out the last element of a longer window."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.creation import check_device, known, marked
from ingot.modes import Defaults
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError, ShapeError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

Array = np.ndarray[Any, Any]


def _window(
    length: int, periodic: bool, shape: Callable[[Array, int], Array], dtype: DType | None, requires_grad: bool
) -> Tensor:
    """shape(0 .. n - 1, n - 1). Raises ShapeError (IG202) or DTypeError (IG210)."""
    kind = dtype or Defaults.dtype
    if length < 0:
        raise ShapeError("IG202", f"a window cannot have {length} elements", where=user_line())
    if not kind.is_floating_point:
        raise DTypeError("IG210", f"a window needs a floating dtype, not {kind}", where=user_line())
    if length < 2:
        return marked(known(np.ones(length, kind.numpy)), requires_grad)
    count = length + 1 if periodic else length
    values = shape(np.arange(count, dtype=np.float64), count - 1)[:length]
    return marked(known(values.astype(kind.numpy)), requires_grad)


def hann_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """sin^2 from 0 to pi."""
    check_device(device)
    return _window(window_length, periodic, lambda i, n: np.sin(np.pi * i / n) ** 2, dtype, requires_grad)


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """alpha - beta cos from 0 to 2 pi."""
    check_device(device)
    return _window(window_length, periodic, lambda i, n: alpha - beta * np.cos(2 * np.pi * i / n), dtype, requires_grad)


def blackman_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """0.42 - 0.5 cos + 0.08 cos of twice the angle, from 0 to 2 pi."""
    check_device(device)

    def shape(i: Array, n: int) -> Array:
        angle = 2 * np.pi * i / n
        made: Array = np.maximum(0.42 - 0.5 * np.cos(angle) + 0.08 * np.cos(2 * angle), 0)
        return made

    return _window(window_length, periodic, shape, dtype, requires_grad)


def bartlett_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A triangle from 0 to 1 and back."""
    check_device(device)
    return _window(window_length, periodic, lambda i, n: 1 - np.abs(2 * i / n - 1), dtype, requires_grad)


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The Kaiser window: i0(beta sqrt(1 - x^2)) / i0(beta), x from -1 to 1."""
    check_device(device)

    def shape(i: Array, n: int) -> Array:
        made: Array = np.i0(beta * np.sqrt(np.maximum(1 - (2 * i / n - 1) ** 2, 0))) / np.i0(beta)
        return made

    return _window(window_length, periodic, shape, dtype, requires_grad)
