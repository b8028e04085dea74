"""Layers that learn the number of their input's channels from their first input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ingot.creation import empty
from ingot.functional.inplace import copy_
from ingot.modes import modes, no_grad
from ingot.nn.batch_norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)
from ingot.nn.convolution import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from ingot.nn.linear import Linear
from ingot.nn.module import Module
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import ShapeError, TraceError
from ingot.source_lines import user_line
from ingot.tensor import Parameter, Tensor


class UninitializedParameter(Parameter):
    """A parameter whose shape is not known yet; `materialize` gives it one, and it stays the same object."""

    __slots__ = ()

    def __new__(
        cls, requires_grad: bool = True, device: Any = None, dtype: DType | None = None
    ) -> UninitializedParameter:
        made = super().__new__(cls, empty(0, device=device, dtype=dtype), requires_grad)
        assert isinstance(made, UninitializedParameter)
        return made

    def materialize(self, shape: Any, device: Any = None, dtype: DType | None = None) -> None:
        """Memory of this shape, not set; from here on it is a Parameter."""
        self.data = empty(tuple(shape), device=device, dtype=dtype or self._layout.dtype)
        self.__class__ = Parameter  # type: ignore[assignment]

    @property
    def shape(self) -> Any:
        """Raises ShapeError (IG300): there is none yet."""
        raise ShapeError(
            "IG300",
            "Can't access the shape of an uninitialized parameter or buffer",
            where=user_line(),
            fix="call the module once, so that it learns its sizes",
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class LazyModuleMixin(Module):
    """What lazy layers share. The first call makes one of them an instance of `cls_to_become`.

    Until then its parameters are `UninitializedParameter`s, which optimisers may hold already.
    """

    cls_to_become: ClassVar[type[Module]]
    # The argument and attribute that the first input tells.
    counted: ClassVar[str]

    def _wait(self, arguments: Mapping[str, Any]) -> None:
        """Forget the parameters, which stand for no channels, until the first input comes."""
        self._arguments = dict(arguments)
        for name, parameter in self._parameters.items():
            if parameter is not None:
                waiting = UninitializedParameter(parameter.requires_grad, dtype=parameter._layout.dtype)
                self._parameters[name] = waiting
        self._initialize_hook = self.register_forward_pre_hook(_learn)

    def has_uninitialized_params(self) -> bool:
        """Whether the first input, or a state, is still waited for."""
        return any(isinstance(p, UninitializedParameter) for p in self._parameters.values())

    def count_in(self, input: Tensor) -> int:
        """The number of channels of an input."""
        size: Any = input._layout.shape[1]
        return int(size)

    def initialize_parameters(self, input: Tensor) -> None:
        """Take the initial values that a layer for this input would have."""
        count = self.count_in(input)
        own = [p for p in self._parameters.values() if p is not None]
        if self.has_uninitialized_params() or not own:
            dtype = {"dtype": own[0]._layout.dtype} if own else {}
            made = self.cls_to_become(**{self.counted: count}, **(self._arguments | dtype))
            with no_grad():
                for parameter, drawn in zip(self._parameters.values(), made._parameters.values(), strict=True):
                    if isinstance(parameter, UninitializedParameter) and drawn is not None:
                        parameter.materialize(drawn._layout.shape)
                        copy_(parameter, drawn)
            for name, buffer in self._buffers.items():
                if buffer is not None and buffer._layout.numel == 0:
                    self._buffers[name] = made._buffers[name]
        setattr(self, self.counted, count)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name, parameter in self._parameters.items():
            if isinstance(parameter, UninitializedParameter):
                destination[prefix + name] = parameter

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        """The state of a layer that has seen its input gives the shapes."""
        for name, parameter in self._parameters.items():
            given = state_dict.get(prefix + name)
            known = isinstance(given, Tensor) and not isinstance(given, UninitializedParameter)
            if known and isinstance(parameter, UninitializedParameter):
                parameter.materialize(given._layout.shape)
        for name, buffer in self._buffers.items():
            given = state_dict.get(prefix + name)
            if buffer is not None and buffer._layout.numel == 0 and isinstance(given, Tensor):
                self._buffers[name] = empty(given._layout.shape, dtype=buffer._layout.dtype)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _learn(module: Any, inputs: tuple[Any, ...]) -> None:
    """The hook before the first call."""
    if modes.trace is not None:
        raise TraceError(
            "IG189",
            f"{type(module).__name__} learns its sizes from its first input, which cannot be inside compiled code",
            where=user_line(),
            fix="call the module once before it is compiled",
        )
    module.initialize_parameters(*inputs)
    module._initialize_hook.remove()
    del module._initialize_hook, module._arguments
    module.__class__ = module.cls_to_become


class LazyLinear(LazyModuleMixin, Linear):
    """`Linear` with the last size of the first input."""

    cls_to_become = Linear
    counted = "in_features"

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: DType | None = None) -> None:
        super().__init__(0, out_features, bias, device, dtype)
        self._wait({"out_features": out_features, "bias": bias, "dtype": dtype})

    def reset_parameters(self) -> None:
        """There is nothing to draw yet."""
        if self.in_features:
            super().reset_parameters()

    def count_in(self, input: Tensor) -> int:
        """The last size."""
        size: Any = input._layout.shape[-1]
        return int(size)


class _LazyConv(LazyModuleMixin):
    counted = "in_channels"
    rank: ClassVar[int]

    def count_in(self, input: Tensor) -> int:
        """The channels of a batch or of one example. Raises ShapeError (IG300) for other ranks."""
        shape: Any = input._layout.shape
        if len(shape) not in (self.rank + 1, self.rank + 2):
            raise ShapeError(
                "IG300",
                f"Expected {self.rank + 1}D (unbatched) or {self.rank + 2}D (batched) input to {type(self).__name__}, "
                f"but got input of size: {list(shape)}",
                where=user_line(),
            )
        return int(shape[-self.rank - 1])


class _LazyPlain(_LazyConv):
    def __init__(
        self,
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
        arguments = {
            "out_channels": out_channels,
            "kernel_size": kernel_size,
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
            "bias": bias,
            "padding_mode": padding_mode,
            "dtype": dtype,
        }
        super().__init__(in_channels=0, **arguments)
        self._wait(arguments)


class LazyConv1d(_LazyPlain, Conv1d):
    """`Conv1d` with the channels of the first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyPlain, Conv2d):
    """`Conv2d` with the channels of the first input."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyPlain, Conv3d):
    """`Conv3d` with the channels of the first input."""

    cls_to_become = Conv3d


class _LazyTransposed(_LazyConv):
    def __init__(
        self,
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
        arguments = {
            "out_channels": out_channels,
            "kernel_size": kernel_size,
            "stride": stride,
            "padding": padding,
            "output_padding": output_padding,
            "groups": groups,
            "bias": bias,
            "dilation": dilation,
            "padding_mode": padding_mode,
            "dtype": dtype,
        }
        super().__init__(in_channels=0, **arguments)
        self._wait(arguments)


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """`ConvTranspose1d` with the channels of the first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """`ConvTranspose2d` with the channels of the first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """`ConvTranspose3d` with the channels of the first input."""

    cls_to_become = ConvTranspose3d


class _LazyNorm(LazyModuleMixin):
    counted = "num_features"

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        arguments = {
            "eps": eps,
            "momentum": momentum,
            "affine": affine,
            "track_running_stats": track_running_stats,
            "dtype": dtype,
        }
        super().__init__(num_features=0, **arguments)
        self._wait(arguments)

    def count_in(self, input: Tensor) -> int:
        """The channels; of one example without a batch where the layer takes such."""
        ranks = getattr(self, "ranks", None)
        single = type(self).__name__.startswith("LazyInstance") and ranks and input._layout.ndim == min(ranks)
        size: Any = input._layout.shape[0 if single else 1]
        return int(size)


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """`BatchNorm1d` with the channels of the first input."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """`BatchNorm2d` with the channels of the first input."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """`BatchNorm3d` with the channels of the first input."""

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """`InstanceNorm1d` with the channels of the first input."""

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """`InstanceNorm2d` with the channels of the first input."""

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """`InstanceNorm3d` with the channels of the first input."""

    cls_to_become = InstanceNorm3d
