"""The call path: every test that takes `call_path` runs natively and in Python, and must not be able to tell."""

from __future__ import annotations

import gc
import sys
import threading
import types
import weakref
from typing import Any

import numpy as np
import pytest
from dispatch_calls import VECTOR, NewCall, SlowCalls, hits, nested, writing

from ingot.runtime import dispatch, dtypes, flags, native, pool
from ingot.runtime.errors import BuildError
from ingot.runtime.layout import Layout
from ingot.runtime.specialise import (
    AnyGuard,
    DictGuard,
    Guard,
    IdentityGuard,
    ListGuard,
    PredicateGuard,
    Specialisation,
    TensorGuard,
    TupleGuard,
)
from ingot.runtime.storage import Storage

pytestmark = pytest.mark.skipif(not native.supported(), reason="no native runtime on this system")


def test_a_hit_computes_and_a_miss_takes_the_slow_path(
    new_call: NewCall, tensor: Any, identity: Any, slow_calls: SlowCalls, call_path: str
) -> None:
    call = new_call()
    x = tensor()
    assert call(x, 1, k=2) == "slow" and slow_calls == [((x, 1), {"k": 2})]
    call.add(identity())
    before = dispatch.counters()
    result = call(x)
    assert type(result) is type(x) and result.numpy().tolist() == [1.0, 2.0, 3.0]
    assert (result._layout, result._offset, result._grad, result._node) == (VECTOR, 0, None, None)
    assert result._requires_grad is False
    assert result._storage.data_ptr() % 64 == 0 and result._storage.nbytes == 24
    after = dispatch.counters()
    assert {name: after[name] - before[name] for name in after} == {
        "program_calls": 1,
        "misses": 0,
        "python_callbacks": 0,
    }
    slow_calls.clear()
    for args, kwargs in (((), {}), ((x, x), {}), ((3,), {}), ((None,), {}), ((), {"x": x}), ((x,), {"k": 1})):
        assert call(*args, **kwargs) == "slow"
    assert len(slow_calls) == 6 and slow_calls[4] == ((), {"x": x})
    assert dispatch.counters()["misses"] - after["misses"] == 6
    assert _is_builtin(call) == (call_path == "native")


def _is_builtin(call: dispatch.CallObject) -> bool:
    return isinstance(call.func, types.BuiltinFunctionType)


def test_aliased_outputs_write_into_their_input(
    new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any
) -> None:
    state = tensor(0, 0, 0)
    specialisation = Specialisation(programs.sum([(3,), (3,)], 1, 3, aliases=((1, 0),)))
    specialisation.argument(TensorGuard(tensor_types[0], VECTOR, 0))
    specialisation.captured(state, VECTOR, 1)
    call = new_call()
    call.add(specialisation)
    storage, system = state._storage, pool.stats()["system_allocations"]
    for _ in range(5):
        assert call(tensor(1, 2, 3)) is None
    assert state._storage is storage and state.numpy().tolist() == [5, 10, 15]
    assert pool.stats()["system_allocations"] == system


def test_an_argument_in_written_memory_is_a_miss(
    new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any
) -> None:
    """The program may write to it before it has read everything."""
    read, written = tensor(), tensor(0, 0, 0)
    specialisation = Specialisation(programs.sum([(3,), (3,), (3,), (3,)], 1, 3, aliases=((3, 0),)))
    guards = [TensorGuard(tensor_types[0], VECTOR, i) for i in range(2)]
    specialisation.argument(ListGuard(tuple(guards)))
    specialisation.captured(read, VECTOR, 2)
    specialisation.captured(written, VECTOR, 3)
    call = new_call()
    call.add(specialisation)
    x = tensor()
    shows_written = tensor()
    shows_written._storage = written._storage
    assert call([x, read]) is None
    assert not hits(call, [x, written]) and not hits(call, [shows_written, x])
    x._storage = Storage.allocate(24)
    written._storage = x._storage
    assert not hits(call, [x, read]) and call([shows_written, read]) is None


