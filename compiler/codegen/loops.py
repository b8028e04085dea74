"""Loop kernels -> LLVM IR: one function per kernel, its outermost loop run in chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.expressions import Expressions, register_elt
from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.scalar import Scalar
from ingot.compiler.codegen.spelling import Module, Reg
from ingot.compiler.codegen.target import Target
from ingot.compiler.codegen.transpose import transpose
from ingot.compiler.ir import Size
from ingot.compiler.kernel import (
    Accumulate,
    Accumulator,
    Expr,
    For,
    Index,
    Kernel,
    Let,
    Load,
    Reduce,
    Stmt,
    Store,
    statements,
)
from ingot.compiler.ops import TABLE
from ingot.compiler.schedule import rewrite, subexpressions, turned

PARAMETERS = (("ptr", "frame"), ("i64", "lo"), ("i64", "hi"), ("i64", "thread"))


class LoopEmitter:
    """Walks a kernel's statements; `expressions` is the state at the current place."""

    def __init__(
        self,
        module: Module,
        target: Target,
        kernel: Kernel,
        sizes: Callable[[Function], Callable[[Size], Reg]],
        stream: bool = False,
    ) -> None:
        self.kernel, self.target, self.stream = kernel, target, stream
        self.f = Function(module, kernel.name, PARAMETERS)
        self.scalar = Scalar(self.f, target)
        self.sizes = sizes(self.f)
        self.lo, self.hi = self.f.params[1:3]

    def emit(self, scratch: int) -> None:
        """The whole function. `scratch` is the number of bytes that each thread has."""
        f, kernel = self.f, self.kernel
        frame, thread = f.params[0], f.params[3]
        pointers = [f.load(f.offset(frame, 8 * i), "ptr", pure=True) for i in range(len(kernel.buffers))]
        if kernel.scratch:
            area = f.load(f.offset(frame, 8 * (len(kernel.buffers) - len(kernel.scratch))), "ptr", pure=True)
            own = f.offset(area, f.mul(thread, f.const("i64", scratch)))
            position = 0
            for i, (dtype, count) in enumerate(kernel.scratch, len(kernel.buffers) - len(kernel.scratch)):
                pointers[i] = f.offset(own, position)
                position += scratch_bytes(dtype.itemsize, count)
        start = Expressions(f, self.scalar, kernel.buffers, pointers, {}, self.sizes, stream=self.stream)
        if not self.stream:
            self.block(kernel.body, start, [])
            f.finish()
            return
        bits = f.const("i64", 0)
        for i in sorted(streamed(kernel)):
            bits = f.or_(f.cast("ptrtoint", pointers[i], "i64"), bits)
        ragged = f.cmp("ne", f.and_(bits, f.const("i64", 63)), f.const("i64", 0))
        f.if_(ragged, self.without_streaming, lambda: self.past_the_caches(start), unlikely=True)
        f.finish()

    def without_streaming(self) -> list[Reg]:
        """Results that do not start on a cache line take the same kernel with ordinary stores."""
        f = self.f
        f.effect(f"call void @{self.kernel.name}_ragged({', '.join(map(str, f.params))})")
        return []

    def past_the_caches(self, start: Expressions) -> list[Reg]:
        self.block(self.kernel.body, start, [])
        if self.target.architecture == "x86_64":  # streamed stores are not ordered with those that publish the result
            self.f.module.declare("llvm.x86.sse.sfence", "declare void @llvm.x86.sse.sfence()")
            self.f.effect("call void @llvm.x86.sse.sfence()")
        return []

    def block(
        self, body: Sequence[Stmt], at: Expressions, carried: list[Reg], slots: Sequence[Accumulator] = ()
    ) -> list[Reg]:
        """Statements at one level; gives the accumulators `slots`, started at `carried`, as they leave it."""
        waiting: list[Store] = []
        for stmt in body:
            if isinstance(stmt, For | Reduce):
                at.store_all(waiting)
                waiting = []
            match stmt:
                case Let(name, expr):
                    at.names[name] = at.value(expr)
                case Store():
                    at.evaluate(stmt)
                    waiting.append(stmt)
                case Accumulate(name, expr):
                    position = next(i for i, slot in enumerate(slots) if slot.name == name)
                    carried = [*carried]
                    carried[position] = self.combine(slots[position], carried[position], at, at.value(expr))
                case Reduce(accumulators, inner):
                    self.reduce(accumulators, inner, at)
                case For():
                    carried = self.loop(stmt, at, carried, slots)
                case _:
                    raise AssertionError(f"{type(stmt).__name__} in a loop kernel")
        at.store_all(waiting)
        return carried

    def combine(self, slot: Accumulator, total: Reg, at: Expressions, value: Reg) -> Reg:
        """total (+) value, where lanes that are off leave the total as it is."""
        value = self.f.splat(value, total.lanes)
        new = self.join(slot, total, value)
        return new if at.mask is None or total.lanes == 1 else self.f.select(at.mask, new, total)

    def join(self, slot: Accumulator, a: Reg, b: Reg) -> Reg:
        joined: Reg = TABLE[slot.op.lower.combine].lower(self.scalar, slot.dtype, a, b)
        return joined

    def reduce(self, accumulators: Sequence[Accumulator], body: Sequence[Stmt], at: Expressions) -> None:
        """Start the accumulators, run the loops, fold the lanes, and name the results."""
        f = self.f
        inner = max((s.lanes for s in statements(tuple(body)) if isinstance(s, For) and s.kind == "vector"), default=1)
        lanes = inner if inner > 1 else at.lanes
        start = [f.const(register_elt(a.dtype), a.op.lower.identity(a.dtype), lanes) for a in accumulators]
        for slot, total in zip(accumulators, self.block(body, at, start, accumulators), strict=True):
            at.names[slot.name] = self.fold(slot, total) if inner > 1 else total

    def fold(self, slot: Accumulator, total: Reg) -> Reg:
        """All lanes into one, by halves."""
        while total.lanes > 1:
            half = total.lanes // 2
            low = self.f.shuffle(total, None, range(half)) if half > 1 else self.f.extract(total, 0)
            high = self.f.shuffle(total, None, range(half, total.lanes)) if half > 1 else self.f.extract(total, 1)
            total = self.join(slot, low, high)
        return total

    def loop(self, loop: For, at: Expressions, carried: list[Reg], slots: Sequence[Accumulator]) -> list[Reg]:
        if loop.extent == 0:  # tensors without elements may be at address 0, and loads that stay the same are hoisted
            return carried
        low: Reg | int = self.lo if loop.parallel else 0
        high: Reg | int = (
            self.hi if loop.parallel else loop.extent if isinstance(loop.extent, int) else self.sizes(loop.extent)
        )
        if loop.tiled:
            self.squares(loop, low, high, at)
            return carried
        if loop.kind == "vector" and loop.lanes > 1:
            return self.vector_loop(loop, low, high, at, carried, slots)

        def one(position: Reg, totals: list[Reg]) -> list[Reg]:
            env = {**at.env, **(self.decode(loop, position) if loop.decode else {loop.axis: position})}
            inside = replace(at, env=env, names=dict(at.names), known={})
            return self.block(loop.body, inside, totals, slots)

        return self.f.loop(low, high, 1, one, carried)

    def squares(self, loop: For, low: Reg | int, high: Reg | int, at: Expressions) -> None:
        """Squares of lanes x lanes; what is left over at the edges goes vector by vector."""
        f, (inner,) = self.f, loop.body
        assert isinstance(inner, For) and isinstance(inner.extent, int)
        lanes, extent = inner.lanes, inner.extent
        whole = extent - extent % lanes
        bottom, top = (r if isinstance(r, Reg) else f.const("i64", r) for r in (low, high))
        end = f.add(bottom, f.and_(f.sub(top, bottom), f.const("i64", -lanes)))
        edge = inner._replace(body=tuple(shifted(s, inner.axis, whole) for s in inner.body), extent=extent - whole)

        def single(body: For) -> Callable[[Reg, list[Reg]], list[Reg]]:
            def one(position: Reg, totals: list[Reg]) -> list[Reg]:
                inside = replace(at, env={**at.env, loop.axis: position}, names=dict(at.names), known={})
                return self.block((body,), inside, totals)

            return one

        def strip(start: Reg, _: list[Reg]) -> list[Reg]:
            def square(column: Reg, _: list[Reg]) -> list[Reg]:
                self.square(loop.axis, inner, start, column, at)
                return []

            f.loop(0, whole, lanes, square)
            if whole < extent:
                f.loop(start, f.add(start, f.const("i64", lanes)), 1, single(edge))
            return []

        f.loop(bottom, end, lanes, strip)
        f.loop(end, top, 1, single(inner))

    def square(self, axis: str, inner: For, start: Reg, column: Reg, at: Expressions) -> None:
        """One square: load and turn what is neighbours along `axis`, then run the body for every row."""
        f, lanes = self.f, inner.lanes
        body = self.kernel._replace(body=inner.body)
        loads = [e for e in subexpressions(body) if isinstance(e, Load) and turned(e, axis, inner.axis)]
        columns = []
        for load in loads:
            rows = []
            for lane in range(lanes):
                env = {**at.env, axis: start, inner.axis: f.add(column, f.const("i64", lane))}
                rows.append(replace(at, env=env, vector_axis=axis, lanes=lanes, known={}).value(load))
            columns.append(transpose(f, rows))
        for row in range(lanes):
            env = {**at.env, axis: f.add(start, f.const("i64", row)), inner.axis: column}
            known: dict[int, tuple[Expr, Reg]] = {
                id(load): (load, rows_of_load[row]) for load, rows_of_load in zip(loads, columns, strict=True)
            }
            inside = replace(at, env=env, vector_axis=inner.axis, lanes=lanes, names=dict(at.names), known=known)
            self.block(inner.body, inside, [])

    def decode(self, loop: For, position: Reg) -> dict[str, Reg]:
        """The axes that a merged loop stands for, from its counter."""
        env: dict[str, Reg] = {}
        for axis, extent in reversed(loop.decode[1:]):
            size = self.sizes(extent)
            env[axis] = self.f.urem(position, size)
            position = self.f.udiv(position, size)
        return {loop.decode[0][0]: position, **env}

    def vector_loop(
        self,
        loop: For,
        low: Reg | int,
        high: Reg | int,
        at: Expressions,
        carried: list[Reg],
        slots: Sequence[Accumulator],
    ) -> list[Reg]:
        """Whole vectors, then one masked vector for what is left over (nothing is emitted where nothing can be)."""
        f, lanes = self.f, loop.lanes

        def run(mask: Reg | None) -> Callable[[Reg, list[Reg]], list[Reg]]:
            def one(position: Reg, totals: list[Reg]) -> list[Reg]:
                env = {**at.env, loop.axis: position}
                inside = replace(
                    at, env=env, vector_axis=loop.axis, lanes=lanes, mask=mask, names=dict(at.names), known={}
                )
                return self.block(loop.body, inside, totals, slots)

            return one

        whole = isinstance(loop.extent, int) and loop.extent % lanes == 0
        if isinstance(low, int) and isinstance(high, int):
            end: Reg | int = high - high % lanes
        elif whole:
            end = high
        else:
            top = high if isinstance(high, Reg) else f.const("i64", high)
            bottom = low if isinstance(low, Reg) else f.const("i64", low)
            end = f.add(bottom, f.and_(f.sub(top, bottom), f.const("i64", -lanes)))
        if not (isinstance(loop.extent, int) and loop.extent < lanes):
            carried = f.loop(low, end, lanes, run(None), carried)
        else:
            end = low
        if whole:
            return carried
        if isinstance(end, int) and isinstance(high, int):
            mask = f.vector("i1", [i < high - end for i in range(lanes)])
            return run(mask)(f.const("i64", end), carried)
        top = high if isinstance(high, Reg) else f.const("i64", high)
        start = end if isinstance(end, Reg) else f.const("i64", end)
        left = f.sub(top, start)

        def tail() -> list[Reg]:
            mask = f.cmp("ult", f.iota("i64", lanes), f.splat(left, lanes))
            return run(mask)(start, carried)

        return f.if_(f.cmp("sgt", left, f.const("i64", 0)), tail, lambda: carried, unlikely=True)


