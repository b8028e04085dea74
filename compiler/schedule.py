"""How a kernel runs: merge axes, pick the vector axis and its lanes, and share the outermost loop between threads.

Functions Kernel -> Kernel over loops; the choices come from extents, strides and the target's sizes, nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

from ingot.compiler.codegen.target import Target
from ingot.compiler.ir import Size
from ingot.compiler.kernel import (
    Accumulate,
    Apply,
    Expr,
    For,
    Index,
    Kernel,
    Let,
    Load,
    Position,
    Reduce,
    Stmt,
    Store,
    statements,
)

# Operations of the emitted code per element, to the nearest few (compiler/codegen/math); what is not listed is one.
OPERATIONS = {
    name: count
    for count, names in {
        4: "sqrt div reciprocal",
        8: "rsqrt floordiv",
        12: "exp fmod",
        14: "remainder",
        16: "expm1 log log2",
        18: "sin cos sigmoid",
        20: "log1p asin acos atan",
        22: "tanh",
        24: "sinh cosh erf",
        30: "tan asinh acosh atanh atan2",
        40: "erfinv",
        60: "pow digamma",
        80: "lgamma",
    }.items()
    for name in names.split()
}
NANOSECONDS_PER_OPERATION = 0.25  # one vector operation, two ports busy half of the time, at about 4 GHz
LIGHT = 8  # operations per element up to which memory is what a sum waits for
NANOSECONDS_PER_BYTE = 0.03  # one core streaming from the outer caches or memory
CHUNKS_PER_CORE = 4


def expressions(stmt: Stmt) -> Iterator[Expr]:
    """The expressions that a statement itself evaluates."""
    match stmt:
        case Let(expr=expr) | Accumulate(expr=expr):
            yield expr
        case Store(expr=expr, when=when):
            yield expr
            if when is not None:
                yield when
        case _:
            pass


def tree(*roots: Expr) -> Iterable[Expr]:
    """Expressions and everything below them, conditions and computed places included, each object once."""
    stack, seen = list(roots), dict[int, Expr]()
    while stack:
        at = stack.pop()
        if id(at) in seen:
            continue
        seen[id(at)] = at
        if isinstance(at, Apply):
            stack += at.args
        elif isinstance(at, Load | Position):
            if at.at.computed:
                stack += [e for e, _ in at.at.computed]
            if isinstance(at, Load) and at.when is not None:
                stack.append(at.when)
    return seen.values()


def subexpressions(kernel: Kernel) -> list[Expr]:
    """Every distinct expression of the kernel."""
    return list(tree(*(e for s in statements(kernel.body) for e in expressions(s))))


def indices(kernel: Kernel) -> list[Index]:
    """Every index of the kernel: of loads, stores and counters."""
    found = [e.at for e in subexpressions(kernel) if isinstance(e, Load | Position)]
    return found + [s.at for s in statements(kernel.body) if isinstance(s, Store)]


def rewrite(kernel: Kernel, change: Callable[[Index], Index]) -> Kernel:
    """The kernel with every index replaced."""
    memo: dict[int, tuple[Expr, Expr]] = {}

    def index(old: Index) -> Index:
        new = change(old)
        return new._replace(computed=tuple((expr(e), s) for e, s in new.computed)) if new.computed else new

    def expr(old: Expr) -> Expr:
        known = memo.get(id(old))
        if known is None:
            known = memo[id(old)] = old, fresh(old)
        return known[1]

    def fresh(old: Expr) -> Expr:
        match old:
            case Apply(args=args):
                return replace(old, args=tuple(map(expr, args)))
            case Load():
                return old._replace(at=index(old.at), when=None if old.when is None else expr(old.when))
            case Position():
                return old._replace(at=index(old.at))
            case _:
                return old

    def stmt(old: Stmt) -> Stmt:
        match old:
            case For(body=body) | Reduce(body=body):
                return old._replace(body=tuple(map(stmt, body)))
            case Let() | Accumulate():
                return old._replace(expr=expr(old.expr))
            case Store():
                when = None if old.when is None else expr(old.when)
                return old._replace(at=index(old.at), expr=expr(old.expr), when=when)
            case _:
                return old

    return kernel._replace(body=tuple(map(stmt, kernel.body)))


def merge_axes(kernel: Kernel) -> Kernel:
    """Two loops directly inside each other become one where every index walks them as one axis."""
    while (pair := mergeable(kernel)) is not None:
        outer, inner, extent = pair
        kernel = rewrite(kernel, partial(without, axis=outer))
        kernel = kernel._replace(body=tuple(joined(s, outer, inner, extent) for s in kernel.body))
    return kernel


def without(index: Index, axis: str) -> Index:
    """The index with the axis' term dropped."""
    return index._replace(terms=tuple(t for t in index.terms if t[0] != axis))


