"""take, put, gather and scatter against loops; repeated positions; what their derivatives do there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from op_cases import operand

from ingot.compiler.dims import Dim
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph
from ingot.compiler.ops.index import gather, put, scatter, take
from ingot.compiler.passes.batch import batch
from ingot.compiler.passes.grad import vjp
from ingot.runtime import dtypes
from ingot.runtime.errors import DTypeError, OutOfRangeError, ShapeError, SpecError

RNG = np.random.default_rng(0)


def combined(old: Any, new: Any, mode: str) -> Any:
    return {"set": lambda: new, "add": lambda: old + new, "max": lambda: np.maximum(old, new)}[mode]()


def positions(x: Any, indices: Any, axis: int, batch_axes: int) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """(where in x, where in the taken array) for every index, in row-major order."""
    found = []
    for place in np.ndindex(*indices.shape):
        lanes, rest = place[:batch_axes], place[batch_axes:]
        between = (slice(None),) * (axis - batch_axes)
        found.append(((*lanes, *between, int(indices[place])), (*lanes, *between, *rest)))
    return found


CASES = [
    ((4, 3), (5,), 0, 0),
    ((4, 3), (2, 6), 1, 0),
    ((2, 3, 4), (3, 2), 1, 0),
    ((2, 3, 4, 2), (2, 5), 2, 1),
    ((2, 3, 4), (2, 3, 6), 2, 2),
    ((3, 4), (3, 7), 1, 1),
    ((4,), (), 0, 0),
]


@pytest.mark.parametrize(("shape", "index", "axis", "batch_axes"), CASES)
@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_take_and_put_are_loops(shape: Any, index: Any, axis: int, batch_axes: int, dtype: Any) -> None:
    x = RNG.standard_normal(shape)
    indices = RNG.integers(0, shape[axis], index).astype(dtype)
    attrs = {"axis": axis, "batch_axes": batch_axes}
    taken = take.eval(x, indices, **attrs)
    for source, target in positions(x, indices, axis, batch_axes):
        np.testing.assert_array_equal(taken[target], x[source])
    updates = RNG.standard_normal(taken.shape)
    for mode in ("set", "add", "max"):
        expected = x.copy()
        for source, target in positions(x, indices, axis, batch_axes):
            expected[source] = combined(expected[source], updates[target], mode)
        np.testing.assert_allclose(put.eval(x, indices, updates, mode=mode, **attrs), expected, rtol=1e-12)
        # Operands in another memory order mean the same, also where writes collide.
        other = (np.asfortranarray(a) for a in (x, indices, updates))
        np.testing.assert_allclose(put.eval(*other, mode=mode, **attrs), expected, rtol=1e-12)


@pytest.mark.parametrize(("shape", "index", "axis"), [((3, 4), (5, 2), 0), ((2, 3, 4), (1, 3, 6), 2), ((4,), (7,), 0)])
def test_gather_and_scatter_are_loops(shape: Any, index: Any, axis: int) -> None:
    x = RNG.standard_normal(shape)
    indices = RNG.integers(0, shape[axis], index)
    places = [tuple(indices[p] if i == axis else p[i] for i in range(len(p))) for p in np.ndindex(*index)]
    expected = np.array([x[p] for p in places]).reshape(index)
    np.testing.assert_array_equal(gather.eval(x, indices, axis=axis), expected)
    updates = RNG.standard_normal(index)
    for mode in ("set", "add", "max"):
        expected = x.copy()
        for p, u in zip(places, updates.flat, strict=True):
            expected[p] = combined(expected[p], u, mode)
        np.testing.assert_allclose(scatter.eval(x, indices, updates, axis=axis, mode=mode), expected, rtol=1e-12)
        other = scatter.eval(x, np.asfortranarray(indices), np.asfortranarray(updates), axis=axis, mode=mode)
        np.testing.assert_allclose(other, expected, rtol=1e-12)


def test_half_types_are_added_in_float32() -> None:
    ones = np.ones(4096, np.float16)
    added = put.eval(np.zeros(1, np.float16), np.zeros(4096, np.int64), ones, axis=0, mode="add")
    assert added.dtype == np.float16
    assert float(added[0]) == 4096


def test_bool_adds_as_or() -> None:
    x = np.array([True, False, False])
    added = put.eval(x, np.array([0, 1, 1]), np.array([False, True, True]), axis=0, mode="add")
    assert added.tolist() == [True, True, False]


def test_max_keeps_nan() -> None:
    written = scatter.eval(np.zeros(2), np.array([0, 0, 1]), np.array([1, np.nan, 3]), axis=0, mode="max")
    np.testing.assert_array_equal(written, [np.nan, 3])


@pytest.mark.parametrize("wrong", [-1, 3])
def test_index_out_of_range(wrong: int) -> None:
    x, indices = np.zeros((3, 2)), np.array([0, wrong])
    with pytest.raises(OutOfRangeError, match=f"IG120.*index {wrong} .* 3 elements"):
        take.eval(x, indices, axis=0)
    with pytest.raises(IndexError):
        put.eval(x, indices, np.zeros((2, 2)), axis=0)
    with pytest.raises(IndexError):
        gather.eval(x[:, 0], indices, axis=0)
    with pytest.raises(IndexError):
        scatter.eval(x[:, 0], indices, np.zeros(2), axis=0)


def cotangents(op: Any, arrays: Sequence[Any], ct: Any, **attrs: Any) -> list[Any]:
    inputs = tuple(operand(a.shape, dtypes.from_numpy(a.dtype)) for a in arrays)
    graph = vjp(Graph(inputs, (op(*inputs, **attrs),)), (0, 2))
    return interpret(graph, *arrays, ct)


def test_only_the_last_write_gets_the_cotangent() -> None:
    ct = np.array([1.0, 2.0, 3.0])
    for op in (put, scatter):
        dx, du = cotangents(op, (np.zeros(3), np.array([1, 0, 1]), np.zeros(3)), ct, axis=0, mode="set")
        np.testing.assert_array_equal(dx, [0, 0, 3])
        np.testing.assert_array_equal(du, [0, 1, 2])


def test_last_row_of_a_batch_gets_the_cotangent() -> None:
    x, indices, updates = np.zeros((2, 3, 2)), np.array([[0, 0], [2, 1]]), np.zeros((2, 2, 2))
    ct = RNG.standard_normal(x.shape)
    dx, du = cotangents(put, (x, indices, updates), ct, axis=1, batch_axes=1, mode="set")
    np.testing.assert_array_equal(du[0], [[0, 0], ct[0, 0]])
    np.testing.assert_array_equal(du[1], ct[1, [2, 1]])
    np.testing.assert_array_equal(dx[0], [[0, 0], ct[0, 1], ct[0, 2]])


def test_equal_maxima_share_the_cotangent() -> None:
    x, updates = np.array([5.0, 0.0]), np.array([5.0, 5.0, 1.0])
    dx, du = cotangents(put, (x, np.array([0, 0, 1]), updates), np.array([3.0, 2.0]), axis=0, mode="max")
    np.testing.assert_array_equal(dx, [1, 0])
    np.testing.assert_array_equal(du, [1, 1, 2])


def test_one_index_needs_no_numbering() -> None:
    inputs = operand((4, 3)), operand((), dtypes.int64), operand((3,))
    back = vjp(Graph(inputs, (put(*inputs, axis=0, mode="set"),)), (0, 2))
    assert sorted(v.op.name for v in back.values if v.op.kind != "source") == ["put", "take"]


def test_a_table_read_by_a_batch_is_not_repeated() -> None:
    inputs = operand((10, 4)), operand((3,), dtypes.int64)
    graph = Graph(inputs, (take(*inputs, axis=0),))
    assert [v.op.name for v in batch(graph, 5, (False, True)).values if v.op.kind != "source"] == ["take"]
    assert [v.op.name for v in batch(graph, 5, (True, False)).values if v.op.kind != "source"] == ["take"]


def test_named_sizes() -> None:
    n, d = Dim("n"), Dim("d")
    x, indices, updates = operand((n, d)), operand((3,), dtypes.int64), operand((3, d))
    assert take(x, indices, axis=0).shape == (3, d)
    back = vjp(Graph((x, indices, updates), (put(x, indices, updates, axis=0, mode="set"),)), (0, 2))
    assert [v.shape for v in back.outputs] == [(n, d), (3, d)]
    with pytest.raises(ShapeError, match=r"IG121"):
        gather(operand((n, 3)), operand((2, d), dtypes.int64), axis=0)


@pytest.mark.parametrize(
    ("error", "build", "message"),
    [
        (DTypeError, lambda: take(operand((3,)), operand((2,)), axis=0), "IG112"),
        (ShapeError, lambda: take(operand((3,)), operand((2,), dtypes.int64), axis=1), "IG113"),
        (
            ShapeError,
            lambda: take(operand((2, 3)), operand((3, 1), dtypes.int64), axis=1, batch_axes=1),
            "IG121.*first 1",
        ),
        (
            ShapeError,
            lambda: put(operand((3,)), operand((2,), dtypes.int64), operand((3,)), axis=0),
            r"IG121.*must be f64\[2\]",
        ),
        (ShapeError, lambda: gather(operand((3, 2)), operand((3,), dtypes.int64), axis=0), "IG121.*as many axes"),
        (ShapeError, lambda: gather(operand((3, 2)), operand((3, 4), dtypes.int64), axis=0), "IG121.*larger"),
        (
            SpecError,
            lambda: put(operand((3,)), operand((2,), dtypes.int64), operand((2,)), axis=0, mode="mul"),
            "IG122.*'mul'",
        ),
    ],
)
def test_refused(error: Any, build: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        build()
