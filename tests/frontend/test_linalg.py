"""Linear algebra: gradients by differences, compiled = eager, failures, named sizes, the cache, C libraries."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ingot
from ingot.runtime.errors import BuildError, IngotError

L = ingot.linalg
Function = Callable[..., Any]


def tensor(*shape: int, seed: int = 0, dtype: Any = np.float64) -> Any:
    return ingot.tensor(np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype))


def regular(x: Any) -> Any:
    return x + 3.0 * ingot.eye(x.shape[-1], dtype=x.dtype)


def definite(x: Any) -> Any:
    return x @ x.mT + ingot.eye(x.shape[-1], dtype=x.dtype)


def scalar(results: Any) -> Any:
    """A number that depends on every element of all results."""
    total = 0.0
    for place, r in enumerate(results if isinstance(results, tuple) else (results,)):
        if r.dtype.is_floating_point:
            weights = ingot.tensor(np.random.default_rng(place).uniform(0.5, 1.5, tuple(r.shape)))
            total = total + (r * weights).sum()
    return total


FUNCTIONS: dict[str, tuple[Function, tuple[int, ...]]] = {
    "inv": (lambda x: L.inv(regular(x)), (2, 3, 3)),
    "inv 1": (lambda x: L.inv(regular(x)), (1, 1)),
    "solve": (lambda x: L.solve(regular(x), x), (3, 3)),
    "solve_triangular": (lambda x: L.solve_triangular(regular(x), x, upper=False), (2, 3, 3)),
    "solve_triangular unit": (lambda x: L.solve_triangular(x, x, upper=True, unitriangular=True), (3, 3)),
    "det": (L.det, (2, 3, 3)),
    "slogdet": (L.slogdet, (3, 3)),
    "logdet": (lambda x: ingot.logdet(definite(x)), (3, 3)),
    "cholesky": (lambda x: L.cholesky(definite(x)), (2, 3, 3)),
    "cholesky_solve": (lambda x: ingot.cholesky_solve(x, L.cholesky(definite(x))), (3, 3)),
    "qr square": (L.qr, (3, 3)),
    "qr tall": (L.qr, (2, 4, 2)),
    "qr wide": (L.qr, (2, 4)),
    "svd tall": (lambda x: L.svd(x, False), (4, 2)),
    "svd wide": (lambda x: L.svd(x, False), (2, 2, 3)),
    "svdvals": (L.svdvals, (3, 2)),
    "eigh": (lambda x: L.eigh(x + x.mT), (2, 3, 3)),
    "eigvalsh": (lambda x: L.eigvalsh(x + x.mT), (3, 3)),
    "lu square": (L.lu, (2, 3, 3)),
    "lu tall": (L.lu, (4, 2)),
    "lu wide": (L.lu, (2, 4)),
    "lu_solve": (lambda x: L.lu_solve(*L.lu_factor(regular(x)), x), (3, 3)),
    "pinv tall": (L.pinv, (4, 2)),
    "pinv wide": (L.pinv, (2, 2, 3)),
    "lstsq": (lambda x: L.lstsq(x, x[..., :1] * 2).solution, (4, 2)),
    "matrix_exp": (ingot.matrix_exp, (2, 3, 3)),
    "matrix_power": (lambda x: L.matrix_power(regular(x), -3), (3, 3)),
    "householder": (lambda x: L.householder_product(x, x[0, :2]), (3, 3)),
    "norm nuc": (lambda x: L.matrix_norm(x, "nuc"), (3, 2)),
    "cond": (lambda x: L.cond(regular(x), 1), (3, 3)),
    "tensorsolve": (lambda x: L.tensorsolve(regular(x.reshape(6, 6)).reshape(2, 3, 6), x[:2, :3]), (6, 6)),
    "kron": (lambda x: ingot.kron(x, x.mT), (2, 3)),
    "cross": (lambda x: L.cross(x, x.flip(0)), (2, 3)),
    "multi_dot": (lambda x: L.multi_dot([x, x.mT, x]), (2, 3)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients(name: str) -> None:
    """The gradient and the gradient's gradient are the slopes of what they are the gradients of."""
    function, shape = FUNCTIONS[name]
    x, direction = tensor(*shape), tensor(*shape, seed=1)

    def value(at: Any) -> Any:
        return scalar(function(at))

    def slope(of: Function) -> float:
        h = 1e-5
        a, b, c, d = (float(of(x + k * h * direction).detach()) for k in (-2, -1, 1, 2))
        return (a - 8 * b + 8 * c - d) / (12 * h)

    def gradient(at: Any, again: bool = False) -> Any:
        leaf = at.detach().requires_grad_()
        (g,) = ingot.autograd.grad(value(leaf), leaf, create_graph=again)
        return leaf, g

    _, g = gradient(x)
    np.testing.assert_allclose(float((g * direction).sum()), slope(value), rtol=1e-6, atol=1e-7)
    second = tensor(*shape, seed=2)
    leaf, g = gradient(x, True)
    (gg,) = ingot.autograd.grad((g * second).sum(), leaf)
    expected = slope(lambda at: (gradient(at)[1] * second).sum())
    np.testing.assert_allclose(float((gg * direction).sum()), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_is_eager(name: str) -> None:
    function, shape = FUNCTIONS[name]
    x = tensor(*shape)

    def both(at: Any) -> Any:
        leaf = at.detach().requires_grad_()
        results = function(leaf)
        return results, ingot.autograd.grad(scalar(results), leaf)

    for a, b in zip(ingot.tree.leaves(ingot.jit(both)(x)), ingot.tree.leaves(both(x)), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_second_derivatives(name: str) -> None:
    function, shape = FUNCTIONS[name]

    def second(at: Any) -> Any:
        leaf = at.detach().requires_grad_()
        (g,) = ingot.autograd.grad(scalar(function(leaf)), leaf, create_graph=True)
        return ingot.autograd.grad((g * g).sum(), leaf)[0]

    x = tensor(*shape)
    np.testing.assert_allclose(ingot.jit(second)(x).numpy(), second(x).numpy(), rtol=1e-7, atol=1e-9)


def test_large_matrices() -> None:
    """Past the panels and blocks of the array versions."""
    x = tensor(100, 70)
    p, below, above = L.lu(x)
    np.testing.assert_allclose((p @ below @ above).numpy(), x.numpy(), atol=1e-12)
    p, below, above = L.lu(x.mT)
    np.testing.assert_allclose((p @ below @ above).numpy(), x.mT.numpy(), atol=1e-12)
    square = regular(tensor(90, 90))
    np.testing.assert_allclose(float(L.slogdet(square).logabsdet), np.linalg.slogdet(square.numpy())[1], rtol=1e-12)
    for upper in (False, True):
        triangle = ingot.triu(square) if upper else ingot.tril(square)
        solved = L.solve_triangular(square, x[:90], upper=upper)
        np.testing.assert_allclose((triangle @ solved).numpy(), x[:90].numpy(), atol=1e-9)


REFUSED: list[tuple[Function, str, str]] = [
    (lambda x: L.inv(x * 0), "IG365", r"The diagonal element 1 is zero"),
    (lambda x: L.solve(x * 0, x), "IG365", r"singular"),
    (lambda x: L.cholesky(-ingot.eye(2) - x * 0), "IG366", r"leading minor of order 1"),
    (lambda x: L.cholesky(ingot.tensor([[1.0, 2.0], [2.0, 1.0]]) + x * 0), "IG366", r"leading minor of order 2"),
    (lambda x: L.lu_factor(x * 0), "IG365", r"U\[1,1\] is zero"),
    (lambda x: L.svd(x / 0), "IG367", r"failed to converge"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_failures(number: int, compiled: bool) -> None:
    function, code, text = REFUSED[number]
    run = ingot.jit(function) if compiled else function
    for _ in range(3):  # also where the call takes the native path
        with pytest.raises(L.LinAlgError, match=text) as caught:
            run(tensor(2, 2, dtype=np.float32))
        assert isinstance(caught.value, RuntimeError) and isinstance(caught.value, IngotError)
        assert caught.value.code == code


def test_a_batch_names_its_element() -> None:
    with pytest.raises(L.LinAlgError, match=r"\(Batch element 1\)"):
        L.inv(ingot.stack([ingot.eye(2), ingot.zeros(2, 2)]))


def test_failing_does_not_spoil_later_calls() -> None:
    f = ingot.jit(lambda x: L.inv(x) * 2.0)
    good = regular(tensor(2, 2))
    want = f(good).numpy()
    for _ in range(3):
        with pytest.raises(L.LinAlgError):
            f(good * 0)
        np.testing.assert_array_equal(f(good).numpy(), want)


def test_eigenvalues_of_general_matrices_are_complex() -> None:
    for function in (L.eig, L.eigvals):
        with pytest.raises(RuntimeError, match=r"complex"):
            function(ingot.eye(2))


def test_the_complete_qr_of_a_tall_matrix_has_no_gradient() -> None:
    x = tensor(3, 2).requires_grad_()
    with pytest.raises(RuntimeError, match=r"not determined"):
        L.qr(x, mode="complete").Q.sum().backward()


def test_lstsq_residuals_in_compiled_code() -> None:
    a, b = tensor(4, 2), tensor(4, 1, seed=1)
    eager = L.lstsq(a, b, driver="gelsd")
    compiled = ingot.jit(lambda a, b: L.lstsq(a, b, driver="gelsd"))(a, b)
    for x, y in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-12)
    deficient = ingot.jit(lambda a, b: L.lstsq(a, b, driver="gelsd"))(a * 0, b)
    assert np.isnan(deficient.residuals.numpy()).all() and L.lstsq(a * 0, b, driver="gelsd").residuals.shape == (0,)


def test_what_numpy_raises_comes_out_of_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    f = ingot.jit(lambda x: L.svdvals(x))
    x = tensor(3, 3)
    want = f(x).numpy()

    def exhausted(*args: Any, **kwargs: Any) -> Any:
        raise MemoryError("no memory for the work array")

    with monkeypatch.context() as patched:
        patched.setattr(np.linalg, "svd", exhausted)
        for _ in range(3):
            with pytest.raises(MemoryError, match="work array"):
                f(x)
    np.testing.assert_array_equal(f(x).numpy(), want)


def test_vmap_and_threads() -> None:
    x = tensor(16, 4, 4)
    batched = ingot.jit(ingot.func.vmap(lambda a: L.inv(regular(a))))(x) if hasattr(ingot.func, "vmap") else None
    if batched is not None:
        np.testing.assert_allclose(batched.numpy(), L.inv(regular(x)).numpy(), rtol=1e-12)


SECOND = """
import numpy as np, ingot
x = ingot.tensor(np.random.default_rng(0).uniform(-1, 1, (3, 3)))
f = ingot.jit(lambda x: ingot.linalg.svdvals(x))
print(" ".join(str(float(v)) for v in f(x)))
"""


def test_a_second_process_runs_it_from_the_cache(tmp_path: Path) -> None:
    script = tmp_path / "second.py"
    script.write_text(SECOND)
    outputs = []
    for _ in range(2):
        made = subprocess.run(
            [sys.executable, str(script)],
            capture_output=True,
            text=True,
            check=True,
            env={**__import__("os").environ, "INGOT_CACHE_DIR": str(tmp_path / "cache")},
        )
        outputs.append(made.stdout)
    assert outputs[0] == outputs[1] and len(outputs[0].split()) == 3


def test_c_libraries_refuse_what_numpy_computes(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"IG371.*svd of f32\[3,3\]"):
        ingot.aot.build(lambda x: L.svdvals(x), tmp_path, name="f", specs=["f32[3,3]"])


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 17, 33])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_compiled_loops_at_every_remainder(n: int, dtype: Any) -> None:
    """Rows that end inside a vector, one right-hand side and several."""
    near = 1e-10 if dtype is np.float64 else 2e-4

    def everything(a: Any, b: Any) -> Any:
        dominant = a + (2.0 + n) * ingot.eye(n, dtype=a.dtype)
        return (
            L.solve(dominant, b),
            L.cholesky(definite(a)),
            L.solve_triangular(dominant, b, upper=True),
            L.solve_triangular(dominant, b, upper=False),
            L.lu_factor_ex(ingot.cat([dominant, b], -1)),
            L.cholesky_ex(-dominant).info,
        )

    for k in (1, 5, 8):
        a, b = tensor(2, n, n, dtype=dtype), tensor(2, n, k, seed=1, dtype=dtype)
        for x, y in zip(
            ingot.tree.leaves(ingot.jit(everything)(a, b)), ingot.tree.leaves(everything(a, b)), strict=True
        ):
            np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=near, atol=near)


