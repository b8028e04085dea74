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
from ingot.compiler.codegen.contract.transpose import group_lanes, join, turn_groups
from ingot.compiler.codegen.llvm import Function, Reg
from ingot.compiler.ir import Size

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


class Packer:
    """One packing function: `extent` elements along the free axes, or `count` of them where `some` is set.

    The left operand is packed for several tiles of that height at once: their rows are neighbours in memory.
    """

    def __init__(self, context: Context, side: OneOf["left", "right"], extent: int, some: bool) -> None:
        self.context, self.side, self.extent, self.some = context, side, extent, some
        self.operand = context.left if side == "left" else context.right
        self.axes = context.row_axes if side == "left" else context.column_axes
        self.pitch = extent if side == "left" else context.tiling.columns  # elements from one k to the next
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
        if self.operand.along == "free":
            self.rows_of_k()
        elif self.side == "left":
            self.rows_of_free()
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
        return self.f.splat(context.widened(self.f, place.value(self.operand.expr)), lanes)

    def vector_masks(self) -> list[Reg | None]:
        """For each vector along the free axes: None where all its lanes exist."""
        lanes = self.context.lanes
        masks: list[Reg | None] = []
        for j in range(-(-self.extent // lanes)):
            if self.some:
                masks.append(self.context.first_lanes(self.f, self.ints.sub(self.count, j * lanes)))
            else:
                rest = self.extent - j * lanes
                masks.append(None if rest >= lanes else self.context.first_lanes(self.f, rest))
        return masks

    # ---- layouts

    def rows_of_k(self) -> None:
        """Vectors along the free axes. A last partial vector is written whole: the next k writes over its end."""
        f, context, lanes = self.f, self.context, self.context.lanes
        masks, merged = self.vector_masks(), self.operand.merged
        axis = self.axes[-1][0] if self.axes and merged else None
        pitch = self.pitch * context.width

        def axes_from(first: Int) -> list[dict[str, Reg]]:
            frees = []
            for j in range(len(masks)):
                start = self.ints.add(first, j * lanes)
                if not merged and lanes > 1:
                    start = f.add(f.splat(self.ints.reg(start), lanes), f.iota("i64", lanes))
                frees.append(self.ints.spread(self.axes, merged, start))
            return frees

        def row(env: dict[str, Reg], frees: Sequence[dict[str, Reg]], to: Reg) -> None:
            for j, (free, mask) in enumerate(zip(frees, masks, strict=True)):
                f.store(self.value(env | free, axis, lanes, mask), f.offset(to, j * lanes * context.width))

        def block(write: Callable[[dict[str, Reg], Reg], None], to: Reg) -> None:
            def one(env: dict[str, Reg], k: Reg, to: Reg) -> list[Reg]:
                write(self.k_env(env, k), to)
                return [f.offset(to, pitch)]

            def outer(env: dict[str, Reg], to: Reg) -> Reg:
                return f.loop(self.k, self.k_end, 1, lambda k, c: one(env, k, c[0]), [to])[0]

            self.over_outer(outer, to)

        if self.side == "right":
            frees = axes_from(self.first)
            block(lambda env, to: row(env, frees, to), self.to)
        elif merged:  # tiles innermost: the rows of all of them are one run of memory
            block(lambda env, to: self.over_tiles(lambda first, place: row(env, axes_from(first), place), to), self.to)
        else:  # tiles outermost: finding their axes takes divisions

            def tile(first: Int, place: Reg) -> None:
                frees = axes_from(first)
                block(lambda env, to: row(env, frees, to), place)

            self.over_tiles(tile, self.to)

    def over_tiles(self, body: Callable[[Int, Reg], None], to: Reg) -> None:
        """body(first free element, where to write) for each tile of the left operand."""

        def one(t: Reg, _: list[Reg]) -> list[Reg]:
            first = self.ints.add(self.first, self.ints.mul(t, self.extent))
            body(first, self.f.offset(to, t, self.context.left_tile))
            return []

        self.f.loop(0, self.tiles, 1, one, at_least_once=True)

    def rows_of_free(self) -> None:
        """Vectors along k, row by row. A last partial vector is written whole, into the row's slack."""
        self.over_tiles(self.tile_of_rows, self.to)

    def tile_of_rows(self, first: Int, place: Reg) -> None:
        f, context, lanes = self.f, self.context, self.context.lanes
        axis = context.plan.k_inner[-1][0]
        rows: Int = self.count if self.some else self.extent

        def row(i: Reg, _: list[Reg]) -> list[Reg]:
            free = self.ints.spread(self.axes, self.operand.merged, self.ints.add(first, i))

            def run(env: dict[str, Reg], to: Reg) -> Reg:
                count = f.sub(self.k_end, self.k)
                whole = f.and_(count, f.const("i64", -lanes)) if lanes > 1 else count
                full_end = f.add(self.k, whole)

                def vector(k: Reg, carried: list[Reg]) -> list[Reg]:
                    value = self.value(self.k_env(env, k) | free, axis, lanes, None)
                    f.store(value, carried[0])
                    return [f.offset(carried[0], lanes * context.width)]

                def last() -> list[Reg]:
                    mask = context.first_lanes(f, f.sub(count, whole))
                    f.store(self.value(self.k_env(env, full_end) | free, axis, lanes, mask), end)
                    return []

                end = f.loop(self.k, full_end, lanes, vector, [to])[0]
                if lanes > 1:
                    f.if_(f.cmp("slt", full_end, self.k_end), last, unlikely=True)
                return f.offset(to, count, context.width)

            self.over_outer(run, f.offset(place, i, context.left_pitch * context.width))
            return []

        f.loop(0, rows, 1, row)

    def turned(self) -> None:
        """Short vectors along k of every column, transposed in registers into rows along the free axes."""
        f, context, lanes = self.f, self.context, self.context.lanes
        q = group_lanes(context.elt, lanes)
        axis = context.plan.k_inner[-1][0]
        last = self.ints.sub(self.ints.add(self.first, self.count if self.some else self.extent), 1)
        columns = self.columns(last)

        def block(outer: dict[str, Reg], k: Reg, to: Reg, rows: int, mask: Reg | None) -> None:
            env = self.k_env(outer, k)
            for g in range(0, len(columns), lanes):
                parts = [self.column(columns[g + i], env, k, axis, q, mask) for i in range(lanes)]
                square = [join(f, parts[r::q]) for r in range(q)]
                for r, value in enumerate(turn_groups(f, square)[:rows]):
                    f.store(value, f.offset(to, (r * self.pitch + g) * context.width))

        def run(outer: dict[str, Reg], to: Reg) -> Reg:
            count = f.sub(self.k_end, self.k)
            whole = f.and_(count, f.const("i64", -q)) if q > 1 else count

            def step(k: Reg, carried: list[Reg]) -> list[Reg]:
                block(outer, k, carried[0], q, None)
                return [f.offset(carried[0], q * self.pitch * context.width)]

            def one(k: Reg, carried: list[Reg]) -> list[Reg]:
                block(outer, k, carried[0], 1, f.vector("i1", [i == 0 for i in range(q)]))
                return [f.offset(carried[0], self.pitch * context.width)]

            middle = f.add(self.k, whole)
            to = f.loop(self.k, middle, q, step, [to])[0]
            return f.loop(middle, self.k_end, 1, one, [to])[0] if q > 1 and self.ragged(q) else to

        self.over_outer(run, self.to)

    def ragged(self, q: int) -> bool:
        """Whether some block of k is no multiple of q."""
        inner: Size = 1
        for _, extent in self.context.plan.k_inner:
            inner = inner * extent
        if not isinstance(inner, int) or inner % q:
            return True
        return self.context.block % q != 0

    def columns(self, last: Int) -> list[dict[str, Reg] | int | None]:
        """For each free element up to whole vectors: its axes, or its distance from the first, or None: it is absent.

        A distance is given where the operand is read in place: constant offsets from one pointer need no registers.
        """
        lanes = self.context.lanes
        columns: list[dict[str, Reg] | int | None] = []
        for i in range(-(-self.extent // lanes) * lanes):
            if i >= self.extent:
                columns.append(None)
            elif self.some:
                at = self.ints.least(self.ints.add(self.first, i), last)
                columns.append(self.ints.spread(self.axes, self.operand.merged, at))
            elif self.operand.direct is not None:
                columns.append(i)
            else:
                columns.append(self.ints.spread(self.axes, self.operand.merged, self.ints.add(self.first, i)))
        return columns

    def column(
        self, column: dict[str, Reg] | int | None, env: dict[str, Reg], k: Reg, axis: str, q: int, mask: Reg | None
    ) -> Reg:
        """q neighbours along k of one column."""
        f, context = self.f, self.context
        if column is None:
            return f.const(context.elt, 0, q)
        if isinstance(column, dict):
            return self.value(env | column, axis, q, mask)
        load = self.operand.direct
        assert load is not None
        merged = self.ints.spread(self.axes, True, self.first)
        base = self.ints.dot(load.index.offset, load.index.terms, self.outer | env | merged)
        pointer = f.offset(self.pointers[load.buffer], base, context.width)
        place = f.offset(pointer, column * self.operand.free_stride * context.width)
        return f.load(place, context.elt, q, mask=mask)
