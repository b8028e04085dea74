"""Convolution layers, and the layers that take windows apart and put them together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ingot.creation import empty
from ingot.functional import convolution, padding
from ingot.nn import init
from ingot.nn.module import Module
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.tensor import Parameter, Tensor

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def each(given: Any, rank: int) -> Any:
    """One number for every axis; sequences as tuples, texts as they are."""
    if isinstance(given, str):
        return given
    return tuple(given) if isinstance(given, (tuple, list)) else (given,) * rank


def _check(condition: bool, text: str) -> None:
    if not condition:
        raise SpecError("IG300", text, where=user_line())


class _ConvNd(Module):
    """What all convolutions share: their arguments, weight, bias and initial values."""

    rank: ClassVar[int]
    apply_function: ClassVar[Callable[..., Tensor]]
    transposed: ClassVar[bool] = False
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: DType | None,
    ) -> None:
        super().__init__()
        _check(groups > 0, f"groups must be a positive integer, not {groups}")
        _check(in_channels % groups == 0, f"in_channels must be divisible by groups: {in_channels} and {groups}")
        _check(out_channels % groups == 0, f"out_channels must be divisible by groups: {out_channels} and {groups}")
        _check(padding_mode in PADDING_MODES, f"padding_mode is one of {PADDING_MODES}, not {padding_mode!r}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = each(kernel_size, self.rank)
        self.stride = each(stride, self.rank)
        self.padding = each(padding, self.rank)
        self.dilation = each(dilation, self.rank)
        self.output_padding = each(output_padding, self.rank)
        self.groups = groups
        self.padding_mode = padding_mode
        if isinstance(self.padding, str):
            _check(padding in ("same", "valid"), f"padding is a number, 'same' or 'valid', not {padding!r}")
            strided = padding == "same" and any(s != 1 for s in self.stride)
            _check(not strided, "padding='same' is not supported for strided convolutions")
        self._reversed_padding_repeated_twice = self._around()
        self._make(device, dtype, bias)

    def _make(self, device: Any, dtype: DType | None, bias: bool) -> None:
        """The parameters and their values."""
        first, second = (
            (self.in_channels, self.out_channels) if self.transposed else (self.out_channels, self.in_channels)
        )
        self.weight = Parameter(empty((first, second // self.groups, *self.kernel_size), device=device, dtype=dtype))
        made = Parameter(empty(self.out_channels, device=device, dtype=dtype)) if bias else None
        self.register_parameter("bias", made)
        self.reset_parameters()

    def _around(self) -> list[int]:
        """The padding as `pad` takes it: (before, after) from the last axis backwards."""
        if not isinstance(self.padding, str):
            return [n for n in reversed(self.padding) for _ in range(2)]
        if self.padding == "valid":
            return [0, 0] * self.rank
        totals = [d * (k - 1) for k, d in zip(self.kernel_size, self.dilation, strict=True)]
        return [n for total in reversed(totals) for n in (total // 2, total - total // 2)]

    def reset_parameters(self) -> None:
        """Draw initial values: uniform in +-1 / sqrt(inputs of an output)."""
        if self.weight.numel() == 0:
            return
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            inputs: Any = math.prod(self.weight.shape[1:])
            bound = 1 / math.sqrt(inputs)
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """A batch [n, in_channels, ...] or one example [in_channels, ...]."""
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        around: Any = self.padding
        if self.padding_mode != "zeros":
            input = padding.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            around = 0
        function = type(self).apply_function
        return function(input, weight, bias, self.stride, around, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """The arguments that are not the usual ones."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        none, ones = (0,) * self.rank, (1,) * self.rank
        for name, usual in (("padding", none), ("dilation", ones), ("output_padding", none), ("groups", 1)):
            value = getattr(self, name)
            text += f", {name}={value}" if value != usual else ""
        text += ", bias=False" if self.bias is None else ""
        return text + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


class _Convolution(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )


class Conv1d(_Convolution):
    """`conv1d` with weight [out_channels, in_channels / groups, k] and bias [out_channels]."""

    rank = 1
    apply_function = staticmethod(convolution.conv1d)


class Conv2d(_Convolution):
    """`conv2d` with weight [out_channels, in_channels / groups, kh, kw] and bias [out_channels]."""

    rank = 2
    apply_function = staticmethod(convolution.conv2d)


class Conv3d(_Convolution):
    """`conv3d` with weight [out_channels, in_channels / groups, kd, kh, kw] and bias [out_channels]."""

    rank = 3
    apply_function = staticmethod(convolution.conv3d)


class _TransposedConvolution(_ConvNd):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        _check(padding_mode == "zeros", f'only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """A batch [n, in_channels, ...] or one example; `output_size` decides between the sizes that are possible."""
        extra = self.output_padding
        if output_size is not None:
            extra = convolution.output_padding(
                input, output_size, self.kernel_size, self.stride, self.padding, self.dilation
            )
        function = type(self).apply_function
        return function(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)


class ConvTranspose1d(_TransposedConvolution):
    """`conv_transpose1d` with weight [in_channels, out_channels / groups, k] and bias [out_channels]."""

    rank = 1
    apply_function = staticmethod(convolution.conv_transpose1d)


class ConvTranspose2d(_TransposedConvolution):
    """`conv_transpose2d` with weight [in_channels, out_channels / groups, kh, kw] and bias [out_channels]."""

    rank = 2
    apply_function = staticmethod(convolution.conv_transpose2d)


class ConvTranspose3d(_TransposedConvolution):
    """`conv_transpose3d` with weight [in_channels, out_channels / groups, kd, kh, kw] and bias [out_channels]."""

    rank = 3
    apply_function = staticmethod(convolution.conv_transpose3d)


class Unfold(Module):
    """The windows of an image as columns; see `unfold`."""

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        """[n, c, h, w] to [n, c * kh * kw, windows]."""
        return convolution.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Module):
    """Columns summed into an image; see `fold`."""

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        """[n, c * kh * kw, windows] to [n, c, *output_size]."""
        return convolution.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
