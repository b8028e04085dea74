"""Operators in native code cannot be told apart from those in Python."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ingot
from ingot import operators
from ingot.functional import arithmetic, linalg
from ingot.runtime import dispatch
from ingot.runtime.operators import LARGEST

PAIRS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "add": (operator.add, arithmetic.add),
    "sub": (operator.sub, arithmetic.sub),
    "mul": (operator.mul, arithmetic.mul),
    "div": (operator.truediv, arithmetic.div),
    "matmul": (operator.matmul, linalg.matmul),
}
DTYPES = (ingot.float32, ingot.float64, ingot.int32, ingot.int64, ingot.float16, ingot.uint8)


@pytest.fixture(autouse=True, scope="module")
def native() -> None:
    if not dispatch.activate():
        pytest.skip("no native code here")


def _data(dtype: ingot.dtype, *shape: int, seed: int = 0) -> ingot.Tensor:
    numbers = np.random.default_rng(seed).integers(1, 100, shape)
    return ingot.tensor(numbers).to(dtype)


def _same(found: ingot.Tensor, wanted: ingot.Tensor) -> None:
    assert type(found) is type(wanted) and found.dtype is wanted.dtype
    assert found.stride() == wanted.stride() and found.storage_offset() == wanted.storage_offset()
    np.testing.assert_array_equal(found.numpy(), wanted.numpy(), strict=True)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", PAIRS)
def test_results_are_those_of_the_functions(name: str, dtype: ingot.dtype) -> None:
    native, function = PAIRS[name]
    a, b = _data(dtype, 4, 4), _data(dtype, 4, 4, seed=1)
    for x, y in ((a, b), (a.t(), b), (a[:, ::2].t(), a[::2]), (a[1:3], b[1:3]), (a, b[0]), (a, a)):
        for _ in range(4):
            if name == "matmul" and x.shape[-1] != y.shape[0]:
                continue
            _same(native(x, y), function(x, y))


def test_special_values() -> None:
    special = ingot.tensor([0.0, -0.0, float("inf"), -float("inf"), float("nan"), 1e-45, 3e38, -3e38])
    a, b = special[:, None].expand(8, 8).clone(), special[None, :].expand(8, 8).clone()
    with np.errstate(all="raise"):
        for native, function in PAIRS.values():
            for _ in range(4):
                found, wanted = native(a, b).numpy(), function(a, b).numpy()
                np.testing.assert_array_equal(found, wanted)
                np.testing.assert_array_equal(np.signbit(found), np.signbit(wanted))


def test_whole_numbers_wrap() -> None:
    a = ingot.full((3,), 2**62, dtype=ingot.int64)
    for _ in range(4):
        assert (a + a).tolist() == [-(2**63)] * 3 and (a * a).tolist() == [0] * 3


def test_gradients_flow() -> None:
    a, b = _data(ingot.float32, 3, 3), _data(ingot.float32, 3, 3, seed=1)
    for _ in range(4):
        assert not (a * b).requires_grad
    for _ in range(4):
        leaf = a.clone().requires_grad_()
        (leaf * b + b @ leaf).sum().backward()
        assert leaf.grad is not None
        np.testing.assert_allclose(leaf.grad.numpy(), (b + b.sum(0)[:, None].expand(3, 3)).numpy())


def test_a_view_whose_base_came_to_need_a_gradient() -> None:
    b = _data(ingot.float32, 3)
    for _ in range(4):
        base = ingot.zeros(2, 3)
        view = base[0]
        view + b
        base.copy_(_data(ingot.float32, 2, 3).requires_grad_())
        assert (view + b).requires_grad and (b + view).requires_grad


def test_traces_record_operators() -> None:
    a, b = _data(ingot.float32, 4, 4), _data(ingot.float32, 4, 4, seed=1)
    for _ in range(4):
        a + b, a @ b

    @ingot.jit
    def run(x: ingot.Tensor) -> ingot.Tensor:
        return (x + b) @ (a + b)

    np.testing.assert_allclose(run(a).numpy(), ((a + b) @ (a + b)).numpy(), rtol=1e-5)
    a.add_(1)
    np.testing.assert_allclose(run(a).numpy(), ((a + b) @ (a + b)).numpy(), rtol=1e-5)


def test_subclasses_and_other_operands_take_their_own_way() -> None:
    class Named(ingot.Tensor):
        def __radd__(self, other: Any) -> Any:  # type: ignore[override]
            return "ours"

    a = _data(ingot.float32, 3)
    for _ in range(3):
        a + a
    named = Named([1.0, 2.0, 3.0])
    assert type(named) is Named and a + named == "ours"
    assert (a + 1).tolist() == [x + 1 for x in a.tolist()]
    with pytest.raises(TypeError):
        a + "text"


def test_large_tensors_are_left_to_numpy() -> None:
    a = _data(ingot.float32, LARGEST + 1)
    for _ in range(3):
        _same(a + a, arithmetic.add(a, a))


def test_products_of_new_tensors_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = _data(ingot.float32, 6, 6), _data(ingot.float32, 6, 6, seed=1)
    for _ in range(5):
        (a + b) @ b
    checks = 0

    def counted(*args: Any) -> Any:
        nonlocal checks
        checks += 1
        return None

    monkeypatch.setattr(operators, "recorded_call", counted)
    for _ in range(5):
        # The memory of a + b has not been seen as an array, so that Python multiplies.
        (a + b) @ b
    assert checks == 0


def test_nothing_is_kept_alive() -> None:
    a, b = _data(ingot.float32, 4, 4), _data(ingot.float32, 4, 4, seed=1)
    for _ in range(10):
        a + b, a @ b, a[1:], a.view(16)
    held = [sys.getrefcount(x) for x in (a, b, a._storage, a._layout, b._storage)]
    for _ in range(1000):
        a + b, a @ b, a[1:], a.view(16)
    after = [sys.getrefcount(x) for x in (a, b, a._storage, a._layout, b._storage)]
    assert max(abs(x - y) for x, y in zip(held, after, strict=True)) <= 2
