"""Scans that do the same steps become one, which gives the results of all.

%2 = scan(%h, %xs) {body=(h, x) -> (f, y)}        # the forward pass
%3 = scan(%h, %xs) {body=(h, x) -> (f, h)}        # reverse mode saves the carry of every step
->
%2 = scan(%h, %xs) {body=(h, x) -> (f, y, h)}
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ingot.compiler.ir import Graph, Value, at
from ingot.compiler.ops.control import scan
from ingot.compiler.ops.source import get
from ingot.compiler.rewrite import in_regions, inlined, rebuilt


def merge_scans(graph: Graph) -> Graph:
    """Merge scans with equal operands, length and direction whose steps compute equal carries; in regions too."""
    while groups := [g for g in alike(graph.values) if len(g) > 1]:
        graph = merged(graph, groups)
    return in_regions(graph, merge_scans)


def alike(values: Iterable[Value]) -> list[list[Value]]:
    """Scans that may run together. Equal values are one object, so equal operands and equal steps are found by `is`."""
    groups: dict[tuple[object, ...], list[list[Value]]] = {}
    for value in values:
        if value.op is not scan:
            continue
        attrs = {name: attr for name, attr in value.attrs.items() if name != "body"}
        attrs.setdefault("reverse", False)
        candidates = groups.setdefault((value.operands, tuple(sorted(attrs.items()))), [])
        for group in candidates:
            if carried(value, group[0].attrs["body"].inputs) == carried(group[0], group[0].attrs["body"].inputs):
                group.append(value)
                break
        else:
            candidates.append([value])
    return [group for candidates in groups.values() for group in candidates]


def carried(value: Value, inputs: Sequence[Value]) -> tuple[Value, ...]:
    return inlined(value.attrs["body"], tuple(inputs))[: value.attrs["carries"]]


def merged(graph: Graph, groups: Sequence[Sequence[Value]]) -> Graph:
    """Every `get` from a scan of a group reads the group's one scan."""
    place: dict[Value, tuple[dict[str, Any], list[int]]] = {}
    for group in groups:
        body: Graph = group[0].attrs["body"]
        given = [inlined(value.attrs["body"], body.inputs) for value in group]
        carries = group[0].attrs["carries"]
        rows = list(dict.fromkeys(y for outputs in given for y in outputs[carries:]))
        together = body.with_outputs([*given[0][:carries], *rows], ())
        for value, outputs in zip(group, given, strict=True):
            place[value] = (
                {**group[0].attrs, "body": together},
                [*range(carries), *(carries + rows.index(y) for y in outputs[carries:])],
            )
    new: dict[Value, Value] = {v: v for v in graph.inputs}
    for value in graph.values:
        if value in new or value in place:
            continue
        with at(value.location):
            if value.op is get and value.operands[0] in place:
                (old,) = value.operands
                attrs, positions = place[old]
                whole = Value(scan, tuple(new[o] for o in old.operands), **attrs)
                new[value] = get(whole, index=positions[value.attrs["index"]])
            else:
                new[value] = rebuilt(value, tuple(new[o] for o in value.operands), lambda region: region)
    return graph.with_outputs([new[v] for v in graph.outputs])
