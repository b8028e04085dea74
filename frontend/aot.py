"""Functions as C libraries that run without Python: `ingot.aot.build`."""

from __future__ import annotations

import platform
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ingot import tree
from ingot.compiler import aot, pipeline
from ingot.compiler.aot import Captured, Function, Library
from ingot.compiler.aot.interface import Weights, identifier
from ingot.compiler.codegen import target as targets
from ingot.compiler.codegen.target import Target
from ingot.compiler.dims import Dim, Symbol
from ingot.compiler.ir import Graph, Value
from ingot.compiler.passes.decompose import decompose
from ingot.jit import trace_specs
from ingot.reach import reach
from ingot.recording import Fresh, GradientSlot, Recording, Same, SameArgument
from ingot.runtime import dtypes
from ingot.runtime.errors import BuildError, SpecError
from ingot.runtime.layout import Layout
from ingot.tracing import Argument, CapturedTensor, HostNumber, Source

# A processor of the last ten years, by the name that `platform` has for this machine's architecture.
_BASELINES = {"x86_64": "x86-64-v3", "AMD64": "x86-64-v3", "aarch64": "aarch64", "arm64": "aarch64"}


def baseline() -> str:
    """The target that is built for unless another is named: a stated baseline, never all that this machine has."""
    return _BASELINES.get(platform.machine(), platform.machine())


def build(
    functions: Callable[..., Any] | Sequence[Callable[..., Any]],
    folder: str | Path,
    *,
    name: str | None = None,
    specs: Sequence[Any] | None = None,
    target: str | None = None,
    emit: Sequence[str] = ("archive", "header"),
    weights: Weights = "inside",
) -> tuple[Path, ...]:
    """Compile functions into one C library in `folder`; the paths of the files that were written.

    Each function has its specs from `@jit(specs=...)`, or one function has them here. `name` is the prefix of all C
    names (default: the first function's name), `target` one of `ingot.compiler.codegen.target.TARGETS` or "host",
    `emit` some of obj, archive, shared and header. The tensors that functions use besides their arguments are inside
    the library or, with weights="beside", in a safetensors file next to it.

    Raises what tracing raises; SpecError (IG705, IG708), UnknownNameError (IG401, IG704), BuildError (IG707, IG710),
    OutputError (IG602). All files are written, or none.
    """
    several = tuple(functions) if isinstance(functions, Sequence) else (functions,)
    if not several or (specs is not None and len(several) > 1):
        raise SpecError(
            "IG708", "specs= describes the arguments of exactly one function", fix="@ingot.jit(specs=[...])"
        )
    kinds = aot.emitted(emit)
    chosen = targets.named(target or baseline())
    named = by_name([(function_name(f), Traced(f, trace_specs(f, specs))) for f in several])
    made = library(named, name or next(iter(named)), chosen, weights)
    return aot.build(made, Path(folder), kinds)


def by_name(functions: Sequence[tuple[str, Traced]]) -> dict[str, Traced]:
    """The functions by name. Raises SpecError (IG705) where two share one."""
    named = dict(functions)
    if len(named) < len(functions):
        names = [name for name, _ in functions]
        twice = next(name for name in names if names.count(name) > 1)
        raise SpecError("IG705", f"two functions are called {twice}; in C their names would be one", fix="rename one")
    return named


def function_name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


class Traced(NamedTuple):
    """A function and its trace."""

    function: Callable[..., Any]
    recording: Recording


def library(functions: Mapping[str, Traced], name: str, target: Target, weights: Weights = "inside") -> Library:
    """Translate the functions; tensors that several of them use are in the library once."""
    tensors = Tensors()
    compiled = []
    for label, (function, recording) in functions.items():
        tensors.learn(function)
        compiled.append(compiled_function(label, recording, target, tensors))
    return Library(name, target, tuple(compiled), tuple(tensors.captured.values()), weights)


