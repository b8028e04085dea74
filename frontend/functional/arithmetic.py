"""Arithmetic, comparison and logic of two or three operands, with PyTorch's promotion and broadcasting."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ingot.compiler.ir import Op
from ingot.compiler.ops import elementwise, transcendental
from ingot.composite import composite
from ingot.core import is_tensor
from ingot.functional.unary import logical_not, reciprocal, rsqrt, sqrt, square
from ingot.gate import apply
from ingot.modes import Defaults
from ingot.promote import cast_to, common_shape, expand_to, is_number, result_dtype, splat, unified
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def _no_bool(name: str, dtype: DType, instead: str) -> None:
    if dtype.kind == "b":
        raise DTypeError("IG215", f"{name} is not defined for bool tensors", where=user_line(), fix=instead)


def _scaled(other: Any, alpha: Any, dtype: DType) -> Any:
    if type(alpha) is int and alpha == 1:
        return other
    if isinstance(alpha, float) and not dtype.is_floating_point:
        raise DTypeError(
            "IG211", f"alpha={alpha} must be an integer for a result of {dtype}", where=user_line(), fix="x.float()"
        )
    return mul(other, alpha) if is_tensor(other) else other * alpha


@composite
def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha * other."""
    dtype = result_dtype(input, other)
    a, b = unified("add", input, _scaled(other, alpha, dtype), dtype=dtype)
    return apply(elementwise.or_ if dtype.kind == "b" else elementwise.add, a, b)


@composite
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input - alpha * other."""
    dtype = result_dtype(input, other)
    _no_bool("-", dtype, "a ^ b, or logical_xor(a, b)")
    a, b = unified("sub", input, _scaled(other, alpha, dtype), dtype=dtype)
    return apply(elementwise.sub, a, b)


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """other - alpha * input."""
    return sub(other, input, alpha=alpha)


@composite
def mul(input: Any, other: Any) -> Tensor:
    """input * other."""
    dtype = result_dtype(input, other)
    a, b = unified("mul", input, other, dtype=dtype)
    return apply(elementwise.and_ if dtype.kind == "b" else elementwise.mul, a, b)


@composite
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other. `rounding_mode`: None true division, "floor" or "trunc" to whole numbers."""
    if rounding_mode == "floor":
        return floor_divide(input, other)
    dtype = result_dtype(input, other)
    if rounding_mode is None:
        a, b = unified("div", input, other, dtype=dtype if dtype.is_floating_point else Defaults.dtype)
        return apply(elementwise.div, a, b)
    if rounding_mode != "trunc":
        raise SpecError("IG217", f"rounding_mode is None, 'floor' or 'trunc', not {rounding_mode!r}", where=user_line())
    a, b = unified("div", input, other, dtype=dtype)
    if dtype.is_floating_point:
        return apply(elementwise.trunc, apply(elementwise.div, a, b))
    return apply(elementwise.floordiv, apply(elementwise.sub, a, apply(elementwise.fmod, a, b)), b)


def rdiv(input: Any, other: Any) -> Tensor:
    """other / input."""
    return reciprocal(input) if is_number(other) and other == 1 else div(other, input)


def floor_divide(input: Any, other: Any) -> Tensor:
    """floor(input / other)."""
    dtype = result_dtype(input, other)
    _no_bool("floor_divide", dtype, "a.int() // b")
    return apply(elementwise.floordiv, *unified("floor_divide", input, other, dtype=dtype))


def rfloor_divide(input: Any, other: Any) -> Tensor:
    """floor(other / input)."""
    return floor_divide(other, input)


@composite
def remainder(input: Any, other: Any) -> Tensor:
    """The remainder with the sign of the divisor, as Python's %."""
    dtype = result_dtype(input, other)
    _no_bool("remainder", dtype, "a.int() % b")
    return apply(elementwise.remainder, *unified("remainder", input, other, dtype=dtype))


def rremainder(input: Any, other: Any) -> Tensor:
    """other % input."""
    return remainder(other, input)


@composite
def fmod(input: Any, other: Any) -> Tensor:
    """The remainder with the sign of the dividend, as C's fmod."""
    dtype = result_dtype(input, other)
    _no_bool("fmod", dtype, "fmod(a.int(), b)")
    return apply(elementwise.fmod, *unified("fmod", input, other, dtype=dtype))


