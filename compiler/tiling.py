"""The cost model of contractions: enumerates register tiles, blocks and shares of work, and picks the cheapest.

It reads the problem's sizes and strides and the target's registers, ports and caches, and nothing measured for a shape.
The stream coefficients come from tests/benchmarks/matmul.py, fitted over all sizes at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ingot.compiler.codegen.target import Target
from ingot.compiler.kernel import Tiling

FORK_CYCLES = 1200  # handing work to another core and waiting for it
UNIT_CYCLES = 20  # finding a unit's place
TILE_CYCLES = 14  # a call of the tile: arguments, clearing accumulators
UPDATE_CYCLES = 1.2  # an accumulator's way out through the epilogue
VARIANT_COST = 0.004  # share of the time that one more tile variant may cost: it is code to compile
RIGHT_STREAM = 0.045 / 40  # exposed cycles per byte of a right panel that comes from the second-level cache
LEFT_STREAM = 0.0115  # exposed cycles per byte of left rows that come from further away
PACK_BYTES = {"free": 12, "k": 16, "gather": 3}  # bytes packed per cycle, by how the loads lie


@dataclass(frozen=True)
class Access:
    """How one operand can be read: in place or not, where neighbours lie, and its strides (when in place)."""

    direct: bool
    along: Literal["free", "k"]
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


@dataclass(frozen=True)
class Shape:
    """One orientation of the problem: `left` is broadcast by rows, `right` is read as vectors."""

    rows: int
    columns: int
    left: Access
    right: Access
    transposed: bool


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def choose(problem: Problem, target: Target) -> Tiling:
    """The cheapest tiling by the model."""
    return min(candidates(problem, target), key=lambda tiling: span(problem, target, tiling))


def candidates(problem: Problem, target: Target) -> Iterator[Tiling]:
    lanes = target.lanes(problem.bits)
    if can_dot(problem):
        yield from dot_tilings(problem, target)
    for transposed in (False, True) if can_transpose(problem, lanes) else (False,):
        shape = oriented(problem, transposed)
        most = min(target.vector_registers - 2, ceil_div(max(shape.columns, 1), lanes), 16 if shape.rows == 1 else 8)
        for vectors in range(1, most + 1):
            tallest = min((target.vector_registers - 1 - vectors) // vectors, max(shape.rows, 1))
            if transposed:
                tallest = min(tallest, lanes)
            for rows in range(1, tallest + 1):
                if even(shape.rows, rows) == rows:
                    yield from shared(problem, target, shape, rows, vectors * lanes)


def can_dot(problem: Problem) -> bool:
    """Few rows, and both operands lie along k: vectors run along k and nothing is packed."""
    static = problem.static_n and problem.static_k
    sides = (problem.a, problem.b)
    return static and problem.m <= 8 and problem.k > 0 and all(s.direct and s.k_stride == 1 for s in sides)


def can_transpose(problem: Problem, lanes: int) -> bool:
    """Rows of the tile along n: pays where b lies along k and there are few rows of m to pack instead."""
    return problem.static_n and lanes > 1 and problem.b.direct and problem.b.k_stride == 1 and problem.n > 1


def oriented(problem: Problem, transposed: bool) -> Shape:
    if transposed:
        return Shape(problem.n, problem.m, problem.b, problem.a, True)
    return Shape(problem.m, problem.n, problem.a, problem.b, False)


def even(total: int, most: int) -> int:
    """The height of the taller tiles when `total` rows are cut evenly into tiles of at most `most`."""
    return ceil_div(max(total, 1), ceil_div(max(total, 1), most))


def dot_tilings(problem: Problem, target: Target) -> Iterator[Tiling]:
    lanes = target.lanes(problem.bits)
    panels = ceil_div(max(problem.n, 1), lanes)
    for parts in shares(panels, target.cores):
        yield Tiling(1, lanes, problem.k, grid=(max(problem.m, 1), parts), dot=True)


def shares(total: int, cores: int) -> set[int]:
    """How many of `total` things one unit may take."""
    return {max(1, ceil_div(total, parts)) for parts in (1, cores, 2 * cores, 4 * cores, total)}


def depth_of(problem: Problem, target: Target, shape: Shape, columns: int) -> int:
    """Elements of k per block: the panel of the right operand takes an eighth of the second-level cache."""
    width = problem.bits // 8
    if shape.rows == 1:  # nothing is used twice: walk memory in long runs instead of narrow columns
        return 32 if problem.k * shape.columns * width > target.l2 else max(problem.k, 1)
    most = max(32, target.l2 // 8 // (columns * width))
    blocks = ceil_div(max(problem.k, 1), most)
    even_depth = ceil_div(max(problem.k, 1), blocks)
    return even_depth if blocks == 1 else ceil_div(even_depth, 16) * 16


def shared(problem: Problem, target: Target, shape: Shape, rows: int, columns: int) -> Iterator[Tiling]:
    """The ways to share the tiles of this size, with the packing that they want."""
    width = problem.bits // 8
    depth = depth_of(problem, target, shape, columns)
    tiles, panels = ceil_div(max(shape.rows, 1), rows), ceil_div(max(shape.columns, 1), columns)
    right_step = abs(shape.right.k_stride)
    turned = not (shape.right.direct and (shape.right.free_stride == 1 or shape.columns == 1))
    wide = problem.k * right_step * width > 2 * target.l2 and tiles >= 12
    static_columns = problem.static_m if shape.transposed else problem.static_n
    pack_right = turned or wide or not static_columns
    pack_left = not shape.left.direct or (abs(shape.left.k_stride) != 1 and problem.k > 64)
    most_tiles = tiles
    if pack_left:
        most_tiles = max(1, target.l2 // 2 // max(1, depth * rows * width))
    if depth < problem.k:  # partial sums wait in the second-level cache
        most_tiles = min(most_tiles, max(1, target.l2 // 2 // (rows * columns * width)))
    for tiles_per_unit in {min(t, most_tiles) for t in shares(tiles, target.cores)}:
        for panels_per_unit in shares(panels, target.cores):
            yield Tiling(
                rows, columns, depth, pack_left, pack_right, shape.transposed, (tiles_per_unit, panels_per_unit)
            )


def estimate(problem: Problem, target: Target, tiling: Tiling) -> float:
    """Cycles on one thread."""
    units, cycles = unit_cost(problem, target, tiling)
    return units * cycles


def span(problem: Problem, target: Target, tiling: Tiling) -> float:
    """Cycles on all cores, with a small charge for code."""
    units, cycles = unit_cost(problem, target, tiling)
    alone = units * cycles
    together = ceil_div(units, target.cores) * cycles + FORK_CYCLES
    shape = oriented(problem, tiling.transposed)
    ragged = (1 + (shape.rows % tiling.rows != 0)) * (1 + (shape.columns % tiling.columns != 0))
    return min(alone, together) * (1 + VARIANT_COST * (ragged - 1))


def unit_cost(problem: Problem, target: Target, tiling: Tiling) -> tuple[int, float]:
    """(units, cycles of an average one)."""
    shape = oriented(problem, tiling.transposed)
    tiles, panels = ceil_div(shape.rows, tiling.rows), ceil_div(shape.columns, tiling.columns)
    per_tile, per_panel = tiling.grid
    row_blocks, column_blocks = ceil_div(tiles, per_tile), ceil_div(panels, per_panel)
    units = problem.outer * row_blocks * column_blocks
    if units == 0:
        return 0, 0.0
    work = tiles * (dot_row(problem, target, tiling) if tiling.dot else row_of_tiles(problem, target, tiling, shape))
    width, cycles = problem.bits // 8, UNIT_CYCLES + work / (row_blocks * column_blocks)
    if tiling.pack_b:
        cycles += problem.k * shape.columns * width / column_blocks / pack_speed(shape.right)
    if tiling.pack_a:
        cycles += problem.k * shape.rows * width / row_blocks / pack_speed(shape.left)
    return units, cycles


def pack_speed(access: Access) -> int:
    return PACK_BYTES[access.along]


def row_of_tiles(problem: Problem, target: Target, tiling: Tiling, shape: Shape) -> float:
    """Cycles of one row of tiles across all panels."""
    lanes, width = target.lanes(problem.bits), problem.bits // 8
    whole, rest = divmod(shape.columns, tiling.columns)
    rows, blocks = tiling.rows, ceil_div(max(problem.k, 1), max(tiling.depth, 1))
    right_far = tiling.depth * tiling.columns * width > target.l1 * 0.7
    left_far = shape.rows * tiling.depth * width > target.l2 // 2

    def tile(vectors: int) -> float:
        step = max(rows * vectors / target.fma_ports, (rows + vectors * 1.5) / 2, target.fma_latency)
        step += RIGHT_STREAM * vectors * lanes * width if right_far else 0
        step += LEFT_STREAM * rows * width if left_far else 0
        step += 0.5 if rows == 1 else 0
        turn = vectors * lanes * 1.5 if tiling.transposed else 0
        return step * problem.k + (TILE_CYCLES + rows * vectors * UPDATE_CYCLES) * blocks + turn

    vectors = tiling.columns // lanes
    return whole * tile(vectors) + (tile(ceil_div(rest, lanes)) if rest else 0)


def dot_row(problem: Problem, target: Target, tiling: Tiling) -> float:
    """Cycles of one row of dot tiles: one load per multiply-add, then a transpose of the accumulators."""
    lanes = target.lanes(problem.bits)
    panels, steps = ceil_div(problem.n, tiling.columns), ceil_div(problem.k, lanes)
    return panels * (steps * max(tiling.columns + 1, 2 * target.fma_latency) / 2 + 3 * lanes + TILE_CYCLES)
