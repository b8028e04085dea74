"""The interpreter, and named sizes that become numbers."""

from __future__ import annotations

import numpy as np
import pytest

from ingot.compiler.dims import Dim
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, TensorType, Value
from ingot.compiler.ops.control import scan
from ingot.compiler.ops.elementwise import add, mul, neg
from ingot.compiler.ops.reduce import sum
from ingot.compiler.ops.sort import sort
from ingot.compiler.ops.source import full, get
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.view import expand, reshape
from ingot.compiler.specialize import match_sizes, specialize
from ingot.compiler.text_print import declarations
from ingot.compiler.verify import verify
from ingot.runtime.dtypes import float32
from ingot.runtime.errors import ShapeError

B = Dim("b", 1, 16)


def vector(*shape: int | Dim, name: str = "x") -> Value:
    return make_input(type=TensorType(float32, shape), name=name)


def numbers(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)


def test_outputs_in_order_and_inputs_as_they_are() -> None:
    x, y = vector(2), vector(2, name="y")
    got = interpret(Graph((x, y), (mul(x, y), x, add(x, x))), numbers(2), numbers(2) + 1)
    for actual, expected in zip(got, ([0, 2], [0, 1], [0, 2]), strict=True):
        assert actual.dtype == np.float32
        np.testing.assert_array_equal(actual, np.array(expected, np.float32))


def test_several_results() -> None:
    x = vector(3)
    both = sort(x, axis=0, descending=True)
    values, places = interpret(Graph((x,), (get(both, index=0), get(both, index=1))), np.array([1, 3, 2], np.float32))
    assert values.tolist() == [3, 2, 1]
    assert places.tolist() == [1, 2, 0]


def test_observe_sees_every_value() -> None:
    x = vector(2)
    y = mul(add(x, x), x)
    seen: list[tuple[Value, list[float]]] = []
    interpret(Graph((x,), (y,)), numbers(2), observe=lambda v, a: seen.append((v, a.tolist())))
    assert seen == [(x, [0, 1]), (add(x, x), [0, 2]), (y, [0, 2])]


def test_inputs_that_do_not_fit() -> None:
    x = vector(2)
    graph = Graph((x,), (neg(x),), name="f")
    with pytest.raises(ShapeError, match=r"f takes 1 inputs, got 2"):
        interpret(graph, numbers(2), numbers(2))
    with pytest.raises(ShapeError, match=r"input 0 of f is f32\[2\], got float32\[3\]"):
        interpret(graph, numbers(3))
    with pytest.raises(ShapeError, match=r"input 0 of f is f32\[2\], got float64\[2\]"):
        interpret(graph, np.zeros(2))


def symbolic() -> Graph:
    """Sizes in types, in attributes, in a constant and inside a region."""
    x, h = vector(B, 3), vector(3, name="h")
    carry, row = vector(3, name="c"), vector(3, name="r")
    count = sum(full(TensorType(float32, (B,)), 1), axes=(0,))
    body = Graph((carry, row), (add(carry, mul(row, expand(reshape(count, shape=(1,)), shape=(3,)))),))
    total = get(scan(h, x, body=body, carries=1, xs=1, length=B), index=0)
    return Graph((x, h), (total, reshape(x, shape=(3 * B,)), full(TensorType(float32, (B + 1,)), 2)))


def test_named_sizes_are_read_from_the_inputs() -> None:
    graph = symbolic()
    for size in (1, 4):
        total, flat, twos = interpret(graph, numbers(size, 3), np.ones(3, np.float32))
        np.testing.assert_array_equal(total, 1 + size * numbers(size, 3).sum(0))
        assert flat.shape == (3 * size,)
        assert twos.tolist() == [2.0] * (size + 1)


def test_specialize_leaves_no_symbol() -> None:
    special = specialize(symbolic(), {"b": 5})
    verify(special)
    assert [str(v.type) for v in special.inputs] == ["f32[5,3]", "f32[3]"]
    assert declarations(special) == []
    assert specialize(special, {}) == special


def test_sizes_that_no_input_shows() -> None:
    graph = Graph((), (full(TensorType(float32, (B,)), 1),))
    assert interpret(graph, sizes={"b": 3})[0].shape == (3,)


def test_match_sizes() -> None:
    n = Dim("n", 0, 100, 4)
    types = [TensorType(float32, (B, n)), TensorType(float32, (B + n,))]
    assert match_sizes(types, [(3, 8), (11,)]) == {"b": 3, "n": 8}
    with pytest.raises(ShapeError, match=r"shape \(12,\) cannot be bound to f32\[b\+n\]\n  b = 3\n  n = 8"):
        match_sizes(types, [(3, 8), (12,)])
    with pytest.raises(ShapeError, match=r"shape \(3,\) cannot be bound to f32\[b,n\]"):
        match_sizes(types, [(3,), (12,)])
    with pytest.raises(ShapeError, match=r"size b is 17, outside its range 1..16"):
        match_sizes(types, [(17, 8), (25,)])
    with pytest.raises(ShapeError, match=r"size n is 6, outside its range 0..100, a multiple of 4"):
        match_sizes(types, [(3, 6), (9,)])
    with pytest.raises(ShapeError, match=r"sizes in f32\[b\+n\] cannot be told"):
        match_sizes(types[1:], [(12,)])
