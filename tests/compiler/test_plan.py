"""Memory: what is written in place, what is reused, what must be copied."""

from __future__ import annotations

import numpy as np
from graphs import apply, sgd_step, tensor
from running import run_program

from ingot.compiler import pipeline
from ingot.compiler.codegen.target import host
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph
from ingot.compiler.ops.source import scalar_like
from ingot.compiler.passes.plan import Arena, Copy, Launch, Plan
from ingot.runtime.dtypes import int32


def plan(graph: Graph) -> Plan:
    *_, (_, fused, _) = pipeline.run_passes(graph)
    return pipeline.build(graph, fused, host(), "test")[1]


def check(graph: Graph, *arrays: np.ndarray) -> None:
    want = interpret(graph, *arrays)
    for got, expected in zip(run_program(pipeline.compile(graph, name="test"), arrays), want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_training_step_updates_parameters_in_place_without_a_copy() -> None:
    steps = plan(sgd_step(8, (12, 9, 5))).steps
    assert not any(isinstance(s, Copy) for s in steps)


def test_result_replaces_the_input_it_is_computed_from() -> None:
    x = tensor("x", 50)
    graph = Graph((x,), (apply("exp", x),), ((0, 0),))
    (step,) = plan(graph).steps
    assert isinstance(step, Launch) and len(set(step.buffers)) == 1
    check(graph, np.linspace(-1, 1, 50, dtype=np.float32))


def test_readers_of_the_old_value_run_before_it_is_replaced() -> None:
    """The transposed product reads all of w; its update may only be written afterwards."""
    w, x = tensor("w", 6, 6), tensor("x", 6, 6)
    product = apply("dot_general", x, w, contract=((1,), (0,)), batch=((), ()))
    graph = Graph((w, x), (apply("mul", w, scalar_like(w, 2.0)), product), ((0, 0),))
    rng = np.random.default_rng(0)
    check(graph, *(rng.standard_normal((6, 6)).astype(np.float32) for _ in range(2)))


def test_a_product_does_not_overwrite_its_own_operand() -> None:
    w = tensor("w", 6, 6)
    graph = Graph((w,), (apply("dot_general", w, w, contract=((1,), (0,)), batch=((), ())),), ((0, 0),))
    assert any(isinstance(s, Copy) for s in plan(graph).steps)
    check(graph, np.random.default_rng(0).standard_normal((6, 6)).astype(np.float32))


def test_a_transpose_does_not_overwrite_its_own_operand() -> None:
    w = tensor("w", 6, 6)
    graph = Graph((w,), (apply("exp", apply("permute", w, axes=(1, 0))),), ((0, 0),))
    check(graph, np.random.default_rng(0).standard_normal((6, 6)).astype(np.float32))


def test_swapping_two_inputs() -> None:
    a, b = tensor("a", 5), tensor("b", 5)
    graph = Graph((a, b), (b, a), ((0, 0), (1, 1)))
    check(graph, np.arange(5, dtype=np.float32), np.arange(5, 10, dtype=np.float32))


def test_old_value_returned_beside_the_new_one() -> None:
    a = tensor("a", 5)
    graph = Graph((a,), (a, apply("exp", a)), ((1, 0),))
    check(graph, np.arange(5, dtype=np.float32))


def test_same_value_in_two_outputs() -> None:
    a = tensor("a", 5)
    e = apply("exp", a)
    check(Graph((a,), (e, e, a)), np.arange(5, dtype=np.float32))


def test_chain_of_kernels_needs_two_blocks() -> None:
    """Each product reads the one before, so two buffers serve any number of them."""
    x = tensor("x", 16, 16)
    value = x
    for _ in range(10):
        value = apply("dot_general", value, x, contract=((1,), (0,)), batch=((), ()))
    assert plan(Graph((x,), (value,))).arena == 2 * 16 * 16 * 4


def test_arena_joins_neighbouring_free_blocks() -> None:
    arena = Arena()
    blocks = [arena.take(64) for _ in range(4)]
    for offset in (blocks[0], blocks[2], blocks[1]):
        arena.give(64, offset)
    assert arena.take(192) == 0
    assert arena.size == 256


def test_large_constants_become_data() -> None:
    table = np.arange(100, dtype=np.float32)
    x = tensor("x", 100)
    from ingot.compiler.ops.source import constant

    check(Graph((x,), (apply("add", x, constant(table)), constant(table))), np.ones(100, np.float32))


def test_one_result_replaces_an_operand_that_another_result_of_the_kernel_reads_too() -> None:
    a, b = tensor("a", 5), tensor("b", 5)
    turned = apply("cumsum", a, axis=0, reverse=False)
    shared = apply("mul", a, b)
    graph = Graph((a, b), (apply("cumsum", apply("exp", shared), axis=0), apply("add", turned, shared)))
    check(graph, np.arange(5, dtype=np.float32), np.ones(5, np.float32))


def test_indices_that_are_read_elsewhere_are_not_overwritten() -> None:
    """A rolled index reads ahead of where the result is written, so the result may not replace the indices."""
    x, indices = tensor("x", 300), tensor("i", 300, dtype=int32)
    rolled = apply("slice", apply("concat", indices, indices, axis=0), start=(7,), stop=(307,), step=(1,))
    taken = apply("cast", apply("take", x, rolled, axis=0), dtype=int32)
    graph = Graph((x, indices), (taken,), ((0, 1),))
    check(graph, np.arange(300, dtype=np.float32), np.roll(np.arange(300, dtype=np.int32), 150))
