"""Rules of reductions: over nothing, over one element, over copies, of a permutation, of a reduction."""

from __future__ import annotations

from ingot.compiler.dims import product
from ingot.compiler.ir import Value
from ingot.compiler.ops import reduce as r
from ingot.compiler.ops.elementwise import add, mul
from ingot.compiler.ops.source import scalar_like, zeros_like
from ingot.compiler.ops.view import expand, permute, reshape
from ingot.compiler.rewrite import Rules
from ingot.compiler.rules.arithmetic import DIGITS

# One element stands for all of its copies.
IDEMPOTENT = (r.max, r.min, r.any, r.all)


def over_nothing(v: Value) -> Value | None:
    """reduce over no axes = x; reduce over axes with one element = reshape; a sum of one float = x + 0.0

    Sums start from 0.0, so that of -0.0 alone is 0.0 and no sum is -0.0.
    """
    (x,) = v.operands
    axes = tuple(a for a in v.attrs["axes"] if x.shape[a] != 1)
    if axes:
        return None if axes == v.attrs["axes"] else reshape(v.op(x, axes=axes), shape=v.shape)
    same = reshape(x, shape=v.shape)
    return add(same, zeros_like(same)) if v.op is r.sum and v.dtype.is_floating_point else same


def over_copies(v: Value) -> Value | None:
    """max of an expand over its copies = max of what was expanded; a sum of n copies = n times one"""
    (x,) = v.operands
    if x.op is not expand:
        return None
    (one,) = x.operands
    copied = [a for a in v.attrs["axes"] if one.shape[a] != x.shape[a]]
    count = product(x.shape[a] for a in copied)
    # Without elements a reduction is its identity, whatever was copied.
    if not copied or not isinstance(count, int) or count == 0:
        return None
    kept = tuple(1 if a in copied else n for a, n in enumerate(x.shape))
    reduced = v.op(expand(one, shape=kept), axes=v.attrs["axes"])
    if v.op in IDEMPOTENT:
        return reduced
    exact = not v.dtype.is_floating_point or count <= 1 << DIGITS[v.dtype.name]
    return mul(reduced, scalar_like(reduced, count)) if exact else None


def of_permuted(v: Value) -> Value | None:
    """reduce of a permute = permute of a reduce, which moves less"""
    (x,) = v.operands
    if x.op is not permute:
        return None
    order = x.attrs["axes"]
    reduced = v.op(x.operands[0], axes=tuple(sorted(order[a] for a in v.attrs["axes"])))
    kept = [order[a] for a in range(x.type.ndim) if a not in v.attrs["axes"]]
    return permute(reduced, axes=tuple(sorted(kept).index(a) for a in kept))


def of_reduced(v: Value) -> Value | None:
    """sum of a sum = one sum, and so for every reduction; half types would lose the rounding in between"""
    (x,) = v.operands
    if x.op is not v.op or (v.dtype.is_floating_point and v.dtype.itemsize == 2):
        return None
    (inner,) = x.operands
    left = [a for a in range(inner.type.ndim) if a not in x.attrs["axes"]]
    axes = sorted((*x.attrs["axes"], *(left[a] for a in v.attrs["axes"])))
    return v.op(inner, axes=tuple(axes))


RULES: Rules = {
    **dict.fromkeys((r.sum, r.max, r.min, r.any, r.all), (over_nothing, over_copies, of_permuted, of_reduced)),
    r.prod: (over_nothing, of_permuted, of_reduced),
}
