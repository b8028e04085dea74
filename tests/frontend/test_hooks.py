"""Hooks on leaves, results and nodes, eager and in compiled functions; what users see of the graph."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import ingot
from ingot.autograd import graph
from ingot.runtime.errors import GradError, TraceError


def leaf(*numbers: float) -> Any:
    return ingot.tensor(numbers, requires_grad=True)


def test_leaf_hooks_see_the_sum_and_replace_it() -> None:
    x = leaf(1.0, 2.0)
    seen: list[Any] = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    handle = x.register_hook(lambda g: g * 10)
    (x * 2 + x * 3).sum().backward()
    assert seen == [[5, 5]] and x.grad.tolist() == [50, 50]
    x.grad = None
    handle.remove()
    handle.remove()
    with x.register_hook(lambda g: g + 1):
        x.sum().backward()
    x.sum().backward()
    assert x.grad.tolist() == [3, 3] and len(seen) == 3


def test_hooks_go_with_their_leaf() -> None:
    x = leaf(1.0)
    x.register_hook(lambda g: g * 10)
    del x
    for _ in range(20):
        y = leaf(1.0)
        y.sum().backward()
        assert y.grad.tolist() == [1]


def test_post_accumulate_hooks_see_the_gradient() -> None:
    x = leaf(1.0)
    seen: list[Any] = []
    x.register_post_accumulate_grad_hook(lambda p: seen.append((p is x, p.grad.item())))
    x.sum().backward()
    x.sum().backward()
    assert seen == [(True, 1), (True, 2)]
    ingot.autograd.grad(x.sum(), x)
    assert len(seen) == 2


def test_hooks_in_compiled_functions() -> None:
    @ingot.jit
    def step(x: Any) -> Any:
        y = x * 3
        y.retain_grad()
        y.register_hook(lambda g: g * 2)
        (y * y).sum().backward()
        return y.grad, x.grad

    y, x = step(leaf(1.0, 2.0))
    assert y.tolist() == [12, 24] and x.tolist() == [36, 72]


def test_compiled_functions_call_the_hooks_that_leaves_have() -> None:
    w = leaf(1.0, 2.0)
    step = ingot.jit(lambda x: ((w * x).sum().backward(), w.grad)[1])
    for hook, expected in ((None, 1), (lambda g: g * 10, 10), (None, 1)):
        w.grad = None
        handle = w.register_hook(hook) if hook is not None else None
        assert step(ingot.ones(2)).tolist() == [expected, expected]
        if handle is not None:
            handle.remove()
    assert step.stats()["compiles"] == 2

    own = ingot.jit(lambda x: (x.sum().backward(), x.grad)[1])
    assert own(leaf(1.0)).tolist() == [1]
    hooked = leaf(1.0)
    hooked.register_hook(lambda g: g * 7)
    assert own(hooked).tolist() == [7] and own(leaf(1.0)).tolist() == [1]


def test_registration_on_outside_leaves_does_not_compile() -> None:
    w = leaf(1.0)

    @ingot.jit
    def step(x: Any) -> Any:
        w.register_hook(lambda g: g)
        return (w * x).sum()

    with pytest.raises(TraceError, match=r"IG380.*registers a hook"):
        step(ingot.ones(1))


def test_hooks_before_compiled_functions_are_called_behind_them() -> None:
    f = ingot.jit(lambda x: x * 3)
    x = leaf(1.0)
    x.register_hook(lambda g: g * 2)
    y = x * 1
    y.register_hook(lambda g: g + 1)
    z = f(y)
    z.register_hook(lambda g: g * 10)
    z.sum().backward()
    assert x.grad.tolist() == [62]


def test_several_tensors() -> None:
    x, y = leaf(1.0), leaf(2.0)
    seen: list[Any] = []
    handle = graph.register_multi_grad_hook((x, y), lambda gs: seen.append([g.item() for g in gs]))
    (x * y).sum().backward()
    handle.remove()
    (x * y).sum().backward()
    assert seen == [[2, 1]]
    a, b = graph.intercept([x * 1, y * 1], lambda gs: (gs[0] * 10, gs[1]))
    x.grad = y.grad = None
    (a * b).sum().backward()
    assert x.grad.item() == 20 and y.grad.item() == 1


def test_nodes() -> None:
    x = leaf(1.0, 2.0)
    y = (x * 2).exp()
    assert y.grad_fn.name() == "ExpBackward0"
    (before, number), *_ = y.grad_fn.next_functions
    assert before.name() == "MulBackward0" and number == 0
    assert before.next_functions[0][0].variable is x
    values, indices = x.max(0)
    assert indices.grad_fn is None and values.grad_fn is not None
    y.grad_fn.metadata["note"] = 1
    assert y.grad_fn.metadata == {"note": 1} and "ExpBackward0" in repr(y)


def test_gradients_of_results_warn() -> None:
    y: Any = leaf(1.0) * 2
    with pytest.warns(UserWarning, match="not a leaf"):
        assert y.grad is None
    y.retain_grad()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [y.grad, y.retains_grad] == [None, True]
    y.sum().backward()
    kept: Any = y.grad
    assert kept.tolist() == [1]


def test_saved_tensors_are_packed() -> None:
    x = leaf(1.0, 2.0)
    packed: list[Any] = []

    def pack(t: Any) -> int:
        packed.append(t.detach().clone())
        return len(packed) - 1

    with graph.saved_tensors_hooks(pack, lambda i: packed[i]):
        y = (x.exp() * x).sum()
    assert len(packed) >= 2
    y.backward()
    assert x.grad.tolist() == pytest.approx((x.exp() * (x + 1)).tolist())
    with graph.saved_tensors_hooks(lambda t: t, lambda t: t[:1]), pytest.raises(GradError, match="IG387"):
        (x * x).sum().backward()
    with graph.save_on_cpu():
        y = (x * x).sum()
    y.backward()


def test_variable() -> None:
    x = leaf(1.0)
    made = ingot.autograd.Variable(x * 2)
    assert not made.requires_grad and isinstance(x, ingot.autograd.Variable)
    assert not isinstance(3, ingot.autograd.Variable)
    assert ingot.autograd.Variable(ingot.tensor([1])).dtype is ingot.int64
