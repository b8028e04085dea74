"""Reductions, cumulative functions, statistics and norms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from peer import Case, boolean, distinct, given, integer, nograd, positive, real

NANS = given(np.array([[1.0, math.nan, 3.0], [math.nan, math.nan, math.nan], [4.0, -5.0, 0.0]]))
TIES = given(np.array([[1.0, 3.0, 3.0, 2.0], [2.0, 2.0, 2.0, 2.0], [-1.0, -3.0, -1.0, -3.0]]))


def forms(name: str) -> list[Case]:
    """Every way to say over which dimensions."""
    return [
        Case(f"{name} all", lambda T, x: [getattr(T, name)(x), getattr(x, name)()], [real(2, 3, 4)], dtypes="half"),
        Case(
            f"{name} dim",
            lambda T, x: [getattr(T, name)(x, dim=d) for d in (0, 1, -1, (0, 2), (-1, 1))],
            [real(2, 3, 4)],
        ),
        Case(
            f"{name} keepdim",
            lambda T, x: [getattr(T, name)(x, 1, True), getattr(x, name)((0, -1), keepdim=True)],
            [real(2, 3, 4)],
        ),
        Case(
            f"{name} 0-d",
            lambda T, x: [getattr(T, name)(x), getattr(T, name)(x, 0), getattr(T, name)(x, -1)],
            [real()],
            grad=name not in ("std", "var"),
        ),
        Case.misuse(f"{name} dim outside", lambda T, x: getattr(T, name)(x, 3), [real(2, 3)]),
        Case.misuse(f"{name} dim twice", lambda T, x: getattr(T, name)(x, (0, 0)), [real(2, 3)]),
    ]


def sums() -> list[Case]:
    cases = [
        case
        for name in ("sum", "mean", "amax", "amin", "std", "var", "nansum", "nanmean", "logsumexp")
        for case in forms(name)
        if not (name == "logsumexp" and case.name.endswith(("all", "0-d")))
    ]
    cases += [
        Case(
            "sum integers",
            lambda T, x, b: [x.sum(), x.sum(0), b.sum(), b.sum(1), x.int().sum(), b.sum(dtype=T.float32)],
            [integer(3, 4), boolean(3, 4)],
        ),
        Case(
            "sum dtype",
            lambda T, x: [
                T.sum(x, dtype=T.float64),
                x.sum(0, dtype=T.float64),
                x.sum(dim=(0,), keepdim=True, dtype=T.int64),
            ],
            [nograd(real(3, 4))],
        ),
        Case(
            "sum axis",
            lambda T, x: [T.sum(x, axis=0), x.mean(axis=(0, 1)), x.sum(axis=-1, keepdims=True), T.amax(x, axis=1)],
            [real(3, 4)],
        ),
        Case("sum empty dims", lambda T, x: [x.sum(()), x.sum([]), x.mean([]), x.sum(dim=None)], [real(3, 4)]),
        Case(
            "sum zero-size",
            lambda T, x: [x.sum(), x.sum(0), x.sum(1), x.mean(0), x.prod(), x.prod(0)],
            [real(0, 3)],
            grad=False,
        ),
        Case(
            "prod", lambda T, x: [x.prod(), T.prod(x, 0), T.prod(x, -1, True), T.prod(x, dtype=T.float64)], [real(3, 4)]
        ),
        Case("prod integers", lambda T, x, b: [x.prod(), x.prod(1), b.prod()], [integer(3, 4, low=1), boolean(3)]),
        Case(
            "prod with zeros",
            lambda T, x: [x.prod(), x.prod(1)],
            [given(np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [1.0, 2.0, 3.0]]))],
        ),
        Case("mean dtype", lambda T, i: [i.mean(dtype=T.float32), T.mean(i, 0, dtype=T.float64)], [integer(3, 4)]),
        Case.misuse("mean of integers", lambda T, x: x.mean(), [integer(3)]),
        Case(
            "nan sums",
            lambda T, x: [
                T.nansum(x),
                T.nanmean(x),
                T.nansum(x, 1),
                T.nanmean(x, 1),
                T.nanmean(x, 0, True),
                T.sum(x, 1),
            ],
            [nograd(NANS)],
        ),
        Case(
            "logsumexp infinities",
            lambda T: T.logsumexp(T.tensor([[math.inf, 1.0], [-math.inf, -math.inf], [0.0, 1000.0]]), 1),
        ),
        Case(
            "logsumexp dims",
            lambda T, x: [x.logsumexp(0), T.logsumexp(x, (0, 1)), T.logsumexp(x, -1, keepdim=True)],
            [real(3, 4)],
        ),
        Case("logsumexp integers", lambda T, x: T.logsumexp(x, 0), [integer(3)]),
        Case(
            "count_nonzero",
            lambda T, x, b: [
                T.count_nonzero(x),
                x.count_nonzero(0),
                b.count_nonzero(dim=(0, 1)),
                T.count_nonzero(b, 1),
            ],
            [integer(3, 4, low=0, high=2), boolean(3, 4)],
        ),
        Case(
            "any all",
            lambda T, b, x: [
                b.any(),
                b.all(),
                b.any(0),
                T.all(b, 1, True),
                x.any(),
                T.any(x, -1),
                x.all(0),
                b.any(dim=(0, 1)),
                T.all(b, dim=(0, 1), keepdim=True),
            ],
            [boolean(3, 4), integer(3, 4, low=0, high=2)],
        ),
        Case(
            "any all uint8",
            lambda T, x: [x.byte().any(), x.byte().all(0), x.float().any(1)],
            [integer(3, 4, low=0, high=2)],
        ),
        Case(
            "any all zero-size", lambda T, x: [x.any(), x.all(), x.any(0), x.all(0), x.any(1)], [real(0, 3)], grad=False
        ),
        Case("trace", lambda T, x, i: [T.trace(x), x.trace(), i.trace()], [real(3, 4), integer(3, 3)]),
        Case("sum_to_size", lambda T, x: [x.sum_to_size(3, 1), x.sum_to_size((4,)), x.sum_to_size(1)], [real(3, 4)]),
    ]
    return cases


def extremes() -> list[Case]:
    cases: list[Case] = []
    for name in ("max", "min"):
        cases += [
            Case(
                f"{name} whole",
                lambda T, x, n=name: [getattr(T, n)(x), getattr(x, n)()],
                [distinct(3, 4)],
                dtypes="half",
            ),
            Case(f"{name} along", lambda T, x, n=name: [tuple(getattr(T, n)(x, d)) for d in (0, -1)], [distinct(3, 4)]),
            Case(
                f"{name} names",
                lambda T, x, n=name: [getattr(x, n)(dim=1, keepdim=True).values, getattr(T, n)(x, 0).indices],
                [distinct(3, 4)],
            ),
            Case(
                f"{name} ties",
                lambda T, x, n=name: [getattr(T, n)(x), tuple(getattr(T, n)(x, 1)), getattr(T, "a" + n)(x, 1)],
                [TIES],
            ),
            Case(
                f"{name} integers",
                lambda T, x, b, n=name: [
                    getattr(x, n)(),
                    tuple(getattr(x, n)(0)),
                    getattr(b, n)(),
                    tuple(getattr(b, n)(1)),
                    getattr(T, "a" + n)(x, 0),
                ],
                [integer(3, 4), boolean(3, 4)],
            ),
            Case(
                f"{name} nan",
                lambda T, x, n=name: [
                    getattr(x, n)(),
                    tuple(getattr(x, n)(1)),
                    getattr(T, "arg" + n)(x, 1),
                    getattr(T, "a" + n)(x, 0),
                ],
                [nograd(NANS)],
            ),
            Case(
                f"{name} 0-d",
                lambda T, x, n=name: [getattr(x, n)(), tuple(getattr(x, n)(0)), getattr(T, "arg" + n)(x)],
                [real()],
            ),
            Case(
                f"arg{name}",
                lambda T, x, n=name: [
                    getattr(T, "arg" + n)(x),
                    getattr(x, "arg" + n)(0),
                    getattr(T, "arg" + n)(x, dim=-1, keepdim=True),
                    getattr(T, "arg" + n)(x, keepdim=True),
                ],
                [distinct(3, 4)],
                dtypes="half",
            ),
            Case(f"arg{name} ties", lambda T, x, n=name: [getattr(x, "arg" + n)(1), getattr(x, "arg" + n)(0)], [TIES]),
            Case.misuse(f"{name} of nothing", lambda T, n=name: getattr(T, n)(T.zeros(0))),
            Case.misuse(f"{name} along nothing", lambda T, n=name: getattr(T, n)(T.zeros(0, 3), 0)),
            Case.misuse(f"arg{name} of nothing", lambda T, n=name: getattr(T, "arg" + n)(T.zeros(0))),
            Case(
                f"cum{name}",
                lambda T, x, n=name: [tuple(getattr(T, "cum" + n)(x, d)) for d in (0, -1)],
                [distinct(3, 4)],
            ),
            Case(f"cum{name} ties", lambda T, x, n=name: tuple(getattr(x, "cum" + n)(1)), [TIES]),
            Case(f"cum{name} nan", lambda T, x, n=name: tuple(getattr(x, "cum" + n)(1)), [nograd(NANS)]),
        ]
    cases += [
        Case(
            "aminmax",
            lambda T, x: [
                tuple(T.aminmax(x)),
                tuple(x.aminmax(dim=0)),
                T.aminmax(x, dim=1, keepdim=True).min,
                x.aminmax().max,
            ],
            [distinct(3, 4)],
        ),
        Case("amax ties gradient", lambda T, x: [x.amax(), x.amin((0, 1)), x.max()], [TIES]),
        Case("max out of bools", lambda T, b: [b.max(0).values, b.int().argmax(1)], [boolean(3, 4)]),
    ]
    return cases


def spread() -> list[Case]:
    return [
        Case(
            "var unbiased",
            lambda T, x: [
                x.var(unbiased=False),
                T.var(x, 0, False),
                x.std(False),
                T.std(x, 1, unbiased=False, keepdim=True),
            ],
            [real(3, 4)],
        ),
        Case(
            "var correction",
            lambda T, x: [
                x.var(0, correction=0),
                T.std(x, correction=2),
                T.var(x, dim=(0, 1), correction=1),
                x.std(dim=1, correction=0, keepdim=True),
            ],
            [real(3, 4)],
        ),
        Case("var of one", lambda T, x: [x.var(), x.std(), x.var(0, correction=0)], [real(1)], grad=False),
        Case(
            "var_mean std_mean",
            lambda T, x: [
                T.var_mean(x),
                T.std_mean(x, 0),
                T.var_mean(x, (0, 1), keepdim=True),
                T.std_mean(x, dim=1, correction=0),
                T.var_mean(x, 1, False),
            ],
            [real(3, 4)],
            atol=1e-6,
        ),
        Case.misuse("var of integers", lambda T, x: x.var(), [integer(3)]),
        Case(
            "median",
            lambda T, x: [T.median(x), x.median(), tuple(T.median(x, 0)), tuple(x.median(-1, keepdim=True))],
            [distinct(3, 4)],
        ),
        Case("median odd", lambda T, x: [T.median(x), tuple(x.median(dim=1))], [distinct(3, 5)]),
        Case("median integers", lambda T, x: [x.median(), x.median(1).values], [integer(3, 4)]),
        Case(
            "median nan",
            lambda T, x: [x.median(), x.median(1).values, T.nanmedian(x), T.nanmedian(x, 1).values],
            [nograd(NANS)],
        ),
        Case("median 0-d", lambda T, x: [x.median(), tuple(x.median(0))], [real()]),
        Case("nanmedian", lambda T, x: [T.nanmedian(x), tuple(T.nanmedian(x, 1))], [distinct(3, 4)]),
        Case(
            "mode",
            lambda T, x: [T.mode(x).values, x.mode(1).values, T.mode(x, 0, True).values],
            [integer(5, 6, low=0, high=3)],
        ),
        Case(
            "mode indices",
            lambda T: tuple(T.mode(T.tensor([[1.0, 2.0, 2.0, 1.0, 2.0], [3.0, 1.0, 1.0, 0.0, 0.0]]), 1)),
            [],
        ),
        Case(
            "quantile",
            lambda T, x: [
                T.quantile(x, 0.3),
                x.quantile(0.5, dim=1),
                T.quantile(x, T.tensor([0.0, 0.25, 1.0], dtype=x.dtype), dim=0),
                T.quantile(x, 0.4, 1, True),
            ],
            [distinct(3, 5)],
        ),
        Case(
            "quantile interpolation",
            lambda T, x: [
                T.quantile(x, 0.3, dim=1, interpolation=i) for i in ("linear", "lower", "higher", "midpoint", "nearest")
            ],
            [distinct(3, 4)],
        ),
        Case(
            "quantile nan",
            lambda T, x: [T.quantile(x, 0.5, dim=1), T.nanquantile(x, 0.5, dim=1), T.nanquantile(x, 0.3)],
            [nograd(NANS)],
        ),
        Case.misuse("quantile outside", lambda T, x: T.quantile(x, 1.5), [real(3)]),
        Case("cov corrcoef", lambda T, x: [T.cov(x), T.corrcoef(x), x.cov(correction=0), T.cov(x[0])], [real(3, 5)]),
        Case("histc", lambda T, x: [T.histc(x, 4, -2, 2), x.histc(bins=3, min=-1, max=1)], [nograd(real(20))]),
        Case("histc own range", lambda T, x: T.histc(x, 5), [nograd(real(20))]),
        Case("histogram", lambda T, x: tuple(T.histogram(x, 4, range=(-2.0, 2.0))), [nograd(real(20))], jit=False),
        Case(
            "histogram edges",
            lambda T, x: tuple(T.histogram(x, T.tensor([-2.0, 0.0, 0.5, 2.0], dtype=x.dtype), density=True)),
            [nograd(real(20))],
            jit=False,
        ),
        Case(
            "bincount",
            lambda T, x, w: [T.bincount(x), x.bincount(minlength=9), T.bincount(x, w), T.bincount(x, x)],
            [integer(12, low=0, high=6), nograd(real(12))],
            jit=False,
        ),
        Case(
            "bincount empty",
            lambda T: [T.bincount(T.zeros(0, dtype=T.int64)), T.bincount(T.zeros(0, dtype=T.int64), minlength=3)],
            jit=False,
        ),
        Case.misuse("bincount negative", lambda T: T.bincount(T.tensor([-1, 2]))),
    ]


def cumulative() -> list[Case]:
    return [
        Case(
            "cumsum cumprod",
            lambda T, x: [T.cumsum(x, 0), x.cumsum(-1), T.cumprod(x, 1), x.cumprod(0)],
            [real(3, 4)],
            dtypes="half",
        ),
        Case(
            "cumsum integers",
            lambda T, x, b: [x.cumsum(0), b.cumsum(1), x.int().cumprod(0), x.cumsum(0, dtype=T.float32)],
            [integer(3, 4, low=1), boolean(3, 4)],
        ),
        Case("cumsum 0-d", lambda T, x: [x.cumsum(0), x.cumprod(0)], [real()]),
        Case("cumsum zero-size", lambda T, x: [x.cumsum(0), x.cumprod(1)], [real(0, 3)]),
        Case("cumsum_ cumprod_", lambda T, x: [x.clone().cumsum_(0), x.clone().cumprod_(1)], [real(3, 4)]),
        Case(
            "cumprod zeros",
            lambda T, x: x.cumprod(1),
            [given(np.array([[1.0, 0.0, 3.0], [0.0, 0.0, 2.0], [2.0, 3.0, 0.0]]))],
        ),
        Case("logcumsumexp", lambda T, x: [T.logcumsumexp(x, 0), x.logcumsumexp(-1)], [real(3, 4)]),
        Case("logcumsumexp large", lambda T: T.logcumsumexp(T.tensor([-math.inf, 1.0, 1000.0, 1001.0, -math.inf]), 0)),
        Case(
            "diff",
            lambda T, x: [T.diff(x), x.diff(n=2), T.diff(x, dim=0), T.diff(x, prepend=x[:, :1], append=x[:, :2])],
            [real(3, 4)],
        ),
        Case("diff integers and bools", lambda T, x, b: [T.diff(x), T.diff(b)], [integer(5), boolean(5)]),
        Case(
            "trapezoid",
            lambda T, x: [T.trapezoid(x), T.trapezoid(x, dx=0.5), T.trapezoid(x, dim=0), T.trapz(x)],
            [real(3, 4)],
        ),
        Case(
            "trapezoid x",
            lambda T, x, p: [T.trapezoid(x, p), T.cumulative_trapezoid(x, p), T.cumulative_trapezoid(x, dx=2.0, dim=0)],
            [real(3, 4), positive(4)],
        ),
        Case(
            "gradient",
            lambda T, x: [*T.gradient(x), *T.gradient(x, spacing=2.0, dim=1), *T.gradient(x, dim=0, edge_order=1)],
            [real(4, 5)],
        ),
        Case.misuse("cumsum without dim", lambda T, x: T.cumsum(x), [real(3)]),
    ]


def norms() -> list[Case]:
    powers: tuple[Any, ...] = ("fro", 1, 2, 3, math.inf, -math.inf, 0.5)
    return [
        Case(
            "norm",
            lambda T, x: [
                T.norm(x),
                x.norm(),
                x.norm(2, 0),
                x.norm(p=1, dim=1),
                T.norm(x, dim=(0, 1)),
                x.norm(dim=1, keepdim=True),
            ],
            [real(3, 4)],
        ),
        Case("norm powers", lambda T, x: [T.norm(x, p) for p in powers], [positive(3, 4)], rtol=1e-4),
        Case("norm powers along", lambda T, x: [T.norm(x, p, 1) for p in powers[1:]], [positive(3, 4)], rtol=1e-4),
        Case("norm dtype", lambda T, x: T.norm(x, dtype=T.float64), [nograd(real(3, 4))]),
        Case("norm counting", lambda T, x: [T.norm(x, 0), x.norm(0, 1), T.cdist(x, x, 0.0)], [nograd(real(3, 4))]),
        Case("norm of zeros", lambda T, x: [T.norm(x * 0), (x * 0).norm(dim=1)], [real(3, 4)]),
        Case("renorm", lambda T, x: [T.renorm(x, 2, 0, 1.0), x.renorm(1, 1, 0.5)], [real(3, 4)]),
        Case(
            "cdist",
            lambda T, x, y: [T.cdist(x, y, p) for p in (2.0, 1.0, 3.0, math.inf)],
            [real(3, 4), real(5, 4)],
            rtol=1e-4,
        ),
        Case("cdist batched", lambda T, x, y: T.cdist(x, y), [real(2, 3, 4), real(5, 4)], rtol=1e-4),
        Case("pdist", lambda T, x: [T.pdist(x), T.pdist(x, 1.0)], [real(5, 3)], rtol=1e-4),
    ]


CASES = sums() + extremes() + spread() + cumulative() + norms()