def shifted(stmt: Stmt, axis: str, by: int) -> Stmt:
    """The statement with the axis counted from `by`."""

    def moved(index: Index) -> Index:
        return index._replace(offset=index.offset + index.stride(axis) * by)

    (moved_stmt,) = rewrite(Kernel("", (), (stmt,)), moved).body
    return moved_stmt


def streamed(kernel: Kernel) -> set[int]:
    """The buffers that are written past the caches."""
    return {s.buffer for s in statements(kernel.body) if isinstance(s, Store) and s.stream}


def scratch_bytes(itemsize: int, count: Size) -> int:
    """Bytes of one scratch buffer, a whole number of cache lines."""
    if not isinstance(count, int):
        raise AssertionError("scratch of a size that is not known")
    return -(-itemsize * count // 64) * 64


def emit_loops(
    module: Module, target: Target, kernel: Kernel, cost: float, sizes: Callable[[Function], Callable[[Size], Reg]]
) -> Emitted:
    """Add the kernel's function to the module."""
    scratch = sum(scratch_bytes(dtype.itemsize, count) for dtype, count in kernel.scratch)
    stream = bool(streamed(kernel))
    if stream:
        LoopEmitter(module, target, kernel._replace(name=f"{kernel.name}_ragged"), sizes).emit(scratch)
    LoopEmitter(module, target, kernel, sizes, stream).emit(scratch)
    outer = kernel.body[0]
    if len(kernel.body) == 1 and isinstance(outer, For) and outer.parallel:
        return Emitted(kernel.name, outer.extent, outer.grain, scratch, cost)
    return Emitted(kernel.name, 1, 1, scratch, cost)
