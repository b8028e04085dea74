"""Kernel IR: loops over named axes, loads and stores with strided indices, accumulators. Immutable data.

    Kernel    = name, buffers, axes' extents, body: Stmt*
    Stmt      = For(axis, extent, body, kind, parallel)          kind: serial | vector
              | Let(name, expr)                                  a value for the rest of this level
              | Reduce(accumulators, body)                       starts accumulators, runs loops, names the results
              | Accumulate(name, expr)                           combines into an accumulator of an enclosing Reduce
              | Store(buffer, at, expr, when)
              | Contract(...)                                    a tiled multiply-accumulate nest with an epilogue
              | Special(op, types, attrs)                        a whole op with its own emitter (sort, random bits …)
    Expr      = Literal(dtype, value) | Position(at) | Name(name) | Load(buffer, at, when) | Apply(op, args, attrs)
    Index     = offset + sum(stride * axis) + sum(stride * expr)  in elements

The algorithm is in the statements; how loops run (kind, lanes, grain, tiles) is set by the schedule, a function
Kernel -> Kernel. `compiler.codegen` reads both and adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from typing import Literal as OneOf

from ingot.compiler.ir import Location, Op, Size, TensorType
from ingot.runtime.dtypes import DType

LoopKind = OneOf["serial", "vector"]


class Index(NamedTuple):
    """A position in a buffer, in elements: offset + sum(axis * stride) + sum(expr * stride)."""

    terms: tuple[tuple[str, Size], ...] = ()
    offset: Size = 0
    computed: tuple[tuple[Expr, Size], ...] = ()

    def stride(self, axis: str) -> Size:
        return next((s for a, s in self.terms if a == axis), 0)


class Literal(NamedTuple):
    """The same number everywhere."""

    dtype: DType
    value: int | float | bool


class Position(NamedTuple):
    """The loop counter of an axis, times a stride plus an offset, as int64."""

    at: Index
    dtype: DType


class Name(NamedTuple):
    """A value bound by Let, Reduce or Contract."""

    name: str
    dtype: DType


class Load(NamedTuple):
    """An element of a buffer; where `when` is false nothing is read and the value is 0."""

    buffer: int
    at: Index
    dtype: DType
    when: Expr | None = None


@dataclass(frozen=True, eq=False)
class Apply:
    """An elementwise op. Compared by identity: shared subexpressions are shared objects."""

    op: Op
    args: tuple[Expr, ...]
    dtype: DType
    attrs: tuple[tuple[str, Any], ...] = ()
    location: Location | None = None


Expr = Literal | Position | Name | Load | Apply


class For(NamedTuple):
    """A loop over an axis, `lanes` elements at once when vector.

    A parallel loop (only the outermost) runs the chunk of iterations that its caller hands it, `grain` at a time; it
    may stand for several axes at once, which `decode` lists outermost first. A `tiled` loop runs the vector loop inside
    it square by square, and turns loads that are neighbours along this axis and not along that one.
    """

    axis: str
    extent: Size
    body: tuple[Stmt, ...]
    kind: LoopKind = "serial"
    lanes: int = 1
    parallel: bool = False
    grain: int = 1
    decode: tuple[tuple[str, Size], ...] = ()
    tiled: bool = False


class Let(NamedTuple):
    name: str
    expr: Expr


class Accumulator(NamedTuple):
    """`op` is a row of kind `reduce`; it starts at the op's identity for `dtype`."""

    name: str
    op: Op
    dtype: DType


class Reduce(NamedTuple):
    accumulators: tuple[Accumulator, ...]
    body: tuple[Stmt, ...]


class Accumulate(NamedTuple):
    name: str
    expr: Expr


class Store(NamedTuple):
    buffer: int
    at: Index
    expr: Expr
    when: Expr | None = None
    stream: bool = False  # past the caches: whole cache lines of a result that they could not hold anyway


class Tiling(NamedTuple):
    """How a Contract runs: register tile, K block, packing, and how the threads share the tiles."""

    rows: int
    columns: int  # in elements, a multiple of the vector width
    depth: int  # elements of k per block
    pack_a: bool = False  # the operand that the tile reads by rows
    pack_b: bool = False  # the operand that the tile reads as vectors
    transposed: bool = False  # the tile's rows run along the output's unit-stride axis: a and b change places
    grid: tuple[int, int] = (1, 1)  # row tiles and column panels in one unit of work
    dot: bool = False  # vectors run along k and are summed at the end


class Contract(NamedTuple):
    """name[batch, m, n] = sum over k of a * b, then `epilogue` for each (batch, m, n) with the sum bound to `name`.

    Axes are (name, extent) pairs; there may be several of each kind (a convolution reduces over channel and window).
    `a` depends on batch, m and k axes, `b` on batch, n and k axes.
    """

    name: str
    batch: tuple[tuple[str, Size], ...]
    m: tuple[tuple[str, Size], ...]
    n: tuple[tuple[str, Size], ...]
    k: tuple[tuple[str, Size], ...]
    a: Expr
    b: Expr
    dtype: DType  # of the accumulator
    epilogue: tuple[Stmt, ...]
    tiling: Tiling | None = None


class Special(NamedTuple):
    """A whole op on contiguous buffers: operands first, then results, in the kernel's buffer order."""

    op: Op
    operands: tuple[TensorType, ...]
    results: tuple[TensorType, ...]
    attrs: tuple[tuple[str, Any], ...] = ()


Stmt = For | Let | Reduce | Accumulate | Store | Contract | Special


class Buffer(NamedTuple):
    """A kernel argument: its dtype and whether the kernel reads it, writes it or both."""

    dtype: DType
    access: OneOf["read", "write", "update"]
    label: str = ""


class Kernel(NamedTuple):
    """One parallel unit of work. Scratch buffers come last and belong to one thread (`scratch` elements each)."""

    name: str
    buffers: tuple[Buffer, ...]
    body: tuple[Stmt, ...]
    scratch: tuple[tuple[DType, Size], ...] = ()
    locations: tuple[Location, ...] = ()


def statements(body: tuple[Stmt, ...]) -> Iterator[Stmt]:
    """Every statement, outer ones first."""
    for stmt in body:
        yield stmt
        match stmt:
            case For(body=inner) | Reduce(body=inner):
                yield from statements(inner)
            case Contract(epilogue=inner):
                yield from statements(inner)
            case _:
                pass
