"""Sorting, searching, sets."""

from __future__ import annotations

import math

import numpy as np
from peer import Case, boolean, distinct, given, integer, nograd, real

WITH_NAN = given(np.array([[1.0, math.nan, -math.inf, 2.0], [math.inf, 0.0, math.nan, math.nan]]))

CASES = [
    Case(
        "sort",
        lambda T, x: [tuple(T.sort(x)), tuple(x.sort(0)), tuple(T.sort(x, dim=1, descending=True))],
        [distinct(3, 4)],
        dtypes="half",
    ),
    Case("sort names", lambda T, x: [T.sort(x).values, x.sort().indices], [distinct(3, 4)]),
    Case(
        "sort stable",
        lambda T, x: [
            tuple(T.sort(x, stable=True)),
            tuple(x.sort(dim=0, stable=True, descending=True)),
            tuple(x.sort(stable=True)),
        ],
        [integer(3, 9, low=0, high=3)],
    ),
    Case(
        "sort bools",
        lambda T, b: [tuple(T.sort(b, stable=True)), tuple(b.sort(descending=True, stable=True))],
        [boolean(9)],
    ),
    Case(
        "sort nan",
        lambda T, x: [tuple(T.sort(x, stable=True)), tuple(x.sort(descending=True, stable=True))],
        [nograd(WITH_NAN)],
    ),
    Case("sort 0-d", lambda T, x: tuple(x.sort()), [real()]),
    Case("sort zero-size", lambda T, x: [tuple(x.sort(0)), tuple(x.sort(1))], [real(0, 3)]),
    Case(
        "argsort",
        lambda T, x: [T.argsort(x), x.argsort(0), T.argsort(x, dim=1, descending=True), x.argsort(stable=True)],
        [distinct(3, 4)],
    ),
    Case("msort", lambda T, x: [T.msort(x), x.msort()], [distinct(3, 4)]),
    Case(
        "topk",
        lambda T, x: [
            tuple(T.topk(x, 2)),
            tuple(x.topk(2, dim=0)),
            tuple(x.topk(3, largest=False)),
            T.topk(x, 1).values,
            tuple(x.topk(0)),
        ],
        [distinct(3, 4)],
        dtypes="half",
    ),
    Case("topk integers", lambda T, x: [x.topk(2).values, x.topk(2, largest=False).values], [integer(3, 9)]),
    Case("topk 0-d", lambda T, x: tuple(x.topk(1)), [real()]),
    Case("topk all", lambda T, x: tuple(x.topk(4, sorted=True)), [distinct(3, 4)]),
    Case.misuse("topk too many", lambda T, x: x.topk(5), [real(3, 4)]),
    Case.misuse("topk negative", lambda T, x: x.topk(-1), [real(3, 4)]),
    Case(
        "kthvalue",
        lambda T, x: [tuple(T.kthvalue(x, 2)), tuple(x.kthvalue(1, 0)), tuple(x.kthvalue(3, dim=1, keepdim=True))],
        [distinct(3, 4)],
    ),
    Case("kthvalue 0-d", lambda T, x: tuple(x.kthvalue(1)), [real()]),
    Case.misuse("kthvalue outside", lambda T, x: x.kthvalue(5), [real(3, 4)]),
    Case.misuse("kthvalue 0", lambda T, x: x.kthvalue(0), [real(3, 4)]),
    Case(
        "searchsorted",
        lambda T, s, x: [
            T.searchsorted(s.sort().values, x),
            T.searchsorted(s.sort().values, x, right=True),
            T.searchsorted(s.sort().values, x, side="right"),
        ],
        [nograd(distinct(6)), nograd(real(3, 4))],
    ),
    Case(
        "searchsorted rows",
        lambda T, s, x: T.searchsorted(s.sort(1).values, x),
        [nograd(distinct(3, 6)), nograd(real(3, 4))],
    ),
    Case(
        "searchsorted number",
        lambda T, s: [T.searchsorted(s.sort().values, 0.5), T.searchsorted(s.sort().values, 0.5, out_int32=True)],
        [nograd(distinct(6))],
    ),
    Case(
        "searchsorted sorter",
        lambda T, s, x: T.searchsorted(s, x, sorter=s.argsort()),
        [nograd(distinct(6)), nograd(real(3))],
    ),
    Case(
        "searchsorted equal",
        lambda T: [T.searchsorted(T.tensor([1, 2, 2, 3]), T.tensor([2, 3, 0, 9]), right=r) for r in (False, True)],
    ),
    Case(
        "bucketize",
        lambda T, x, b: [
            T.bucketize(x, b.sort().values),
            T.bucketize(x, b.sort().values, right=True),
            T.bucketize(0.3, b.sort().values),
            T.bucketize(x, b.sort().values, out_int32=True),
        ],
        [nograd(real(3, 4)), nograd(distinct(5))],
    ),
    Case(
        "unique",
        lambda T, x: [
            T.unique(x),
            x.unique(return_inverse=True),
            T.unique(x, return_counts=True),
            x.unique(True, True, True),
        ],
        [integer(3, 4, low=0, high=4)],
        jit=False,
    ),
    Case("unique floats", lambda T, x: T.unique(x), [nograd(real(5))], jit=False),
    Case("unique bools", lambda T, x: x.unique(return_counts=True), [boolean(5)], jit=False),
    Case(
        "unique dim",
        lambda T, x: [T.unique(x, dim=0), x.unique(dim=1), T.unique(x, dim=0, return_inverse=True, return_counts=True)],
        [integer(6, 2, low=0, high=2)],
        jit=False,
    ),
    Case("unique empty", lambda T: T.unique(T.zeros(0), return_inverse=True, return_counts=True), jit=False),
    Case(
        "unique_consecutive",
        lambda T, x: [T.unique_consecutive(x), x.unique_consecutive(return_inverse=True, return_counts=True)],
        [integer(12, low=0, high=3)],
        jit=False,
    ),
    Case(
        "unique_consecutive dim",
        lambda T, x: T.unique_consecutive(x, return_inverse=True, return_counts=True, dim=0),
        [integer(8, 2, low=0, high=2)],
        jit=False,
    ),
    Case(
        "isin",
        lambda T, x, y: [
            T.isin(x, y),
            T.isin(x, y, invert=True),
            T.isin(x, 2),
            T.isin(3, y),
            T.isin(x, y, assume_unique=True),
        ],
        [integer(3, 4), integer(4)],
    ),
    Case("isin floats", lambda T, x: T.isin(x, x[0]), [nograd(real(3, 4))]),
    Case(
        "argwhere nonzero",
        lambda T, x, b: [T.argwhere(x), x.nonzero(), T.nonzero(b), b.nonzero(as_tuple=True), x.argwhere()],
        [integer(3, 4, low=0, high=2), boolean(3, 4)],
        jit=False,
    ),
    Case(
        "nonzero 0-d",
        lambda T: [T.tensor(3.0).nonzero(), T.tensor(0).nonzero(), T.nonzero(T.tensor(3), as_tuple=True)],
        jit=False,
    ),
    Case("nonzero empty", lambda T: [T.zeros(0, 3).nonzero(), T.zeros(2).nonzero()], jit=False),
    Case(
        "sort gradient",
        lambda T, x: (x.sort(dim=0, descending=True).values * T.arange(3.0, dtype=x.dtype).unsqueeze(1)).sum(),
        [distinct(3, 4)],
    ),
    Case(
        "masked_select",
        lambda T, x, b: [T.masked_select(x, b), x.masked_select(b[0])],
        [real(3, 4), boolean(3, 4)],
        jit=False,
    ),
    Case(
        "nonzero_static",
        lambda T, x: [
            T.nonzero_static(x, size=4),
            x.nonzero_static(size=20, fill_value=-7),
            T.nonzero_static(x[0], size=2),
        ],
        [integer(3, 4, low=0, high=2)],
    ),
    Case(
        "combinations",
        lambda T, x: [T.combinations(x), T.combinations(x, 3), T.combinations(x, 2, with_replacement=True)],
        [real(4)],
    ),
]
