"""Plan -> the entry function: pointers, kernel calls in order, control flow between them.

    int32_t entry(void *const *bufs, const int64_t *dims, void *workspace, const ingot_context *ctx)

A kernel worth it is handed to the context's parallel-for; everything else runs on the calling thread. The workspace is
the plan's arena followed by scratch for every thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.sizes import Sizes
from ingot.compiler.codegen.spelling import Module, Reg
from ingot.compiler.dims import product
from ingot.compiler.ir import Size
from ingot.compiler.kernel import Kernel
from ingot.compiler.passes.plan import Branch, Copy, Launch, Place, Plan, Scan, Step, While

SERIAL_BELOW = 20_000.0  # nanoseconds of estimated work under which waking another thread does not pay
ALONE_BELOW = 1_500.0  # … and under which not even one that is awake helps: handing over takes 200 to 600
THREADS = 64  # scratch is laid out for this many; a context with more threads runs the kernels that need scratch alone
CONTEXT_SIZE, CONTEXT_THREADS, CONTEXT_PARALLEL_FOR, CONTEXT_IF_AWAKE = 0, 8, 16, 32  # byte offsets in ingot_context

MANY = 64  # kernels of a program from which on their places are tables: code that finds them takes LLVM 0.4 ms each

Pointers = Callable[[Place], Reg]


class Table(tuple[int, ...]):
    """Places of a kernel's buffers: bytes of the workspace, or -1 - the number of an input or output."""

    __slots__ = ()


