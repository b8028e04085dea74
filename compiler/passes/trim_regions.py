"""Results of control flow that nobody reads, and operands that no region reads, are dropped.

%2 = scan(%h, %xs, %w) {body=(h, x, w) -> (f(h, w), g(x))}
%3 = get(%2) {index=1}                                       # the carry is never read
->
%2 = scan(%xs) {body=(x) -> (g(x))}
%3 = get(%2) {index=0}
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from ingot.compiler.ir import Graph, Op, Value, at
from ingot.compiler.ops.control import cond, scan, while_
from ingot.compiler.ops.source import get
from ingot.compiler.rewrite import in_regions, rebuilt

# The value over fewer operands, and where each kept result is found now.
Trimmed = tuple[Value, dict[int, int]]


def trim_regions(graph: Graph) -> Graph:
    """Drop them everywhere; what an outer graph stops reading is dropped inside as well."""
    while (smaller := trimmed(graph)) is not graph:
        graph = smaller
    return in_regions(graph, trim_regions)


def trimmed(graph: Graph) -> Graph:
    """One round; the same graph when nothing can be dropped."""
    read: dict[Value, set[int]] = {}
    for value in graph.values:
        if value.op is get:
            read.setdefault(value.operands[0], set()).add(value.attrs["index"])
    new: dict[Value, Value] = {v: v for v in graph.inputs}
    places: dict[Value, dict[int, int]] = {}
    for value in graph.values:
        if value in new:
            continue
        operands = tuple(new[o] for o in value.operands)
        with at(value.location):
            if value.op in TRIMS:
                new[value], places[value] = TRIMS[value.op](value, operands, read[value])
            elif value.op is get and value.operands[0] in places:
                new[value] = get(*operands, index=places[value.operands[0]][value.attrs["index"]])
            else:
                new[value] = rebuilt(value, operands, lambda region: region)
    outputs = tuple(new[v] for v in graph.outputs)
    return graph if outputs == graph.outputs else graph.with_outputs(outputs)


def narrowed(region: Graph, inputs: Sequence[int], outputs: Sequence[int]) -> Graph:
    if len(inputs) == len(region.inputs) and len(outputs) == len(region.outputs):
        return region
    return Graph(tuple(region.inputs[i] for i in inputs), tuple(region.outputs[i] for i in outputs), (), region.name)


def used_inputs(region: Graph, outputs: Collection[int]) -> set[int]:
    """The inputs that these outputs depend on."""
    needed = set(region.with_outputs([region.outputs[i] for i in outputs], ()).values)
    return {i for i, v in enumerate(region.inputs) if v in needed}


def places_of(kept: Sequence[int]) -> dict[int, int]:
    return {old: new for new, old in enumerate(kept)}


def trim_cond(value: Value, operands: Sequence[Value], read: set[int]) -> Trimmed:
    kept = sorted(read)
    regions = {name: value.attrs[name] for name in ("then", "otherwise")}
    inputs = sorted(set().union(*(used_inputs(region, kept) for region in regions.values())))
    smaller = {name: narrowed(region, inputs, kept) for name, region in regions.items()}
    return cond(operands[0], *(operands[1 + i] for i in inputs), **smaller), places_of(kept)


def trim_while(value: Value, operands: Sequence[Value], read: set[int]) -> Trimmed:
    """A state is kept if it is read, decides how long the loop runs, or moves one that is kept."""
    condition, body = value.attrs["condition"], value.attrs["body"]
    kept = sorted(closure(read | used_inputs(condition, (0,)), body, len(operands), ()))
    found = while_(
        *(operands[i] for i in kept), condition=narrowed(condition, kept, (0,)), body=narrowed(body, kept, kept)
    )
    return found, places_of(kept)


def trim_scan(value: Value, operands: Sequence[Value], read: set[int]) -> Trimmed:
    """A carry is kept if its last value is read or it moves a carry or row that is kept."""
    body, carries, xs = value.attrs["body"], value.attrs["carries"], value.attrs["xs"]
    rows = sorted(i for i in read if i >= carries)
    kept = sorted(closure({i for i in read if i < carries}, body, carries, rows))
    outputs = [*kept, *rows]
    used = used_inputs(body, outputs)
    inputs = [*kept, *(i for i in range(carries, len(operands)) if i in used)]
    attrs = {
        **value.attrs,
        "body": narrowed(body, inputs, outputs),
        "carries": len(kept),
        "xs": sum(carries <= i < carries + xs for i in inputs),
    }
    return scan(*(operands[i] for i in inputs), **attrs), places_of(outputs)


def closure(kept: set[int], body: Graph, carries: int, rows: Sequence[int]) -> set[int]:
    """The carried values that the kept ones and the rows depend on over any number of steps."""
    while True:
        more = kept | {i for i in used_inputs(body, [*sorted(kept), *rows]) if i < carries}
        if more == kept:
            return kept
        kept = more


TRIMS: dict[Op, Callable[[Value, Sequence[Value], set[int]], Trimmed]] = {
    cond: trim_cond,
    while_: trim_while,
    scan: trim_scan,
}
