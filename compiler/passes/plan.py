"""Where every value lives and in which order kernels run: Graph of kernels -> Plan.

A result goes straight into its output; a result that replaces an input is written over it once its last reader has
run; everything else shares one arena, whose blocks are reused as soon as nothing reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ingot.compiler.dims import product
from ingot.compiler.in_place import reads_where_it_writes
from ingot.compiler.ir import Graph, Size, TensorType, Value
from ingot.compiler.kernel import Kernel

Region = Literal["input", "output", "workspace", "constant"]


class Place(NamedTuple):
    """Memory: the n-th input or output, bytes of the arena from an offset, or a constant by its number."""

    region: Region
    at: Size

    def __str__(self) -> str:
        return f"{self.region}[{self.at}]"


class Launch(NamedTuple):
    """Run a kernel on these buffers, in the kernel's order (scratch not among them)."""

    kernel: Kernel
    buffers: tuple[Place, ...]


class Copy(NamedTuple):
    """Copy a whole tensor."""

    source: Place
    target: Place
    type: TensorType


class Branch(NamedTuple):
    """Run one of two plans, as a bool in memory says. Both have the same inputs and outputs."""

    condition: Place
    inputs: tuple[Place, ...]
    outputs: tuple[Place, ...]
    then: Plan
    otherwise: Plan
    arena: Place


class While(NamedTuple):
    """Run `body` on the state, in place of it, while `condition` gives true."""

    state: tuple[Place, ...]
    next_state: tuple[Place, ...]
    types: tuple[TensorType, ...]
    flag: Place
    condition: Plan
    body: Plan
    arena: Place


class Scan(NamedTuple):
    """Run `body` once per element of the leading axis: carries in place, slices in, slices out."""

    carries: tuple[Place, ...]
    next_carries: tuple[Place, ...]
    carry_types: tuple[TensorType, ...]
    slices: tuple[tuple[Place, Size], ...]  # (tensor, bytes of one slice)
    constants: tuple[Place, ...]
    results: tuple[tuple[Place, Size], ...]
    length: Size
    reverse: bool
    body: Plan
    arena: Place


Step = Launch | Copy | Branch | While | Scan


class Plan(NamedTuple):
    """Steps in order, the size of the arena in bytes, and the constants' bytes."""

    steps: tuple[Step, ...]
    arena: Size
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    in_place: tuple[tuple[int, int], ...] = ()  # (output, input) pairs that are written without a copy


@dataclass
class Arena:
    """Blocks of one arena: the smallest free block that is large enough is reused, else the arena grows."""

    size: Size = 0
    free: list[tuple[Size, Size]] = field(default_factory=list)  # (bytes, offset)

    def take(self, size: Size) -> Size:
        fitting = [
            b for b in self.free if b[0] == size or (isinstance(b[0], int) and isinstance(size, int) and b[0] >= size)
        ]
        if fitting:
            block = min(fitting, key=lambda b: b[0] if isinstance(b[0], int) else 0)
            self.free.remove(block)
            if isinstance(block[0], int) and isinstance(size, int) and block[0] > size:
                self.free.append((block[0] - size, block[1] + size))
            return block[1]
        offset, self.size = self.size, self.size + size
        return offset

    def give(self, size: Size, offset: Size) -> None:
        for block in self.free:
            length, start = block
            if not isinstance(length, int) or not isinstance(start, int):
                continue
            if isinstance(size, int) and isinstance(offset, int) and offset in (start + length, start - size):
                self.free.remove(block)
                self.give(length + size, min(start, offset))
                return
        self.free.append((size, offset))


