"""Scans that run the same recurrence over the same operands become one, and results that nobody reads are dropped.

    %4 = scan(%h, %x) {body: (h, x) -> (h', y)}            the loop of the user
    %7 = scan(%h, %x) {body: (h, x) -> (h', h)}            its derivative runs it again, to save each step's start
->
    %4 = scan(%h, %x) {body: (h, x) -> (h', y, h)}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ingot.compiler.ir import Graph, Value, at, toposort
from ingot.compiler.ops.control import scan
from ingot.compiler.ops.source import get
from ingot.compiler.rewrite import inlined, rebuilt


def share_loops(graph: Graph) -> Graph:
    """The same function with as few scans, and as few results of each, as its outputs need; in regions too."""
    if not any(v.op.kind == "control" for v in graph.values):
        return graph
    loops = shared(graph)
    needed = mark_read(graph, loops)
    new: dict[Value, Value] = {v: v for v in graph.inputs}
    for value in graph.values:
        if value in new or value in loops or value not in needed:
            continue
        with at(value.location):
            if value.op is get and value.operands[0] in loops:
                loop = loops[value.operands[0]]
                new[value] = loop.result(loop.places[value.operands[0]][value.attrs["index"]], new)
            else:
                new[value] = rebuilt(value, tuple(new[o] for o in value.operands), share_loops)
    return graph.with_outputs([new[v] for v in graph.outputs])


@dataclass
class Loop:
    """Scans that are one: the first of them, the outputs of all bodies over its inputs, and who reads which."""

    first: Value
    outputs: list[Value]
    places: dict[Value, list[int]] = field(default_factory=dict)
    read: set[int] = field(default_factory=set)
    kept: list[int] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    built: dict[int, Value] = field(default_factory=dict)

    def add(self, value: Value) -> bool:
        """Take in a scan over the same operands, if its carries follow the same recurrence."""
        carries = value.attrs["carries"]
        outputs = inlined(value.attrs["body"], self.first.attrs["body"].inputs)
        if list(outputs[:carries]) != self.outputs[:carries]:
            return False
        places = list(range(carries))
        for y in outputs[carries:]:
            # Among the carries' outputs the same value means something else: its last, not every one.
            if y not in self.outputs[carries:]:
                self.outputs.append(y)
            places.append(self.outputs.index(y, carries))
        self.places[value] = places
        return True

    def keep(self) -> None:
        """Choose the outputs that are read, the carries behind them, and the inputs behind those."""
        body, carries = self.first.attrs["body"], self.first.attrs["carries"]
        self.kept = live(body.inputs, self.outputs, carries, self.read)
        reached = set(toposort([self.outputs[i] for i in self.kept]))
        self.inputs = [i for i, v in enumerate(body.inputs) if (i in self.kept if i < carries else v in reached)]

    def result(self, place: int, new: dict[Value, Value]) -> Value:
        """The result at this place of the one scan, which is built when its first result is asked for."""
        if not self.built:
            self.built = self.build(new)
        return self.built[place]

    def build(self, new: dict[Value, Value]) -> dict[int, Value]:
        """The scan with what is read alone, as its results by place."""
        attrs, body = self.first.attrs, self.first.attrs["body"]
        carries, xs = attrs["carries"], attrs["xs"]
        slim = Graph(
            tuple(body.inputs[i] for i in self.inputs), tuple(self.outputs[i] for i in self.kept), (), body.name
        )
        with at(self.first.location):
            value = scan(
                *(new[self.first.operands[i]] for i in self.inputs),
                body=share_loops(slim),
                carries=sum(i < carries for i in self.kept),
                xs=sum(carries <= i < carries + xs for i in self.inputs),
                length=attrs["length"],
                reverse=attrs.get("reverse", False),
            )
            return {place: get(value, index=i) for i, place in enumerate(self.kept)}


def shared(graph: Graph) -> dict[Value, Loop]:
    """The loop that each scan is part of."""
    alike: dict[object, list[Loop]] = {}
    loops: dict[Value, Loop] = {}
    for value in graph.values:
        if value.op is scan:
            attrs = value.attrs
            key = (value.operands, attrs["carries"], attrs["xs"], attrs["length"], attrs.get("reverse", False))
            known = alike.setdefault(key, [])
            loop = next((loop for loop in known if loop.add(value)), None)
            if loop is None:
                loop = Loop(value, list(attrs["body"].outputs[: attrs["carries"]]))
                loop.add(value)
                known.append(loop)
            loops[value] = loop
    return loops


def mark_read(graph: Graph, loops: dict[Value, Loop]) -> set[Value]:
    """Choose what each loop yields and takes, from the outputs back; the values that are needed, besides the loops."""
    needed = set(graph.outputs)
    for value in reversed(graph.values):
        if value in loops:
            loop = loops[value]
            if value is loop.first and loop.read:
                loop.keep()
                needed.update(value.operands[i] for i in loop.inputs)
        elif value in needed:
            if value.op is get and value.operands[0] in loops:
                loop = loops[value.operands[0]]
                loop.read.add(loop.places[value.operands[0]][value.attrs["index"]])
            else:
                needed.update(value.operands)
    return needed


def live(inputs: Sequence[Value], outputs: Sequence[Value], carries: int, read: set[int]) -> list[int]:
    """The outputs that are read, and the carries that they depend on, directly or over steps."""
    found = set(read)
    while True:
        reached = set(toposort([outputs[i] for i in found]))
        more = {i for i in range(carries) if inputs[i] in reached} - found
        if not more:
            return sorted(found)
        found |= more