# Exponents that PyTorch computes by other means (aten/src/ATen/native/cpu/PowKernel.cpp).
_POWERS: dict[float, Callable[[Tensor], Tensor]] = {
    0.5: sqrt,
    2: square,
    3: lambda x: mul(square(x), x),
    -0.5: rsqrt,
    -1: reciprocal,
    -2: lambda x: reciprocal(square(x)),
}


@composite
def pow(input: Any, exponent: Any) -> Tensor:
    """input ** exponent. Raises DTypeError (IG218) for an integer tensor to a negative integer."""
    dtype = result_dtype(input, exponent)
    if isinstance(exponent, (int, float)) and is_tensor(input):
        if not dtype.is_floating_point and exponent < 0:
            raise DTypeError(
                "IG218",
                "integers to negative integer powers are not allowed",
                where=user_line(),
                fix=f"x.float() ** {exponent}",
            )
        if dtype.is_floating_point or exponent in (2, 3):
            known = _POWERS.get(exponent)
            if known is not None:
                return known(cast_to(input, dtype))
    _no_bool("pow", dtype, "a.int() ** b")
    a, b = unified("pow", input, exponent, dtype=dtype)
    return apply(transcendental.pow, a, b)


def rpow(input: Any, other: Any) -> Tensor:
    """other ** input."""
    return pow(other, input)


def _float_binary(row: Op, name: str, what: str) -> Callable[[Any, Any], Tensor]:
    def function(input: Any, other: Any) -> Tensor:
        dtype = result_dtype(input, other)
        return apply(row, *unified(name, input, other, dtype=dtype if dtype.is_floating_point else Defaults.dtype))

    return _named(function, name, what)


def _binary(row: Op, name: str, what: str) -> Callable[[Any, Any], Tensor]:
    def function(input: Any, other: Any) -> Tensor:
        return apply(row, *unified(name, input, other))

    return _named(function, name, what)


def _integer_binary(row: Op, name: str, what: str) -> Callable[[Any, Any], Tensor]:
    def function(input: Any, other: Any) -> Tensor:
        dtype = result_dtype(input, other)
        if dtype.is_floating_point:
            raise DTypeError(
                "IG215", f"{name} needs integers or bools, not {dtype}", where=user_line(), fix="x.to(ingot.int64)"
            )
        return apply(row, *unified(name, input, other, dtype=dtype))

    return _named(function, name, what)


def _logical(row: Op, name: str, what: str) -> Callable[[Any, Any], Tensor]:
    def function(input: Any, other: Any) -> Tensor:
        a, b = unified(name, input, other)
        if a._layout.dtype.kind != "b":
            zero = splat(0, a._layout.dtype, a._layout.shape)
            a, b = apply(elementwise.ne, a, zero), apply(elementwise.ne, b, zero)
        return apply(row, a, b)

    return _named(function, name, what)


def _named(function: Callable[[Any, Any], Tensor], name: str, what: str) -> Callable[[Any, Any], Tensor]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = what
    return function


atan2 = _float_binary(transcendental.atan2, "atan2", "The angle of the point (other, input), in radians.")
arctan2 = atan2
maximum = _binary(elementwise.maximum, "maximum", "The larger of two elements; NaN if one is.")
minimum = _binary(elementwise.minimum, "minimum", "The smaller of two elements; NaN if one is.")
eq = _binary(elementwise.eq, "eq", "input == other.")
ne = _binary(elementwise.ne, "ne", "input != other.")
lt = _binary(elementwise.lt, "lt", "input < other.")
le = _binary(elementwise.le, "le", "input <= other.")
gt = _binary(elementwise.gt, "gt", "input > other.")
ge = _binary(elementwise.ge, "ge", "input >= other.")
bitwise_and = _integer_binary(elementwise.and_, "bitwise_and", "input & other.")
bitwise_or = _integer_binary(elementwise.or_, "bitwise_or", "input | other.")
bitwise_xor = _integer_binary(elementwise.xor, "bitwise_xor", "input ^ other.")
bitwise_left_shift = _integer_binary(elementwise.shl, "bitwise_left_shift", "input << other.")
bitwise_right_shift = _integer_binary(elementwise.shr, "bitwise_right_shift", "input >> other.")


def rlshift(input: Any, other: Any) -> Tensor:
    """other << input."""
    return bitwise_left_shift(other, input)


def rrshift(input: Any, other: Any) -> Tensor:
    """other >> input."""
    return bitwise_right_shift(other, input)


logical_and = _logical(elementwise.and_, "logical_and", "Whether both are nonzero.")
logical_or = _logical(elementwise.or_, "logical_or", "Whether one or both are nonzero.")
logical_xor = _logical(elementwise.xor, "logical_xor", "Whether exactly one is nonzero.")