def test_slot_writes_recycle_the_old_value(new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any) -> None:
    parameter = tensor_types[1](np.zeros(3))
    call = new_call()
    call.add(writing(programs, tensor_types, parameter))
    x = tensor(1, 2, 3)
    assert call(x).numpy().tolist() == [1, 2, 3]
    assert type(parameter._grad) is tensor_types[0] and parameter._grad.numpy().tolist() == [2, 4, 6]
    address = parameter._grad._storage.ptr
    system = pool.stats()["system_allocations"]
    for _ in range(10):
        call(x)
    # The block of the old gradient serves the new one, or the output that came before it.
    assert pool.stats()["system_allocations"] == system
    held = parameter._grad
    call(x)
    assert parameter._grad is not held and held.numpy().tolist() == [2, 4, 6]
    assert address


def test_slots_are_cleared_before_memory_is_taken(
    new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any, identity: Any
) -> None:
    parameters = [tensor_types[1](np.zeros(3)) for _ in range(3)]
    specialisation = identity()
    for parameter in parameters:
        specialisation.clear(parameter, "_grad")
    call = new_call()
    call.add(specialisation)
    gone = []
    for parameter in parameters[:2]:
        parameter._grad = tensor()
        gone.append(weakref.ref(parameter._grad))
    none = sys.getrefcount(None)
    for _ in range(1000):
        assert call(tensor()).numpy().tolist() == [1, 2, 3]
    assert [parameter._grad for parameter in parameters] == [None] * 3
    assert [reference() for reference in gone] == [None] * 2
    assert abs(sys.getrefcount(None) - none) < 900


def test_results(new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any) -> None:
    def two(kind: str, finish: Any = None) -> Specialisation:
        specialisation = Specialisation(programs.sum([(3,)], 2, 3))
        specialisation.argument(TensorGuard(tensor_types[0], VECTOR, 0))
        specialisation.output(VECTOR, 0)
        specialisation.output(VECTOR, 1)
        specialisation.result(kind, finish)
        return specialisation

    call = new_call()
    call.add(two("tuple"))
    result = call(tensor())
    assert type(result) is tuple and [len(part.numpy()) for part in result] == [3, 3]
    call.clear()
    call.add(two("finish", lambda parts: {"a": parts[1], "b": [parts[0]]}))
    before = dispatch.counters()["python_callbacks"]
    result = call(tensor())
    assert result["a"].numpy().tolist() == [2, 4, 6] and result["b"][0].numpy().tolist() == [1, 2, 3]
    assert dispatch.counters()["python_callbacks"] == before + 1
    call.clear()

    def fail(parts: Any) -> Any:
        raise KeyError("finish")

    call.add(two("finish", fail))
    del result
    gc.collect()
    allocated = pool.stats()["allocated"]
    with pytest.raises(KeyError, match="finish"):
        call(tensor())
    gc.collect()
    assert pool.stats()["allocated"] == allocated


def test_a_failing_program_raises_and_leaves_nothing_behind(
    new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any
) -> None:
    parameter = tensor_types[1](np.zeros(3))
    specialisation = writing(programs, tensor_types, parameter, status=42, workspace=1000)
    call = new_call()
    call.add(specialisation)
    x = tensor()
    gc.collect()
    storage_references = sys.getrefcount(x._storage)
    allocated = pool.stats()["allocated"]
    for _ in range(20):
        with pytest.raises(BuildError, match=r"\[IG501\] the compiled program 'sum' reported error 42"):
            call(x)
    assert parameter._grad is None
    gc.collect()  # tracebacks hold frames
    after = sys.getrefcount(x._storage)
    assert pool.stats()["allocated"] == allocated and after == storage_references


def test_memory_that_runs_out_raises_and_leaves_nothing_behind(
    new_call: NewCall, tensor: Any, identity: Any, programs: Any, tensor_types: Any
) -> None:
    huge = Layout.of(dtypes.float64, (1 << 42,))
    specialisation = Specialisation(programs.sum([(3,)], 2, 1))
    program = specialisation.executable.program
    slots = (program.outputs[0], programs.slot((1 << 42,)))
    object.__setattr__(program, "outputs", slots)
    specialisation.argument(TensorGuard(tensor_types[0], VECTOR, 0))
    specialisation.output(Layout.of(dtypes.float64, (1,)), 0)
    specialisation.output(huge, 1)
    specialisation.result("tuple")
    call = new_call()
    call.add(specialisation)
    x = tensor()
    references = sys.getrefcount(x._storage)
    allocated = pool.stats()["allocated"]
    with pytest.raises(BuildError, match="IG504"):
        call(x)
    call.clear()
    call.add(identity(workspace=1 << 45))
    with pytest.raises(BuildError, match="IG504"):
        call(x)
    gc.collect()  # tracebacks hold frames
    after = sys.getrefcount(x._storage)
    assert pool.stats()["allocated"] == allocated and after == references


