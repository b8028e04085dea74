"""argmax and argmin: the position of the first extremum along an axis."""

from __future__ import annotations

from collections.abc import Sequence

from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.scalar import register
from ingot.compiler.codegen.special.frame import Count, Frame, each_panel, estimate, panels, split
from ingot.compiler.codegen.spelling import Reg
from ingot.compiler.ir import Size
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType


class Extremum:
    """Keeps the best value so far and its position, in every lane. NaN is better than any number."""

    def __init__(self, frame: Frame, extent: Size) -> None:
        self.frame, self.f = frame, frame.f
        fold = frame.stmt.op.lower
        self.source = frame.types[0].dtype
        self.dtype: DType = dtypes.uint8 if self.source is dtypes.bool_ else self.source
        self.start = fold.identity(self.dtype)
        self.relation = {"maximum": "gt", "minimum": "lt"}[fold.combine]
        highest = extent if isinstance(extent, int) else extent.high
        self.elt = "i32" if highest < 1 << 31 else "i64"

    def load(self, pointer: Reg, lanes: int, mask: Reg | None) -> Reg:
        value = self.frame.scalar.load(pointer, self.source, lanes, mask=mask)
        return self.f.cast("zext", value, "i8") if value.elt == "i1" else value

    def position(self, at: Reg) -> Reg:
        return self.f.cast("trunc", at, self.elt)

    def better(self, value: Reg, best: Reg) -> Reg:
        f = self.f
        if not value.is_float:
            return self.frame.scalar.order(self.relation, self.dtype, value, best)
        return f.and_(f.cmp(f"u{self.relation}", value, best), f.cmp("ord", best, best))

    def keep(self, value: Reg, position: Reg, mask: Reg | None, best: Reg, where: Reg) -> list[Reg]:
        """The better of the two, and of equal ones the old one."""
        f, wins = self.f, self.better(value, best)
        if mask is not None:
            wins = f.and_(wins, mask)
        return [f.select(wins, value, best), f.select(wins, position, where)]

    def fold(self, best: Reg, where: Reg) -> Reg:
        """The position of the best lane, and of equal ones the least."""
        f = self.f
        while best.lanes > 1:
            half = best.lanes // 2
            (a, b), (i, j) = (
                [f.shuffle(r, None, range(half)), f.shuffle(r, None, range(half, 2 * half))]
                if half > 1
                else [f.extract(r, 0), f.extract(r, 1)]
                for r in (best, where)
            )
            tie = f.and_(f.not_(self.better(a, b)), f.cmp("ult", j, i))
            wins = f.or_(self.better(b, a), tie)
            best, where = f.select(wins, b, a), f.select(wins, j, i)
        return where


def emit_position(frame: Frame) -> Emitted:
    """Rows run along their vectors when the axis is the last one, otherwise columns run side by side."""
    outer, extent, inner = split(frame.types[0].shape, frame.attrs["axis"])
    best = Extremum(frame, extent)
    if inner == 1:
        return rows(frame, best, outer, extent)
    return columns(frame, best, outer, extent, inner)


def rows(frame: Frame, best: Extremum, outer: Size, extent: Size) -> Emitted:
    f, dtype = frame.f, best.source
    lanes = frame.lanes(dtype.bits, extent, 4)

    def row(unit: Reg, _: list[Reg]) -> Sequence[Reg]:
        base = frame.element(frame.operands[0], f.mul(unit, frame.size(extent)), dtype)

        def step(at: Reg, mask: Reg | None, carried: list[Reg]) -> Sequence[Reg]:
            value = best.load(frame.element(base, at, dtype), lanes, mask)
            position = f.add(f.splat(best.position(at), lanes), f.iota(best.elt, lanes))
            return best.keep(value, position, mask, *carried)

        # A lane starts at the identity and its own number: where no element is better, element 0 is the first.
        start = [f.const(register(best.dtype), best.start, lanes), f.iota(best.elt, lanes)]
        where = best.fold(*frame.vectors(frame.count(extent), lanes, step, start))
        f.store(f.cast("zext", where, "i64"), f.offset(frame.results[0], unit, 8))
        return []

    f.loop(frame.lo, frame.hi, 1, row)
    return frame.emitted(outer, 10.0 + estimate(extent) * 1.5 / lanes)


def columns(frame: Frame, best: Extremum, outer: Size, extent: Size, inner: Size) -> Emitted:
    f, dtype = frame.f, best.source
    lanes = frame.lanes(dtype.bits, inner, 2)
    cut = panels(frame.target, outer, inner, lanes)
    stride = frame.size(inner)

    def matrix(unit: Reg, first: Reg, width: Count) -> None:
        base = f.add(f.mul(unit, f.mul(frame.size(extent), stride)), first)
        out = f.add(f.mul(unit, stride), first)

        def column(at: Reg, mask: Reg | None, _: list[Reg]) -> Sequence[Reg]:
            def step(i: Reg, carried: list[Reg]) -> Sequence[Reg]:
                place = f.add(f.add(base, at), f.mul(i, stride))
                value = best.load(frame.element(frame.operands[0], place, dtype), lanes, mask)
                return best.keep(value, f.splat(best.position(i), lanes), None, *carried)

            start = [f.const(register(best.dtype), best.start, lanes), f.const(best.elt, 0, lanes)]
            where = f.loop(0, frame.count(extent), 1, step, start)[1]
            f.store(f.cast("zext", where, "i64"), f.offset(frame.results[0], f.add(out, at), 8), mask=mask)
            return []

        frame.vectors(width, lanes, column)

    each_panel(frame, cut, matrix)
    return frame.emitted(cut.units, 5.0 + estimate(extent) * cut.columns * (1.5 / lanes + 0.03 * dtype.itemsize))
