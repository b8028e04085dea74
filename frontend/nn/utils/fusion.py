"""Batch normalisation in evaluation mode made part of the convolution or linear layer before it."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from ingot.creation import ones_like, zeros_like
from ingot.functional.unary import rsqrt
from ingot.nn.module import Module
from ingot.runtime.errors import AssertedError
from ingot.source_lines import user_line
from ingot.tensor import Parameter, Tensor

T = TypeVar("T", bound=Module)


def _scaled(
    weight: Tensor,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    eps: float,
    factor: Tensor | None,
    shift: Tensor | None,
    rows: int,
) -> tuple[Parameter, Parameter]:
    """Weight and bias after y = (x - mean) / sqrt(var + eps) * factor + shift; `rows` is the dimension of outputs."""
    scale = (ones_like(running_mean) if factor is None else factor) * rsqrt(running_var + eps)
    shape = [1] * weight.dim()
    shape[rows] = -1
    offset = (zeros_like(running_mean) if bias is None else bias) - running_mean
    moved = offset * scale + (zeros_like(running_mean) if shift is None else shift)
    trained = (weight.requires_grad, bias is not None and bias.requires_grad)
    dtype = weight.dtype if bias is None else bias.dtype
    return (
        Parameter((weight * scale.reshape(shape)).to(weight.dtype).detach(), trained[0]),
        Parameter(moved.to(dtype).detach(), trained[1]),
    )


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the convolution that normalises as well; `transpose` for transposed convolutions."""
    return _scaled(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 1 if transpose else 0)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the linear layer that normalises as well."""
    return _scaled(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


def fuse_conv_bn_eval(conv: T, bn: Any, transpose: bool = False) -> T:
    """A copy of the convolution that computes what it and the batch normalisation after it do in evaluation mode.

    Raises AssertedError (IG339) unless both are in evaluation mode.
    """
    return _fused(conv, bn, 1 if transpose else 0)


def fuse_linear_bn_eval(linear: T, bn: Any) -> T:
    """A copy of the linear layer that computes what it and the batch normalisation after it do in evaluation mode.

    Raises AssertedError (IG339) unless both are in evaluation mode.
    """
    return _fused(linear, bn, 0)


def _fused(layer: T, bn: Any, rows: int) -> T:
    if layer.training or bn.training:
        raise AssertedError("IG339", "Fusion only for eval!", where=user_line(), fix="layer.eval() and bn.eval()")
    made = copy.deepcopy(layer)
    weight, bias = _scaled(made.weight, made.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, rows)
    made.weight = weight
    made.register_parameter("bias", bias)
    return made
