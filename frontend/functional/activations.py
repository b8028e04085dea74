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
from ingot.functional.reductions import amax, axis_of, sum
from ingot.functional.unary import abs as absolute
from ingot.functional.unary import exp, expm1, floating, log, log1p, neg, sigmoid, tanh
from ingot.gate import apply
from ingot.mutation import assign, check_writable, fitted
from ingot.promote import cast_to, splat
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import OperandError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def _constant(x: Tensor, number: Any) -> Tensor:
    return splat(number, x._layout.dtype, x._layout.shape)


def _below(x: Tensor, limit: float) -> Tensor:
    return apply(elementwise.le, x, _constant(x, limit))


def may_be_in_place(fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Give a function of a tensor the option `inplace`: the result is written to the tensor."""

    count: int = getattr(fn, "__wrapped__", fn).__code__.co_argcount
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


def in_float32(fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Half types are computed in float32 and rounded once, as PyTorch's kernels do."""

    @functools.wraps(fn)
    def function(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        dtype = input._layout.dtype
        if not dtype.is_floating_point or dtype.itemsize >= 4:
            return fn(input, *args, **kwargs)
        return cast_to(fn(cast_to(input, dtypes.float32), *args, **kwargs), dtype)

    return function


def _written_to(fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The form of an activation that writes its result to the tensor."""

    def function(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return fn(input, *args, inplace=True, **kwargs)

    function.__name__ = function.__qualname__ = f"{fn.__name__}_"
    function.__doc__ = f"In-place form of `{fn.__name__}`."
    return function


def _refused(what: str) -> OperandError:
    return OperandError("IG324", what, where=user_line())


@may_be_in_place
def relu(input: Tensor) -> Tensor:
    """max(x, 0); the gradient at 0 is 0. Raises OperandError (IG324) for bools."""
    if input._layout.dtype.kind == "b":
        raise _refused("Boolean inputs not supported for relu")
    return apply(elementwise.select, _below(input, 0), _constant(input, 0), input)


@may_be_in_place
def relu6(input: Tensor) -> Tensor:
    """x limited to [0, 6]."""
    return hardtanh(input, 0.0, 6.0)


@may_be_in_place
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """x limited to [min_val, max_val]; the gradient at both ends is 0. Raises SpecError (IG217) for an empty range."""
    if min_val > max_val:
        raise SpecError("IG217", "min_val cannot be greater than max_val", where=user_line())
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


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where positive, else weight * x; one weight, or one per channel (dimension 1). He et al. 2015.

    Raises OperandError (IG324) for another number of weights.
    """
    shape = input._layout.shape
    channels: Any = shape[1] if len(shape) > 1 else 1
    count = weight._layout.numel
    if count not in (1, channels):
        raise _refused(
            f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {count} and channel size "
            f"= {channels}."
        )
    return _prelu(input, weight)


@composite
def _prelu(input: Tensor, weight: Tensor) -> Tensor:
    spread = (1,) if input._layout.ndim < 2 else (1, -1, *(1,) * (input._layout.ndim - 2))
    factor = weight.reshape(() if input._layout.ndim == 0 else spread)
    return where(input > 0, input, mul(factor, input))


@may_be_in_place
@in_float32
def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where positive, else alpha * (exp(x) - 1). Clevert et al. 2015."""
    negative = _below(input, 0)
    safe = apply(elementwise.select, negative, input, _constant(input, 0))
    return apply(elementwise.select, negative, mul(expm1(safe), alpha), input)


@may_be_in_place
@in_float32
def selu(input: Tensor) -> Tensor:
    """The self-normalising elu. Klambauer et al. 2017."""
    return mul(elu(input, 1.6732632423543772848170429916717), 1.0507009873554804934193349852946)


@may_be_in_place
@in_float32
def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where positive, else alpha * (exp(x / alpha) - 1). Barron 2017. Raises OperandError (IG324) for alpha 0."""
    if alpha == 0:
        raise _refused("alpha cannot be 0 for CELU")
    negative = _below(input, 0)
    safe = apply(elementwise.select, negative, input, _constant(input, 0))
    return apply(elementwise.select, negative, mul(expm1(div(safe, alpha)), alpha), input)


@composite
@in_float32
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
@in_float32
def silu(input: Tensor) -> Tensor:
    """x * sigmoid(x)."""
    return mul(input, sigmoid(input))


@may_be_in_place
@in_float32
def mish(input: Tensor) -> Tensor:
    """x * tanh(softplus(x)). Misra 2019."""
    return mul(input, tanh(softplus(input)))


@composite
@in_float32
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta; x itself where beta * x is above the threshold."""
    scaled = mul(input, beta)
    large = apply(elementwise.gt, scaled, _constant(scaled, threshold))
    safe = apply(elementwise.select, large, _constant(scaled, 0), scaled)
    return apply(elementwise.select, large, input, div(log1p(exp(safe)), beta))


@composite
@in_float32
def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return div(input, add(absolute(input), 1))


@composite
@in_float32
def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""
    return sub(input, tanh(input))


@composite
@in_float32
def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)) without overflow."""
    low = apply(elementwise.select, _below(input, 0), input, _constant(input, 0))
    return sub(low, log1p(exp(minus_absolute(input))))


def minus_absolute(input: Tensor) -> Tensor:
    """-|x| with the gradient 1 at 0, so that sums with min(x, 0) are smooth there."""
    return apply(elementwise.select, _below(input, 0), input, neg(input))


@may_be_in_place
@in_float32
def hardsigmoid(input: Tensor) -> Tensor:
    """clamp(x + 3, 0, 6) / 6."""
    return div(hardtanh(add(input, 3), 0.0, 6.0), 6)


@may_be_in_place
@in_float32
def hardswish(input: Tensor) -> Tensor:
    """x * clamp(x + 3, 0, 6) / 6. Howard et al. 2019."""
    return div(mul(input, hardtanh(add(input, 3), 0.0, 6.0)), 6)


@composite
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by `lambd`; 0 where |x| is not above it. Raises OperandError (IG324) for a negative lambd."""
    if lambd < 0:
        raise _refused(f"lambda must be in range [0, largest number of {input._layout.dtype}], but found {lambd}")
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
@in_float32
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along `dim` times the sigmoid of the second. Dauphin et al. 2016.

    Raises OperandError (IG324) for an odd size.
    """
    size: Any = input._layout.shape[axis_of(input, dim)] if input._layout.ndim else 1
    if size % 2:
        raise _refused(f"Halving dimension must be even, but dimension {dim} is size {size}")
    a, b = input.chunk(2, dim)
    return mul(a, sigmoid(b))


def _converted(input: Tensor, third: Any, dtype: DType | None) -> Tensor:
    """The input in the dtype asked for: by name, or as torch.softmax's third argument."""
    kind = third if isinstance(third, DType) else dtype
    return input if kind is None else cast_to(input, kind)


def _need_floating(name: str, input: Tensor) -> Tensor:
    """Raises OperandError (IG215) for integers."""
    if input._layout.dtype.is_floating_point:
        return input
    raise OperandError(
        "IG215", f"{name} is for floating dtypes, not {input._layout!r}", where=user_line(), fix="x.float(), or dtype="
    )


def softmax(input: Tensor, dim: int | None = None, _stacklevel: Any = 3, dtype: DType | None = None) -> Tensor:
    """exp(x) / sum(exp(x)) along `dim`, without overflow."""
    return _softmax(_need_floating("softmax", _converted(input, _stacklevel, dtype)), _axis(input, dim))


@composite
@in_float32
def _softmax(input: Tensor, axis: int) -> Tensor:
    x = floating(input)
    if x._layout.numel == 0:
        return x * 1
    raised = exp(sub(x, amax(x, axis, True).detach()))
    return div(raised, sum(raised, axis, True))


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: Any = 3, dtype: DType | None = None) -> Tensor:
    """The logarithm of softmax along `dim`, without overflow."""
    return _log_softmax(_need_floating("log_softmax", _converted(input, _stacklevel, dtype)), _axis(input, dim))


@composite
@in_float32
def _log_softmax(input: Tensor, axis: int) -> Tensor:
    x = floating(input)
    if x._layout.numel == 0:
        return x * 1
    shifted = sub(x, amax(x, axis, True).detach())
    return sub(shifted, log(sum(exp(shifted), axis, True)))


def softmin(input: Tensor, dim: int | None = None, _stacklevel: Any = 3, dtype: DType | None = None) -> Tensor:
    """softmax of -x."""
    return softmax(neg(input), dim, _stacklevel, dtype)


def _axis(x: Tensor, dim: int | None) -> int:
    """PyTorch's implicit choice where no dimension is given (torch/nn/functional.py `_get_softmax_dim`)."""
    if dim is not None:
        return axis_of(x, dim)
    return 0 if x._layout.ndim in (0, 1, 3) else 1


relu_ = _written_to(relu)
hardtanh_ = _written_to(hardtanh)
threshold_ = _written_to(threshold)
leaky_relu_ = _written_to(leaky_relu)
elu_ = _written_to(elu)
selu_ = _written_to(selu)
celu_ = _written_to(celu)
