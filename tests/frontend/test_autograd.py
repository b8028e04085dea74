"""The tape: gradients against finite differences and PyTorch's rules, eager and in compiled functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ingot
from ingot.runtime.errors import GradError, IngotError

Function = Callable[..., Any]

FUNCTIONS: list[Function] = [
    lambda x: (x * x).sum(),
    lambda x: (x.exp() / (1 + x.exp())).sum(),
    lambda x: x.tanh().pow(3).mean(),
    lambda x: (x @ x.T).sigmoid().sum(),
    lambda x: x.logsumexp(1).sum(),
    lambda x: (x.softmax(1) * ingot.arange(3).to(x.dtype)).sum(),
    lambda x: x.var(0).sum() + x.std(),
    lambda x: x[:, 1:].T.reshape(-1).cumsum(0).square().sum(),
    lambda x: ingot.cat([x, x.flip(1) * 2]).prod(0).sum(),
    lambda x: x.max(1).values.sum() + x.amin(),
    lambda x: ingot.where(x > 0, x.abs().sqrt(), x * x).sum(),
    lambda x: x.gather(1, ingot.tensor([[0, 0], [2, 1]])).square().sum(),
    lambda x: x.sort(1).values[:, 0].sum() * x.topk(2, 1)[0].prod(),
    lambda x: x.clamp(-0.5, 0.5).norm(),
    lambda x: (x.unsqueeze(2).expand(2, 3, 4) * ingot.arange(4).to(x.dtype)).sum((0, 1, 2)),
    lambda x: x.atan2(x + 3).sum() + x.abs().log1p().sum(),
    lambda x: x.scatter_add(1, ingot.tensor([[1, 1, 0]]), x[:1] * 3).square().sum(),
]
X = np.array([[0.3, -1.2, 2.1], [1.7, 0.9, -0.4]])


def numeric(f: Function, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    found = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        high, low = x.copy(), x.copy()
        high[index] += 1e-6
        low[index] -= 1e-6
        found[index] = (f(ingot.tensor(high)).item() - f(ingot.tensor(low)).item()) / 2e-6
    return found


@pytest.mark.parametrize("f", FUNCTIONS, ids=range(len(FUNCTIONS)))
def test_against_finite_differences(f: Function) -> None:
    x = ingot.tensor(X, requires_grad=True)
    f(x).backward()
    expected = numeric(f, X)
    np.testing.assert_allclose(x.grad.numpy(), expected, atol=1e-6)

    @ingot.jit
    def compiled(v: Any) -> Any:
        (gradient,) = ingot.autograd.grad(f(v), v)
        return gradient

    inside = compiled(ingot.tensor(X, requires_grad=True))
    np.testing.assert_allclose(inside.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("f", FUNCTIONS[:7], ids=range(7))
def test_second_derivatives(f: Function) -> None:
    def slope(v: Any) -> Any:
        (gradient,) = ingot.autograd.grad(f(v), v, create_graph=True)
        return (gradient * ingot.tensor([[1.0, 2.0, -1.0], [0.5, 1.0, 3.0]], dtype=v.dtype)).sum()

    x = ingot.tensor(X, requires_grad=True)
    slope(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), numeric(lambda v: slope(v.requires_grad_()), X), atol=1e-5)
    both = ingot.jit(lambda v: ingot.autograd.grad(slope(v), v)[0])(ingot.tensor(X, requires_grad=True))
    np.testing.assert_allclose(both.numpy(), x.grad.numpy(), atol=1e-9)


def test_gradients_accumulate_until_forgotten() -> None:
    x = ingot.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    kept = x.grad
    (x * 3).sum().backward()
    assert x.grad is kept and kept.tolist() == [5, 5]
    x.grad = None
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_leaves_and_flags() -> None:
    x = ingot.ones(2, requires_grad=True)
    y = x * 2
    assert x.is_leaf and not y.is_leaf and y.requires_grad and y.grad_fn is not None
    assert not x.detach().requires_grad
    with ingot.no_grad():
        assert not (x * 2).requires_grad
        with ingot.enable_grad():
            assert (x * 2).requires_grad
    assert not (x > 1).requires_grad
    with ingot.set_grad_enabled(False):
        assert not ingot.is_grad_enabled()
    assert ingot.is_grad_enabled()

    @ingot.no_grad()
    def f() -> Any:
        return x * 2

    assert not f().requires_grad
    y.retain_grad()
    y.sum().backward()
    assert y.grad.tolist() == [1, 1]


def test_writes_in_place_are_recorded_through_views() -> None:
    x = ingot.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1
    part = y[1:]
    part.mul_(ingot.tensor([10.0, 100.0]))
    part[0].exp_()
    (y * y).sum().backward()
    e = np.exp(20.0)
    np.testing.assert_allclose(x.grad.numpy(), [2, 2 * e * e * 10, 2 * 300 * 100], rtol=1e-5)
    assert part.requires_grad and part.grad_fn is not None


def test_unused_and_undifferentiable() -> None:
    x, z = ingot.ones(2, requires_grad=True), ingot.ones(2, requires_grad=True)
    assert ingot.autograd.grad((x * 2).sum(), [x, z], allow_unused=True)[1] is None
    assert ingot.autograd.grad((x * 2).sum(), [z], materialize_grads=True)[0].tolist() == [0, 0]
    (x.floor() + x * 0).sum().backward()
    assert x.grad.tolist() == [0, 0]


def test_hooks_see_and_change_cotangents() -> None:
    x = ingot.ones(2, requires_grad=True)
    y = x * 2
    seen: list[Any] = []

    def hook(cotangent: Any) -> Any:
        seen.append(cotangent.tolist())
        return cotangent * 10

    handle = y.register_hook(hook)
    y.sum().backward()
    assert seen == [[1, 1]] and x.grad.tolist() == [20, 20]
    handle.remove()


def twice() -> None:
    x = ingot.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    y.backward()


def stale() -> None:
    x = ingot.ones(2, requires_grad=True)
    w = ingot.ones(2)
    y = (x * w).sum()
    w.add_(1)
    y.backward()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (twice, r"IG306.*a second time.*retain_graph=True"),
        (stale, r"IG302.*modified by an inplace operation.*is at version 1; expected version 0"),
        (lambda: ingot.ones(2).sum().backward(), r"IG303.*does not require grad and does not have a grad_fn"),
        (lambda: (ingot.ones(2, requires_grad=True) * 2).backward(), r"IG305.*only for scalar outputs"),
        (lambda: ingot.ones(2, requires_grad=True).add_(1), r"IG301.*leaf Variable that requires grad"),
        (lambda: ingot.ones(2, requires_grad=True)[0].zero_(), r"IG301.*view of a leaf Variable"),
        (lambda: ingot.arange(2).requires_grad_(), r"IG313.*only Tensors of floating point dtype"),
        (lambda: (ingot.ones(2, requires_grad=True) * 2).requires_grad_(False), r"IG314"),
        (
            lambda: (ingot.ones(2, requires_grad=True) * 2).backward(ingot.ones(3)),
            r"IG307.*grad_output\[0\] has a shape of \[3\]",
        ),
        (
            lambda: ingot.autograd.grad(ingot.ones((), requires_grad=True) * 2, ingot.ones(1, requires_grad=True)),
            r"IG308.*not have been used in the graph",
        ),
    ],
)
def test_bad_input(make: Function, text: str) -> None:
    with pytest.raises(IngotError, match=r"(?s)" + text) as caught:
        make()
    assert isinstance(caught.value, GradError) or "IG307" in str(caught.value)
    assert "test_autograd.py" in str(caught.value) or "IG302" in str(caught.value)


def test_retain_graph() -> None:
    x = ingot.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 4]


@pytest.mark.parametrize("compiled", [False, True])
def test_what_is_overwritten_has_a_gradient_of_zeros(compiled: bool) -> None:
    def f(x: Any) -> Any:
        (y, z, w) = (x * 2, x * 3, x * 4)
        y.copy_(ingot.ones(2))
        z[:] = 1.0
        w.zero_()
        return [ingot.autograd.grad(t.sum(), x)[0] for t in (y, z, w)]

    made = (ingot.jit(f) if compiled else f)(ingot.ones(2, requires_grad=True))
    assert [g.tolist() for g in made] == [[0, 0]] * 3


@pytest.mark.parametrize("compiled", [False, True])
def test_retained_gradients_follow_writes(compiled: bool) -> None:
    def f(x: Any) -> Any:
        y = x * 2
        y.retain_grad()
        y.mul_(3)
        (y * y).sum().backward()
        return y.grad, x.grad

    y, x = (ingot.jit(f) if compiled else f)(ingot.ones(2, requires_grad=True))
    assert (y.tolist(), x.tolist()) == ([12, 12], [72, 72])


@pytest.mark.parametrize("compiled", [False, True])
def test_constants_that_are_written_to_are_read_as_they_were(compiled: bool) -> None:
    def f(x: Any) -> Any:
        scale = ingot.full((2,), 5.0)
        scale.mul_(x)
        scale.mul_(x)
        return ingot.autograd.grad(scale.sum(), x)[0]

    assert (ingot.jit(f) if compiled else f)(ingot.full((2,), 3.0, requires_grad=True)).tolist() == [30, 30]


def reading_what_was_written(x: Any) -> Any:
    y = x * 1
    z = (y * y).sum()
    y.add_(1)
    z.backward()
    return x.grad


def reading_a_result_that_was_written(x: Any) -> Any:
    y = x.exp()
    y.mul_(2)
    y.sum().backward()
    return x.grad


def walking_twice(x: Any) -> Any:
    y = x.exp().sum()
    y.backward()
    y.backward()
    return x.grad


def walking_a_shared_part_twice(x: Any) -> Any:
    y = x.exp()
    y.sum().backward()
    (y * 2).sum().backward()
    return x.grad


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("f", "code"),
    [
        (reading_what_was_written, "IG302"),
        (reading_a_result_that_was_written, "IG302"),
        (walking_twice, "IG306"),
        (walking_a_shared_part_twice, "IG306"),
    ],
)
def test_stale_graphs_are_errors_in_compiled_code_too(f: Function, code: str, compiled: bool) -> None:
    with pytest.raises(GradError, match=code):
        (ingot.jit(f) if compiled else f)(ingot.ones(2, requires_grad=True))


def test_a_result_whose_graph_was_freed_is_an_error_only_where_it_is_differentiated() -> None:
    w = ingot.ones(2, requires_grad=True)

    @ingot.jit
    def step(x: Any) -> Any:
        hidden = (w * x).exp()
        hidden.sum().backward()
        return hidden * 2

    result = step(ingot.ones(2))
    assert result.requires_grad and w.grad is not None
    with pytest.raises(GradError, match=r"(?s)IG306.*in the compiled function at"):
        result.sum().backward()


@pytest.mark.parametrize("compiled", [False, True])
def test_values_of_topk_may_be_scaled_in_place(compiled: bool) -> None:
    """Their derivative reads the indices alone."""

    def weights(x: Any) -> Any:
        values, _ = ingot.topk(x.softmax(-1), 2)
        values /= values.sum(-1, keepdim=True)
        gradient = ingot.autograd.grad((values * values).sum(), x, create_graph=True)[0]
        return gradient, ingot.autograd.grad((gradient * gradient).sum(), x)[0]

    def apart(x: Any) -> Any:
        values, _ = ingot.topk(x.softmax(-1), 2)
        values = values / values.sum(-1, keepdim=True)
        gradient = ingot.autograd.grad((values * values).sum(), x, create_graph=True)[0]
        return gradient, ingot.autograd.grad((gradient * gradient).sum(), x)[0]

    x = ingot.randn(3, 5, dtype=ingot.float64, requires_grad=True)
    for found, wanted in zip((ingot.jit(weights) if compiled else weights)(x), apart(x), strict=True):
        np.testing.assert_allclose(found.tolist(), wanted.tolist(), rtol=1e-12, atol=1e-14)

    def spoilt(x: Any) -> Any:
        values, indices = ingot.sort(x)
        indices.zero_()
        return ingot.autograd.grad((values * values).sum(), x)[0]

    with pytest.raises(RuntimeError, match="IG302"):
        (ingot.jit(spoilt) if compiled else spoilt)(x)