def aligned_bytes(type: TensorType) -> Size:
    """Bytes of a tensor, a whole number of cache lines and at least one."""
    size = product(type.shape) * type.dtype.itemsize
    if isinstance(size, int):
        return max(64, -(-size // 64) * 64)
    return (size + 127) // 64 * 64


Buffer = tuple[Value, int]  # a result of a node, by number


class Planner:
    """Builds the plan of one graph of kernels. Constants are numbered across all regions of a program."""

    def __init__(self, graph: Graph, kernel_of: Callable[[Value], Kernel], constants: dict[Value, int]) -> None:
        self.graph, self.kernel_of, self.constants = graph, kernel_of, constants
        self.places: dict[Buffer, Place] = {}
        self.arena = Arena()
        self.blocks: dict[Buffer, tuple[Size, Size]] = {}
        self.in_place: list[tuple[int, int]] = []
        self.input_number = {v: i for i, v in enumerate(graph.inputs)}
        self.live_out = {self.root(o) for o in graph.outputs}

    # ---- which memory a value is

    def root(self, value: Value) -> Buffer:
        """The node result whose memory the value is."""
        while value.op.name == "reshape":
            (value,) = value.operands
        if value.op.name == "get":
            return value.operands[0], value.attrs["index"]
        return value, 0

    def place(self, buffer: Buffer) -> Place:
        value = buffer[0]
        if buffer in self.places:
            return self.places[buffer]
        if value.op.name == "const":
            return Place("constant", self.constants.setdefault(value, len(self.constants)))
        return Place("input", self.input_number[value])

    # ---- order

    def nodes(self) -> list[Value]:
        """Kernels and control flow in an order that lets results replace inputs: readers of the old value first."""
        nodes = [v for v in self.graph.values if v.op.name not in ("get", "reshape", "const", "input")]
        needs: dict[Value, set[Value]] = {v: set() for v in nodes}
        reading: dict[Value, dict[Value, None]] = {}
        for node in nodes:
            for operand in node.operands:
                source = self.root(operand)[0]
                if source in needs:
                    needs[node].add(source)
                else:
                    reading.setdefault(source, {})[node] = None
        for output, source_input in self.graph.aliases:
            writer = self.root(self.graph.outputs[output])[0]
            if writer not in needs:
                continue
            old = self.graph.inputs[source_input]
            if (old, 0) in self.live_out:
                continue
            readers = [n for n in reading.get(old, ()) if n is not writer]
            if not any(self.reaches(needs, reader, writer) for reader in readers):
                needs[writer].update(readers)
                self.in_place.append((output, source_input))
        return in_order(nodes, needs)

    @staticmethod
    def reaches(needs: dict[Value, set[Value]], start: Value, goal: Value) -> bool:
        """Whether `start` needs `goal`, directly or through others."""
        stack, seen = [start], set()
        while stack:
            at = stack.pop()
            if at is goal:
                return True
            if at not in seen:
                seen.add(at)
                stack.extend(needs[at])
        return False

    # ---- memory

    def run(self) -> Plan:
        order = self.nodes()
        last: dict[Buffer, int] = {}
        for position, node in enumerate(order):
            for operand in node.operands:
                last[self.root(operand)] = position
        results = [self.root(o) for o in self.graph.outputs]
        self.assign_outputs(results)
        steps: list[Step] = []
        for position, node in enumerate(order):
            dying = [b for b in dict.fromkeys(map(self.root, node.operands)) if last.get(b) == position]
            steps += self.step(node, dying)
            for buffer in dying:
                self.release(buffer)
            for index in range(len(node.types)):
                if (node, index) not in last:
                    self.release((node, index))
        steps += self.final_copies(results)
        outputs = tuple(o.type for o in self.graph.outputs)
        return Plan(
            tuple(steps), self.arena.size, tuple(v.type for v in self.graph.inputs), outputs, tuple(self.in_place)
        )

    def assign_outputs(self, results: Sequence[Buffer]) -> None:
        """Results that are written where they belong: over the input they replace, or into their output."""
        replaced = dict(self.in_place)
        kept: list[tuple[int, int]] = []
        for output, buffer in enumerate(results):
            node = buffer[0]
            if node.op.name in ("input", "const") or buffer in self.places:
                continue
            if output in replaced:
                old = self.graph.inputs[replaced[output]]
                if self.safe_over(node, buffer[1], old):
                    self.places[buffer] = Place("input", replaced[output])
                    kept.append((output, replaced[output]))
            elif output not in dict(self.graph.aliases):
                self.places[buffer] = Place("output", output)
        self.in_place = kept

    def safe_over(self, node: Value, result: int, old: Value) -> bool:
        """Whether the node may write `result` over `old`: it does not read it, or only where it then writes."""
        positions = [i for i, o in enumerate(node.operands) if self.root(o)[0] is old]
        if not positions:
            return node.op.name == "fused"
        return node.op.name == "fused" and all(
            reads_where_it_writes(self.kernel_of(node), p, result) for p in positions
        )

    def final_copies(self, results: Sequence[Buffer]) -> list[Step]:
        """Outputs whose value lives elsewhere, and inputs that could not be replaced while the program ran."""
        steps: list[Step] = []
        aliases = dict(self.graph.aliases)
        for output, buffer in enumerate(results):
            target = Place("input", aliases[output]) if output in aliases else Place("output", output)
            source = self.place(buffer)
            if source != target:
                steps.append(Copy(source, target, self.graph.outputs[output].type))
        replaced = {s.target for s in steps if isinstance(s, Copy) and s.target.region == "input"}
        if not any(isinstance(s, Copy) and s.source in replaced for s in steps):
            return steps
        return self.through_arena(steps)

    def through_arena(self, steps: Sequence[Step]) -> list[Step]:
        """Copies that swap inputs: all are read before any is written."""
        first: list[Step] = []
        second: list[Step] = []
        for step in steps:
            assert isinstance(step, Copy)
            middle = Place("workspace", self.arena.take(aligned_bytes(step.type)))
            first.append(Copy(step.source, middle, step.type))
            second.append(Copy(middle, step.target, step.type))
        return first + second

    def allocate(self, buffer: Buffer, type: TensorType) -> Place:
        if buffer not in self.places:
            size = aligned_bytes(type)
            offset = self.arena.take(size)
            self.blocks[buffer] = size, offset
            self.places[buffer] = Place("workspace", offset)
        return self.places[buffer]

    def release(self, buffer: Buffer) -> None:
        block = self.blocks.pop(buffer, None)
        if block is not None and buffer not in self.live_out:
            self.arena.give(*block)

    # ---- steps

    def step(self, node: Value, dying: Sequence[Buffer]) -> list[Step]:
        if node.op.name == "fused":
            return [self.launch(node, dying)]
        outputs = tuple(self.allocate((node, i), t) for i, t in enumerate(node.types))
        inputs = tuple(self.place(self.root(o)) for o in node.operands)
        return {"cond": self.branch, "while_": self.while_loop, "scan": self.scan}[node.op.name](node, inputs, outputs)

    def launch(self, node: Value, dying: Sequence[Buffer]) -> Launch:
        """A kernel; a result takes over the memory of an operand that nobody reads later, where that is safe."""
        kernel = self.kernel_of(node)
        inputs = [self.place(self.root(o)) for o in node.operands]
        free = [b for b in dying if b in self.blocks and b not in self.live_out]
        for index, type in enumerate(node.types):
            if (node, index) in self.places:
                continue
            for buffer in free:
                positions = [i for i, o in enumerate(node.operands) if self.root(o) == buffer]
                same = self.blocks[buffer][0] == aligned_bytes(type)
                if same and all(reads_where_it_writes(kernel, p, index) for p in positions):
                    free.remove(buffer)
                    self.places[node, index] = self.places[buffer]
                    self.blocks[node, index] = self.blocks.pop(buffer)
                    break
        outputs = [self.allocate((node, i), t) for i, t in enumerate(node.types)]
        return Launch(kernel, (*inputs, *outputs))

    def region(self, graph: Graph) -> Plan:
        return Planner(graph, self.kernel_of, self.constants).run()

    def own(self, size: Size) -> Place:
        """A part of the arena that belongs to one step of control flow."""
        return Place("workspace", self.arena.take(size + 64 if size != 0 else 64))

    def branch(self, node: Value, inputs: tuple[Place, ...], outputs: tuple[Place, ...]) -> list[Step]:
        then, otherwise = self.region(node.attrs["then"]), self.region(node.attrs["otherwise"])
        return [Branch(inputs[0], inputs[1:], outputs, then, otherwise, self.own(then.arena + otherwise.arena))]

    def while_loop(self, node: Value, inputs: tuple[Place, ...], outputs: tuple[Place, ...]) -> list[Step]:
        condition, body = self.region(node.attrs["condition"]), self.region(node.attrs["body"])
        following = tuple(self.own(aligned_bytes(t)) for t in node.types)
        start: list[Step] = [Copy(a, b, t) for a, b, t in zip(inputs, outputs, node.types, strict=True)]
        arena = self.own(condition.arena + body.arena)
        return [*start, While(outputs, following, node.types, self.own(64), condition, body, arena)]

    def scan(self, node: Value, inputs: tuple[Place, ...], outputs: tuple[Place, ...]) -> list[Step]:
        attrs = node.attrs
        carries, xs = attrs["carries"], attrs["xs"]
        body = self.region(attrs["body"])
        types = node.types[:carries]
        following = tuple(self.own(aligned_bytes(t)) for t in types)
        start: list[Step] = [Copy(a, b, t) for a, b, t in zip(inputs[:carries], outputs[:carries], types, strict=True)]
        slices = tuple(
            (p, slice_bytes(o.type))
            for p, o in zip(inputs[carries:], node.operands[carries : carries + xs], strict=False)
        )
        results = tuple((p, slice_bytes(t)) for p, t in zip(outputs[carries:], node.types[carries:], strict=True))
        step = Scan(
            outputs[:carries],
            following,
            types,
            slices,
            inputs[carries + xs :],
            results,
            attrs["length"],
            attrs.get("reverse", False),
            body,
            self.own(body.arena),
        )
        return [*start, step]


def slice_bytes(type: TensorType) -> Size:
    """Bytes of one element of the leading axis."""
    return product(type.shape[1:]) * type.dtype.itemsize


def in_order(nodes: Sequence[Value], needs: dict[Value, set[Value]]) -> list[Value]:
    """A topological order, as close to the given one as the needs allow."""
    done: dict[Value, None] = {}
    number = {v: i for i, v in enumerate(nodes)}
    for start in nodes:
        stack = [(start, False)]
        while stack:
            node, ready = stack.pop()
            if node in done:
                continue
            if ready:
                done[node] = None
                continue
            stack.append((node, True))
            stack.extend((n, False) for n in sorted(needs[node] - done.keys(), key=number.__getitem__, reverse=True))
    return list(done)


def print_plan(plan: Plan, indent: str = "") -> str:
    """The plan as text: one step a line, regions indented."""
    lines = [f"{indent}arena {plan.arena} bytes"]
    for step in plan.steps:
        match step:
            case Launch(kernel, buffers):
                lines.append(f"{indent}{kernel.name}({', '.join(map(str, buffers))})")
            case Copy(source, target, type):
                lines.append(f"{indent}copy {source} -> {target} : {type}")
            case Branch():
                lines += [f"{indent}if {step.condition} in {step.arena}", print_plan(step.then, indent + "  ")]
                lines += [f"{indent}else", print_plan(step.otherwise, indent + "  ")]
            case While():
                lines += [f"{indent}while {', '.join(map(str, step.state))} in {step.arena}"]
                lines += [
                    print_plan(step.condition, indent + "  "),
                    f"{indent}do",
                    print_plan(step.body, indent + "  "),
                ]
            case Scan():
                lines += [f"{indent}scan {step.length}{' reverse' if step.reverse else ''} in {step.arena}"]
                lines.append(print_plan(step.body, indent + "  "))
    return "\n".join(lines)
