"""Scans as one Python function over arrays: what eager execution of a recurrence runs.

What a step computes from its rows of the stacks alone is computed for all steps at once before the loop, and what it
computes from constants once. In the loop, rows write straight into the stacked results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any, cast

import numpy as np

from ingot.compiler.ir import Graph, Shape, TensorType, Value
from ingot.compiler.ops.contract import Arranged, dot_arranged, dot_general
from ingot.compiler.ops.definitions import is_half
from ingot.compiler.ops.elementwise import add
from ingot.compiler.ops.source import get
from ingot.compiler.ops.transcendental import sigmoid
from ingot.compiler.ops.view import expand, pad, permute, reshape
from ingot.compiler.ops.view import slice as slice_row
from ingot.compiler.straightline import evaluator, needless

# Stacks beyond this many bytes are not made beforehand; their rows are computed as they are needed.
STACK_BYTES = 1 << 26
Region = tuple[slice, ...]


@lru_cache(maxsize=256)
def loop(body: Graph, carries: int, xs: int, length: int, reverse: bool) -> Callable[..., tuple[Any, ...]]:
    """The scan of this body as a function of its operands' arrays: the last carries, then the stacked results, each in
    memory of its own. Floating warnings are the caller's concern."""
    made = _Loop(body, carries, xs, length, reverse)
    text = made.text()
    exec(compile(text, f"<scan of {body.name}>", "exec"), made.space)
    function: Callable[..., tuple[Any, ...]] = made.space["scan"]
    return function


