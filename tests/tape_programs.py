"""Random programs of views, writes in place and functions, whose gradients two implementations are to agree on."""

from __future__ import annotations

import random
from typing import Any

# Of the first hundred and twenty programs, those that PyTorch refuses, as they overwrite what a derivative reads.
REFUSED = {12, 16, 27, 34, 36, 39, 42, 44, 45, 52, 58, 60, 61, 63, 64, 68, 76, 96, 98, 106, 108, 119}
SEEDS = [seed for seed in range(120) if seed not in REFUSED]

KINDS = [
    "unary",
    "binary",
    "view",
    "unary_",
    "binary_",
    "assign",
    "copy",
    "detach",
    "no_grad",
    "cat",
    "sum",
    "retain",
    "where",
    "clone",
    "matmul",
]


def program(seed: int) -> list[tuple[str, int, int, int]]:
    """Steps: a kind and three numbers that choose operands and variants."""
    draw = random.Random(seed)
    return [
        (draw.choice(KINDS), draw.randrange(100), draw.randrange(100), draw.randrange(100))
        for _ in range(draw.randrange(3, 12))
    ]


def run(T: Any, steps: list[tuple[str, int, int, int]], a: Any, b: Any) -> Any:
    """All tensors of the program, the gradients of its leaves, and those that were retained."""
    a, b = a.detach().clone().requires_grad_(), b.detach().clone().requires_grad_()
    pool, retained = [a * 1, b * 1], []
    for kind, first, second, variant in steps:
        x, y = pool[first % len(pool)], pool[second % len(pool)]
        if kind == "retain":
            if x.requires_grad:
                x.retain_grad()
                retained.append(x)
            continue
        made = _step(T, kind, x, y, variant)
        if made is not None:
            pool.append(made)
    sum((p * p * 0.1).sum() for p in pool if p.requires_grad).backward()
    return [p.detach().clone() for p in pool], [a.grad, b.grad], [r.grad for r in retained]


def _step(T: Any, kind: str, x: Any, y: Any, variant: int) -> Any:
    """A new tensor, or None for a step that writes (or does not fit)."""
    same = x.shape == y.shape
    if kind == "unary":
        return [x.sin, x.tanh, x.sigmoid, x.abs, x.neg, x.square][variant % 6]()
    if kind == "view":
        return _view(x, variant)
    if kind in ("unary_", "assign"):
        _write(x, y, kind, variant)
        return None
    if kind in ("binary_", "copy"):
        if same and x is not y:
            _write(x, y, kind, variant)
        return None
    if kind == "no_grad":
        with T.no_grad():
            z = x * 2
            return z.add_(1) if variant % 2 else z
    if kind == "sum":
        return x + x.sum()
    if kind == "clone":
        return x.clone()
    if kind == "matmul":
        return (x @ y) * 0.1 if x.ndim == y.ndim == 2 and x.shape[1] == y.shape[0] else None
    if kind == "detach":
        return x.detach() * y if same else x.detach().clone()
    if not same:
        return None
    if kind == "binary":
        return [lambda: x + y, lambda: x * y, lambda: x - y, lambda: T.maximum(x, y)][variant % 4]()
    if kind == "cat":
        return T.cat([x, y], 0)[1 : 1 + x.shape[0]] if x.ndim else x + y
    return T.where(x > y, x, y * 0.5)


def _view(x: Any, variant: int) -> Any:
    views = [
        lambda: x.t() if x.ndim == 2 else x.unsqueeze(0),
        lambda: x[0] if x.ndim > 1 else x[:1],
        lambda: x[..., ::2],
        lambda: x.reshape(-1),
        lambda: x[..., 1:],
        lambda: x.unsqueeze(0)[0],
        lambda: x.flip(0),
        lambda: x.unbind(0)[-1] if x.ndim > 1 else x[-1:],
        lambda: x.chunk(2, -1)[0],
    ]
    return views[variant % len(views)]()


def _write(x: Any, y: Any, kind: str, variant: int) -> None:
    if kind == "unary_":
        [x.tanh_, x.sin_, x.neg_, x.sigmoid_, x.abs_][variant % 5]()
    elif kind == "binary_":
        half = 0.5
        [lambda: x.add_(y), lambda: x.mul_(y), lambda: x.sub_(y, alpha=half), lambda: x.mul_(half)][variant % 4]()
    elif kind == "copy":
        x.copy_(y * 2)
    elif variant % 3 == 0:
        x[..., 0] = 0.5
    elif variant % 3 == 1 and x.shape == y.shape:
        x[..., :1] = y[..., -1:] * 2
    else:
        x[0] = x[-1] * 2
