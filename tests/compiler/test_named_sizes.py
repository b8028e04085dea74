"""One program for every value of its named sizes, 0 and 1 included."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from graphs import apply, layer_norm, linear, softmax, tensor
from running import run_named

from ingot.compiler.dims import Dim
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph
from ingot.compiler.specialize import bound

N = Dim("n", 0, 1000)


def pooled() -> Graph:
    """Strided windows: the count of a size 0 is rounded down from below zero."""
    x = tensor("x", N)
    attrs = {"stride": (2,), "dilation": (1,), "reduction": "sum"}
    windows = [((1,), ((0, 0),)), ((2,), ((1, 1),)), ((3,), ((2, 1),))]
    return Graph((x,), tuple(apply("reduce_window", x, window=w, padding=p, **attrs) for w, p in windows))


def contracted() -> Graph:
    """Sums over several axes, of which the inner ones may have no elements."""
    x, y = tensor("x", 16, N, 3), tensor("y", 16, 2, N, 3)
    return Graph((x, y), (apply("dot_general", x, y, contract=((0, 1, 2), (0, 2, 3)), batch=((), ())),))


def rows() -> Graph:
    x, w, bias = tensor("x", N, 24), tensor("w", 10, 24), tensor("bias", 10)
    return Graph((x, w, bias), (softmax(linear(x, w, bias)), layer_norm(linear(x, w, bias), bias, bias)))


def columns() -> Graph:
    x = tensor("x", 7, N)
    turned = apply("permute", x, axes=(1, 0))
    return Graph((x,), (apply("sum", x, axes=(1,)), apply("sum", x, axes=(0,)), apply("exp", turned), softmax(turned)))


def moved() -> Graph:
    x, y = tensor("x", N, 5), tensor("y", 3, 5)
    both = apply("flip", apply("concat", x, y, x, axis=0), axes=(0,))
    padded = apply("pad", x, low=(2, 0), high=(1, 3), interior=(0, 1), value=0.5)
    return Graph((x, y), (both, padded, apply("reshape", apply("neg", x), shape=(5 * N,))), ())


def stepped() -> Graph:
    carry, row = tensor("carry", 4), tensor("row", 4)
    after = apply("tanh", apply("add", carry, row))
    body = Graph((carry, row), (after, apply("mul", after, row)))
    start, x = tensor("start", 4), tensor("x", N, 4)
    both = apply("scan", start, x, body=body, carries=1, xs=1, length=N, reverse=True)
    return Graph((start, x), tuple(apply("get", both, index=i) for i in (0, 1)))


@pytest.mark.parametrize("make", [pooled, contracted, rows, columns, moved, stepped], ids=lambda f: f.__name__)
def test_every_size(make: Callable[[], Graph]) -> None:
    graph, rng = make(), np.random.default_rng(0)
    examples = []
    for n in (0, 1, 2, 3, 16, 65):
        shapes = [bound(v.shape, {"n": n}) for v in graph.inputs]
        examples.append(({"n": n}, [rng.standard_normal(shape).astype(np.float32) for shape in shapes]))
    for (sizes, arrays), results in zip(examples, run_named(graph, examples), strict=True):
        for got, want in zip(results, interpret(graph, *arrays), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5, err_msg=str(sizes))