class EntryEmitter:
    """Writes one entry function."""

    def __init__(
        self,
        module: Module,
        name: str,
        plan: Plan,
        kernels: Callable[[Kernel], Emitted],
        dims: Sequence[str],
        threads: int,
    ) -> None:
        self.module, self.plan, self.kernels, self.threads = module, plan, kernels, threads
        self.f = Function(
            module,
            name,
            [("ptr", "bufs"), ("ptr", "dims"), ("ptr", "workspace"), ("ptr", "ctx")],
            result="i32",
            linkage="",
        )
        self.bufs, self.dims, self.workspace, self.context = self.f.params
        self.sizes = Sizes(self.f, dims, lambda: self.dims)
        self.scratch = 0
        self.frame = self.launches = 0
        self.tables: dict[str, str] = {}
        self.shares = self.fails = False
        self.parallel_for = self.if_awake = self.f.const("ptr", 0)
        self.has_room = self.f.const("i1", True)  # whether the scratch of all the context's threads has been laid out

    def emit(self) -> None:
        f = self.f
        self.scan_kernels(self.plan)
        self.frame_pointer = f.alloca("ptr", self.frame, 16)
        if self.shares:
            self.read_context()
        if self.fails:
            self.status = f.alloca("i32", 1, 4)
            f.store(f.const("i32", 0), self.status)
        self.steps(self.plan, self.top_level)
        f.finish(f.load(self.status, "i32") if self.fails else "i32 0")

    def read_context(self) -> None:
        """Which of the context's functions share work between threads; null where they may not be used."""
        f = self.f
        bare, none = f.cmp("eq", self.context, f.const("ptr", 0)), f.const("ptr", 0)

        def told(at: int, elt: str) -> Reg:
            """A field of the context; 0 where there is no context."""
            field = f.offset(self.context, at)
            return f.if_(bare, lambda: [f.const(elt, 0)], lambda: [f.load(field, elt)], unlikely=True)[0]

        count, parallel, size = (
            told(CONTEXT_THREADS, "i64"),
            told(CONTEXT_PARALLEL_FOR, "ptr"),
            told(CONTEXT_SIZE, "i64"),
        )
        several = f.cmp("sgt", count, f.const("i64", 1))
        self.has_room = f.cmp("sle", count, f.const("i64", self.threads))
        self.parallel_for = f.select(several, parallel, none)
        knows = f.and_(several, f.cmp("sgt", size, f.const("i64", CONTEXT_IF_AWAKE)))
        field = f.offset(self.context, CONTEXT_IF_AWAKE)
        self.if_awake = f.if_(knows, lambda: [f.load(field, "ptr")], lambda: [none], unlikely=True)[0]

    def top_level(self, place: Place) -> Reg:
        f = self.f
        match place.region:
            case "input":
                return f.load(f.offset(self.bufs, self.sizes(place.at), 8), "ptr", pure=True)
            case "output":
                return f.load(f.offset(self.bufs, self.sizes(place.at + len(self.plan.inputs)), 8), "ptr", pure=True)
            case "workspace":
                return f.offset(self.workspace, self.sizes(place.at))
            case "constant":
                return Reg(f"@constant{place.at}", "ptr")

    def scan_kernels(self, plan: Plan) -> None:
        """The largest frame and scratch (of all threads together) that any kernel needs."""
        for step in plan.steps:
            match step:
                case Launch(kernel, buffers):
                    self.launches += 1
                    self.frame = max(self.frame, len(buffers) + 3)
                    emitted = self.kernels(kernel)
                    self.fails = self.fails or emitted.fails
                    self.shares = self.shares or not runs_alone(emitted)
                    self.scratch = max(self.scratch, emitted.scratch * (1 if runs_alone(emitted) else self.threads))
                case Branch(then=a, otherwise=b) | While(condition=a, body=b):
                    self.scan_kernels(a)
                    self.scan_kernels(b)
                case Scan(body=a):
                    self.scan_kernels(a)
                case Copy():
                    pass

    # ---- steps

    def steps(self, plan: Plan, pointer: Pointers) -> None:
        for step in plan.steps:
            self.step(step, pointer)
            # Addresses are cheap to find again, and hundreds of them alive at once are not: with 475 kernels this
            # function alone took LLVM 290 ms, a quarter of the whole program.
            self.f.begin_anew()

    def step(self, step: Step, pointer: Pointers) -> None:
        match step:
            case Launch(kernel, buffers):
                table = self.table(buffers) if self.launches >= MANY and pointer == self.top_level else None
                self.launch(self.kernels(kernel), table or [pointer(b) for b in buffers])
            case Copy(source, target, type):
                self.copy(pointer(source), pointer(target), product(type.shape) * type.dtype.itemsize)
            case Branch():
                self.branch(step, pointer)
            case While():
                self.while_loop(step, pointer)
            case Scan():
                self.scan(step, pointer)

    def table(self, buffers: Sequence[Place]) -> Table | None:
        """The places as constant numbers, if they are: bytes of the workspace, or -1 - the number of a buffer."""
        found = []
        for region, at in buffers:
            if not isinstance(at, int) or region == "constant":
                return None
            number = at + len(self.plan.inputs) if region == "output" else at
            found.append(at if region == "workspace" else -1 - number)
        return Table(found)

    def fill_frame(self, buffers: Sequence[Reg] | Table) -> None:
        f, frame = self.f, self.frame_pointer
        if not isinstance(buffers, Table):
            for i, buffer in enumerate(buffers):
                f.store(buffer, f.offset(frame, 8 * i))
            return
        fill = self.module.once("fill_frame", lambda: define_fill_frame(self.module))
        text = f"[{len(buffers)} x i64] [{', '.join(f'i64 {n}' for n in buffers)}], align 8"
        table = self.tables.setdefault(text, f"places{len(self.tables)}")
        self.module.constant(table, text)
        f.effect(f"call void @{fill}({frame}, ptr @{table}, i64 {len(buffers)}, {self.bufs}, {self.workspace})")

    def launch(self, kernel: Emitted, buffers: Sequence[Reg] | Table) -> None:
        """Fill the frame and call the kernel, shared between threads where that can pay."""
        f, frame = self.f, self.frame_pointer
        self.fill_frame(buffers)
        if kernel.scratch:
            f.store(f.offset(self.workspace, self.sizes(self.plan.arena)), f.offset(frame, 8 * len(buffers)))
        if self.sizes.names:
            f.store(self.dims, f.offset(frame, 8 * (len(buffers) + 1)))
        if kernel.fails:
            f.store(self.status, f.offset(frame, 8 * (len(buffers) + 2)))
        units = self.sizes(kernel.units)

        if runs_alone(kernel):
            f.effect(f"call void @{kernel.name}({frame}, i64 0, {units}, i64 0)")
            return
        share = self.if_awake if kernel.cost < SERIAL_BELOW else self.parallel_for
        if kernel.scratch:
            share = f.select(self.has_room, share, f.const("ptr", 0))
        run = self.module.once("run_shared", lambda: define_run_shared(self.module))
        f.effect(f"call void @{run}({share}, {self.context}, ptr @{kernel.name}, {frame}, {units}, i64 {kernel.grain})")

    def copy(self, source: Reg, target: Reg, size: Size) -> None:
        self.module.declare("memcpy", "declare ptr @memcpy(ptr, ptr, i64)")
        count = self.sizes(size)
        self.f.effect(f"call ptr @memcpy({target}, {source}, {count})")

    def inside(self, plan: Plan, inputs: Sequence[Reg], outputs: Sequence[Reg], arena: Reg) -> None:
        """A region's steps, with its inputs, outputs and arena at these addresses."""

        def pointer(place: Place) -> Reg:
            match place.region:
                case "input" | "output":
                    assert isinstance(place.at, int)
                    return (inputs if place.region == "input" else outputs)[place.at]
                case "workspace":
                    return self.f.offset(arena, self.sizes(place.at))
                case "constant":
                    return self.top_level(place)

        self.steps(plan, pointer)

    def branch(self, step: Branch, pointer: Pointers) -> None:
        inputs, outputs = [pointer(p) for p in step.inputs], [pointer(p) for p in step.outputs]
        arena, flag = pointer(step.arena), self.f.load(pointer(step.condition), "i8")

        def run(plan: Plan) -> Callable[[], Sequence[Reg]]:
            def body() -> Sequence[Reg]:
                self.inside(plan, inputs, outputs, arena)
                return []

            return body

        taken = self.f.cmp("ne", flag, self.f.const("i8", 0))
        self.f.if_(taken, run(step.then), run(step.otherwise), unlikely=True)

    def while_loop(self, step: While, pointer: Pointers) -> None:
        f = self.f
        state, following = [pointer(p) for p in step.state], [pointer(p) for p in step.next_state]
        arena, flag = pointer(step.arena), pointer(step.flag)

        def test(_: list[Reg]) -> Reg:
            self.inside(step.condition, state, [flag], arena)
            return f.cmp("ne", f.load(flag, "i8"), f.const("i8", 0))

        def body(_: list[Reg]) -> Sequence[Reg]:
            self.inside(step.body, state, following, arena)
            for source, target, type in zip(following, state, step.types, strict=True):
                self.copy(source, target, product(type.shape) * type.dtype.itemsize)
            return []

        f.while_(test, body, [])

    def scan(self, step: Scan, pointer: Pointers) -> None:
        f = self.f
        carries, following = [pointer(p) for p in step.carries], [pointer(p) for p in step.next_carries]
        constants, arena = [pointer(p) for p in step.constants], pointer(step.arena)
        slices = [(pointer(p), self.sizes(n)) for p, n in step.slices]
        results = [(pointer(p), self.sizes(n)) for p, n in step.results]
        length = self.sizes(step.length)

        def body(position: Reg, _: list[Reg]) -> Sequence[Reg]:
            at = f.sub(f.sub(length, f.const("i64", 1)), position) if step.reverse else position
            xs = [f.offset(base, f.mul(at, size)) for base, size in slices]
            ys = [f.offset(base, f.mul(at, size)) for base, size in results]
            self.inside(step.body, [*carries, *xs, *constants], [*following, *ys], arena)
            for source, target, type in zip(following, carries, step.carry_types, strict=True):
                self.copy(source, target, product(type.shape) * type.dtype.itemsize)
            return []

        f.loop(0, length, 1, body)


