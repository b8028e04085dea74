"""A recording made runnable: compiled (from the disk cache if it is there), and called either natively or from here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ingot import compiler, tree
from ingot.attributes import set_all
from ingot.autograd.walk import backward as pull_back
from ingot.compiled_gradient import Gradient, attach, copies
from ingot.compiler import ir
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph
from ingot.core import TensorBase, array_of, bump_version, new_tensor, tensor_from_array
from ingot.fingerprint import fingerprint
from ingot.gate import apply_view
from ingot.modes import modes
from ingot.mutation import written_elsewhere
from ingot.recording import Fresh, GradientSlot, Recording, Result, Same, SameArgument, ViewOf, ViewThrough
from ingot.runtime import cache, timeline
from ingot.runtime.executable import Executable
from ingot.runtime.layout import Layout
from ingot.runtime.program import Program
from ingot.runtime.specialise import (
    DictGuard,
    Guard,
    IdentityGuard,
    ListGuard,
    SlotGuard,
    Specialisation,
    TensorGuard,
    TupleGuard,
    guard_value,
)
from ingot.runtime.storage import Storage
from ingot.tracing import Argument, CapturedTensor, GradientOf, HostNumber


class Compiled:
    """A program for a graph. Raises what the compiler raises."""

    def __init__(self, graph: Graph, name: str) -> None:
        start = time.perf_counter()
        key = cache.key(cache.environment_key(_compiler_folder(), options=name), fingerprint(graph))
        stored = cache.get(key)
        self.from_cache = stored is not None
        if stored is None:
            program = compiled(graph, name)
            cache.put(key, program.to_bytes())
        else:
            program = Program.from_bytes(stored)
        self.executable = Executable(program)
        self.milliseconds = (time.perf_counter() - start) * 1e3

    @property
    def program(self) -> Program:
        """The program."""
        return self.executable.program

    def call(self, inputs: Sequence[Any], layouts: Sequence[Layout]) -> list[Any]:
        """Run on tensors; the outputs as tensors, those that replace an input's contents as that input."""
        replaced = dict(self.program.aliases)
        outputs: list[Any] = [None] * len(layouts)
        for index, output in replaced.items():
            outputs[output] = inputs[index]
        for position, layout in enumerate(layouts):
            if outputs[position] is None:
                outputs[position] = new_tensor(layout, Storage.allocate(layout.nbytes))
        self.executable.call([_address(t) for t in (*inputs, *outputs)])
        return outputs


class Interpreted:
    """A graph that the reference interpreter runs, in the place of a program."""

    from_cache = False
    milliseconds = 0.0

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def call(self, inputs: Sequence[Any], layouts: Sequence[Layout]) -> list[Any]:
        """As Compiled.call."""
        arrays = interpret(
            self.graph, *[_region_array(t, v.shape) for t, v in zip(inputs, self.graph.inputs, strict=True)]
        )
        replaced = dict(self.graph.aliases)
        outputs: list[Any] = []
        for position, array in enumerate(arrays):
            if position in replaced:
                target = _region_array(inputs[replaced[position]], array.shape)
                np.copyto(target, array)
                outputs.append(inputs[replaced[position]])
            else:
                outputs.append(tensor_from_array(np.array(array, order="C", copy=True)))
        return outputs


def _compiler_folder() -> Path:
    return Path(ir.__file__).resolve().parent


def compiled(graph: Graph, name: str) -> Program:
    """Compile now."""
    with timeline.span(name, "compile"):
        return compiler.pipeline.compile(graph, name=name)


def _address(tensor: TensorBase) -> int:
    storage: Any = tensor._storage
    return int(storage.data_ptr()) + tensor._offset * tensor._layout.itemsize


def _region_array(tensor: TensorBase, shape: Any) -> np.ndarray[Any, Any]:
    """The run of elements that a graph input shows, from the tensor's first element on."""
    if tensor._layout.shape == shape and tensor._layout.contiguous:
        return array_of(tensor)
    return tensor._storage.array(Layout.of(tensor._layout.dtype, shape), tensor._offset)


def input_tensors(recording: Recording, leaves: Sequence[Any]) -> list[Any]:
    """The tensors that the graph's inputs are at this call."""
    found: list[Any] = []
    for source in recording.sources:
        if isinstance(source, Argument):
            found.append(_argument(source, leaves[source.leaf]))
        elif isinstance(source, CapturedTensor):
            found.append(source.tensor)
        elif isinstance(source, GradientOf):
            found.append(owner_of(source.tensor, leaves)._grad)
        else:
            found.append(tensor_from_array(np.array(float(source.container[source.key]))))
    return found


