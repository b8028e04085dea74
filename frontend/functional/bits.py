"""Functions that look at signs, exponents and neighbours of floating numbers, and number theory of integers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ingot.compiler.ir import Graph, TensorType
from ingot.compiler.ops import elementwise, source
from ingot.compiler.ops.control import scan
from ingot.compiler.ops.source import input as make_input
from ingot.core import array_of, is_tensor, tensor_from_array
from ingot.functional.arithmetic import div, eq, gt, logical_or, lt, mul, ne, where
from ingot.functional.arithmetic import pow as power
from ingot.functional.unary import abs, floating, isnan
from ingot.gate import apply, apply_several
from ingot.modes import Defaults, modes
from ingot.promote import cast_to, is_number, result_dtype, splat, unified
from ingot.runtime import dtypes
from ingot.runtime.errors import DTypeError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

_BITS = {2: dtypes.int16, 4: dtypes.int32, 8: dtypes.int64}
# Bits of the fraction, and the exponent's bias.
_FORMATS = {"float32": (23, 127), "float64": (52, 1023)}


class MantissaAndExponent(NamedTuple):
    """The result of frexp."""

    mantissa: Tensor
    exponent: Tensor


def _bits_of(input: Tensor) -> Tensor:
    """The bits of floating numbers as integers of the same width."""
    return apply(elementwise.bitcast, input, dtype=_BITS[input._layout.itemsize])


def _plain(number: int, like: Tensor) -> Tensor:
    return splat(number, like._layout.dtype, like._layout.shape)


def signbit(input: Tensor) -> Tensor:
    """Whether the sign bit is set: for numbers below 0, and for -0."""
    if input._layout.dtype.is_floating_point:
        return lt(_bits_of(input), 0)
    if input._layout.dtype.is_signed:
        return lt(input, 0)
    return splat(False, dtypes.bool_, input._layout.shape)


def copysign(input: Any, other: Any) -> Tensor:
    """The size of `input` with the sign of `other`, -0 included."""
    if is_number(other):
        x = floating(input)
        return -abs(x) if math.copysign(1.0, other) < 0 else abs(x)
    dtype = result_dtype(input, other)
    a, b = unified("copysign", input, other, dtype=dtype if dtype.is_floating_point else Defaults.dtype)
    size = abs(a)
    return apply(elementwise.select, signbit(b), -size, size)


def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The next number that the dtype has from `input` towards `other`."""
    a, b = unified("nextafter", input, other)
    if not a._layout.dtype.is_floating_point:
        raise DTypeError("IG215", f"nextafter needs floating numbers, not {a._layout.dtype}", where=user_line())
    bits = _bits_of(a)
    outward = eq(gt(b, a), gt(a, 0))
    moved = apply(elementwise.add, bits, where(outward, _plain(1, bits), _plain(-1, bits)))
    # From 0, the smallest number of the sign of the way.
    smallest = where(gt(b, 0), _plain(1, bits), apply(elementwise.add, _plain(1, bits), _lowest(bits)))
    chosen = where(eq(a, 0), smallest, moved)
    result: Tensor = apply(elementwise.bitcast, chosen, dtype=a._layout.dtype)
    same = logical_or(eq(a, b), logical_or(isnan(a), isnan(b)))
    return where(same, where(isnan(a), a, b), result)


def _lowest(bits: Tensor) -> Tensor:
    return _plain(-(1 << (bits._layout.dtype.bits - 1)), bits)


def frexp(input: Tensor) -> MantissaAndExponent:
    """(mantissa in (-1, -0.5] or [0.5, 1), int32 exponent) with input == mantissa * 2**exponent; 0, inf, NaN stay."""
    if not input._layout.dtype.is_floating_point:
        raise DTypeError("IG215", "torch.frexp() only supports floating-point dtypes", where=user_line())
    x = input if input._layout.itemsize >= 4 else cast_to(input, dtypes.float32)
    fraction, bias = _FORMATS[x._layout.dtype.name]
    # Numbers below the normal ones are scaled up first, exactly.
    small = lt(abs(x), 2.0 ** (1 - bias))
    scaled = where(small, x * 2.0 ** (fraction + 1), x)
    bits = _bits_of(scaled)
    field = (1 << (x._layout.dtype.bits - 1 - fraction)) - 1
    stored = (bits >> fraction) & field
    exponent = stored - (bias - 1) - where(small, _plain(fraction + 1, bits), _plain(0, bits))
    special = logical_or(eq(x, 0), eq(stored, field))
    exponent = where(special, _plain(0, bits), exponent)
    # 2**-exponent may be out of range, its halves are not.
    half = exponent >> 1
    mantissa = x * _power_of_two(-half, x, fraction, bias) * _power_of_two(half - exponent, x, fraction, bias)
    return MantissaAndExponent(cast_to(mantissa, input._layout.dtype), cast_to(exponent, dtypes.int32))