def define_fill_frame(module: Module) -> None:
    """Write the addresses of a `Table` into the frame."""
    parameters = [("ptr", "frame"), ("ptr", "table"), ("i64", "count"), ("ptr", "bufs"), ("ptr", "workspace")]
    f = Function(module, "fill_frame", parameters)
    frame, table, count, bufs, workspace = f.params

    def one(i: Reg, _: list[Reg]) -> list[Reg]:
        at = f.load(f.offset(table, i, 8), "i64")
        buffer = f.offset(bufs, f.sub(f.const("i64", -1), at), 8)
        own, given = f.offset(workspace, at), lambda: [f.load(buffer, "ptr")]
        f.store(f.if_(f.cmp("sge", at, f.const("i64", 0)), lambda: [own], given)[0], f.offset(frame, i, 8))
        return []

    f.loop(0, count, 1, one)
    f.finish()


def define_run_shared(module: Module) -> None:
    """Run a kernel through the function that shares it between threads, or alone where there is none."""
    names = ("share", "ctx", "kernel", "frame")
    f = Function(module, "run_shared", [*(("ptr", n) for n in names), ("i64", "units"), ("i64", "grain")])
    share, context, kernel, frame, units, grain = f.params

    def shared() -> list[Reg]:
        f.effect(f"call void {share.name}({context}, {kernel}, {frame}, {units}, {grain})")
        return []

    def alone() -> list[Reg]:
        f.effect(f"call void {kernel.name}({frame}, i64 0, {units}, i64 0)")
        return []

    f.if_(f.cmp("ne", share, f.const("ptr", 0)), shared, alone)
    f.finish()


def runs_alone(kernel: Emitted) -> bool:
    """Whether sharing the kernel between threads cannot pay."""
    return kernel.cost < ALONE_BELOW or (isinstance(kernel.units, int) and kernel.units <= kernel.grain)


def emit_entry(
    module: Module, name: str, plan: Plan, kernels: Callable[[Kernel], Emitted], dims: Sequence[str], threads: int
) -> int:
    """Add the entry function; gives the bytes of scratch that all threads together need."""
    entry = EntryEmitter(module, name, plan, kernels, dims, threads)
    entry.emit()
    return entry.scratch
