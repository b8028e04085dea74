"""Activation functions, as PyTorch computes them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ingot.compiler.ops import elementwise, transcendental
from ingot.composite import composite
from ingot.functional.arithmetic import add, div, mul, sub, where
from ingot.functional.conversion import clone
from ingot.functional.reductions import amax, sum
from ingot.functional.unary import abs as absolute
from ingot.functional.unary import exp, expm1, floating, log, log1p, neg, sigmoid, tanh
from ingot.gate import apply
from ingot.mutation import assign, check_writable, fitted
from ingot.promote import cast_to, splat
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def _constant(x: Tensor, number: Any) -> Tensor:
    return splat(number, x._layout.dtype, x._layout.shape)


def _below(x: Tensor, limit: float) -> Tensor:
    return apply(elementwise.le, x, _constant(x, limit))


def may_be_in_place(fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Give a function of a tensor the option `inplace`: the result is written to the tensor."""

    count = fn.__code__.co_argcount
    pure = composite(fn)

    @functools.wraps(fn)
    def function(input: Tensor, *args: Any, inplace: bool = False, **kwargs: Any) -> Tensor:
        if len(args) == count:
            # As the last positional argument: relu(x, True).
            args, inplace = args[:-1], args[-1]
        if not inplace:
            return pure(input, *args, **kwargs)
        check_writable(input)
        # The derivative may need what is overwritten.
        return assign(input, fitted(input, pure(clone(input), *args, **kwargs)))

    return function


@may_be_in_place
def relu(input: Tensor) -> Tensor:
    """max(x, 0); the gradient at 0 is 0."""
    return apply(elementwise.select, _below(input, 0), _constant(input, 0), input)


def relu_(input: Tensor) -> Tensor:
    """In-place form of `relu`."""
    return relu(input, inplace=True)


@may_be_in_place
def relu6(input: Tensor) -> Tensor:
    """x limited to [0, 6]."""
    return hardtanh(input, 0.0, 6.0)


@may_be_in_place
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """x limited to [min_val, max_val]; the gradient at both ends is 0."""
    low = apply(elementwise.select, _below(input, min_val), _constant(input, min_val), input)
    over = apply(elementwise.ge, input, _constant(input, max_val))
    return apply(elementwise.select, over, _constant(input, max_val), low)


@may_be_in_place
def threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    """x where it is above the threshold, else `value`."""
    return apply(elementwise.select, _below(input, threshold), _constant(input, value), input)


@may_be_in_place
def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where positive, else negative_slope * x."""
    return apply(elementwise.select, _below(input, 0), mul(input, negative_slope), input)


@composite
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where positive, else weight * x; one weight, or one per channel (dimension 1)."""
    if weight._layout.numel != 1:
        weight = weight.view((-1, *(1,) * (input._layout.ndim - 2)))
    return where(input > 0, input, mul(weight, input))


@may_be_in_place
def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where positive, else alpha * (exp(x) - 1). Clevert et al. 2015."""
    negative = _below(input, 0)
    safe = apply(elementwise.select, negative, input, _constant(input, 0))
    return apply(elementwise.select, negative, mul(expm1(safe), alpha), input)


@may_be_in_place
def selu(input: Tensor) -> Tensor:
    """The self-normalising elu. Klambauer et al. 2017."""
    return mul(elu(input, 1.6732632423543772848170429916717), 1.0507009873554804934193349852946)


@may_be_in_place
def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where positive, else alpha * (exp(x / alpha) - 1)."""
    negative = _below(input, 0)
    safe = apply(elementwise.select, negative, input, _constant(input, 0))
    return apply(elementwise.select, negative, mul(expm1(div(safe, alpha)), alpha), input)


