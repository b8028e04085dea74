"""Triangular systems, LU and Cholesky factors in plain loops over rows: one unit of work is one matrix.

There are no blocks for the caches. On an x86-64-v4 core solving 64 rows takes 36 microseconds (a call of NumPy's LAPACK
264), 1024 rows 260 milliseconds (LAPACK 155).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.scalar import register
from ingot.compiler.codegen.special.frame import Count, Frame, estimate
from ingot.compiler.codegen.spelling import Reg
from ingot.compiler.dims import product
from ingot.compiler.ir import Size
from ingot.runtime.dtypes import DType


class Matrices:
    """The matrices of one operand or result: rows of `columns` elements."""

    def __init__(self, frame: Frame, pointer: Reg, rows: Size, columns: Size, dtype: DType) -> None:
        self.frame, self.f, self.dtype = frame, frame.f, dtype
        self.rows, self.columns = rows, columns
        self.nbytes = rows * columns * dtype.itemsize
        self.start = pointer

    def of(self, unit: Reg) -> Matrices:
        """The matrix of one unit of work."""
        start = self.f.offset(self.start, self.f.mul(unit, self.frame.size(self.nbytes)))
        return Matrices(self.frame, start, self.rows, self.columns, self.dtype)

    def place(self, row: Reg, column: Reg) -> Reg:
        at = self.f.add(self.f.mul(row, self.frame.size(self.columns)), column)
        return self.f.offset(self.start, at, self.dtype.itemsize)

    def load(self, row: Reg, column: Reg, lanes: int = 1, mask: Reg | None = None) -> Reg:
        return self.frame.scalar.load(self.place(row, column), self.dtype, lanes, mask=mask)

    def store(self, value: Reg, row: Reg, column: Reg, mask: Reg | None = None) -> None:
        self.frame.scalar.store(value, self.place(row, column), self.dtype, mask=mask)

    def copied_from(self, other: Matrices) -> None:
        self.frame.module.declare("memcpy", "declare ptr @memcpy(ptr, ptr, i64)")
        self.f.effect(f"call ptr @memcpy({self.start}, {other.start}, {self.frame.size(self.nbytes)})")


class Work:
    """Loops over rows and columns of one kind of matrices."""

    def __init__(self, frame: Frame, columns: Size) -> None:
        self.frame, self.f = frame, frame.f
        self.dtype: DType = frame.types[0].dtype
        self.elt = register(self.dtype)
        self.lanes = frame.lanes(self.dtype.bits, columns)
        self.one, self.zero = frame.const(1), frame.const(0)

    def along(self, first: Reg, count: Reg, body: Callable[[Reg, Reg | None], None]) -> None:
        """body(column, mask) for `count` columns from the first, vector by vector."""

        def step(at: Reg, mask: Reg | None, _: list[Reg]) -> Sequence[Reg]:
            body(self.f.add(first, at), mask)
            return []

        self.frame.vectors(count, self.lanes, step)

    def subtract(self, x: Matrices, target: Reg, source: Reg, factor: Reg, first: Reg, count: Reg) -> None:
        """Row `target` of x minus the factor times its row `source`."""

        def step(at: Reg, mask: Reg | None) -> None:
            moved = self.f.mul(self.f.splat(factor, self.lanes), x.load(source, at, self.lanes, mask))
            x.store(self.f.sub(x.load(target, at, self.lanes, mask), moved), target, at, mask)

        self.along(first, count, step)

    def each(self, lo: Count, hi: Count, body: Callable[[Reg], None]) -> None:
        def step(i: Reg, _: list[Reg]) -> Sequence[Reg]:
            body(i)
            return []

        self.f.loop(lo, hi, 1, step)


def emit_triangular_solve(frame: Frame) -> Emitted:
    """Row by row: what is known is subtracted, and the rest divided by the diagonal."""
    upper, unit = bool(frame.attrs.get("upper", False)), bool(frame.attrs.get("unit", False))
    a, b = frame.types
    n, k = b.shape[-2:]
    f, work = frame.f, Work(frame, k)
    matrix = Matrices(frame, frame.operands[0], n, n, a.dtype)
    given = Matrices(frame, frame.operands[1], n, k, a.dtype)
    found = Matrices(frame, frame.results[0], n, k, a.dtype)
    rows, columns = frame.size(n), frame.size(k)

    def one(number: Reg) -> None:
        t, x = matrix.of(number), found.of(number)
        x.copied_from(given.of(number))

        def row(position: Reg) -> None:
            i = f.sub(f.sub(rows, position), work.one) if upper else position
            known = (f.add(i, work.one), rows) if upper else (work.zero, i)
            work.each(*known, lambda j: work.subtract(x, i, j, t.load(i, j), work.zero, columns))
            if not unit:
                divisor = f.splat(t.load(i, i), work.lanes)
                work.along(
                    work.zero,
                    columns,
                    lambda at, mask: x.store(f.div(x.load(i, at, work.lanes, mask), divisor), i, at, mask),
                )

        work.each(0, frame.count(n), row)

    work.each(frame.lo, frame.hi, one)
    return frame.emitted(product(a.shape[:-2]), 20.0 + estimate(n) ** 2 * estimate(k) / work.lanes)


def emit_lu(frame: Frame) -> Emitted:
    """Right-looking, with exchanges of whole rows; a pivot of 0 is not divided by."""
    (a,) = frame.types
    m, n = a.shape[-2:]
    k = frame.stmt.results[1].shape[-1]
    f, work = frame.f, Work(frame, n)
    given, packed = (Matrices(frame, p, m, n, a.dtype) for p in (frame.operands[0], frame.results[0]))
    rows, columns = frame.size(m), frame.size(n)

    def one(number: Reg) -> None:
        x = packed.of(number)
        x.copied_from(given.of(number))
        pivots = f.offset(frame.results[1], f.mul(number, frame.size(k)), 4)
        order = f.offset(frame.results[2], f.mul(number, rows), 8)
        work.each(0, frame.count(m), lambda i: f.store(i, f.offset(order, i, 8)))

        def column(j: Reg) -> None:
            at = largest(j)
            f.store(f.cast("trunc", f.add(at, work.one), "i32"), f.offset(pivots, j, 4))
            exchange(j, at)
            pivot = x.load(j, j)
            zero = f.cmp("oeq", pivot, f.const(work.elt, 0.0))
            after, left = f.add(j, work.one), f.sub(f.sub(columns, j), work.one)

            def eliminate(i: Reg) -> None:
                value = x.load(i, j)
                factor = f.select(zero, value, f.div(value, pivot))
                x.store(factor, i, j)
                work.subtract(x, i, j, factor, after, left)

            work.each(after, rows, eliminate)

        def largest(j: Reg) -> Reg:
            """The first row from j on whose element of column j is largest; NaN is the largest of all."""

            def look(i: Reg, carried: list[Reg]) -> Sequence[Reg]:
                best, where = carried
                size = f.fabs(x.load(i, j))
                better = f.and_(f.cmp("ugt", size, best), f.cmp("ord", best, best))
                return [f.select(better, size, best), f.select(better, i, where)]

            return f.loop(j, rows, 1, look, [f.const(work.elt, -1.0), j])[1]

        def exchange(i: Reg, j: Reg) -> None:
            def swap(at: Reg, mask: Reg | None) -> None:
                first, second = x.load(i, at, work.lanes, mask), x.load(j, at, work.lanes, mask)
                x.store(second, i, at, mask)
                x.store(first, j, at, mask)

            work.along(work.zero, columns, swap)
            places = [f.offset(order, p, 8) for p in (i, j)]
            values = [f.load(p, "i64") for p in places]
            f.store(values[1], places[0])
            f.store(values[0], places[1])

        work.each(0, frame.count(k), column)

    work.each(frame.lo, frame.hi, one)
    return frame.emitted(product(a.shape[:-2]), 50.0 + estimate(m) * estimate(n) * (2.0 + estimate(k) / work.lanes))


def emit_cholesky(frame: Frame) -> Emitted:
    """Column by column by inner products of rows; after a minor that is not positive the numbers have no meaning."""
    (a,) = frame.types
    n = a.shape[-1]
    f, work = frame.f, Work(frame, n)
    given, factors = (Matrices(frame, p, n, n, a.dtype) for p in (frame.operands[0], frame.results[0]))
    rows = frame.size(n)
    nothing = f.const(work.elt, 0.0)

    def one(number: Reg) -> None:
        source, x = given.of(number), factors.of(number)

        def inner(i: Reg, j: Reg) -> Reg:
            """The product of the first j elements of two rows, lane by lane and then together."""

            def step(at: Reg, mask: Reg | None, carried: list[Reg]) -> Sequence[Reg]:
                parts = [x.load(r, at, work.lanes, mask) for r in (i, j)]
                added = f.mul(*parts)
                if mask is not None:
                    added = f.select(mask, added, f.const(work.elt, 0.0, work.lanes))
                return [f.add(carried[0], added)]

            (lanes,) = frame.vectors(j, work.lanes, step, [f.const(work.elt, 0.0, work.lanes)])
            return f.reduce("fadd", lanes)

        def column(j: Reg, carried: list[Reg]) -> Sequence[Reg]:
            (info,) = carried
            rest = f.sub(source.load(j, j), inner(j, j))
            fine = f.cmp("ogt", rest, nothing)
            fresh = f.and_(f.not_(fine), f.cmp("eq", info, f.const("i32", 0)))
            info = f.select(fresh, f.cast("trunc", f.add(j, work.one), "i32"), info)
            root = f.sqrt(rest)
            x.store(root, j, j)
            after = f.add(j, work.one)
            work.each(after, rows, lambda i: x.store(f.div(f.sub(source.load(i, j), inner(i, j)), root), i, j))
            work.each(after, rows, lambda i: x.store(nothing, j, i))
            return [info]

        (info,) = f.loop(0, frame.count(n), 1, column, [f.const("i32", 0)])
        f.store(info, f.offset(frame.results[1], number, 4))

    work.each(frame.lo, frame.hi, one)
    return frame.emitted(product(a.shape[:-2]), 20.0 + estimate(n) ** 3 / (3.0 * work.lanes))
