"""Pooling: maxima, means and norms over windows, and the places that maxima came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ingot.compiler.dims import product
from ingot.compiler.ir import TensorType
from ingot.compiler.ops import index as index_rows
from ingot.compiler.ops import source
from ingot.compiler.ops import view as view_rows
from ingot.compiler.ops import window as window_rows
from ingot.functional.arithmetic import div, mul
from ingot.functional.convolution import Steps, described, per_axis, positive
from ingot.functional.shaping import expand, reshape, squeeze, unsqueeze
from ingot.functional.unary import abs as absolute
from ingot.gate import apply
from ingot.promote import cast_to, splat
from ingot.runtime import dtypes
from ingot.runtime.errors import DTypeError, ShapeError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

Windows = dict[str, Any]


# ---- arguments


def image_batch(input: Tensor, rank: int, name: str) -> tuple[Tensor, bool]:
    """The input with an axis of examples, and whether it had one. Raises ShapeError (IG300)."""
    if not hasattr(input, "_layout"):
        raise DTypeError("IG214", f"{name} takes a tensor, not {type(input).__name__}", where=user_line())
    shape = input._layout.shape
    if len(shape) not in (rank + 1, rank + 2) or 0 in shape[-rank - 1 :]:
        raise ShapeError(
            "IG300",
            f"{name} expects {rank + 1} dimensions (one example) or {rank + 2} (a batch, which may be empty), "
            f"got input {described(input)}",
            where=user_line(),
        )
    if input._layout.dtype.kind == "b":
        raise ShapeError("IG300", f"{name} is not defined for bool tensors", where=user_line(), fix="input.float()")
    return (input, True) if len(shape) == rank + 2 else (unsqueeze(input, 0), False)


def _windows(
    name: str, x: Tensor, rank: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Windows:
    """The windows as the rows take them. Raises ShapeError (IG300) where none fits or padding is too much."""
    kernel = positive(per_axis(kernel_size, rank, "kernel_size"), "kernel_size")
    given = kernel if stride is None or (isinstance(stride, (tuple, list)) and not stride) else stride
    steps = positive(per_axis(given, rank, "stride"), "stride")
    around = positive(per_axis(padding, rank, "padding"), "padding", 0)
    apart = positive(per_axis(dilation, rank, "dilation"), "dilation")
    reach = tuple([(k - 1) * d + 1 for k, d in zip(kernel, apart, strict=True)])
    if any(p > r // 2 for p, r in zip(around, reach, strict=True)):
        raise ShapeError(
            "IG300",
            f"{name}: padding should be at most half of the windows' extent, got padding {list(around)} and windows "
            f"that reach over {list(reach)} elements",
            where=user_line(),
        )
    pairs = []
    for n, r, s, p in zip(x._layout.shape[2:], reach, steps, around, strict=True):
        count = _count(n, r, s, p, ceil_mode)
        if isinstance(count, int) and count < 1:
            raise ShapeError(
                "IG300",
                f"{name}: no window that reaches over {list(reach)} elements fits the input {described(x)} with "
                f"padding {list(around)}; the output would be empty",
                where=user_line(),
            )
        pairs.append((p, (count - 1) * s + r - n - p if ceil_mode else p))
    return {
        "window": (1, 1, *kernel),
        "stride": (1, 1, *steps),
        "padding": ((0, 0), (0, 0), *pairs),
        "dilation": (1, 1, *apart),
    }


def _count(size: Any, reach: int, stride: int, padding: int, ceil_mode: bool) -> Any:
    """How many windows there are. A last one that is not full counts in `ceil_mode`, if it starts before the end."""
    rest = size + 2 * padding - reach
    if not ceil_mode:
        return rest // stride + 1
    count = (rest + stride - 1) // stride + 1
    if not isinstance(count, int):
        raise ShapeError("IG300", "ceil_mode needs sizes that are known numbers", where=user_line())
    return count - 1 if (count - 1) * stride >= size + padding else count


# ---- maxima


def _max_pool(
    name: str,
    rank: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    x, many = image_batch(input, rank, name)
    windows = _windows(name, x, rank, kernel_size, stride, padding, dilation, ceil_mode)
    return maxima(x, many, rank, windows, return_indices)


def maxima(x: Tensor, many: bool, rank: int, windows: Windows, return_indices: bool) -> Any:
    result = apply(window_rows.reduce_window, x, reduction="max", **windows)
    results = [result]
    if return_indices:
        results.append(apply(window_rows.window_gather, x, _places(x, rank), reduction="max", **windows))
    if not many:
        results = [squeeze(r, 0) for r in results]
    return (results[0], results[1]) if return_indices else results[0]


def _places(x: Tensor, rank: int) -> Tensor:
    """Of every element its place in its image, counted in row-major order (int64)."""
    shape = x._layout.shape
    flat = apply(source.iota, type=TensorType(dtypes.int64, (product(shape[2:]),)), axis=0)
    return expand(reshape(flat, (1, 1, *shape[2:])), shape)


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maxima over windows of [n, c, l] or [c, l]; with their places if asked. Raises ShapeError (IG300)."""
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maxima over windows of [n, c, h, w] or [c, h, w]; with their places if asked. Raises ShapeError (IG300)."""
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maxima over windows of [n, c, d, h, w] or [c, d, h, w]; with their places if asked."""
    return _max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _with_indices(pool: Callable[..., Any], name: str) -> Callable[..., Any]:
    def function(
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        return pool(input, kernel_size, stride, padding, dilation, ceil_mode, True)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Maxima over windows and their places."
    return function


max_pool1d_with_indices = _with_indices(max_pool1d, "max_pool1d_with_indices")
max_pool2d_with_indices = _with_indices(max_pool2d, "max_pool2d_with_indices")
max_pool3d_with_indices = _with_indices(max_pool3d, "max_pool3d_with_indices")


# ---- means


def widened(x: Tensor) -> Tensor:
    """Half types are summed, divided and rounded once."""
    return cast_to(x, dtypes.float32) if x._layout.dtype in (dtypes.float16, dtypes.bfloat16) else x


def _avg_pool(
    name: str,
    rank: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Tensor:
    x, many = image_batch(input, rank, name)
    if divisor is not None and divisor == 0:
        raise ShapeError("IG300", f"{name}: divisor must be not zero", where=user_line())
    windows = _windows(name, x, rank, kernel_size, stride, padding, 1, ceil_mode)
    dtype = x._layout.dtype
    total = apply(window_rows.reduce_window, widened(x), reduction="sum", **windows)
    count = _divisor(x, windows, count_include_pad) if divisor is None else divisor
    mean_ = div(total, count) if dtype.is_floating_point else div(total, count, rounding_mode="trunc")
    result = cast_to(mean_, dtype)
    return result if many else squeeze(result, 0)


def _divisor(x: Tensor, windows: Windows, count_include_pad: bool) -> Any:
    """How many elements a window has: a number, or a tensor where they differ."""
    shape, rank = x._layout.shape, x._layout.ndim
    padding = windows["padding"]
    lows = [low for low, _ in padding]
    if all(low == 0 and isinstance(high, int) and high <= 0 for low, high in padding):
        return product(windows["window"])
    if count_include_pad and all(isinstance(high, int) and high <= low for low, high in padding):
        return product(windows["window"])
    dtype = widened(x)._layout.dtype
    ones = splat(1, dtype, (1, 1, *shape[2:]))
    if count_include_pad:
        ones = apply(view_rows.pad, ones, low=tuple(lows), high=tuple(lows), interior=(0,) * rank, value=1.0)
        windows = windows | {"padding": tuple((0, high - low) for low, high in padding)}
    return apply(window_rows.reduce_window, ones, reduction="sum", **windows)


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The means over windows of [n, c, l] or [c, l]. Raises ShapeError (IG300)."""
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The means over windows of [n, c, h, w] or [c, h, w]. Raises ShapeError (IG300).

    The sums are divided by the elements of a window, without padding unless `count_include_pad`; or by
    `divisor_override`.
    """
    return _avg_pool(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The means over windows of [n, c, d, h, w] or [c, d, h, w]; arguments as of `avg_pool2d`."""
    return _avg_pool(
        "avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


# ---- norms


def _lp_pool(rank: int, input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Tensor:
    kernel = per_axis(kernel_size, rank, "kernel_size")
    pool = (avg_pool1d, avg_pool2d, avg_pool3d)[rank - 1]
    total = mul(pool(input**norm_type, kernel, stride, 0, ceil_mode), product(kernel))
    # An even root of a negative sum, which only odd norms have, is 0 (PyTorch's relu over the absolute value).
    return mul(total.sign(), absolute(total).relu()) ** (1.0 / norm_type)


def lp_pool1d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """(sum of x^norm_type)^(1/norm_type) over windows of [n, c, l] or [c, l]."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """(sum of x^norm_type)^(1/norm_type) over windows of [n, c, h, w] or [c, h, w]."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """(sum of x^norm_type)^(1/norm_type) over windows of [n, c, d, h, w] or [c, d, h, w]."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


# ---- back to the places of maxima


def _max_unpool(
    name: str,
    rank: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
) -> Tensor:
    kernel = per_axis(kernel_size, rank, "kernel_size")
    steps = kernel if stride is None else per_axis(stride, rank, "stride")
    around = per_axis(padding, rank, "padding")
    x, many = image_batch(input, rank, name)
    if indices._layout.dtype is not dtypes.int64:
        raise ShapeError("IG229", f"{name}: indices should be int64, got {indices._layout.dtype}", where=user_line())
    if indices._layout.shape != input._layout.shape:
        raise ShapeError(
            "IG300",
            f"{name}: expected the shape of indices to be that of the input: {described(indices)}, {described(input)}",
            where=user_line(),
        )
    spatial: Any = x._layout.shape[2:]
    axes = zip(spatial, kernel, steps, around, strict=True)
    usual = tuple([(n - 1) * s + k - 2 * p for n, k, s, p in axes])
    sizes = usual if output_size is None else _unpooled_size(name, output_size, usual, steps)
    lead = x._layout.shape[:2]
    image, flat = product(sizes), (*lead, product(spatial))
    board = splat(0, x._layout.dtype, (*lead, image))
    place = reshape(indices, flat)
    written = apply(index_rows.scatter, board, place, reshape(x, flat), axis=2, mode="set")
    result = reshape(written, (*lead, *sizes))
    return result if many else squeeze(result, 0)


def _unpooled_size(name: str, output_size: Any, usual: Steps, steps: Steps) -> Steps:
    """The last sizes of those given. Raises SpecError (IG300) unless each is within a step of the usual one."""
    sizes = tuple(output_size)
    rank = len(usual)
    if len(sizes) == rank + 2:
        sizes = sizes[2:]
    if len(sizes) != rank:
        raise SpecError(
            "IG300", f"{name}: output_size should have {rank} or {rank + 2} sizes, got {output_size}", where=user_line()
        )
    if any(not n - s < m < n + s for m, n, s in zip(sizes, usual, steps, strict=True)):
        raise SpecError(
            "IG300",
            f"{name}: output_size {list(sizes)} must lie within one stride {list(steps)} of {list(usual)}",
            where=user_line(),
        )
    return sizes


def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """The maxima that `max_pool1d` gave at their places, 0 elsewhere. Zeiler et al. 2011."""
    return _max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """The maxima that `max_pool2d` gave at their places, 0 elsewhere. Zeiler et al. 2011."""
    return _max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """The maxima that `max_pool3d` gave at their places, 0 elsewhere. Zeiler et al. 2011."""
    return _max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)
