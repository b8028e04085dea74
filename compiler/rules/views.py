"""Rules of views: chains become one view, and a view that changes nothing vanishes.

Sizes may be symbolic: a rule that must compare two sizes applies only where their order is known.
"""

from __future__ import annotations

from itertools import accumulate

from ingot.compiler.dims import Dim
from ingot.compiler.ir import Size, Value
from ingot.compiler.ops import view as w
from ingot.compiler.rewrite import Rules

MOST_PARTS = 32  # operands of one concat


def at_most(a: Size, b: Size) -> bool:
    """Is a <= b for every value of the named sizes?"""
    difference = b - a
    return (difference.low if isinstance(difference, Dim) else difference) >= 0


def reshaped(v: Value) -> Value | None:
    """reshape to the same shape = x; reshape of a reshape = one reshape"""
    (x,) = v.operands
    if x.shape == v.shape:
        return x
    return w.reshape(x.operands[0], shape=v.shape) if x.op is w.reshape else None


def permuted(v: Value) -> Value | None:
    """permute in order = x; permute of a permute = one permute"""
    (x,) = v.operands
    axes = v.attrs["axes"]
    if axes == tuple(range(len(axes))):
        return x
    if x.op is w.permute:
        return w.permute(x.operands[0], axes=tuple(x.attrs["axes"][a] for a in axes))
    return None


def expanded(v: Value) -> Value | None:
    """expand to the same shape = x; expand of an expand = one expand"""
    (x,) = v.operands
    if x.shape == v.shape:
        return x
    return w.expand(x.operands[0], shape=v.shape) if x.op is w.expand else None


def flipped(v: Value) -> Value | None:
    """flip of no axis, or of axes with one element = x; flip of a flip = one flip of the axes in one of them"""
    (x,) = v.operands
    axes = tuple(a for a in v.attrs["axes"] if x.shape[a] != 1)
    if not axes:
        return x
    if x.op is w.flip:
        return w.flip(x.operands[0], axes=tuple(sorted({*axes} ^ {*x.attrs["axes"]})))
    return None if axes == v.attrs["axes"] else w.flip(x, axes=axes)


def padded(v: Value) -> Value | None:
    """pad with nothing = x"""
    (x,) = v.operands
    return x if not any(v.attrs["low"] + v.attrs["high"] + v.attrs["interior"]) else None


def concatenated(v: Value) -> Value | None:
    """concat of one = x; operands without elements are left out; concat of a concat along its axis = one concat

    Up to MOST_PARTS, and more than that become concats of concats: every element chooses between all operands.
    """
    axis = v.attrs["axis"]
    own = [x for x in v.operands if x.shape[axis] != 0] or [v.operands[0]]
    if len(own) == 1:
        return own[0]
    if len(own) > MOST_PARTS:
        chunks = (own[i : i + MOST_PARTS] for i in range(0, len(own), MOST_PARTS))
        return w.concat(*(w.concat(*c, axis=axis) if len(c) > 1 else c[0] for c in chunks), axis=axis)
    parts: list[Value] = []
    for x in own:
        parts += x.operands if x.op is w.concat and x.attrs["axis"] == axis else [x]
    parts = parts if len(parts) <= MOST_PARTS else own
    return w.concat(*parts, axis=axis) if tuple(parts) != v.operands else None


def sliced(v: Value) -> Value | None:
    """slice of everything = x; slice of a slice = one slice"""
    (x,) = v.operands
    if x.shape == v.shape and all(s == 1 for s in v.attrs["step"]):
        return x
    if x.op is not w.slice:
        return None
    start, stop, step = [], [], []
    inner = zip(x.attrs["start"], x.attrs["step"], strict=True)
    outer = zip(v.attrs["start"], v.attrs["stop"], v.attrs["step"], v.shape, strict=True)
    for (a, s), (b, e, t, count) in zip(inner, outer, strict=True):
        if s != 1 and count == 0:
            return None
        start.append(a + b * s)
        stop.append(a + e if s == 1 else a + (b + (count - 1) * t) * s + 1)
        step.append(s * t)
    return w.slice(x.operands[0], start=tuple(start), stop=tuple(stop), step=tuple(step))


def sliced_padding(v: Value) -> Value | None:
    """slice of a pad that leaves all of the padding away = slice of what was padded"""
    (x,) = v.operands
    if x.op is not w.pad or any(x.attrs["interior"]):
        return None
    (inner,) = x.operands
    start = tuple(a - low for a, low in zip(v.attrs["start"], x.attrs["low"], strict=True))
    stop = tuple(e - low for e, low in zip(v.attrs["stop"], x.attrs["low"], strict=True))
    inside = all(at_most(0, a) for a in start) and all(at_most(e, n) for e, n in zip(stop, inner.shape, strict=True))
    return w.slice(inner, start=start, stop=stop, step=v.attrs["step"]) if inside else None


def sliced_part(v: Value) -> Value | None:
    """slice of a concat that lies within one operand = slice of that operand"""
    (x,) = v.operands
    if x.op is not w.concat:
        return None
    axis = x.attrs["axis"]
    first, last = v.attrs["start"][axis], v.attrs["stop"][axis]
    sizes: list[Size] = [part.shape[axis] for part in x.operands]
    for part, low, high in zip(x.operands, accumulate([0, *sizes[:-1]]), accumulate(sizes), strict=True):
        if at_most(low, first) and at_most(last, high):
            start = (*v.attrs["start"][:axis], first - low, *v.attrs["start"][axis + 1 :])
            stop = (*v.attrs["stop"][:axis], last - low, *v.attrs["stop"][axis + 1 :])
            return w.slice(part, start=start, stop=stop, step=v.attrs["step"])
    return None


RULES: Rules = {
    w.reshape: (reshaped,),
    w.permute: (permuted,),
    w.expand: (expanded,),
    w.flip: (flipped,),
    w.pad: (padded,),
    w.concat: (concatenated,),
    w.slice: (sliced, sliced_padding, sliced_part),
}
