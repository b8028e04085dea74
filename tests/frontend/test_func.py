"""Gradients of functions, over trees, nested, eager and compiled."""

from __future__ import annotations

from typing import Any

import pytest

import ingot
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
