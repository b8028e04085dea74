"""Elementwise rows that every machine has instructions for: arithmetic, rounding, comparison, logic, conversion.

Operands have one type; the frontend inserts `expand` and `cast`. Functions from analysis are in `transcendental.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ingot.compiler.ir import Arg, Op, Sample, TensorType, Value
from ingot.compiler.ops import definitions
from ingot.compiler.ops.source import scalar_like, zeros_like
from ingot.compiler.ops.table import (
    BITS,
    INTS,
    NUMBERS,
    attributes,
    check_dtype,
    check_same,
    elementwise,
    listed,
    no_jvp,
    no_vjp,
    register,
)
from ingot.runtime.dtypes import (
    ALL,
    DType,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from ingot.runtime.errors import DTypeError, ShapeError

COMMUTATIVE = frozenset({"commutative"})

# ---- arithmetic


neg: Op = elementwise(
    "neg",
    np.negative,
    dtypes=NUMBERS,
    vjp=lambda g, y, x: (neg(g),),
    lower=lambda s, t, x: s.neg(x),
    doc="-x; unsigned integers wrap.",
)
abs: Op = elementwise(
    "abs",
    np.abs,
    dtypes=NUMBERS,
    vjp=lambda g, y, x: (mul(g, sign(x)),),
    lower=lambda s, t, x: s.abs(t, x),
    doc="|x|; the smallest signed integer stays itself. abs'(0) = 0.",
)
sign: Op = elementwise(
    "sign",
    definitions.sign,
    dtypes=NUMBERS,
    vjp=None,
    lower=lambda s, t, x: s.sign(t, x),
    doc="(x > 0) - (x < 0); NaN and both zeros give 0.",
)
add: Op = elementwise(
    "add",
    np.add,
    arity=2,
    dtypes=NUMBERS,
    traits=COMMUTATIVE,
    vjp=lambda g, y, a, b: (g, g),
    lower=lambda s, t, a, b: s.add(a, b),
    doc="a + b; integers wrap.",
)
sub: Op = elementwise(
    "sub",
    np.subtract,
    arity=2,
    dtypes=NUMBERS,
    vjp=lambda g, y, a, b: (g, neg(g)),
    lower=lambda s, t, a, b: s.sub(a, b),
    doc="a - b; integers wrap.",
)
mul: Op = elementwise(
    "mul",
    np.multiply,
    arity=2,
    dtypes=NUMBERS,
    traits=COMMUTATIVE,
    vjp=lambda g, y, a, b: (mul(g, b), mul(g, a)),
    lower=lambda s, t, a, b: s.mul(a, b),
    doc="a * b; integers wrap.",
)
div: Op = elementwise(
    "div",
    np.true_divide,
    arity=2,
    low=0.5,
    # From the operands, not the result: that may be written to in place, as in PyTorch.
    vjp=lambda g, y, a, b: (div(g, b), neg(div(mul(div(g, b), a), b))),
    lower=lambda s, t, a, b: s.div(a, b),
    doc="a / b, floating point.",
)
reciprocal: Op = elementwise(
    "reciprocal",
    lambda x: np.true_divide(x.dtype.type(1), x),
    low=0.5,
    vjp=lambda g, y, x: (neg(mul(g, mul(y, y))),),
    lower=lambda s, t, x: s.reciprocal(x),
    doc="1 / x.",
)


def _nonzero_divisor(low: float) -> tuple[Sample, ...]:
    """Operands whose quotient stays away from the integers, where floor and trunc jump."""
    shapes = ((2, 3), (), (0, 3), (1, 4, 1))
    return (
        *(Sample((Arg(s, None, 7.2, 7.8), Arg(s, None, low, low + 0.1))) for s in shapes),
        Sample((Arg((2, 3), None, 7.2, 7.8), Arg((2, 3), None, -low - 0.1, -low))),
        Sample((Arg((2, 3), None, 3.1, 3.4), Arg((2, 3), None, 2.2, 2.4))),
    )


floordiv: Op = elementwise(
    "floordiv",
    np.floor_divide,
    arity=2,
    dtypes=NUMBERS,
    samples=_nonzero_divisor(2.0),
    vjp=None,
    lower=lambda s, t, a, b: s.floordiv(t, a, b),
    doc="floor(a / b), the quotient that goes with `remainder`; integers: x // 0 = 0 and smallest // -1 = smallest.",
)
remainder: Op = elementwise(
    "remainder",
    definitions.remainder,
    arity=2,
    dtypes=NUMBERS,
    samples=_nonzero_divisor(2.0),
    vjp=lambda g, y, a, b: (g, neg(mul(g, floordiv(a, b)))),
    lower=lambda s, t, a, b: s.remainder(t, a, b),
    doc="a - b * floor(a / b): the sign of b; a zero keeps the sign of a; integers: x % 0 = 0.",
)
fmod: Op = elementwise(
    "fmod",
    np.fmod,
    arity=2,
    dtypes=NUMBERS,
    samples=_nonzero_divisor(2.0),
    vjp=lambda g, y, a, b: (g, neg(mul(g, trunc(div(a, b))))),
    lower=lambda s, t, a, b: s.fmod(t, a, b),
    doc="a - b * trunc(a / b), exact: the sign of a; integers: fmod(x, 0) = 0.",
)


def _share(g: Value, a: Value, b: Value) -> Value:
    """The cotangent of the larger (or smaller) operand: half of it where both are equal."""
    return select(eq(a, b), mul(g, scalar_like(g, 0.5)), g)


maximum: Op = elementwise(
    "maximum",
    np.maximum,
    arity=2,
    dtypes=ALL,
    traits=COMMUTATIVE,
    vjp=lambda g, y, a, b: (
        select(lt(a, b), zeros_like(g), _share(g, a, b)),
        select(gt(a, b), zeros_like(g), _share(g, a, b)),
    ),
    lower=lambda s, t, a, b: s.maximum(t, a, b),
    doc="The larger; NaN if either is NaN; of two zeros either. Equal operands share the gradient.",
)
minimum: Op = elementwise(
    "minimum",
    np.minimum,
    arity=2,
    dtypes=ALL,
    traits=COMMUTATIVE,
    vjp=lambda g, y, a, b: (
        select(gt(a, b), zeros_like(g), _share(g, a, b)),
        select(lt(a, b), zeros_like(g), _share(g, a, b)),
    ),
    lower=lambda s, t, a, b: s.minimum(t, a, b),
    doc="The smaller; NaN if either is NaN; of two zeros either. Equal operands share the gradient.",
)

# ---- rounding

_BETWEEN = (
    *(Sample((Arg(s, None, 1.1, 1.4),)) for s in ((2, 3), (), (0, 3), (1, 4, 1))),
    Sample((Arg((2, 3), None, -1.9, -1.6),)),
)
floor: Op = elementwise(
    "floor", np.floor, samples=_BETWEEN, vjp=None, lower=lambda s, t, x: s.floor(x), doc="Round towards -inf."
)
ceil: Op = elementwise(
    "ceil", np.ceil, samples=_BETWEEN, vjp=None, lower=lambda s, t, x: s.ceil(x), doc="Round towards +inf."
)
round: Op = elementwise(
    "round",
    np.rint,
    samples=_BETWEEN,
    vjp=None,
    lower=lambda s, t, x: s.round(x),
    doc="Round to nearest, ties to even.",
)
trunc: Op = elementwise(
    "trunc", np.trunc, samples=_BETWEEN, vjp=None, lower=lambda s, t, x: s.trunc(x), doc="Round towards zero."
)

# ---- tests and comparisons: the result is bool

isnan: Op = elementwise(
    "isnan", np.isnan, boolean=True, vjp=None, lower=lambda s, t, x: s.isnan(x), doc="Whether x is NaN."
)
isinf: Op = elementwise(
    "isinf", np.isinf, boolean=True, vjp=None, lower=lambda s, t, x: s.isinf(x), doc="Whether x is +inf or -inf."
)
isfinite: Op = elementwise(
    "isfinite",
    np.isfinite,
    boolean=True,
    vjp=None,
    lower=lambda s, t, x: s.isfinite(x),
    doc="Whether x is neither NaN nor infinite.",
)


def _comparison(name: str, define: Any, lower: Any, doc: str, traits: frozenset[str] = frozenset()) -> Op:
    return elementwise(
        name,
        define,
        arity=2,
        dtypes=ALL,
        boolean=True,
        traits=traits,
        vjp=None,
        lower=lower,
        low=-1.0,
        high=1.0,
        doc=doc,
    )


eq: Op = _comparison("eq", np.equal, lambda s, t, a, b: s.eq(t, a, b), "a == b; NaN equals nothing.", COMMUTATIVE)
ne: Op = _comparison("ne", np.not_equal, lambda s, t, a, b: s.ne(t, a, b), "a != b; true with NaN.", COMMUTATIVE)
lt: Op = _comparison("lt", np.less, lambda s, t, a, b: s.lt(t, a, b), "a < b; false with NaN.")
le: Op = _comparison("le", np.less_equal, lambda s, t, a, b: s.le(t, a, b), "a <= b; false with NaN.")
gt: Op = _comparison("gt", np.greater, lambda s, t, a, b: s.gt(t, a, b), "a > b; false with NaN.")
ge: Op = _comparison("ge", np.greater_equal, lambda s, t, a, b: s.ge(t, a, b), "a >= b; false with NaN.")

# ---- logic and bits

logical_not: Op = elementwise(
    "logical_not",
    np.logical_not,
    dtypes=ALL,
    boolean=True,
    vjp=None,
    lower=lambda s, t, x: s.logical_not(t, x),
    doc="x == 0, as bool.",
)
bitwise_not: Op = elementwise(
    "bitwise_not",
    np.invert,
    dtypes=BITS,
    vjp=None,
    lower=lambda s, t, x: s.bitwise_not(x),
    doc="Every bit inverted; the negation of a bool.",
)
and_: Op = elementwise(
    "and_",
    np.bitwise_and,
    arity=2,
    dtypes=BITS,
    traits=COMMUTATIVE,
    vjp=None,
    lower=lambda s, t, a, b: s.and_(a, b),
    doc="Bitwise and.",
)
or_: Op = elementwise(
    "or_",
    np.bitwise_or,
    arity=2,
    dtypes=BITS,
    traits=COMMUTATIVE,
    vjp=None,
    lower=lambda s, t, a, b: s.or_(a, b),
    doc="Bitwise or.",
)
xor: Op = elementwise(
    "xor",
    np.bitwise_xor,
    arity=2,
    dtypes=BITS,
    traits=COMMUTATIVE,
    vjp=None,
    lower=lambda s, t, a, b: s.xor(a, b),
    doc="Bitwise exclusive or.",
)
_SHIFTS = tuple(Sample((Arg(s, None, -100, 100), Arg(s, None, -2, 10))) for s in ((4, 5), (), (0, 3), (1, 4, 1)))
shl: Op = elementwise(
    "shl",
    definitions.shift_left,
    arity=2,
    dtypes=INTS,
    samples=_SHIFTS,
    vjp=None,
    lower=lambda s, t, a, b: s.shl(t, a, b),
    doc="a << b; a count outside 0 .. bits - 1 gives 0.",
)
shr: Op = elementwise(
    "shr",
    definitions.shift_right,
    arity=2,
    dtypes=INTS,
    samples=_SHIFTS,
    vjp=None,
    lower=lambda s, t, a, b: s.shr(t, a, b),
    doc="a >> b, keeping the sign; a count outside 0 .. bits - 1 shifts every bit out.",
)

# ---- selection and conversion


def _select_type(*types: TensorType) -> TensorType:
    if len(types) != 3:
        raise ShapeError("IG113", f"select takes a mask and two operands, got {listed(types)}")
    mask, a, b = types
    check_dtype("select", (bool_,), mask)
    same = check_same("select", a, b)
    if mask.shape != a.shape:
        raise ShapeError("IG111", f"select: shapes differ: {listed(types)}", fix="expand to one shape first")
    return same


def _select_jvp(tangents: Sequence[Value | None], out: Value, mask: Value, a: Value, b: Value) -> Value | None:
    _, ta, tb = tangents
    if ta is None and tb is None:
        return None
    return select(mask, zeros_like(out) if ta is None else ta, zeros_like(out) if tb is None else tb)


def _select_vjp(g: Value, y: Value, mask: Value, a: Value, b: Value) -> tuple[Value | None, ...]:
    if not y.dtype.is_floating_point:
        return None, None, None
    zero = zeros_like(g)
    return None, select(mask, g, zero), select(mask, zero, g)


select: Op = register(
    Op(
        name="select",
        kind="elementwise",
        infer=_select_type,
        eval=np.where,
        vjp=_select_vjp,
        jvp=_select_jvp,
        batch=lambda size, mask, a, b: select(mask, a, b),
        lower=lambda s, t, mask, a, b: s.select(mask, a, b),
        dtypes=ALL,
        samples=tuple(Sample((Arg(s, "bool"), Arg(s), Arg(s))) for s in ((2, 3), (), (0, 3), (1, 4, 1))),
        doc="a where the mask is true, else b. The untaken side does not reach the result or its gradient.",
    )
)


def _cast_type(t: TensorType, *, dtype: DType) -> TensorType:
    check_dtype("cast", ALL, t)
    return t.with_dtype(dtype)


def _cast_vjp(g: Value, y: Value, x: Value, *, dtype: DType) -> tuple[Value | None, ...]:
    if not (dtype.is_floating_point and x.dtype.is_floating_point):
        return (None,)
    return (convert(g, x.dtype),)


def _cast_jvp(tangents: Sequence[Value | None], out: Value, x: Value, *, dtype: DType) -> Value | None:
    (t,) = tangents
    return None if t is None or not dtype.is_floating_point else convert(t, dtype)


def convert(x: Value, dtype: DType) -> Value:
    """x in another dtype; x itself if it has it."""
    return x if x.dtype is dtype else cast(x, dtype=dtype)


_TARGETS = (bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64)
cast: Op = register(
    Op(
        name="cast",
        kind="elementwise",
        infer=_cast_type,
        eval=lambda x, *, dtype: definitions.convert(x, dtype.numpy),
        vjp=_cast_vjp,
        jvp=_cast_jvp,
        batch=lambda size, x, *, dtype: cast(x, dtype=dtype),
        lower=lambda s, t, x, *, dtype: s.cast(t, x, dtype),
        dtypes=ALL,
        samples=tuple(Sample((Arg((2, 3), None, -300.0, 300.0),), attributes(dtype=d)) for d in _TARGETS)
        + tuple(Sample((Arg(s),), attributes(dtype=float32)) for s in ((), (0, 3), (1, 4, 1))),
        doc="x in another dtype. " + " ".join((definitions.convert.__doc__ or "").split()),
    )
)


def _bitcast_type(t: TensorType, *, dtype: DType) -> TensorType:
    check_dtype("bitcast", NUMBERS, t, t.with_dtype(dtype))
    if t.dtype.itemsize != dtype.itemsize:
        raise DTypeError("IG112", f"bitcast: {t.dtype.name} has {t.dtype.bits} bits and {dtype.name} has {dtype.bits}")
    return t.with_dtype(dtype)


bitcast: Op = register(
    Op(
        name="bitcast",
        kind="elementwise",
        infer=_bitcast_type,
        eval=lambda x, *, dtype: x.view(dtype.numpy),
        vjp=no_vjp,
        jvp=no_jvp,
        batch=lambda size, x, *, dtype: bitcast(x, dtype=dtype),
        lower=lambda s, t, x, *, dtype: s.bitcast(t, x, dtype),
        dtypes=NUMBERS,
        samples=tuple(
            Sample((Arg(s, source),), attributes(dtype=target))
            for s in ((2, 3), (), (0, 3))
            for source, target in (("float32", int32), ("int64", float64), ("float16", bfloat16), ("uint8", int8))
        ),
        doc="The same bits as another dtype of the same width.",
    )
)