def mergeable(kernel: Kernel) -> tuple[str, str, Size] | None:
    """(outer axis, inner axis, inner extent) of two loops that can be one."""
    pairs: dict[tuple[str, str], Size] = {}
    refused: set[tuple[str, str]] = set()
    for stmt in statements(kernel.body):
        if isinstance(stmt, For):
            inner = stmt.body[0]
            if len(stmt.body) == 1 and isinstance(inner, For):
                pairs[stmt.axis, inner.axis] = inner.extent
            else:
                refused |= {(stmt.axis, s.axis) for s in stmt.body if isinstance(s, For)}
    if not pairs:
        return None
    every = indices(kernel)
    for (outer, inner_axis), extent in pairs.items():
        if (outer, inner_axis) not in refused and all(i.stride(outer) == i.stride(inner_axis) * extent for i in every):
            return outer, inner_axis, extent
    return None


def joined(stmt: Stmt, outer: str, inner: str, extent: Size) -> Stmt:
    """The statement with loop `outer` folded into the loop `inner` directly inside it."""
    match stmt:
        case For(axis=axis, body=(For() as nested,)) if axis == outer and nested.axis == inner:
            body = tuple(joined(s, outer, inner, extent) for s in nested.body)
            return nested._replace(extent=stmt.extent * extent, body=body)
        case For(body=body) | Reduce(body=body):
            return stmt._replace(body=tuple(joined(s, outer, inner, extent) for s in body))
        case _:
            return stmt


def weight(kernel: Kernel) -> int:
    """Operations per innermost iteration."""
    return sum(OPERATIONS.get(e.op.name, 1) for e in subexpressions(kernel) if isinstance(e, Apply))


def innermost(kernel: Kernel) -> str | None:
    """The axis of the fastest-moving dimension: the domain's axes i0, i1 … are numbered in memory order."""
    axes = {s.axis for s in statements(kernel.body) if isinstance(s, For) and s.axis.startswith("i")}
    return max(axes, key=lambda a: int(a[1:])) if axes else None


def column_sums(kernel: Kernel, axis: str) -> int:
    """How many sums run down the rows for each element of the vector axis; 0 where they run along it."""
    found = 0
    for stmt in statements(kernel.body):
        if isinstance(stmt, Reduce):
            along = any(isinstance(s, For) and s.axis == axis for s in statements(stmt.body))
            found += 0 if along else len(stmt.accumulators)
    return found


