"""put and scatter: a copy of the operand, then writes at computed positions in row-major order.

Writes along the indexed axis can meet, so one unit of work has the whole axis: a slab of rows, one per position, of
all or some of the columns after it. Positions outside the axis are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.scalar import HALF, memory
from ingot.compiler.codegen.special.frame import Count, Frame, Panels, each_panel, estimate, panels, split
from ingot.compiler.codegen.spelling import Reg
from ingot.compiler.dims import product
from ingot.compiler.ir import Shape, Size
from ingot.compiler.ops import TABLE
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType

COMBINE = {"add": "add", "max": "maximum"}
# Sums of half types are kept in float32 in the scratch of a thread while a slab fits this many bytes; a larger one is
# summed where it lies, with a rounding at every write.
LARGEST_SLAB = 32 << 20
PREFERRED_SLAB = 512 << 10


@dataclass(frozen=True)
class Slab:
    """Rows of elements `stride` apart, from `pointer` on."""

    pointer: Reg
    stride: Reg
    dtype: DType


class Writer:
    """What put and scatter share: how slabs are copied and how one element or row is written."""

    def __init__(self, frame: Frame, extent: Size, outer: Size, inner: Size, *, whole: bool = False) -> None:
        self.frame, self.f, self.extent = frame, frame.f, extent
        self.dtype = frame.types[0].dtype
        self.combine = COMBINE.get(frame.attrs.get("mode", "set"))
        self.lanes = frame.lanes(self.dtype.bits, inner, 2)
        sums = self.dtype.name in HALF and self.combine == "add"
        column = 4 * extent if sums and isinstance(extent, int) else 0  # bytes of one column of sums
        if whole:
            self.cut = Panels(outer, inner, None, 1)
        else:
            most = max(self.lanes, PREFERRED_SLAB // column) if column else None
            self.cut = panels(frame.target, outer, inner, self.lanes, most=most)
        self.widest = self.cut.inner if self.cut.width is None else self.cut.width
        self.sums: Reg | None = None
        if column and isinstance(self.widest, int) and column * self.widest <= LARGEST_SLAB:
            (self.sums,) = frame.scratch(column * self.widest)

    def slabs(self, unit: Reg, first: Reg) -> tuple[Slab, Slab, Slab]:
        """The operand's slab, the result's, and that where writes are combined."""
        frame, f = self.frame, self.f
        stride = frame.size(self.cut.inner)
        base = f.add(f.mul(unit, f.mul(frame.size(self.extent), stride)), first)
        source, result = (
            Slab(frame.element(p, base, self.dtype), stride, self.dtype) for p in (frame.operands[0], frame.results[0])
        )
        if self.sums is None:
            return source, result, result
        return source, result, Slab(self.sums, frame.size(self.widest), dtypes.float32)

    def copy(self, source: Slab, target: Slab, width: Count) -> Sequence[Reg]:
        """All rows, converting between a half type and float32."""
        frame, f = self.frame, self.f
        if self.cut.width is None and source.dtype is target.dtype:
            return self.copy_whole(source, target)

        def row(i: Reg, _: list[Reg]) -> Sequence[Reg]:
            start, end = f.mul(i, source.stride), f.mul(i, target.stride)

            def step(at: Reg, mask: Reg | None, _: list[Reg]) -> Sequence[Reg]:
                place = frame.element(source.pointer, f.add(start, at), source.dtype)
                into = frame.element(target.pointer, f.add(end, at), target.dtype)
                if source.dtype is target.dtype:
                    f.store(f.load(place, memory(source.dtype), self.lanes, mask=mask), into, mask=mask)
                else:
                    value = frame.scalar.load(place, source.dtype, self.lanes, mask=mask)
                    frame.scalar.store(value, into, target.dtype, mask=mask)
                return []

            frame.vectors(width, self.lanes, step)
            return []

        return f.loop(0, frame.count(self.extent), 1, row)

    def copy_whole(self, source: Slab, target: Slab) -> Sequence[Reg]:
        self.frame.module.declare("memcpy", "declare ptr @memcpy(ptr, ptr, i64)")
        elements = self.f.mul(self.frame.size(self.extent), self.frame.size(self.cut.inner))
        size = self.f.mul(elements, self.frame.const(self.dtype.itemsize))
        self.f.effect(f"call ptr @memcpy({target.pointer}, {source.pointer}, {size})")
        return []

    def slab(self, unit: Reg, first: Reg, width: Count, write: Callable[[Slab], None]) -> None:
        """Copy, write, and round the sums. A result that lies over its operand needs no copy."""
        f = self.f
        source, result, target = self.slabs(unit, first)
        if self.sums is not None:
            self.copy(source, target, width)
        else:
            apart = f.cmp("ne", self.frame.operands[0], self.frame.results[0])
            f.if_(apart, lambda: self.copy(source, target, width))
        write(target)
        if self.sums is not None:
            self.copy(target, result, width)

    def index(self, at: Reg) -> tuple[Reg, Reg]:
        """(an index as i64, whether it is inside the axis)."""
        dtype = self.frame.types[1].dtype
        index = self.f.load(self.frame.element(self.frame.operands[1], at, dtype), memory(dtype))
        index = self.f.cast("sext", index, "i64")
        return index, self.f.cmp("ult", index, self.frame.size(self.extent))

    def write(self, source: Reg, target: Slab, at: Reg, lanes: int, mask: Reg | None) -> Sequence[Reg]:
        """target[at] (+)= the updates at `source`."""
        frame, f = self.frame, self.f
        place = frame.element(target.pointer, at, target.dtype)
        if self.combine is None:
            f.store(f.load(source, memory(self.dtype), lanes, mask=mask), place, mask=mask)
            return []
        old = frame.scalar.load(place, target.dtype, lanes, mask=mask)
        new = frame.scalar.load(source, self.dtype, lanes, mask=mask)
        value = TABLE[self.combine].lower(frame.scalar, self.dtype, old, new)
        frame.scalar.store(value, place, target.dtype, mask=mask)
        return []

    def cost(self, writes: Size) -> float:
        """Nanoseconds of one unit with this many rows of writes."""
        row = 2.0 + self.cut.columns * (0.06 * self.dtype.itemsize + 0.5 / self.lanes)
        return 20.0 + row * (estimate(self.extent) + estimate(writes))


def emit_put(frame: Frame) -> Emitted:
    """Rows of updates go to rows of the slab."""
    x, indices, _ = frame.types
    axis, batched = frame.attrs["axis"], frame.attrs.get("batch_axes", 0)
    outer, extent, inner = split(x.shape, axis)
    between, writes = product(x.shape[batched:axis]), product(indices.shape[batched:])
    writer = Writer(frame, extent, outer, inner)
    f = frame.f

    def matrix(unit: Reg, first: Reg, width: Count) -> None:
        count, stride = frame.size(writes), frame.size(inner)
        batch = frame.const(0) if batched == 0 else unit if between == 1 else f.udiv(unit, frame.size(between))
        updates = f.add(f.mul(unit, f.mul(count, stride)), first)

        def write(target: Slab) -> None:
            def one(i: Reg, _: list[Reg]) -> Sequence[Reg]:
                index, inside = writer.index(f.add(f.mul(batch, count), i))
                source, row = f.add(updates, f.mul(i, stride)), f.mul(index, target.stride)

                def step(at: Reg, mask: Reg | None, _: list[Reg]) -> Sequence[Reg]:
                    place = frame.element(frame.operands[2], f.add(source, at), writer.dtype)
                    return writer.write(place, target, f.add(row, at), writer.lanes, mask)

                f.if_(inside, lambda: frame.vectors(width, writer.lanes, step))
                return []

            f.loop(0, frame.count(writes), 1, one)

        writer.slab(unit, first, width, write)

    each_panel(frame, writer.cut, matrix)
    return frame.emitted(writer.cut.units, writer.cost(writes))


def emit_scatter(frame: Frame) -> Emitted:
    """Elements of the updates go to elements of the slab. The index may be smaller than x along the other axes."""
    x, indices, _ = frame.types
    axis = frame.attrs["axis"]
    outer, extent, inner = split(x.shape, axis)
    mine, writes, theirs = x.shape[axis + 1 :], indices.shape[axis], indices.shape[axis + 1 :]
    writer = Writer(frame, extent, outer, inner, whole=mine != theirs)
    f = frame.f

    def matrix(unit: Reg, first: Reg, width: Count) -> None:
        row, inside = indexed_row(frame, unit, x.shape[:axis], indices.shape[:axis])
        base = f.add(f.mul(row, frame.size(product(indices.shape[axis:]))), first)
        axes = [(width, frame.const(1), frame.const(1))] if mine == theirs else unequal_axes(frame, mine, theirs)

        def write(target: Slab) -> None:
            def one(i: Reg, _: list[Reg]) -> Sequence[Reg]:
                start = f.add(base, f.mul(i, frame.size(product(theirs))))

                def element(column: Reg, offset: Reg) -> None:
                    at = f.add(start, offset)
                    index, valid = writer.index(at)
                    source = frame.element(frame.operands[2], at, writer.dtype)
                    place = f.add(f.mul(index, target.stride), column)
                    f.if_(valid, lambda: writer.write(source, target, place, 1, None))

                nested(frame, axes, element)
                return []

            count = frame.count(writes)
            if inside is None:
                f.loop(0, count, 1, one)
            else:
                f.if_(inside, lambda: f.loop(0, count, 1, one))

        writer.slab(unit, first, width, write)

    each_panel(frame, writer.cut, matrix)
    return frame.emitted(writer.cut.units, writer.cost(writes))


def indexed_row(frame: Frame, unit: Reg, mine: Shape, theirs: Shape) -> tuple[Reg, Reg | None]:
    """For a position among axes `mine`: that among the possibly shorter axes `theirs`, and whether there is one."""
    if mine == theirs:
        return unit, None
    f, rest, row, stride, inside = frame.f, unit, frame.const(0), frame.const(1), frame.f.const("i1", True)
    for ours, other in zip(reversed(mine), reversed(theirs), strict=True):
        size = frame.size(ours)
        at = f.urem(rest, size)
        rest = f.udiv(rest, size)
        row = f.add(row, f.mul(at, stride))
        stride = f.mul(stride, frame.size(other))
        if ours != other:
            inside = f.and_(inside, f.cmp("slt", at, frame.size(other)))
    return row, inside


def unequal_axes(frame: Frame, mine: Shape, theirs: Shape) -> list[tuple[Count, Reg, Reg]]:
    """For each axis of the index: (extent, stride in x, stride in the index)."""
    return [
        (frame.count(n), frame.size(product(mine[d + 1 :])), frame.size(product(theirs[d + 1 :])))
        for d, n in enumerate(theirs)
    ]


def nested(frame: Frame, axes: Sequence[tuple[Count, Reg, Reg]], body: Callable[[Reg, Reg], None]) -> None:
    """Loops over the axes; `body` gets the two positions."""
    f = frame.f

    def level(depth: int, a: Reg, b: Reg) -> None:
        if depth == len(axes):
            body(a, b)
            return
        count, first, second = axes[depth]

        def one(i: Reg, _: list[Reg]) -> Sequence[Reg]:
            level(depth + 1, f.add(a, f.mul(i, first)), f.add(b, f.mul(i, second)))
            return []

        f.loop(0, count, 1, one)

    level(0, frame.const(0), frame.const(0))
