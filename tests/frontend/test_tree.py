"""Trees of containers come apart and go together again."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from ingot import tree
from ingot.runtime.errors import SpecError


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclass
class Record:
    x: Any
    y: Any


TREES: list[Any] = [
    1,
    None,
    (),
    [],
    {},
    (1, [2, {"a": 3, "b": (4,)}]),
    Pair(1, [2]),
    OrderedDict(z=1, a=2),
    defaultdict(list, k=[1, 2]),
    Record((1, 2), None),
]


@pytest.mark.parametrize("value", TREES, ids=repr)
def test_round_trip(value: object) -> None:
    leaves, definition = tree.flatten(value)
    assert tree.unflatten(leaves, definition) == value
    assert type(tree.unflatten(leaves, definition)) is type(value)
    assert definition == tree.flatten(value)[1]
    assert hash(definition) == hash(tree.flatten(value)[1])
    assert definition.num_leaves == len(leaves)


def test_none_is_a_leaf_and_dicts_keep_their_order() -> None:
    assert tree.leaves({"b": None, "a": (1, None)}) == [None, 1, None]
    assert tree.flatten({"a": 1, "b": 2})[1] != tree.flatten({"b": 2, "a": 1})[1]


def test_definitions_read_as_python() -> None:
    assert repr(tree.flatten(([1], {"k": (2,)}))[1]) == "([*], {'k': (*,)})"
    assert repr(tree.flatten(Record(1, [2]))[1]) == "Record(x=*, y=[*])"


def test_map_over_several_trees() -> None:
    assert tree.map(lambda a, b: a + b, {"x": (1, 2)}, {"x": (10, 20)}) == {"x": (11, 22)}
    with pytest.raises(SpecError, match="IG140"):
        tree.map(lambda a, b: a, (1,), [1])


def test_paths() -> None:
    found = {tree.path_text("batch", path): leaf for path, leaf in tree.paths({"x": [5, Pair(6, 7)]})}
    assert found == {"batch['x'][0]": 5, "batch['x'][1].a": 6, "batch['x'][1].b": 7}


def test_wrong_number_of_leaves() -> None:
    with pytest.raises(SpecError, match="1 leaves were given for a tree of 2"):
        tree.unflatten([1], tree.flatten((1, 2))[1])
