"""Functions of one tensor, element by element. Integers and bools become the default floating dtype where a result is
not exact; `floor` and its like leave integers as they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ingot.compiler.ir import Op
from ingot.compiler.ops import elementwise, transcendental
from ingot.compiler.ops import view as view_rows
from ingot.gate import apply
from ingot.modes import Defaults
from ingot.promote import cast_to, splat, unified
from ingot.runtime import dtypes
from ingot.runtime.errors import DTypeError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def floating(input: Tensor) -> Tensor:
    """The tensor itself if it is floating, else in the default dtype."""
    return input if input._layout.dtype.is_floating_point else cast_to(input, Defaults.dtype)


def _float_function(row: Op, name: str, what: str) -> Callable[[Tensor], Tensor]:
    def function(input: Tensor) -> Tensor:
        return apply(row, floating(input))

    return _named(function, name, what)


def _number_function(row: Op, name: str, what: str, *, ints_unchanged: bool) -> Callable[[Tensor], Tensor]:
    def function(input: Tensor) -> Tensor:
        dtype = input._layout.dtype
        if ints_unchanged and not dtype.is_floating_point:
            return apply(view_rows.reshape, input, shape=input._layout.shape)
        if dtype.kind == "b":
            raise DTypeError(
                "IG215", f"{name} is not defined for bool tensors", where=user_line(), fix=f"{name}(x.int()), or ~x"
            )
        return apply(row, input)

    return _named(function, name, what)


def _named(function: Callable[[Tensor], Tensor], name: str, what: str) -> Callable[[Tensor], Tensor]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = what
    return function


exp = _float_function(transcendental.exp, "exp", "e to the power of each element.")
expm1 = _float_function(transcendental.expm1, "expm1", "exp(x) - 1, exact near 0.")
log = _float_function(transcendental.log, "log", "The natural logarithm; NaN below 0.")
log1p = _float_function(transcendental.log1p, "log1p", "log(1 + x), exact near 0.")
log2 = _float_function(transcendental.log2, "log2", "The logarithm to base 2.")
sqrt = _float_function(transcendental.sqrt, "sqrt", "The square root; NaN below 0.")
rsqrt = _float_function(transcendental.rsqrt, "rsqrt", "1 / sqrt(x).")
sin = _float_function(transcendental.sin, "sin", "The sine of radians.")
cos = _float_function(transcendental.cos, "cos", "The cosine of radians.")
tan = _float_function(transcendental.tan, "tan", "The tangent of radians.")
asin = _float_function(transcendental.asin, "asin", "The inverse sine, in radians.")
acos = _float_function(transcendental.acos, "acos", "The inverse cosine, in radians.")
atan = _float_function(transcendental.atan, "atan", "The inverse tangent, in radians.")
sinh = _float_function(transcendental.sinh, "sinh", "The hyperbolic sine.")
cosh = _float_function(transcendental.cosh, "cosh", "The hyperbolic cosine.")
tanh = _float_function(transcendental.tanh, "tanh", "The hyperbolic tangent.")
asinh = _float_function(transcendental.asinh, "asinh", "The inverse hyperbolic sine.")
acosh = _float_function(transcendental.acosh, "acosh", "The inverse hyperbolic cosine; NaN below 1.")
atanh = _float_function(transcendental.atanh, "atanh", "The inverse hyperbolic tangent; NaN outside [-1, 1].")
erf = _float_function(transcendental.erf, "erf", "The error function.")
erfinv = _float_function(transcendental.erfinv, "erfinv", "The inverse error function.")
sigmoid = _float_function(transcendental.sigmoid, "sigmoid", "1 / (1 + exp(-x)).")
lgamma = _float_function(transcendental.lgamma, "lgamma", "The logarithm of |gamma(x)|.")
digamma = _float_function(transcendental.digamma, "digamma", "The derivative of lgamma.")
reciprocal = _float_function(elementwise.reciprocal, "reciprocal", "1 / x.")
floor = _number_function(elementwise.floor, "floor", "Round towards -inf.", ints_unchanged=True)
ceil = _number_function(elementwise.ceil, "ceil", "Round towards +inf.", ints_unchanged=True)
trunc = _number_function(elementwise.trunc, "trunc", "Round towards 0.", ints_unchanged=True)
neg = _number_function(elementwise.neg, "neg", "-x.", ints_unchanged=False)

arcsin, arccos, arctan = asin, acos, atan
arcsinh, arccosh, arctanh = asinh, acosh, atanh
expit = sigmoid
negative = neg
fix = trunc


def abs(input: Tensor) -> Tensor:
    """|x|."""
    return input if input._layout.dtype.kind == "b" else apply(elementwise.abs, input)


absolute = abs


def positive(input: Tensor) -> Tensor:
    """The tensor itself."""
    return input


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1; NaN gives 0."""
    if input._layout.dtype.kind == "b":
        return apply(view_rows.reshape, input, shape=input._layout.shape)
    return apply(elementwise.sign, input)


sgn = sign


def square(input: Tensor) -> Tensor:
    """x * x; of bools, int64."""
    x = cast_to(input, dtypes.int64) if input._layout.dtype.kind == "b" else input
    return apply(elementwise.mul, x, x)


def exp2(input: Tensor) -> Tensor:
    """2 to the power of each element."""
    x = floating(input)
    return apply(transcendental.pow, splat(2.0, x._layout.dtype, x._layout.shape), x)


