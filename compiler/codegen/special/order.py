"""sort and topk. Elements are compared by integer keys, equal ones by position, so that every order is total.

sort    rows of known length: by insertion when short, else by digits of the key, least significant first, in the
        thread's scratch (radix sort; Knuth, The Art of Computer Programming 3, 5.2.5)
topk    a heap of the k best elements so far in the results themselves, then sorted in place (heapsort; Knuth,
        5.2.3); needs no scratch and so also sorts rows whose length has only a name
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.special.frame import Frame, estimate, split
from ingot.compiler.codegen.spelling import Reg
from ingot.compiler.ir import Size
from ingot.runtime.dtypes import DType

# Up to this many elements, by the bytes of a key, the quadratic number of moves costs less than clearing and summing
# the digit counts (measured on an x86-64-v4 core: equal times at 48 elements of 4 bytes).
INSERTION = {1: 30, 2: 36, 4: 48, 8: 72}
DIGIT, DIGITS = 8, 256
LARGEST_ROW = 1 << 24  # elements; longer rows are sorted in place rather than with so much scratch for each thread
EXPONENTS = {"f16": (16, 0x7C00), "bf16": (16, 0x7F80), "f32": (32, 0x7F800000), "f64": (64, 0x7FF0000000000000)}


def order_key(f: Function, bits: Reg, dtype: DType, descending: bool) -> Reg:
    """Unsigned keys in the order of the result, from the elements' bits. Zeros of both signs are equal, all NaN are
    equal and the largest."""
    width = dtype.bits
    top = 1 << (width - 1)
    key = bits
    if dtype.short in EXPONENTS:
        infinity = EXPONENTS[dtype.short][1]
        magnitude = f.and_(bits, f.like(bits, top - 1))
        negative = f.cmp("slt", bits, f.like(bits, 0))
        key = f.select(negative, f.sub(f.like(bits, 0), magnitude), magnitude)
        key = f.select(f.cmp("ugt", magnitude, f.like(bits, infinity)), f.like(bits, top - 1), key)
    if dtype.is_signed:
        key = f.xor(key, f.like(key, top))
    return f.not_(key) if descending else key


class Rows:
    """The rows of the operand and of the two results; elements of a row are `inner` apart."""

    def __init__(self, frame: Frame, descending: bool) -> None:
        self.frame, self.f, self.descending = frame, frame.f, descending
        self.dtype: DType = frame.types[0].dtype
        self.elt = f"i{self.dtype.bits}"
        axis = frame.attrs["axis"]
        self.outer, self.extent, self.inner = split(frame.types[0].shape, axis)
        self.kept: Size = frame.stmt.results[0].shape[axis]

    @property
    def units(self) -> Size:
        return self.outer * self.inner

    def each(self, body: Callable[[Reg, Reg], object]) -> None:
        """body(first element of the operand's row, of the results' rows) for the units handed over."""
        frame, f = self.frame, self.f

        def one(unit: Reg, _: list[Reg]) -> Sequence[Reg]:
            if self.inner == 1:
                body(f.mul(unit, frame.size(self.extent)), f.mul(unit, frame.size(self.kept)))
                return []
            inner = frame.size(self.inner)
            row, column = f.udiv(unit, inner), f.urem(unit, inner)
            starts = [f.add(f.mul(f.mul(row, frame.size(n)), inner), column) for n in (self.extent, self.kept)]
            body(*starts)
            return []

        f.loop(frame.lo, frame.hi, 1, one)

    def place(self, pointer: Reg, start: Reg, at: Reg, size: int) -> Reg:
        """The address of an element of a row."""
        return self.f.offset(pointer, self.f.add(start, self.f.mul(at, self.frame.size(self.inner))), size)

    def source(self, start: Reg, at: Reg) -> Reg:
        """The bits of an element of the operand."""
        return self.f.load(self.place(self.frame.operands[0], start, at, self.dtype.itemsize), self.elt)

    def key(self, bits: Reg) -> Reg:
        return order_key(self.f, bits, self.dtype, self.descending)

    def result(self, start: Reg, at: Reg) -> tuple[Reg, Reg]:
        """(bits, position) of an element of the results."""
        values, positions = self.frame.results
        bits = self.f.load(self.place(values, start, at, self.dtype.itemsize), self.elt)
        return bits, self.f.load(self.place(positions, start, at, 8), "i64")

    def put(self, start: Reg, at: Reg, bits: Reg, position: Reg) -> None:
        values, positions = self.frame.results
        self.f.store(bits, self.place(values, start, at, self.dtype.itemsize))
        self.f.store(position, self.place(positions, start, at, 8))


def emit_sort(frame: Frame) -> Emitted:
    """See the module's head for which way is taken."""
    rows = Rows(frame, bool(frame.attrs.get("descending", False)))
    if not isinstance(rows.extent, int) or rows.extent > LARGEST_ROW:
        return emit_heap(frame, rows)
    return (
        emit_insertion(frame, rows, rows.extent)
        if rows.extent <= INSERTION[rows.dtype.itemsize]
        else emit_radix(frame, rows, rows.extent)
    )


