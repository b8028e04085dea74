"""Reading and writing at positions given by tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
from peer import Case, boolean, given, integer, nograd, real

PLACES = given(np.array([[0, 2, 1], [3, 3, 0]]))
ROWS = given(np.array([2, 0, 2]))
UNIQUE = given(np.array([2, 0, 3]))


def scatter_reduced(reduce: str, include: bool) -> Any:
    return lambda T, x, i, s: T.scatter_reduce(x, 0, i, s, reduce=reduce, include_self=include)


def index_reduced(reduce: str, include: bool) -> Any:
    return lambda T, x, i, s: T.index_reduce(x, 0, i, s, reduce, include_self=include)


CASES = [
    Case(
        "gather",
        lambda T, x, i: [T.gather(x, 0, i), x.gather(0, i[:1]), T.gather(x, dim=-1, index=i.clamp(max=2))],
        [real(4, 3), PLACES],
        dtypes="half",
    ),
    Case("gather integers", lambda T, x, i: [x.gather(0, i), (x > 0).gather(0, i)], [integer(4, 3), PLACES]),
    Case("gather 0-d", lambda T, x: [T.gather(x, 0, T.tensor(0)), T.gather(x, 0, T.tensor([0, 0]))], [real()]),
    Case.misuse("gather index float", lambda T, x: T.gather(x, 0, x), [real(4, 3)]),
    Case.misuse("gather rank", lambda T, x: T.gather(x, 0, T.tensor([0])), [real(4, 3)]),
    Case.misuse("gather outside", lambda T, x: T.gather(x, 0, T.tensor([[7]])), [real(4, 3)]),
    Case(
        "take_along_dim",
        lambda T, x, i: [
            T.take_along_dim(x, i, 0),
            x.take_along_dim(i),
            T.take_along_dim(x, x.argsort(0), dim=0),
            T.take_along_dim(x, i[:1], 0),
        ],
        [real(4, 3), PLACES],
        layouts=False,
    ),
    Case(
        "scatter",
        lambda T, x, i, s: [
            T.scatter(x, 0, i, s),
            x.scatter(0, i[:1], s),
            x.scatter(0, i, 5.0),
            T.scatter(x, 0, i, value=2),
        ],
        [real(4, 3), given(np.array([[0, 2, 1], [3, 1, 0]])), nograd(real(2, 3))],
    ),
    Case(
        "scatter last",
        lambda T, x, i, s: x.scatter(-1, i, s),
        [real(4, 3), given(np.array([[0], [2], [1], [1]])), real(4, 1)],
    ),
    Case(
        "scatter reduce",
        lambda T, x, i, s: [x.scatter(0, i, s, reduce="add"), x.scatter(0, i, 2.0, reduce="multiply")],
        [nograd(real(4, 3)), PLACES, nograd(real(2, 3))],
    ),
    Case(
        "scatter multiply repeated",
        lambda T, x, i, s: x.scatter(0, i, s, reduce="multiply"),
        [nograd(real(4, 3)), given(np.array([[0, 0, 0], [0, 0, 1]])), nograd(real(2, 3))],
    ),
    Case(
        "scatter_ methods",
        lambda T, x, i, s: [
            x.clone().scatter_(0, i, s),
            x.clone().scatter_(0, i, 1.5),
            x.clone().scatter_add_(0, i, s),
        ],
        [real(4, 3), given(np.array([[0, 2, 1], [3, 1, 0]])), real(2, 3)],
    ),
    Case("scatter one-hot", lambda T, i: T.zeros(3, 5).scatter_(1, i.unsqueeze(1), 1), [integer(3, low=0, high=5)]),
    Case(
        "scatter_add",
        lambda T, x, i, s: [T.scatter_add(x, 0, i, s), x.scatter_add(1, i.clamp(max=2), s)],
        [real(4, 3), PLACES, real(2, 3)],
    ),
    Case(
        "scatter integers",
        lambda T, x, i: [x.scatter(0, i, 7), x.scatter_add(0, i, i), (x > 0).scatter(0, i[:1], True)],
        [integer(4, 3), PLACES],
    ),
    Case(
        "scatter zero-size",
        lambda T, x: x.scatter(0, T.zeros(0, 3, dtype=T.int64), T.zeros(0, 3, dtype=x.dtype)),
        [real(4, 3)],
    ),
    Case.misuse(
        "scatter dtype", lambda T, x: x.scatter(0, T.tensor([[0, 1, 2]]), T.ones(1, 3, dtype=T.int64)), [real(4, 3)]
    ),
    *[
        Case(f"scatter_reduce {r} {inc}", scatter_reduced(r, inc), [real(4, 3), PLACES, real(2, 3)])
        for r in ("sum", "prod", "mean", "amax", "amin")
        for inc in (True, False)
    ],
    Case(
        "scatter_reduce integers",
        lambda T, x, i, s: [x.scatter_reduce(0, i, s, r) for r in ("sum", "prod", "amax", "amin", "mean")],
        [integer(4, 3), PLACES, integer(2, 3)],
    ),
    Case(
        "scatter_reduce integers without self",
        lambda T, x, i, s: [
            x.scatter_reduce(0, i, s, r, include_self=False) for r in ("sum", "prod", "amax", "amin", "mean")
        ],
        [integer(4, 3), PLACES, integer(2, 3)],
    ),
    Case(
        "scatter_reduce_ methods",
        lambda T, x, i, s: [
            x.clone().scatter_reduce_(0, i, s, "sum"),
            x.clone().scatter_reduce_(0, i, s, reduce="amax", include_self=False),
        ],
        [real(4, 3), PLACES, real(2, 3)],
    ),
    Case.misuse("scatter_reduce name", lambda T, x: x.scatter_reduce(0, T.tensor([[0, 1, 2]]), x, "add"), [real(4, 3)]),
    Case(
        "index_select",
        lambda T, x, i: [T.index_select(x, 0, i), x.index_select(-1, i[:2]), x.index_select(0, i.int())],
        [real(4, 3), ROWS],
    ),
    Case(
        "index_select 0-d index",
        lambda T, x: [x.index_select(0, T.tensor(1)), x.index_select(0, T.zeros(0, dtype=T.int64))],
        [real(4, 3)],
    ),
    Case.misuse("index_select matrix", lambda T, x: x.index_select(0, T.zeros(2, 2, dtype=T.int64)), [real(4, 3)]),
    Case.misuse("index_select outside", lambda T, x: x.index_select(0, T.tensor([4])), [real(4, 3)]),
    Case(
        "index_add",
        lambda T, x, i, s: [T.index_add(x, 0, i, s), x.index_add(0, i, s, alpha=2), x.clone().index_add_(0, i, s)],
        [real(4, 3), ROWS, real(3, 3)],
    ),
    Case(
        "index_copy",
        lambda T, x, i, s: [T.index_copy(x, 0, i, s), x.clone().index_copy_(0, i, s)],
        [real(4, 3), UNIQUE, real(3, 3)],
    ),
    Case(
        "index_fill",
        lambda T, x, i: [
            T.index_fill(x, 0, i, 5),
            x.index_fill(1, i[1:2], T.tensor(2.0)),
            x.clone().index_fill_(0, i, -1),
        ],
        [real(4, 3), ROWS],
    ),
    *[
        Case(f"index_reduce {r} {inc}", index_reduced(r, inc), [real(4, 3), ROWS, real(3, 3)])
        for r in ("prod", "mean", "amax", "amin")
        for inc in (True, False)
    ],
    Case(
        "index_reduce_ method",
        lambda T, x, i, s: x.clone().index_reduce_(0, i, s, "amax"),
        [real(4, 3), ROWS, real(3, 3)],
    ),
    Case(
        "take put", lambda T, x, i: [T.take(x, i), x.take(i), x.take(i - 4), T.take(x, i[0, 0])], [real(4, 3), PLACES]
    ),
    Case(
        "put",
        lambda T, x, i, s: [T.put(x, i, s), x.put(i, s, accumulate=True), x.clone().put_(i, s)],
        [real(4, 3), given(np.array([0, 5, 11])), real(3)],
    ),
    Case(
        "put accumulate repeated",
        lambda T, x, i, s: x.put(i, s, accumulate=True),
        [real(4, 3), given(np.array([0, 5, 0])), real(3)],
    ),
    Case(
        "index_put",
        lambda T, x, i, s: [
            x.index_put((i,), s),
            x.index_put((i, i.clamp(max=2)), s[:, 0], accumulate=True),
            T.index_put(x, (i,), s, accumulate=True),
        ],
        [real(4, 3), UNIQUE, real(3, 3)],
    ),
    Case(
        "index_put_ methods",
        lambda T, x, i, s: [
            x.clone().index_put_((i,), s),
            x.clone().index_put_([i], s, accumulate=True),
            x.clone().index_put_((x[:, 0] > 0,), T.tensor(1.0, dtype=x.dtype)),
        ],
        [nograd(real(4, 3)), UNIQUE, nograd(real(3, 3))],
        jit=False,
    ),
    Case(
        "masked_scatter",
        lambda T, x, b, s: [x.masked_scatter(b, s), T.masked_scatter(x, b[0], s), x.clone().masked_scatter_(b, s)],
        [real(3, 4), boolean(3, 4), real(3, 4)],
    ),
    Case(
        "select_scatter",
        lambda T, x, s: [T.select_scatter(x, s, 0, 1), x.select_scatter(s, 0, -1)],
        [real(4, 3), real(3)],
    ),
    Case(
        "slice_scatter",
        lambda T, x, s: [
            T.slice_scatter(x, s, 0, 1, 3),
            x.slice_scatter(s, 0, 0, 4, 2),
            T.slice_scatter(x, s, start=2),
        ],
        [real(4, 3), real(2, 3)],
    ),
    Case(
        "diagonal_scatter",
        lambda T, x, s: [T.diagonal_scatter(x, s), x.diagonal_scatter(s[:2], 1)],
        [real(4, 3), real(3)],
    ),
    Case(
        "as_strided_scatter",
        lambda T, x, s: T.as_strided_scatter(x.contiguous(), s, (2, 2), (1, 2), 1),
        [nograd(real(4, 3)), nograd(real(2, 2))],
        layouts=False,
    ),
    Case(
        "fill_diagonal_",
        lambda T, x: [
            x.clone().fill_diagonal_(7),
            T.zeros(7, 3).fill_diagonal_(1, wrap=True),
            T.zeros(3, 3, 3).fill_diagonal_(2),
        ],
        [real(4, 3)],
    ),
    Case(
        "unravel_index", lambda T: [T.unravel_index(T.tensor([3, 7, 11]), (3, 4)), T.unravel_index(T.tensor(5), (2, 3))]
    ),
    Case(
        "repeat_interleave counts",
        lambda T, x: [
            T.repeat_interleave(x, T.tensor([1, 0, 2, 1]), dim=0),
            x.repeat_interleave(2),
            x.repeat_interleave(3, dim=1),
            T.repeat_interleave(T.tensor([2, 0, 1])),
        ],
        [real(4, 3)],
        jit=False,
    ),
    Case(
        "repeat_interleave output_size",
        lambda T, x: T.repeat_interleave(x, T.tensor([1, 0, 2, 1]), dim=0, output_size=4),
        [real(4, 3)],
        jit=False,
    ),
    Case(
        "one_hot",
        lambda T, i: [T.nn.functional.one_hot(i, 5), T.nn.functional.one_hot(i.unsqueeze(0), 6)],
        [integer(3, low=0, high=5)],
    ),
]