def test_exceptions_of_the_slow_path_pass(call_path: str, tensor: Any) -> None:
    def slow(*args: Any) -> None:
        raise LookupError("slow")

    with pytest.raises(LookupError, match="slow"):
        dispatch.callable(slow, "f")(tensor())


def test_chains(new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any, identity: Any) -> None:
    call = new_call()
    specialisations = []
    for size in range(1, 8):
        layout = Layout.of(dtypes.float64, (size,))
        specialisation = Specialisation(programs.sum([(size,)], 1, size))
        specialisation.argument(TensorGuard(tensor_types[0], layout, 0))
        specialisation.output(layout, 0)
        specialisation.result("single")
        call.add(specialisation)
        specialisations.append(specialisation)
    for size in range(1, 8):
        assert call(tensor(*range(size))).numpy().tolist() == list(range(size))
    assert [one.calls for one in specialisations] == [1] * 7
    call.remove(specialisations[3])
    assert not hits(call, tensor(0, 1, 2, 3)) and hits(call, tensor(0, 1, 2, 3, 4))
    # The last one added is tried first.
    newest = identity()
    call.add(newest)
    call(tensor())
    assert newest.calls == 1 and specialisations[2].calls == 1
    call.clear()
    assert not hits(call, tensor()) and call.specialisations == ()


def test_epochs(new_call: NewCall, tensor: Any, identity: Any) -> None:
    specialisation = identity()
    call = new_call()
    call.add(specialisation)
    x = tensor()
    assert hits(call, x)
    epoch = dispatch.bump_epoch()
    assert dispatch.epoch() == epoch and not hits(call, x)
    specialisation.epoch = epoch
    assert hits(call, x)


def test_many_buffers_and_outputs(new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any) -> None:
    """Far more than any fixed table would hold: scratch memory on the heap."""
    captured, outputs = 700, 300
    specialisation = Specialisation(programs.sum([(3,)] * (captured + 1), outputs, 3))
    specialisation.argument(TensorGuard(tensor_types[0], VECTOR, 0))
    for i in range(captured):
        specialisation.captured(tensor(i, i, i), VECTOR, i + 1)
    for j in range(outputs):
        specialisation.output(VECTOR, j)
    specialisation.result("tuple")
    call = new_call()
    call.add(specialisation)
    total = captured * (captured - 1) / 2
    allocated = pool.stats()["allocated"]
    for _ in range(3):
        results = call(tensor())
        assert [result.numpy()[0] for result in results] == [(total + 1) * (j + 1) for j in range(outputs)]
    del results
    assert pool.stats()["allocated"] == allocated


def test_many_arguments(new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any) -> None:
    count = 200
    specialisation = Specialisation(programs.sum([(3,)] * count, 1, 3))
    for i in range(count):
        specialisation.argument(TensorGuard(tensor_types[0], VECTOR, i))
    specialisation.output(VECTOR, 0)
    specialisation.result("single")
    call = new_call()
    call.add(specialisation)
    assert call(*[tensor(1, 2, 3)] * count).numpy().tolist() == [200, 400, 600]


def test_no_references_leak(new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any) -> None:
    """Count every object involved over many hits and many misses at every depth."""
    call = new_call()
    call.add(nested(programs, tensor_types))
    x, y, z = tensor(), tensor(), tensor()
    good = (x, [y, {"z": z, "s": 0.5}])
    bad = [
        (x, [y, {"z": z, "s": 1}]),
        (x, [y, {"z": tensor(1.0), "s": 0.5}]),
        (x, [3, {}]),
        (x, y),
    ]
    watched = [x, y, z, x._storage, y._storage, z._storage, good, good[1], VECTOR, tensor_types[0], 0.5]

    def round_trip() -> None:
        for _ in range(50):
            call(good)
            for other in bad:
                call(other)

    round_trip()
    gc.collect()
    before = [sys.getrefcount(item) for item in watched]
    allocated, objects = pool.stats()["allocated"], len(gc.get_objects())
    round_trip()
    assert [sys.getrefcount(item) for item in watched] == before
    assert pool.stats()["allocated"] == allocated
    gc.collect()
    assert len(gc.get_objects()) < objects + 2 * 200 + 20  # the slow path notes 200 calls


