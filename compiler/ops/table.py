"""The table of rows, and the makers of usual rows: what a kind of op has in common is said here once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ingot.compiler.ir import Arg, Op, Sample, TensorType, Value
from ingot.compiler.ops.definitions import rounded
from ingot.runtime.dtypes import ALL, DType, bool_
from ingot.runtime.errors import DTypeError, ShapeError

TABLE: dict[str, Op] = {}

FLOATS: tuple[DType, ...] = tuple(t for t in ALL if t.is_floating_point)
INTS: tuple[DType, ...] = tuple(t for t in ALL if t.kind in "iu")
NUMBERS: tuple[DType, ...] = INTS + FLOATS
BITS: tuple[DType, ...] = (bool_, *INTS)

Vjp = Callable[..., tuple[Value | None, ...]]


@dataclass(frozen=True)
class Fold:
    """How a reduction or a cumulative row lowers: acc = combine(acc, element), started at the identity.

    `identity` gives the start for a dtype; `combine` names the elementwise row; `lanes` is the stem of the LLVM
    `vector.reduce` intrinsic ("add" stands for fadd or add, "max" for fmaximum, smax or umax), None without one.
    `position`: the row yields the index of the first element that `combine` keeps, not the element.
    """

    identity: Callable[[DType], int | float | bool]
    combine: str
    lanes: str | None
    position: bool = False


def register(op: Op) -> Op:
    """Put a row into the table; its name must be new."""
    if op.name in TABLE:
        raise ValueError(f"the op table already has a row {op.name!r}")
    TABLE[op.name] = op
    return op


# ---- type rules


def listed(types: Sequence[TensorType]) -> str:
    return ", ".join(map(str, types))


def check_dtype(name: str, accepted: Sequence[DType], *types: TensorType) -> None:
    """Raises DTypeError (IG112) unless every type has an accepted dtype."""
    for t in types:
        if t.dtype not in accepted:
            raise DTypeError(
                "IG112",
                f"{name} does not take {t.dtype.name}: got {listed(types)}",
                fix="cast to one of " + ", ".join(d.name for d in accepted),
            )


def check_same(name: str, *types: TensorType) -> TensorType:
    """The one type of all; raises ShapeError (IG111) or DTypeError (IG112) where they differ."""
    first = types[0]
    for t in types[1:]:
        if t.dtype is not first.dtype:
            raise DTypeError("IG112", f"{name}: dtypes differ: {listed(types)}", fix="cast to one dtype first")
        if t.shape != first.shape:
            raise ShapeError("IG111", f"{name}: shapes differ: {listed(types)}", fix="expand to one shape first")
    return first


def check_axis(name: str, t: TensorType, axis: object) -> None:
    """Raises ShapeError (IG113) unless `axis` is one of the axes of t, counted from 0."""
    if not isinstance(axis, int) or not 0 <= axis < t.ndim:
        raise ShapeError("IG113", f"{name}: axis {axis} of {t}, which has axes 0 to {t.ndim - 1}")


def check_axes(name: str, t: TensorType, axes: tuple[int, ...]) -> None:
    """Raises ShapeError (IG113) unless `axes` are distinct axes of t in ascending order."""
    for axis in axes:
        check_axis(name, t, axis)
    if any(a >= b for a, b in pairwise(axes)):
        raise ShapeError("IG113", f"{name}: axes {axes} of {t} must be distinct and ascending")


def check_length(name: str, what: str, values: Sequence[object], t: TensorType) -> None:
    """Raises ShapeError (IG113) unless there is one value per axis."""
    if len(values) != t.ndim:
        raise ShapeError("IG113", f"{name}: {what} {tuple(values)} has {len(values)} entries for {t}")


def shift(axes: Sequence[int]) -> tuple[int, ...]:
    """The axes when a batch axis is put before them."""
    return tuple(a + 1 for a in axes)


# ---- derivative rules


def no_vjp(ct: Value, out: Value, *operands: Value, **attrs: Any) -> tuple[None, ...]:
    """The derivative is zero wherever it exists (steps, comparisons, integers)."""
    return (None,) * len(operands)


def no_jvp(tangents: Sequence[Value | None], out: Value, *operands: Value, **attrs: Any) -> None:
    """The tangent is zero wherever it exists."""
    return None


def float_vjp(vjp: Vjp) -> Vjp:
    """The same rule, with None for operands that are not floating point."""

    def rule(ct: Value, out: Value, *operands: Value, **attrs: Any) -> tuple[Value | None, ...]:
        floating = [x.dtype.is_floating_point for x in operands]
        if not any(floating):
            return (None,) * len(operands)
        cts = vjp(ct, out, *operands, **attrs)
        return tuple(c if f else None for c, f in zip(cts, floating, strict=True))

    return rule


def diagonal_jvp(vjp: Vjp) -> Callable[..., Value | None]:
    """The jvp of an op whose Jacobian is diagonal, which its vjp therefore equals."""

    def rule(tangents: Sequence[Value | None], out: Value, *operands: Value, **attrs: Any) -> Value | None:
        parts = [vjp(t, out, *operands, **attrs)[i] for i, t in enumerate(tangents) if t is not None]
        return total(parts)

    return rule


def total(parts: Sequence[Value | None]) -> Value | None:
    """The sum of the parts that are not None; None without any."""
    result: Value | None = None
    for part in parts:
        if part is not None:
            result = part if result is None else TABLE["add"](result, part)
    return result


def linear_jvp(op: Callable[..., Value]) -> Callable[..., Value | None]:
    """The jvp of an op that is linear in its only operand: the op itself."""
    return lambda tangents, out, x, **attrs: None if tangents[0] is None else op(tangents[0], **attrs)


# ---- row makers


def samples_of(arity: int, low: float, high: float, distinct: bool = False) -> tuple[Sample, ...]:
    """Operands of one shape: a matrix, a scalar, an empty one and one with size-1 axes."""
    shapes = ((2, 3), (), (0, 3), (1, 4, 1))
    return tuple(Sample(tuple(Arg(s, None, low, high, distinct) for _ in range(arity))) for s in shapes)


def elementwise(
    name: str,
    define: Callable[..., Any],
    *,
    vjp: Vjp | None,
    lower: Callable[..., Any],
    doc: str,
    arity: int = 1,
    dtypes: tuple[DType, ...] = FLOATS,
    boolean: bool = False,
    low: float = -2.0,
    high: float = 2.0,
    samples: tuple[Sample, ...] = (),
    traits: frozenset[str] = frozenset(),
) -> Op:
    """A row that maps operands of one type elementwise to a result of that type, or to bool when `boolean`.

    `define` is NumPy over float32, float64, integers or bool; half types reach it widened to float32.
    vjp=None says that the derivative is zero.
    """

    def infer(*types: TensorType) -> TensorType:
        if len(types) != arity:
            raise ShapeError("IG113", f"{name} takes {arity} operands, got {listed(types)}")
        same = check_same(name, *types)
        check_dtype(name, dtypes, same)
        return same.with_dtype(bool_) if boolean else same

    vjp = vjp and float_vjp(vjp)
    return register(
        Op(
            name=name,
            kind="elementwise",
            infer=infer,
            eval=rounded(define),
            vjp=vjp or no_vjp,
            jvp=diagonal_jvp(vjp) if vjp else no_jvp,
            batch=lambda size, *xs: TABLE[name](*xs),
            lower=lower,
            dtypes=dtypes,
            traits=traits,
            samples=samples or samples_of(arity, low, high),
            doc=doc,
        )
    )


def attributes(**attrs: Any) -> Mapping[str, Any]:
    """The attributes of a sample."""
    return attrs
