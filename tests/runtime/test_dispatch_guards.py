"""What a specialisation accepts, natively and in Python: every test runs both ways."""

from __future__ import annotations

import gc
import math
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from dispatch_calls import VECTOR, NewCall, hits, nested

from ingot.runtime import dispatch, dispatch_safe, dtypes, native, pool
from ingot.runtime.layout import Layout
from ingot.runtime.specialise import (
    AnyGuard,
    CellGuard,
    DictGuard,
    IdentityGuard,
    ItemGuard,
    ListGuard,
    Lookup,
    PredicateGuard,
    SlotGuard,
    Specialisation,
    TensorGuard,
    guard_value,
)
from ingot.runtime.storage import Storage

pytestmark = pytest.mark.skipif(not native.supported(), reason="no native runtime on this system")


def test_tensor_guards(new_call: NewCall, tensor: Any, identity: Any, tensor_types: Any) -> None:
    call = new_call()
    call.add(identity())
    x = tensor()
    assert hits(call, x)
    assert not hits(call, tensor(1.0, 2.0))
    assert not hits(call, tensor_types[0](np.zeros(3, np.float32)))
    assert not hits(call, tensor_types[1](np.zeros(3)))  # another class
    unresolved = tensor()
    unresolved._storage = Storage.from_numpy(np.ones(3))
    assert unresolved._storage.ptr is None and call(unresolved).numpy().tolist() == [1.0, 1.0, 1.0]
    assert unresolved._storage.ptr == unresolved._storage.owner.ctypes.data
    owners: list[Any] = [None, 3, []]
    for owner in owners:
        lost = tensor()
        lost._storage = Storage(None, 24, owner)
        assert not hits(call, lost) and lost._storage.ptr is None
    strange = tensor()
    strange._storage = "traced"
    assert not hits(call, strange)
    for slot in ("_layout", "_storage"):
        empty = tensor()
        delattr(empty, slot)
        assert not hits(call, empty)


def test_offsets_are_in_elements(new_call: NewCall, tensor_types: Any, identity: Any) -> None:
    call = new_call()
    call.add(identity())
    x = tensor_types[0](np.arange(2000.0), VECTOR, 0)
    for offset in (0, 1, 5, 300, 1997):
        x._offset = offset
        assert call(x).numpy().tolist() == [offset, offset + 1, offset + 2]


def test_slot_guards(new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any) -> None:
    specialisation = Specialisation(programs.sum([(3,)], 1, 3))
    guard = TensorGuard(tensor_types[0], VECTOR, 0, (("_requires_grad", False), ("_node", None)))
    specialisation.argument(guard)
    specialisation.output(VECTOR, 0)
    specialisation.result("single")
    call = new_call()
    call.add(specialisation)
    x = tensor()
    assert hits(call, x)
    x._requires_grad = True
    assert not hits(call, x)
    x._requires_grad, x._node = False, object()
    assert not hits(call, x)


NAN = float("nan")
OTHER_NAN = np.frombuffer(b"\x01\0\0\0\0\0\xf8\x7f", np.float64)[0].item()