def test_a_whole_step_needs_one_program_call_and_no_memory(
    new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any
) -> None:
    parameter = tensor_types[1](np.zeros(3))
    call = new_call()
    call.add(writing(programs, tensor_types, parameter, workspace=5000))
    x = tensor()
    call(x)
    before = {**dispatch.counters(), **pool.stats()}
    for _ in range(10):
        call(x)
    after = {**dispatch.counters(), **pool.stats()}
    changed = {name: after[name] - before[name] for name in after}
    assert changed["program_calls"] == 10
    assert changed["misses"] == changed["python_callbacks"] == changed["system_allocations"] == 0
    assert changed["allocated"] == 0


def test_methods_and_attributes(new_call: NewCall, tensor: Any, identity: Any, slow_calls: SlowCalls) -> None:
    call = new_call()

    class Model:
        forward = call

    model = Model()
    assert model.forward(1, k=2) == "slow" and slow_calls[-1] == ((model, 1), {"k": 2})
    assert Model.forward is call
    call.note = "kept"
    assert call.note == "kept" and call.__name__ == "function"
    assert "function" in repr(call)
    with pytest.raises(TypeError, match="cannot be pickled"):
        call.__reduce__()


def test_functions_are_collected_through_cycles(call_path: str, tensor: Any, identity: Any) -> None:
    class Marker:
        pass

    marker = Marker()
    gone = weakref.ref(marker)

    def make(kept: Marker) -> None:
        def slow(*args: Any) -> Any:
            return call, kept

        call = dispatch.callable(slow, "cyclic")
        call.add(identity(IdentityGuard(call)))
        x = tensor()
        x._node = call
        assert hits(call, x, call)

    make(marker)
    del marker
    gc.collect()
    assert gone() is None


def test_reentrant_calls_and_changes_during_a_call(call_path: str, tensor: Any, identity: Any) -> None:
    """The slow path adds a specialisation and calls again; a predicate clears the chain that is being walked."""
    x = tensor()

    def slow(*args: Any) -> Any:
        call.add(identity())
        return call(*args)

    call = dispatch.callable(slow, "f")
    assert call(x).numpy().tolist() == [1, 2, 3]

    def clear(_: Any) -> bool:
        clearing.clear()
        gc.collect()
        return True

    clearing = dispatch.callable(lambda *args: "slow", "g")
    clearing.add(identity(PredicateGuard(clear)))
    assert clearing(x, None).numpy().tolist() == [1, 2, 3]
    assert clearing(x, None) == "slow"


def test_a_deallocation_during_the_call_may_run_python(
    new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any
) -> None:
    """Letting an old gradient go runs a weak reference's callback, which rebinds the captured tensor and clears."""
    parameter = tensor_types[1](np.ones(3))
    specialisation = Specialisation(programs.sum([(3,), (3,)], 2, 3))
    specialisation.argument(TensorGuard(tensor_types[0], VECTOR, 0))
    specialisation.captured(parameter, VECTOR, 1)
    specialisation.write(parameter, "_grad", VECTOR, 1)
    specialisation.output(VECTOR, 0)
    specialisation.result("single")
    call = new_call()
    call.add(specialisation)

    def rebind(_: Any) -> None:
        parameter._storage = Storage.allocate(24)
        for block in [Storage.allocate(24) for _ in range(8)]:
            block.array(VECTOR)[...] = 99.0
        call.clear()

    old = tensor(7, 7, 7)
    reference = weakref.ref(old, rebind)
    parameter._grad = old
    del old
    assert call(tensor()).numpy().tolist() == [2, 3, 4]
    assert reference() is None and parameter._grad.numpy().tolist() == [4, 6, 8]


