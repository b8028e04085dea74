"""The kernel function of a contraction: units of work, blocks of k, panels, and the calls of packs and tiles.

A unit is a range of row tiles times a range of column panels of one outer index; units share nothing, so any split of
them over threads computes the same sums in the same order. Inside a unit:

    for each panel:
        for each block of k:   pack the right operand's panel
            for each tile:     multiply; after the last block, the epilogue

or, where the left operand is packed (or is a single row), blocks of k outermost, so that it is packed once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ingot.compiler.codegen.contract.context import Context, SizesOf
from ingot.compiler.codegen.contract.integers import Int
from ingot.compiler.codegen.contract.pack import Packer
from ingot.compiler.codegen.contract.pairs import paired
from ingot.compiler.codegen.contract.plan import count, guess, make_plan
from ingot.compiler.codegen.contract.tile import Tile, TileEmitter
from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.expressions import register_elt
from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.spelling import BITS, Module, Reg
from ingot.compiler.codegen.target import Target
from ingot.compiler.ir import Size
from ingot.compiler.kernel import Contract, Kernel
from ingot.compiler.tiling import Access, Problem, choose, estimate

PARAMETERS = (("ptr", "frame"), ("i64", "lo"), ("i64", "hi"), ("i64", "thread"))
CLOCK_GHZ = 4.0  # turns the model's cycles into the nanoseconds that decide whether threads are worth waking
TYPICAL_M = (1, 8, 512)  # sizes that a dimension known at run time is planned for, beside a middling one
PACKED_TILES = 8  # packed in one sweep: enough to read whole cache lines, few enough to write side by side
CHUNK_NS = 20_000  # a chunk of this length hides what handing it to a thread costs


@dataclass(frozen=True)
class Band:
    """Tiles (or panels) first..end of one height (or width); `some`: the last, ragged one."""

    end: Int
    size: int
    some: bool = False


def problem_of(contract: Contract, target: Target) -> Problem:
    """What the cost model needs to know of a contraction. Pairs count as one element of k."""
    plan = make_plan(contract)
    step = 2 if paired(contract, plan, target) else 1
    m, n = count(plan.m), count(plan.n)

    def access(side: str) -> Access:
        operand = plan.a if side == "a" else plan.b
        return Access(operand.direct is not None, operand.along, operand.unit, operand.free_stride, operand.k_stride)

    return Problem(
        outer=guess(count(plan.outer)),
        m=guess(m),
        n=guess(n),
        k=-(-guess(plan.k) // step),
        bits=BITS[register_elt(contract.dtype)],
        a=access("a"),
        b=access("b"),
        static_m=isinstance(m, int),
        other_m=() if isinstance(m, int) else tuple(sorted({max(m.low, min(m.high, size)) for size in TYPICAL_M})),
        static_n=isinstance(n, int),
        static_k=isinstance(plan.k, int),
    )


def tile_contract(contract: Contract, target: Target) -> Contract:
    """The contraction with the tiling that the cost model prefers."""
    tiling = choose(problem_of(contract, target), target)
    step = 2 if paired(contract, make_plan(contract), target) else 1
    return contract._replace(tiling=tiling._replace(depth=tiling.depth * step))


def emit_contract(module: Module, target: Target, kernel: Kernel, sizes: SizesOf) -> Emitted:
    """Add the kernel function, its tiles and packs to the module. The kernel's body is one Contract."""
    (contract,) = kernel.body
    assert isinstance(contract, Contract)
    if contract.tiling is None:
        contract = tile_contract(contract, target)
    assert contract.tiling is not None
    context = Context(module, target, kernel, contract, make_plan(contract), contract.tiling, sizes)
    driver = Driver(context)
    driver.emit()
    tiling = contract.tiling._replace(depth=-(-contract.tiling.depth // context.step))
    cost = estimate(problem_of(contract, target), target, tiling) / CLOCK_GHZ
    units = driver.units()
    return Emitted(kernel.name, units, grain_of(guess(units), cost, target.cores), driver.scratch, cost)


def grain_of(units: int, cost: float, cores: int) -> int:
    """Units per chunk: chunks even out over the cores, and are several per core where each is still long enough."""
    best = (0, 0, 1)
    for per_core in (1, 2, 4):
        if per_core == 1 or cost / (per_core * cores) >= CHUNK_NS:
            grain = max(1, -(-units // (per_core * cores)))
            chunks = -(-units // grain)
            longest = -(-chunks // cores) * grain
            best = min(best, (longest, -per_core, grain)) if best[0] else (longest, -per_core, grain)
    return best[2]


class Driver:
    """Walks units, blocks, panels and tiles."""

    def __init__(self, context: Context) -> None:
        self.context, tiling = context, context.tiling
        self.row_tile, self.row_short = context.heights
        self.tiles_per_unit, self.panels_per_unit = tiling.grid
        width, lanes = context.width, context.lanes
        panel = context.steps * context.right_pitch + lanes  # the last vector may be written whole
        self.right_bytes = padded(panel * width) if context.pack_right else 0
        self.left_bytes = self.tiles_per_unit * context.left_tile if context.pack_left else 0
        row = -(-tiling.columns // lanes) * lanes
        self.partial_tile = row * (max(self.row_tile, lanes) if tiling.transposed else self.row_tile) * width
        kept = 1
        if context.whole is None:
            kept = self.tiles_per_unit * (self.panels_per_unit if context.k_outermost else 1)
        self.partial_bytes = padded(kept * self.partial_tile)
        self.scratch = self.right_bytes + self.left_bytes + self.partial_bytes

    # ---- counts

    def row_tiles(self) -> Size:
        rows = self.context.rows
        return (rows + (self.row_tile - 1)) // self.row_tile

    def panels(self) -> Size:
        return (self.context.columns + (self.context.tiling.columns - 1)) // self.context.tiling.columns

    def row_blocks(self) -> Size:
        return (self.row_tiles() + (self.tiles_per_unit - 1)) // self.tiles_per_unit

    def column_blocks(self) -> Size:
        return (self.panels() + (self.panels_per_unit - 1)) // self.panels_per_unit

    def units(self) -> Size:
        return count(self.context.plan.outer) * self.row_blocks() * self.column_blocks()

    # ---- the function

    def emit(self) -> None:
        context = self.context
        f = self.f = Function(context.module, context.name, PARAMETERS)
        self.ints = context.integers(f)
        frame, lo, hi, thread = f.params
        if self.scratch:
            area = f.load(f.offset(frame, 8 * len(context.kernel.buffers)), "ptr")
            mine = f.offset(area, f.mul(thread, f.const("i64", self.scratch)))
            self.right = mine
            self.left = f.offset(mine, self.right_bytes)
            self.partial = f.offset(mine, self.right_bytes + self.left_bytes)
        self.pointers = context.pointers(f)

        def unit(position: Reg, _: list[Reg]) -> list[Reg]:
            self.unit(position)
            return []

        f.loop(lo, hi, 1, unit)
        f.finish()

    def unit(self, position: Reg) -> None:
        ints, context = self.ints, self.context
        plan = context.plan
        row_blocks, column_blocks = ints.size(self.row_blocks()), ints.size(self.column_blocks())
        # Neighbours in a chunk share the packed rows, or else the panel.
        inner, second = (column_blocks, row_blocks) if context.pack_left else (row_blocks, column_blocks)
        rest, fast = ints.div(position, inner), ints.rem(position, inner)
        outer, slow = (ints.div(rest, second), ints.rem(rest, second)) if plan.outer else (0, rest)
        row_block, column_block = (slow, fast) if context.pack_left else (fast, slow)
        env = ints.spread(plan.outer, plan.outer_merged, outer)
        self.outer = [env[axis] for axis, _ in plan.outer]
        self.env = env | {axis: self.f.const("i64", 0) for axis in plan.ones}
        self.tile_range = self.span(row_block, self.tiles_per_unit, ints.size(self.row_tiles()))
        self.panel_range = self.span(column_block, self.panels_per_unit, ints.size(self.panels()))
        if context.k_outermost:
            self.over_blocks(self.all_panels)
        else:
            self.over_panels(lambda panel, band: self.over_blocks(lambda: self.panel(panel, band)))

    def all_panels(self) -> None:
        if self.context.pack_left:
            self.over_rows(self.pack_rows, PACKED_TILES)
        self.over_panels(self.panel)

    def span(self, block: Int, per_block: int, total: Int) -> tuple[Int, Int]:
        first = self.ints.mul(block, per_block)
        end = self.ints.add(first, per_block)
        exact = isinstance(total, int) and total % per_block == 0
        return first, end if exact else self.ints.least(end, total)

    def over_blocks(self, body: Callable[[], None]) -> None:
        """Run `body` for each block of k: the range of its outer axes, that of its inner ones, its place and length."""
        ints, context = self.ints, self.context
        inner, outer = ints.size(count(context.plan.k_inner)), ints.size(count(context.plan.k_outer))
        if context.whole is not None:
            self.enter_block((0, outer, 0, inner), 0, context.whole, 0, 1)
            body()
            return
        group = context.block // inner if context.plan.k_outer and isinstance(inner, int) and inner else 0
        per_outer = ints.most(ints.blocks(inner, context.block), 1)  # inner axes may have no elements
        blocks = ints.most(ints.blocks(outer, group) if group else ints.mul(per_outer, outer), 1)

        def one(b: Reg, _: list[Reg]) -> list[Reg]:
            later = self.f.cast("zext", self.f.cmp("ne", b, ints.reg(0)), "i64")
            last = self.f.cast("zext", self.f.cmp("eq", b, ints.reg(ints.sub(blocks, 1))), "i64")
            if group:
                low = ints.mul(b, group)
                high = ints.least(ints.add(low, group), outer)
                length = ints.mul(ints.sub(high, low), inner)
                self.enter_block((low, high, 0, inner), ints.mul(low, inner), length, later, last)
            else:
                low = ints.div(b, per_outer) if context.plan.k_outer else 0
                start = ints.mul(ints.rem(b, per_outer) if context.plan.k_outer else b, context.block)
                end = ints.least(ints.add(start, context.block), inner)
                place = ints.add(ints.mul(low, inner), start)
                self.enter_block((low, ints.add(low, 1), start, end), place, ints.sub(end, start), later, last)
            body()
            return []

        self.f.loop(0, blocks, 1, one)

    def enter_block(self, k_range: tuple[Int, Int, Int, Int], place: Int, length: Int, later: Int, last: Int) -> None:
        """`later`: sums of earlier blocks wait in memory. `last`: the epilogue follows."""
        ints = self.ints
        self.k_range, self.place = [ints.reg(x) for x in k_range], place
        depth = ints.blocks(length, self.context.step)
        self.block_arguments = {"depth": ints.reg(depth), "later": ints.reg(later), "last": ints.reg(last)}

    # ---- tiles and panels

    def bands(
        self, span: tuple[Int, Int], bands: list[Band], body: Callable[[Int, Int, Band], None], step: int = 1
    ) -> None:
        """body(position, end of the band, band) over the span, each band's part with its own variant."""
        first, end = span
        begin: Int = 0
        for band in bands:
            low = self.ints.most(first, begin) if begin != 0 else first
            high = self.ints.least(end, band.end) if band is not bands[-1] else end

            def one(i: Reg, _: list[Reg], high: Int = high, band: Band = band) -> list[Reg]:
                body(self.ints.plain(i), high, band)
                return []

            self.f.loop(low, high, step, one)
            begin = band.end

    def over_rows(self, body: Callable[[Int, Int, Int, Band], None], step: int = 1) -> None:
        """body(tile, its first row, tiles up to the next one, band) for the unit's row tiles."""
        rows, tiles, ints = self.context.rows, self.row_tiles(), self.ints
        if isinstance(rows, int) and isinstance(tiles, int):
            tall = rows - self.row_short * tiles if self.row_short else tiles
            bands = [Band(tall, self.row_tile)]
            if self.row_short:
                bands.append(Band(tiles, self.row_short))
        else:
            whole = ints.div(ints.size(rows), self.row_tile)
            bands = [Band(whole, self.row_tile), Band(ints.size(tiles), self.row_tile, True)]

        def one(tile: Int, end: Int, band: Band) -> None:
            row = ints.mul(tile, self.row_tile)
            if band.size < self.row_tile:
                row = ints.sub(row, ints.sub(tile, bands[0].end))
            body(tile, row, ints.least(step, ints.sub(end, tile)) if step > 1 else 1, band)

        self.bands(self.tile_range, bands, one, step)

    def over_panels(self, body: Callable[[Int, Band], None]) -> None:
        columns, width = self.context.columns, self.context.tiling.columns
        if isinstance(columns, int):
            whole, rest = divmod(columns, width)
            bands = [Band(whole, width)] if whole else []
            if rest:
                bands.append(Band(whole + 1, rest))
        else:
            size = self.ints.size(columns)
            bands = [Band(self.ints.div(size, width), width), Band(self.ints.blocks(size, width), width, True)]
        self.bands(self.panel_range, bands, lambda panel, _, band: body(panel, band))

    def pack_rows(self, tile: Int, row: Int, tiles: Int, band: Band) -> None:
        packer = Packer(self.context, "left", band.size, band.some)
        rows = self.rows_left(row) if band.some else band.size
        counts = map(self.ints.reg, (row, rows, tiles))
        packer.call(self.f, [self.packed_rows(tile), *counts, *self.k_range], self.outer)

    def packed_rows(self, tile: Int) -> Reg:
        return self.f.offset(self.left, self.ints.mul(self.ints.sub(tile, self.tile_range[0]), self.context.left_tile))

    def rows_left(self, row: Int) -> Int:
        return self.ints.sub(self.ints.size(self.context.rows), row)

    def panel(self, panel: Int, band: Band) -> None:
        ints, context = self.ints, self.context
        column = ints.mul(panel, context.tiling.columns)
        columns = ints.sub(ints.size(context.columns), column) if band.some else band.size
        if context.pack_right:
            right = self.right
            packer = Packer(context, "right", band.size, band.some)
            packer.call(self.f, [right, *map(ints.reg, (column, columns, 1)), *self.k_range], self.outer)
        else:
            right = self.in_place("right", column)

        def tile(tile: Int, row: Int, _: Int, rows: Band) -> None:
            arguments = {
                "left": self.packed_rows(tile) if context.pack_left else self.in_place("left", row),
                "right": right,
                "row": ints.reg(row),
                "column": ints.reg(column),
                "rows": ints.reg(self.rows_left(row) if rows.some else rows.size),
                "columns": ints.reg(columns),
                **self.block_arguments,
            }
            if self.scratch:
                arguments["partial"] = self.partial_place(tile, panel)
            variant = Tile(rows.size, band.size, rows.some, band.some)
            TileEmitter(context, variant).call(self.f, arguments, self.outer)

        self.over_rows(tile)

    def partial_place(self, tile: Int, panel: Int) -> Reg:
        """Where a tile keeps its sums between blocks of k."""
        if self.context.whole is not None:
            return self.partial
        ints = self.ints
        before = ints.sub(panel, self.panel_range[0]) if self.context.k_outermost else 0
        row = ints.mul(before, self.tiles_per_unit)
        return self.f.offset(
            self.partial, ints.mul(ints.add(row, ints.sub(tile, self.tile_range[0])), self.partial_tile)
        )

    def in_place(self, side: str, first: Int) -> Reg:
        """The operand itself, at this element of its free axes and the block's first k."""
        context, ints = self.context, self.ints
        operand, axes = (context.left, context.row_axes) if side == "left" else (context.right, context.column_axes)
        load = operand.direct
        assert load is not None
        k = (*context.plan.k_outer, *context.plan.k_inner)
        env = self.env | ints.spread(axes, True, first) | ints.spread(k, True, self.place)
        index = ints.dot(load.at.offset, load.at.terms, env)
        return self.f.offset(self.pointers[load.buffer], index, context.width)


def padded(size: int) -> int:
    return -(-size // 64) * 64