class Key(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "accepted", "refused"),
    [
        (None, [None], [0, False, ()]),
        (True, [True], [1, 1.0, False]),
        (3, [3], [3.0, True, 4, "3"]),
        (10**30, [10**30 + 0], [10**30 + 1]),
        ("text", ["te" + "xt"], ["Text", b"text", Key("text")]),
        (b"ab", [b"ab"], ["ab", bytearray(b"ab")]),
        (0.0, [0.0], [-0.0, 0, False, NAN]),
        (-0.0, [-0.0], [0.0]),
        (NAN, [NAN, float("nan")], [0.0, OTHER_NAN, -NAN]),
        (math.inf, [math.inf], [-math.inf]),
        (1 + 0j, [complex(1, 0)], [complex(1, -0.0), 1, 1.0]),
        ((1, (2.0, "x")), [(1, (2.0, "x"))], [(1, (2, "x")), [1, (2.0, "x")], (1, (2.0,)), (1,), ()]),
        ([1, [None]], [[1, [None]]], [(1, [None]), [1, []], [1]]),
        ({"a": 1, "b": 2}, [{"a": 1, "b": 2}], [{"b": 2, "a": 1}, {"a": 1}, {"a": 1, "b": 3}, {"a": 1, "c": 2}, []]),
        ({1: 0.0}, [{1: 0.0}], [{1: -0.0}, {True: 0.0}, {1.0: 0.0}]),
        ((), [()], [(None,), []]),
        ({}, [{}], [{"a": 1}]),
        (np.float32(1.5), [np.float32(1.5)], [np.float64(1.5), 1.5, np.float32(2)]),
        (np.float32(0.0), [np.float32(0.0)], [np.float32(-0.0)]),
        (range(3), [range(3)], [range(4)]),
        (..., [...], [None]),
        (len, [len], [abs]),
    ],
    ids=repr,
)
def test_constants(
    new_call: NewCall, tensor: Any, identity: Any, value: object, accepted: list[Any], refused: list[Any]
) -> None:
    call = new_call()
    call.add(identity(guard_value(value)))
    x = tensor()
    for other in accepted:
        assert hits(call, x, other), other
    for other in refused:
        assert not hits(call, x, other), other


def test_identity_and_anything(new_call: NewCall, tensor: Any, identity: Any) -> None:
    marker = object()
    call = new_call()
    call.add(identity(IdentityGuard(marker), AnyGuard()))
    x = tensor()
    assert hits(call, x, marker, 1) and hits(call, x, marker, [x])
    assert not hits(call, x, object(), 1)


def test_predicates_count_as_callbacks_and_their_exceptions_as_false(
    new_call: NewCall, tensor: Any, identity: Any
) -> None:
    call = new_call()
    call.add(identity(PredicateGuard(lambda value: 1 / value > 0.1)))
    x = tensor()
    before = dispatch.counters()["python_callbacks"]
    assert hits(call, x, 5) and not hits(call, x, 50) and not hits(call, x, 0)
    assert dispatch.counters()["python_callbacks"] - before == 3


class Hostile:
    """An argument whose comparison changes the list that holds it."""

    def __init__(self, container: list[Any]) -> None:
        self.container = container

    def __eq__(self, other: object) -> bool:
        self.container.clear()
        return True

    __hash__ = None  # type: ignore[assignment]


def test_containers_may_change_while_they_are_walked(new_call: NewCall, tensor: Any, identity: Any) -> None:
    def emptying(value: Any) -> Callable[[Any], bool]:
        def empty(item: Any) -> bool:
            value.clear()
            return True

        return empty

    items: list[Any] = []
    call = new_call()
    call.add(identity(ListGuard((PredicateGuard(emptying(items)), guard_value("x" * 5)))))
    x = tensor()
    for _ in range(10):
        items[:] = [object(), "".join(["x"] * 5)]
        call(x, items)
    mapping: dict[str, Any] = {}
    call = new_call()
    call.add(identity(DictGuard((("a", PredicateGuard(emptying(mapping))), ("b", guard_value(1))))))
    for _ in range(10):
        mapping.update(a=object(), b=1)
        call(x, mapping)


def test_equality_is_by_type_first(new_call: NewCall, tensor: Any, identity: Any) -> None:
    """A foreign __eq__ never decides."""
    call = new_call()
    call.add(identity(guard_value("text")))
    container: list[Any] = []
    hostile = Hostile(container)
    container.append(hostile)
    assert not hits(call, tensor(), hostile) and container == [hostile]


def test_nested_arguments_and_scalars(new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any) -> None:
    call = new_call()
    call.add(nested(programs, tensor_types))
    x, y, z = tensor(1, 2, 3), tensor(10, 20, 30), tensor(100, 200, 300)
    for scalar in (0.5, -0.0, 1e300):
        second, first = call((x, [y, {"z": z, "s": scalar}]))
        assert first.numpy().tolist() == [111 + scalar, 222 + scalar, 333 + scalar]
        assert second.numpy().tolist() == [2 * (v + scalar) for v in (111, 222, 333)]
    assert not hits(call, (x, [y, {"z": z, "s": 1}]))  # an int is another program
    assert not hits(call, (x, [y, {"s": 0.5, "z": z}]))  # another order
    assert not hits(call, (x, [y, z]))


