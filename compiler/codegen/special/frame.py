"""The kernel function around a whole op: its buffers, its units of work, and loops over vectors and panels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.scalar import Scalar
from ingot.compiler.codegen.spelling import Module, Reg
from ingot.compiler.codegen.target import Target
from ingot.compiler.dims import product
from ingot.compiler.ir import Shape, Size, TensorType
from ingot.compiler.kernel import Kernel, Special
from ingot.compiler.schedule import CHUNKS_PER_CORE
from ingot.runtime.dtypes import DType

Count = Reg | int
Body = Callable[[Reg, Reg | None, list[Reg]], Sequence[Reg]]

NAMED = 1000.0  # what a size that is not known counts in estimates
CHUNK = 20_000.0  # nanoseconds of work in one chunk where the number of units is not known
LINE = 64  # bytes of a cache line: each part of the scratch starts on one


class Frame:
    """A kernel function under construction. Buffers are contiguous; the dtype of buffer i is that of `types[i]`."""

    def __init__(
        self,
        module: Module,
        target: Target,
        kernel: Kernel,
        stmt: Special,
        sizes: Callable[[Function], Callable[[Size], Reg]],
    ) -> None:
        self.module, self.target, self.name, self.stmt = module, target, kernel.name, stmt
        parameters = (("ptr", "frame"), ("i64", "lo"), ("i64", "hi"), ("i64", "thread"))
        f = self.f = Function(module, kernel.name, parameters)
        self.scalar = Scalar(f, target)
        self.size = sizes(f)
        self.attrs: dict[str, Any] = dict(stmt.attrs)
        frame, self.lo, self.hi, self.thread = f.params
        count = len(stmt.operands)
        pointers = [f.load(f.offset(frame, 8 * i), "ptr", pure=True) for i in range(len(kernel.buffers))]
        self.operands, self.results = pointers[:count], pointers[count:]
        self.area = f.offset(frame, 8 * len(kernel.buffers))
        self.scratch_bytes = 0
        self.frame, self.fails = frame, False

    @property
    def types(self) -> tuple[TensorType, ...]:
        """Of the operands."""
        return self.stmt.operands

    def const(self, value: int) -> Reg:
        return self.f.const("i64", value)

    def count(self, size: Size) -> Count:
        """A size as a loop bound: an int where it is known."""
        return size if isinstance(size, int) else self.size(size)

    def element(self, pointer: Reg, index: Reg, dtype: DType) -> Reg:
        """The address of an element."""
        return self.f.offset(pointer, index, dtype.itemsize)

    def scratch(self, *sizes: int) -> list[Reg]:
        """Parts of the thread's scratch, of these many bytes. Asked for once."""
        places, total = [], 0
        for size in sizes:
            places.append(total)
            total += -(-size // LINE) * LINE
        self.scratch_bytes = total
        area = self.f.load(self.area, "ptr", pure=True)
        own = self.f.offset(area, self.f.mul(self.thread, self.const(total)))
        return [self.f.offset(own, place) for place in places]

    def vectors(self, count: Count, lanes: int, body: Body, carried: Sequence[Reg] = ()) -> list[Reg]:
        """body(position, mask, carried) for 0 .. count - 1 in whole vectors, then one masked vector for the rest."""
        f = self.f
        if isinstance(count, int):
            whole = count - count % lanes
            state = f.loop(0, whole, lanes, lambda i, c: body(i, None, c), carried)
            if whole == count:
                return state
            mask = f.vector("i1", [i < count - whole for i in range(lanes)])
            return list(body(self.const(whole), mask, state))
        if lanes == 1:
            return f.loop(0, count, 1, lambda i, c: body(i, None, c), carried)
        end = f.and_(count, self.const(-lanes))
        state = f.loop(0, end, lanes, lambda i, c: body(i, None, c), carried)
        left = f.sub(count, end)

        def rest() -> Sequence[Reg]:
            return body(end, f.cmp("ult", f.iota("i64", lanes), f.splat(left, lanes)), state)

        return f.if_(f.cmp("sgt", left, self.const(0)), rest, lambda: state, unlikely=True)

    def lanes(self, bits: int, count: Size, registers: int = 1) -> int:
        """Lanes for a loop over `count` elements of which a vector register holds vector_bits / bits."""
        lanes = self.target.lanes(max(bits, 32)) * registers
        if isinstance(count, int):
            while lanes > 1 and lanes // 2 >= count:
                lanes //= 2
        return lanes

    def fail(self, status: Reg) -> None:
        """Make this i32 the status that the program returns, unless there is one."""
        f, self.fails = self.f, True
        place = f.load(f.offset(self.frame, 8 * (len(self.operands) + len(self.results) + 2)), "ptr", pure=True)
        fine = f.cmp("eq", f.load(place, "i32"), f.const("i32", 0))

        def set() -> list[Reg]:
            f.store(status, place)
            return []

        f.if_(fine, set, unlikely=True)

    def emitted(self, units: Size, cost: float) -> Emitted:
        """Close the function; `cost` is that of one unit in nanoseconds."""
        self.f.finish()
        if isinstance(units, int):
            grain = max(1, -(-units // (self.target.cores * CHUNKS_PER_CORE)))
        else:
            grain = max(1, int(CHUNK / max(cost, 1.0)))
        return Emitted(self.name, units, grain, self.scratch_bytes, cost * estimate(units), self.fails)


def estimate(size: Size) -> float:
    """A size for the cost model."""
    return float(size) if isinstance(size, int) else NAMED


def split(shape: Shape, axis: int) -> tuple[Size, Size, Size]:
    """(elements before the axis, its extent, elements after it)."""
    return product(shape[:axis]), shape[axis], product(shape[axis + 1 :])


@dataclass(frozen=True)
class Panels:
    """Units of work over `outer` matrices with `inner` columns each: unit = matrix * count + panel of columns."""

    outer: Size
    inner: Size
    width: int | None  # None: all columns
    count: Size

    @property
    def units(self) -> Size:
        return self.outer * self.count

    @property
    def columns(self) -> float:
        """Columns of one unit, for the cost model."""
        return estimate(self.inner) if self.width is None else float(self.width)


def panels(target: Target, outer: Size, inner: Size, lanes: int, *, most: int | None = None) -> Panels:
    """Whole matrices where there are enough of them for the cores, else panels of whole vectors; at most `most`
    columns in a panel."""
    chunks = target.cores * CHUNKS_PER_CORE
    if isinstance(inner, int):
        width = inner
        if isinstance(outer, int) and outer < chunks:
            width = max(-(-inner * outer // chunks), 4 * lanes)
    else:
        width = 16 * lanes
    if most is not None:
        width = max(lanes, min(width, most))
    width = -(-width // lanes) * lanes
    if isinstance(inner, int) and width >= inner:
        return Panels(outer, inner, None, 1)
    return Panels(outer, inner, width, (inner + width - 1) // width)


def each_panel(frame: Frame, cut: Panels, body: Callable[[Reg, Reg, Count], None]) -> None:
    """body(matrix, first column, number of columns) for the units that the caller hands over."""
    f = frame.f

    def one(unit: Reg, _: list[Reg]) -> Sequence[Reg]:
        if cut.width is None:
            body(unit, frame.const(0), frame.count(cut.inner))
            return []
        count = frame.size(cut.count)
        start = f.mul(f.urem(unit, count), frame.const(cut.width))
        if isinstance(cut.inner, int) and cut.inner % cut.width == 0:
            width: Count = cut.width
        else:
            left = f.sub(frame.size(cut.inner), start)
            full = frame.const(cut.width)
            width = f.select(f.cmp("slt", left, full), left, full)
        body(f.udiv(unit, count), start, width)
        return []

    f.loop(frame.lo, frame.hi, 1, one)