def compiled_function(name: str, recording: Recording, target: Target, tensors: Tensors) -> Function:
    """One function of a library, from its trace."""
    graph, sources, names = essential(name, recording)
    check_freestanding(graph)
    made = pipeline.translate(graph, target=target, name=identifier(name))
    outputs = tuple(replace(slot, name=n) for slot, n in zip(made.program.outputs, names, strict=True))
    captured = {
        i: tensors.name_of(source, value, name)
        for i, (source, value) in enumerate(zip(sources, graph.inputs, strict=True))
        if not isinstance(source, Argument)
    }
    program = replace(made.program, outputs=outputs)
    return Function(name, program, made.llvm, captured, made.workspace, tuple(symbols(graph)))


def check_freestanding(graph: Graph) -> None:
    """Raises BuildError (IG371) for an operation that compiled code leaves to NumPy."""
    for value in decompose(graph).values:
        if "hosted" in value.op.traits:
            raise BuildError(
                "IG371",
                f"{graph.name}: {value.op.name} of {value.operands[0].type} is computed by NumPy, which a C library "
                "cannot call",
                where=str(value.location) if value.location else None,
            )
        for attr in value.attrs.values():
            if isinstance(attr, Graph):
                check_freestanding(attr)


def symbols(graph: Graph) -> Iterator[Symbol]:
    """The named sizes of the inputs, each once."""
    sizes = [n for value in graph.inputs for n in value.shape if isinstance(n, Dim)]
    yield from dict.fromkeys(symbol for n in sizes for symbol in sorted(n.symbols, key=str))


def essential(name: str, recording: Recording) -> tuple[Graph, tuple[Source, ...], list[str]]:
    """The graph without what only Python would see afterwards (`.grad` of parameters), its sources, and the names of
    its outputs. Captured tensors that nothing needs any more are gone, arguments stay.

    Raises BuildError (IG710) for a result that shares memory with an argument or a captured tensor.
    """
    graph = recording.graph
    labels = {output: f"{name}.in_place" for output, _ in graph.aliases}
    labels |= {output: label for label, output in results(name, recording)}
    kept = sorted(labels)
    position = {output: i for i, output in enumerate(kept)}
    smaller = Graph(
        graph.inputs,
        tuple(graph.outputs[output] for output in kept),
        tuple((position[output], source) for output, source in graph.aliases),
        graph.name,
    )
    written = {source for _, source in smaller.aliases}
    needed = set(smaller.values)
    inputs = [
        i
        for i, (value, source) in enumerate(zip(graph.inputs, recording.sources, strict=True))
        if isinstance(source, Argument) or i in written or value in needed
    ]
    renumbered = {old: new for new, old in enumerate(inputs)}
    aliases = tuple((output, renumbered[source]) for output, source in smaller.aliases)
    made = Graph(tuple(graph.inputs[i] for i in inputs), smaller.outputs, aliases, graph.name)
    return made, tuple(recording.sources[i] for i in inputs), [labels[output] for output in kept]


def results(name: str, recording: Recording) -> Iterator[tuple[str, int]]:
    """(name in C, graph output) of every tensor that the function returns."""
    for module, attribute in recording.attributes:
        raise BuildError(
            "IG189",
            f"{name} sets {type(module).__name__}.{attribute}: a library has no Python objects",
            fix="return the value",
        )
    for outward in recording.outward:
        raise BuildError(
            "IG315",
            f"{name} calls backward(), which goes on to {len(outward.tensors)} tensors computed outside of it",
            fix="compute them inside, or detach them",
        )
    gradients = {id(write.tensor): write.output for write in recording.grad_writes}
    in_place = {recording.sources[source] for _, source in recording.graph.aliases}
    numbers = tree.unflatten(range(len(recording.results)), recording.result_tree)
    for path, number in tree.paths(numbers):
        result = recording.results[number]
        label = "_".join(f"out{key}" if isinstance(key, int) else str(key) for key in path) or "out"
        output: int | None = None
        if isinstance(result, Fresh):
            output = result.output
        elif isinstance(result, GradientSlot):
            output = gradients[id(result.tensor)]
        elif isinstance(result, Same) and not hasattr(result.value, "_storage"):
            continue  # a Python constant, which C callers have no use for
        elif isinstance(result, SameArgument) and Argument(result.leaf) in in_place:
            continue  # the argument itself, changed in place: the caller has it
        if output is None:
            raise BuildError(
                "IG710",
                f"{name} returns ({label}) memory that belongs to an argument or to a tensor from outside",
                fix="return a copy, x.clone()",
            )
        yield label, output