subtract, multiply, divide, true_divide = sub, mul, div, div
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne


def _comparable(other: Any) -> bool:
    return is_tensor(other) or is_number(other) or isinstance(other, np.ndarray)


def equals(input: Tensor, other: Any) -> Tensor:
    """`==`: elementwise with tensors and numbers; NotImplemented with anything else, so that `x == None` is False."""
    return eq(input, other) if _comparable(other) else NotImplemented


def differs(input: Tensor, other: Any) -> Tensor:
    """`!=`: elementwise with tensors and numbers; NotImplemented with anything else."""
    return ne(input, other) if _comparable(other) else NotImplemented


def fmax(input: Any, other: Any) -> Tensor:
    """The larger of two elements; where one is NaN, the other."""
    a, b = unified("fmax", input, other)
    return _chosen(apply(elementwise.ge, a, b), a, b)


def fmin(input: Any, other: Any) -> Tensor:
    """The smaller of two elements; where one is NaN, the other."""
    a, b = unified("fmin", input, other)
    return _chosen(apply(elementwise.le, a, b), a, b)


def _chosen(first: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`a` where it is the first or `b` is NaN; of equal elements the gradient goes to `a`, as in PyTorch."""
    if a._layout.dtype.is_floating_point:
        first = apply(elementwise.or_, first, apply(elementwise.isnan, b))
    return apply(elementwise.select, first, a, b)


@overload
def where(condition: Tensor, input: Any, other: Any) -> Tensor: ...
@overload
def where(condition: Tensor) -> tuple[Tensor, ...]: ...


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """`input` where `condition` holds, else `other`. With the condition alone: the indices where it holds, per axis.

    Raises DTypeError (IG219) unless the condition is bool.
    """
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if condition._layout.dtype.kind != "b":
        raise DTypeError(
            "IG219",
            f"where needs a bool condition, not {condition._layout.dtype}",
            where=user_line(),
            fix="where(condition != 0, a, b)",
        )
    dtype = result_dtype(input, other)
    mask, a, b = unified_mask("where", condition, input, other, dtype=dtype)
    return apply(elementwise.select, mask, a, b)


def unified_mask(name: str, mask: Tensor, *operands: Any, dtype: DType) -> tuple[Tensor, ...]:
    """A bool tensor and operands of another dtype, broadcast to one shape."""
    from_mask = cast_to(mask, dtypes.bool_)
    shape = common_shape((from_mask, *operands), name)
    rest = [splat_or_expand(operand, dtype, shape) for operand in operands]
    return expand_to(from_mask, shape), *rest


def splat_or_expand(operand: Any, dtype: DType, shape: Any) -> Tensor:
    """A tensor or number in this dtype and shape."""
    return expand_to(cast_to(operand, dtype), shape) if is_tensor(operand) else splat(operand, dtype, shape)


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where the mask is True, else the element; the dtype is that of `input`."""
    if mask._layout.dtype.kind != "b":
        raise DTypeError(
            "IG219", f"masked_fill needs a bool mask, not {mask._layout.dtype}", where=user_line(), fix="mask != 0"
        )
    dtype = input._layout.dtype
    chosen, fill, x = unified_mask("masked_fill", mask, value, input, dtype=dtype)
    return apply(elementwise.select, chosen, fill, x)


@composite
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 * tensor2."""
    tensor1, tensor2, value = _of_one_kind(input, tensor1, tensor2, value)
    return add(input, mul(tensor1, tensor2) if _is_one(value) else mul(mul(tensor1, value), tensor2))


@composite
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 / tensor2."""
    tensor1, tensor2, value = _of_one_kind(input, tensor1, tensor2, value)
    return add(input, div(tensor1 if _is_one(value) else mul(tensor1, value), tensor2))


def _of_one_kind(input: Any, tensor1: Any, tensor2: Any, value: Any) -> tuple[Any, Any, Any]:
    """The operands in the floating dtype that the three tensors have together; a factor of integers is an integer."""
    dtype = result_dtype(input, tensor1, tensor2)
    if not dtype.is_floating_point:
        return tensor1, tensor2, int(value) if isinstance(value, float) else value
    return *(cast_to(x, dtype) if is_tensor(x) else x for x in (tensor1, tensor2)), value


def _is_one(value: Any) -> bool:
    return isinstance(value, (int, float)) and value == 1


@composite
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input), computed from the nearer end (aten/src/ATen/native/Lerp.h).

    Raises DTypeError (IG227) unless both have one floating dtype.
    """
    dtype = input._layout.dtype
    if end._layout.dtype is not dtype or not dtype.is_floating_point:
        raise DTypeError(
            "IG227",
            f"lerp needs floating tensors of one dtype: `input` has {dtype}, `end` {end._layout.dtype}",
            where=user_line(),
            fix=f"end.to({dtype})",
        )
    if isinstance(weight, (int, float)):
        if abs(weight) < 0.5:
            return add(input, mul(sub(end, input), weight))
        return sub(end, mul(sub(end, input), 1 - weight))
    distance = sub(end, input)
    near = lt(weight.abs(), 0.5)
    return where(near, add(input, mul(weight, distance)), sub(end, mul(distance, sub(1, weight))))


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """|input - other| <= atol + rtol * |other|, elementwise; equal infinities are close.

    Raises DTypeError (IG227) for different dtypes.
    """
    if input._layout.dtype is not other._layout.dtype:
        raise DTypeError(
            "IG227",
            f"{input._layout.dtype} did not match {other._layout.dtype}",
            where=user_line(),
            fix="x.to(y.dtype)",
        )
    a, b = unified("isclose", input, other)
    close = eq(a, b)
    if equal_nan and a._layout.dtype.is_floating_point:
        close = logical_or(close, logical_and(a.isnan(), b.isnan()))
    if rtol == 0 and atol == 0:
        return close
    wide = a if a._layout.dtype.is_floating_point else cast_to(a, Defaults.dtype)
    reference = b if b._layout.dtype.is_floating_point else cast_to(b, Defaults.dtype)
    difference = sub(wide, reference).abs()
    near = le(difference, add(mul(reference.abs(), rtol), atol))
    return logical_or(close, logical_and(near, difference.isfinite()))


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close; see `isclose`."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have one shape and equal elements."""
    return input._layout.shape == other._layout.shape and bool(eq(input, other).all())