def _power_of_two(exponent: Tensor, like: Tensor, fraction: int, bias: int) -> Tensor:
    power_of_two: Tensor = apply(elementwise.bitcast, (exponent + bias) << fraction, dtype=like._layout.dtype)
    return power_of_two


def ldexp(input: Any, other: Any) -> Tensor:
    """input * 2**other."""
    return mul(input, power(2.0, other))


def float_power(input: Any, exponent: Any) -> Tensor:
    """input ** exponent, in float64."""
    wide = [cast_to(v, dtypes.float64) if is_tensor(v) else float(v) for v in (input, exponent)]
    if not is_tensor(wide[0]):
        wide[0] = splat(wide[0], dtypes.float64)
    return power(wide[0], wide[1])


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below 0, `values` at 0, 1 above. Raises DTypeError (IG227) for different dtypes."""
    if input._layout.dtype is not values._layout.dtype:
        raise DTypeError(
            "IG227", "heaviside is not yet implemented for tensors with different dtypes.", where=user_line()
        )
    x, at_zero = unified("heaviside", input, values)
    return where(eq(x, 0), at_zero, cast_to(gt(x, 0), x._layout.dtype))


def isposinf(input: Tensor) -> Tensor:
    """Whether an element is +inf."""
    return eq(input, math.inf) if input._layout.dtype.is_floating_point else ne(input, input)


def isneginf(input: Tensor) -> Tensor:
    """Whether an element is -inf."""
    return eq(input, -math.inf) if input._layout.dtype.is_floating_point else ne(input, input)


def isreal(input: Tensor) -> Tensor:
    """True everywhere: there are no complex dtypes."""
    return splat(True, dtypes.bool_, input._layout.shape)


def angle(input: Tensor) -> Tensor:
    """pi for negative numbers, 0 for others, NaN for NaN."""
    x = floating(input)
    zero = splat(0.0, x._layout.dtype, x._layout.shape)
    return where(isnan(x), x, where(lt(x, 0), splat(math.pi, x._layout.dtype, x._layout.shape), zero))


def gcd(input: Tensor, other: Tensor) -> Tensor:
    """The greatest common divisor. Raises DTypeError (IG215) for floats."""
    a, b = _integers("gcd", input, other)
    return _euclid(abs(a), abs(b))


def lcm(input: Tensor, other: Tensor) -> Tensor:
    """The least common multiple. Raises DTypeError (IG215) for floats."""
    a, b = _integers("lcm", input, other)
    divisor = _euclid(abs(a), abs(b))
    safe = where(eq(divisor, 0), _plain(1, divisor), divisor)
    return abs(mul(div(a, safe, rounding_mode="trunc"), b))


def _integers(name: str, input: Tensor, other: Tensor) -> tuple[Tensor, ...]:
    dtype = result_dtype(input, other)
    if dtype.kind not in "iu":
        raise DTypeError("IG215", f"{name} needs integers, not {dtype}", where=user_line(), fix="x.long()")
    return unified(name, input, other, dtype=dtype)


def _euclid(a: Tensor, b: Tensor) -> Tensor:
    """gcd of numbers that are not negative: Euclid's algorithm, in compiled code as many steps as any pair may need."""
    if modes.trace is None:
        return tensor_from_array(np.array(np.gcd(array_of(a), array_of(b))))
    kind = TensorType(a._layout.dtype, a._layout.shape)
    x, y = make_input(type=kind, name="x"), make_input(type=kind, name="y")
    zero, one = source.full(kind, 0), source.full(kind, 1)
    done = elementwise.eq(y, zero)
    rest = elementwise.remainder(x, elementwise.select(done, one, y))
    step = Graph((x, y), (elementwise.select(done, x, y), elementwise.select(done, zero, rest)), (), "euclid")
    # Consecutive Fibonacci numbers need most steps (Lame 1844): fewer than 1.45 per bit.
    count = math.ceil(1.45 * a._layout.dtype.bits)
    return apply_several(scan, a, b, body=step, carries=2, xs=0, length=count)[0]
