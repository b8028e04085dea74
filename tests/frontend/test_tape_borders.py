"""What a compiled function does to the tape of tensors from outside is what the function itself does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ingot
from ingot.nn import functional as F

Function = Callable[..., Any]
both = pytest.mark.parametrize("wrap", [lambda f: f, ingot.jit], ids=["eager", "jit"])


@both
def test_a_returned_view_of_an_argument_passes_gradients_on(wrap: Callable[[Function], Function]) -> None:
    f = wrap(lambda x: x.view(-1)[1:])
    x = ingot.ones(2, 2).requires_grad_()
    for _ in range(2):
        x.grad = None
        y = f(x)
        (y * y).sum().backward()
        assert x.grad.tolist() == [[0.0, 2.0], [2.0, 2.0]]
    with ingot.no_grad():
        assert not f(x).requires_grad
    assert f(x).requires_grad and y.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()


@both
def test_a_returned_view_of_a_captured_tensor_passes_gradients_on(wrap: Callable[[Function], Function]) -> None:
    w = ingot.ones(3).requires_grad_()
    f = wrap(lambda: w[1:])
    f().sum().backward()
    assert w.grad.tolist() == [0.0, 1.0, 1.0]


@both
def test_an_argument_written_in_place_is_differentiated_through(wrap: Callable[[Function], Function]) -> None:
    f = wrap(lambda x: F.relu(x, inplace=True))
    w = ingot.tensor([1.0, -2.0, 3.0]).requires_grad_()
    x = w * 2
    y = f(x)
    (y * y).sum().backward()
    assert w.grad.tolist() == [8.0, 0.0, 24.0]


@both
def test_an_argument_begins_to_require_grad(wrap: Callable[[Function], Function]) -> None:
    def f(x: Any, w: Any) -> Any:
        x.mul_(w)
        return x[1:]

    w = ingot.tensor([1.0, -2.0, 3.0]).requires_grad_()
    x = ingot.ones(3)
    y = wrap(f)(x, w)
    assert x.requires_grad and not x.is_leaf
    (y * x[1:]).sum().backward()
    assert w.grad.tolist() == [0.0, -4.0, 6.0]


@both
def test_a_view_as_an_argument_hands_what_is_written_to_its_base(wrap: Callable[[Function], Function]) -> None:
    w = ingot.tensor([1.0, -2.0, 3.0]).requires_grad_()
    z = w * 3
    y = wrap(lambda x, v: x.mul_(v))(z[:2], w[:2])
    (z.sum() + y.sum()).backward()
    assert w.grad.tolist() == [12.0, -24.0, 3.0]


@both
def test_an_argument_made_a_leaf(wrap: Callable[[Function], Function]) -> None:
    x = ingot.ones(3)
    y = wrap(lambda x: x.requires_grad_() * 2)(x)
    y.sum().backward()
    assert x.is_leaf and x.grad.tolist() == [2.0] * 3


@both
def test_results_that_share_memory_and_pass_gradients_on(wrap: Callable[[Function], Function]) -> None:
    def f(x: Any) -> Any:
        y = x * 2
        return y, y[1:], y.detach()

    x = ingot.ones(3).requires_grad_()
    whole, part, off = wrap(f)(x)
    part.mul_(3)
    assert whole.tolist() == off.tolist() == [2.0, 6.0, 6.0]
    whole.sum().backward()
    assert x.grad.tolist() == [2.0, 6.0, 6.0]


@both
def test_chunks_share_memory(wrap: Callable[[Function], Function]) -> None:
    x = ingot.ones(4).requires_grad_()
    a, b = wrap(lambda x: (x * 2).chunk(2))(x)
    assert a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
    (a * b).sum().backward()
    assert x.grad.tolist() == [4.0] * 4


@both
def test_an_argument_in_a_sliced_layout_is_written_to_and_read(wrap: Callable[[Function], Function]) -> None:
    def f(x: Any, w: Any) -> Any:
        x.mul_(2.0)
        return x * w

    x = ingot.arange(8.0).view(2, 4)[:, ::2].t()
    w = ingot.ones(2, 2).requires_grad_()
    before = x.numpy().copy()
    wrap(f)(x, w).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), 2 * before)


@both
def test_a_retained_gradient(wrap: Callable[[Function], Function]) -> None:
    def f(x: Any) -> Any:
        y = x * 2
        y.retain_grad()
        return y

    y = wrap(f)(ingot.ones(2).requires_grad_())
    (y * y).sum().backward()
    assert y.grad.tolist() == [4.0, 4.0]


@both
def test_backward_goes_on_to_what_captured_tensors_were_computed_from(wrap: Callable[[Function], Function]) -> None:
    points = ingot.tensor([1.0, 2.0], dtype=ingot.float64, requires_grad=True)
    x, y = points.float(), points * 3
    weight = ingot.tensor([2.0, 0.5], requires_grad=True)

    def residual() -> Any:
        weight.grad = None
        u = weight * x
        slope = ingot.autograd.grad(u.sum(), x, create_graph=True)[0]
        loss = (u + slope * slope * y).sum()
        loss.backward(retain_graph=True)
        return loss.detach()

    call = wrap(residual)
    for count in (1, 2, 3):
        # 2 * 1 + 0.5 * 2 and 2**2 * 3 + 0.5**2 * 6
        assert call().item() == 3.0 + 13.5
        assert weight.grad is not None and weight.grad.tolist() == [1.0 + 12.0, 2.0 + 6.0]
        np.testing.assert_allclose(points.grad.tolist(), np.array([2.0 + 12.0, 0.5 + 0.75]) * count)


@both
def test_backward_goes_on_to_what_arguments_were_computed_from(wrap: Callable[[Function], Function]) -> None:
    def product(a: Any, b: Any) -> Any:
        loss = (a * b).sum()
        loss.backward()
        return loss.detach()

    call = wrap(product)
    leaf = ingot.tensor([1.0, -2.0], requires_grad=True)
    for _ in range(2):
        shared = leaf.exp()
        assert call(shared.sin(), shared.cos()).item() == pytest.approx(float((shared.sin() * shared.cos()).sum()))
    e = np.exp([1.0, -2.0])
    np.testing.assert_allclose(leaf.grad.tolist(), 2 * e * np.cos(2 * e), rtol=1e-5)
    with pytest.raises(RuntimeError, match="IG30"):
        # What is behind them was let go.
        call(shared.sin(), leaf.exp())
        call(shared, shared)
    # Leaves in the place of tensors that were computed.
    a, b = ingot.tensor([3.0], requires_grad=True), ingot.tensor([5.0], requires_grad=True)
    call(a, b)
    assert a.grad.tolist() == [5.0] and b.grad.tolist() == [3.0]


@both
def test_leaves_made_inside_come_with_their_gradients(wrap: Callable[[Function], Function]) -> None:
    def f(x: Any) -> Any:
        own, part = (x * 2).detach().requires_grad_(), x.detach().requires_grad_()
        (own * own + part).sum().backward()
        return own, part

    own, part = wrap(f)(ingot.ones(2))
    assert own.is_leaf and own.requires_grad and own.grad.tolist() == [4.0, 4.0] and part.grad.tolist() == [1.0, 1.0]


@both
def test_views_from_before_a_detach_stay_on_the_tape(wrap: Callable[[Function], Function]) -> None:
    def f(x: Any) -> Any:
        part = x[1:]
        x.detach_()
        return part

    x = ingot.ones(3).requires_grad_()
    assert wrap(f)(x).requires_grad and not x.requires_grad
