"""Runs graphs as compiled code, with guards around every result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from graphs import static

from ingot.compiler import pipeline
from ingot.compiler.codegen.object_code import object_code
from ingot.compiler.codegen.target import Target, host
from ingot.compiler.ir import Graph
from ingot.compiler.specialize import bound, specialize
from ingot.runtime.executable import Executable
from ingot.runtime.program import Program

Array = np.ndarray[Any, Any]

GUARD = 256  # bytes before and after each result that nothing may write
FILL = 0xA5


def run(graph: Graph, arrays: Sequence[Array], target: Target | None = None) -> list[Array]:
    return run_program(pipeline.compile(graph, target=target, name="test"), arrays)


def run_named(graph: Graph, examples: Sequence[tuple[Mapping[str, int], Sequence[Array]]]) -> list[list[Array]]:
    """One program for all examples: (the named sizes, the arrays)."""
    target = host()
    made = pipeline.translate(graph, target=target, name="test")
    program = replace(made.program, object_code=object_code(made.llvm, target))
    results = []
    for sizes, arrays in examples:
        types = [v.type for v in specialize(graph, sizes).outputs]
        outputs = tuple(replace(s, shape=static(t.shape)) for s, t in zip(program.outputs, types, strict=True))
        sized = replace(program, outputs=outputs, workspace_bytes=bound(made.workspace, sizes))
        results.append(run_program(sized, arrays, [sizes[name] for name in program.dims]))
    return results


def run_program(program: Program, arrays: Sequence[Array], dims: Sequence[int] = ()) -> list[Array]:
    """The outputs, which start as garbage; one that replaces an input is what the input's memory holds afterwards.

    Arrays without elements are at address 0, where reading is fatal.

    AssertionError where code writes beside an output or into an input that no output replaces.
    """
    inputs = [np.array(a, order="C") for a in arrays]
    before = [a.tobytes() for a in inputs]
    memory, outputs = [], []
    for slot in program.outputs:
        shape = [n for n in slot.shape if isinstance(n, int)]
        raw = np.full(math.prod(shape) * slot.dtype.itemsize + 2 * GUARD, FILL, np.uint8)
        memory.append(raw)
        outputs.append(raw[GUARD : raw.size - GUARD].view(slot.dtype.numpy).reshape(shape))
    Executable(program).call([a.ctypes.data if a.size else 0 for a in (*inputs, *outputs)], dims)
    for number, raw in enumerate(memory):
        assert (raw[:GUARD] == FILL).all() and (raw[-GUARD:] == FILL).all(), f"written beside output {number}"
    replaced = {output: source for source, output in program.aliases}
    for number, (a, old) in enumerate(zip(inputs, before, strict=True)):
        assert number in replaced.values() or a.tobytes() == old, f"input {number} was written"
    return [inputs[replaced[i]] if i in replaced else output for i, output in enumerate(outputs)]
