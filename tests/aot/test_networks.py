"""Compiled graphs as C libraries, on every kind of processor that this machine can run or emulate."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aot import toolchain

from ingot.compiler import aot, pipeline
from ingot.compiler.aot.interface import Weights
from ingot.compiler.codegen import target
from ingot.compiler.dims import Dim, Symbol
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, Size, TensorType, Value
from ingot.compiler.ops.contract import dot_general
from ingot.compiler.ops.elementwise import add, maximum
from ingot.compiler.ops.source import input as graph_input
from ingot.compiler.ops.source import zeros_like
from ingot.compiler.ops.view import expand, reshape
from ingot.runtime import dtypes

WIDTHS = (64, 48, 10)
ROWS = 7


def given(name: str, *shape: Size) -> Value:
    return graph_input(type=TensorType(dtypes.float32, shape), name=name)


def perceptron(rows: Size) -> Graph:
    """Two layers; the inputs are x and then weight and bias of each layer."""
    x = given("x", rows, WIDTHS[0])
    inputs, hidden = [x], x
    for layer, (before, after) in enumerate(pairwise(WIDTHS)):
        weight, bias = given(f"{layer}.weight", after, before), given(f"{layer}.bias", after)
        inputs += [weight, bias]
        product = dot_general(hidden, weight, contract=((1,), (1,)), batch=((), ()))
        hidden = add(product, expand(reshape(bias, shape=(1, after)), shape=(rows, after)))
        if layer == 0:
            hidden = maximum(hidden, zeros_like(hidden))
    return Graph(tuple(inputs), (hidden,), name="predict")


def arrays() -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """x for ROWS rows, then the weights."""
    rng = np.random.default_rng(0)
    shapes: list[tuple[int, ...]] = [(ROWS, WIDTHS[0])]
    for before, after in pairwise(WIDTHS):
        shapes += [(after, before), (after,)]
    return [rng.standard_normal(shape, np.float32) / np.float32(4) for shape in shapes]


def network(on: str, rows: Size, weights: Weights = "inside") -> aot.Library:
    graph, chosen = perceptron(rows), target.named(on)
    made = pipeline.translate(graph, target=chosen, name="predict")
    names = [str(value.attrs["name"]) for value in graph.inputs[1:]]
    tensors = [
        aot.Captured(name, dtypes.float32, array.shape, array.tobytes())
        for name, array in zip(names, arrays()[1:], strict=True)
    ]
    symbols: tuple[Symbol, ...] = tuple(rows.symbols) if isinstance(rows, Dim) else ()
    captured = dict(enumerate(names, 1))
    function = aot.Function("predict", made.program, made.llvm, captured, made.workspace, symbols)
    return aot.Library("net", chosen, (function,), tuple(tensors), weights)


DRIVER = r"""
#include "net.h"
#include <stdio.h>
#include <stdlib.h>

static const float x[] = {@X@};
static float out[@ROWS@ * 10];

int main(void) {
    size_t size = net_predict_workspace_size(@SIZE@);
    char *memory = malloc(size + 64);
    void *workspace = (void *)(((uintptr_t)memory + 63) / 64 * 64);
    int32_t status = net_predict(@SIZE@@COMMA@ x, out, workspace, NULL);
    int i;
    if (status != NET_OK) {
        fprintf(stderr, "%s\n", net_error(status));
        return 1;
    }
    for (i = 0; i < @ROWS@ * 10; i++) printf("%.9g\n", out[i]);
    free(memory);
    return 0;
}
"""


def driver(named: bool) -> str:
    literals = ", ".join(f"{value:.9e}f" for value in arrays()[0].reshape(-1).tolist())
    text = DRIVER.replace("@X@", literals).replace("@ROWS@", str(ROWS))
    return text.replace("@SIZE@", str(ROWS) if named else "").replace("@COMMA@", "," if named else "")


def expected() -> np.ndarray[Any, np.dtype[np.float32]]:
    (out,) = interpret(perceptron(ROWS), *arrays())
    return np.asarray(out)


@pytest.mark.parametrize("named", [False, True], ids=["static", "named"])
@pytest.mark.parametrize("on", ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64"])
def test_a_network_in_c(tmp_path: Path, on: str, named: bool) -> None:
    toolchain.c_compiler(on)
    command = toolchain.runner(on)
    aot.build(network(on, Dim("b", 1, 4096) if named else ROWS), tmp_path, ["archive", "header"])
    program = toolchain.compile_c(driver(named), tmp_path / "run", tmp_path / "libnet.a", on=on, static=True)
    out = np.array([float(line) for line in toolchain.run([*command, program]).split()]).reshape(ROWS, 10)
    np.testing.assert_allclose(out, expected(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("on", list(target.TARGETS))
def test_nothing_but_the_header_is_defined_and_nothing_is_missing(tmp_path: Path, on: str) -> None:
    made = network(on, Dim("b", 1, 4096))
    aot.build(made, tmp_path, ["obj", "header"])
    assert toolchain.defined(tmp_path / "net.o") == set(made.exports)
    assert toolchain.undefined(tmp_path / "net.o") <= {"memcpy", "memset", "memmove"}


@pytest.mark.parametrize("on", list(target.TARGETS))
def test_code_is_small(on: str) -> None:
    code = aot.files(network(on, Dim("b", 1, 4096), "beside"), ["obj"])["net.o"]
    assert len(code) < 100_000