class _Loop:
    """The text of one loop, as it is written. Variables: `w` hold stacks, `r` their rows, `v` what a step computes."""

    def __init__(self, body: Graph, carries: int, xs: int, length: int, reverse: bool) -> None:
        self.length, self.reverse, self.carries = length, reverse, carries
        self.outputs = body.outputs
        self.carried, self.stacked = body.inputs[:carries], body.inputs[carries : carries + xs]
        self.order = [v for v in body.values if v not in set(body.inputs)]
        self.users: dict[Value, list[Value]] = {}
        for value in self.order:
            for operand in dict.fromkeys(value.operands):
                self.users.setdefault(operand, []).append(value)
        self.needless = needless(self.order, self.outputs)
        self.space: dict[str, Any] = {"empty": np.empty, "zeros": np.zeros, "array": np.array, "matmul": np.matmul}
        self.names = {value: f"a{i}" for i, value in enumerate(body.inputs)}
        self.parameters = ", ".join(self.names.values())
        self.once = set(body.inputs[carries + xs :])
        self.whole = set(self.stacked)
        self.before: list[str] = []
        self.steps: list[str] = []
        self.after: list[str] = []
        # What the loop goes through: (variable, expression).
        self.rows: dict[str, str] = {}
        self.row_names: dict[Value, str] = {}
        self.arranged: dict[tuple[Value, int, Any], str] = {}
        # Where a value of a step is written, and pads and sums of pads as pieces: (value, where it is to be copied).
        self.targets: dict[Value, str] = {}
        self.pieces: dict[Value, list[tuple[Value, str | None]]] = {}
        self.numbered = 0

    # ---- names

    def fresh(self, stem: str) -> str:
        self.numbered += 1
        return f"{stem}{self.numbered}"

    def constant(self, thing: Any) -> str:
        name = self.fresh("k")
        self.space[name] = thing
        return name

    def row(self, value: Value) -> str:
        """The variable that holds the value inside the loop."""
        if value not in self.whole:
            return self.names[value]
        if value not in self.row_names:
            self.row_names[value] = self.through(self.names[value])
        return self.row_names[value]

    def through(self, stack: str) -> str:
        """A variable that goes through the rows of a stack."""
        name = self.fresh("r")
        self.rows[name] = f"{stack}[::-1]" if self.reverse else stack
        return name

    # ---- before the loop

    def place(self) -> list[Value]:
        """Compute beforehand what can be; returns the rest."""
        rest: list[Value] = []
        for value in self.order:
            known = [o in self.once or o in self.whole for o in value.operands]
            if all(o in self.once for o in value.operands):
                self.once.add(value)
                self.names[value] = self.fresh("w")
                self.before.append(f"{self.names[value]} = {self.expression(value, self.names.__getitem__)}")
            elif all(known) and self.stacks(value):
                self.whole.add(value)
                name = self.fresh("w")
                self.before.append(f"{name} = {self.stack(value)}")
                self.names[value] = name
            else:
                rest.append(value)
        return rest

    def stacks(self, value: Value) -> bool:
        """Whether the row means the same for a stack of operands."""
        if not isinstance(value.type, TensorType) or self.length * _bytes(value.type) > STACK_BYTES:
            return False
        return value.op.kind == "elementwise" or value.op in (slice_row, expand, permute, reshape)

    def stack(self, value: Value) -> str:
        """The value at all steps."""
        given = [self.names[o] for o in value.operands]
        if value in self.needless:
            return given[0]
        if value.op is slice_row:
            return f"{given[0]}[{self.constant((slice(None), *_region(value)))}]"
        if value.op is permute:
            return f"{given[0]}.transpose({self.constant((0, *(a + 1 for a in value.attrs['axes'])))})"
        if value.op is reshape:
            return f"{given[0]}.reshape({self.constant((self.length, *value.shape))})"
        if value.op is expand:
            return f"{self.constant(np.broadcast_to)}({given[0]}, {self.constant((self.length, *value.shape))})"
        return self.expression(value, self.names.__getitem__, self.spare(value))

    def spare(self, value: Value) -> str | None:
        """The memory of an operand that only this value reads."""
        for o in value.operands:
            read = self.users[o] == [value] and value.operands.count(o) == 1
            if read and o in self.whole and o.type is value.type and writes(o) and o not in self.outputs:
                return self.names[o]
        return None

    # ---- a step

    def expression(self, value: Value, names: Callable[[Value], str], into: str | None = None) -> str:
        """The value from its operands; `into` is used by rows that can write into memory."""
        given = [names(o) for o in value.operands]
        if value in self.needless:
            return given[0]
        if value.op is get:
            return f"{given[0]}[{value.attrs['index']}]"
        if value.op is slice_row:
            return f"{given[0]}[{self.constant(_region(value))}]"
        if value.op is permute:
            return f"{given[0]}.transpose({self.constant(value.attrs['axes'])})"
        if value.op is dot_general and _one_product(value):
            return self.product(value, given, into)
        if not value.operands:
            return self.constant(np.asarray(value.op.eval(**value.attrs)))
        function, attributes = evaluator(value)
        named = [f"{key}={self.constant(attribute)}" for key, attribute in attributes.items()]
        if into is not None and writes(value):
            named.append(f"out={into}")
        return f"{self.constant(function)}({', '.join([*given, *named])})"

    def product(self, value: Value, given: list[str], into: str | None) -> str:
        """A matrix product, whose constant operands are arranged before the loop."""
        how = _dot(value)
        matrices: list[str] = []
        for side, (operand, name, arrange) in enumerate(zip(value.operands, given, how[:2], strict=True)):
            if arrange is None:
                matrices.append(name)
            elif operand in self.once:
                key = (operand, side, tuple(value.attrs.items()))
                if key not in self.arranged:
                    self.arranged[key] = self.fresh("w")
                    self.before.append(f"{self.arranged[key]} = {self.constant(arrange)}({name})")
                matrices.append(self.arranged[key])
            else:
                matrices.append(f"{self.constant(arrange)}({name})")
        if how.shape is not None:
            return f"matmul({', '.join(matrices)}).reshape({self.constant(how.shape)})"
        return f"matmul({', '.join(matrices if into is None else [*matrices, f'out={into}'])})"

    def step(self, value: Value) -> None:
        """Compute a value inside the loop."""
        name = self.names[value] if value in self.pieces and value in self.names else self.fresh("v")
        self.names[value] = name
        into = self.targets.get(value)
        if value in self.pieces:
            self.steps.append(f"{name} = {into}")
            self.steps.extend(f"{slot}[...] = {self.row(part)}" for part, slot in self.pieces[value] if slot)
            return
        text = self.expression(value, self.row, into)
        self.steps.append(f"{name} = {text}")
        if into is not None and not writes(value):
            self.steps.append(f"{into}[...] = {name}")

    # ---- pads

    def needed(self, rest: Sequence[Value]) -> tuple[list[Value], dict[Value, list[Value]]]:
        """What the steps compute, and of that the sums of pads that do not overlap: they are written piece by piece."""
        needed = set(self.outputs)
        sums: dict[Value, list[Value]] = {}
        for value in reversed(rest):
            if value not in needed:
                continue
            leaves = self.leaves(value, top=True)
            if leaves is None or _overlapping([_padded(leaf) for leaf in leaves]):
                needed.update(value.operands)
            else:
                sums[value] = leaves
                needed.update(leaf.operands[0] for leaf in leaves)
        return [v for v in rest if v in needed], sums

    def leaves(self, value: Value, top: bool = False) -> list[Value] | None:
        """The pads whose sum the value is; None if it is something else, or something that is read elsewhere too."""
        if value.op is pad:
            plain = not any(value.attrs["interior"]) and value.attrs["value"] == 0 and value.type.ndim > 0
            return [value] if plain else None
        alone = top or (len(self.users[value]) == 1 and value not in self.outputs)
        if value.op is not add or not alone or value in self.whole or value in self.once:
            return None
        left, right = (self.leaves(o) for o in value.operands)
        return None if left is None or right is None else left + right

    def assemble(self, value: Value, leaves: Sequence[Value], sums: dict[Value, list[Value]]) -> None:
        """Say where the pieces of a sum of pads go, straight from the rows that compute them if possible."""
        full = sum(prod(leaf.operands[0].shape) for leaf in leaves) == prod(value.shape)
        into = self.targets.get(value)
        if into is not None:
            stack = self.stacks_made[value]
            if not full:
                self.before.append(f"{stack}[...] = 0")
        elif value not in self.outputs and all(_reads_only(u) for u in self.users[value]):
            into = self.targets[value] = self.fresh("b")
            self.before.append(f"{into} = zeros({self.constant(value.shape)}, {self.constant(value.dtype.numpy)})")
        else:
            # A step later it is still read.
            into = self.targets[value] = f"zeros({self.constant(value.shape)}, {self.constant(value.dtype.numpy)})"
            name = self.fresh("v")
            self.names[value] = name
            places = [f"{name}[{self.constant(_padded(leaf))}]" for leaf in leaves]
            self.pieces[value] = [(leaf.operands[0], place) for leaf, place in zip(leaves, places, strict=True)]
            return
        self.pieces[value] = []
        for leaf in leaves:
            part, region = leaf.operands[0], _padded(leaf)
            if value in self.stacks_made:
                slot = self.through(f"{self.stacks_made[value]}[{self.constant((slice(None), *region))}]")
            else:
                slot = self.fresh("b")
                self.before.append(f"{slot} = {into}[{self.constant(region)}]")
            direct = part in self.users and part not in self.targets and part not in self.outputs and part not in sums
            if direct and self.in_step(part) and writes(part) and all(_reads_only(u) for u in self.users[part]):
                self.targets[part] = slot
                self.pieces[value].append((part, None))
            else:
                self.pieces[value].append((part, slot))

    def in_step(self, value: Value) -> bool:
        return value not in self.whole and value not in self.once and value not in self.carried

    # ---- results

    def results(self) -> list[str]:
        """Make the stacked results, and say how they are filled; returns their variables."""
        names: list[str] = []
        self.stacks_made: dict[Value, str] = {}
        saved: list[tuple[Value, str]] = []
        for value in self.outputs[self.carries :]:
            name = self.fresh("y")
            names.append(name)
            made = f"{name} = empty({self.constant((self.length, *value.shape))}, {self.constant(value.dtype.numpy)})"
            if value in self.stacks_made:
                self.after.append(f"{name} = {self.stacks_made[value]}.copy()")
            elif not self.in_step(value) and value not in self.carried:
                self.after.extend([made, f"{name}[...] = {self.names[value]}"])
            else:
                self.before.append(made)
                if value in self.carried:
                    saved.append((value, name))
                else:
                    self.stacks_made[value] = name
                    self.into_rows(value, name)
        for value, name in saved:
            self.save(value, name)
        return names

    def into_rows(self, value: Value, stack: str) -> None:
        """Let the value's row in the stack be written at every step."""
        self.targets[value] = self.through(stack if value.type.ndim else f"{stack}.reshape(-1, 1)")

    def save(self, carry: Value, stack: str) -> None:
        """Fill a stacked result with what a carry is before each step."""
        place = self.carried.index(carry)
        after = self.outputs[place]
        first, forward = f"a{place}", "[::-1]" if self.reverse else ""
        if after in self.stacks_made:
            self.after.append(f"{stack}{forward}[:1] = {first}")
            self.after.append(f"{stack}{forward}[1:] = {self.stacks_made[after]}{forward}[:-1]")
        elif self.in_step(after) and after.type.ndim and after not in self.targets and writes(after):
            # The next row is what the step computes.
            self.before.append(f"{stack}{forward}[:1] = {first}")
            shape, dtype = self.constant(after.shape), self.constant(after.dtype.numpy)
            self.targets[after] = self.fresh("r")
            self.rows[self.targets[after]] = f"[*{stack}{forward}[1:], empty({shape}, {dtype})]"
        else:
            row = self.through(stack if carry.type.ndim else f"{stack}.reshape(-1, 1)")
            self.steps.append(f"{row}[...] = c{place}")

    def text(self) -> str:
        rest = self.place()
        for i, carry in enumerate(self.carried):
            self.before.append(f"c{i} = a{i}")
            self.names[carry] = f"c{i}"
        made = self.results()
        rest, sums = self.needed(rest)
        for value in reversed(rest):
            if value in sums:
                self.assemble(value, sums[value], sums)
        for value in rest:
            self.step(value)
        moved = [(f"c{i}", self.row(v)) for i, v in enumerate(self.outputs[: self.carries]) if v is not self.carried[i]]
        if moved:
            self.steps.append(f"{', '.join(to for to, _ in moved)} = {', '.join(of for _, of in moved)}")
        through = "for _ in range(" + str(self.length) + "):"
        if self.rows:
            through = f"for {', '.join(self.rows)}, in zip({', '.join(self.rows.values())}):"
        ends = [f"array(c{i}, order='C')" for i in range(self.carries)]
        returned = f"return ({''.join(f'{r}, ' for r in (*ends, *made))})"
        inside = [f"    {line}" for line in (self.steps or ["pass"])]
        lines = [*self.before, through, *inside, *self.after, returned]
        return f"def scan({self.parameters}):\n    " + "\n    ".join(lines) + "\n"