def emit_topk(frame: Frame) -> Emitted:
    return emit_heap(frame, Rows(frame, bool(frame.attrs.get("largest", True))))


# ---- sorting in scratch


def write_order(rows: Rows, start: Reg, positions: Reg, extent: int) -> None:
    """The results from the sorted positions (i32)."""
    f = rows.f

    def one(i: Reg, _: list[Reg]) -> Sequence[Reg]:
        position = f.cast("zext", f.load(f.offset(positions, i, 4), "i32"), "i64")
        rows.put(start, i, rows.source(start, position), position)
        return []

    f.loop(0, extent, 1, one)


def emit_insertion(frame: Frame, rows: Rows, extent: int) -> Emitted:
    f, size = frame.f, rows.dtype.itemsize
    space, positions = frame.scratch((extent + 1) * size, (extent + 1) * 4)
    keys = f.offset(space, size)  # below all keys lies one that none is less than, where every search ends

    def row(start: Reg, out: Reg) -> None:
        f.store(f.const(rows.elt, 0), space)

        def insert(i: Reg, _: list[Reg]) -> Sequence[Reg]:
            key = rows.key(rows.source(start, i))

            def below(at: Reg) -> Reg:
                return f.load(f.offset(keys, f.sub(at, frame.const(1)), size), rows.elt)

            def move(carried: list[Reg]) -> Sequence[Reg]:
                (at,) = carried
                f.store(below(at), f.offset(keys, at, size))
                f.store(f.load(f.offset(positions, f.sub(at, frame.const(1)), 4), "i32"), f.offset(positions, at, 4))
                return [f.sub(at, frame.const(1))]

            (at,) = f.while_(lambda c: f.cmp("ugt", below(c[0]), key), move, [i])
            f.store(key, f.offset(keys, at, size))
            f.store(f.cast("trunc", i, "i32"), f.offset(positions, at, 4))
            return []

        f.loop(0, extent, 1, insert)
        write_order(rows, start, positions, extent)

    rows.each(row)
    return frame.emitted(rows.units, 10.0 + extent * (4.0 + 0.5 * extent))


def emit_radix(frame: Frame, rows: Rows, extent: int) -> Emitted:
    """All digits are counted in one pass; a digit that is the same in all keys is skipped."""
    f, size = frame.f, rows.dtype.itemsize
    counts, *halves = frame.scratch(size * DIGITS * 4, extent * size, extent * 4, extent * size, extent * 4)
    shift = f.const(rows.elt, 0)

    def digit(key: Reg, number: Reg | int) -> Reg:
        by = f.like(shift, number * DIGIT) if isinstance(number, int) else f.cast("trunc", number, rows.elt)
        low = f.cast("trunc", key if by.literal == 0 else f.lshr(key, by), "i8")
        return f.cast("zext", low, "i64")

    def count(start: Reg) -> None:
        def clear(at: Reg, mask: Reg | None, _: list[Reg]) -> Sequence[Reg]:
            f.store(f.const("i32", 0, lanes), f.offset(counts, at, 4))
            return []

        lanes = frame.target.lanes(32)
        frame.vectors(size * DIGITS, lanes, clear)

        def one(i: Reg, _: list[Reg]) -> Sequence[Reg]:
            key = rows.key(rows.source(start, i))
            f.store(key, f.offset(halves[0], i, size))
            f.store(f.cast("trunc", i, "i32"), f.offset(halves[1], i, 4))
            for number in range(size):
                place = f.offset(f.offset(counts, number * DIGITS * 4), digit(key, number), 4)
                f.store(f.add(f.load(place, "i32"), f.const("i32", 1)), place)
            return []

        f.loop(0, extent, 1, one)

    def distribute(number: Reg, places: Sequence[Reg]) -> None:
        """Move all pairs from places[:2] to places[2:] by one digit."""
        keys, positions, new_keys, new_positions = places
        own = f.offset(counts, f.mul(number, frame.const(DIGITS)), 4)
        bits = f.mul(number, frame.const(DIGIT))

        def begin(i: Reg, carried: list[Reg]) -> Sequence[Reg]:
            place = f.offset(own, i, 4)
            found = f.load(place, "i32")
            f.store(carried[0], place)
            return [f.add(carried[0], found)]

        f.loop(0, DIGITS, 1, begin, [f.const("i32", 0)])

        def one(i: Reg, _: list[Reg]) -> Sequence[Reg]:
            key = f.load(f.offset(keys, i, size), rows.elt)
            place = f.offset(own, digit(key, bits), 4)
            to = f.load(place, "i32")
            f.store(f.add(to, f.const("i32", 1)), place)
            to = f.cast("zext", to, "i64")
            f.store(key, f.offset(new_keys, to, size))
            f.store(f.load(f.offset(positions, i, 4), "i32"), f.offset(new_positions, to, 4))
            return []

        f.loop(0, extent, 1, one)

    def row(start: Reg, out: Reg) -> None:
        count(start)

        def turn(number: Reg, places: list[Reg]) -> Sequence[Reg]:
            first = digit(f.load(places[0], rows.elt), f.mul(number, frame.const(DIGIT)))
            place = f.offset(counts, f.add(f.mul(number, frame.const(DIGITS)), first), 4)
            differ = f.cmp("ne", f.load(place, "i32"), f.const("i32", extent))

            def move() -> Sequence[Reg]:
                distribute(number, places)
                return [*places[2:], *places[:2]]

            return f.if_(differ, move, lambda: places)

        places = f.loop(0, size, 1, turn, halves)
        write_order(rows, start, places[1], extent)

    rows.each(row)
    return frame.emitted(rows.units, size * 150.0 + extent * (8.0 + 3.0 * size))


