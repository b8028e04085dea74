"""What a Contract is, seen as a matrix product: which axes run together, and how each operand can be read.

The axes of each kind are merged into one row-major counter wherever the epilogue's strides allow it. Axes that do not
merge become outer loops, shared out like the batch. An operand whose own strides do not merge (the windows of a
convolution) or that is not a plain load is packed; the pack recovers the axes from the counter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal as OneOf

from ingot.compiler.codegen.contract.integers import Axis
from ingot.compiler.codegen.expressions import memory_elt, register_elt
from ingot.compiler.dims import product
from ingot.compiler.ir import Size
from ingot.compiler.kernel import Apply, Contract, Expr, Index, Let, Load, Position, Stmt, Store

SHORT_RUN = 8  # elements of a run below which vectors along it are mostly empty
GATHER_COST = 5  # reading an element alone, in units of reading it as part of a vector
DIRECT_RUN = 16  # rows of one run that make reading in place worth more than merging across runs


@dataclass(frozen=True)
class Operand:
    """One factor as the tile meets it: `free` is its own group of axes, the other one is k."""

    expr: Expr
    run: int  # this many of the last free axes have one stride
    merged: bool  # all of them have
    along: OneOf["free", "k"]  # where neighbours in memory lie: packing reads vectors this way
    unit: bool  # they are neighbours without gaps
    direct: Load | None  # set where the tile can read the operand in place
    free_stride: int = 0  # of a direct operand, in elements
    k_stride: int = 0


@dataclass(frozen=True)
class Plan:
    """C[outer, m, n] = sum over k. Axes of extent 1 are in none of the groups: they are 0 everywhere."""

    outer: tuple[Axis, ...]
    outer_merged: bool
    m: tuple[Axis, ...]
    n: tuple[Axis, ...]
    k_outer: tuple[Axis, ...]  # these do not merge with k_inner in both operands
    k_inner: tuple[Axis, ...]
    ones: tuple[str, ...]
    a: Operand
    b: Operand

    @property
    def k(self) -> Size:
        return count(self.k_outer) * count(self.k_inner)


def count(axes: Iterable[Axis]) -> Size:
    return product(extent for _, extent in axes)


def indices(expr: Expr, *, positions: bool = True, seen: set[int] | None = None) -> Iterator[Index]:
    """Every index that an expression evaluates, in loads and, unless told otherwise, in positions."""
    seen = set() if seen is None else seen
    if id(expr) in seen:
        return
    seen.add(id(expr))
    inner: list[Expr] = []
    match expr:
        case Position(index):
            if positions:
                yield index
            inner = [e for e, _ in index.computed]
        case Load(at=index, when=when):
            yield index
            inner = [e for e, _ in index.computed] + ([when] if when is not None else [])
        case Apply(args=args):
            inner = list(args)
        case _:
            pass
    for child in inner:
        yield from indices(child, positions=positions, seen=seen)


def epilogue_indices(body: Sequence[Stmt]) -> list[Index]:
    found: list[Index] = []
    for stmt in body:
        match stmt:
            case Let(_, expr):
                found += indices(expr)
            case Store(_, index, expr, when):
                found += [index, *indices(expr)]
                for computed, _ in index.computed:
                    found += indices(computed)
                if when is not None:
                    found += indices(when)
            case _:
                raise AssertionError(f"{type(stmt).__name__} in the epilogue of a contraction")
    return found


def merged_suffix(axes: Sequence[Axis], found: Sequence[Index]) -> int:
    """How many of the last axes run as one counter in all these indices."""
    if not axes:
        return 0
    inner, span, length = axes[-1][0], axes[-1][1], 1
    for axis, extent in reversed(axes[:-1]):
        if any(index.stride(axis) != index.stride(inner) * span for index in found):
            break
        span, length = span * extent, length + 1
    return length


def ordered(axes: Sequence[Axis], index: Index) -> tuple[Axis, ...]:
    """Large strides first, as far as they are known."""
    strides = [stride for axis, _ in axes if isinstance(stride := index.stride(axis), int)]
    if len(strides) < len(axes):
        return tuple(axes)
    places = sorted(range(len(axes)), key=lambda i: -abs(strides[i]))
    return tuple(axes[i] for i in places)


def first_load(expr: Expr) -> Index:
    return next(indices(expr, positions=False), Index())


def plain(expr: Expr, contract: Contract) -> Load | None:
    """The load that the tile itself could do, if that is all the operand is."""
    if isinstance(expr, Load) and expr.when is None and not expr.at.computed and expr.dtype is contract.dtype:
        return expr if memory_elt(expr.dtype) == register_elt(expr.dtype) else None
    return None


def make_operand(contract: Contract, expr: Expr, free: Sequence[Axis], k: Sequence[Axis]) -> Operand:
    found = list(indices(expr))
    run = merged_suffix(free, found)
    merged = run == len(free)
    loads = list(indices(expr, positions=False))
    free_unit = bool(free) and any(index.stride(free[-1][0]) == 1 for index in loads)
    k_unit = bool(k) and any(index.stride(k[-1][0]) == 1 for index in loads)
    free_run = guess(count(free[len(free) - run :]))
    k_run = guess(count(k[len(k) - merged_suffix(k, found) :]))
    longer = not free_unit or free_run < min(k_run, SHORT_RUN)
    along: OneOf["free", "k"] = "k" if k_unit and longer and (merged or k_run >= SHORT_RUN) else "free"
    unit = k_unit if along == "k" else free_unit
    load = plain(expr, contract)
    if load is not None and merged and merged_suffix(k, found) == len(k):
        free_stride = load.at.stride(free[-1][0]) if free else 0
        k_stride = load.at.stride(k[-1][0]) if k else 0
        if isinstance(free_stride, int) and isinstance(k_stride, int):
            return Operand(expr, run, True, along, unit, load, free_stride, k_stride)
    return Operand(expr, run, merged, along, unit, None)


def split_free(
    contract: Contract, axes: Sequence[Axis], k: Sequence[Axis], expr: Expr, epilogue: Sequence[Index], last: bool
) -> tuple[tuple[Axis, ...], tuple[Axis, ...]]:
    """(axes left to outer loops, axes that the tiles run over). `last`: the tile needs the innermost axis."""
    runs: list[tuple[Axis, ...]] = []
    rest = tuple(axes)
    while rest:
        length = merged_suffix(rest, epilogue)
        runs.insert(0, rest[-length:])
        rest = rest[:-length]
    if not runs:
        return (), ()
    best = len(runs) - 1
    if not last:
        best = max(range(len(runs)), key=lambda i: (guess(count(runs[i])), i))
    run = runs[best]
    found = list(indices(expr))
    shorter = run[-merged_suffix(run, found) :]
    readable = plain(expr, contract) is not None and merged_suffix(k, found) == len(k)
    kept = shorter if readable and guess(count(shorter)) >= DIRECT_RUN else run
    return tuple(axis for axis in axes if axis not in kept), kept


def guess(size: Size) -> int:
    """A number to plan with where only a range is known."""
    return size if isinstance(size, int) else max(size.low, min(size.high, 64))


def order_k(contract: Contract, m: Sequence[Axis], n: Sequence[Axis], k: tuple[Axis, ...]) -> tuple[Axis, ...]:
    """The order of the reduction axes in which the operands are read best."""

    def cost(order: tuple[Axis, ...]) -> tuple[int, int]:
        packed = 0
        for expr, free in ((contract.a, m), (contract.b, n)):
            operand = make_operand(contract, expr, free, order)
            if operand.direct is None:
                packed += guess(count(free)) * (1 if operand.unit else GATHER_COST)
        run = merged_suffix(order, [*indices(contract.a), *indices(contract.b)])
        return packed, -guess(count(order[len(order) - run :]))

    return min((k, ordered(k, first_load(contract.a)), ordered(k, first_load(contract.b))), key=cost)


def swapped(contract: Contract) -> Contract:
    """The same contraction with the roles of a and b exchanged."""
    return Contract(
        contract.name,
        contract.batch,
        contract.n,
        contract.m,
        contract.k,
        contract.b,
        contract.a,
        contract.dtype,
        contract.epilogue,
    )


def make_plan(contract: Contract) -> Plan:
    """Groups the axes. m and n change places where the output's neighbours lie along m: tiles write whole vectors."""
    ones = tuple(axis for part in (contract.batch, contract.m, contract.n, contract.k) for axis, e in part if e == 1)
    output = next(stmt.at for stmt in contract.epilogue if isinstance(stmt, Store))
    found = epilogue_indices(contract.epilogue)

    def wide(axes: Sequence[Axis]) -> tuple[Axis, ...]:
        return tuple(axis for axis in axes if axis[1] != 1)

    def unit(axes: Sequence[Axis]) -> bool:
        return any(output.stride(axis) == 1 for axis, _ in axes)

    if not unit(wide(contract.n)) and (unit(wide(contract.m)) or not wide(contract.n)):
        contract = swapped(contract)
    m_axes, n_axes = ordered(wide(contract.m), output), ordered(wide(contract.n), output)
    k = order_k(contract, m_axes, n_axes, wide(contract.k))
    m_outer, m = split_free(contract, m_axes, k, contract.a, found, last=False)
    n_outer, n = split_free(contract, n_axes, k, contract.b, found, last=True)
    k = order_k(contract, m, n, k)
    inner = merged_suffix(k, [*indices(contract.a), *indices(contract.b)])
    outer = (*ordered(wide(contract.batch), output), *m_outer, *n_outer)
    everything = [*found, *indices(contract.a), *indices(contract.b)]
    return Plan(
        outer=outer,
        outer_merged=merged_suffix(outer, everything) == len(outer),
        m=m,
        n=n,
        k_outer=k[: len(k) - inner],
        k_inner=k[len(k) - inner :],
        ones=ones,
        a=make_operand(contract, contract.a, m, k),
        b=make_operand(contract, contract.b, n, k),
    )
