"""Functions of functions: torch.func."""

from __future__ import annotations

from typing import Any

from peer import Case, nograd, real

FLOATS = ("float64",)
X, W, V = nograd(real(3)), nograd(real(3, 2)), nograd(real(4, 3))


def case(name: str, run: Any, inputs: Any, **options: Any) -> Case:
    return Case(name, run, inputs, dtypes=FLOATS, grad=False, layouts=False, **options)


def pair(T: Any) -> Any:
    return lambda x, w: ((x @ w).tanh(), {"total": (x * x).sum()})


def loss(T: Any) -> Any:
    return lambda w, x: ((x @ w).tanh() ** 2).sum()


def vjp(T: Any, x: Any, w: Any) -> Any:
    out, pull_back = T.func.vjp(pair(T), x, w)
    return out, pull_back((T.ones(2, dtype=x.dtype), {"total": T.tensor(3.0, dtype=x.dtype)}))


def vjp_aux(T: Any, x: Any, w: Any) -> Any:
    out, pull_back, aux = T.func.vjp(lambda x: ((x @ w).sum(), x * 2), x, has_aux=True)
    return out, pull_back(T.ones((), dtype=x.dtype)), aux


def jvp(T: Any, x: Any, w: Any) -> Any:
    return T.func.jvp(pair(T), (x, w), (T.ones_like(x), w * 2))


def per_example(T: Any, w: Any, v: Any) -> Any:
    return T.func.vmap(T.func.grad(loss(T)), in_dims=(None, 0))(w, v)


def tree_dims(T: Any, x: Any, v: Any) -> Any:
    batch = {"x": v, "y": v.t()}
    f = T.vmap(lambda d, c: (d["x"] * d["y"] + c, d["x"].sum()), in_dims=({"x": 0, "y": 1}, None), out_dims=(1, 0))
    return f(batch, x)


def outer(T: Any, v: Any) -> Any:
    leaf = v.detach().clone().requires_grad_()
    out = T.func.vmap(lambda row: (row * row).cumsum(0))(leaf)
    return out, T.autograd.grad(out.sum(), leaf)


CASES = [
    case("grad", lambda T, w, x: T.func.grad(loss(T))(w, x), [W, X]),
    case("grad of grad", lambda T, x: T.func.grad(lambda a: T.func.grad(lambda b: (b**3).sum())(a).sum())(x), [X]),
    case("grad_and_value", lambda T, w, x: T.func.grad_and_value(loss(T), argnums=(0, 1))(w, x), [W, X]),
    case("vjp", vjp, [X, W]),
    case("vjp has_aux", vjp_aux, [X, W]),
    case("jvp", jvp, [X, W]),
    case("jacrev", lambda T, x, w: T.func.jacrev(pair(T), argnums=(0, 1))(x, w), [X, W]),
    case("jacrev single", lambda T, x: T.func.jacrev(lambda a: a.sin() * a.sum())(x), [X]),
    case("jacfwd", lambda T, x, w: T.func.jacfwd(pair(T), argnums=1)(x, w), [X, W]),
    case("hessian", lambda T, x: T.func.hessian(lambda a: (a.sin() * a.prod()).sum())(x), [X]),
    case("vmap", lambda T, v, w: T.func.vmap(lambda row: (row @ w).softmax(0))(v), [V, W]),
    case("vmap in_dims", lambda T, v, x: T.vmap(T.dot, in_dims=(1, None))(v.t(), x), [V, X]),
    case("vmap trees", tree_dims, [X, V]),
    case("vmap of vmap", lambda T, v: T.vmap(T.vmap(lambda a: a.exp() + 1))(v), [V]),
    case("vmap of grad", per_example, [W, V]),
    case("vmap differentiated", outer, [V]),
    case("vmap of jacrev", lambda T, v: T.vmap(T.func.jacrev(lambda a: a.cumprod(0)))(v), [V]),
    case("jacrev of vmap", lambda T, v: T.func.jacrev(T.vmap(lambda a: (a * a).sum()))(v), [V]),
]
