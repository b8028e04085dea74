"""The native call path: encodes specialisations as the tables that execute.ll and dispatch.ll read, and finds out where
objects keep what these read."""

import ctypes
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ingot.runtime import native
from ingot.runtime.errors import BuildError
from ingot.runtime.native import NativeRuntime
from ingot.runtime.specialise import (
    AnyGuard,
    AttributeGuard,
    CellGuard,
    DictGuard,
    EqualGuard,
    Guard,
    HostItem,
    IdentityGuard,
    ItemGuard,
    ListGuard,
    Lookup,
    PredicateGuard,
    ScalarGuard,
    SlotGuard,
    Specialisation,
    TensorClass,
    TensorGuard,
    TupleGuard,
)

# The guard operations of guards.ll.
TENSOR, TUPLE, LIST, DICT, IDENTITY, EQUAL, FLOAT_BITS, SCALAR, COMPLEX_BITS, ANY, PREDICATE = range(11)
# The ways of guards.ll to find an object.
ITEM, ATTRIBUTE, CELL, SLOT = range(4)
_SPEC_WORDS = 32
_EPOCH_WORD, _CALLS_WORD = 1, 22
_METH_FASTCALL_KEYWORDS, _METH_O = 0x82, 0x8


class _MethodDef(ctypes.Structure):
    """PyMethodDef of the C API."""

    _fields_ = (("name", ctypes.c_char_p), ("code", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p))


_new_function = ctypes.pythonapi.PyCFunction_NewEx
_new_function.restype = ctypes.py_object
_new_function.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
# A built-in function reads its definition until its own last moment, which may come after everything else is gone.
_definitions: dict[tuple[str, int], _MethodDef] = {}


def builtin(name: str, address: int, flags: int, owner: object) -> Callable[..., Any]:
    """A built-in function that runs native code with `owner` as self."""
    if (name, address) not in _definitions:
        definition = _definitions[name, address] = _MethodDef(name.encode(), address, flags, None)
        native.keep(definition)
    function: Callable[..., Any] = _new_function(ctypes.addressof(_definitions[name, address]), owner, None)
    return function


def slot_offsets(kind: type, names: tuple[str, ...]) -> dict[str, int]:
    """Where instances of a class keep these slots, found by looking for a marker in an instance.

    Raises BuildError (IG505) when a slot is not stored inline exactly once.
    """
    instance: object = object.__new__(kind)
    offsets: dict[str, int] = {}
    for name in names:
        marker = object()
        try:
            setattr(instance, name, marker)
        except (AttributeError, TypeError) as error:
            raise BuildError("IG505", f"{kind.__name__}.{name} is not a slot: {error}") from None
        words = _instance_words(instance)
        found = [8 * i for i, word in enumerate(words) if word == id(marker) and 8 * i >= object.__basicsize__]
        setattr(instance, name, None)
        if len(found) != 1:
            raise BuildError("IG505", f"{kind.__name__}.{name} is stored {len(found)} times in an instance")
        offsets[name] = found[0]
    return offsets


def _instance_words(instance: object) -> tuple[int, ...]:
    size = type(instance).__basicsize__ & ~7
    return struct.unpack(f"{size // 8}Q", ctypes.string_at(id(instance), size))


