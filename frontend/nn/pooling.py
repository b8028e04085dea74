"""Pooling layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ingot.functional import adaptive_pooling, fractional_pooling, pooling
from ingot.nn.convolution import each
from ingot.nn.module import Module
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor


class _MaxPoolNd(Module):
    pool: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        """A batch [n, c, ...] or one example [c, ...]; the maxima, and their places with `return_indices`."""
        pool = type(self).pool
        return pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """`max_pool1d`."""

    pool = staticmethod(pooling.max_pool1d)


class MaxPool2d(_MaxPoolNd):
    """`max_pool2d`."""

    pool = staticmethod(pooling.max_pool2d)


class MaxPool3d(_MaxPoolNd):
    """`max_pool3d`."""

    pool = staticmethod(pooling.max_pool3d)


class AvgPool1d(Module):
    """`avg_pool1d`."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = each(kernel_size, 1)
        self.stride = each(kernel_size if stride is None else stride, 1)
        self.padding = each(padding, 1)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        """A batch [n, c, l] or one example [c, l]."""
        return pooling.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPoolNd(Module):
    pool: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """A batch [n, c, ...] or one example [c, ...]."""
        pool = type(self).pool
        return pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPoolNd):
    """`avg_pool2d`."""

    pool = staticmethod(pooling.avg_pool2d)


class AvgPool3d(_AvgPoolNd):
    """`avg_pool3d`."""

    pool = staticmethod(pooling.avg_pool3d)


class _AdaptiveAvgPoolNd(Module):
    pool: ClassVar[Callable[..., Tensor]]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """A batch [n, c, ...] or one example [c, ...]."""
        pool = type(self).pool
        return pool(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """`adaptive_avg_pool1d`."""

    pool = staticmethod(adaptive_pooling.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """`adaptive_avg_pool2d`."""

    pool = staticmethod(adaptive_pooling.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """`adaptive_avg_pool3d`."""

    pool = staticmethod(adaptive_pooling.adaptive_avg_pool3d)


class _AdaptiveMaxPoolNd(Module):
    pool: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        """A batch [n, c, ...] or one example [c, ...]; the maxima, and their places with `return_indices`."""
        pool = type(self).pool
        return pool(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """`adaptive_max_pool1d`."""

    pool = staticmethod(adaptive_pooling.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """`adaptive_max_pool2d`."""

    pool = staticmethod(adaptive_pooling.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """`adaptive_max_pool3d`."""

    pool = staticmethod(adaptive_pooling.adaptive_max_pool3d)


class _LPPoolNd(Module):
    pool: ClassVar[Callable[..., Tensor]]

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        """A batch [n, c, ...] or one example [c, ...]."""
        pool = type(self).pool
        return pool(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """`lp_pool1d`."""

    pool = staticmethod(pooling.lp_pool1d)


class LPPool2d(_LPPoolNd):
    """`lp_pool2d`."""

    pool = staticmethod(pooling.lp_pool2d)


class LPPool3d(_LPPoolNd):
    """`lp_pool3d`."""

    pool = staticmethod(pooling.lp_pool3d)


class _MaxUnpoolNd(Module):
    rank: ClassVar[int]
    pool: ClassVar[Callable[..., Tensor]]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = each(kernel_size, self.rank)
        self.stride = each(kernel_size if stride is None else stride, self.rank)
        self.padding = each(padding, self.rank)

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """Maxima [n, c, ...] or [c, ...] and their places."""
        pool = type(self).pool
        return pool(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """`max_unpool1d`."""

    rank = 1
    pool = staticmethod(pooling.max_unpool1d)


class MaxUnpool2d(_MaxUnpoolNd):
    """`max_unpool2d`."""

    rank = 2
    pool = staticmethod(pooling.max_unpool2d)


class MaxUnpool3d(_MaxUnpoolNd):
    """`max_unpool3d`."""

    rank = 3
    pool = staticmethod(pooling.max_unpool3d)


class _FractionalMaxPoolNd(Module):
    rank: ClassVar[int]
    pool: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = each(kernel_size, self.rank)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = each(output_size, self.rank) if output_size is not None else None
        self.output_ratio = each(output_ratio, self.rank) if output_ratio is not None else None
        if (output_size is None) == (output_ratio is None):
            raise SpecError(
                "IG300",
                f"{type(self).__name__} requires specifying either an output size, or a pooling ratio",
                where=user_line(),
            )
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise SpecError("IG300", f"output_ratio must be between 0 and 1 (got {output_ratio})", where=user_line())

    def forward(self, input: Tensor) -> Any:
        """A batch [n, c, ...] or one example [c, ...]; the maxima, and their places with `return_indices`."""
        pool = type(self).pool
        samples = self._buffers["_random_samples"]
        return pool(input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, samples)


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """`fractional_max_pool2d`. Graham 2014."""

    rank = 2
    pool = staticmethod(fractional_pooling.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """`fractional_max_pool3d`. Graham 2014."""

    rank = 3
    pool = staticmethod(fractional_pooling.fractional_max_pool3d)