@composite
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x * Phi(x), by erf ("none") or by tanh ("tanh"). Hendrycks & Gimpel 2016."""
    if approximate == "tanh":
        cubed = mul(mul(input, input), input)
        inner = mul(add(input, mul(cubed, 0.044715)), math.sqrt(2.0 / math.pi))
        return mul(mul(input, 0.5), add(tanh(inner), 1.0))
    if approximate != "none":
        raise SpecError("IG217", f"approximate is 'none' or 'tanh', not {approximate!r}", where=user_line())
    return mul(mul(input, 0.5), add(apply(transcendental.erf, mul(input, math.sqrt(0.5))), 1.0))


@may_be_in_place
def silu(input: Tensor) -> Tensor:
    """x * sigmoid(x)."""
    return mul(input, sigmoid(input))


@may_be_in_place
def mish(input: Tensor) -> Tensor:
    """x * tanh(softplus(x)). Misra 2019."""
    return mul(input, tanh(softplus(input)))


@composite
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta; x itself where beta * x is above the threshold."""
    scaled = mul(input, beta)
    large = apply(elementwise.gt, scaled, _constant(scaled, threshold))
    safe = apply(elementwise.select, large, _constant(scaled, 0), scaled)
    return apply(elementwise.select, large, input, div(log1p(exp(safe)), beta))


@composite
def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return div(input, add(absolute(input), 1))


@composite
def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""
    return sub(input, tanh(input))


@composite
def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)) without overflow."""
    low = apply(elementwise.select, _below(input, 0), input, _constant(input, 0))
    return sub(low, log1p(exp(minus_absolute(input))))


def minus_absolute(input: Tensor) -> Tensor:
    """-|x| with the gradient 1 at 0, so that sums with min(x, 0) are smooth there."""
    return apply(elementwise.select, _below(input, 0), input, neg(input))


@may_be_in_place
def hardsigmoid(input: Tensor) -> Tensor:
    """clamp(x + 3, 0, 6) / 6."""
    return div(hardtanh(add(input, 3), 0.0, 6.0), 6)


@may_be_in_place
def hardswish(input: Tensor) -> Tensor:
    """x * clamp(x + 3, 0, 6) / 6. Howard et al. 2019."""
    return div(mul(input, hardtanh(add(input, 3), 0.0, 6.0)), 6)


@composite
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by `lambd`; 0 where |x| is not above it. Raises SpecError (IG217) for a negative lambd."""
    if lambd < 0:
        raise SpecError("IG217", f"lambda must be greater or equal to 0, but found to be {lambd}", where=user_line())
    above = apply(elementwise.gt, input, _constant(input, lambd))
    low = apply(elementwise.lt, input, _constant(input, -lambd))
    moved = apply(elementwise.select, above, sub(input, lambd), add(input, lambd))
    near = apply(elementwise.logical_not, apply(elementwise.or_, above, low))
    return apply(elementwise.select, near, mul(input, 0), moved)


@composite
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| is above `lambd`, else 0."""
    high = apply(elementwise.le, input, _constant(input, lambd))
    near = apply(elementwise.and_, apply(elementwise.ge, input, _constant(input, -lambd)), high)
    return apply(elementwise.select, near, _constant(input, 0), input)


@composite
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along `dim` times the sigmoid of the second. Dauphin et al. 2016."""
    a, b = input.chunk(2, dim)
    return mul(a, sigmoid(b))


@composite
def softmax(input: Tensor, dim: int | None = None, *, dtype: DType | None = None) -> Tensor:
    """exp(x) / sum(exp(x)) along `dim`, without overflow."""
    x = floating(input if dtype is None else cast_to(input, dtype))
    axis = _axis(x, dim)
    raised = exp(sub(x, amax(x, axis, True).detach()))
    return div(raised, sum(raised, axis, True))


@composite
def log_softmax(input: Tensor, dim: int | None = None, *, dtype: DType | None = None) -> Tensor:
    """The logarithm of softmax along `dim`, without overflow."""
    x = floating(input if dtype is None else cast_to(input, dtype))
    axis = _axis(x, dim)
    shifted = sub(x, amax(x, axis, True).detach())
    return sub(shifted, log(sum(exp(shifted), axis, True)))


@composite
def softmin(input: Tensor, dim: int | None = None) -> Tensor:
    """softmax of -x."""
    return softmax(neg(input), dim)


def _axis(x: Tensor, dim: int | None) -> int:
    """PyTorch's implicit choice where no dimension is given (torch/nn/functional.py `_get_softmax_dim`)."""
    if dim is not None:
        return dim
    return 0 if x._layout.ndim in (0, 1, 3) else 1