def lanes_for(kernel: Kernel, extent: Size, target: Target) -> int:
    """How many elements of the vector axis run at once: a few registers per value, fewer for long bodies.

    Sums down the rows of a matrix take half of the registers, so that each row is read a kilobyte at a time and not a
    few cache lines (4096 x 1024 float32 on one core: 440 us with four registers, 219 us with sixteen).
    """
    widths = [b.dtype.itemsize * 8 for b in kernel.buffers if b.dtype.kind == "f"] or [32]
    one = target.lanes(max(32, *widths))
    heavy = weight(kernel)
    registers = 4 if heavy <= 40 else 2 if heavy <= 160 else 1
    sums = column_sums(kernel, innermost(kernel) or "")
    if sums and heavy <= LIGHT:
        registers = max(registers, 1 << (target.vector_registers // 2 // sums).bit_length() - 1)
    if not isinstance(extent, int):
        return one * registers
    while registers > 1 and (
        extent < one * registers or (not sums and extent % (one * registers) and extent < 16 * one * registers)
    ):
        registers //= 2
    lanes = one * registers
    while lanes > 1 and lanes // 2 >= extent:
        lanes //= 2
    return lanes


def vectorise(kernel: Kernel, target: Target) -> Kernel:
    """Turn the loops over the fastest axis into vector loops."""
    axis = innermost(kernel)
    if axis is None:
        return kernel
    extent = next(s.extent for s in statements(kernel.body) if isinstance(s, For) and s.axis == axis)
    lanes = lanes_for(kernel, extent, target)
    if lanes == 1:
        return kernel

    def change(stmt: Stmt) -> Stmt:
        match stmt:
            case For(body=body):
                stmt = stmt._replace(body=tuple(map(change, body)))
                return stmt._replace(kind="vector", lanes=lanes) if stmt.axis == axis else stmt
            case Reduce(body=body):
                return stmt._replace(body=tuple(map(change, body)))
            case _:
                return stmt

    return kernel._replace(body=tuple(map(change, kernel.body)))


def turned(load: Load, outer: str, inner: str) -> bool:
    """Whether the load is contiguous along the outer axis and strided along the inner one."""
    strided = load.at.stride(inner) not in (0, 1)
    simple = load.when is None and not load.at.computed and load.dtype.itemsize in (4, 8)
    return simple and strided and load.at.stride(outer) == 1


def tile_squares(kernel: Kernel, target: Target) -> Kernel:
    """Transposed operands: walk squares, so that every cache line is read whole and turned in registers."""

    def change(stmt: Stmt) -> Stmt:
        match stmt:
            case For(body=(For(kind="vector") as inner,), kind="serial") if not stmt.decode:
                loads = [e for e in subexpressions(kernel._replace(body=inner.body)) if isinstance(e, Load)]
                plain = all(isinstance(s, Store) for s in inner.body)
                if not plain or not any(turned(e, stmt.axis, inner.axis) for e in loads):
                    return stmt
                lanes = target.lanes(32)
                if (
                    not isinstance(stmt.extent, int)
                    or not isinstance(inner.extent, int)
                    or min(stmt.extent, inner.extent) < lanes
                ):
                    return stmt
                return stmt._replace(tiled=True, body=(inner._replace(lanes=lanes),))
            case For(body=body) | Reduce(body=body):
                return stmt._replace(body=tuple(map(change, body)))
            case _:
                return stmt

    return kernel._replace(body=tuple(map(change, kernel.body)))


def parallelise(kernel: Kernel, target: Target) -> Kernel:
    """Share the outermost loop: merged with the next one when it alone is too short for the cores."""
    if len(kernel.body) != 1 or not isinstance(kernel.body[0], For):
        return kernel
    outer = kernel.body[0]
    chunks = target.cores * CHUNKS_PER_CORE
    inner = outer.body[0]
    if (
        isinstance(outer.extent, int) and outer.extent < chunks and outer.kind == "serial"
        and len(outer.body) == 1 and isinstance(inner, For) and inner.kind == "serial" and not inner.tiled
    ):  # fmt: skip
        decode = ((outer.axis, outer.extent), (inner.axis, inner.extent))
        outer = inner._replace(axis=f"{outer.axis}{inner.axis}", extent=outer.extent * inner.extent, decode=decode)
    grain = 4096 if not isinstance(outer.extent, int) else max(1, -(-outer.extent // chunks))
    step = target.lanes(32) if outer.tiled else outer.lanes
    grain = -(-grain // step) * step
    return kernel._replace(body=(outer._replace(parallel=True, grain=grain),))


def stream_results(kernel: Kernel, target: Target) -> Kernel:
    """Write results past the caches when what the kernel touches does not fit in them.

    A cached store first reads the line it will overwrite; a streamed one does not, and leaves the operands cached.
    """
    touched = [(s.buffer, s.at) for s in statements(kernel.body) if isinstance(s, Store)]
    touched += [(e.buffer, e.at) for e in subexpressions(kernel) if isinstance(e, Load)]
    extents = loop_extents(kernel)
    if extents is None:
        return kernel
    sizes: dict[int, int] = {}
    for buffer, index in touched:
        count = math.prod(extents.get(axis, 1) for axis, stride in index.terms if stride != 0)
        sizes[buffer] = max(sizes.get(buffer, 0), count * kernel.buffers[buffer].dtype.itemsize)
    if 4 * sum(sizes.values()) < 3 * target.l3:
        return kernel
    axis = innermost(kernel)

    def change(stmt: Stmt) -> Stmt:
        match stmt:
            case For(body=body) | Reduce(body=body):
                return stmt._replace(body=tuple(map(change, body)))
            case Store() if kernel.buffers[stmt.buffer].access == "write" and whole_lines(stmt, axis, kernel):
                return stmt._replace(stream=True)
            case _:
                return stmt

    return kernel._replace(body=tuple(map(change, kernel.body)))


def loop_extents(kernel: Kernel) -> dict[str, int] | None:
    """The extent of every loop; None when one is not known."""
    found: dict[str, int] = {}
    for stmt in statements(kernel.body):
        if isinstance(stmt, For):
            if not isinstance(stmt.extent, int):
                return None
            found[stmt.axis] = stmt.extent
    return found


def whole_lines(store: Store, axis: str | None, kernel: Kernel) -> bool:
    """Whether a vector store fills cache lines, given that the buffer starts on one."""
    width = kernel.buffers[store.buffer].dtype.itemsize
    lanes = next((s.lanes for s in statements(kernel.body) if isinstance(s, For) and s.axis == axis), 1)
    if axis is None or store.at.stride(axis) != 1 or store.at.computed or store.when is not None:
        return False
    steps = [lanes, store.at.offset, *(s for a, s in store.at.terms if a != axis)]
    return all(isinstance(s, int) and s * width % 64 == 0 for s in steps)


def cost(kernel: Kernel, target: Target) -> float:
    """Estimated nanoseconds on one thread; symbolic extents count at a thousand."""
    total = 0.0

    def walk(body: tuple[Stmt, ...], trips: float, lanes: int) -> None:
        nonlocal total
        for stmt in body:
            match stmt:
                case For(extent=extent):
                    count = float(extent) if isinstance(extent, int) else 1000.0
                    walk(stmt.body, trips * count, target.lanes(32) if stmt.kind == "vector" else lanes)
                case Reduce(body=inner):
                    walk(inner, trips, lanes)
                case _:
                    found = [*expressions(stmt)]
                    operations = sum(count_operations(e) for e in found)
                    loads = sum(count_loads(e) for e in found) + (4 if isinstance(stmt, Store) else 0)
                    total += trips * (operations * NANOSECONDS_PER_OPERATION / lanes + loads * NANOSECONDS_PER_BYTE)

    walk(kernel.body, 1.0, 1)
    return total


def count_operations(expr: Expr) -> int:
    return sum(OPERATIONS.get(e.op.name, 1) for e in tree(expr) if isinstance(e, Apply))


def count_loads(expr: Expr) -> int:
    return sum(e.dtype.itemsize for e in tree(expr) if isinstance(e, Load))


def schedule_loops(kernel: Kernel, target: Target) -> Kernel:
    """The whole schedule of a loop kernel."""
    return parallelise(stream_results(tile_squares(vectorise(merge_axes(kernel), target), target), target), target)
