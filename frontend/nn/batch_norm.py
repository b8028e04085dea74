"""Normalisation of channels, with running statistics as buffers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from ingot.creation import empty, ones, tensor, zeros
from ingot.functional import normalization
from ingot.functional.inplace import add_, fill_, zero_
from ingot.modes import no_grad
from ingot.nn import init
from ingot.nn.module import Module
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.tensor import Parameter, Tensor

Converted = TypeVar("Converted", bound=Module)


class _NormBase(Module):
    """What normalisations of channels share: parameters, running statistics and their state."""

    # Ranks of the inputs that the layer takes; None: all from 2 on.
    ranks: ClassVar[tuple[int, ...] | None] = None
    _version = 2

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            made = Parameter(empty(num_features, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, made)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, device=device, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", ones(num_features, device=device, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", tensor(0, dtype=dtypes.int64) if tracked else None)
        self.reset_parameters()

    @no_grad()
    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batches."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            zero_(self.running_mean)
            fill_(self.running_var, 1)
            zero_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and `reset_running_stats`."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        """Raises SpecError (IG319) for an input of another rank."""
        known = type(self).ranks
        ndim = input._layout.ndim
        if (ndim < 2) if known is None else (ndim not in known):
            wanted = "at least 2D" if known is None else " or ".join(f"{rank}D" for rank in known)
            raise SpecError("IG319", f"expected {wanted} input (got {ndim}D input)", where=user_line())

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Mapping[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """States older than version 2 have no `num_batches_tracked`; then it stays as it is."""
        version = local_metadata.get("version", None)
        if (version is None or version < 2) and self.track_running_stats:
            known = self.num_batches_tracked
            if known is not None:
                state_dict.setdefault(prefix + "num_batches_tracked", known.detach().clone())
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class _BatchNorm(_NormBase):
    """Each channel (dimension 1) to mean 0 and variance 1 over the batch, times weight, plus bias.

    Ioffe & Szegedy 2015. `momentum`: how fast the running statistics follow; None: they are the mean over all batches.
    """

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, ...]."""
        self._check_input_dim(input)
        momentum: Any = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            with no_grad():
                add_(self.num_batches_tracked, 1)
                if self.momentum is None:
                    momentum = 1.0 / self.num_batches_tracked.double()
        by_batch = self.training or (self.running_mean is None and self.running_var is None)
        follow = not self.training or self.track_running_stats
        return normalization.batch_norm(
            input,
            self.running_mean if follow else None,
            self.running_var if follow else None,
            self.weight,
            self.bias,
            by_batch,
            momentum,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of [N, C] or [N, C, L]."""

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of [N, C, H, W]."""

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of [N, C, D, H, W]."""

    ranks = (5,)


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over the batches of all processes: of the one that there is."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    @classmethod
    def convert_sync_batchnorm(cls, module: Converted, process_group: Any = None) -> Converted | SyncBatchNorm:
        """The module with every batch normalisation below replaced by this one, with its parameters and buffers."""
        if isinstance(module, _BatchNorm):
            made = cls(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
            )
            made._parameters.update(module._parameters)
            made._buffers.update(module._buffers)
            made.train(module.training)
            return made
        for name, child in module.named_children():
            module.register_module(name, cls.convert_sync_batchnorm(child, process_group))
        return module


class _InstanceNorm(_NormBase):
    """Each channel of each element of the batch to mean 0 and variance 1 over its space. Ulyanov et al. 2016."""

    # The rank of an input without a batch.
    single: ClassVar[int] = 0

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, ...] or [C, ...]. Raises SpecError (IG319) for another number of channels."""
        self._check_input_dim(input)
        alone = input._layout.ndim == type(self).single
        axis = 0 if alone else 1
        if self.affine and input._layout.shape[axis] != self.num_features:
            raise SpecError(
                "IG319",
                f"expected input's size at dim={axis} to match num_features ({self.num_features}), but got: "
                f"{input._layout.shape[axis]}.",
                where=user_line(),
            )
        result = normalization.instance_norm(
            input.unsqueeze(0) if alone else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return result.squeeze(0) if alone else result


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of [N, C, L] or [C, L]."""

    ranks = (2, 3)
    single = 2


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of [N, C, H, W] or [C, H, W]."""

    ranks = (3, 4)
    single = 3


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of [N, C, D, H, W] or [C, D, H, W]."""

    ranks = (4, 5)
    single = 4