def _type_offset(instance: object) -> int:
    """Where an object keeps the pointer to its type."""
    header = _instance_words(instance)[: object.__basicsize__ // 8]
    if header.count(id(type(instance))) != 1:
        raise BuildError("IG505", "objects do not begin with a pointer to their type")
    return 8 * header.index(id(type(instance)))


class NativeClasses:
    """The tensor class as native code sees it. Raises BuildError (IG505) when it cannot."""

    def __init__(self, runtime: NativeRuntime, tensor_class: TensorClass) -> None:
        self.runtime = runtime
        self.tensor_class = tensor_class
        fresh = tensor_class.types[0]
        names = (tensor_class.layout_slot, tensor_class.storage_slot, tensor_class.offset_slot)
        self.offsets = slot_offsets(fresh, (*names, *tensor_class.defaults))
        for other in tensor_class.types[1:]:
            if slot_offsets(other, names) != {name: self.offsets[name] for name in names}:
                raise BuildError("IG505", f"{other.__name__} does not keep its slots where {fresh.__name__} does")
        storage = slot_offsets(tensor_class.storage_type, ("ptr", "nbytes", "owner"))
        runtime.set_word("ob_type_offset", _type_offset(object.__new__(fresh)))
        runtime.set_object("tensor_type", fresh)
        runtime.set_object("storage_type", tensor_class.storage_type)
        for name, offset in storage.items():
            runtime.set_word(f"storage_{name}_offset", offset)
        for word, name in zip(("layout", "storage", "element"), names, strict=True):
            runtime.set_word(f"tensor_{word}_offset", self.offsets[name])
        self._set_defaults(tensor_class.defaults)
        for name, value in (("none", None), ("zero", 0)):
            runtime.set_object(f"object_{name}", value)
        for kind in (int, tuple, list, dict, float, complex):
            runtime.set_object(f"type_{kind.__name__}", kind)
        runtime.set_object("exception_type", RuntimeError)
        runtime.set_word("table_offset", slot_offsets(CallTable, ("address",))["address"])

    def _set_defaults(self, defaults: Mapping[str, object]) -> None:
        words = [word for name, value in defaults.items() for word in (self.offsets[name], id(value))]
        table = (ctypes.c_uint64 * len(words))(*words)
        native.keep(table, tuple(defaults.values()))
        self.runtime.set_word("tensor_defaults", ctypes.addressof(table))
        self.runtime.set_word("tensor_default_count", len(defaults))

    def slot_offset(self, owner: object, name: str) -> int:
        """Where this tensor keeps a slot."""
        if not isinstance(owner, self.tensor_class.types[0]):
            raise BuildError("IG503", f"{owner!r} is not a {self.tensor_class.types[0].__name__}")
        if name not in self.offsets:
            self.offsets.update(slot_offsets(self.tensor_class.types[0], (name,)))
        return self.offsets[name]


class NativeSpecialisation:
    """The table of one specialisation. It holds every object whose address is in it."""

    def __init__(self, specialisation: Specialisation, classes: NativeClasses) -> None:
        self.specialisation = specialisation
        self.classes = classes
        self.kept: list[object] = []
        self.cells = 0
        program = specialisation.executable.program
        self.buffers = len(program.inputs) + len(program.outputs)
        # Pointers that the program does not take land in one more entry.
        self.unused = self.buffers
        guards = [word for guard in specialisation.arguments for word in self._guard(guard)]
        lookups = [word for row in specialisation.lookups for word in self._lookup(row)]
        captures = [
            word for row in specialisation.captures for word in self._captured(row.tensor, row.layout, row.buffer)
        ]
        hosts = [word for row in specialisation.hosts for word in self._host(row)]
        aliases = [word for i, j in program.aliases for word in (len(program.inputs) + j, i)]
        writes = [
            word
            for row in specialisation.writes
            for word in (self._keep(row.owner), classes.slot_offset(row.owner, row.slot), *self._output(row))
        ]
        clears = [
            word
            for row in specialisation.clears
            for word in (self._keep(row.owner), classes.slot_offset(row.owner, row.slot))
        ]
        outputs = [word for row in specialisation.outputs for word in self._output(row)]
        before, arguments = len(specialisation.looked_up_tensors()), len(specialisation.tensor_guards())
        written = specialisation.written_places()
        self.held = before + arguments + len(specialisation.captures)
        fresh = len(specialisation.writes) + len(specialisation.outputs)
        self.scratch_words = self.buffers + 1 + self.cells + self.held + fresh
        self.words = (ctypes.c_int64 * _SPEC_WORDS)(
            len(specialisation.arguments),
            specialisation.epoch,
            specialisation.executable.address,
            specialisation.executable.releases_gil,
            specialisation.result_kind,
            self._keep(specialisation.finish),
            specialisation.workspace_bytes,
            self._array(list(specialisation.dims)),
            self.buffers + 1,
            self.cells,
            self.held,
            self._array(guards),
            len(specialisation.captures),
            self._array(captures),
            len(specialisation.hosts),
            self._array(hosts),
            len(program.aliases),
            self._array(aliases),
            len(specialisation.writes),
            self._array(writes),
            len(specialisation.outputs),
            self._array(outputs),
            0,
            self._keep(specialisation.name),
            len(specialisation.lookups),
            self._array(lookups),
            before,
            before + arguments,
            len(written),
            self._array(written),
            len(specialisation.clears),
            self._array(clears),
        )
        self.address = ctypes.addressof(self.words)

    def set_epoch(self, value: int) -> None:
        """Store the epoch where the native guard reads it."""
        self.words[_EPOCH_WORD] = value

    def calls(self) -> int:
        """How often native code ran the entry through this table."""
        return self.words[_CALLS_WORD]

    def _keep(self, value: object) -> int:
        self.kept.append(value)
        return id(value)

    def _array(self, words: list[int]) -> int:
        if not words:
            return 0
        array = (ctypes.c_int64 * len(words))(*words)
        self.kept.append(array)
        return ctypes.addressof(array)

    def _buffer(self, buffer: int | None) -> int:
        return self.unused if buffer is None else buffer

    def _cell(self) -> int:
        self.cells += 1
        return self.cells - 1

    def _guard(self, guard: Guard) -> list[int]:
        match guard:
            case TensorGuard(kind, layout, buffer, slots):
                if not issubclass(kind, self.classes.tensor_class.types[0]):
                    raise BuildError("IG503", f"{kind.__name__} is not a tensor class")
                checks = [
                    word
                    for name, value in slots
                    for word in (self.classes.slot_offset(object.__new__(kind), name), self._keep(value))
                ]
                head = [self._keep(layout), self._keep(kind), layout.itemsize, self._buffer(buffer), len(slots)]
                return [TENSOR, *head, *checks]
            case TupleGuard(items):
                return [TUPLE, len(items), *(word for item in items for word in self._guard(item))]
            case ListGuard(items):
                return [LIST, len(items), *(word for item in items for word in self._guard(item))]
            case DictGuard(pairs):
                rows = ([self._keep(key), *self._guard(item)] for key, item in pairs)
                return [DICT, len(pairs), *(word for row in rows for word in row)]
            case IdentityGuard(value):
                return [IDENTITY, self._keep(value)]
            case EqualGuard(value):
                return self._equal(value)
            case ScalarGuard(buffer):
                return [SCALAR, buffer, self._cell()]
            case AnyGuard():
                return [ANY]
            case PredicateGuard(function):
                return [PREDICATE, self._keep(function)]

    def _equal(self, value: object) -> list[int]:
        if type(value) is float:
            return [FLOAT_BITS, _bits(value)]
        if type(value) is complex:
            return [COMPLEX_BITS, _bits(value.real), _bits(value.imag)]
        return [EQUAL, self._keep(value)]

    def _lookup(self, row: Lookup) -> list[int]:
        program = self._array(self._guard(row.guard))
        match row:
            case ItemGuard(mapping, key):
                return [ITEM, self._keep(mapping), self._keep(key), program]
            case AttributeGuard(owner, name):
                return [ATTRIBUTE, self._keep(owner), self._keep(sys.intern(name)), program]
            case CellGuard(cell):
                return [CELL, self._keep(cell), 0, program]
            case SlotGuard(owner, slot):
                return [SLOT, self._keep(owner), self.classes.slot_offset(owner, slot), program]

    def _captured(self, tensor: object, layout: Any, buffer: int | None) -> list[int]:
        self.classes.slot_offset(tensor, self.classes.tensor_class.layout_slot)
        return [self._keep(tensor), self._keep(layout), layout.itemsize, self._buffer(buffer)]

    def _host(self, row: Any) -> list[int]:
        if isinstance(row, HostItem):
            return [ITEM, self._keep(row.mapping), self._keep(row.key), row.buffer, self._cell()]
        return [ATTRIBUTE, self._keep(row.owner), self._keep(sys.intern(row.name)), row.buffer, self._cell()]

    def _output(self, row: Any) -> list[int]:
        index = len(self.specialisation.executable.program.inputs) + row.output
        return [self._keep(row.layout), row.layout.nbytes, self._keep(row.layout.nbytes), index]


def _bits(value: float) -> int:
    bits: int = struct.unpack("<q", struct.pack("<d", value))[0]
    return bits


class CallTable:
    """The specialisations of one function as native code sees them, and the self of its built-in function.

    Slots, and a class of its own, so that the garbage collector sees through cycles of functions and tensors.
    `address` sorts first: it is the first slot that the collector clears, and native code then refuses to run.
    """

    __slots__ = ("address", "handler", "memory", "owner", "slow")

    def __init__(self, slow: Callable[..., Any], handler: Callable[[str, int], object]) -> None:
        self.slow = slow
        self.handler = handler
        self.memory = (ctypes.c_int64 * 3)(0, id(slow), id(handler))
        self.replace(())
        self.address = ctypes.addressof(self.memory)

    def replace(self, chain: tuple[NativeSpecialisation, ...]) -> None:
        """Use these specialisations, first to try first, from the next call on."""
        scratch = max((row.scratch_words for row in chain), default=0)
        words = (ctypes.c_int64 * (3 + len(chain)))(len(chain), scratch, 0, *(row.address for row in chain))
        owner = (words, *chain)
        words[2] = id(owner)
        # One store switches native code over; what it used until then is let go afterwards.
        self.memory[0] = ctypes.addressof(words)
        self.owner: tuple[object, ...] = owner

    def function(self, runtime: NativeRuntime) -> Callable[..., Any]:
        """The built-in function that calls through this table."""
        return builtin("compiled_function", runtime.address["dispatch"], _METH_FASTCALL_KEYWORDS, self)


def allocator_functions(runtime: NativeRuntime) -> tuple[Callable[[int], Any], Callable[[int], Any]]:
    """nbytes -> (address, owner), and nbytes -> Storage."""
    return (
        builtin("pool_allocate", runtime.address["pool_allocate"], _METH_O, None),
        builtin("storage_allocate", runtime.address["storage_allocate"], _METH_O, None),
    )
