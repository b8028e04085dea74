"""The cost model of contractions: enumerates register tiles, blocks and shares of work, and picks the cheapest.

It reads the problem's sizes and strides and the target's registers, ports and caches, and nothing measured for a shape.
The stream coefficients were fitted with tests/benchmarks/matmul.py over all sizes at once.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from ingot.compiler.codegen.target import Target
from ingot.compiler.kernel import Tiling

FORK_CYCLES = 1200  # handing work to another core and waiting for it
LATE_UNITS = 0.02  # the share of its last unit by which one core holds up the others
UNIT_CYCLES = 20  # finding a unit's place
TILE_CYCLES = 14  # a call of the tile: arguments, clearing accumulators
UPDATE_CYCLES = 1.2  # an accumulator's way out through the epilogue, or to memory and back between blocks of k
TURN_CYCLES = 10  # a row of the output that leaves a transposed tile
VARIANT_COST = 0.025  # share of the time that one more tile variant may cost: it is code to compile
RIGHT_STREAM = 0.125  # share of the time exposed when a right panel fills the second-level cache's bandwidth
LEFT_STREAM = 0.0115  # exposed cycles per byte of left rows that come from further away
PACK_BYTES = {"free": 12, "k": 16}  # packed per cycle, by how the neighbours lie
GATHER_BYTES = 3  # packed per cycle where no neighbours lie together
MOST_TURNED = 16  # lanes of a register that a transpose of registers is worth its code for
DOT_ROWS = 32  # with more rows of a, packing b pays
STREAM_BYTES = (32, 24, 9)  # per cycle, from the second level, the third, and memory
LONG_RUN = 256  # bytes next to each other that a stream wants to come in at that rate
WAYS = 16  # of the second-level cache
L1_WAY = 4096  # rows this many bytes apart share one set of the first-level cache,
SET_LINES = 8  # which holds about so many of them beside other data;
CONFLICT = 0.05  # more cost this share of the time
FINALISTS = 8  # register tiles for which the ways to share the work are compared


@dataclass(frozen=True)
class Access:
    """How one operand can be read: in place or not, where neighbours lie, and its strides (when in place)."""

    direct: bool
    along: Literal["free", "k"]
    unit: bool  # neighbours lie without gaps
    free_stride: int = 0
    k_stride: int = 0


@dataclass(frozen=True)
class Problem:
    """C[outer, m, n] = a[outer, m, k] b[outer, k, n], sizes as far as known; `bits` of an accumulator."""

    outer: int
    m: int
    n: int
    k: int
    bits: int
    a: Access
    b: Access
    static_m: bool = True
    static_n: bool = True
    static_k: bool = True
    other_m: tuple[int, ...] = ()  # where m is known only at run time, more sizes that it may well have


def choose(problem: Problem, target: Target) -> Tiling:
    """The cheapest tiling by the model; over several sizes of m, the cheapest per row on average."""
    model = Model(problem, target)
    models = [model, *(Model(replace(problem, m=m), target) for m in problem.other_m)]
    tiles = [(sum((x.work(t) + x.packing(t)) / x.m for x in models), i, t) for i, t in enumerate(model.tiles())]
    best: tuple[float, Tiling] | None = None
    for _, _, tiling in heapq.nsmallest(ceil_div(FINALISTS, len(models)), tiles):
        works = [x.work(tiling) for x in models]
        for shared in model.shared(tiling):
            cost = sum(x.span(shared, work) / x.m for x, work in zip(models, works, strict=True))
            if best is None or cost < best[0]:
                best = cost, shared
    assert best is not None
    return best[1]


def estimate(problem: Problem, target: Target, tiling: Tiling) -> float:
    """Cycles on one thread."""
    model = Model(problem, target)
    units, cycles = model.unit(tiling, model.work(tiling))
    return units * cycles


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def even(total: int, most: int) -> int:
    """The height of the taller tiles when `total` rows are cut evenly into tiles of at most `most`."""
    return ceil_div(total, ceil_div(total, most))


def shares(total: int, cores: int) -> set[int]:
    """How many of `total` things one unit may take."""
    return {ceil_div(total, parts) for parts in (1, cores, 4 * cores, total)}


def together(*limits: float) -> float:
    """Cycles under several limits: the tightest one, and a little more where others come close to it."""
    return float(sum(limit**8 for limit in limits) ** 0.125)


def pack_speed(access: Access) -> int:
    """Bytes packed per cycle."""
    return PACK_BYTES[access.along] if access.unit else GATHER_BYTES


class Model:
    """Cycles of one problem on one target."""

    def __init__(self, problem: Problem, target: Target) -> None:
        self.problem, self.target = problem, target
        self.lanes, self.width = target.lanes(problem.bits), problem.bits // 8
        self.m, self.n, self.k = max(problem.m, 1), max(problem.n, 1), max(problem.k, 1)

    # ---- one orientation: `left` is broadcast by rows, `right` is read as vectors

    def rows(self, transposed: bool) -> int:
        return self.n if transposed else self.m

    def columns(self, transposed: bool) -> int:
        return self.m if transposed else self.n

    def left(self, transposed: bool) -> Access:
        return self.problem.b if transposed else self.problem.a

    def right(self, transposed: bool) -> Access:
        return self.problem.a if transposed else self.problem.b

    def static_rows(self, transposed: bool) -> bool:
        return self.problem.static_n if transposed else self.problem.static_m

    # ---- enumeration

    def tiles(self) -> Iterator[Tiling]:
        """The register tiles, with the block of k and the packing that each wants; all of it one unit."""
        problem = self.problem
        # A multiplication apart from its addition leaves a product that wants a register too.
        fused = self.target.architecture != "x86_64" or self.target.has("fma")
        registers = self.target.vector_registers - (not fused)
        sides = (problem.a, problem.b)
        turnable = 1 < self.lanes <= MOST_TURNED
        along_k = self.lanes <= MOST_TURNED and all(side.direct and side.k_stride == 1 for side in sides)
        if along_k and problem.m <= DOT_ROWS and problem.static_n and problem.static_k and problem.k > 0:
            for height in (1, 2, 4, 8):
                if height <= self.lanes and (height == 1 or height < 2 * problem.m):
                    width = self.lanes // height
                    grid = (ceil_div(self.m, height), ceil_div(self.n, width))
                    yield Tiling(min(height, self.m), width, self.k, grid=grid, dot=True)
        # Rows along n pay where b lies along k and there are few rows of a to pack instead.
        turn = problem.static_n and turnable and problem.b.direct and problem.b.k_stride == 1 and problem.n > 1
        for transposed in (False, True) if turn else (False,):
            rows, columns = self.rows(transposed), self.columns(transposed)
            widest = min(registers - 2, ceil_div(columns, self.lanes), 16 if rows == 1 else 8)
            for vectors in range(1, widest + 1):
                tallest = max(1, min((registers - 1 - vectors) // vectors, rows))
                for height in range(1, (min(tallest, self.lanes) if transposed else tallest) + 1):
                    if even(rows, height) == height or not self.static_rows(transposed):
                        yield self.tile(transposed, height, vectors * self.lanes)

    def tile(self, transposed: bool, height: int, width: int) -> Tiling:
        rows, columns, depth = self.rows(transposed), self.columns(transposed), self.depth(transposed, width)
        left, right = self.left(transposed), self.right(transposed)
        static_columns = self.problem.static_m if transposed else self.problem.static_n
        in_place = static_columns and right.direct and (right.free_stride == 1 or columns == 1)
        spread_out = ceil_div(rows, height) >= 12 and self.spread_out(right.k_stride, depth)
        strided = abs(left.k_stride) != 1 and self.k > 64
        grid = (ceil_div(rows, height), ceil_div(columns, width))
        pack_left, pack_right = not left.direct or strided, not in_place or spread_out
        return Tiling(height, width, depth, pack_left, pack_right, transposed, grid)

    def spread_out(self, k_stride: int, depth: int) -> bool:
        """Whether the rows of a panel are too far apart in memory to stay in the second-level cache.

        Either there is too much between them, or their distance makes them share too few of the cache's sets (half of
        which other data takes).
        """
        pitch, size = max(1, abs(k_stride)) * self.width, self.target.l2
        return self.k * pitch > 2 * size or depth > size // math.gcd(pitch, size // WAYS) // 2

    def depth(self, transposed: bool, width: int) -> int:
        """Elements of k per block: the panel of the right operand takes an eighth of the second-level cache."""
        row = self.columns(transposed) * self.width
        if self.rows(transposed) == 1:  # nothing is used twice: walk memory in long runs instead of narrow columns
            return 32 if self.k * row > self.target.l2 else self.k
        most = max(32, self.target.l2 // 8 // (width * self.width))
        blocks = ceil_div(self.k, most)
        return self.k if blocks == 1 else ceil_div(ceil_div(self.k, blocks), 16) * 16

    def shared(self, tiling: Tiling) -> Iterator[Tiling]:
        """The ways to share these tiles."""
        tiles, panels = tiling.grid
        most = tiles
        if tiling.pack_a:
            most = max(1, self.target.l2 // 2 // (tiling.depth * tiling.rows * self.width))
        if tiling.depth < self.k:  # partial sums wait in the second-level cache
            most = min(most, max(1, self.target.l2 // 2 // (tiling.rows * tiling.columns * self.width)))
        for tiles_per_unit in {min(share, most) for share in shares(tiles, self.target.cores)}:
            for panels_per_unit in shares(panels, self.target.cores):
                yield tiling._replace(grid=(tiles_per_unit, panels_per_unit))

    # ---- cost

    def span(self, tiling: Tiling, work: float) -> float:
        """Cycles on all cores, with a small charge for code."""
        units, cycles = self.unit(tiling, work)
        together = (ceil_div(units, self.target.cores) + LATE_UNITS) * cycles + FORK_CYCLES
        rows, columns = self.rows(tiling.transposed), self.columns(tiling.transposed)
        variants = (1 + (rows % tiling.rows != 0)) * (1 + (columns % tiling.columns != 0))
        return min(units * cycles, together) * (1 + VARIANT_COST * (variants - 1))

    def unit(self, tiling: Tiling, work: float) -> tuple[int, float]:
        """(units, cycles of an average one)."""
        rows, columns = self.rows(tiling.transposed), self.columns(tiling.transposed)
        row_blocks = ceil_div(ceil_div(rows, tiling.rows), tiling.grid[0])
        column_blocks = ceil_div(ceil_div(columns, tiling.columns), tiling.grid[1])
        left, right = self.packing_sides(tiling)
        cycles = UNIT_CYCLES + work / (row_blocks * column_blocks) + left / row_blocks + right / column_blocks
        size = self.k * columns * self.width
        if size > self.target.l1:  # each row block brings the panels in anew
            cycles += size / column_blocks / self.stream_bytes(size) / 2 * (row_blocks - 1) / row_blocks
        return self.problem.outer * row_blocks * column_blocks, cycles

    def packing(self, tiling: Tiling) -> float:
        return sum(self.packing_sides(tiling))

    def packing_sides(self, tiling: Tiling) -> tuple[float, float]:
        """Cycles to pack the whole left and right operands once."""
        left, right = self.left(tiling.transposed), self.right(tiling.transposed)
        line = self.k * self.width
        return (
            tiling.pack_a * line * self.rows(tiling.transposed) / pack_speed(left),
            tiling.pack_b * line * self.columns(tiling.transposed) / pack_speed(right),
        )

    def work(self, tiling: Tiling) -> float:
        """Cycles in all tiles of one outer index: those of the core, or of the memory that feeds it."""
        busy = self.busy(tiling)
        size = self.k * (self.m + self.n) * self.width
        run = 1.0 if tiling.dot or tiling.pack_b else min(1.0, tiling.columns * self.width / LONG_RUN)
        return max(busy, size / (self.stream_bytes(size) * run)) + busy / 64

    def busy(self, tiling: Tiling) -> float:
        rows, columns = self.rows(tiling.transposed), self.columns(tiling.transposed)
        tiles = ceil_div(rows, tiling.rows)
        if tiling.dot:
            return tiles * ceil_div(columns, tiling.columns) * self.dot_cycles(tiling)
        vectors, (whole, rest) = tiling.columns // self.lanes, divmod(columns, tiling.columns)
        # Even tiles: an average height, so that short tiles count as what they are. Ragged ones are computed in full.
        height = rows / tiles if self.static_rows(tiling.transposed) else tiling.rows
        if not self.static_rows(not tiling.transposed):
            whole, rest = whole + (rest > 0), 0
        total = whole * self.tile_cycles(tiling, height, vectors)
        return tiles * (total + (self.tile_cycles(tiling, height, ceil_div(rest, self.lanes)) if rest else 0))

    def stream_bytes(self, size: int) -> float:
        """Bytes per cycle at which operands of this size arrive where nothing is used twice."""
        near, far, memory = STREAM_BYTES
        return near if size <= self.target.l2 else far if size <= self.target.l3 else memory

    def tile_cycles(self, tiling: Tiling, height: float, vectors: int) -> float:
        """One tile: per k the ports for multiply-adds and loads, the latency of the sums, and exposed cache misses."""
        target, transposed = self.target, tiling.transposed
        blocks, sums = ceil_div(self.k, tiling.depth), height * vectors
        step = together(sums / target.fma_ports, (height + vectors * 1.5) / 2, target.fma_latency)
        if tiling.depth * tiling.columns * self.width > target.l1 * 0.7:
            step += step * RIGHT_STREAM * (vectors * self.lanes * self.width / step / STREAM_BYTES[0]) ** 3
        if self.rows(transposed) * tiling.depth * self.width > target.l2 * 0.4:
            step += LEFT_STREAM * height * self.width
        left = self.left(transposed)
        if height > SET_LINES and not tiling.pack_a and left.free_stride * self.width % L1_WAY == 0:
            step *= 1 + CONFLICT
        if tiling.rows == 1:
            step += 0.5
        leave = TILE_CYCLES + sums * UPDATE_CYCLES
        between = (blocks - 1) * (TILE_CYCLES + 2 * sums * UPDATE_CYCLES)
        return step * self.k + leave + between + (vectors * self.lanes * TURN_CYCLES if transposed else 0)

    def dot_cycles(self, tiling: Tiling) -> float:
        """One dot tile: every vector is loaded once, then the accumulators are transposed and summed."""
        steps, sums = ceil_div(self.k, self.lanes), tiling.rows * tiling.columns
        step = together((tiling.rows + tiling.columns) / 2, sums / self.target.fma_ports, self.target.fma_latency)
        return steps * step + self.lanes * 7 + tiling.rows * TURN_CYCLES + TILE_CYCLES
