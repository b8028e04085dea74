"""Group values into kernels.

    x = exp(a); y = x + b; s = sum(y)      ->      y, s = fused(a, b) { … one loop nest … }

Values are visited operands first. A value joins the groups of its operands when they iterate over the same domain,
reduce over the same axes, and joining makes no cycle between groups; views, constants and counters belong to whoever
reads them. What is left between groups is memory: each group's inputs and outputs are whole tensors.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ingot.compiler import indexing
from ingot.compiler.dims import product
from ingot.compiler.fused import Style, fused
from ingot.compiler.ir import Graph, Shape, Value, at
from ingot.compiler.lower import Illegal, folds, lower
from ingot.compiler.ops import TABLE
from ingot.compiler.schedule import OPERATIONS

LARGEST = 160  # values in one kernel: beyond it registers spill and the emitted code grows faster than it saves
FREE = frozenset(("reshape", "permute", "expand", "slice", "flip", "pad", "iota", "const"))
CHEAP = 6  # operations (as the schedule counts them) that every reader of a number may repeat
INDEXED = frozenset(("take", "gather"))
# A reader repeats the views that it reads through, for every operand that an element may come from; concatenations of
# concatenations double these, and lowering recurses from view to view.
MOST_SOURCES, MOST_VIEWS = 8, 32


@dataclass(eq=False)
class Group:
    """Values that become one kernel.

    Bit sets of groups: `reads` those whose values it reads, `before` all that must run earlier, `apart` those whose
    values it reads at other places than their own (shifted, transposed), where each reading would compute them again.
    """

    number: int
    style: Style
    domain: Shape
    reduced: tuple[int, ...] | None = None
    members: list[Value] = field(default_factory=list)
    reads: int = 0
    before: int = 0
    apart: int = 0


def compact(shape: Shape) -> Shape:
    return tuple(n for n in shape if n != 1)


def kept_shape(domain: Shape, reduced: tuple[int, ...]) -> Shape:
    return tuple(n for d, n in enumerate(domain) if d not in reduced)


def compact_axes(shape: Shape, axes: tuple[int, ...]) -> tuple[int, ...]:
    """The axes numbered among those whose size is not 1."""
    numbers = {d: i for i, d in enumerate(d for d, n in enumerate(shape) if n != 1)}
    return tuple(numbers[d] for d in axes if shape[d] != 1)


def remap(shape: Shape, axes: tuple[int, ...], finer: Shape) -> tuple[int, ...]:
    """The axes of `shape` as axes of a refinement of it."""
    found: list[int] = []
    for ours, theirs in indexing.blocks(shape, finer):
        if any(d in axes for d in range(ours.start, ours.stop)):
            found += range(theirs.start, theirs.stop)
    return tuple(found)


def free_values(graph: Graph) -> set[Value]:
    """Views, sources and cheap numbers that every reader computes for itself, as far as that stays little work."""
    sources: dict[Value, int] = {}
    views: dict[Value, int] = {}
    for value in graph.values:
        if is_free(value):
            through = () if value.op.kind == "elementwise" else value.operands
            count = sum(sources.get(o, 1) for o in through) or 1
            steps = 1 + max((views.get(o, 0) for o in through), default=0)
            if count <= MOST_SOURCES and steps <= MOST_VIEWS:
                sources[value], views[value] = count, steps
    return set(sources)


def is_free(value: Value) -> bool:
    """Whether the value by itself, whatever it looks at, is one that readers may compute."""
    if value.op.name == "const":
        return len(value.attrs["data"]) == value.dtype.itemsize
    return value.op.name in FREE or (value.op.name == "concat" and len(value.operands) <= 4) or is_cheap_number(value)


def is_cheap_number(value: Value) -> bool:
    """One element that costs less to compute than a kernel of its own costs to call: a cast or a product of numbers.

    What follows a reduction to one element is not among them: it is part of the reduction's kernel.
    """
    if value.op.kind != "elementwise" or product(value.shape) != 1:
        return False
    count, waiting = 0, [value]
    while waiting:
        at_value = waiting.pop()
        if at_value.op.kind == "elementwise" and product(at_value.shape) == 1:
            count += OPERATIONS.get(at_value.op.name, 1)
            if count > CHEAP:
                return False
            waiting.extend(at_value.operands)
        elif at_value.op.name in FREE:
            waiting.extend(at_value.operands)
        elif at_value.op.kind == "reduce" and product(at_value.shape) == 1:
            return False
    return True


class Fusion:
    """The state of one run over one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.groups: dict[int, Group] = {}
        self.count = 0
        self.of: dict[Value, Group] = {}
        self.free = free_values(graph)

    # ---- groups and their order

    def new(self, style: Style, value: Value, domain: Shape, reduced: tuple[int, ...] | None = None) -> Group:
        group = Group(self.count, style, domain, reduced, [value])
        self.count += 1
        self.groups[group.number] = group
        self.of[value] = group
        return group

    def depend(self, group: Group, on: Group) -> None:
        """Record that `group`, which nothing reads yet, reads what `on` writes."""
        group.reads |= 1 << on.number
        group.before |= on.before | 1 << on.number

    def can_merge(self, a: Group, b: Group) -> bool:
        """No path from one to the other through a third group, and not too much in one kernel."""
        if len(a.members) + len(b.members) > LARGEST:
            return False
        if a.apart & (1 << b.number) or b.apart & (1 << a.number):
            return False
        return not (self.passes_through(a, b) or self.passes_through(b, a))

    def passes_through(self, first: Group, last: Group) -> bool:
        """Whether something that `last` reads must itself run after `first`."""
        bit = 1 << first.number
        return bool(last.before & bit) and any(self.groups[n].before & bit for n in bits(last.reads & ~bit))

    def merge(self, into: Group, other: Group) -> Group:
        """Make one group of two; the caller has settled style, domain and reduced axes."""
        gone, stays = 1 << other.number, 1 << into.number
        either, known = gone | stays, into.before
        into.before = (into.before | other.before) & ~either
        into.reads = (into.reads | other.reads) & ~either
        into.apart |= other.apart
        # Nothing reads the group of the value at hand yet: without news for those that read `into`, none changes.
        news = into.before != known or other.number != self.count - 1
        for group in self.groups.values() if news else ():
            if group.before & either:
                group.before = (group.before | into.before | stays) & ~gone
                if group.reads & gone:
                    group.reads = (group.reads | stays) & ~gone
                if group.apart & gone:
                    group.apart |= stays
        into.members += other.members
        for value in other.members:
            self.of[value] = into
        del self.groups[other.number]
        return into

    # ---- who reads whom

    def sources(self, value: Value) -> list[tuple[Value, bool]]:
        """The values that `value` reads through views; True where the view keeps each element's place."""
        found: list[tuple[Value, bool]] = []
        stack = [(o, value.op.kind != "view") for o in reversed(value.operands)]
        while stack:
            at_value, direct = stack.pop()
            if at_value.op.name == "get" and at_value.operands[0] in self.of:
                found.append((at_value.operands[0], False))
            elif at_value in self.free:
                keeps = direct and at_value.op.name in ("reshape", "expand")
                stack.extend((o, keeps) for o in reversed(at_value.operands))
            else:
                found.append((at_value, direct))
        return found

    def spread(self, value: Value) -> list[Value]:
        """Sources read at their own place, so that a shared loop nest may compute both."""
        return [s for s, direct in self.sources(value) if direct and s in self.of]

    # ---- joining

    def fit(
        self, group: Group, shape: Shape, reduced: tuple[int, ...] | None
    ) -> tuple[Shape, tuple[int, ...] | None] | None:
        """(domain, reduced) of the group once it also computes over `shape`; None when they do not go together."""
        finer = indexing.refinement(group.domain, shape)
        if group.style == "contract":
            return (group.domain, None) if reduced is None and finer == compact(group.domain) else None
        if group.style != "loop":
            return None
        if group.reduced is None and reduced is None:
            return None if finer is None else (finer, None)
        if group.reduced is not None and reduced is not None:
            if finer is None or remap(shape, reduced, finer) != remap(group.domain, group.reduced, finer):
                return None
            return finer, remap(shape, reduced, finer)
        domain, axes, other = group.domain, group.reduced, shape
        if axes is None:
            assert reduced is not None
            domain, axes, other = shape, reduced, group.domain
        if finer is not None:
            return finer, remap(domain, axes, finer)
        rows = kept_shape(domain, axes)
        return (domain, axes) if indexing.refinement(rows, other) == rows else None

    def join(self, value: Value, shape: Shape, reduced: tuple[int, ...] | None) -> Group:
        """Put the value into one group with as many of its sources' groups as go together, the latest first."""
        mine = self.new("loop", value, shape, reduced)
        for source, direct in self.sources(value):
            if source in self.of:
                self.depend(mine, self.of[source])
                if not direct:
                    mine.apart |= 1 << self.of[source].number
        candidates = dict.fromkeys(self.of[s] for s in self.spread(value))
        for group in sorted(candidates, key=lambda g: -g.number):
            if group is mine or not self.can_merge(mine, group):
                continue
            settled = self.fit_groups(group, mine)
            if settled is None:
                continue
            style, domain, axes = settled
            if (axes or style == "contract") and not self.aligned(value, group, domain, axes or ()):
                continue
            mine = self.merge(group, mine)
            mine.style, mine.domain, mine.reduced = style, domain, axes
        return mine

    def aligned(self, value: Value, group: Group, domain: Shape, reduced: tuple[int, ...]) -> bool:
        """Whether the value reads the group's members in the very iteration (or row) that computes them."""
        axes = tuple((f"i{d}", n) for d, n in enumerate(domain))
        kept = tuple(a for d, a in enumerate(axes) if d not in reduced)
        extents, everything = dict(axes), product(domain)

        def own(v: Value) -> indexing.Place:
            return indexing.root_place(v.shape, axes if product(v.shape) == everything else kept, extents)

        if value.op.name in INDEXED:
            return True  # reads at computed places; lowering settles it
        start = [own(o) for o in value.operands] if folds(value) else [own(value)] * len(value.operands)
        if value.op.name == "concat":
            return False
        stack = list(zip(value.operands, start, strict=True))
        while stack:
            at_value, place = stack.pop()
            if self.of.get(at_value) is group:
                if place != own(at_value):
                    return False
            elif at_value.op.name in indexing.VIEWS:
                (operand,) = at_value.operands
                rule = indexing.VIEWS[at_value.op.name]
                stack.append((operand, rule(place, at_value.shape, operand.shape, at_value.attrs, extents)))
            elif at_value.op.name in ("pad", "concat") and any(
                self.of.get(s) is group for s, _ in self.sources(at_value)
            ):
                return False
        return True

    def fit_groups(self, a: Group, b: Group) -> tuple[Style, Shape, tuple[int, ...] | None] | None:
        if "contract" in (a.style, b.style) and a.style != b.style:
            contract, loop = (a, b) if a.style == "contract" else (b, a)
            settled = self.fit(contract, loop.domain, loop.reduced)
            return None if settled is None or not loop.before & (1 << contract.number) else ("contract", *settled)
        if a.style != "loop" or b.style != "loop":
            return None
        settled = self.fit(a, b.domain, b.reduced)
        return None if settled is None else ("loop", *settled)

    def visit(self, value: Value) -> None:
        op = value.op
        if value in self.graph.inputs or op.kind == "get" or value in self.free or op.name == "const":
            return
        if op.kind in ("elementwise", "view") or op.name in INDEXED:
            self.join(value, compact(value.shape), None)
        elif op.kind == "reduce" and "axes" in value.attrs:
            (operand,) = value.operands
            axes = compact_axes(operand.shape, value.attrs["axes"])
            self.join(value, compact(operand.shape), axes or None)
        else:
            group = self.new("contract" if op.kind == "contract" else "special", value, value.types[0].shape)
            for source, _ in self.sources(value):
                if source in self.of:
                    self.depend(group, self.of[source])

    # ---- the result

    def run(self) -> Graph:
        for value in self.graph.values:
            self.visit(value)
        return Assembly(self).graph()


