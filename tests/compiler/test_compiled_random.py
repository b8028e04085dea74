"""Random graphs: compiled code gives what the interpreter gives."""

from __future__ import annotations

import numpy as np
import pytest
from random_graphs import Array, assert_close, draw
from running import run

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, TensorType
from ingot.compiler.text_print import print_graph

# A test takes one block of seeds, so that a failure names few and the run is not drowned in test items.
BLOCK = 50


def check(graph: Graph, arrays: list[Array], seed: int) -> None:
    want, got = interpret(graph, *arrays), run(graph, arrays)
    for number, (expected, actual) in enumerate(zip(want, got, strict=True)):
        try:
            assert_close(actual, np.asarray(expected))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, output {number}: {error}\n{print_graph(graph)}") from None


@pytest.mark.parametrize("block", range(20))
def test_compiled_code_is_the_interpreter(block: int) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        check(*draw(seed), seed)


def replacing(graph: Graph, seed: int) -> Graph:
    """The graph with more outputs, each of which replaces an input of its type: a result, or another input."""
    rng = np.random.default_rng(seed)
    outputs, aliases = list(graph.outputs), []
    for number, old in enumerate(graph.inputs):
        found = [v for v in graph.values if isinstance(v.type, TensorType) and v.type is old.type and v is not old]
        results = [v for v in found if v not in graph.inputs]
        chosen = found if rng.random() < 0.2 else results
        if chosen and rng.random() < 0.9:
            aliases.append((len(outputs), number))
            outputs.append(chosen[int(rng.integers(len(chosen)))])
    return graph.with_outputs(outputs, aliases)


@pytest.mark.parametrize("block", range(10))
def test_inputs_are_replaced_when_nothing_reads_them_any_more(block: int) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        graph, arrays = draw(seed, size=20)
        check(replacing(graph, seed), arrays, seed)