class Tensors:
    """The captured tensors of a library, by the memory they are, with the names that the user's code suggests."""

    def __init__(self) -> None:
        self.captured: dict[str, Captured] = {}
        self.names: dict[tuple[int, int] | tuple[int, str], str] = {}
        self.suggested: dict[int | tuple[int, str], str] = {}
        self.held: list[Any] = []  # ids stay those of these objects

    def learn(self, function: Callable[..., Any]) -> None:
        """Remember what the function calls the tensors that it reaches: model.0.weight, optimiser.0.exp_avg."""
        for label, value, _ in reach(function).names:
            for path, tensor in named_tensors(value):
                self.held.append(tensor)
                self.suggested.setdefault(id(tensor._storage), ".".join([label, *path]))
            for i, group in enumerate(getattr(value, "param_groups", ())):
                for key in group:
                    self.suggested.setdefault((id(group), key), f"{label}.{i}.{key}")

    def suggestion(self, source: Source) -> str | None:
        """What the user's code calls a captured tensor or number."""
        if isinstance(source, HostNumber):
            return self.suggested.get((id(source.container), source.key))
        return self.suggested.get(id(source.tensor._storage)) if isinstance(source, CapturedTensor) else None

    def name_of(self, source: Source, value: Value, function: str) -> str:
        """The name of a captured tensor, which is added to the library when it is met first."""
        if isinstance(source, HostNumber):
            number = float(source.container[source.key])
            key: tuple[int, Any] = (id(source.container), source.key)
            self.held.append(source.container)
            return self.add(key, key, source.key, Captured("", dtypes.float64, (), struct.pack("<d", number)))
        if not isinstance(source, CapturedTensor):
            raise BuildError(
                "IG710",
                f"{function} reads the .grad that a tensor has before the call",
                fix="optimiser.zero_grad() first, or return gradients from ingot.func.grad",
            )
        tensor = source.tensor
        shape = tuple(n for n in value.shape if isinstance(n, int))
        contents = tensor._storage.array(Layout.of(value.dtype, shape), tensor._offset).tobytes()
        self.held.append(tensor)
        key = (id(tensor._storage), tensor._offset)
        known = self.names.get(key)
        if known is not None and self.captured[known].shape != shape:
            raise BuildError("IG710", f"two functions use different parts of the memory of {known}", fix="x.clone()")
        return self.add(key, key[0], str(value.attrs["name"]), Captured("", value.dtype, shape, contents))

    def add(self, key: Any, hint: Any, fallback: str, tensor: Captured) -> str:
        if key not in self.names:
            base = self.suggested.get(hint, fallback)
            name, count = base, 1
            while name in self.captured:
                count += 1
                name = f"{base}.{count}"
            self.names[key] = name
            self.captured[name] = replace(tensor, name=name)
        return self.names[key]


def named_tensors(value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The tensors inside a tensor, module, optimiser or tree of them, with their paths."""
    if hasattr(value, "_storage"):
        yield (), value
    elif hasattr(value, "named_parameters") and not isinstance(value, type):
        yield from (((name,), tensor) for name, tensor in value.named_parameters())
        yield from (((name,), tensor) for name, tensor in value.named_buffers())
    elif hasattr(value, "param_groups"):
        parameters = [p for group in value.param_groups for p in group["params"]]
        for number, parameter in enumerate(parameters):
            for key, tensor in value.state.get(parameter, {}).items():
                yield from (((str(number), str(key), *path), t) for path, t in named_tensors(tensor))
    elif isinstance(value, list | tuple | dict):
        for path, leaf in tree.paths(value):
            yield from (((*map(str, path), *rest), t) for rest, t in named_tensors(leaf) if leaf is not value)
