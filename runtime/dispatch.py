"""How compiled functions are called: natively where that is possible, in Python where it is not.

The frontend installs its tensor class once, makes a CallObject per compiled function, and adds a specialisation for
each kind of call. A call that fits none goes to the slow path, which may add one.

    dispatch.install((Tensor, Parameter), Storage, slots={...}, defaults={...})
    call = dispatch.callable(slow_path, "train_step")
    call.add(specialisation)
    call(x, y)

A process begins with the native path if its code is in the disk cache. Otherwise it begins in Python, and compiles the
native code at the second call of any compiled function. INGOT_DISPATCH=native or safe decides once and for all.
"""

import ctypes
import functools
import threading
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from weakref import WeakSet

from ingot.runtime import dispatch_safe, flags, native, pool, storage, threads
from ingot.runtime.dispatch_check import check
from ingot.runtime.dispatch_native import (
    CallTable,
    NativeClasses,
    NativeSpecialisation,
    allocator_functions,
    builtin,
    slot_offsets,
)
from ingot.runtime.dispatch_safe import SafeSpecialisation, SafeTable
from ingot.runtime.errors import BuildError
from ingot.runtime.executable import raise_status
from ingot.runtime.log import log
from ingot.runtime.native import NativeRuntime
from ingot.runtime.operators import NativeOperators
from ingot.runtime.specialise import Specialisation, TensorClass

UNDECIDED, NATIVE, SAFE = "undecided", "native", "safe"

_lock = threading.RLock()
_tensor_class: TensorClass | None = None
_mode = UNDECIDED
_runtime: NativeRuntime | None = None
_classes: NativeClasses | None = None
_native_epoch = ctypes.c_int64(0)
_safe_calls = 0
_live: "WeakSet[CallObject]" = WeakSet()
_when_native: list[Callable[[NativeOperators], None]] = []


def install(
    tensor_types: tuple[type, ...],
    storage_type: type,
    slots: Mapping[str, str],
    defaults: Mapping[str, object],
) -> None:
    """Describe the tensor class: the class of fresh tensors first; the names of its slots for "layout", "storage" and
    "offset" (in elements); and a value for every other slot of a fresh tensor.

    Installing another class later makes every compiled function forget its specialisations.
    """
    install_class(
        TensorClass(tensor_types, storage_type, slots["layout"], slots["storage"], slots["offset"], dict(defaults))
    )


def install_class(tensor_class: TensorClass) -> None:
    """`install` from a TensorClass, for instance one that `installed` returned."""
    global _tensor_class, _classes
    with _lock:
        for call in list(_live):
            call.clear()
        _tensor_class = tensor_class
        if _mode == NATIVE:
            assert _runtime is not None
            _classes = _prepare(_runtime)


def when_native(use: Callable[[NativeOperators], None]) -> None:
    """Call `use` with what makes native operators, once they are possible; at once if they are."""
    with _lock:
        _when_native.append(use)
        if _mode == NATIVE:
            assert _runtime is not None
            use(NativeOperators(_runtime, slot_offsets, builtin))


def installed() -> TensorClass:
    """The tensor class in use. Raises BuildError (IG503) before `install`."""
    if _tensor_class is None:
        raise BuildError(
            "IG503", "no tensor class was installed", fix="dispatch.install(...) before any compiled function"
        )
    return _tensor_class


