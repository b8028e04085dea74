"""The register tile: C[i, j] += sum over k of left[i, k] * right[k, j], accumulators in registers, then the epilogue.

The inner loop is `columns / lanes` vector loads, `rows` broadcasts and their product of multiply-adds. Every stride is
a constant in the addressing mode, so packed and unpacked, plain and transposed operands are the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingot.compiler.codegen.contract.context import Context
from ingot.compiler.codegen.contract.epilogue import emit_epilogue
from ingot.compiler.codegen.contract.integers import Int
from ingot.compiler.codegen.contract.pairs import multiply_pairs
from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.spelling import Reg
from ingot.compiler.codegen.transpose import transpose


@dataclass(frozen=True)
class Tile:
    """A variant. `some_rows`, `some_columns`: at most this many, the number is a run-time argument."""

    rows: int
    columns: int
    some_rows: bool = False
    some_columns: bool = False

    @property
    def suffix(self) -> str:
        return f"{self.rows}{'r' * self.some_rows}x{self.columns}{'c' * self.some_columns}"


class TileEmitter:
    """One variant of the tile as a function of the module."""

    def __init__(self, context: Context, tile: Tile) -> None:
        self.context, self.tile = context, tile
        self.vectors = -(-tile.columns // context.lanes)
        some = tile.some_rows or tile.some_columns
        self.deferred = context.deferred or some
        self.name = f"{context.name}_{tile.suffix}"
        self.blocked = context.whole is None
        self.parameters = [("ptr", "left"), ("ptr", "right"), ("i64", "row"), ("i64", "column")]
        if self.blocked or self.deferred:
            self.parameters.append(("ptr", "partial"))
        if self.blocked:
            self.parameters += [("i64", "depth"), ("i64", "later"), ("i64", "last")]
        if some:
            self.parameters += [("i64", "rows"), ("i64", "columns")]

    def call(self, f: Function, arguments: dict[str, Reg], outer: Sequence[Reg]) -> None:
        """A call in `f`; the variant is emitted when it is first called."""
        self.context.module.once(self.name, self.emit)
        values = [arguments[name] for _, name in self.parameters]
        f.call("void", self.name, f.params[0], *values, *outer)

    def emit(self) -> None:
        context = self.context
        f = context.function(self.name, self.parameters)
        at = {name: f.params[1 + i] for i, (_, name) in enumerate(self.parameters)}
        if not self.blocked:
            sums = self.multiply(f, at, -(-(context.whole or 0) // context.step))
            self.finish(f, at, sums)
        else:
            sums = self.multiply(f, at, at["depth"])
            zero = f.const("i64", 0)
            sums = f.if_(f.cmp("ne", at["later"], zero), lambda: self.resume(f, at, sums), lambda: sums)
            last = f.cmp("ne", at["last"], zero)
            if context.tiling.transposed or not self.deferred:
                f.if_(last, lambda: self.finish(f, at, sums), lambda: self.keep(f, at, sums))
            else:
                self.keep(f, at, sums)
                f.if_(last, lambda: self.defer(f, at, self.vectors, self.tile.rows, self.tile.columns))
        f.finish()

    # ---- sums

    def multiply(self, f: Function, at: dict[str, Reg], depth: Int) -> list[Reg]:
        """The accumulators, row by row."""
        context, tile, lanes = self.context, self.tile, self.context.lanes
        if context.tiling.dot:
            return self.dot(f, at, int(context.whole or 0))
        vector = context.width * lanes
        offsets, left_step = self.left_layout(f, at)
        right_step = context.right.k_stride * context.width
        masks: list[Reg | None] = [None] * self.vectors
        align = 0
        if context.pack_right:
            right_step = context.right_pitch * context.width
            align = vector
        elif tile.columns % lanes:
            masks[-1] = context.first_lanes(f, tile.columns % lanes)

        scaled = left_step in (1, 2, 4, 8)  # the loop's counter then serves as the index of an address

        def step(k: Reg, carried: list[Reg]) -> list[Reg]:
            right, sums = carried[0], carried[1 : 1 + products]
            left = f.offset(at["left"], k, left_step) if scaled else carried[-1]
            wide = [
                f.load(f.offset(right, j * vector), context.operand_elt, lanes, mask=mask, align=align)
                for j, mask in enumerate(masks)
            ]
            new: list[Reg] = []
            for i, offset in enumerate(offsets):
                one = f.splat(f.load(f.offset(left, offset), context.operand_elt), lanes)
                new += [self.accumulate(f, one, w, sums[i * len(wide) + j]) for j, w in enumerate(wide)]
            return [f.offset(right, right_step), *new, *([] if scaled else [f.offset(left, left_step)])]

        products = tile.rows * self.vectors
        start = [at["right"], *[f.const(context.elt, 0, lanes)] * products, *([] if scaled else [at["left"]])]
        some = isinstance(context.plan.k, int) and context.plan.k > 0
        return f.loop(0, depth, 1, step, start, at_least_once=some)[1 : 1 + products]

    def left_layout(self, f: Function, at: dict[str, Reg]) -> tuple[list[Int], int]:
        """Bytes from the left pointer to each row, and from one k to the next."""
        context, tile, width = self.context, self.tile, self.context.width
        if context.pack_left:
            pitch = context.left_pitch
            if pitch:
                return [i * pitch * width for i in range(tile.rows)], width
            return [i * width for i in range(tile.rows)], tile.rows * width
        stride = context.left.free_stride * width
        offsets: list[Int] = [i * stride for i in range(tile.rows)]
        if tile.some_rows:  # rows that do not exist repeat the last one
            ints = context.integers(f)
            last = ints.sub(at["rows"], 1)
            offsets = [ints.mul(ints.least(i, last), stride) for i in range(tile.rows)]
        return offsets, context.left.k_stride * width

    def accumulate(self, f: Function, a: Reg, b: Reg, total: Reg) -> Reg:
        """total + a * b: one instruction where the target has it, never a library call."""
        if self.context.step == 2:
            return multiply_pairs(f, a, b, total)
        if total.is_float:
            return f.intrinsic("fmuladd", a, b, total)
        return f.add(total, f.mul(a, b))

    def dot(self, f: Function, at: dict[str, Reg], depth: int) -> list[Reg]:
        """Both operands lie along k, and so do the vectors; a row's sums end up in the first lanes of one register."""
        context, lanes, rows, columns = self.context, self.context.lanes, self.tile.rows, self.tile.columns
        vector, pitch = context.width * lanes, context.right.free_stride * context.width
        offsets, _ = self.left_layout(f, at)

        def step(left: Reg, right: Reg, sums: Sequence[Reg], mask: Reg | None = None) -> list[Reg]:
            a = [f.load(f.offset(left, offset), context.elt, lanes, mask=mask) for offset in offsets]
            b = [f.load(f.offset(right, j * pitch), context.elt, lanes, mask=mask) for j in range(columns)]
            return [self.accumulate(f, a[i], b[j], sums[i * columns + j]) for i in range(rows) for j in range(columns)]

        def body(_: Reg, carried: list[Reg]) -> list[Reg]:
            left, right = carried[:2]
            return [f.offset(left, vector), f.offset(right, vector), *step(left, right, carried[2:])]

        start = [f.const(context.elt, 0, lanes)] * (rows * columns)
        left, right, *sums = f.loop(0, depth // lanes, 1, body, [at["left"], at["right"], *start])
        if depth % lanes:
            sums = step(left, right, sums, context.first_lanes(f, depth % lanes))
        total = self.across(f, sums)
        if rows == 1:
            return [total]
        return [f.shuffle(total, None, [(i * columns + j) % lanes for j in range(lanes)]) for i in range(rows)]

    def across(self, f: Function, sums: list[Reg]) -> Reg:
        """Lane i of the result is the sum of all lanes of sums[i]."""
        lanes = self.context.lanes
        columns = transpose(f, sums + [f.const(self.context.elt, 0, lanes)] * (lanes - len(sums)))
        while len(columns) > 1:
            columns = [f.add(a, b) for a, b in zip(columns[::2], columns[1::2], strict=True)]
        return columns[0]

    # ---- partial sums between blocks of k

    def places(self, f: Function, at: dict[str, Reg], count: int) -> list[Reg]:
        return [f.offset(at["partial"], i * self.context.width * self.context.lanes) for i in range(count)]

    def resume(self, f: Function, at: dict[str, Reg], sums: list[Reg]) -> list[Reg]:
        floor, f.floor = f.floor, f.level
        kept = [f.load(p, self.context.elt, self.context.lanes) for p in self.places(f, at, len(sums))]
        total = [f.add(a, b) for a, b in zip(kept, sums, strict=True)]
        f.floor = floor
        return total

    def keep(self, f: Function, at: dict[str, Reg], sums: Sequence[Reg]) -> list[Reg]:
        floor, f.floor = f.floor, f.level
        for value, place in zip(sums, self.places(f, at, len(sums)), strict=True):
            f.store(value, place)
        f.floor = floor
        return []

    # ---- results

    def finish(self, f: Function, at: dict[str, Reg], sums: list[Reg]) -> list[Reg]:
        """The epilogue, over the rows of the output; addresses are computed here and not before the loop."""
        floor, f.floor = f.floor, f.level
        per_row, rows, columns = self.oriented(f, sums)
        if self.deferred:
            self.keep(f, at, [v for row in per_row for v in row])
            self.defer(f, at, len(per_row[0]), rows, columns)
        else:
            self.inline(f, at, per_row[:rows], columns)
        f.floor = floor
        return []

    def oriented(self, f: Function, sums: list[Reg]) -> tuple[list[list[Reg]], int, int]:
        """The sums as rows of the output with its column counts: a transposed tile is turned over here."""
        tile, lanes = self.tile, self.context.lanes
        if not self.context.tiling.transposed:
            return [sums[i : i + self.vectors] for i in range(0, len(sums), self.vectors)], tile.rows, tile.columns
        zero = [f.const(self.context.elt, 0, lanes)] * (lanes - tile.rows)
        turned: list[list[Reg]] = []
        for j in range(self.vectors):
            turned += [[v] for v in transpose(f, [*sums[j :: self.vectors], *zero])]
        return turned, tile.columns, tile.rows

    def defer(self, f: Function, at: dict[str, Reg], vectors: int, rows: int, columns: int) -> list[Reg]:
        """Run the epilogue as a loop over the sums in memory."""
        context = self.context
        name = emit_epilogue(context, vectors)
        some = self.tile.some_rows or self.tile.some_columns
        first, second = ("column", "row") if context.tiling.transposed else ("row", "column")
        if some:
            counts = [at["rows"], at["columns"]]
            counts = counts[::-1] if context.tiling.transposed else counts
        else:
            counts = [f.const("i64", rows), f.const("i64", columns)]
        outer = f.params[1 + len(self.parameters) :]
        f.call("void", name, f.params[0], at["partial"], at[first], at[second], *counts, *outer)
        return []

    def inline(self, f: Function, at: dict[str, Reg], per_row: Sequence[Sequence[Reg]], columns: int) -> None:
        context, lanes = self.context, self.context.lanes
        plan, ints, pointers = context.plan, context.integers(f), context.pointers(f)
        m0, n0 = (at["column"], at["row"]) if context.tiling.transposed else (at["row"], at["column"])
        outer, rest = context.outer_env(f), columns % lanes
        for i, row in enumerate(per_row):
            m_env = ints.spread(plan.m, True, ints.add(m0, i))
            for j, value in enumerate(row):
                n_env = ints.spread(plan.n, True, ints.add(n0, j * lanes))
                mask = context.first_lanes(f, rest) if rest and j == len(row) - 1 else None
                context.run_epilogue(f, pointers, outer | m_env | n_env, value, mask)
