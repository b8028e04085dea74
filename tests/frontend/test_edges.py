"""Edges of many functions: scalars as tensors, results in memory of their own, sizes of zero and one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import ingot
from ingot.nn import functional as F

Function = Callable[..., Any]
both = pytest.mark.parametrize("wrap", [lambda f: f, ingot.jit], ids=["eager", "jit"])


@both
@pytest.mark.parametrize(
    "fn",
    [
        lambda x: x.sort(0)[0],
        lambda x: x.topk(1, 0)[0],
        lambda x: x.median(0)[0],
        lambda x: x.max(0)[0],
        lambda x: x.cummax(0)[0],
        lambda x: x.cumsum(0),
        lambda x: x.logcumsumexp(0),
    ],
)
def test_scalars_give_results_of_their_own(wrap: Callable[[Function], Function], fn: Function) -> None:
    x = ingot.tensor(2.0).requires_grad_()
    y = wrap(fn)(x)
    assert not y.is_leaf and y.shape == () and y.data_ptr() != x.data_ptr()
    y.backward()
    assert x.grad.item() == 1.0


@both
def test_scalars_are_written_by_index(wrap: Callable[[Function], Function]) -> None:
    def f(x: Any) -> Any:
        at = ingot.tensor([0])
        one = ingot.tensor(1.0)
        return (
            x.scatter(0, ingot.tensor(0), 5.0),
            x.scatter_add(0, ingot.tensor(0), one),
            x.index_add(0, at, one),
            x.index_copy(0, at, one),
            x.index_fill(0, at, 4.0),
        )

    assert [t.item() for t in wrap(f)(ingot.tensor(2.0))] == [5.0, 3.0, 3.0, 1.0, 4.0]
    assert ingot.tensor(2.0).unfold(0, 1, 1).tolist() == [2.0]


@pytest.mark.parametrize("name", ["chunk", "split", "tensor_split"])
def test_scalars_have_no_parts(name: str) -> None:
    with pytest.raises(RuntimeError, match="at least a 1-dimensional"):
        getattr(ingot.tensor(1.0), name)(2)
    with pytest.raises(RuntimeError, match="0-dim"):
        ingot.tensor(1.0).narrow(0, 0, 0)
    with pytest.raises(RuntimeError, match="2-D"):
        F.embedding(ingot.tensor([0]), ingot.tensor(1.0))


def test_tests_of_integers_may_be_written_to() -> None:
    for found in (ingot.isnan(ingot.arange(3)), ingot.isfinite(ingot.arange(3))):
        found[0] = True
        assert found.is_contiguous() and found[0].item()


def test_ravel_and_clone_lie_row_by_row() -> None:
    x = ingot.arange(6.0).view(3, 2)
    assert x[:, 0].ravel().stride() == (1,) and x[:, :1].ravel().data_ptr() != x.data_ptr()
    assert x.t().clone(memory_format=ingot.contiguous_format).is_contiguous()
    assert x.t().clone().stride() == (1, 2)


@both
def test_logsumexp_of_nothing(wrap: Callable[[Function], Function]) -> None:
    assert wrap(lambda x: x.logsumexp(1))(ingot.zeros(2, 0)).tolist() == [-float("inf")] * 2


@both
def test_adaptive_pooling_to_more_than_there_is(wrap: Callable[[Function], Function]) -> None:
    x = ingot.arange(2.0).view(1, 2, 1, 1).requires_grad_()
    y = wrap(lambda x: F.adaptive_avg_pool2d(x, (3, 2)))(x)
    assert y.tolist() == [[[[0.0] * 2] * 3, [[1.0] * 2] * 3]]
    y.sum().backward()
    assert x.grad.tolist() == [[[[6.0]], [[6.0]]]]


@both
def test_a_quotient_may_be_written_to(wrap: Callable[[Function], Function]) -> None:
    def f(a: Any, b: Any) -> Any:
        y = a / b
        y.add_(1.0)
        return y

    a, b = ingot.tensor([3.0]).requires_grad_(), ingot.tensor([2.0]).requires_grad_()
    wrap(f)(a, b).sum().backward()
    assert a.grad.tolist() == [0.5] and b.grad.tolist() == [-0.75]


def test_out_may_be_an_operand_that_occurs_twice() -> None:
    x = ingot.tensor(3.0)
    write: Any = ingot.mul
    write(x, x, out=x)
    assert x.item() == 9.0


def test_gradients_that_are_filled_in_can_be_differentiated() -> None:
    x, y = ingot.ones(2).requires_grad_(), ingot.tensor([float("nan"), 1.0]).requires_grad_()
    (found,) = ingot.autograd.grad((x * x).sum(), y, create_graph=True, materialize_grads=True)
    assert found.requires_grad and found.tolist() == [0.0, 0.0]


def test_products_of_integers_are_added_in_the_floating_dtype() -> None:
    x, n = ingot.ones(2, dtype=ingot.bfloat16), ingot.arange(2)
    assert ingot.addcmul(x, n, n, value=0.5).dtype is ingot.bfloat16
    assert ingot.addcmul(n, n, n, value=2.5).tolist() == [0, 3]
    assert ingot.tensor(3.0).index_select(0, ingot.tensor([0])).shape == ()


def test_signs_of_bools_are_a_copy() -> None:
    x = ingot.tensor([True, False])
    x.sign()[0] = False
    assert x.tolist() == [True, False]


@both
def test_running_extremes_of_bools(wrap: Callable[[Function], Function]) -> None:
    values, indices = wrap(lambda x: x.cummax(0))(ingot.tensor([False, True, False]))
    assert values.tolist() == [False, True, True] and indices.tolist() == [0, 1, 1]


def test_shapes_change_in_place_on_the_tape() -> None:
    x = ingot.ones(1, 2).requires_grad_()
    whole = x * 2
    turned = whole.t()
    whole.mul_(3)
    turned.squeeze_()
    turned.sum().backward()
    assert x.grad.tolist() == [[6.0, 6.0]]
    y = x * 2
    with ingot.no_grad():
        y.squeeze_()
        x.t_()
    assert y.requires_grad and not y.is_leaf
    assert x.requires_grad and x.is_leaf and x.shape == (2, 1)


def test_a_leaf_frozen_after_the_computation_keeps_no_gradient() -> None:
    x, y = ingot.ones(2).requires_grad_(), ingot.ones(2).requires_grad_()
    total = (x * y).sum()
    x.requires_grad_(False)
    total.backward()
    assert x.grad is None and y.grad.tolist() == [1.0, 1.0]


def test_what_is_off_the_tape_can_be_detached() -> None:
    x = F.embedding(ingot.tensor([1, 0]), ingot.ones(2, 1))
    assert x.detach_() is x and not x.requires_grad
