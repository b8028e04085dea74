"""What the parts of one contraction kernel share: the plan, the tiling, and how functions get at their surroundings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ingot.compiler.codegen.contract.integers import Int, Integers
from ingot.compiler.codegen.contract.pairs import paired
from ingot.compiler.codegen.contract.plan import Operand, Plan, count, guess
from ingot.compiler.codegen.expressions import Expressions, register_elt
from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.scalar import Scalar
from ingot.compiler.codegen.spelling import BITS, Module, Reg
from ingot.compiler.codegen.target import Target
from ingot.compiler.ir import Size
from ingot.compiler.kernel import Apply, Contract, Expr, Kernel, Let, Load, Store, Tiling
from ingot.runtime.dtypes import DType

SizesOf = Callable[[Function], Callable[[Size], Reg]]
INLINE_OPS = 8  # an epilogue with more operations than this is emitted once, in a loop, not once per register
SHORT_OPS = 2  # the same where k is long enough to hide a trip of the sums through memory
LONG_K = 1024


@dataclass(frozen=True)
class Context:
    """One kernel under construction. Tiles spread elements of the `left` operand and read vectors of the `right`."""

    module: Module
    target: Target
    kernel: Kernel
    contract: Contract
    plan: Plan
    tiling: Tiling
    sizes: SizesOf

    @property
    def name(self) -> str:
        return self.kernel.name

    @cached_property
    def elt(self) -> str:
        """The accumulator's element type."""
        return register_elt(self.contract.dtype)

    @cached_property
    def width(self) -> int:
        """Bytes of an accumulator."""
        return BITS[self.elt] // 8

    @cached_property
    def lanes(self) -> int:
        return self.target.lanes(BITS[self.elt])

    @property
    def left(self) -> Operand:
        return self.plan.b if self.tiling.transposed else self.plan.a

    @property
    def right(self) -> Operand:
        return self.plan.a if self.tiling.transposed else self.plan.b

    @property
    def row_axes(self) -> tuple[tuple[str, Size], ...]:
        return self.plan.n if self.tiling.transposed else self.plan.m

    @property
    def column_axes(self) -> tuple[tuple[str, Size], ...]:
        return self.plan.m if self.tiling.transposed else self.plan.n

    @cached_property
    def rows(self) -> Size:
        return count(self.row_axes)

    @cached_property
    def columns(self) -> Size:
        return count(self.column_axes)

    @cached_property
    def block(self) -> int:
        """Elements of k in the longest block."""
        depth, inner, outer = self.tiling.depth, count(self.plan.k_inner), count(self.plan.k_outer)
        if not self.plan.k_outer:
            return min(depth, inner) if isinstance(inner, int) else depth
        if isinstance(inner, int) and inner <= depth:
            most = max(1, depth // max(inner, 1))
            return inner * (min(most, outer) if isinstance(outer, int) else most)
        return min(depth, inner) if isinstance(inner, int) else depth

    @cached_property
    def step(self) -> int:
        """Elements of k in one row of a packed operand, and in one turn of the tile's loop."""
        return 2 if paired(self.contract, self.plan, self.target) else 1

    @cached_property
    def steps(self) -> int:
        """Turns of the tile's loop in the longest block."""
        return -(-self.block // self.step)

    @cached_property
    def operand_elt(self) -> str:
        """What the tile loads: pairs travel as integers."""
        return "i32" if self.step == 2 else self.elt

    @cached_property
    def whole(self) -> int | None:
        """The length of k where one block holds all of it."""
        return self.plan.k if isinstance(self.plan.k, int) and self.plan.k <= self.block else None

    @cached_property
    def pack_left(self) -> bool:
        return self.tiling.pack_a or self.left.direct is None

    @cached_property
    def pack_right(self) -> bool:
        if self.tiling.dot:
            return False
        strided = self.right.free_stride != 1 and self.columns != 1
        return self.tiling.pack_b or self.right.direct is None or strided or not isinstance(self.columns, int)

    @cached_property
    def k_outermost(self) -> bool:
        """Blocks of k are the outer loop, panels the inner one: the left operand is packed once per block."""
        return self.pack_left or self.tiling.rows == 1

    @cached_property
    def right_pitch(self) -> int:
        """Elements from one k to the next of a packed right operand; short runs want a vector of slack."""
        return self.tiling.columns + (0 if self.right.merged else self.lanes)

    @cached_property
    def left_pitch(self) -> int:
        """Elements from one row of a packed left operand to the next, 0 where the rows of a tile are interleaved.

        A vector of slack per row lets the copy end on a whole vector, and keeps rows apart in the cache's sets.
        """
        return -(-self.steps // 16) * 16 + max(16, self.lanes) if self.left.along == "k" else 0

    @cached_property
    def heights(self) -> tuple[int, int]:
        """(rows of a tall tile, rows of a short one or 0): all tiles are tall or one row shorter."""
        rows, tall = self.rows, self.tiling.rows
        if not isinstance(rows, int):
            return tall, 0
        tiles = max(1, -(-rows // tall))
        tall = -(-rows // tiles)
        return max(1, tall), tall - 1 if rows % tiles else 0

    @cached_property
    def left_tile(self) -> int:
        """Bytes from one packed tile of the left operand to the next: a vector of slack, an odd number of lines."""
        size = self.heights[0] * (self.left_pitch or self.steps) * self.width + self.lanes * self.width
        return (-(-size // 64) | 1) * 64

    @cached_property
    def deferred(self) -> bool:
        """The epilogue is a loop of its own over sums in memory: less code, and no slower where k is long."""
        if self.whole is None and not self.k_outermost:
            return True
        long = guess(self.plan.k) >= LONG_K
        return operations(self.contract) > (SHORT_OPS if long else INLINE_OPS)

    @cached_property
    def parallel_names(self) -> list[str]:
        """The axes of the outer loops, which every function of the kernel receives."""
        return [f"o{i}" for i in range(len(self.plan.outer))]

    def function(self, name: str, parameters: Sequence[tuple[str, str]]) -> Function:
        """An internal function; the frame comes first and the outer axes last."""
        outer = [("i64", o) for o in self.parallel_names]
        return Function(self.module, name, [("ptr", "frame"), *parameters, *outer])

    def integers(self, f: Function) -> Integers:
        return Integers(f, self.sizes(f))

    def pointers(self, f: Function) -> list[Reg]:
        """The buffers, read from the frame at the current place."""
        frame = f.params[0]
        return [f.load(f.offset(frame, 8 * i), "ptr") for i in range(len(self.kernel.buffers))]

    def outer_env(self, f: Function) -> dict[str, Reg]:
        """The outer axes (from the function's last parameters) and the axes of extent 1."""
        values = f.params[len(f.params) - len(self.plan.outer) :]
        env = {axis: value for (axis, _), value in zip(self.plan.outer, values, strict=True)}
        return env | {axis: f.const("i64", 0) for axis in self.plan.ones}

    def expressions(
        self,
        f: Function,
        pointers: Sequence[Reg],
        env: Mapping[str, Reg],
        *,
        axis: str | None = None,
        lanes: int = 1,
        mask: Reg | None = None,
        names: dict[str, Reg] | None = None,
    ) -> Expressions:
        scalar = Scalar(f, self.target)
        return Expressions(
            f, scalar, self.kernel.buffers, pointers, env, self.sizes(f), axis, lanes, mask, dict(names or {})
        )

    def widened(self, f: Function, value: Reg, dtype: DType) -> Reg:
        """An operand's value as the accumulator's type."""
        if value.elt == self.elt:
            return value
        if self.elt == "f64":
            return f.cast("fpext", value, "f64")
        return f.cast("sext" if dtype.kind == "i" else "zext", value, self.elt)

    def first_lanes(self, f: Function, on: Int) -> Reg:
        """A mask of the first `on` lanes."""
        if isinstance(on, int):
            return f.vector("i1", [i < on for i in range(self.lanes)]) if self.lanes > 1 else f.const("i1", on > 0)
        return f.cmp("slt", f.iota("i64", self.lanes), on)

    def run_epilogue(
        self, f: Function, pointers: Sequence[Reg], env: Mapping[str, Reg], value: Reg, mask: Reg | None
    ) -> None:
        """The statements for one vector of sums; `env` has the axes of its first lane."""
        axis, lanes = (self.plan.n[-1][0], self.lanes) if self.plan.n else (None, 1)
        if axis is None:  # a single column: the other lanes are nothing
            value, mask = (f.extract(value, 0) if value.lanes > 1 else value), None
        names = {self.contract.name: value}
        at = self.expressions(f, pointers, env, axis=axis, lanes=lanes, mask=mask, names=names)
        for stmt in self.contract.epilogue:
            match stmt:
                case Let(name, expr):
                    at.names[name] = at.value(expr)
                case Store():
                    at.evaluate(stmt)
                case _:
                    raise AssertionError(f"{type(stmt).__name__} in the epilogue of a contraction")
        at.store_all([s for s in self.contract.epilogue if isinstance(s, Store)])


def operations(contract: Contract) -> int:
    """Operations in the epilogue, loads and stores included, shared ones counted once."""
    seen: set[int] = set()

    def visit(expr: Expr) -> int:
        if id(expr) in seen:
            return 0
        seen.add(id(expr))
        match expr:
            case Apply(args=args):
                return 1 + sum(map(visit, args))
            case Load(when=when):
                return 1 + (visit(when) if when is not None else 0)
            case _:
                return 0

    total = 0
    for stmt in contract.epilogue:
        match stmt:
            case Let(_, expr):
                total += visit(expr)
            case Store(_, _, expr, when):
                total += 1 + visit(expr) + (visit(when) if when is not None else 0)
            case _:
                total += 1
    return total
