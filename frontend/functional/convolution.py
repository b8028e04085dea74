"""Convolutions, transposed convolutions, and the windows that they are made of (unfold and fold)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ingot.compiler.ops import contract
from ingot.compiler.ops import view as view_rows
from ingot.functional.arithmetic import add
from ingot.functional.joining import stack
from ingot.functional.shaping import permute, reshape, sliced, squeeze, transpose, unsqueeze
from ingot.gate import apply
from ingot.runtime.errors import DTypeError, ShapeError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

Steps = tuple[int, ...]


# ---- arguments


def per_axis(given: Any, rank: int, name: str) -> Steps:
    """One number for every axis, or one each. Raises ShapeError (IG300) for another count or for no integers."""
    values = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    if len(values) == 1:
        values *= rank
    if len(values) != rank or any(isinstance(n, bool) or not hasattr(n, "__index__") for n in values):
        raise ShapeError(
            "IG300", f"expected {name} to be one integer or a list of {rank} integers, got {given!r}", where=user_line()
        )
    return tuple([n if isinstance(n, int) else n.__index__() for n in values])


def positive(values: Steps, name: str, least: int = 1) -> Steps:
    """The values. Raises ShapeError (IG300) where one is below `least`."""
    if any(n < least for n in values):
        raise ShapeError("IG300", f"{name} must be at least {least}, got {list(values)}", where=user_line())
    return values


def described(t: Tensor) -> str:
    """Its dtype and shape, for messages."""
    return f"{t._layout.dtype.short}[{','.join(map(str, t._layout.shape))}]"


def batched(input: Tensor, rank: int, name: str) -> tuple[Tensor, bool]:
    """The input with an axis of examples, and whether it had one. Raises ShapeError (IG300) for other ranks."""
    if not hasattr(input, "_layout"):
        raise DTypeError("IG214", f"{name} takes a tensor, not {type(input).__name__}", where=user_line())
    if input._layout.ndim == rank + 2:
        return input, True
    if input._layout.ndim == rank + 1:
        return unsqueeze(input, 0), False
    raise ShapeError(
        "IG300",
        f"{name} expects {rank + 1} dimensions (one example) or {rank + 2} (a batch), got input {described(input)}",
        where=user_line(),
    )


def _operands(name: str, rank: int, input: Tensor, weight: Tensor, bias: Tensor | None, outputs: Any) -> None:
    """Raises ShapeError (IG300) or IG227 where weight or bias do not fit."""
    if weight._layout.ndim != rank + 2:
        raise ShapeError(
            "IG300", f"{name} expects a weight of {rank + 2} dimensions, got {described(weight)}", where=user_line()
        )
    for what, other in (("weight", weight), ("bias", bias)):
        if other is not None and other._layout.dtype is not input._layout.dtype:
            raise ShapeError(
                "IG227",
                f"{name}: input ({input._layout.dtype}) and {what} ({other._layout.dtype}) should have the same dtype",
                where=user_line(),
                fix=f"one dtype for both, for example input.to({other._layout.dtype})",
            )
    if input._layout.dtype.kind == "b":
        raise ShapeError("IG300", f"{name} is not defined for bool tensors", where=user_line(), fix="input.float()")
    if bias is not None and bias._layout.shape != (outputs,):
        raise ShapeError(
            "IG300", f"{name}: expected a bias of shape [{outputs}], got {described(bias)}", where=user_line()
        )


def _with_bias(result: Tensor, bias: Tensor | None, rank: int) -> Tensor:
    return result if bias is None else add(result, reshape(bias, (1, -1, *(1,) * rank)))


# ---- convolution


def _convolution(
    name: str,
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    x, many = batched(input, rank, name)
    outputs = weight._layout.shape[0] if weight._layout.ndim else 0
    _operands(name, rank, x, weight, bias, outputs)
    steps = positive(per_axis(stride, rank, "stride"), "stride")
    apart = positive(per_axis(dilation, rank, "dilation"), "dilation")
    kernel = weight._layout.shape[2:]
    around = _padding(padding, rank, kernel, steps, apart)
    _check_channels(name, x, weight, groups)
    for n, k, (low, high), d in zip(x._layout.shape[2:], kernel, around, apart, strict=True):
        if isinstance(n, int) and isinstance(k, int) and (n + low + high < (k - 1) * d + 1 or k == 0):
            raise ShapeError(
                "IG300",
                f"{name}: the kernel is larger than the padded input: {list(kernel)} elements, {d} apart, on "
                f"{described(x)} with padding {list(around)}",
                where=user_line(),
            )
    result = apply(
        contract.conv,
        x,
        weight,
        stride=steps,
        padding=around,
        dilation=apart,
        input_dilation=(1,) * rank,
        groups=groups,
    )
    result = _with_bias(result, bias, rank)
    return result if many else squeeze(result, 0)


def _padding(padding: Any, rank: int, kernel: Any, stride: Steps, dilation: Steps) -> tuple[tuple[Any, Any], ...]:
    """(before, after) for every axis."""
    if not isinstance(padding, str):
        return tuple([(n, n) for n in positive(per_axis(padding, rank, "padding"), "padding", 0)])
    if padding == "valid":
        return ((0, 0),) * rank
    if padding != "same":
        raise ShapeError("IG300", f"padding is a number, 'same' or 'valid', not {padding!r}", where=user_line())
    if any(s != 1 for s in stride):
        raise ShapeError("IG300", f"padding='same' needs stride 1, got {list(stride)}", where=user_line())
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple([(t // 2, t - t // 2) for t in totals])


def _check_channels(name: str, x: Tensor, weight: Tensor, groups: int) -> None:
    if not isinstance(groups, int) or groups < 1:
        raise ShapeError("IG300", f"{name}: groups must be a positive integer, got {groups!r}", where=user_line())
    channels, (outputs, inputs) = x._layout.shape[1], weight._layout.shape[:2]
    if channels != inputs * groups or (isinstance(outputs, int) and outputs % groups):
        raise ShapeError(
            "IG300",
            f"{name}: given groups={groups}, weight of size {list(weight._layout.shape)}, expected input to have "
            f"{inputs * groups} channels and outputs in multiples of {groups}",
            where=user_line(),
            detail=[f"operands: {described(x)} and {described(weight)}"],
        )


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of [n, c, l] or [c, l] with weight [o, c / groups, k], plus bias [o].

    `padding`: zeros on both sides, "valid" (none) or "same". Raises ShapeError (IG300) where shapes do not fit.
    """
    return _convolution("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of [n, c, h, w] or [c, h, w] with weight [o, c / groups, kh, kw], plus bias [o].

    `padding`: zeros on both sides, "valid" (none) or "same". Raises ShapeError (IG300) where shapes do not fit.
    """
    return _convolution("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of [n, c, d, h, w] or [c, d, h, w] with weight [o, c / groups, kd, kh, kw], plus bias [o].

    `padding`: zeros on both sides, "valid" (none) or "same". Raises ShapeError (IG300) where shapes do not fit.
    """
    return _convolution("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


# ---- transposed convolution


def _transposed(
    name: str,
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    x, many = batched(input, rank, name)
    if not isinstance(groups, int) or groups < 1:
        raise ShapeError("IG300", f"{name}: groups must be a positive integer, got {groups!r}", where=user_line())
    _operands(name, rank, x, weight, bias, weight._layout.shape[1] * groups if weight._layout.ndim > 1 else 0)
    steps = positive(per_axis(stride, rank, "stride"), "stride")
    apart = positive(per_axis(dilation, rank, "dilation"), "dilation")
    cut = positive(per_axis(padding, rank, "padding"), "padding", 0)
    extra = positive(per_axis(output_padding, rank, "output_padding"), "output_padding", 0)
    inputs, _, *kernel = weight._layout.shape
    if x._layout.shape[1] != inputs or (isinstance(inputs, int) and inputs % groups):
        raise ShapeError(
            "IG300",
            f"{name}: given groups={groups}, weight of size {list(weight._layout.shape)}, expected input to have "
            f"{inputs} channels, a multiple of the groups; got {described(x)}",
            where=user_line(),
        )
    if any(e >= s and e >= d for e, s, d in zip(extra, steps, apart, strict=True)):
        raise ShapeError(
            "IG300",
            f"{name}: output padding must be smaller than either stride or dilation, got output_padding {list(extra)}, "
            f"stride {list(steps)}, dilation {list(apart)}",
            where=user_line(),
        )
    axes = list(zip(x._layout.shape[2:], kernel, steps, cut, extra, apart, strict=True))
    sizes = [(n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, k, s, p, e, d in axes]
    if any(isinstance(n, int) and n < 1 for n in sizes):
        raise ShapeError("IG300", f"{name} of {described(x)}: the result would have size {sizes}", where=user_line())
    result = apply(
        contract.conv,
        x,
        _turned(weight, groups),
        stride=(1,) * rank,
        padding=tuple([(d * (k - 1) - p, d * (k - 1) - p + e) for _, k, _, p, e, d in axes]),
        dilation=apart,
        input_dilation=steps,
        groups=groups,
    )
    result = _with_bias(result, bias, rank)
    return result if many else squeeze(result, 0)


def _turned(weight: Tensor, groups: int) -> Tensor:
    """weight[c, o / g, *k] as the weights [o, c / g, *k] of the convolution that it transposes: mirrored."""
    inputs, outputs, *kernel = weight._layout.shape
    mirrored = apply(view_rows.flip, weight, axes=tuple(range(2, weight._layout.ndim)))
    if groups == 1:
        return transpose(mirrored, 0, 1)
    split = transpose(reshape(mirrored, (groups, inputs // groups, outputs, *kernel)), 1, 2)
    return reshape(split, (groups * outputs, inputs // groups, *kernel))


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transpose of `conv1d`: [n, c, l] or [c, l] with weight [c, o / groups, k]. Dumoulin & Visin 2016."""
    return _transposed("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transpose of `conv2d`, with weight [c, o / groups, kh, kw]. Dumoulin & Visin 2016."""
    return _transposed("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transpose of `conv3d`, with weight [c, o / groups, kd, kh, kw]. Dumoulin & Visin 2016."""
    return _transposed("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Any,
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Tensor:
    """A convolution or transposed one of any number of axes, which the weight tells."""
    rank = weight._layout.ndim - 2
    if transposed:
        return _transposed("convolution", rank, input, weight, bias, stride, padding, output_padding, groups, dilation)
    return _convolution("convolution", rank, input, weight, bias, stride, padding, dilation, groups)


# ---- windows as columns


def _matrix_arguments(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> tuple[Steps, Steps, Steps, Steps]:
    return (
        positive(per_axis(kernel_size, 2, "kernel_size"), "kernel_size"),
        positive(per_axis(dilation, 2, "dilation"), "dilation"),
        positive(per_axis(padding, 2, "padding"), "padding", 0),
        positive(per_axis(stride, 2, "stride"), "stride"),
    )


def _counts(sizes: Sequence[Any], kernel: Steps, dilation: Steps, padding: Steps, stride: Steps) -> list[Any]:
    """How many windows there are along each axis. Raises ShapeError (IG300) when there is none."""
    axes = zip(sizes, kernel, dilation, padding, stride, strict=True)
    counts = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in axes]
    if any(isinstance(n, int) and n < 1 for n in counts):
        raise ShapeError(
            "IG300",
            f"no window of {list(kernel)} elements, {list(dilation)} apart, fits an image of {list(sizes)} with "
            f"padding {list(padding)}",
            where=user_line(),
        )
    return counts


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The windows of [n, c, h, w] as columns: [n, c * kh * kw, windows]. Raises ShapeError (IG300)."""
    kernel, apart, around, steps = _matrix_arguments(kernel_size, dilation, padding, stride)
    x, many = batched(input, 2, "unfold")
    count, channels, *sizes = x._layout.shape
    places = _counts(sizes, kernel, apart, around, steps)
    low = (0, 0, *around)
    if any(around):
        x = apply(view_rows.pad, x, low=low, high=low, interior=(0,) * 4, value=0)
    x = _windows(x, 2, kernel[0], places[0], steps[0], apart[0])  # [n, c, kh, rows, w]
    x = _windows(x, 4, kernel[1], places[1], steps[1], apart[1])  # [n, c, kh, rows, kw, columns]
    result = reshape(permute(x, (0, 1, 2, 4, 3, 5)), (count, channels * kernel[0] * kernel[1], places[0] * places[1]))
    return result if many else squeeze(result, 0)


def _windows(x: Tensor, axis: int, window: int, count: Any, stride: int, dilation: int) -> Tensor:
    """The windows along an axis as two axes: the position inside the window, and which window."""
    reach = (count - 1) * stride + 1
    return stack([sliced(x, axis, i * dilation, i * dilation + reach, stride) for i in range(window)], axis)


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The transpose of `unfold`: columns [n, c * kh * kw, windows] summed into images [n, c, *output_size]."""
    kernel, apart, around, steps = _matrix_arguments(kernel_size, dilation, padding, stride)
    sizes = positive(per_axis(output_size, 2, "output_size"), "output_size")
    x, many = batched(input, 1, "fold")
    count, rows, columns = x._layout.shape
    places = _counts(sizes, kernel, apart, around, steps)
    area = kernel[0] * kernel[1]
    if (isinstance(rows, int) and rows % area) or columns != places[0] * places[1]:
        raise ShapeError(
            "IG300",
            f"fold expects [n, channels * {area}, {places[0] * places[1]}] for output size {list(sizes)}, kernel "
            f"{list(kernel)}, dilation {list(apart)}, padding {list(around)}, stride {list(steps)}",
            where=user_line(),
            detail=[f"input {described(x)}"],
        )
    channels = rows // area
    x = permute(reshape(x, (count, channels, *kernel, *places)), (0, 1, 2, 4, 3, 5))
    x = _summed(x, 4, sizes[1] + 2 * around[1], steps[1], apart[1])
    x = _summed(x, 2, sizes[0] + 2 * around[0], steps[0], apart[0])
    for axis, (n, p) in enumerate(zip(sizes, around, strict=True)):
        if p:
            x = sliced(x, 2 + axis, p, p + n, 1)
    result = x.contiguous()
    return result if many else squeeze(result, 0)


def _summed(x: Tensor, axis: int, size: Any, stride: int, dilation: int) -> Tensor:
    """The transpose of `_windows`: axes (position inside the window, window) become one of this size."""
    window, count = x._layout.shape[axis : axis + 2]
    rank = x._layout.ndim - 1

    def alone(n: Any) -> tuple[Any, ...]:
        return tuple([n if i == axis else 0 for i in range(rank)])

    total: Tensor | None = None
    for i in range(window):
        rest = size - i * dilation - ((count - 1) * stride + 1)
        part = squeeze(sliced(x, axis, i, i + 1, 1), axis)
        part = apply(
            view_rows.pad, part, low=alone(i * dilation), high=alone(rest), interior=alone(stride - 1), value=0
        )
        total = part if total is None else add(total, part)
    assert total is not None
    return total


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """`conv1d` of [time, n, c] with weight [k, c, o] and bias [o]; the result is [time', n, o]."""
    result = conv1d(permute(input, (1, 2, 0)), permute(weight, (2, 1, 0)), bias, padding=pad)
    return permute(result, (2, 0, 1))


def output_padding(
    input: Tensor, output_size: Any, kernel: Steps, stride: Steps, padding: Steps, dilation: Steps
) -> Steps:
    """What makes a transposed convolution give `output_size` (its last sizes). Raises SpecError (IG300)."""
    rank = len(kernel)
    wanted = tuple(output_size)
    if len(wanted) == rank + (input._layout.ndim - rank):
        wanted = wanted[-rank:]
    if len(wanted) != rank:
        raise SpecError(
            "IG300", f"output_size must have {rank} sizes (or {rank + 2}), got {tuple(output_size)}", where=user_line()
        )
    axes = zip(input._layout.shape[-rank:], kernel, stride, padding, dilation, strict=True)
    least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, k, s, p, d in axes]
    if any(not a <= n <= a + s - 1 for n, a, s in zip(wanted, least, stride, strict=True)):
        most = [a + s - 1 for a, s in zip(least, stride, strict=True)]
        raise SpecError(
            "IG300",
            f"output_size {list(wanted)} must be between {least} and {most} for an input of {described(input)}",
            where=user_line(),
        )
    return tuple([n - a for n, a in zip(wanted, least, strict=True)])