def _argument(source: Argument, leaf: Any) -> Any:
    """What an argument shows of its memory to the graph."""
    if source.extent is None:
        return leaf
    return new_tensor(Layout.of(leaf._layout.dtype, (source.extent,)), leaf._storage, leaf._offset - source.back)


def owner_of(tensor: Any, leaves: Sequence[Any]) -> Any:
    """A tensor from outside, or the argument leaf with this number."""
    return leaves[tensor] if isinstance(tensor, int) else tensor


def finisher(recording: Recording) -> Callable[..., Any]:
    """What turns the returned output tensors into the function's result."""
    place = {output: i for i, output in enumerate(fresh_outputs(recording))}

    def finish(made: tuple[Any, ...], leaves: Sequence[Any] = ()) -> Any:
        known: dict[int, Any] = {}
        values = [resolve(result, made, leaves, known) for result in recording.results]
        result = tree.unflatten(values, recording.result_tree)
        if recording.attributes:
            result, attributes = result
            set_all(recording.attributes, attributes)
        for module, training in recording.training:
            module.training = training
        return result

    def resolve(result: Result, made: tuple[Any, ...], leaves: Sequence[Any], known: dict[int, Any]) -> Any:
        if isinstance(result, Fresh):
            fresh = made[place[result.output]]
            if result.retains and fresh._node is not None:
                fresh.retain_grad()
            return fresh
        if isinstance(result, Same):
            return result.value
        if isinstance(result, SameArgument):
            return leaves[result.leaf]
        if isinstance(result, GradientSlot):
            return owner_of(result.tensor, leaves)._grad
        if id(result) not in known:
            base = resolve(result.base, made, leaves, known)
            known[id(result)] = _viewed(result, base)
            if isinstance(result, ViewOf) and result.grad is not None:
                known[id(result)]._grad = made[place[result.grad.output]]
        return known[id(result)]

    return finish


def _viewed(result: ViewOf | ViewThrough, base: Any) -> Any:
    """The result as a view of its base."""
    if isinstance(result, ViewOf):
        view = new_tensor(result.layout, base._storage, base._offset + result.offset)
        view._requires_grad = result.leaf
        return view
    for (op, attrs), layout, distance in result.steps:
        base = apply_view(base, op, attrs, layout.shape, layout.strides, base._offset + distance)
    return base


def run_directly(
    recording: Recording,
    program: Compiled | Interpreted,
    finish: Callable[..., Any],
    leaves: Sequence[Any],
    backward: Callable[[Gradient], Compiled | Interpreted],
) -> Any:
    """Call from Python: everything that the native call path does, and what it cannot do."""
    inputs = input_tensors(recording, leaves)
    gradient = recording.gradient
    kept = copies(gradient, inputs) if gradient is not None and modes.grad else []
    outputs = program.call(inputs, recording.layouts)
    for output, index in recording.graph.aliases:
        bump_version(inputs[index]._storage)
        outputs[output] = inputs[index]
    apply_grad_writes(recording, outputs, leaves)
    for write in recording.tape_writes:
        if write.output is None and write.requires_grad:
            owner_of(write.tensor, leaves).requires_grad_()
    if gradient is not None and modes.grad:
        made = {output: outputs[output] for output in gradient.outputs}
        attach(gradient, lambda g, tensors: backward(g).call(tensors, g.layouts), kept, leaves, made)
    _move_written(recording, outputs, leaves)
    for outward in recording.outward:
        tensors = [owner_of(tensor, leaves) for tensor in outward.tensors]
        pull_back(tensors, [outputs[output] for output in outward.outputs], outward.retain_graph)
    result = finish(tuple(outputs[output] for output in fresh_outputs(recording)), leaves)
    for write in recording.tape_writes:
        if write.output is None and not write.requires_grad:
            owner = owner_of(write.tensor, leaves)
            owner._node = None
            owner.requires_grad_(False)
    return result


def fresh_outputs(recording: Recording) -> list[int]:
    """The outputs that are returned in memory of their own, each once."""
    gradients = [r.grad for r in recording.results if isinstance(r, ViewOf)]
    fresh = (base for base in (*map(_base, recording.results), *gradients) if isinstance(base, Fresh))
    return list(dict.fromkeys(result.output for result in fresh))


def _base(result: Result) -> Result:
    return result.base if isinstance(result, ViewOf | ViewThrough) else result


def apply_grad_writes(recording: Recording, outputs: Sequence[Any], leaves: Sequence[Any]) -> None:
    """Give tensors the gradients that the function left them with."""
    for write in recording.grad_writes:
        owner = write.tensor if write.argument is None else leaves[write.argument]
        owner.grad = write.value if write.output is None else outputs[write.output]


