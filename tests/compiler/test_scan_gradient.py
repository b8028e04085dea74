"""The derivative of a scan: what it saves, and where the sums of the constants' cotangents are made."""

from __future__ import annotations

import numpy as np

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, TensorType, Value
from ingot.compiler.ops.contract import dot_general
from ingot.compiler.ops.control import scan
from ingot.compiler.ops.elementwise import add
from ingot.compiler.ops.reduce import sum as sum_
from ingot.compiler.ops.source import get
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.transcendental import tanh
from ingot.compiler.passes.grad import grad
from ingot.compiler.passes.merge_scans import merge_scans
from ingot.runtime import dtypes

STEPS, ROWS, SIZE = 5, 3, 4


def given(name: str, *shape: int) -> Value:
    return make_input(type=TensorType(dtypes.float64, shape), name=name)


def recurrent_loss(saves: bool = False) -> Graph:
    """sum of h over all steps, h = tanh(x + h @ w.T). `saves`: the scan gives what its derivative reads besides."""
    h, x, w = given("h", ROWS, SIZE), given("x", ROWS, SIZE), given("w", SIZE, SIZE)
    product = dot_general(h, w, contract=((1,), (1,)), batch=((), ()))
    after = tanh(add(x, product))
    body = Graph((h, x, w), (after, after, h, product) if saves else (after, after))
    start, xs, weight = given("start", ROWS, SIZE), given("xs", STEPS, ROWS, SIZE), given("weight", SIZE, SIZE)
    result = scan(start, xs, weight, body=body, carries=1, xs=1, length=STEPS)
    return Graph((start, xs, weight), (sum_(get(result, index=1), axes=(0, 1, 2)),))


def test_products_run_once_and_weights_get_one_product_over_all_steps() -> None:
    merged = merge_scans(grad(recurrent_loss(), [0, 1, 2]))
    scans = [v for v in merged.values if v.op is scan]
    products = [sum(v.op is dot_general for v in s.attrs["body"].values) for s in scans]
    # Forwards h @ w.T, backwards its cotangent times w; nothing is computed again and nothing summed up in the loop.
    assert products == [1, 1]
    assert [v.type for v in merged.values if v.op is dot_general] == [TensorType(dtypes.float64, (SIZE, SIZE))]
    assert scans[1].attrs["carries"] == 1


def test_what_is_stacked_already_is_not_computed_again() -> None:
    derivative = grad(recurrent_loss(saves=True), [0, 1, 2])
    assert len([v for v in derivative.values if v.op is scan]) == 2
    random = np.random.default_rng(1)
    arrays = [random.uniform(-1, 1, [n for n in v.shape if isinstance(n, int)]) for v in derivative.inputs]
    found = interpret(derivative, *arrays)
    for a, b in zip(found, interpret(grad(recurrent_loss(), [0, 1, 2]), *arrays), strict=True):
        assert np.allclose(a, b)


def test_gradient_is_that_of_finite_differences() -> None:
    loss = recurrent_loss()
    random = np.random.default_rng(0)
    arrays = [random.uniform(-1, 1, [n for n in v.shape if isinstance(n, int)]) for v in loss.inputs]
    found = interpret(grad(loss, [0, 1, 2]), *arrays)
    for place, array in enumerate(arrays):
        direction = random.uniform(-1, 1, array.shape)
        ends = [interpret(loss, *arrays[:place], array + h * direction, *arrays[place + 1 :])[0] for h in (1e-6, -1e-6)]
        assert np.isclose((ends[0] - ends[1]) / 2e-6, (found[place] * direction).sum(), rtol=1e-6)
