"""Python state that a compiled function would change once instead of at each call: every kind is an error, undone."""

from __future__ import annotations

import collections
import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ingot
from ingot.runtime.errors import TraceError

COUNT = 0
LATEST: Any = None
NESTED = [[1], [2]]
QUEUE = collections.deque([1])
NUMPY = np.random.default_rng(0)
LEGACY = np.random.RandomState(0)
PYTHON = random.Random(0)
LIST = iter([1, 2, 3])
STEPS = itertools.count()
ROWS = (i for i in range(9))


class Plain:
    made = 0

    def __init__(self) -> None:
        self.n = 1
        self.inner: Any = None


OUTER = Plain()
OUTER.inner = Plain()


def global_name(x: Any) -> Any:
    global COUNT
    COUNT += 1
    return x * COUNT


def global_that_is_only_set(x: Any) -> Any:
    global LATEST
    LATEST = x * 2
    return x


def closure() -> Callable[[Any], Any]:
    count = 0

    def function(x: Any) -> Any:
        nonlocal count
        count += 1
        return x * count

    return function


def inner_attribute(x: Any) -> Any:
    OUTER.inner.n += 1
    return x * OUTER.inner.n


def class_attribute(x: Any) -> Any:
    Plain.made += 1
    return x * Plain.made


def nested_list(x: Any) -> Any:
    NESTED[0].append(1)
    return x * len(NESTED[0])


def queue(x: Any) -> Any:
    QUEUE.append(1)
    return x * len(QUEUE)


def default_value(x: Any, seen: list[int] = []) -> Any:  # noqa: B006 - the mistake that is looked for
    seen.append(1)
    return x * len(seen)


@pytest.mark.parametrize(
    "function",
    [
        global_name,
        global_that_is_only_set,
        closure(),
        inner_attribute,
        class_attribute,
        nested_list,
        queue,
        default_value,
        lambda x: x * next(LIST),
        lambda x: x * next(STEPS),
        lambda x: x * next(ROWS),
    ],
)
def test_a_change_that_would_not_be_repeated(function: Callable[[Any], Any]) -> None:
    with pytest.raises(TraceError, match=r"(?s)IG189.*test_effects.py:\d+.*write instead"):
        ingot.jit(function)(ingot.ones(1))


def test_changes_are_undone() -> None:
    assert COUNT == 0 and LATEST is None and OUTER.inner.n == 1 and Plain.made == 0
    assert NESTED == [[1], [2]] and list(QUEUE) == [1]


@pytest.mark.parametrize(
    "function",
    [lambda x: x * NUMPY.random(), lambda x: x * LEGACY.rand(), lambda x: x * PYTHON.random()],
)
def test_generators_of_other_libraries(function: Callable[[Any], Any]) -> None:
    with pytest.raises(TraceError, match=r"(?s)IG190.*a random generator.*ingot.rand"):
        ingot.jit(function)(ingot.ones(1))


def appended(x: Any, items: list[Any]) -> Any:
    items.append(x * 2)
    return x


def stored(batch: dict[str, Any]) -> Any:
    batch["y"] = batch["x"] * 2
    return batch["y"]


def replaced(items: list[Any]) -> Any:
    items[0] = items[0] + 1
    return items[0]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (appended, (ingot.ones(1), [])),
        (stored, ({"x": ingot.ones(1)},)),
        (replaced, ([ingot.ones(1)],)),
    ],
)
def test_containers_that_are_given(function: Callable[..., Any], arguments: Any) -> None:
    with pytest.raises(TraceError, match=r"IG189.*that it was given"):
        ingot.jit(function)(*arguments)


def test_objects_that_are_given() -> None:
    def counted(x: Any, plain: Any) -> Any:
        plain.n += 1
        return x * plain.n

    plain = Plain()
    with pytest.raises(TraceError, match=r"IG189.*plain\.n"):
        ingot.jit(counted)(ingot.ones(1), plain)
    assert plain.n == 1


def test_what_only_reads_is_compiled() -> None:
    items, names, queue = [1.0], {1, 2}, collections.deque([1])

    def reads(x: Any, scale: Any = items) -> Any:
        return x * scale[0] + len(names) + len(queue)

    compiled = ingot.jit(reads)
    x = ingot.ones(2)
    changes: list[Callable[[], Any]] = [
        lambda: None,
        lambda: items.__setitem__(0, 5.0),
        lambda: names.add(7),
        lambda: queue.append(2),
    ]
    for change in changes:
        change()
        for _ in range(2):
            assert compiled(x).tolist() == reads(x).tolist()
    assert compiled.stats()["compiles"] == 4


def test_numpy_arrays_are_no_arguments() -> None:
    compiled = ingot.jit(lambda x, batch: x * float(batch["scale"][0]))
    with pytest.raises(TraceError, match=r"(?s)IG193.*batch\['scale'\] is a NumPy array.*ingot.from_numpy"):
        compiled(ingot.ones(2), {"scale": np.ones(1)})


def test_a_returned_array_is_the_same_one() -> None:
    array = np.ones(3)
    assert ingot.jit(lambda x: array)(ingot.ones(1)) is array


def test_functions_that_run_later() -> None:
    def rows(x: Any) -> Any:
        yield x * 2

    with pytest.raises(TraceError, match=r"IG188.*generator"):
        ingot.jit(rows)(ingot.ones(1))


def one_line(x: Any) -> Any:
    if x[1:].sum() > 1: return x  # fmt: skip # noqa: E701
    return -x


def two_conditions(x: Any) -> Any:
    flag = x.sum() > 1 and x.sum() < 2
    return x * flag


@pytest.mark.parametrize(
    ("function", "advice"),
    [(one_line, "ingot.where(x[1:].sum() > 1, a, b)"), (two_conditions, "& and | for `and` and `or`")],
)
def test_advice_quotes_the_condition(function: Callable[[Any], Any], advice: str) -> None:
    with pytest.raises(TraceError) as error:
        ingot.jit(function)(ingot.ones(3))
    assert advice in str(error.value)


def test_formatting_a_traced_number() -> None:
    with pytest.raises(TraceError, match=r"IG184.*a formatted text"):
        ingot.jit(lambda x: f"{x.sum():.3f}")(ingot.ones(1))
