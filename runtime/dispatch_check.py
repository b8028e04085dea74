"""The start-up self-test of the native call path: a small function called through it must give the right results, take
its slow path when it should, and leave no reference and no block behind. Only then does a process use the path."""

import ctypes
import sys
from types import CellType
from typing import Any

from ingot.runtime import dtypes
from ingot.runtime.dispatch_native import CallTable, NativeClasses, NativeSpecialisation
from ingot.runtime.errors import BuildError
from ingot.runtime.executable import Executable
from ingot.runtime.layout import Layout
from ingot.runtime.native import NativeRuntime
from ingot.runtime.program import Program, Slot
from ingot.runtime.specialise import (
    DictGuard,
    ListGuard,
    ScalarGuard,
    Specialisation,
    TensorClass,
    TensorGuard,
    TupleGuard,
    guard_value,
)

_ROUNDS = 20


def check(runtime: NativeRuntime, classes: NativeClasses) -> None:
    """Run the self-test. Raises BuildError (IG505) that says what differs."""
    counts = [runtime.word("call_counts", index) for index in range(3)]
    try:
        _check(runtime, classes)
    except BuildError:
        raise
    except Exception as error:
        raise BuildError("IG505", f"the self-test of the native call path failed: {error!r}") from None
    finally:
        # The calls of the test are nobody's.
        for index, value in enumerate(counts):
            runtime.set_word("call_counts", value, index)


def _check(runtime: NativeRuntime, classes: NativeClasses) -> None:
    kinds = classes.tensor_class
    layout = Layout.of(dtypes.float64, (1,))
    # An object of its own class, so that a wrong slot offset would be noticed as a wrong value.
    tensor = fresh_tensor(kinds, layout, 2.0)
    table = CallTable(lambda *args: ("slow", len(args)), _unexpected)
    named: dict[str, object] = {"number": 1.5, "list": [tensor]}
    cell = CellType(tensor)
    specialisation = _specialisation(runtime, kinds, layout)
    specialisation.same_item(named, "number", 1.5)
    specialisation.same_item(named, "list", [tensor])
    specialisation.same_cell(cell, tensor)
    specialisation.same_attribute(tensor, kinds.layout_slot, layout)
    specialisation.seal()
    specialisation.epoch = runtime.word("epoch")
    table.replace((NativeSpecialisation(specialisation, classes),))
    function = table.function(runtime)
    args = ((tensor, [1.5, {"key": -0.0}]), "text", None)
    watched = (layout, None, *kinds.defaults.values(), kinds.types[0], args, tensor)
    _expect(function(*args) != ("slow", 3), "a guard refuses the right values")
    before = [sys.getrefcount(item) for item in watched]
    blocks = runtime.word("pool_counts", 1)
    for _ in range(_ROUNDS):
        total, half = function(*args)
        _expect((_value(total, kinds), _value(half, kinds)) == (3.5, 1.75), "a call computes wrong values")
        _expect(getattr(total, kinds.layout_slot) is layout, "an output has a wrong layout")
        _expect(
            all(getattr(half, name) is value for name, value in kinds.defaults.items()), "an output has wrong slots"
        )
        del total, half
        _expect(function(*args[:2], 0) == ("slow", 3), "a guard accepts a wrong value")
        wrong_zero = (tensor, [1.5, {"key": 0.0}])
        _expect(function(wrong_zero, *args[1:]) == ("slow", 3), "a guard takes 0.0 for -0.0")
        _expect(function() == ("slow", 0), "a call without arguments does not take the slow path")
        del wrong_zero
        named["number"] = 2.5
        _expect(function(*args) == ("slow", 3), "a changed name is not noticed")
        del named["number"], cell.cell_contents
        _expect(function(*args) == ("slow", 3), "a deleted name is not noticed")
        named["number"] = 1.5
        _expect(function(*args) == ("slow", 3), "an empty closure cell is not noticed")
        cell.cell_contents = tensor
    after = [sys.getrefcount(item) for item in watched]
    # The reference counts of None and other shared objects move by themselves; a leak moves them by _ROUNDS or more.
    _expect(all(b - a < _ROUNDS for a, b in zip(before, after, strict=True)), "calls leak references")
    _expect(all(a - b < _ROUNDS for a, b in zip(before, after, strict=True)), "calls lose references")
    _expect(runtime.word("pool_counts", 1) == blocks, "outputs do not return their blocks")


def _specialisation(runtime: NativeRuntime, kinds: TensorClass, layout: Layout) -> Specialisation:
    vector = Slot("x", dtypes.float64, (1,), (1,))
    scalar = Slot("s", dtypes.float64, (), ())
    program = Program(
        "self test", "self_test_entry", b"", "", inputs=(vector, scalar), outputs=(vector, vector), workspace_bytes=64
    )
    specialisation = Specialisation(Executable.at(program, runtime.address["self_test_entry"]))
    inner = ListGuard((ScalarGuard(1), DictGuard((("key", guard_value(-0.0)),))))
    specialisation.argument(TupleGuard((TensorGuard(kinds.types[0], layout, 0), inner)))
    specialisation.argument(guard_value("text"))
    specialisation.argument(guard_value(None))
    specialisation.output(layout, 0)
    specialisation.output(layout, 1)
    specialisation.result("tuple")
    return specialisation


def fresh_tensor(kinds: TensorClass, layout: Layout, value: float) -> Any:
    """A tensor made without native code, filled with one float64."""
    cell = ctypes.c_double(value)
    tensor: Any = object.__new__(kinds.types[0])
    for name, default in kinds.defaults.items():
        setattr(tensor, name, default)
    setattr(tensor, kinds.layout_slot, layout)
    setattr(tensor, kinds.storage_slot, kinds.storage_type(ctypes.addressof(cell), 8, cell))
    setattr(tensor, kinds.offset_slot, 0)
    return tensor


def _value(tensor: Any, kinds: TensorClass) -> float:
    return ctypes.c_double.from_address(getattr(tensor, kinds.storage_slot).ptr).value


def _unexpected(name: str, status: int) -> None:
    raise BuildError("IG505", f"the self-test of the native call path returned status {status}")


def _expect(condition: bool, problem: str) -> None:
    if not condition:
        raise BuildError("IG505", f"the self-test of the native call path failed: {problem}")
