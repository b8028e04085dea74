"""cumsum, cumprod, cummax, cummin: the combination of all elements up to each position of an axis."""

from __future__ import annotations

from collections.abc import Sequence

from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.scalar import register
from ingot.compiler.codegen.special.frame import Count, Frame, each_panel, estimate, panels, split
from ingot.compiler.codegen.spelling import Reg
from ingot.compiler.ir import Size
from ingot.compiler.ops import TABLE
from ingot.runtime.dtypes import DType


class Scan:
    """Combining in the register type (float32 for half types), started at the identity."""

    def __init__(self, frame: Frame) -> None:
        self.frame, self.f = frame, frame.f
        self.dtype: DType = frame.types[0].dtype
        self.fold = frame.stmt.op.lower
        self.reverse = bool(frame.attrs.get("reverse", False))

    def identity(self, lanes: int) -> Reg:
        return self.f.const(register(self.dtype), self.fold.identity(self.dtype), lanes)

    def join(self, earlier: Reg, later: Reg) -> Reg:
        joined: Reg = TABLE[self.fold.combine].lower(self.frame.scalar, self.dtype, earlier, later)
        return joined

    @property
    def regroups(self) -> bool:
        """Whether elements may be combined among themselves before they meet what came earlier. Not in a product of
        floats: 0 * (1e30 * 1e30) is NaN in float32, (0 * 1e30) * 1e30 is 0."""
        return not (self.dtype.is_floating_point and self.fold.combine == "mul")

    def turned(self, x: Reg) -> Reg:
        """The lanes in the order of the scan."""
        return self.f.shuffle(x, None, range(x.lanes - 1, -1, -1)) if self.reverse and x.lanes > 1 else x

    def prefixes(self, x: Reg) -> Reg:
        """Lane i: the combination of lanes 0 to i, by doubling (Hillis & Steele 1986)."""
        lanes, step = x.lanes, 1
        nothing = self.identity(lanes)
        while step < lanes:
            moved = self.f.shuffle(nothing, x, [i if i < step else lanes + i - step for i in range(lanes)])
            x, step = self.join(moved, x), 2 * step
        return x


def emit_cumulative(frame: Frame) -> Emitted:
    """Along the last axis a row is scanned a vector at a time; along others columns run side by side."""
    outer, extent, inner = split(frame.types[0].shape, frame.attrs["axis"])
    scan = Scan(frame)
    if inner == 1:
        return rows(frame, scan, outer, extent)
    return columns(frame, scan, outer, extent, inner)


def rows(frame: Frame, scan: Scan, outer: Size, extent: Size) -> Emitted:
    f, dtype = frame.f, scan.dtype
    lanes = frame.lanes(dtype.bits, extent) if scan.regroups else 1
    length = frame.size(extent)

    def row(unit: Reg, _: list[Reg]) -> Sequence[Reg]:
        base = f.mul(unit, length)

        def step(at: Reg, mask: Reg | None, carried: list[Reg]) -> Sequence[Reg]:
            start = at
            if scan.reverse:  # the rest is the row's first elements
                start = frame.const(0) if mask is not None else f.sub(f.sub(length, frame.const(lanes)), at)
            source, target = (
                frame.element(p, f.add(base, start), dtype) for p in (frame.operands[0], frame.results[0])
            )
            x = frame.scalar.load(source, dtype, lanes, mask=mask)
            x = scan.turned(x if mask is None else f.select(mask, x, scan.identity(lanes)))
            total = scan.join(f.splat(carried[0], lanes), scan.prefixes(x))
            frame.scalar.store(scan.turned(total), target, dtype, mask=mask)
            return [f.extract(total, lanes - 1) if lanes > 1 else total]

        frame.vectors(frame.count(extent), lanes, step, [scan.identity(1)])
        return []

    f.loop(frame.lo, frame.hi, 1, row)
    return frame.emitted(outer, 5.0 + estimate(extent) * (1.2 if lanes == 1 else 4.0 / lanes))


def columns(frame: Frame, scan: Scan, outer: Size, extent: Size, inner: Size) -> Emitted:
    f, dtype = frame.f, scan.dtype
    lanes = frame.lanes(dtype.bits, inner, 4)
    cut = panels(frame.target, outer, inner, lanes)
    length, stride = frame.size(extent), frame.size(inner)

    def matrix(unit: Reg, first: Reg, width: Count) -> None:
        base = f.add(f.mul(unit, f.mul(length, stride)), first)

        def column(at: Reg, mask: Reg | None, _: list[Reg]) -> Sequence[Reg]:
            def step(i: Reg, carried: list[Reg]) -> Sequence[Reg]:
                place = f.sub(f.sub(length, frame.const(1)), i) if scan.reverse else i
                place = f.add(f.add(base, at), f.mul(place, stride))
                source, target = (frame.element(p, place, dtype) for p in (frame.operands[0], frame.results[0]))
                total = scan.join(carried[0], frame.scalar.load(source, dtype, lanes, mask=mask))
                frame.scalar.store(total, target, dtype, mask=mask)
                return [total]

            f.loop(0, frame.count(extent), 1, step, [scan.identity(lanes)])
            return []

        frame.vectors(width, lanes, column)

    each_panel(frame, cut, matrix)
    return frame.emitted(cut.units, 5.0 + estimate(extent) * cut.columns * (1.0 / lanes + 0.06 * dtype.itemsize))
