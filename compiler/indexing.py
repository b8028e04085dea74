"""Index arithmetic: where an element of a view lies in the operand it looks at.

An index is one affine form per dimension over the axes of a kernel's loops. Every view op maps the index of an element
of its result to the index of the operand's element; what cannot stay affine becomes a computed term (division and
remainder), which is right but slow, so fusion avoids it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ingot.compiler.dims import Dim, quotient
from ingot.compiler.ir import Shape, Size
from ingot.compiler.kernel import Apply, Expr, Index, Literal, Position
from ingot.compiler.ops import TABLE
from ingot.runtime import dtypes

Place = tuple[Index, ...]


def constant(offset: Size) -> Index:
    return Index((), offset)


def axis_index(axis: str) -> Index:
    return Index(((axis, 1),))


def scaled(index: Index, by: Size) -> Index:
    if by == 1:
        return index
    return Index(
        tuple((a, s * by) for a, s in index.terms), index.offset * by, tuple((e, s * by) for e, s in index.computed)
    )


def plus(a: Index, b: Index) -> Index:
    if not b.terms:
        return Index(a.terms, a.offset + b.offset, a.computed + b.computed)
    terms = dict(a.terms)
    for axis, stride in b.terms:
        terms[axis] = terms.get(axis, 0) + stride
    kept = tuple(sorted((t for t in terms.items() if t[1] != 0), key=lambda t: t[0]))
    return Index(kept, a.offset + b.offset, a.computed + b.computed)


def linear(place: Place, shape: Shape) -> Index:
    """The position in row-major order."""
    stride: Size = 1
    offset: Size = 0
    terms: dict[str, Size] = {}
    found: tuple[tuple[Expr, Size], ...] = ()
    for index, size in zip(reversed(place), reversed(shape), strict=True):
        for axis, step in index.terms:
            terms[axis] = terms.get(axis, 0) + step * stride
        offset = offset + index.offset * stride
        if index.computed:
            found += tuple((e, s * stride) for e, s in index.computed)
        stride = stride * size
    # Names of axes differ, so no two terms compare by their strides.
    return Index(tuple(sorted([t for t in terms.items() if t[1] != 0])), offset, found)


def computed(expr: Expr) -> Index:
    return Index((), 0, ((expr, 1),))


def position(index: Index) -> Expr:
    """The value of an index as int64."""
    if not index.terms and not index.computed and isinstance(index.offset, int):
        return Literal(dtypes.int64, index.offset)
    if not index.terms and index.offset == 0 and len(index.computed) == 1 and index.computed[0][1] == 1:
        return index.computed[0][0]
    return Position(index, dtypes.int64)


def apply(name: str, *args: Expr) -> Expr:
    """An elementwise op on expressions; comparisons give bool."""
    boolean = name in ("eq", "ne", "lt", "le", "gt", "ge")
    return Apply(TABLE[name], args, dtypes.bool_ if boolean else args[-1].dtype)


def both(a: Expr | None, b: Expr | None) -> Expr | None:
    """The conjunction of two conditions, of which None is always true."""
    if a is None or b is None:
        return a or b
    return apply("and_", a, b)


def size_expr(size: Size) -> Expr:
    return position(constant(size))


def fits(index: Index, size: Size, extents: Mapping[str, Size]) -> bool:
    """Whether 0 <= index < size for every value of the axes, as far as can be proved."""
    if index.computed:
        return False
    low: Size = index.offset
    high: Size = index.offset
    for axis, stride in index.terms:
        if not isinstance(stride, int) and stride.low < 0:
            return False
        if isinstance(stride, int) and stride < 0:
            low = low + stride * (extents[axis] - 1)
        else:
            high = high + stride * (extents[axis] - 1)
    return at_least_zero(low) and at_least_zero(size - 1 - high)


def at_least_zero(size: Size) -> bool:
    return (size if isinstance(size, int) else size.low) >= 0


def unflatten(index: Index, shape: Shape, extents: Mapping[str, Size]) -> Place:
    """The place in `shape` whose row-major position is `index`."""
    place: list[Index] = []
    for size in reversed(shape[1:]):
        index, low = divide(index, size, extents)
        place.append(low)
    return (index, *reversed(place)) if shape else ()


def divide(index: Index, size: Size, extents: Mapping[str, Size]) -> tuple[Index, Index]:
    """(index // size, index % size), affine where the terms separate."""
    if size == 1:
        return index, constant(0)
    high: list[tuple[str, Size]] = []
    low: list[tuple[str, Size]] = []
    for axis, stride in index.terms:
        whole = quotient(stride, size)
        if whole is None:
            low.append((axis, stride))
        else:
            high.append((axis, whole))
    whole_offset = quotient(index.offset, size)
    if isinstance(size, int) and isinstance(index.offset, int) and size:
        offsets: tuple[Size, Size] = divmod(index.offset, size)
    else:
        offsets = (whole_offset, 0) if whole_offset is not None else (0, index.offset)
    rest = Index(tuple(low), offsets[1])
    if not index.computed and fits(rest, size, extents):
        return Index(tuple(high), offsets[0]), rest
    whole_index = position(index)
    divisor = size_expr(size)
    return computed(apply("floordiv", whole_index, divisor)), computed(apply("remainder", whole_index, divisor))


@functools.lru_cache(maxsize=4096)
def blocks(a: Shape, b: Shape) -> tuple[tuple[slice, slice], ...]:
    """Matching runs of dimensions of two shapes of equal size: the finest cut at which their products agree."""
    cuts: list[tuple[slice, slice]] = []
    i = j = 0
    while i < len(a) or j < len(b):
        start_i, start_j = i, j
        left: Size = 1
        right: Size = 1
        if i < len(a):
            left, i = a[i], i + 1
        if j < len(b):
            right, j = b[j], j + 1
        while left != right:
            grow_left = j >= len(b) or (i < len(a) and smaller(left, right))
            if grow_left and i < len(a):
                left, i = left * a[i], i + 1
            elif j < len(b):
                right, j = right * b[j], j + 1
            else:
                break
        cuts.append((slice(start_i, i), slice(start_j, j)))
    return tuple(cuts)


def smaller(a: Size, b: Size) -> bool:
    if isinstance(a, int) and isinstance(b, int):
        return a < b
    if isinstance(a, Dim) and isinstance(b, Dim):
        return len(a.terms[0][0]) < len(b.terms[0][0]) or (len(a.terms[0][0]) == len(b.terms[0][0]) and str(a) < str(b))
    return isinstance(a, int)


def through_reshape(place: Place, shape: Shape, operand: Shape, extents: Mapping[str, Size]) -> Place:
    """The operand's place of an element of a reshape."""
    if any(size == 0 for size in operand):
        return tuple(constant(0) for _ in operand)
    if operand == shape:
        return place
    out: list[Index] = []
    for theirs, ours in blocks(operand, shape):
        if operand[theirs] == shape[ours]:
            out.extend(place[ours])
        else:
            out.extend(unflatten(linear(place[ours], shape[ours]), operand[theirs], extents))
    return tuple(out)


def root_place(shape: Shape, axes: Sequence[tuple[str, Size]], extents: Mapping[str, Size]) -> Place:
    """The place in `shape` of the iteration that `axes` (name, extent) name, outermost first."""
    return through_reshape(tuple(axis_index(a) for a, _ in axes), tuple(n for _, n in axes), shape, extents)


def refinement(a: Shape, b: Shape) -> Shape | None:
    """The coarsest shape of which both are mergings (size-1 dimensions dropped), or None."""
    a, b = (tuple(n for n in s if n != 1) for s in (a, b))
    if a == b:
        return a
    out: list[Size] = []
    rest_a, rest_b = list(reversed(a)), list(reversed(b))
    while rest_a and rest_b:
        x, y = rest_a.pop(), rest_b.pop()
        if x == y:
            out.append(x)
            continue
        # x = head of a, y = head of b: the larger is split so that its tail is what the smaller leaves over
        inner_x, inner_y = quotient(x, y), quotient(y, x)
        if inner_x is not None:
            out.append(y)
            rest_a.append(inner_x)
        elif inner_y is not None:
            out.append(x)
            rest_b.append(inner_y)
        else:
            return None
    return tuple(out) if not rest_a and not rest_b else None


Rule = Callable[[Place, Shape, Shape, Mapping[str, Any], Mapping[str, Size]], Place]


def _permute(place: Place, _s: Shape, _o: Shape, attrs: Mapping[str, Any], _e: Mapping[str, Size]) -> Place:
    back = sorted(range(len(place)), key=attrs["axes"].__getitem__)
    return tuple(place[i] for i in back)


def _expand(place: Place, _s: Shape, operand: Shape, _a: Mapping[str, Any], _e: Mapping[str, Size]) -> Place:
    return tuple(constant(0) if n == 1 else i for i, n in zip(place, operand, strict=True))


def _slice(place: Place, _s: Shape, _o: Shape, attrs: Mapping[str, Any], _e: Mapping[str, Size]) -> Place:
    return tuple(
        plus(scaled(i, step), constant(start))
        for i, start, step in zip(place, attrs["start"], attrs["step"], strict=True)
    )


def _flip(place: Place, shape: Shape, _o: Shape, attrs: Mapping[str, Any], _e: Mapping[str, Size]) -> Place:
    return tuple(
        plus(scaled(i, -1), constant(n - 1)) if d in attrs["axes"] else i
        for d, (i, n) in enumerate(zip(place, shape, strict=True))
    )


def _reshape(place: Place, shape: Shape, operand: Shape, _a: Mapping[str, Any], extents: Mapping[str, Size]) -> Place:
    return through_reshape(place, shape, operand, extents)


# How a view's element is found in its operand. Pad and concat choose between places and are not among them.
VIEWS: dict[str, Rule] = {"permute": _permute, "expand": _expand, "slice": _slice, "flip": _flip, "reshape": _reshape}
