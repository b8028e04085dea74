"""Scans as one function over arrays mean what their bodies mean, step by step, and their results are memory apart."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, TensorType, Value
from ingot.compiler.loops import loop
from ingot.compiler.ops import elementwise as e
from ingot.compiler.ops.contract import dot_general
from ingot.compiler.ops.control import saving, scan
from ingot.compiler.ops.reduce import sum as sum_
from ingot.compiler.ops.regions import parts
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.source import ones_like
from ingot.compiler.ops.transcendental import sigmoid, tanh
from ingot.compiler.ops.view import crop, expand, pad, permute, reshape
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType

Array = np.ndarray[Any, Any]


def inputs(*shapes: tuple[int, ...], dtype: DType = dtypes.float32) -> list[Value]:
    return [make_input(type=TensorType(dtype, shape), name=f"x{i}") for i, shape in enumerate(shapes)]


def placed(x: Value, low: int, size: int) -> Value:
    """x in columns low ... of zeros."""
    rest = size - low - x.type.shape[1]
    return pad(x, low=(0, low), high=(0, rest), interior=(0, 0), value=0.0)


def gated() -> tuple[Graph, int, int]:
    """A product, gates that are parts of it, and as further result its parts put together again."""
    h, c, x, w = inputs((2, 3), (2, 3), (2, 6), (6, 3))
    gates = e.add(x, dot_general(h, w, contract=((1,), (1,)), batch=((), ())))
    keep, new = sigmoid(crop(gates, 1, 0, 3)), tanh(crop(gates, 1, 3, 6))
    c2 = e.add(e.mul(keep, c), new)
    h2 = e.mul(keep, tanh(c2))
    both = e.add(placed(e.mul(h2, keep), 0, 6), placed(new, 3, 6))
    return Graph((h, c, x, w), (h2, c2, h2, h, c, both, h2)), 2, 1


def pieces() -> tuple[Graph, int, int]:
    """Sums of pads: as a carry, read by a product, read as a view, overlapping, and a part that is read elsewhere."""
    h, x, w = inputs((2, 4), (2, 2), (4, 4))
    a = e.mul(x, crop(h, 1, 0, 2))
    b = e.add(x, crop(h, 1, 2, 4))
    carry = e.add(placed(a, 0, 4), placed(b, 2, 4))
    product = e.add(placed(e.mul(a, b), 2, 4), placed(e.sub(a, b), 0, 4))
    read = dot_general(product, w, contract=((1,), (0,)), batch=((), ()))
    turned = permute(e.add(placed(e.neg(a), 0, 4), placed(e.neg(b), 2, 4)), axes=(1, 0))
    overlap = e.add(placed(a, 1, 4), placed(b, 2, 4))
    alone = placed(e.add(a, a), 1, 4)
    return Graph((h, x, w), (e.mul(carry, tanh(carry)), read, turned, overlap, alone, a)), 1, 1


def beforehand() -> tuple[Graph, int, int]:
    """Work of rows alone and of constants alone; results that are rows, constants and carries as they were."""
    h, x, y, k = inputs((3,), (3,), (1, 3), (3,))
    row = tanh(e.mul(x, sigmoid(k)))
    other = e.sub(reshape(expand(y, shape=(1, 3)), shape=(3,)), row)
    fixed = e.mul(k, k)
    h2 = e.add(e.mul(h, other), fixed)
    return Graph((h, x, y, k), (h2, row, fixed, x, h, other, ones_like(h))), 1, 2


def numbers() -> tuple[Graph, int, int]:
    """No dimensions."""
    h, c, x = inputs((), (), ())
    h2 = tanh(e.add(e.mul(h, x), c))
    return Graph((h, c, x), (h2, c, h, h2, e.mul(x, x), e.lt(h, x))), 2, 1


def reduced() -> tuple[Graph, int, int]:
    """Half precision, and sums over the rows."""
    h, x = inputs((2, 3), (2, 3), dtype=dtypes.float16)
    total = sum_(e.mul(h, x), axes=(0,))
    h2 = sigmoid(e.add(h, expand(reshape(total, shape=(1, 3)), shape=(2, 3))))
    return Graph((h, x), (h2, total, h2, h)), 1, 1


def exchanged() -> tuple[Graph, int, int]:
    """Carries that change places, and rows that become a carry."""
    a, b, x = inputs((2,), (2,), (2,))
    return Graph((a, b, x), (b, x, a, b)), 2, 1


BODIES: dict[str, Callable[[], tuple[Graph, int, int]]] = {
    f.__name__: f for f in (gated, pieces, beforehand, numbers, reduced, exchanged)
}


def stepwise(body: Graph, carries: int, xs: int, length: int, reverse: bool, operands: Sequence[Array]) -> list[Array]:
    """The meaning of a scan, row by row."""
    state, stacks, constants = operands[:carries], operands[carries : carries + xs], operands[carries + xs :]
    ys = [np.empty((length, *v.shape), v.dtype.numpy) for v in body.outputs[carries:]]  # type: ignore[type-var]
    for i in reversed(range(length)) if reverse else range(length):
        results = interpret(body, *state, *[x[i] for x in stacks], *constants)
        state = results[:carries]
        for y, result in zip(ys, results[carries:], strict=True):
            y[i] = result
    return [*state, *ys]


def drawn(body: Graph, carries: int, xs: int, length: int) -> list[Array]:
    random = np.random.default_rng(0)
    shapes = [(length, *v.shape) if carries <= i < carries + xs else v.shape for i, v in enumerate(body.inputs)]
    return [
        np.asarray(random.uniform(-2, 2, shape)).astype(v.dtype.numpy)  # type: ignore[arg-type]
        for shape, v in zip(shapes, body.inputs, strict=True)
    ]


def same(found: Sequence[Any], wanted: Sequence[Array]) -> None:
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(a, np.float64), np.asarray(b, np.float64), rtol=1e-5, atol=1e-6)
        assert np.asarray(a).dtype == b.dtype and np.shape(a) == b.shape


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 4])
@pytest.mark.parametrize("name", BODIES)
def test_a_loop_is_its_steps(name: str, length: int, reverse: bool) -> None:
    body, carries, xs = BODIES[name]()
    operands = drawn(body, carries, xs, length)
    before = [x.copy() for x in operands]
    run = loop(body, carries, xs, length, reverse)
    found = run(*operands)
    same(found, stepwise(body, carries, xs, length, reverse, operands))
    for a, b in itertools.combinations([*found, *operands], 2):
        assert not (np.ndim(a) or np.ndim(b)) or not np.shares_memory(a, b)
    for x, y in zip(operands, before, strict=True):
        np.testing.assert_array_equal(x, y)
    again = run(*operands)
    for a, b in zip(found, again, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ["gated", "pieces", "beforehand", "numbers"])
def test_derivatives_are_the_same_from_saved_rows(name: str, reverse: bool) -> None:
    body, carries, xs = BODIES[name]()
    more = saving(body, carries)
    operands = drawn(body, carries, xs, 3)
    count = len(body.outputs)
    found: list[list[Array]] = []
    for used in (body, more):
        given = [make_input(type=TensorType(dtypes.from_numpy(x.dtype), x.shape), name="x") for x in operands]
        made = scan(*given, body=used, carries=carries, xs=xs, length=3, reverse=reverse)
        seeds = tuple(ones_like(r) if r.dtype.is_floating_point else None for r in parts(made)[:count])
        cts = scan.vjp((*seeds, *[None] * (len(used.outputs) - count)), made, *given, **made.attrs)  # type: ignore[misc]
        graph = Graph(tuple(given), tuple(ct for ct in cts if ct is not None))
        found.append(interpret(graph, *operands))
        scans = [v for v in graph.values if v.op is scan]
        # With what is saved, the forward scan does not run a second time.
        assert used is body or len(scans) == 2
    same(found[1], found[0])


def test_what_is_saved_is_nearest_to_the_cotangents() -> None:
    body, carries, _ = gated()
    saved = saving(body, carries).outputs[len(body.outputs) :]
    assert {v.op.name for v in saved} <= {"sigmoid", "tanh"}
