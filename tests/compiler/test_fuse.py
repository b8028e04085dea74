"""How many kernels graphs become, and that fusing changes no result."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import apply, column, layer_norm, linear, relu, row, sgd_step, softmax, static, tensor
from running import run

from ingot.compiler import pipeline
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, Value
from ingot.compiler.ops.source import scalar_like


def kernels(graph: Graph) -> list[Value]:
    """The fused nodes after the whole pipeline."""
    *_, (_, result, _) = pipeline.run_passes(graph)
    return [v for v in result.values if v.op.name == "fused"]


def random_inputs(graph: Graph) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    made = []
    for value in graph.inputs:
        shape = static(value.shape)
        integer = value.dtype.kind == "i"
        made.append(rng.integers(0, 3, shape) if integer else rng.standard_normal(shape).astype(value.dtype.numpy))
    return made


def check(graph: Graph, count: int) -> None:
    """The graph is this many kernels, and compiled it computes what the interpreter does."""
    assert len(kernels(graph)) == count
    arrays = random_inputs(graph)
    for got, want in zip(run(graph, arrays), interpret(graph, *arrays), strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-5)


def chain(x: Value, y: Value) -> Value:
    return apply("mul", apply("exp", apply("neg", x)), apply("add", x, apply("sin", y)))


def test_elementwise_chain_is_one_kernel() -> None:
    x, y = tensor("x", 33, 7), tensor("y", 33, 7)
    check(Graph((x, y), (chain(x, y),)), 1)


def test_two_results_of_one_domain_are_one_kernel() -> None:
    x, y = tensor("x", 33, 7), tensor("y", 33, 7)
    shared = chain(x, y)
    check(Graph((x, y), (apply("cos", shared), apply("tanh", shared))), 1)


def test_softmax_is_one_kernel() -> None:
    x = tensor("x", 5, 67)
    check(Graph((x,), (softmax(x),)), 1)


def test_softmax_of_a_product_is_two_kernels() -> None:
    x, w, b = tensor("x", 9, 20), tensor("w", 30, 20), tensor("b", 30)
    check(Graph((x, w, b), (softmax(linear(x, w, b)),)), 2)


def test_layer_norm_is_one_kernel() -> None:
    x, w, b = tensor("x", 6, 50), tensor("w", 50), tensor("b", 50)
    check(Graph((x, w, b), (layer_norm(x, w, b),)), 1)


def test_epilogue_joins_its_contraction() -> None:
    x, w, b, r = tensor("x", 17, 20), tensor("w", 30, 20), tensor("b", 30), tensor("r", 17, 30)
    check(Graph((x, w, b, r), (apply("add", relu(linear(x, w, b)), r),)), 1)


def test_reduction_takes_its_producer_and_its_rows() -> None:
    x = tensor("x", 40, 30)
    total = apply("sum", apply("mul", x, x), axes=(1,))
    check(Graph((x,), (apply("sqrt", apply("add", total, scalar_like(total, 1.0))),)), 1)


def test_reduction_over_leading_axis_takes_its_epilogue() -> None:
    x = tensor("x", 40, 30)
    total = apply("sum", x, axes=(0,))
    check(Graph((x,), (apply("exp", apply("div", total, scalar_like(total, 40.0))),)), 1)


def test_rows_used_as_columns_are_another_kernel() -> None:
    """A sum of each row read along the other axis is not in the row's own iteration."""
    x = tensor("x", 12, 12)
    total = apply("sum", x, axes=(1,))
    check(Graph((x,), (apply("sub", x, column(total, x.shape)),)), 2)
    check(Graph((x,), (apply("sub", x, row(total, x.shape)),)), 1)


def test_reductions_over_different_axes_are_two_kernels() -> None:
    x = tensor("x", 12, 15)
    y = apply("exp", x)
    check(Graph((x,), (apply("sum", y, axes=(0,)), apply("sum", y, axes=(1,)))), 2)


def test_no_cycle_between_kernels() -> None:
    """exp is read by the product and, beside the product, by the sum: sum and exp may not become one kernel."""
    x, w = tensor("x", 16, 16), tensor("w", 16, 16)
    e = apply("exp", x)
    product = apply("dot_general", e, w, contract=((1,), (0,)), batch=((), ()))
    check(Graph((x, w), (apply("add", e, product),)), 2)


def test_shifted_readings_do_not_repeat_the_work() -> None:
    """A value read at several places is computed once, as memory."""
    x = tensor("x", 100)
    e = apply("exp", x)
    parts = [apply("slice", e, start=(i,), stop=(i + 90,), step=(1,)) for i in range(3)]
    check(Graph((x,), (apply("add", apply("add", parts[0], parts[1]), parts[2]),)), 2)


def test_transposed_gradient_needs_no_copy() -> None:
    """One kernel per contraction, reduction and loss of a training step, and none between."""
    check(sgd_step(8, (12, 9, 5)), 9)


@pytest.mark.parametrize("shape", [(1 << 17,), (40, 1 << 12)])
def test_long_sum_is_cut_for_the_threads(shape: tuple[int, ...]) -> None:
    x = tensor("x", *shape)
    check(Graph((x,), (apply("sum", apply("mul", x, x), axes=tuple(range(len(shape)))),)), 2)


def test_one_hot_scatter_is_no_kernel_of_its_own() -> None:
    from ingot.runtime.dtypes import int64

    x, i, u = tensor("x", 6, 5), tensor("i", 6, 1, dtype=int64), tensor("u", 6, 1)
    check(Graph((x, i, u), (apply("exp", apply("scatter", x, i, u, axis=1, mode="add")),)), 1)
