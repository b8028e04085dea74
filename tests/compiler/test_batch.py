"""vmap as a pass. Each row's rule: test_ops_table.py; random graphs against their examples: test_random_graphs.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ingot.compiler.dims import Dim
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, Location, TensorType, Value, at
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.contract import dot_general
from ingot.compiler.ops.elementwise import add, mul
from ingot.compiler.ops.reduce import sum
from ingot.compiler.ops.sort import sort
from ingot.compiler.ops.source import get
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.transcendental import exp, sin
from ingot.compiler.passes.batch import batch, batched_outputs
from ingot.compiler.passes.grad import grad
from ingot.compiler.verify import verify
from ingot.runtime.dtypes import float64
from ingot.runtime.errors import GradError

NUMBERS = np.random.default_rng(0)


def value(*shape: int, name: str = "x") -> Value:
    return make_input(type=TensorType(float64, shape), name=name)


def loss() -> Graph:
    """sum(exp(a @ w)) for one example a."""
    w, a = value(3, 4, name="w"), value(2, 3, name="a")
    product = dot_general(a, w, contract=((1,), (0,)), batch=((), ()))
    return Graph((w, a), (sum(exp(product), axes=(0, 1)),))


def test_gradients_of_every_example() -> None:
    graph = batch(grad(loss(), [0]), 6, [False, True])
    verify(graph)
    w, a = NUMBERS.standard_normal((3, 4)), NUMBERS.standard_normal((6, 2, 3))
    (got,) = interpret(graph, w, a)
    np.testing.assert_allclose(got, np.stack([interpret(grad(loss(), [0]), w, one)[0] for one in a]))


def test_what_is_shared_is_computed_once() -> None:
    x, y = value(3), value(3, name="y")
    graph = batch(Graph((x, y), (mul(sin(x), y),)), 5, [False, True])
    (shared,) = (v for v in graph.values if v.op.name == "sin")
    assert shared.shape == (3,)


def test_every_output_is_batched() -> None:
    x, y = value(3), value(3, name="y")
    graph = Graph((x, y), (add(x, x), add(x, y), y), aliases=((0, 0), (2, 1)))
    mapped = batch(graph, 4, [False, True])
    assert [v.shape for v in mapped.outputs] == [(4, 3)] * 3
    assert mapped.aliases == ((2, 1),)
    verify(mapped)
    assert batched_outputs(graph, [False, True]) == (False, True, True)
    assert batched_outputs(graph, [False, False]) == (False, False, False)


def test_batches_nest() -> None:
    x = value(3)
    inner = Graph((x,), (sum(mul(x, x), axes=(0,)),))
    twice = batch(batch(inner, 4, [True]), 5, [True])
    array = NUMBERS.standard_normal((5, 4, 3))
    np.testing.assert_allclose(interpret(twice, array)[0], (array**2).sum(2))


@pytest.mark.parametrize("size", [0, 1])
def test_small_batches(size: int) -> None:
    w, a = np.ones((3, 4)), np.ones((size, 2, 3))
    assert interpret(batch(loss(), size, [False, True]), w, a)[0].shape == (size,)


def test_the_size_may_be_named() -> None:
    graph = batch(loss(), Dim("b"), [False, True])
    verify(graph)
    w, a = NUMBERS.standard_normal((3, 4)), NUMBERS.standard_normal((7, 2, 3))
    np.testing.assert_allclose(interpret(graph, w, a)[0], [interpret(loss(), w, one)[0] for one in a])


def test_ops_with_several_results() -> None:
    x = value(3)
    both = sort(x, axis=0, descending=False)
    mapped = batch(Graph((x,), (get(both, index=0), get(both, index=1))), 4, [True])
    array = NUMBERS.standard_normal((4, 3))
    values, places = interpret(mapped, array)
    np.testing.assert_array_equal(values, np.sort(array))
    np.testing.assert_array_equal(places, np.argsort(array))


def test_values_keep_their_location() -> None:
    x = value(3)
    with at(Location("model.py", 5)):
        y = sin(x)
    mapped = batch(Graph((x,), (y,)), 4, [True])
    assert mapped.outputs[0].location == Location("model.py", 5)


def test_a_missing_rule_names_the_op_and_the_line() -> None:
    missing = [op for op in TABLE.values() if op.batch is None and op.kind != "source"]
    assert missing == []
    x = value(3)
    with at(Location("model.py", 5)):
        y = replace(sin, batch=None)(x)
    with pytest.raises(GradError, match=r"sin cannot be batched\n  at model.py:5") as caught:
        batch(Graph((x,), (y,)), 4, [True])
    assert caught.value.code == "IG355"
