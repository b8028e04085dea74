"""Gradients of functions, over trees, nested, eager and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ingot
from ingot import func, tree
from ingot.func import grad, value_and_grad
from ingot.runtime.errors import GradError


def loss(params: Any, x: Any) -> Any:
    return ((x @ params["w"] + params["b"]) ** 2).sum()


def arguments() -> tuple[Any, Any]:
    return {"w": ingot.tensor([[1.0], [2.0]]), "b": ingot.tensor([0.5])}, ingot.tensor([[1.0, -1.0], [3.0, 0.0]])


@pytest.mark.parametrize("compiled", [False, True])
def test_trees(compiled: bool) -> None:
    params, x = arguments()
    f = value_and_grad(loss)
    value, found = (ingot.jit(f) if compiled else f)(params, x)
    assert value.item() == 12.5
    assert found["w"].tolist() == [[20], [1]]
    assert found["b"].tolist() == [6]
    assert not value.requires_grad and not found["w"].requires_grad
    assert params["w"].grad is None and not params["w"].requires_grad


@pytest.mark.parametrize("compiled", [False, True])
def test_nested(compiled: bool) -> None:
    third = grad(grad(grad(lambda x: x**4)))
    assert (ingot.jit(third) if compiled else third)(ingot.tensor(2.0)).item() == 48


def test_argnums_and_auxiliary_results() -> None:
    f = grad(lambda a, b: ((a * b).sum(), {"a": a}), argnums=(0, 1), has_aux=True)
    (da, db), aux = f(ingot.ones(2), ingot.full((2,), 3.0))
    assert da.tolist() == [3, 3] and db.tolist() == [1, 1] and aux["a"].tolist() == [1, 1]


def test_integers_and_unused_arguments() -> None:
    found = grad(lambda p: (p["x"] * p["n"]).sum())({"x": ingot.ones(2), "n": ingot.tensor([2, 3]), "z": ingot.ones(1)})
    assert found["x"].tolist() == [2, 3] and found["n"] is None and found["z"].tolist() == [0]
    assert grad(lambda x: ingot.ones(()))(ingot.ones(2)).tolist() == [0, 0]


def test_the_callers_tape_runs_through() -> None:
    w = ingot.tensor(3.0, requires_grad=True)
    slope = grad(lambda x: (w * x**2).sum())(ingot.tensor([1.0, 2.0]))
    slope.sum().backward()
    assert w.grad.item() == 6


def test_no_grad_outside_does_not_matter() -> None:
    with ingot.no_grad():
        assert grad(lambda x: x**2)(ingot.tensor(3.0)).item() == 6


def test_results_must_be_scalars() -> None:
    with pytest.raises(GradError, match=r"(?s)IG318.*returned f32\[2\].*loss.sum\(\)"):
        grad(lambda x: x * 2)(ingot.ones(2))
    with pytest.raises(GradError, match=r"IG318.*returned int"):
        grad(lambda x: 1)(ingot.ones(2))


def both(f: Any, *args: Any) -> Any:
    """The result eager, compared with the compiled one."""
    eager, compiled = tree.leaves(f(*args)), tree.leaves(ingot.jit(f)(*args))
    for a, b in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)
        assert not a.requires_grad
    return eager


def test_products_with_jacobians() -> None:
    x, w = ingot.tensor([1.0, 2.0]), ingot.tensor([[1.0, 0.0], [2.0, 3.0]])

    def forward(x: Any, w: Any) -> Any:
        return {"y": x @ w, "n": (x * x).sum()}

    def back(x: Any, w: Any) -> Any:
        out, pull_back = func.vjp(forward, x, w)
        return out, pull_back({"y": ingot.tensor([1.0, 10.0]), "n": ingot.tensor(1.0)})

    y, n, dx, dw = both(back, x, w)
    assert (y.tolist(), n.item()) == ([5, 6], 5)
    assert dx.tolist() == [3, 36] and dw.tolist() == [[1, 10], [2, 20]]
    *_, moved, slope = both(lambda x, w: func.jvp(forward, (x, w), (ingot.ones(2), w * 0)), x, w)
    assert moved.tolist() == [3, 3] and slope.item() == 6
    with pytest.raises(GradError, match="IG318"):
        func.jvp(forward, (x, w), (x,))


def test_jacobians_and_hessians() -> None:
    x = ingot.tensor([1.0, 2.0])
    assert both(func.jacrev(lambda v: v * v.sum()), x)[0].tolist() == [[4, 1], [2, 5]]
    assert both(func.jacfwd(lambda v: v * v.sum()), x)[0].tolist() == [[4, 1], [2, 5]]
    assert both(func.hessian(lambda v: (v**3).sum()), x)[0].tolist() == [[6, 0], [0, 12]]
    w = ingot.tensor([3.0, 1.0], requires_grad=True)
    func.jacrev(lambda v: v * w)(x).sum().backward()
    assert w.grad.tolist() == [1, 1]


def test_vmap() -> None:
    rows = ingot.arange(6.0).reshape(3, 2)
    assert both(func.vmap(lambda r: r.sum()), rows)[0].tolist() == [1, 5, 9]
    assert both(func.vmap(lambda c, k: c * k, in_dims=(1, None), out_dims=1), rows, ingot.tensor(2.0))[0].shape == (
        3,
        2,
    )
    assert both(func.vmap(grad(lambda r: (r * r).sum())), rows)[0].tolist() == (2 * rows).tolist()
    with pytest.raises(ValueError, match=r"IG392.*sizes \[3, 2\]"):
        func.vmap(lambda a, b: a)(rows, ingot.ones(2))
    with pytest.raises(ValueError, match=r"IG392.*float"):
        func.vmap(lambda a: 1.0)(rows)
    with pytest.raises(RuntimeError, match=r"IG392.*random"):
        func.vmap(lambda a: a + ingot.rand(2))(rows)
    same = func.vmap(lambda a: ingot.rand(2), randomness="same")(rows)
    assert (same[0] == same[1]).all()
    different = func.vmap(lambda a: ingot.rand(2), randomness="different")(rows)
    assert (different[0] != different[1]).any()
