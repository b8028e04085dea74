"""Packing: an operand's block, computed or read with any strides, laid out as the tile reads it.

Right operand: row k holds the panel's `columns` elements. Left operand: row k holds the tile's `rows` elements, or,
where the operand's neighbours lie along k, row i holds the block's elements of k. Loads run along the neighbours;
where those lie across the layout, registers are transposed on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal as OneOf

from ingot.compiler.codegen.contract.context import Context
from ingot.compiler.codegen.contract.integers import Int
from ingot.compiler.codegen.contract.pairs import as_pairs, halves, join_pairs
from ingot.compiler.codegen.contract.plan import count
from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.spelling import Reg
from ingot.compiler.codegen.transpose import group_lanes, join, turn_groups

PARAMETERS = (
    ("ptr", "to"),
    ("i64", "first"),  # of the free counter
    ("i64", "count"),
    ("i64", "tiles"),
    ("i64", "k_outer"),
    ("i64", "k_outer_end"),
    ("i64", "k"),
    ("i64", "k_end"),
)


Source = Callable[[dict[str, Reg], str | None, Reg | None], Reg]  # (free axes, axis of the vector, mask) -> values


class Packer:
    """One packing function: `extent` elements along the free axes, or `count` of them where `some` is set.

    The left operand is packed for several tiles of that height at once: their rows are neighbours in memory.
    """

    def __init__(self, context: Context, side: OneOf["left", "right"], extent: int, some: bool) -> None:
        self.context, self.side, self.extent, self.some = context, side, extent, some
        self.operand = context.left if side == "left" else context.right
        self.axes = context.row_axes if side == "left" else context.column_axes
        self.pitch = extent if side == "left" else context.right_pitch  # elements from one k to the next
        self.extent_now: Int = extent
        self.name = f"{context.name}_pack_{side}{extent}{'s' * some}"

    def call(self, f: Function, arguments: Sequence[Reg], outer: Sequence[Reg]) -> None:
        self.context.module.once(self.name, self.emit)
        f.call("void", self.name, f.params[0], *arguments, *outer)

    def emit(self) -> None:
        context = self.context
        f = self.f = context.function(self.name, PARAMETERS)
        self.ints = context.integers(f)
        self.pointers = context.pointers(f)
        self.outer = context.outer_env(f)
        self.to, self.first, self.count, self.tiles, *k_range = f.params[1:9]
        self.k_outer, self.k_outer_end, self.k, self.k_end = k_range
        if self.some:
            self.extent_now = self.count
        if self.operand.along == "free":
            if self.operand.merged:
                self.rows_of_k()
            elif self.side == "left":
                self.over_tiles(self.runs_of_k, self.to)
            else:
                self.runs_of_k(self.first, self.to)
        elif self.side == "left":
            self.over_tiles(self.rows_of_free, self.to)
        else:
            self.turned()
        f.finish()

    # ---- pieces

    def over_outer(self, body: Callable[[dict[str, Reg], Reg], Reg], to: Reg) -> None:
        """Run `body(axes, where to write) -> where the next goes` for each value of the outer axes of k."""
        if not self.context.plan.k_outer:
            body({}, to)
            return

        def one(position: Reg, carried: list[Reg]) -> list[Reg]:
            return [body(self.ints.spread(self.context.plan.k_outer, False, position), carried[0])]

        self.f.loop(self.k_outer, self.k_outer_end, 1, one, [to])

    def k_env(self, outer: dict[str, Reg], position: Int) -> dict[str, Reg]:
        return outer | self.ints.spread(self.context.plan.k_inner, True, position)

    def value(self, env: dict[str, Reg], axis: str | None, lanes: int, mask: Reg | None) -> Reg:
        context = self.context
        place = context.expressions(self.f, self.pointers, self.outer | env, axis=axis, lanes=lanes, mask=mask)
        return self.f.splat(context.widened(self.f, place.value(self.operand.expr), self.operand.expr.dtype), lanes)

    def block(self, write: Callable[[Source, Reg], None], to: Reg) -> None:
        """write(what gives a packed row's values, where) for each row of the block."""
        f, pitch, step = self.f, self.pitch * self.context.width, self.context.step

        def one(env: dict[str, Reg], k: Reg, to: Reg) -> list[Reg]:
            def source(free: dict[str, Reg], axis: str | None, mask: Reg | None) -> Reg:
                return self.packed(env, k, free, axis, mask)

            write(source, to)
            return [f.offset(to, pitch)]

        def outer(env: dict[str, Reg], to: Reg) -> Reg:
            return f.loop(self.k, self.k_end, step, lambda k, c: one(env, k, c[0]), [to])[0]

        self.over_outer(outer, to)

    def packed(self, outer: dict[str, Reg], k: Reg, free: dict[str, Reg], axis: str | None, mask: Reg | None) -> Reg:
        """A vector along the free axes of the packed row that starts at k."""
        f, lanes = self.f, self.context.lanes
        first = self.value(self.k_env(outer, k) | free, axis, lanes, mask)
        if self.context.step == 1:
            return first
        after = f.add(k, f.const("i64", 1))
        if not self.ragged(2):
            return join_pairs(f, first, self.value(self.k_env(outer, after) | free, axis, lanes, mask))
        there = f.cmp("slt", after, self.k_end)  # where it is not, the last k is read again and counts as zero
        second = self.value(self.k_env(outer, f.select(there, after, k)) | free, axis, lanes, mask)
        return join_pairs(f, first, f.select(there, second, f.like(second, 0)))

    def over_tiles(self, body: Callable[[Int, Reg], None], to: Reg) -> None:
        """body(first free element, where to write) for each tile of the left operand."""

        def one(t: Reg, _: list[Reg]) -> list[Reg]:
            first = self.ints.add(self.first, self.ints.mul(t, self.extent))
            body(first, self.f.offset(to, t, self.context.left_tile))
            return []

        self.f.loop(0, self.tiles, 1, one, at_least_once=True)

    def over_runs(self, first: Int, body: Callable[[Callable[[Int], dict[str, Reg]], Int, Int], None]) -> None:
        """body(axes at a distance, length, distance from the first) for each run of free elements with one stride."""
        f, ints, axes = self.f, self.ints, self.axes
        if self.operand.merged:
            body(lambda i: ints.spread(axes, True, ints.add(first, i)), self.extent_now, 0)
            return
        slow, fast = axes[: len(axes) - self.operand.run], axes[len(axes) - self.operand.run :]
        extent = ints.size(count(fast))

        def run(carried: list[Reg]) -> list[Reg]:
            done = carried[0]
            position = ints.add(first, done)
            row = ints.div(position, extent)
            start = ints.sub(position, ints.mul(row, extent))
            length = ints.least(ints.sub(extent, start), ints.sub(self.extent_now, done))
            outside = ints.spread(slow, False, row)
            body(lambda i: outside | ints.spread(fast, True, ints.add(start, i)), length, done)
            return [ints.reg(ints.add(done, length))]

        f.while_(lambda c: f.cmp("slt", c[0], ints.reg(self.extent_now)), run, [f.const("i64", 0)])

    # ---- layouts

    def rows_of_k(self) -> None:
        """Vectors along the free axes. A last partial vector is written whole: the next k writes over its end."""
        f, context, lanes = self.f, self.context, self.context.lanes
        axis = self.axes[-1][0] if self.axes else None
        masks: list[Reg | None] = []
        for j in range(0, self.extent, lanes):
            rest = self.ints.sub(self.extent_now, j)
            masks.append(None if isinstance(rest, int) and rest >= lanes else context.first_lanes(f, rest))

        def row(source: Source, first: Int, to: Reg) -> None:
            for j, mask in enumerate(masks):
                free = self.ints.spread(self.axes, True, self.ints.add(first, j * lanes))
                f.store(source(free, axis, mask), f.offset(to, j * lanes * context.width))

        if self.side == "right":
            self.block(lambda source, to: row(source, self.first, to), self.to)
        else:  # tiles innermost: the rows of all of them are one run of memory
            self.block(lambda source, to: self.over_tiles(lambda i, place: row(source, i, place), to), self.to)

    def runs_of_k(self, first: Int, place: Reg) -> None:
        """Vectors along the free axes, each inside one run of the operand."""
        f, context, lanes = self.f, self.context, self.context.lanes
        axis = self.axes[-1][0]

        def run(axes: Callable[[Int], dict[str, Reg]], length: Int, distance: Int) -> None:
            def vector(j: Reg, _: list[Reg]) -> list[Reg]:
                mask = context.first_lanes(f, self.ints.sub(length, j)) if lanes > 1 else None
                free = axes(j)
                # The right operand's rows have a vector of slack; the left operand's tiles lie side by side.
                kept = mask if self.side == "left" else None

                def write(source: Source, to: Reg) -> None:
                    f.store(source(free, axis, mask), to, mask=kept)

                at = self.ints.add(distance, j)
                self.block(write, f.offset(place, at, context.width))
                return []

            f.loop(0, length, lanes, vector)

        self.over_runs(first, run)

    def rows_of_free(self, first: Int, place: Reg) -> None:
        """Vectors along k, row by row. A last partial vector is written whole, into the row's slack."""
        f, context, lanes = self.f, self.context, self.context.lanes
        axis, pitch = context.plan.k_inner[-1][0], context.left_pitch * context.width
        size = context.width // context.step
        count = f.sub(self.k_end, self.k)
        whole = f.and_(count, f.const("i64", -lanes)) if lanes > 1 else count
        full_end = f.add(self.k, whole)

        def run(axes: Callable[[Int], dict[str, Reg]], length: Int, distance: Int) -> None:
            def outer(env: dict[str, Reg], to: Reg) -> Reg:
                def row(i: Reg, _: list[Reg]) -> list[Reg]:
                    free = axes(i)

                    def store(k: Reg, mask: Reg | None, to: Reg) -> None:
                        value = self.value(self.k_env(env, k) | free, axis, lanes, mask)
                        f.store(halves(f, value) if context.step == 2 else value, to)

                    def vector(k: Reg, carried: list[Reg]) -> list[Reg]:
                        store(k, None, carried[0])
                        return [f.offset(carried[0], lanes * size)]

                    def last() -> list[Reg]:
                        store(full_end, context.first_lanes(f, f.sub(count, whole)), end)
                        return []

                    end = f.loop(self.k, full_end, lanes, vector, [f.offset(to, i, pitch)])[0]
                    if lanes > 1 and self.ragged(lanes):
                        f.if_(f.cmp("slt", full_end, self.k_end), last, unlikely=True)
                    return []

                f.loop(0, length, 1, row)
                return f.offset(to, count, size)

            self.over_outer(outer, f.offset(place, distance, pitch))

        self.over_runs(first, run)

    def turned(self) -> None:
        """Short vectors along k of every column, transposed in registers into rows along the free axes."""
        f, lanes = self.f, self.context.lanes
        if self.operand.direct is not None and not self.some:
            columns = list(range(lanes))
            whole = self.extent // lanes * lanes

            def in_place(g: Reg, _: list[Reg]) -> list[Reg]:
                self.turn(columns, self.ints.add(self.first, g), f.offset(self.to, g, self.context.width))
                return []

            f.loop(0, whole, lanes, in_place)
            if self.extent > whole:
                place = f.offset(self.to, whole * self.context.width)
                self.turn(columns[: self.extent - whole], self.ints.add(self.first, whole), place)
            return
        last = self.ints.sub(self.ints.add(self.first, self.extent_now), 1)

        def group(g: Reg, _: list[Reg]) -> list[Reg]:
            first = self.ints.add(self.first, g)
            at = [
                self.ints.least(self.ints.add(first, i), last) for i in range(lanes)
            ]  # absent columns repeat the last
            columns = [self.ints.spread(self.axes, self.operand.merged, p) for p in at]
            self.turn(columns, first, f.offset(self.to, g, self.context.width))
            return []

        f.loop(0, self.extent_now, lanes, group)

    def turn(self, columns: Sequence[dict[str, Reg] | int], first: Int, to: Reg) -> None:
        """At most `lanes` columns, given by their axes, or where the operand is read in place by their distances."""
        f, context, lanes = self.f, self.context, self.context.lanes
        q, size = group_lanes(context.elt, lanes), context.width
        near = q * context.step  # elements of k that one square takes
        axis = context.plan.k_inner[-1][0]

        def block(outer: dict[str, Reg], k: Reg, to: Reg, rows: int, mask: Reg | None) -> None:
            env = self.k_env(outer, k)
            parts = [self.column(column, first, env, axis, near, mask) for column in columns]
            if context.step == 2:
                parts = [as_pairs(f, part) for part in parts]
            parts += [f.const(context.operand_elt, 0, q)] * (lanes - len(parts))
            square = [join(f, parts[r::q]) for r in range(q)]
            for r, value in enumerate(turn_groups(f, square)[:rows]):
                f.store(value, f.offset(to, r * self.pitch * size))

        def run(outer: dict[str, Reg], to: Reg) -> Reg:
            count = f.sub(self.k_end, self.k)
            whole = f.and_(count, f.const("i64", -near)) if near > 1 else count

            def step(k: Reg, carried: list[Reg]) -> list[Reg]:
                block(outer, k, carried[0], q, None)
                return [f.offset(carried[0], q * self.pitch * size)]

            def one(k: Reg, carried: list[Reg]) -> list[Reg]:
                mask = f.vector("i1", [i < context.step for i in range(near)])
                if context.step == 2:
                    mask = f.and_(mask, f.cmp("slt", f.iota("i64", near), f.sub(self.k_end, k)))
                block(outer, k, carried[0], 1, mask)
                return [f.offset(carried[0], self.pitch * size)]

            middle = f.add(self.k, whole)
            to = f.loop(self.k, middle, near, step, [to])[0]
            if near == 1 or not self.ragged(near):
                return to
            return f.loop(middle, self.k_end, context.step, one, [to])[0]

        self.over_outer(run, to)

    def ragged(self, step: int) -> bool:
        """Whether some block of k is no multiple of this step."""
        inner = count(self.context.plan.k_inner)
        return not isinstance(inner, int) or inner % step != 0 or self.context.block % step != 0

    def column(
        self, column: dict[str, Reg] | int, first: Int, env: dict[str, Reg], axis: str, q: int, mask: Reg | None
    ) -> Reg:
        """q neighbours along k of one column. A distance is a constant offset from a pointer that all columns share."""
        if isinstance(column, dict):
            return self.value(env | column, axis, q, mask)
        f, width, load = self.f, self.context.width, self.operand.direct
        assert load is not None
        merged = self.ints.spread(self.axes, True, first)
        base = self.ints.dot(load.at.offset, load.at.terms, self.outer | env | merged)
        place = f.offset(f.offset(self.pointers[load.buffer], base, width), column * self.operand.free_stride * width)
        return f.load(place, self.context.elt, q, mask=mask)