def test_c_libraries_have_code_for_systems(tmp_path: Path) -> None:
    def f(a: Any, b: Any) -> Any:
        return L.solve(a, b), L.cholesky(definite(a)), L.det(a)

    made = ingot.aot.build(f, tmp_path, name="systems", specs=["f64[3,3]", "f64[3,2]"])
    assert any(path.suffix == ".a" for path in made)


@pytest.mark.parametrize("shape", [(12, 5), (5, 12), (2, 6, 6)])
def test_factorisations_of_low_rank_find_the_rank(shape: tuple[int, ...]) -> None:
    low = ingot.randn(*shape[:-1], 2, dtype=ingot.float64) @ ingot.randn(*shape[:-2], 2, shape[-1], dtype=ingot.float64)
    u, s, v = ingot.svd_lowrank(low, q=3)
    np.testing.assert_allclose((u @ ingot.diag_embed(s) @ v.mT).tolist(), low.tolist(), atol=1e-9)
    assert float(s[..., 2].max()) < 1e-9
    components = ingot.jit(lambda x: ingot.pca_lowrank(x, q=2))(low)
    centred = low - low.mean(-2, keepdim=True)
    wanted = ingot.linalg.svdvals(centred)[..., :2]
    np.testing.assert_allclose(components.S.tolist(), wanted.tolist(), rtol=1e-6)
    with pytest.raises(ValueError, match="IG425"):
        ingot.pca_lowrank(low, q=99)
    with pytest.raises(ValueError, match="IG425"):
        ingot.svd_lowrank(low, niter=-1)