class CallObject(functools.partial[Any]):
    """A compiled function as Python calls it. It binds as a method and carries attributes, at the speed of a built-in.

    `slow_path(*args, **kwargs)` serves the calls that no specialisation fits, and those with keyword arguments.
    """

    specialisations: tuple[Specialisation, ...]
    slow_path: Callable[..., Any]
    table: CallTable | SafeTable
    __name__: str
    __qualname__: str

    def __new__(cls, slow_path: Callable[..., Any], name: str) -> "CallObject":
        """Start without specialisations; every call goes to the slow path."""
        table, function = _new_table(slow_path)
        self = super().__new__(cls, function)
        self.table = table
        if isinstance(table, SafeTable):
            table.use = self.use
        self.slow_path = slow_path
        self.specialisations = ()
        self.__name__ = self.__qualname__ = name
        return self

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Bind as a method, as functions do."""
        return self if instance is None else types.MethodType(self, instance)

    def add(self, specialisation: Specialisation) -> None:
        """Use a specialisation from the next call on, before those added earlier. Raises BuildError (IG503)."""
        specialisation.seal()
        specialisation.epoch = epoch()
        self.replace((specialisation, *self.specialisations))

    def remove(self, specialisation: Specialisation) -> None:
        """Stop using one specialisation."""
        self.replace(other for other in self.specialisations if other is not specialisation)

    def clear(self) -> None:
        """Forget all specialisations."""
        self.replace(())

    def replace(self, specialisations: Iterable[Specialisation]) -> None:
        """Use exactly these, which were added before, in this order of trying."""
        with _lock:
            chosen = tuple(specialisations)
            _fill(self.table, chosen)
            self.specialisations = chosen

    def use_native(self) -> None:
        """Move from the safe to the native path, unless the safe one was asked for."""
        if not isinstance(self.table, SafeTable) or self.table.before_call is None:
            return
        table, function = _new_table(self.slow_path)
        _fill(table, self.specialisations)
        self.table = table
        self.use(function)

    def use(self, function: Callable[..., Any]) -> None:
        """Call this function from now on, by what unpickling does to a partial."""
        self.__setstate__((function, (), {}, self.__dict__))  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"<compiled function {self.__name__}: {len(self.specialisations)} specialisations, {_mode} call path>"

    def __reduce__(self) -> Any:
        raise TypeError("compiled functions cannot be pickled; pickle the function that they were made from")


def callable(slow_path: Callable[..., Any], name: str) -> CallObject:
    """A compiled function without specialisations. Raises BuildError (IG505) under INGOT_DISPATCH=native when native
    code is impossible here."""
    choice = flags.DISPATCH.get()
    if choice != SAFE:
        activate(build=choice == NATIVE)
    if choice == NATIVE and _mode != NATIVE:
        raise BuildError(
            "IG505", "INGOT_DISPATCH=native, but the native call path is not available", fix="INGOT_DISPATCH=auto"
        )
    with _lock:
        call = CallObject(slow_path, name)
        _live.add(call)
    return call


def activate(build: bool = True) -> bool:
    """Switch to the native path if possible, compiling it only if `build`; whether it is in use."""
    global _mode, _runtime, _classes, _native_epoch
    if _mode != UNDECIDED:
        return _mode == NATIVE
    with _lock:
        if _mode != UNDECIDED:
            return _mode == NATIVE
        runtime = native.load(build)
        if runtime is None:
            _mode = SAFE if build else UNDECIDED
            return False
        try:
            classes = _prepare(runtime)
        except BuildError as error:
            log(1, f"no native call path: {error}")
            _mode = SAFE
            return False
        _runtime, _classes = runtime, classes
        _native_epoch = ctypes.c_int64.from_address(runtime.address["epoch"])
        _native_epoch.value = dispatch_safe.epoch[0]
        _mode = NATIVE
        threads.publish()
        for call in list(_live):
            call.use_native()
        for use in _when_native:
            use(NativeOperators(runtime, slot_offsets, builtin))
    return True


def _prepare(runtime: NativeRuntime) -> NativeClasses:
    """Teach native code the classes, check that it understood, and let it allocate."""
    classes = NativeClasses(runtime, installed())
    runtime.set_object("exhausted_handler", pool.raise_out_of_memory)
    check(runtime, classes)
    pool_allocate, storage_allocate = allocator_functions(runtime)
    pool.attach(runtime, pool_allocate)
    if installed().storage_type is storage.Storage:
        storage.attach(storage_allocate)
    return classes


def _new_table(slow_path: Callable[..., Any]) -> tuple[CallTable | SafeTable, Callable[..., Any]]:
    asked_safe = flags.DISPATCH.get() == SAFE
    if _mode == NATIVE and not asked_safe:
        assert _runtime is not None
        table = CallTable(slow_path, raise_status)
        return table, table.function(_runtime)
    safe = SafeTable(slow_path, _before_safe_call if _mode == UNDECIDED and not asked_safe else None)
    return safe, safe.function()


def _fill(table: CallTable | SafeTable, specialisations: tuple[Specialisation, ...]) -> None:
    if isinstance(table, SafeTable):
        for one in specialisations:
            if one.safe is None or one.safe.tensor_class is not _tensor_class:
                one.safe = SafeSpecialisation(one, installed())
        table.replace(tuple(one.safe for one in specialisations))
        return
    assert _classes is not None
    for one in specialisations:
        if one.native is None or one.native.classes is not _classes:
            one.native = NativeSpecialisation(one, _classes)
    table.replace(tuple(one.native for one in specialisations))


def _before_safe_call() -> None:
    """Count calls in Python; the second one of a process builds the native path.

    The first one counts twice, as a miss and again when its program has been compiled: its result should not wait.
    """
    global _safe_calls
    _safe_calls += 1
    if _safe_calls >= 3 and _mode == UNDECIDED:
        activate()


def mode() -> str:
    """The call path in use: "native", "safe", or "undecided" before the first calls."""
    return _mode


def epoch() -> int:
    """The number that a specialisation must have been validated under to be used."""
    return dispatch_safe.epoch[0]


def bump_epoch() -> int:
    """Send every specialisation through its slow path once, which validates the Python-side guards; the new epoch."""
    dispatch_safe.epoch[0] += 1
    _native_epoch.value = dispatch_safe.epoch[0]
    return dispatch_safe.epoch[0]


def counters() -> dict[str, int]:
    """Counts since the process began: `program_calls`, `misses` (calls of a slow path) and `python_callbacks` (finish
    functions and predicate guards)."""
    names = ("program_calls", "misses", "python_callbacks")
    program_calls = sum(cell[0] for cell in dispatch_safe.calls)
    total = dict(zip(names, (program_calls, *dispatch_safe.counts), strict=True))
    if _runtime is not None:
        for index, name in enumerate(names):
            total[name] += _runtime.word("call_counts", index)
    return total
