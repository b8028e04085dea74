"""The whole compiler, in order: Graph -> passes -> kernels -> plan -> LLVM IR -> object code -> Program.

This file alone knows the order. Between passes it can verify, print and time.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.entry import THREADS, emit_entry
from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.loops import emit_loops
from ingot.compiler.codegen.object_code import assembly, parallel_object_code
from ingot.compiler.codegen.sizes import Sizes, symbols
from ingot.compiler.codegen.spelling import Module, spell_bytes
from ingot.compiler.codegen.target import Target, host
from ingot.compiler.ir import Graph, Location, Size, TensorType, Value
from ingot.compiler.kernel import Contract, Kernel, Special
from ingot.compiler.kernel_text import kernel_key, print_kernel
from ingot.compiler.lower import lower
from ingot.compiler.passes.check_indices import check_indices
from ingot.compiler.passes.decompose import decompose
from ingot.compiler.passes.dense_convolutions import dense_convolutions
from ingot.compiler.passes.depthwise import depthwise
from ingot.compiler.passes.fold import fold
from ingot.compiler.passes.fuse import fuse
from ingot.compiler.passes.merge_scans import merge_scans
from ingot.compiler.passes.one_hot import one_hot
from ingot.compiler.passes.plan import Plan, Planner, print_plan
from ingot.compiler.passes.simplify import simplify
from ingot.compiler.passes.split_reductions import split_reductions
from ingot.compiler.passes.transposed_convolutions import transposed_convolutions
from ingot.compiler.passes.trim_regions import trim_regions
from ingot.compiler.passes.turn_contractions import turn_contractions
from ingot.compiler.schedule import cost, schedule_loops
from ingot.compiler.text_print import print_graph
from ingot.compiler.verify import verify
from ingot.runtime import flags, layout, timeline
from ingot.runtime.errors import UnknownNameError
from ingot.runtime.program import Program, Slot

Pass = Callable[[Graph], Graph]

PASSES: tuple[tuple[str, Pass], ...] = (
    ("merge_scans", merge_scans),
    ("trim_regions", trim_regions),
    ("check_indices", check_indices),
    ("decompose", decompose),
    ("transposed_convolutions", transposed_convolutions),
    ("dense_convolutions", dense_convolutions),
    ("depthwise", depthwise),
    ("fold", fold),
    ("one_hot", one_hot),
    ("simplify", simplify),
    ("turn_contractions", turn_contractions),
    ("split_reductions", split_reductions),
    ("fuse", fuse),
)
PART = 128 << 10  # characters of LLVM IR that one thread compiles at a time: some 50 ms
LAST_STAGES = ("kernels", "plan", "llvm", "asm")


@dataclass(frozen=True)
class Stage:
    """One stage of a compilation as text, and how long it took to get there from the one before.

    `sources` has the user's lines behind each kernel; in graphs every value says its own.
    """

    name: str
    text: str
    milliseconds: float = 0.0
    sources: Mapping[str, tuple[Location, ...]] = field(default_factory=dict)


@dataclass
class Build:
    """The kernels of one program while it is compiled: lowered and scheduled once per node, emitted once per shape."""

    target: Target
    name: str
    module: Module = field(default_factory=Module)
    lowered: dict[Value, Kernel] = field(default_factory=dict)
    scheduled: dict[int, Kernel] = field(default_factory=dict)  # by the identity of the buffers of a lowered kernel
    emitted: dict[str, Emitted] = field(default_factory=dict)
    shared: dict[int, Emitted] = field(default_factory=dict)  # the same
    names: dict[int, tuple[Kernel, Emitted]] = field(default_factory=dict)
    constants: dict[Value, int] = field(default_factory=dict)
    dims: list[str] = field(default_factory=list)
    part_done: Callable[[str], None] | None = None  # takes the text of each part of a large program; None: no parts
    parts: int = 0

    def kernel(self, node: Value) -> Kernel:
        """The scheduled kernel of a fused node."""
        known = self.lowered.get(node)
        if known is None:
            attrs = node.attrs
            name = f"{self.name}_{kernel_label(attrs['body'])}_{len(self.lowered)}"
            kernel = lower(attrs["body"], attrs["style"], attrs["domain"], attrs["reduced"], name)
            known = self.scheduled.get(id(kernel.buffers))
            if known is None:
                known = self.scheduled[id(kernel.buffers)] = self.schedule(kernel)
            known = self.lowered[node] = known._replace(name=name, locations=kernel.locations)
        return known

    def schedule(self, kernel: Kernel) -> Kernel:
        (first, *_) = kernel.body or (None,)
        if isinstance(first, Contract):
            return kernel._replace(body=(part("contract").tile_contract(first, self.target),))
        return kernel if isinstance(first, Special) else schedule_loops(kernel, self.target)

    def emit(self, kernel: Kernel) -> Emitted:
        """The code of a kernel; equal kernels share it."""
        known = self.names.get(id(kernel))
        if known is None:
            emitted = self.shared.get(id(kernel.buffers))
            if emitted is None:
                key = kernel_key(kernel)
                emitted = self.emitted.get(key)
                if emitted is None:
                    emitted = self.emitted[key] = self.emit_new(kernel)
                    self.cut()
                self.shared[id(kernel.buffers)] = emitted
            known = self.names[id(kernel)] = kernel, emitted
        return known[1]

    def cut(self) -> None:
        """Hand over what has been emitted, once it is enough for a part."""
        if self.part_done is not None and self.module.size >= PART:
            self.part_done(self.module.cut({e.name for e in self.emitted.values()}))
            self.parts += 1

    def declare(self) -> None:
        """Tell the last part of the kernels in others."""
        if self.parts:
            for emitted in self.emitted.values():
                self.module.declare(emitted.name, f"declare hidden void @{emitted.name}(ptr, i64, i64, i64)")

    def emit_new(self, kernel: Kernel) -> Emitted:
        arguments = len(kernel.buffers) - len(kernel.scratch)

        def sizes(f: Function) -> Sizes:
            place = f.offset(f.params[0], 8 * (arguments + 1))
            return Sizes(f, self.dims, lambda: f.load(place, "ptr", pure=True))

        (first, *_) = kernel.body or (None,)
        if isinstance(first, Contract | Special):
            own = part("contract").emit_contract if isinstance(first, Contract) else part("special").emit_special
            emitted: Emitted = own(self.module, self.target, kernel, sizes)
            return emitted
        return emit_loops(self.module, self.target, kernel, cost(kernel, self.target), sizes)


@functools.cache
def part(name: str) -> Any:
    """A part of the code generator that small programs do without: it is imported with the first kernel that needs it,
    because `import ingot` and the first result should not wait for it."""
    return importlib.import_module(f"ingot.compiler.codegen.{name}")


def kernel_label(body: Graph) -> str:
    """A short name from the ops that matter most in the kernel."""
    ops = [v.op for v in body.values if v.op.kind not in ("source", "view", "get")]
    heavy = [o.name for o in ops if o.kind != "elementwise"] or [o.name for o in ops[-2:]]
    return "_".join(dict.fromkeys(heavy[:3])) or "copy"


def run_passes(graph: Graph) -> Iterator[tuple[str, Graph, float]]:
    """Each pass's name, its result, and the milliseconds it took."""
    for name, run in PASSES:
        start = time.perf_counter()
        with timeline.span(name, "compile"):
            graph = run(graph)
        if flags.VERIFY.get() and name != "fuse":
            verify(graph)
        yield name, graph, (time.perf_counter() - start) * 1e3