def test_long_programs_release_the_gil(new_call: NewCall, tensor: Any, programs: Any, tensor_types: Any) -> None:
    """Other threads rebind the captured tensor meanwhile; its block must outlive the call."""
    size = 200_000
    layout = Layout.of(dtypes.float64, (size,))
    weight = tensor_types[1](np.ones(size))
    specialisation = Specialisation(programs.sum([(size,), (size,)], 1, size, cost=1e6))
    specialisation.argument(TensorGuard(tensor_types[0], layout, 0))
    specialisation.captured(weight, layout, 1)
    specialisation.output(layout, 0)
    specialisation.result("single")
    call = new_call()
    call.add(specialisation)
    stop = threading.Event()

    def rebind() -> None:
        while not stop.is_set():
            storage = Storage.allocate(8 * size)
            storage.array(layout)[...] = 1.0
            weight._storage = storage

    other = threading.Thread(target=rebind)
    other.start()
    try:
        x = tensor_types[0](np.ones(size))
        for _ in range(30):
            assert (call(x).numpy() == 2.0).all()
    finally:
        stop.set()
        other.join()


def test_incomplete_specialisations_are_refused(
    new_call: NewCall, programs: Any, tensor_types: Any, tensor: Any
) -> None:
    kind = tensor_types[0]
    specialisation = Specialisation(programs.sum([(3,), ()], 2, 3))
    specialisation.argument(TensorGuard(kind, Layout.of(dtypes.float32, (3,)), 0))
    specialisation.output(Layout.of(dtypes.float64, (4,)), 0)
    specialisation.output(VECTOR, 5)
    specialisation.result("single")
    with pytest.raises(BuildError) as caught:
        new_call().add(specialisation)
    text = str(caught.value)
    assert text.startswith("[IG503] a specialisation of 'sum' does not fit its program")
    for part in (
        "input 0 (x) is f64[3] strides (1,), not f32[3]",
        "input 1 has 0 sources",
        "output 0 (x) is f64[3]",
        "there is no output 5, the program has 2",
        "output 1 has 0 destinations",
        "a single result was asked for, 2 outputs are returned",
    ):
        assert part in text, part
    assert len(text.splitlines()) <= 12
    with pytest.raises(BuildError, match="result 'finish' with finish None"):
        specialisation.result("finish")
    good = Specialisation(programs.sum([(3,)], 1, 3))
    good.argument(TensorGuard(kind, VECTOR, 0))
    good.output(VECTOR, 0)
    good.result("single")
    new_call().add(good)
    with pytest.raises(BuildError, match="already in use"):
        good.output(VECTOR, 0)


def test_strange_keys_and_classes_are_refused(new_call: NewCall, identity: Any, programs: Any) -> None:
    with pytest.raises(BuildError, match="which is not a plain value"):
        new_call().add(identity(DictGuard(((object(), AnyGuard()),))))
    deep: Guard = AnyGuard()
    for _ in range(150):
        deep = TupleGuard((deep,))
    with pytest.raises(BuildError, match="nested more than 100 deep"):
        new_call().add(identity(deep))


def test_installing_another_class_forgets_specialisations(
    new_call: NewCall, tensor: Any, identity: Any, tensor_types: Any
) -> None:
    call = new_call()
    specialisation = identity()
    call.add(specialisation)
    before = dispatch.installed()

    class Other:
        __slots__ = ("__weakref__", "_layout", "_offset", "_storage", "extra")

    slots = {"layout": "_layout", "storage": "_storage", "offset": "_offset"}
    dispatch.install((Other,), Storage, slots, {"extra": "default"})
    try:
        assert not hits(call, tensor())
    finally:
        dispatch.install_class(before)
    call.add(specialisation)
    assert hits(call, tensor())


def test_classes_without_slots_cannot_be_called_natively(tensor_types: Any) -> None:
    class Loose:
        pass

    before = dispatch.installed()
    dispatch.activate()
    slots = {"layout": "_layout", "storage": "_storage", "offset": "_offset"}
    try:
        with pytest.raises(BuildError, match=r"\[IG505\] Loose._layout is stored 0 times"):
            dispatch.install((Loose,), Storage, slots, {})
    finally:
        dispatch.install_class(before)


def test_native_is_chosen_by_default(tensor_types: Any) -> None:
    with flags.DISPATCH.override("auto"):
        assert dispatch.activate() and dispatch.mode() == "native"
        assert _is_builtin(dispatch.callable(lambda: None, "f"))
    with flags.DISPATCH.override("safe"):
        assert not _is_builtin(dispatch.callable(lambda: None, "f"))
