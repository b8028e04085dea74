"""tensor[...] and tensor[...] = ..."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from peer import Case, boolean, given, integer, nograd, real

ROWS = given(np.array([2, 0, -1]))
COLUMNS = given(np.array([1, 1, 3]))


def written(*changes: Callable[[Any, Any], None]) -> Any:
    """What a copy holds after each change."""

    def case(T: Any, x: Any, *rest: Any) -> Any:
        results = []
        for change in changes:
            copy = x.clone()
            change(copy, *rest)
            results.append(copy)
        return results

    return case


def put(key: Any, value: Any) -> Callable[..., None]:
    """copy[key] = value, either of which may be made of the other tensors."""

    def change(x: Any, *rest: Any) -> None:
        x[key(*rest) if callable(key) else key] = value(*rest) if callable(value) else value

    return change


CASES = [
    Case(
        "ints and slices",
        lambda T, x: [
            x[0],
            x[-1],
            x[1, 2],
            x[1:],
            x[:, 1:3],
            x[::2, ::3],
            x[:, -2:],
            x[-3:-1],
            x[0, :],
            x[5:],
            x[1:1],
            x[:99],
        ],
        [real(3, 4)],
        dtypes="half",
    ),
    Case(
        "None and Ellipsis",
        lambda T, x: [
            x[None],
            x[..., None],
            x[:, None, 1],
            x[...],
            x[..., 0],
            x[0, ...],
            x[None, ..., None],
            x[..., 1:, :],
        ],
        [real(3, 4)],
    ),
    Case("0-d", lambda T, x: [x[()], x[None], x[...], x[None, None]], [real()]),
    Case("bools as indices", lambda T, x: [x[True], x[False], x[True, 0], x[None, True]], [real(3, 4)], jit=False),
    Case(
        "index tensors",
        lambda T, x, i, j: [
            x[i],
            x[:, j],
            x[i, j],
            x[i, 1],
            x[0, j],
            x[i, None],
            x[i[:, None], j],
            x[i, 1:3],
            x[..., j],
        ],
        [real(3, 4), ROWS, COLUMNS],
    ),
    Case(
        "index tensors apart",
        lambda T, x, i: [
            x[i, :, i],
            x[:, i, i],
            x[0, :, i],
            x[i, :, 0],
            x[i, :, 1:2, i],
            x[:, i, :, i],
            x[i, None, :, i],
        ],
        [real(3, 3, 3, 3), given(np.array([0, 2]))],
    ),
    Case(
        "lists",
        lambda T, x: [
            x[[0, 2]],
            x[:, [1, 0]],
            x[[0, 1], [1, 2]],
            x[[]],
            x[[True, False, True]],
            x[[[0, 1], [1, 2]]],
            x[(0, 1)],
        ],
        [real(3, 4)],
        jit=False,
    ),
    Case(
        "arrays as indices",
        lambda T, x: [x[np.array([0, 2])], x[:, np.array([True, False, True, False])], x[np.int64(1)], x[np.array(1)]],
        [real(3, 4)],
        jit=False,
    ),
    Case(
        "ranges as indices",
        lambda T, x: [x[range(2)], x[T.arange(2)], x[T.tensor(1)], x[T.tensor([1])], x[T.tensor(1), 2]],
        [real(3, 4)],
        jit=False,
    ),
    Case(
        "masks",
        lambda T, x, m: [x[m], x[x > 0], x[m[:, 0]], x[:, m[0]], x[m[:, 0], 1], x[0][m[0]]],
        [real(3, 4), boolean(3, 4)],
        jit=False,
    ),
    Case(
        "mask and index",
        lambda T, x, m: [x[m[:, 0], 1:], x[m[:, 0]][:, [0, 1]]],
        [real(3, 4), boolean(3, 4)],
        jit=False,
    ),
    Case("uint8 masks", lambda T, x, m: x[m.bool()], [real(3), boolean(3)], jit=False),
    Case("int32 indices", lambda T, x, i: [x[i.int()], x[i.to(T.int32), i]], [real(3, 4), given(np.array([0, 2, 1]))]),
    Case(
        "empty index",
        lambda T, x: [x[T.zeros(0, dtype=T.int64)], x[:, T.zeros(0, dtype=T.int64)], x[[]].shape[1]],
        [real(3, 4)],
        jit=False,
    ),
    Case("2-d index", lambda T, x, i: [x[i], x[:, i], x[i, i]], [real(4, 4), integer(2, 3, low=-4, high=4)]),
    Case(
        "iteration",
        lambda T, x: [list(x), [r.sum() for r in x], len(x), [a for a, b in zip(x, x, strict=True)]],
        [real(3, 4)],
        jit=False,
    ),
    Case("unpacking", lambda T, x: [*x[0], *x.unbind(1)], [real(2, 3)], jit=False),
    Case(
        "set ints and slices",
        written(
            put(0, 1.0),
            put((slice(None), 1), -2),
            put((slice(1, None), slice(None, None, 2)), 3),
            put(..., 5.0),
            put((1, 2), 7),
            put(slice(5, 9), 1.0),
        ),
        [real(3, 4)],
    ),
    Case(
        "set tensors",
        written(
            put(0, lambda y: y),
            put(slice(None), lambda y: y),
            put((slice(None), 0), lambda y: y[:3]),
            put((0, 0), lambda y: y[0]),
            put((slice(0, 1),), lambda y: y[None]),
        ),
        [real(3, 4), real(4)],
    ),
    Case(
        "set by index tensors",
        written(
            put(lambda i, y: i, lambda i, y: y[:4]),
            put(lambda i, y: i, 2.5),
            put(lambda i, y: (slice(None), i), lambda i, y: y[:2]),
            put(lambda i, y: (i, i), 1),
        ),
        [real(3, 4), given(np.array([0, 2])), real(4)],
    ),
    Case(
        "set by masks",
        written(put(lambda m: m, 0.0), put(lambda m: m[:, 0], -1.0), put(lambda m: (slice(None), m[0]), 2)),
        [real(3, 4), boolean(3, 4)],
        jit=False,
    ),
    Case("set by mask a tensor", lambda T, x, m: set_masked(T, x, m), [nograd(real(3, 4)), boolean(3, 4)], jit=False),
    Case("set by mask inside jit", written(put(lambda m: m, 0.0)), [real(3, 4), boolean(3, 4)]),
    Case("set converts", written(put(0, 1.7), put(1, lambda y: y), put(2, True)), [integer(3, 4), nograd(real(4))]),
    Case(
        "set lists",
        written(put([0, 2], 9.0), put(([0, 1], [1, 2]), 4.0)),
        [real(3, 4)],
        jit=False,
    ),
    Case("set augmented", lambda T, x, y: augmented(x.clone(), y), [real(3, 4), real(4)]),
    Case("set arrays", lambda T, x: set_array(x.clone()), [nograd(real(3, 4))], jit=False),
    Case("set through views", lambda T, x: through_views(x.clone()), [real(3, 4)], layouts=False),
    Case("in and not in", lambda T, x: [2 in x, 99 in x, T.tensor(3) in x], [given(np.array([1, 2, 3]))], jit=False),
    Case(
        "slices with tensors",
        lambda T, x: [x[T.tensor(1) :], x[: T.tensor(2)], x[T.tensor(0), T.tensor(1)]],
        [real(3, 4)],
        jit=False,
    ),
    Case("reversed", lambda T, x: reversed(x), [real(3, 4)], jit=False),
    Case.misuse("int outside", lambda T, x: x[3], [real(3, 4)]),
    Case.misuse("too many", lambda T, x: x[0, 0, 0], [real(3, 4)]),
    Case.misuse("index of 0-d", lambda T, x: x[0], [real()]),
    Case.misuse("tensor outside", lambda T, x: x[T.tensor([5])], [real(3, 4)]),
    Case.misuse("negative step", lambda T, x: x[::-1], [real(3, 4)]),
    Case.misuse("float index", lambda T, x: x[1.5], [real(3, 4)]),
    Case.misuse("float tensor index", lambda T, x: x[T.tensor([1.0])], [real(3, 4)]),
    Case.misuse("text index", lambda T, x: x["a"], [real(3, 4)]),
    Case.misuse("mask shape", lambda T, x: x[T.ones(4, dtype=T.bool)], [real(3, 4)]),
    Case.misuse("index shapes", lambda T, x: x[T.tensor([0, 1]), T.tensor([0, 1, 2])], [real(3, 4)]),
    Case.misuse("set shape", lambda T, x: x.__setitem__(0, T.ones(3)), [real(3, 4)]),
    Case.misuse("set by index shape", lambda T, x: x.__setitem__(T.tensor([0, 1]), T.ones(3)), [real(3, 4)]),
    Case.misuse("set outside", lambda T, x: x.__setitem__(3, 1.0), [real(3, 4)]),
    Case.misuse("delete", lambda T, x: x.__delitem__(0), [real(3, 4)]),
]


def set_masked(T: Any, x: Any, m: Any) -> Any:
    y = x.clone()
    count = int(m.sum())
    y[m] = T.arange(float(count)).to(y.dtype)
    return y


def augmented(x: Any, y: Any) -> Any:
    x[0] += y
    x[:, 1] *= 2
    x[1:] -= 1
    x[..., 2] /= 4
    return x


def set_array(x: Any) -> Any:
    x[0] = x[1]
    x[1, :2] = 3
    return x


def through_views(x: Any) -> Any:
    row = x[1]
    row[2] = 5.0
    column = x.t()[3]
    column.mul_(2)
    x.view(-1)[0] = 9.0
    return [x, row, column]