def log10(input: Tensor) -> Tensor:
    """The logarithm to base 10."""
    x = floating(input)
    return apply(
        elementwise.mul, apply(transcendental.log, x), splat(1 / math.log(10), x._layout.dtype, x._layout.shape)
    )


def frac(input: Tensor) -> Tensor:
    """x - trunc(x)."""
    return apply(elementwise.sub, input, trunc(input))


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)), x clamped to [eps, 1 - eps] if `eps` is given."""
    x = floating(input)
    if eps is not None:
        x = clamp(x, eps, 1 - eps)
    one = splat(1.0, x._layout.dtype, x._layout.shape)
    return apply(transcendental.log, apply(elementwise.div, x, apply(elementwise.sub, one, x)))


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Round to nearest, ties to even; to `decimals` places."""
    if not input._layout.dtype.is_floating_point:
        return apply(view_rows.reshape, input, shape=input._layout.shape)
    if decimals == 0:
        return apply(elementwise.round, input)
    scale = splat(10.0 ** builtin_abs(decimals), input._layout.dtype, input._layout.shape)
    up, down = (elementwise.mul, elementwise.div) if decimals > 0 else (elementwise.div, elementwise.mul)
    return apply(down, apply(elementwise.round, apply(up, input, scale)), scale)


def builtin_abs(value: int) -> int:
    return value if value >= 0 else -value


def _test(row: Op, name: str, what: str, on_integers: bool) -> Callable[[Tensor], Tensor]:
    def function(input: Tensor) -> Tensor:
        if not input._layout.dtype.is_floating_point:
            # In memory of its own: results may be written to.
            everywhere = splat(on_integers, dtypes.bool_, input._layout.shape)
            return apply(elementwise.logical_not, apply(elementwise.logical_not, everywhere))
        return apply(row, input)

    return _named(function, name, what)


isnan = _test(elementwise.isnan, "isnan", "Whether an element is NaN.", False)
isinf = _test(elementwise.isinf, "isinf", "Whether an element is infinite.", False)
isfinite = _test(elementwise.isfinite, "isfinite", "Whether an element is neither infinite nor NaN.", True)


def logical_not(input: Tensor) -> Tensor:
    """Whether an element is 0 (or False)."""
    return apply(elementwise.logical_not, input)


def bitwise_not(input: Tensor) -> Tensor:
    """Every bit inverted; for bools, the negation. Raises DTypeError (IG215) for floats."""
    if input._layout.dtype.is_floating_point:
        raise DTypeError(
            "IG215",
            f"~ needs an integer or bool tensor, not {input._layout.dtype}",
            where=user_line(),
            fix="logical_not(x), or ~(x > 0)",
        )
    return apply(elementwise.bitwise_not, input)


def nan_to_num(input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """NaN and infinities replaced by numbers; by default 0 and the largest finite ones."""
    dtype, shape = input._layout.dtype, input._layout.shape
    if not dtype.is_floating_point:
        return apply(view_rows.reshape, input, shape=shape)
    largest = _largest(dtype)
    high, low = largest if posinf is None else posinf, -largest if neginf is None else neginf
    infinite = apply(elementwise.isinf, input)
    positive_part = apply(elementwise.gt, input, splat(0.0, dtype, shape))
    limit = apply(elementwise.select, positive_part, splat(high, dtype, shape), splat(low, dtype, shape))
    finite = apply(elementwise.select, infinite, limit, input)
    return apply(elementwise.select, apply(elementwise.isnan, input), splat(nan, dtype, shape), finite)


def _largest(dtype: dtypes.DType) -> float:
    exponent, mantissa = {"f16": (15, 10), "bf16": (127, 7), "f32": (127, 23), "f64": (1023, 52)}[dtype.short]
    return math.ldexp(2.0 - math.ldexp(1.0, -mantissa), exponent)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Elements limited to [min, max]; the bounds are numbers, tensors or None. NaN stays.

    Raises DTypeError (IG216) when both bounds are None.
    """
    if min is None and max is None:
        raise DTypeError("IG216", "clamp needs `min`, `max` or both", where=user_line(), fix="clamp(x, min=0)")
    result = input
    # One type for all three operands, as PyTorch computes it.
    bounds = [b for b in (min, max) if b is not None]
    first, *limits = unified("clamp", result, *bounds)
    low = limits.pop(0) if min is not None else None
    if low is not None:
        first = _limited(first, low, is_min=True, constant=not _is_sized(min))
    if limits:
        first = _limited(first, limits[0], is_min=False, constant=not _is_sized(max))
    return first


def _is_sized(bound: Any) -> bool:
    return hasattr(bound, "_layout")


def _limited(x: Tensor, bound: Tensor, *, is_min: bool, constant: bool) -> Tensor:
    """PyTorch's gradient of clamp at the bound itself goes to x, where maximum's would be shared."""
    outside = apply(elementwise.lt if is_min else elementwise.gt, x, bound)
    if not constant and bound._layout.dtype.is_floating_point:
        outside = apply(elementwise.or_, outside, apply(elementwise.isnan, bound))
    return apply(elementwise.select, outside, bound, x)


clip = clamp


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """max(x, min)."""
    return clamp(input, min, None)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """min(x, max)."""
    return clamp(input, None, max)
