"""Compile a graph and run it on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ingot.compiler import pipeline
from ingot.compiler.codegen.target import Target
from ingot.compiler.ir import Graph
from ingot.runtime.executable import Executable
from ingot.runtime.program import Program

Array = np.ndarray[Any, Any]
GUARD = 256  # bytes around every output that must stay as they were


def run_program(program: Program, arrays: Sequence[Array]) -> list[Array]:
    """The outputs; those that replace an input are a copy of what the input's memory holds afterwards."""
    executable = Executable(program)
    inputs = [np.array(a, order="C") for a in arrays]
    raw = [np.full(int(np.prod(s.shape)) * s.dtype.itemsize + 2 * GUARD, 0xA5, np.uint8) for s in program.outputs]
    outputs = [
        r[GUARD : r.size - GUARD].view(s.dtype.numpy).reshape(s.shape)
        for r, s in zip(raw, program.outputs, strict=True)
    ]
    executable.call([a.ctypes.data for a in (*inputs, *outputs)])
    for r in raw:
        assert (r[:GUARD] == 0xA5).all() and (r[-GUARD:] == 0xA5).all(), "a kernel wrote outside its output"
    replaced = {output: inputs[source] for source, output in program.aliases}
    return [replaced.get(i, o) for i, o in enumerate(outputs)]


def run(graph: Graph, arrays: Sequence[Array], target: Target | None = None) -> list[Array]:
    return run_program(pipeline.compile(graph, target=target, name="test"), arrays)