def bits(mask: int) -> list[int]:
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


class Assembly:
    """Builds the graph of fused nodes from the groups."""

    def __init__(self, fusion: Fusion) -> None:
        self.fusion, self.source = fusion, fusion.graph
        self.new: dict[Value, Value] = {v: v for v in self.source.inputs}
        self.exported = self.find_exported()

    def find_exported(self) -> set[Value]:
        """Group members that something outside their group reads (through views), and results of the graph."""
        of, exported = self.fusion.of, set()
        for value in self.source.values:
            if value in of:
                for source, _ in self.fusion.sources(value):
                    if source in of and of[source] is not of[value]:
                        exported.add(source)
        stack = list(self.source.outputs)
        while stack:
            value = stack.pop()
            if value in of:
                exported.add(value)
            elif value in self.fusion.free or value.op.kind == "get":
                stack.extend(value.operands)
        return exported

    def graph(self) -> Graph:
        done: set[Group] = set()
        for group in self.ordered():
            if group not in done:
                done.add(group)
                self.build(group)
        outputs = [self.materialised(v) for v in self.source.outputs]
        return self.source.with_outputs(outputs)

    def ordered(self) -> list[Group]:
        """Groups, each after those that it reads."""
        return sorted(self.fusion.groups.values(), key=lambda g: (g.before.bit_count(), g.number))

    def materialised(self, value: Value) -> Value:
        """The value as memory: results of views get a kernel that copies them, except reshapes of memory."""
        known = self.new.get(value)
        if known is not None:
            return known
        if value.op.kind == "get":
            built = TABLE["get"](self.materialised(value.operands[0]), **value.attrs)
        elif value.op.name == "const" and len(value.attrs["data"]) != value.dtype.itemsize:
            built = value
        elif value.op.name == "reshape":
            built = TABLE["reshape"](self.materialised(value.operands[0]), **value.attrs)
        else:
            built = self.emit([value], "loop", compact(value.shape), ())[0]
        self.new[value] = built
        return built

    def build(self, group: Group) -> None:
        outputs = [v for v in group.members if v in self.exported]
        if group.style == "special":
            self.build_special(group.members[0])
            return
        reduced = group.reduced or ()
        try:
            values = self.emit(outputs, group.style, group.domain, reduced)
        except Illegal:
            values = [self.alone(v) for v in self.split(group)]
            outputs = self.split(group)
        for value, new in zip(outputs, values, strict=True):
            self.new[value] = new

    def split(self, group: Group) -> list[Value]:
        """Members one by one, for a group that cannot run as one kernel."""
        order = {v: i for i, v in enumerate(self.source.values)}
        return sorted(group.members, key=order.__getitem__)

    def alone(self, value: Value) -> Value:
        operand = value.operands[0] if value.operands else value
        if value.op.kind == "reduce":
            axes = compact_axes(operand.shape, value.attrs["axes"])
            built = self.emit([value], "loop", compact(operand.shape), axes)[0]
        elif value.op.kind == "contract":
            built = self.emit([value], "contract", value.shape, ())[0]
        else:
            built = self.emit([value], "loop", compact(value.shape), ())[0]
        self.new[value] = built
        return built

    def build_special(self, value: Value) -> None:
        """A whole op: its operands must be memory. Control flow keeps its regions and is compiled by region."""
        operands = [self.materialised(o) for o in value.operands]
        if value.op.kind == "control":
            attrs = {k: fuse(v) if isinstance(v, Graph) else v for k, v in value.attrs.items()}
            self.new[value] = Value(value.op, operands, **attrs)
            return
        inputs = tuple(TABLE["input"](type=o.type, name=f"p{i}") for i, o in enumerate(operands))
        with at(value.location):
            inner = Value(value.op, inputs, **value.attrs)
            results = (
                [inner]
                if not isinstance(value.type, tuple)
                else [TABLE["get"](inner, index=i) for i in range(len(value.types))]
            )
            body = Graph(inputs, tuple(results), (), value.op.name)
            node = fused(*operands, body=body, style="special", domain=value.types[0].shape, reduced=())
            self.new[value] = node if isinstance(value.type, tuple) else TABLE["get"](node, index=0)

    def emit(self, outputs: list[Value], style: Style, domain: Shape, reduced: tuple[int, ...]) -> list[Value]:
        """A fused node that computes `outputs` from what is already memory."""
        body, operands = self.region(outputs)
        lower(body, style, domain, reduced, "check") if reduced or style == "contract" else None
        with at(outputs[-1].location):
            node = fused(*operands, body=body, style=style, domain=domain, reduced=reduced)
            return [TABLE["get"](node, index=i) for i in range(len(outputs))]

    def region(self, outputs: list[Value]) -> tuple[Graph, list[Value]]:
        """The body of a kernel: everything above the outputs down to memory."""
        operands: dict[Value, Value] = {}
        inside: dict[Value, Value] = {}
        stack: list[tuple[Value, bool]] = [(v, False) for v in reversed(outputs)]
        roots = set(outputs)
        while stack:
            value, ready = stack.pop()
            if value in inside:
                continue
            if self.is_memory(value) and value not in roots:
                memory = self.materialised(value)
                if memory not in operands:
                    operands[memory] = TABLE["input"](type=memory.type, name=f"p{len(operands)}")
                inside[value] = operands[memory]
            elif ready:
                with at(value.location):
                    inside[value] = Value(value.op, [inside[o] for o in value.operands], **value.attrs)
            else:
                stack.append((value, True))
                stack.extend((o, False) for o in reversed(value.operands) if o not in inside)
        return Graph(tuple(operands.values()), tuple(inside[v] for v in outputs)), list(operands)

    def is_memory(self, value: Value) -> bool:
        """Whether the value exists as a tensor by now: an input, a large constant, or another group's result."""
        if value in self.new or value.op.kind == "get":
            return True
        return value.op.name == "const" and len(value.attrs["data"]) != value.dtype.itemsize


def fuse(graph: Graph) -> Graph:
    """The graph as kernels: nodes `fused`, control flow over fused regions, and reshapes of memory."""
    return Fusion(graph).run()
