"""Containers of the user's own classes, and of `collections`, are compared at each call by what they hold."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from typing import Any

import pytest

import ingot
from ingot import nn


class Settings(dict[str, Any]):
    """A dict whose keys are attributes too, as configurations often are."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class Stages(list[Any]):
    """A list of the user's."""


Pair = namedtuple("Pair", "first second")
settings: Any = Settings(scale=1.0, deep=Settings(scale=1.0), many=[1.0])
ordered: Any = OrderedDict(scale=1.0)
counted: Any = Counter(scale=1)
usual: Any = defaultdict(float, scale=1.0)
stages: Any = Stages([1.0])
pair: Any = Pair([1.0], 2.0)

CHANGES: dict[str, tuple[Callable[[Any], Any], Callable[[], Any]]] = {
    "item": (lambda x: x * settings["scale"], lambda: settings.update(scale=settings["scale"] + 1)),
    "attribute": (lambda x: x * settings.scale, lambda: settings.update(scale=settings["scale"] + 1)),
    "nested": (lambda x: x * settings.deep.scale, lambda: settings.deep.update(scale=settings.deep.scale + 1)),
    "list inside": (lambda x: x * settings.many[0], lambda: settings.many.insert(0, settings.many[0] + 1)),
    "OrderedDict": (lambda x: x * ordered["scale"], lambda: ordered.update(scale=ordered["scale"] + 1)),
    "Counter": (lambda x: x * counted["scale"], lambda: counted.update(scale=1)),
    "defaultdict": (lambda x: x * usual["scale"], lambda: usual.update(scale=usual["scale"] + 1)),
    "list": (lambda x: x * stages[0], lambda: stages.insert(0, stages[0] + 1)),
    "namedtuple": (lambda x: x * pair.first[0], lambda: pair.first.insert(0, pair.first[0] + 1)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_inside_are_seen(name: str) -> None:
    function, change = CHANGES[name]
    compiled = ingot.jit(function)
    x = ingot.ones(1)
    for _ in range(3):
        assert compiled(x).item() == compiled(x).item() == function(x).item()
        change()
    assert compiled.stats()["compiles"] == 3


def test_containers_that_hold_themselves() -> None:
    own = Settings(scale=2.0)
    own["self"] = own
    compiled = ingot.jit(lambda x: x * own["scale"])
    assert compiled(ingot.ones(1)).item() == 2.0
    own["scale"] = 3.0
    assert compiled(ingot.ones(1)).item() == 3.0


class Configured(nn.Module):
    """A module with containers of several kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.settings = Settings(scale=1.0)
        self.seen = {1.0}
        self.recent = deque([1.0])

    def forward(self, x: Any) -> Any:
        return x * self.settings.scale * max(self.seen) * self.recent[-1]


def test_containers_of_modules() -> None:
    model = Configured()
    compiled = ingot.jit(lambda x: model(x))
    x = ingot.ones(1)
    changes: list[Callable[[], Any]] = [
        lambda: model.settings.update(scale=2.0),
        lambda: model.seen.add(3.0),
        lambda: model.recent.append(5.0),
    ]
    for change in changes:
        assert compiled(x).item() == model(x).item()
        change()
    assert compiled(x).item() == model(x).item() == 30.0


class Answering:
    """An object that answers for every attribute from a dict of its own, with KeyError for what is not there."""

    def __init__(self, **values: Any) -> None:
        self.__dict__["values"] = values

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["values"][name]


def test_objects_that_know_few_attributes() -> None:
    answering = Answering(scale=1.0)
    compiled = ingot.jit(lambda x, other: x * answering.scale * other.scale)
    assert compiled(ingot.ones(1), Answering(scale=2.0)).item() == 2.0
    assert compiled(ingot.ones(1), Answering(scale=3.0)).item() == 3.0
    answering.values["scale"] = 5.0
    assert compiled(ingot.ones(1), Answering(scale=3.0)).item() == 15.0