def writes(value: Value) -> bool:
    """Whether the row can write its result into given memory."""
    if value.op is dot_general:
        return value.type.ndim > 0 and _one_product(value) and _dot(value).shape is None
    if value.op.kind != "elementwise" or value.type.ndim == 0 or any(is_half(o.dtype.numpy) for o in value.operands):
        return False
    return value.op is sigmoid or isinstance(evaluator(value)[0], np.ufunc)


def _one_product(value: Value) -> bool:
    """Whether a dot_general is NumPy's product alone, of one dtype throughout."""
    return value.attrs.get("accumulate") in (None, value.operands[0].dtype) and not is_half(value.dtype.numpy)


def _dot(value: Value) -> Arranged:
    a, b = (_known(o.shape) for o in value.operands)
    return dot_arranged(a, b, value.attrs["contract"], value.attrs["batch"])


def _reads_only(user: Value) -> bool:
    """Whether what the user computes shares no memory with what it reads."""
    return user.op in (pad, add) or user.op.kind in ("contract", "reduce") or writes(user)


def _known(shape: Shape) -> tuple[int, ...]:
    """The sizes of a body that is run are numbers."""
    return cast("tuple[int, ...]", shape)


def _bytes(type_: TensorType) -> int:
    return prod(_known(type_.shape)) * type_.dtype.numpy.itemsize


def _region(value: Value) -> Region:
    """The elements that a `slice` takes."""
    attrs = value.attrs
    return tuple(slice(a, b, s) for a, b, s in zip(attrs["start"], attrs["stop"], attrs["step"], strict=True))


def _padded(value: Value) -> Region:
    """Where the operand of a `pad` stands in the result."""
    low, shape = value.attrs["low"], value.operands[0].shape
    return tuple(slice(a, a + n) for a, n in zip(low, shape, strict=True))


def _overlapping(regions: Sequence[Region]) -> bool:
    return any(
        all(max(x.start, y.start) < min(x.stop, y.stop) for x, y in zip(a, b, strict=True))
        for i, a in enumerate(regions)
        for b in regions[:i]
    )