def _move_written(recording: Recording, outputs: Sequence[Any], leaves: Sequence[Any]) -> None:
    """Give tensors that were written to the place on the tape that the function left them at."""
    for write in recording.tape_writes:
        if write.output is not None and outputs[write.output]._node is not None:
            written_elsewhere(owner_of(write.tensor, leaves), outputs[write.output])


def needs_python(recording: Recording, leaves: Sequence[Any]) -> bool:
    """Whether calls need something that the native call path does not do."""
    storages = [id(leaf._storage) for leaf in leaves if isinstance(leaf, TensorBase)]
    return (
        len(set(storages)) < len(storages)
        or bool(recording.pinned)
        or recording.mutates_argument
        or recording.gradient is not None
        or bool(recording.tape_writes)
        or bool(recording.outward)
        or any(isinstance(owner, int) for owner, _ in recording.grads_read)
        or any(isinstance(recording.sources[index], GradientOf) for _, index in recording.graph.aliases)
        or any(w.argument is not None or w.value is not None for w in recording.grad_writes)
        or any(_needs_arguments(result) for result in recording.results)
        or any(isinstance(result, GradientSlot) for result in recording.results)
    )


def _needs_arguments(result: Result) -> bool:
    return isinstance(result, SameArgument | ViewThrough) or (
        isinstance(result, ViewOf) and isinstance(result.base, SameArgument)
    )


def specialisation(
    recording: Recording, executable: Executable, args: Sequence[Any], finish: Callable[..., Any] | None
) -> Specialisation:
    """The recording as the native call path takes it."""
    spec = Specialisation(executable)
    buffers: dict[int, int] = {}
    gradients: dict[int, int] = {}
    for index, source in enumerate(recording.sources):
        if isinstance(source, Argument):
            buffers[source.leaf] = index
        elif isinstance(source, CapturedTensor):
            spec.captured(source.tensor, source.tensor._layout, index)
        elif isinstance(source, HostNumber):
            spec.host_item(source.container, source.key, index)
        else:
            gradients[id(source.tensor)] = index
    for tensor, layout in recording.grads_read:
        kind = type(tensor._grad)
        guard = IdentityGuard(None) if layout is None else TensorGuard(kind, layout, gradients.get(id(tensor)))
        spec.look_up(SlotGuard(tensor, "_grad", guard))
    counter = iter(range(1 << 30))
    for arg in args:
        spec.argument(argument_guard(arg, buffers, counter))
    for write in recording.grad_writes:
        if write.output is None:
            spec.clear(write.tensor, "_grad")
        else:
            assert write.layout is not None
            spec.write(write.tensor, "_grad", write.layout, write.output)
    for output in fresh_outputs(recording):
        spec.output(recording.layouts[output], output)
    if finish is not None:
        spec.result("finish", finish)
    else:
        spec.result(plain_kind(recording) or "none")
    return spec


def plain_kind(recording: Recording) -> str | None:
    """How the call path can return the results by itself; None when Python must put them together."""
    results, definition = recording.results, recording.result_tree
    if recording.training:
        return None
    if definition.kind is None and isinstance(results[0], Same) and results[0].value is None:
        return "none"
    if not all(isinstance(r, Fresh) and not r.requires_grad for r in results) or len(set(results)) != len(results):
        return None
    if definition.kind is None:
        return "single"
    flat = definition.kind is tuple and all(child.kind is None for child in definition.children)
    return "tuple" if flat and results else None


def argument_guard(value: Any, buffers: dict[int, int], counter: Any) -> Guard:
    """The guard of one argument; `counter` numbers the leaves."""
    if isinstance(value, TensorBase):
        index = next(counter)
        return TensorGuard(type(value), value._layout, buffers.get(index), (("_requires_grad", value._requires_grad),))
    kind = type(value)
    if kind is tuple or kind is list or kind is dict:
        if kind is dict:
            return DictGuard(tuple((k, argument_guard(v, buffers, counter)) for k, v in value.items()))
        items = tuple(argument_guard(item, buffers, counter) for item in value)
        return TupleGuard(items) if kind is tuple else ListGuard(items)
    next(counter)
    return guard_value(value)


def is_plain(value: Any) -> bool:
    """Whether the call path can look into an argument: tuples, lists and dicts, and leaves."""
    kind = type(value)
    if kind is tuple or kind is list:
        return all(is_plain(item) for item in value)
    if kind is dict:
        return all(is_plain(item) for item in value.values())
    return tree.flatten(value)[1].kind is None