# ---- sorting in place


def emit_heap(frame: Frame, rows: Rows) -> Emitted:
    """The root is the last, in the order of the result, of the k elements kept so far."""
    f = frame.f
    kept = frame.size(rows.kept)
    one, two = frame.const(1), frame.const(2)

    def after(a: tuple[Reg, Reg], b: tuple[Reg, Reg]) -> Reg:
        """Whether a = (bits, position) comes later in the result than b."""
        x, y = rows.key(a[0]), rows.key(b[0])
        return f.or_(f.cmp("ugt", x, y), f.and_(f.cmp("eq", x, y), f.cmp("ugt", a[1], b[1])))

    def sift(out: Reg, hole: Reg, size: Reg, bits: Reg, position: Reg) -> None:
        """Put an element at `hole` or below, and what is later than it above."""

        def down(carried: list[Reg]) -> Sequence[Reg]:
            at, _ = carried
            left = f.add(f.mul(at, two), one)

            def descend() -> Sequence[Reg]:
                right = f.add(left, one)
                # Where there is no right child it is compared with itself.
                right = f.select(f.cmp("slt", right, size), right, left)
                a, b = rows.result(out, left), rows.result(out, right)
                later = after(b, a)
                child = f.select(later, right, left)
                found = f.select(later, b[0], a[0]), f.select(later, b[1], a[1])
                moves = after(found, (bits, position))
                f.if_(moves, lambda: put_up(at, found))
                return [f.select(moves, child, at), moves]

            inside = f.cmp("slt", left, size)
            return f.if_(inside, descend, lambda: [at, f.const("i1", False)])

        def put_up(at: Reg, found: tuple[Reg, Reg]) -> list[Reg]:
            rows.put(out, at, *found)
            return []

        at, _ = f.while_(lambda c: c[1], down, [hole, f.const("i1", True)])
        rows.put(out, at, bits, position)

    def row(start: Reg, out: Reg) -> Sequence[Reg]:
        def fill(i: Reg, _: list[Reg]) -> Sequence[Reg]:
            rows.put(out, i, rows.source(start, i), i)
            return []

        f.loop(0, kept, 1, fill)

        def order(i: Reg, _: list[Reg]) -> Sequence[Reg]:
            at = f.sub(f.sub(f.ashr(kept, one), one), i)
            sift(out, at, kept, *rows.result(out, at))
            return []

        f.loop(0, f.ashr(kept, one), 1, order)

        def offer(i: Reg, _: list[Reg]) -> Sequence[Reg]:
            bits = rows.source(start, i)
            root = rows.result(out, frame.const(0))[0]

            def replace() -> list[Reg]:
                sift(out, frame.const(0), kept, bits, i)
                return []

            f.if_(f.cmp("ult", rows.key(bits), rows.key(root)), replace, unlikely=True)
            return []

        f.loop(kept, frame.size(rows.extent), 1, offer)

        def take(i: Reg, _: list[Reg]) -> Sequence[Reg]:
            last = f.sub(f.sub(kept, one), i)
            moved, root = rows.result(out, last), rows.result(out, frame.const(0))
            rows.put(out, last, *root)
            sift(out, frame.const(0), last, *moved)
            return []

        return f.loop(0, f.sub(kept, one), 1, take)

    # Where nothing is kept there is no root to look at.
    rows.each(lambda start, out: f.if_(f.cmp("sgt", kept, frame.const(0)), lambda: row(start, out)))
    count, extent = estimate(rows.kept), estimate(rows.extent)
    return frame.emitted(rows.units, 10.0 + extent * 1.5 + count * 4.0 * math.log2(count + 2.0))
