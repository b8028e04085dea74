"""The whole op table on other processors: freestanding objects everywhere, and right answers where they can be run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from aot import toolchain
from op_cases import Array, cases, close, together

from ingot.compiler import pipeline
from ingot.compiler.codegen import target
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.program import Program

TOLERANCE = {"f16": 2e-3, "bf16": 1.6e-2, "f32": 1e-5, "f64": 1e-13}
EMULATED = ("x86-64-v2", "aarch64")
DTYPES = [dtypes.by_short(short) for short in ("bool", "i8", "i64", "f16", "bf16", "f32", "f64")]


def table(dtype: DType) -> tuple[Graph, list[Array]]:
    """One graph with every row and sample of a dtype, and its operands. `native_call` needs a host function."""
    chosen = (c for c in cases(dtype) if c.op.kind != "call" and c.op.name not in ("input", "get"))
    graph, arrays, _ = together(chosen, "table")
    return graph, arrays


def compiled(graph: Graph, on: str, folder: Path) -> Program:
    """Also folder/table.o, which defines one function and needs nothing that a freestanding system lacks."""
    program = pipeline.compile(graph, target=target.named(on), name="table")
    (folder / "table.o").write_bytes(program.object_code)
    assert toolchain.undefined(folder / "table.o") <= {"memcpy", "memset", "memmove"}
    assert toolchain.defined(folder / "table.o") == {"table"}
    return program


@pytest.mark.parametrize("on", [name for name in target.TARGETS if name not in EMULATED])
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.short)
def test_objects_need_nothing(tmp_path: Path, on: str, dtype: DType) -> None:
    compiled(table(dtype)[0], on, tmp_path)


DRIVER = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int32_t table(void *const *buffers, const int64_t *sizes, void *workspace, const void *context);

static const size_t bytes[] = {@BYTES@};
enum { INPUTS = @INPUTS@, BUFFERS = sizeof bytes / sizeof *bytes };

static void *block(size_t size) {
    char *memory = calloc(1, size + 128);
    return memory == NULL ? NULL : (void *)(((uintptr_t)memory + 63) / 64 * 64);
}

int main(int count, char **arguments) {
    static void *buffers[BUFFERS];
    FILE *in = fopen(arguments[1], "rb"), *out = fopen(arguments[2], "wb");
    int32_t status;
    int i;
    if (count != 3 || in == NULL || out == NULL) return 2;
    for (i = 0; i < BUFFERS; i++) {
        buffers[i] = block(bytes[i]);
        if (i < INPUTS && fread(buffers[i], 1, bytes[i], in) != bytes[i]) return 3;
    }
    status = table(buffers, NULL, block(@WORKSPACE@), NULL);
    if (status != 0) return 4;
    for (i = INPUTS; i < BUFFERS; i++) fwrite(buffers[i], 1, bytes[i], out);
    return fclose(out);
}
"""


def run(program: Program, graph: Graph, arrays: Sequence[Array], on: str, folder: Path) -> list[Array]:
    """The outputs of the graph, whose object lies in the folder, from a process of the target."""
    command = toolchain.emulator(on)
    types = [value.type for value in graph.outputs]
    shapes = [tuple(n for n in t.shape if isinstance(n, int)) for t in types]
    made = [np.empty(shape, t.dtype.numpy) for shape, t in zip(shapes, types, strict=True)]
    sizes = ", ".join(str(a.nbytes) for a in (*arrays, *made))
    source = DRIVER.replace("@BYTES@", sizes).replace("@INPUTS@", str(len(arrays)))
    source = source.replace("@WORKSPACE@", str(program.workspace_bytes))
    (folder / "in").write_bytes(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays))
    main = toolchain.compile_c(source, folder / "main", folder / "table.o", on=on, static=True)
    toolchain.run([*command, main, folder / "in", folder / "out"])
    data, start = (folder / "out").read_bytes(), 0
    for i, empty in enumerate(made):
        made[i] = np.frombuffer(data[start : start + empty.nbytes], empty.dtype).reshape(empty.shape)
        start += empty.nbytes
    return made


@pytest.mark.parametrize("on", EMULATED)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.short)
def test_answers_under_emulation(tmp_path: Path, on: str, dtype: DType) -> None:
    graph, arrays = table(dtype)
    program = compiled(graph, on, tmp_path)
    toolchain.c_compiler(on)
    found, expected = run(program, graph, arrays, on, tmp_path), interpret(graph, *arrays)
    for value, got, want in zip(graph.outputs, found, expected, strict=True):
        near = TOLERANCE.get(value.dtype.short, 0.0)
        close(got, np.asarray(want), relative=near, absolute=near, what=value)
