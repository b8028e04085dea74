"""Captured memory: chains of view steps over a run of elements, and tensors that share storage in compiled code."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ingot
from ingot import nn
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, TensorType
from ingot.compiler.ops.source import input as make_input
from ingot.mutation import ON_VALUES, updated
from ingot.runtime.dtypes import float32
from ingot.runtime.errors import TraceError
from ingot.runtime.layout import storage_extent
from ingot.state import strided_chain


def read(chain: Any, extent: int) -> np.ndarray[Any, Any]:
    flat = make_input(type=TensorType(float32, (extent,)), name="x")
    value = flat
    for step in chain:
        value = step.op(value, **step.attrs)
    return interpret(Graph((flat,), (value,)), np.arange(extent, dtype=np.float32))[0]


def written(chain: Any, extent: int, new: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    flat = make_input(type=TensorType(float32, (extent,)), name="x")
    part = make_input(type=TensorType(float32, new.shape), name="new")
    return interpret(
        Graph((flat, part), (updated(flat, chain, part, ON_VALUES),)), np.arange(extent, dtype=np.float32), new
    )[0]


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_slice_of_any_permutation(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    base = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    slices = []
    for n in shape:
        start = data.draw(st.integers(0, n - 1))
        slices.append(slice(start, data.draw(st.integers(start + 1, n)), data.draw(st.integers(1, 3))))
    view = base[tuple(slices)].transpose(data.draw(st.permutations(range(len(shape)))))
    strides = tuple(s // 4 for s in view.strides)
    offset = (view.ctypes.data - base.ctypes.data) // 4
    extent = storage_extent(view.shape, strides, offset)[1]
    chain = strided_chain(extent, view.shape, strides, offset)
    np.testing.assert_array_equal(read(chain, extent), view)
    view[...] = -view - 1
    np.testing.assert_array_equal(written(chain, extent, view.copy()), base.reshape(-1)[:extent])


@pytest.mark.parametrize(
    ("shape", "strides"), [((3, 4), (0, 1)), ((2, 3), (1, 0)), ((1, 3), (7, 1)), ((), ()), ((2, 0), (3, 1))]
)
def test_expanded_and_degenerate(shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
    extent = max(storage_extent(shape, strides, 2)[1], 3)
    memory = np.arange(extent, dtype=np.float32)
    expected = np.lib.stride_tricks.as_strided(memory[2:], shape, tuple(4 * s for s in strides))
    np.testing.assert_array_equal(read(strided_chain(extent, shape, strides, 2), extent), expected)


def test_overlapping_windows_are_refused() -> None:
    with pytest.raises(TraceError, match=r"IG186.*cannot be used in compiled code"):
        strided_chain(5, (3, 3), (1, 1), 0)


def test_two_captured_tensors_over_one_storage() -> None:
    memory = ingot.zeros(4, 3)
    for a, b in itertools.permutations([memory, memory[1:3], memory.T[0], memory.view(-1)[5:]], 2):
        memory.zero_()

        @ingot.jit
        def f(a: Any = a, b: Any = b) -> Any:
            a.add_(1)
            b.mul_(2)
            return a.sum() + b.sum()

        total = f().item()
        after = memory.tolist()
        memory.zero_()
        a.add_(1)
        b.mul_(2)
        assert memory.tolist() == after
        assert total == (a.sum() + b.sum()).item()


def test_an_argument_that_is_also_captured() -> None:
    weight = ingot.ones(3)

    @ingot.jit
    def f(x: Any) -> Any:
        weight.add_(1)
        return x * 10 + weight

    assert f(ingot.zeros(3)).tolist() == [2, 2, 2]
    assert f(weight).tolist() == [33, 33, 33]
    assert f(ingot.zeros(3)).tolist() == [4, 4, 4]


def test_arguments_that_share_memory() -> None:
    @ingot.jit
    def f(a: Any, b: Any) -> Any:
        a.add_(1)
        return a + b

    x, y = ingot.zeros(2), ingot.ones(2)
    assert f(x, y).tolist() == [2, 2]
    assert f(x, x).tolist() == [4, 4]
    assert f(x[:1], x[1:]).tolist() == [5]
    assert f(x[:1], x[:1]).tolist() == [8]
    assert x.tolist() == [4, 2]


def add_and_scale(x: Any, y: Any) -> Any:
    x.add_(1)
    return x.sum() * y, x, y[..., 1:]


@pytest.mark.parametrize(
    "arguments",
    [
        lambda base, row: (base[row], base),
        lambda base, row: (base, base[row]),
        lambda base, row: (base[:2], base[1 : row + 2]),
        lambda base, row: (base[1:3], base[row]),
        lambda base, row: (base.T, base[row : row + 1].T),
        lambda base, row: (base[row], base[row]),
        lambda base, row: (base[:0], base[row:]),
        lambda base, row: (base[row : row + 2, :2], base[row : row + 2, 2:]),
    ],
)
def test_arguments_that_overlap(arguments: Any) -> None:
    """Each call sees and changes the memory of its own arguments, wherever in it they lie."""
    compiled = ingot.jit(add_and_scale)
    for row in (0, 2, 1, 0):
        ours, theirs = (ingot.arange(24.0).reshape(6, 4) for _ in range(2))
        results, expected = compiled(*arguments(ours, row)), add_and_scale(*arguments(theirs, row))
        assert [r.tolist() for r in results] == [r.tolist() for r in expected]
        results[1].mul_(3), expected[1].mul_(3)
        assert ours.tolist() == theirs.tolist()


def test_a_returned_view_of_an_argument_is_of_the_present_one() -> None:
    compiled = ingot.jit(lambda x: x[1:])
    base = ingot.arange(24.0).reshape(6, 4)
    for row in (0, 2, 3):
        view = compiled(base[row : row + 3])
        assert view.tolist() == base[row + 1 : row + 3].tolist()
        view.zero_()
        assert base[row + 1].tolist() == [0, 0, 0, 0]
    assert compiled.stats()["compiles"] == 1


def reads_both(x: Any, base: Any) -> Any:
    return x + base.sum(0)


def writes_the_argument(x: Any, base: Any) -> Any:
    x.add_(1)
    return base.sum(0)


def writes_what_is_captured(x: Any, base: Any) -> Any:
    base.add_(1)
    return x * 2


def writes_both(x: Any, base: Any) -> Any:
    x.mul_(2)
    base[1].add_(1)
    return x * 2, base[1]


@pytest.mark.parametrize("function", [reads_both, writes_the_argument, writes_what_is_captured, writes_both])
@pytest.mark.parametrize("rows", [(0, 1, None, 2, 0), (None, 0, 1, None, 2, 0)])
def test_arguments_that_lie_in_captured_memory(function: Any, rows: tuple[int | None, ...]) -> None:
    """None stands for an argument in memory of its own."""
    ours, theirs = (ingot.arange(12.0).reshape(3, 4) for _ in range(2))
    compiled = ingot.jit(lambda x: function(x, ours))
    for row in rows:
        x, y = (ingot.ones(4) if row is None else base[row] for base in (ours, theirs))
        result, expected = compiled(x), function(y, theirs)
        pairs = zip(result, expected, strict=True) if isinstance(result, tuple) else [(result, expected)]
        assert all(a.tolist() == b.tolist() for a, b in pairs)
        assert (x.tolist(), ours.tolist()) == (y.tolist(), theirs.tolist())


def test_state_made_while_tracing_is_not_captured() -> None:
    @ingot.jit
    def f(x: Any) -> Any:
        counter = ingot.zeros(2)
        counter.add_(x)
        counter[0] += 1
        return counter

    assert f(ingot.ones(2)).tolist() == [2, 1]
    assert f(ingot.ones(2)).tolist() == [2, 1]


def test_a_tensor_whose_memory_is_replaced() -> None:
    state = ingot.ones(2)
    f = ingot.jit(lambda: state * 2)
    assert f().tolist() == [2, 2]
    state.data = ingot.tensor([5.0, 6.0])
    assert f().tolist() == [10, 12]
    state.data = ingot.ones(3)
    assert f().tolist() == [2, 2, 2]


def test_a_module_made_in_compiled_code_changes_its_dtype() -> None:
    def f(x: Any) -> Any:
        net = nn.Linear(3, 2).double()
        for p in net.parameters():
            p.data = ingot.full_like(p, 0.5)
        loss = net(x.double()).sum()
        loss.backward()
        return loss, net.weight.grad, net.bias

    x = ingot.ones(4, 3)
    for eager, compiled in zip(f(x), ingot.jit(f)(x), strict=True):
        assert eager.dtype is compiled.dtype is ingot.float64
        assert ingot.equal(eager, compiled)


def test_a_tensor_made_in_compiled_code_shows_other_memory() -> None:
    def f(x: Any) -> Any:
        y = x * 2
        before = y.detach()
        z = x + 1
        y.data = z[1:]
        z.mul_(10)
        return y, before

    x = ingot.arange(3.0)
    for eager, compiled in zip(f(x), ingot.jit(f)(x), strict=True):
        assert eager.tolist() == compiled.tolist()


def test_a_tensor_from_outside_keeps_its_dtype_and_shape() -> None:
    net = nn.Linear(3, 2)
    with pytest.raises(TraceError, match=r"IG189.*float64 and shape \[2, 3\]"):
        ingot.jit(lambda x: net.double()(x.double()))(ingot.ones(4, 3))
    assert net.weight.dtype is ingot.float32
    state = ingot.ones(2)
    with pytest.raises(TraceError, match="IG189"):
        ingot.jit(lambda: setattr(state, "data", ingot.ones(3)))()
    assert state.tolist() == [1, 1]