def test_captured_tensors_are_read_afresh(new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any) -> None:
    weight = tensor_types[1](np.array([1.0, 1.0, 1.0]))
    specialisation = Specialisation(programs.sum([(3,), (3,)], 1, 3))
    specialisation.argument(TensorGuard(tensor_types[0], VECTOR, 0))
    specialisation.captured(weight, VECTOR, 1)
    specialisation.output(VECTOR, 0)
    specialisation.result("single")
    call = new_call()
    call.add(specialisation)
    x = tensor()
    assert call(x).numpy().tolist() == [2, 3, 4]
    weight._storage = Storage.allocate(24)
    weight._storage.array(VECTOR)[...] = 10.0
    assert call(x).numpy().tolist() == [11, 12, 13]
    weight._layout = Layout.of(dtypes.float32, (3,))
    assert not hits(call, x)


def test_host_scalars(new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any) -> None:
    group: dict[Any, Any] = {"lr": 0.5}
    owner = types.SimpleNamespace(decay=2)
    specialisation = Specialisation(programs.sum([(3,), (), ()], 1, 3))
    specialisation.argument(TensorGuard(tensor_types[0], VECTOR, 0))
    specialisation.host_item(group, "lr", 1)
    specialisation.host_attribute(owner, "decay", 2)
    specialisation.output(VECTOR, 0)
    specialisation.result("single")
    call = new_call()
    call.add(specialisation)
    x = tensor()
    assert call(x).numpy().tolist() == [3.5, 4.5, 5.5]
    group["lr"], owner.decay = -1, 0.25
    assert call(x).numpy().tolist() == [0.25, 1.25, 2.25]
    for bad in (None, "1", True, np.float64(1), 10**400, tensor()):
        group["lr"] = bad
        assert not hits(call, x), bad
    group["lr"] = -1.0
    assert hits(call, x)
    del group["lr"]
    assert not hits(call, x)
    group["lr"] = 1.0
    del owner.decay
    assert not hits(call, x)
    assert sys.exc_info() == (None, None, None)


def test_looked_up_names(new_call: NewCall, tensor: Any, identity: Any) -> None:
    """Items, cells and attributes are found again at each call: by identity, constants by type and value."""
    marker, other = object(), object()
    names: dict[Any, Any] = {"number": 2.5, "object": marker, "tensors": [tensor(1.0), (tensor(2.0),)], 7: "text"}
    cell = types.CellType(marker)
    owner = types.SimpleNamespace(flag=True)
    specialisation = identity()
    for key in names:
        specialisation.same_item(names, key, names[key])
    specialisation.same_cell(cell, marker)
    specialisation.same_attribute(owner, "flag", True)
    call = new_call()
    call.add(specialisation)
    x = tensor()
    before = dispatch.counters()["python_callbacks"]
    assert hits(call, x)
    changes: list[tuple[str, Any, list[Any]]] = [
        ("number", 2.5, [3.5, "2.5", None, -2.5]),
        ("object", marker, [other, None]),
        (7, "text", ["tex", b"text"]),  # type: ignore[list-item]
    ]
    for key, same, different in changes:
        for value in different:
            names[key] = value
            assert not hits(call, x), (key, value)
        del names[key]
        assert not hits(call, x), key
        names[key] = same if same is marker else type(same)(same)
        assert hits(call, x), key
    cell.cell_contents = other
    assert not hits(call, x)
    del cell.cell_contents
    assert not hits(call, x)
    cell.cell_contents = marker
    assert hits(call, x)
    for flag in (1, False, None):
        owner.flag = flag
        assert not hits(call, x)
    del owner.flag
    assert not hits(call, x)
    owner.flag = True
    assert hits(call, x)
    names["tensors"][1] = (tensor(2.0),)
    assert not hits(call, x)
    names["tensors"].pop()
    assert not hits(call, x)
    assert dispatch.counters()["python_callbacks"] == before and sys.exc_info() == (None, None, None)


