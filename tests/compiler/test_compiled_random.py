"""Random graphs: compiled code gives what the interpreter gives."""

from __future__ import annotations

import numpy as np
import pytest
from random_graphs import assert_close, draw
from running import run

from ingot.compiler.interpret import interpret
from ingot.compiler.text_print import print_graph

# A test takes one block of seeds, so that a failure names few and the run is not drowned in test items.
BLOCK = 50


@pytest.mark.parametrize("block", range(20))
def test_compiled_code_is_the_interpreter(block: int) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        graph, arrays = draw(seed)
        want, got = interpret(graph, *arrays), run(graph, arrays)
        for number, (expected, actual) in enumerate(zip(want, got, strict=True)):
            try:
                assert_close(actual, np.asarray(expected))
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, output {number}: {error}\n{print_graph(graph)}") from None
