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
from ingot.runtime.dtypes import DType, bool_, float32, int64


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


def test_product_that_is_read_both_ways_is_computed_once() -> None:
    x, y = tensor("x", 17, 20), tensor("y", 20, 30)
    product = apply("dot_general", x, y, contract=((1,), (0,)), batch=((), ()))
    turned = apply("permute", product, axes=(1, 0))
    for outputs, styles in (((turned,), ["contract"]), ((product, turned), ["contract", "loop"])):
        graph = Graph((x, y), outputs)
        assert [v.attrs["style"] for v in kernels(graph)] == styles
        check(graph, len(styles))


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
    """One kernel per contraction, reduction and loss of a training step, one that checks the labels, none between."""
    check(sgd_step(8, (12, 9, 5)), 10)


@pytest.mark.parametrize("shape", [(1 << 17,), (40, 1 << 12)])
def test_long_sum_is_cut_for_the_threads(shape: tuple[int, ...]) -> None:
    x = tensor("x", *shape)
    check(Graph((x,), (apply("sum", apply("mul", x, x), axes=tuple(range(len(shape)))),)), 2)


@pytest.mark.parametrize("dtype", [float32, bool_])
def test_one_hot_scatter_is_no_kernel_of_its_own(dtype: DType) -> None:
    x, u = (tensor(name, 6, n, dtype=dtype) for name, n in (("x", 5), ("u", 1)))
    i = tensor("i", 6, 1, dtype=int64)
    for mode in ("set", "add", "max"):
        written = apply("scatter", x, i, u, axis=1, mode=mode)
        # One more checks the indices.
        check(Graph((x, i, u), (apply("eq", written, x),)), 2)


def test_views_of_views_are_not_repeated_without_end() -> None:
    """Each roll reads the one before it at two places: ten of them in one kernel would be 1024 loads."""
    x = tensor("x", 8, 9)
    value = x
    for _ in range(10):
        rows, columns = static(value.shape)
        parts = [((1, 0), (rows, columns)), ((0, 0), (1, columns))]
        cut = [apply("slice", value, start=start, stop=stop, step=(1, 1)) for start, stop in parts]
        value = apply("permute", apply("concat", *cut, axis=0), axes=(1, 0))
    check(Graph((x,), (apply("exp", value),)), 3)


def test_long_chains_of_views_and_of_ops_compile() -> None:
    x = tensor("x", 6)
    padded, summed = x, x
    for i in range(150):
        padded = apply("flip", apply("pad", padded, low=(1,), high=(0,), interior=(0,), value=1.0), axes=(0,))
        padded = apply("slice", padded, start=(0,), stop=(6,), step=(1,))
        summed = apply("sub", apply("reshape", x, shape=summed.shape), summed)
        summed = apply("reshape", summed, shape=(2, 3) if i % 2 == 0 else (6,))
    check(Graph((x,), (padded, summed)), 15)


@pytest.mark.parametrize("count", [5, 33, 500])
def test_concat_of_many(count: int) -> None:
    """Up to 32 operands make one kernel; more become concats of concats."""
    given = tuple(tensor(f"x{i}", 2, 1 + i % 2) for i in range(count))
    check(Graph(given, (apply("concat", *given, axis=1),)), {5: 1, 33: 2, 500: 17}[count])