@composite
def logaddexp(input: Any, other: Any) -> Tensor:
    """log(exp(input) + exp(other)) without overflow."""
    a, b = unified("logaddexp", input, other)
    high = maximum(a, b)
    distance = sub(minimum(a, b), high)
    safe = masked_fill(distance, eq(a, b), 0.0)
    return add(high, safe.exp().log1p())


def logaddexp2(input: Any, other: Any) -> Tensor:
    """log2(2^input + 2^other) without overflow."""
    return mul(logaddexp(mul(input, math.log(2.0)), mul(other, math.log(2.0))), 1.0 / math.log(2.0))


def hypot(input: Any, other: Any) -> Tensor:
    """sqrt(input^2 + other^2) without overflow; infinite where one operand is."""
    a, b = unified("hypot", input, other)
    size_a, size_b = a.abs().detach(), b.abs().detach()
    largest = maximum(size_a, size_b)
    scale = where(logical_or(eq(largest, 0), eq(largest, math.inf)), 1.0, largest)
    length = mul(sqrt(add(square(div(a, scale)), square(div(b, scale)))), scale)
    infinite = logical_or(eq(size_a, math.inf), eq(size_b, math.inf))
    return masked_fill(length, infinite, math.inf)


@composite
def xlogy(input: Any, other: Any) -> Tensor:
    """input * log(other), 0 where input is 0 (and other is not NaN)."""
    a, b = unified("xlogy", input, other)
    # Where the logarithm is finite it stays, as the derivative by the zero.
    finite = logical_and(gt(b, 0), lt(b, math.inf))
    zero = logical_and(eq(a, 0), logical_and(logical_not_nan(b), logical_not(finite)))
    return mul(a, masked_fill(b, zero, 1.0).log())


def logical_not_nan(x: Tensor) -> Tensor:
    """Whether an element is not NaN."""
    return eq(x, x)


def xlog1py(input: Any, other: Any) -> Tensor:
    """input * log(1 + other), 0 where input is 0 (and other is not NaN)."""
    a, b = unified("xlog1py", input, other)
    return masked_fill(mul(a, b.log1p()), logical_and(eq(a, 0), logical_not_nan(b)), 0.0)


def rad2deg(input: Tensor) -> Tensor:
    """Radians to degrees."""
    return mul(input, 180.0 / math.pi)


def deg2rad(input: Tensor) -> Tensor:
    """Degrees to radians."""
    return mul(input, math.pi / 180.0)