def build(
    graph: Graph, fused: Graph, target: Target, name: str, part_done: Callable[[str], None] | None = None
) -> tuple[Build, Plan, int]:
    """Plan and emit: the module is complete, with the entry function `name`, but for what `part_done` has taken."""
    state = Build(target, name, part_done=part_done)
    state.module.triple = target.triple
    state.dims = symbols([n for v in graph.inputs for n in v.shape])
    plan = Planner(fused, state.kernel, state.constants).run()
    threads = target.cores if target.name == "host" else THREADS
    scratch = emit_entry(state.module, name, plan, state.emit, state.dims, threads)
    state.declare()
    for value, number in state.constants.items():
        state.module.constant(f"constant{number}", f"{spell_bytes(value.attrs['data'])}, align 64")
    return state, plan, scratch


@dataclass(frozen=True)
class Translation:
    """A graph as LLVM IR, with the program that becomes of it: `program` is without object code. `workspace` is in
    bytes and may depend on named sizes."""

    llvm: str
    program: Program
    workspace: Size


def compile(graph: Graph, *, target: Target | None = None, name: str = "main") -> Program:
    """Object code for the graph. Inputs and outputs are contiguous; `graph.aliases` are written in place."""
    target = target or host()
    with parallel_object_code(target) as objects:
        made = translate(graph, target=target, name=name, part_done=objects.add if target.cores > 1 else None)
        if not isinstance(made.workspace, int):
            sizes = ", ".join(made.program.dims)
            raise UnknownNameError(
                "IG402", f"{name}: the sizes {sizes} must be known", fix="specialise the graph first"
            )
        with timeline.span("object code", "compile"):
            code = objects.finish(made.llvm)
    return replace(made.program, object_code=code, workspace_bytes=made.workspace)


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """The collector of cycles rests: what a compilation makes stays until its end, and looking at it again and again
    for what could go takes a tenth of the time (of MobileNetV2's gradients)."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


@no_collection()
def translate(
    graph: Graph, *, target: Target, name: str, part_done: Callable[[str], None] | None = None
) -> Translation:
    """The graph as LLVM IR whose one external function is `name`; sizes may be named.

    Where `part_done` takes parts of a large program as they are ready, the result holds the last part alone.
    """
    *_, (_, result, _) = run_passes(graph)
    with timeline.span("codegen", "compile"):
        state, plan, scratch = build(graph, result, target, name, part_done)
        text = state.module.text()
    names = tuple(e.name for _, e in state.names.values())
    program = Program(
        name=name,
        entry=name,
        object_code=b"",
        triple=target.triple,
        inputs=tuple(slot(v.type, str(v.attrs["name"])) for v in graph.inputs),
        outputs=tuple(slot(v.type, f"out{i}") for i, v in enumerate(graph.outputs)),
        aliases=tuple((i, o) for o, i in graph.aliases),
        dims=tuple(state.dims),
        kernels=names,
        cost=sum(e.cost for _, e in state.names.values()),
        metadata={"target": target.name},
    )
    return Translation(text, program, plan.arena + scratch)


def slot(type: TensorType, name: str) -> Slot:
    """An input or output as the runtime sees it: contiguous."""
    shape = tuple(n if isinstance(n, int) else str(n) for n in type.shape)
    if any(isinstance(n, str) for n in shape):
        return Slot(name, type.dtype, shape, ())
    return Slot(name, type.dtype, shape, layout.contiguous_strides(tuple(n for n in shape if isinstance(n, int))))


def pass_names() -> tuple[str, ...]:
    return tuple(name for name, _ in PASSES)


def stage_names() -> tuple[str, ...]:
    """Everything that `stages` yields, in order."""
    return ("graph", *pass_names(), *LAST_STAGES)


def stages(graph: Graph, *, target: Target | None = None, name: str = "main") -> Iterator[Stage]:
    """Every stage as text, each computed when it is asked for."""
    target = target or host()
    yield Stage("graph", print_graph(graph))
    result = graph
    for stage, result, milliseconds in run_passes(graph):
        yield Stage(stage, print_graph(result), milliseconds)
    start = time.perf_counter()
    state, plan, _ = build(graph, result, target, name)
    spent = (time.perf_counter() - start) * 1e3
    lines = sources(state)
    yield Stage("kernels", "\n\n".join(print_kernel(k) for k, _ in state.names.values()), spent, lines)
    yield Stage("plan", print_plan(plan), sources=lines)
    yield Stage("llvm", state.module.text(), sources=lines)
    start = time.perf_counter()
    text = assembly(state.module.text(), target)
    yield Stage("asm", text, (time.perf_counter() - start) * 1e3, lines)


def sources(state: Build) -> dict[str, tuple[Location, ...]]:
    """The user's lines behind every kernel and every function emitted for kernels."""
    lines: dict[str, dict[Location, None]] = {}
    for kernel, emitted in state.names.values():
        for name in (kernel.name, emitted.name):
            lines.setdefault(name, {}).update(dict.fromkeys(kernel.locations))
    return {name: tuple(found) for name, found in lines.items()}


def options() -> Mapping[str, str]:
    """What changes the code that a graph compiles to, beside the graph and the target: part of every cache key."""
    return {"fp": str(flags.FP.get())}
