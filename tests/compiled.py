"""Runs a graph as compiled code, with guards around every result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ingot.compiler import pipeline
from ingot.compiler.codegen.target import Target
from ingot.compiler.ir import Graph
from ingot.runtime.executable import Executable

Array = np.ndarray[Any, Any]

GUARD = 256  # bytes before and after each result that nothing may write
FILL = 0xA5


def compiled(graph: Graph, arrays: Sequence[Array], target: Target | None = None) -> list[Array]:
    """The outputs, which start as garbage. AssertionError where code writes beside them or into an input."""
    program = pipeline.compile(graph, name="k", target=target)
    executable = Executable(program)
    inputs = [np.ascontiguousarray(a) for a in arrays]
    before = [a.tobytes() for a in inputs]
    memory, outputs = [], []
    for slot in program.outputs:
        shape = [n for n in slot.shape if isinstance(n, int)]
        raw = np.full(math.prod(shape) * slot.dtype.itemsize + 2 * GUARD, FILL, np.uint8)
        memory.append(raw)
        outputs.append(raw[GUARD : raw.size - GUARD].view(slot.dtype.numpy).reshape(shape))
    executable.call([a.ctypes.data for a in (*inputs, *outputs)])
    for number, raw in enumerate(memory):
        assert (raw[:GUARD] == FILL).all() and (raw[-GUARD:] == FILL).all(), f"written beside output {number}"
    for number, (a, old) in enumerate(zip(inputs, before, strict=True)):
        assert a.tobytes() == old, f"input {number} was written"
    return outputs