def test_what_is_looked_up_is_kept_alive_and_let_go(new_call: NewCall, tensor: Any, identity: Any) -> None:
    class Name(dict[str, Any]):
        pass

    names, value = Name(), tensor()
    names["value"] = value
    gone = [weakref.ref(names), weakref.ref(value)]
    specialisation = identity()
    specialisation.same_item(names, "value", value)
    call = new_call()
    call.add(specialisation)
    x = tensor()
    counts = [sys.getrefcount(names), sys.getrefcount(value)]
    for _ in range(50):
        assert hits(call, x)
    names["value"] = None
    for _ in range(50):
        assert not hits(call, x)
    names["value"] = value
    assert [sys.getrefcount(names), sys.getrefcount(value)] == counts
    del names, value
    assert hits(call, x)
    call.clear()
    del specialisation
    gc.collect()
    assert [reference() for reference in gone] == [None, None]


def test_a_lookup_whose_comparison_fails_or_rebinds_is_safe(new_call: NewCall, tensor: Any, identity: Any) -> None:
    class Owner:
        @property
        def name(self) -> int:
            divisor: int = self.__dict__["divisor"]
            return 1 // divisor

    owner = Owner()
    owner.__dict__["divisor"] = 1
    names: dict[str, Any] = {}

    def forget(value: Any) -> bool:
        names["value"] = None
        call.clear()
        gc.collect()
        return len(value) == 1

    specialisation = identity()
    specialisation.same_attribute(owner, "name", 1)
    specialisation.look_up(ItemGuard(names, "value", ListGuard((PredicateGuard(forget),))))
    call = new_call()
    x = tensor()
    for divisor, hit in ((1, True), (0, False)):
        owner.__dict__["divisor"] = divisor
        names["value"] = [[tensor()]]
        call.add(specialisation)
        assert hits(call, x) is hit


def test_a_slot_is_read_as_an_input(new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any) -> None:
    """As gradients are accumulated: the old value is read, and let go when the new one takes its place."""
    parameter = tensor_types[1](np.zeros(3))
    accumulate = Specialisation(programs.sum([(3,), (3,)], 1, 3))
    accumulate.argument(TensorGuard(tensor_types[0], VECTOR, 0))
    accumulate.look_up(SlotGuard(parameter, "_grad", TensorGuard(tensor_types[0], VECTOR, 1)))
    accumulate.write(parameter, "_grad", VECTOR, 0)
    begin = Specialisation(programs.sum([(3,)], 1, 3))
    begin.argument(TensorGuard(tensor_types[0], VECTOR, 0))
    begin.look_up(SlotGuard(parameter, "_grad", IdentityGuard(None)))
    begin.write(parameter, "_grad", VECTOR, 0)
    call = new_call()
    call.add(begin)
    call.add(accumulate)
    x = tensor(1, 2, 3)
    allocated = pool.stats()["allocated"]
    for count in range(1, 6):
        assert call(x) is None
        assert parameter._grad.numpy().tolist() == [count, 2 * count, 3 * count]
    assert (begin.calls, accumulate.calls) == (1, 4)
    for wrong in (tensor(1.0), 3, tensor_types[1](np.zeros(3))):
        parameter._grad = wrong
        assert not hits(call, x)
    parameter._grad = None
    assert pool.stats()["allocated"] == allocated
    assert call(x) is None and parameter._grad.numpy().tolist() == [1, 2, 3]


def holds(lookup: Lookup) -> bool:
    try:
        return dispatch_safe.fits(lookup.guard, dispatch_safe.find(lookup))
    except (LookupError, ValueError):
        return False


@pytest.mark.parametrize(
    ("value", "different"),
    [
        (1.0, 1),
        (0.0, -0.0),
        ([1, (2, {"a": None})], [1, (2, {"b": None})]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (np.float32(1), np.float32(2)),
        (len, abs),
    ],
    ids=repr,
)
def test_lookups_hold_in_python_as_in_a_call(value: Any, different: Any) -> None:
    names = {"name": value}
    lookup = ItemGuard(names, "name", guard_value(value))
    assert holds(lookup)
    names["name"] = different
    assert not holds(lookup)
    del names["name"]
    assert not holds(lookup)
    cell = types.CellType(value)
    assert holds(CellGuard(cell, guard_value(value)))
    del cell.cell_contents
    assert not holds(CellGuard(cell, guard_value(value)))
