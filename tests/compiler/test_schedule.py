"""How loops are set to run: merged axes, lanes, squares, streams and chunks; and that results stay the same."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from graphs import apply, row, softmax, tensor
from running import run

from ingot.compiler import pipeline
from ingot.compiler.codegen.target import Target, host, named
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph
from ingot.compiler.kernel import For, Kernel, Store, statements
from ingot.compiler.kernel_text import print_kernel


def kernels(graph: Graph, target: Target | None = None) -> list[Kernel]:
    *_, (_, fused, _) = pipeline.run_passes(graph)
    state, _, _ = pipeline.build(graph, fused, target or named("x86-64-v4"), "test")
    return [k for k, _ in state.names.values()]


def loops(kernel: Kernel) -> list[For]:
    return [s for s in statements(kernel.body) if isinstance(s, For)]


def test_contiguous_axes_are_one_loop() -> None:
    x = tensor("x", 3, 4, 5)
    (kernel,) = kernels(Graph((x,), (apply("exp", x),)))
    (loop,) = loops(kernel)
    assert (loop.extent, loop.kind, loop.parallel) == (60, "vector", True)


def test_rows_keep_their_loop() -> None:
    x = tensor("x", 3, 4, 50)
    (kernel,) = kernels(Graph((x,), (softmax(x),)))
    assert [s.extent for s in loops(kernel)] == [12, 50, 50, 50]


@pytest.mark.parametrize(("name", "lanes"), [("x86-64-v4", 64), ("x86-64-v3", 32), ("x86-64-v2", 16), ("aarch64", 16)])
def test_lanes_follow_the_register(name: str, lanes: int) -> None:
    x = tensor("x", 1 << 12)
    (kernel,) = kernels(Graph((x,), (apply("add", x, x),)), named(name))
    assert loops(kernel)[0].lanes == lanes


def test_lanes_do_not_exceed_a_short_axis() -> None:
    x = tensor("x", 7, 10)
    (kernel,) = kernels(Graph((x,), (softmax(x),)))
    assert {s.lanes for s in loops(kernel) if s.kind == "vector"} == {16}


@pytest.mark.parametrize(("m", "n"), list(itertools.product((16, 33, 47), (16, 35, 50))))
def test_transpose_by_squares(m: int, n: int) -> None:
    x, y = tensor("x", n, m), tensor("y", m, n)
    graph = Graph((x, y), (apply("add", apply("permute", x, axes=(1, 0)), y),))
    assert any(s.tiled for s in loops(kernels(graph)[0]))
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((n, m), (m, n)))
    np.testing.assert_array_equal(run(graph, [a, b])[0], a.T + b)


def test_short_transposes_are_not_tiled() -> None:
    x = tensor("x", 8, 8)
    (kernel,) = kernels(Graph((x,), (apply("permute", x, axes=(1, 0)),)))
    assert not any(s.tiled for s in loops(kernel))


def streams(kernel: Kernel) -> bool:
    return any(isinstance(s, Store) and s.stream for s in statements(kernel.body))


def test_results_past_the_caches() -> None:
    """Only where operands and results together do not fit, and only by whole cache lines."""
    large, small, ragged = ((1 << 23,), (1 << 12,), (1 << 13, 1001))
    for shape, wanted in ((large, True), (small, False)):
        x = tensor("x", *shape)
        assert streams(kernels(Graph((x,), (apply("exp", x),)))[0]) is wanted
    x = tensor("x", *ragged)
    assert not streams(kernels(Graph((x,), (softmax(x),)))[0])


def test_streamed_kernel_serves_results_that_start_anywhere() -> None:
    """Outputs of `running` start inside a buffer, at an address that is no multiple of 64."""
    small_caches = replace(host(), l3=1 << 12)
    x = tensor("x", 64, 64)
    graph = Graph((x,), (apply("exp", x), apply("sub", x, row(apply("sum", x, axes=(1,)), x.shape))))
    assert any(streams(k) for k in kernels(graph, small_caches))
    data = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    for got, want in zip(run(graph, [data], small_caches), interpret(graph, data), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_streamed_results_of_merged_loops() -> None:
    """Two short loops are shared as one, here around stores that bypass the caches."""
    x = tensor("x", 64, 3, 2)
    graph = Graph((x,), (apply("exp", apply("permute", x, axes=(2, 1, 0))),))
    small_caches = replace(host(), l1=1 << 8, l2=1 << 9, l3=1 << 10)
    (kernel,) = kernels(graph, small_caches)
    assert streams(kernel) and loops(kernel)[0].decode
    x_array = np.random.default_rng(0).standard_normal((64, 3, 2)).astype(np.float32)
    (got,), (want,) = run(graph, [x_array], small_caches), interpret(graph, x_array)
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_golden_text() -> None:
    x = tensor("x", 6, 40)
    (kernel,) = kernels(Graph((x,), (softmax(x),)))
    text = print_kernel(kernel)
    assert (
        text
        == """\
kernel test_max_sum_0(b0: read f32, b1: write f32, b2: update f32) scratch f32[40] {
  parallel for i0 in 6 grain=1 {
    reduce r0 = max f32 {
      vector for i1 in 40 lanes=16 {
        r0 <- b0[i0*40 + i1]
      }
    }
    reduce r1 = sum f32 {
      vector for i1 in 40 lanes=16 {
        t0 = sub(b0[i0*40 + i1], r0) : f32
        t1 = exp(t0) : f32
        b2[i1] = t1
        r1 <- t1
      }
    }
    vector for i1 in 40 lanes=16 {
      t2 = div(b2[i1], r1) : f32
      b1[i0*40 + i1] = t2
    }
  }
}"""
    )


def test_sums_down_the_rows_read_a_kilobyte_of_each() -> None:
    x = tensor("x", 4096, 1000)
    (kernel,) = kernels(Graph((x,), (apply("sum", apply("mul", x, x), axes=(0,)),)))
    assert [(s.extent, s.lanes) for s in loops(kernel)] == [(1000, 256), (4096, 1)]
