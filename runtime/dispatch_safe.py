"""The safe call path: the same specialisations as Python functions, for processes without the native one.

Each specialisation becomes one Python function, written out as straight-line source, because walking data structures
at each call costs several times as much.
"""

import ctypes
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from ingot.runtime import pool, threads
from ingot.runtime.executable import raise_status
from ingot.runtime.specialise import (
    FINISH,
    NONE,
    SINGLE,
    AnyGuard,
    AttributeGuard,
    CellGuard,
    Clear,
    DictGuard,
    EqualGuard,
    Guard,
    HostItem,
    IdentityGuard,
    ItemGuard,
    ListGuard,
    Lookup,
    Output,
    PredicateGuard,
    ScalarGuard,
    SlotGuard,
    Specialisation,
    TensorClass,
    TensorGuard,
    TupleGuard,
    Write,
)

# What a specialisation's function returns when its guards fail.
MISS = object()

# misses, python_callbacks
counts = [0, 0]
# One cell per specialisation ever made: its calls.
calls: list[list[int]] = []
epoch = [0]


def same(value: Any, expected: Any) -> bool:
    """The same object, or the same type and equal; bit for bit for floats and complex numbers."""
    if value is expected:
        return True
    if type(value) is not type(expected):
        return False
    if type(expected) is float:
        return struct.pack("<d", value) == struct.pack("<d", expected)
    if type(expected) is complex:
        return struct.pack("<dd", value.real, value.imag) == struct.pack("<dd", expected.real, expected.imag)
    try:
        return bool(value == expected)
    except Exception:
        return False


def accepts(predicate: Callable[[Any], object], value: Any) -> bool:
    """Whether a predicate is true for a value."""
    counts[1] += 1
    try:
        return bool(predicate(value))
    except Exception:
        return False


def fits(guard: Guard, value: Any) -> bool:
    """Whether a guard that fills no buffer accepts a value."""
    match guard:
        case AnyGuard():
            return True
        case IdentityGuard(expected):
            return value is expected
        case EqualGuard(expected):
            return same(value, expected)
        case PredicateGuard(function):
            return accepts(function, value)
        case TupleGuard(items):
            return type(value) is tuple and len(value) == len(items) and all(map(fits, items, value))
        case ListGuard(items):
            return type(value) is list and len(value) == len(items) and all(map(fits, items, tuple(value)))
        case DictGuard(pairs):
            if type(value) is not dict or len(value) != len(pairs):
                return False
            found = zip(pairs, tuple(value.items()), strict=True)
            return all(same(key, wanted) and fits(inner, item) for (wanted, inner), (key, item) in found)
        case _:
            return False


def find(lookup: Lookup) -> Any:
    """What a lookup finds. Raises whatever the lookup raises."""
    match lookup:
        case ItemGuard(mapping, key):
            return dict.__getitem__(mapping, key)
        case CellGuard(cell):
            return cell.cell_contents
        case AttributeGuard(owner, name) | SlotGuard(owner, name):
            return getattr(owner, name)


def number(value: Any) -> float | None:
    """A float or int as float; None for anything else and for ints beyond the range of float."""
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            return None
    return None


def item(mapping: dict[Any, Any], key: object) -> float | None:
    """The number mapping[key], or None."""
    try:
        return number(dict.get(mapping, key))
    except Exception:
        return None


def attribute(owner: object, name: str) -> float | None:
    """The number owner.name, or None."""
    try:
        return number(getattr(owner, name))
    except Exception:
        return None


class _Source:
    """Python source under construction, with the objects it refers to as globals. All names begin with `prefix`."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.lines: list[str] = []
        self.names: dict[str, object] = {}
        self.locals = 0

    def add(self, line: str) -> None:
        """Write one statement."""
        self.lines.append(line)

    def name(self, value: object) -> str:
        """A global name for an object."""
        name = f"{self.prefix}c{len(self.names)}"
        self.names[name] = value
        return name

    def local(self) -> str:
        """A new local name."""
        self.locals += 1
        return f"{self.prefix}v{self.locals}"

    def require(self, condition: str) -> None:
        """Write a guard; the loop around all guards runs once, and leaving it is a miss."""
        self.add(f"if not ({condition}): break")


class SafeSpecialisation:
    """One specialisation as Python source: `guards`, which leave their loop on a miss, and `body`, which returns."""

    def __init__(self, specialisation: Specialisation, tensor_class: TensorClass) -> None:
        self.specialisation = specialisation
        self.tensor_class = tensor_class
        self.calls = [0]
        calls.append(self.calls)
        self.source = _Source(f"s{len(calls)}_")
        self.cells: list[str] = []
        # Memory for pointers and scalars that no call is using.
        free: list[tuple[Any, int, ctypes.c_void_p]] = []
        self.scratches = self.source.name(free)
        # The locals that hold the storages of tensors, in order of reading.
        self.storages: list[str] = []
        program = specialisation.executable.program
        self.buffers = ["0"] * (len(program.inputs) + len(program.outputs))
        self._write_guards()
        self.guards = self.source.lines
        self.source.lines = []
        self._write_run()
        self.body = self.source.lines

    def _write_guards(self) -> None:
        spec, source = self.specialisation, self.source
        source.require(f"len(args) == {len(spec.arguments)} and {source.name(spec)}._epoch == epoch[0]")
        values = [source.local() for _ in spec.arguments]
        for lookup in spec.lookups:
            self._look_up(lookup)
        if values:
            source.add(f"{', '.join(values)}, = args")
        for guard, value in zip(spec.arguments, values, strict=True):
            self._guard(guard, value)
        for row in spec.captures:
            self._read(source.name(row.tensor), row.layout, row.buffer)
        for host in spec.hosts:
            value = source.local()
            if isinstance(host, HostItem):
                source.add(f"{value} = item({source.name(host.mapping)}, {source.name(host.key)})")
            else:
                source.add(f"{value} = attribute({source.name(host.owner)}, {host.name!r})")
            source.require(f"{value} is not None")
            self._cell(value, host.buffer)
        first = len(spec.looked_up_tensors())
        for place in spec.written_places():
            for argument in self.storages[first : first + len(spec.tensor_guards())]:
                source.require(f"{argument} is not {self.storages[place]}")

    def _look_up(self, lookup: Lookup) -> None:
        source = self.source
        value = source.local()
        match lookup:
            case ItemGuard(mapping, key):
                # A dict's own method, whatever a subclass does, as native code reads it.
                getter = mapping.__getitem__ if type(mapping) is dict else partial(dict.__getitem__, mapping)
                source.add(f"{value} = {source.name(getter)}({source.name(key)})")
            case CellGuard(cell):
                source.add(f"{value} = {source.name(cell)}.cell_contents")
            case AttributeGuard(owner, name) | SlotGuard(owner, name):
                source.add(f"{value} = getattr({source.name(owner)}, {name!r})")
        self._guard(lookup.guard, value)

    def _guard(self, guard: Guard, value: str) -> None:
        source = self.source
        match guard:
            case TensorGuard(kind, layout, buffer, slots):
                source.require(f"type({value}) is {source.name(kind)}")
                self._read(value, layout, buffer)
                for name, expected in slots:
                    source.require(f"{value}.{name} is {source.name(expected)}")
            case TupleGuard(items) | ListGuard(items):
                container = "tuple" if isinstance(guard, TupleGuard) else "list"
                source.require(f"type({value}) is {container} and len({value}) == {len(items)}")
                self._guard_all(items, f"tuple({value})")
            case DictGuard(pairs):
                source.require(f"type({value}) is dict and len({value}) == {len(pairs)}")
                keys = source.name(tuple(key for key, _ in pairs))
                source.require(f"all(map(same, {value}, {keys}))")
                self._guard_all(tuple(inner for _, inner in pairs), f"tuple({value}.values())")
            case IdentityGuard(expected):
                source.require(f"{value} is {source.name(expected)}")
            case EqualGuard(expected):
                constant = source.name(expected)
                source.require(f"{value} is {constant} or same({value}, {constant})")
            case ScalarGuard(buffer):
                source.require(f"type({value}) is float")
                self._cell(value, buffer)
            case AnyGuard():
                pass
            case PredicateGuard(function):
                source.require(f"accepts({source.name(function)}, {value})")

    def _guard_all(self, items: tuple[Guard, ...], sequence: str) -> None:
        values = [self.source.local() for _ in items]
        if values:
            # Unpacked once: a later comparison may run code that changes the container.
            held = self.source.local()
            self.source.add(f"{held} = {sequence}")
            self.source.require(f"len({held}) == {len(items)}")
            self.source.add(f"{', '.join(values)}, = {held}")
        for value, inner in zip(values, items, strict=True):
            self._guard(inner, value)

    def _read(self, tensor: str, layout: Any, buffer: int | None) -> None:
        """Check a tensor's layout, hold its storage in a local and note its address."""
        source, kinds = self.source, self.tensor_class
        storage, address = source.local(), source.local()
        self.storages.append(storage)
        source.require(f"{tensor}.{kinds.layout_slot} is {source.name(layout)}")
        source.add(f"{storage} = {tensor}.{kinds.storage_slot}")
        source.require(f"type({storage}) is {source.name(kinds.storage_type)}")
        source.add(f"{address} = {storage}.ptr")
        # The address of an array is found when it is first needed.
        source.add(f"if {address} is None: {address} = {storage}.data_ptr()")
        source.require(f"type({address}) is int")
        if buffer is not None:
            source.add(f"{address} += {tensor}.{kinds.offset_slot} * {layout.itemsize}")
            self.buffers[buffer] = address

    def _cell(self, value: str, buffer: int) -> None:
        # Scalars are packed behind the buffers, in the same scratch memory.
        self.buffers[buffer] = f"scratch[1] + {8 * (len(self.buffers) + len(self.cells))}"
        self.cells.append(value)

    def _write_run(self) -> None:
        spec, source, program = self.specialisation, self.source, self.specialisation.executable.program
        first_output = len(program.inputs)
        for i, j in program.aliases:
            self.buffers[first_output + j] = self.buffers[i]
        emptied: list[Write | Clear] = [*spec.writes, *spec.clears]
        for slot in emptied:
            source.add(f"{source.name(slot.owner)}.{slot.slot} = None")
        rows: list[Write | Output] = [*spec.writes, *spec.outputs]
        made = [self._fresh(row.layout, first_output + row.output) for row in rows]
        pointers = self._write_pointers()
        dims = (ctypes.c_int64 * len(spec.dims))(*spec.dims)
        source.name(dims)
        workspace = "None"
        if spec.workspace_bytes:
            workspace = "workspace"
            source.add(f"workspace, workspace_owner = allocate({spec.workspace_bytes})")
        place = ctypes.addressof(dims) if spec.dims else None
        entry = source.name(spec.executable.entry)
        source.add(f"status = {entry}({pointers}, {place}, {workspace}, context[0])")
        if spec.workspace_bytes:
            source.add("del workspace_owner")
        if self.cells:
            source.add(f"{self.scratches}.append(scratch)")
        source.add(f"{source.name(self.calls)}[0] += 1")
        source.add(f"if status: raise_status({spec.name!r}, status)")
        for row, tensor in zip(spec.writes, made, strict=False):
            source.add(f"{source.name(row.owner)}.{row.slot} = {tensor}")
        self._write_result(made[len(spec.writes) :])

    def _write_pointers(self) -> str:
        """Write out how the entry's first argument is made; the argument."""
        source = self.source
        if not self.cells:
            # The program only reads its pointers: a bytes object does, and is made faster than memory is found again.
            pack = source.name(struct.Struct(f"{len(self.buffers)}Q").pack)
            return f"{pack}({', '.join(self.buffers)})"
        packer = struct.Struct(f"{len(self.buffers)}Q{len(self.cells)}d")
        source.add(f"scratch = {self.scratches}.pop() if {self.scratches} else new_scratch({packer.size})")
        source.add(f"{source.name(packer.pack_into)}(scratch[0], 0, {', '.join([*self.buffers, *self.cells])})")
        return "scratch[2]"

    def _fresh(self, layout: Any, buffer: int) -> str:
        """Write out the construction of a fresh tensor; its name."""
        source, kinds = self.source, self.tensor_class
        address, owner, storage, tensor = (source.local() for _ in range(4))
        python_pool = pool.python_pool()
        if python_pool is None:
            source.add(f"{address}, {owner} = allocate({layout.nbytes})")
        else:
            self._take_block(python_pool, layout.nbytes, address, owner)
        source.add(f"{storage} = new({source.name(kinds.storage_type)})")
        source.add(f"{storage}.ptr = {address}")
        source.add(f"{storage}.nbytes = {layout.nbytes}")
        source.add(f"{storage}.owner = {owner}")
        fresh = source.name(kinds.types[0])
        source.add(f"{tensor} = new({fresh})")
        source.add(f"{tensor}.{kinds.layout_slot} = {source.name(layout)}")
        source.add(f"{tensor}.{kinds.storage_slot} = {storage}")
        source.add(f"{tensor}.{kinds.offset_slot} = 0")
        for name, value in kinds.defaults.items():
            source.add(f"{tensor}.{name} = {source.name(value)}")
        self.buffers[buffer] = address
        return tensor

    def _take_block(self, python_pool: pool.PythonPool, nbytes: int, address: str, owner: str) -> None:
        """Write out what the allocator does: a function call less in each call."""
        source = self.source
        free = python_pool.free_list(nbytes)
        blocks, name, pair = source.name(free.blocks), source.name(free), source.local()
        source.add(f"{pair} = {blocks}.pop() if {blocks} else {source.name(python_pool)}.refill({name})")
        source.add(f"{address} = {pair}[0]")
        source.add(f"{owner} = new({source.name(pool.Block)})")
        source.add(f"{owner}.free = {name}")
        source.add(f"{owner}.pair = {pair}")

    def _write_result(self, outputs: list[str]) -> None:
        spec, source = self.specialisation, self.source
        everything = "(" + "".join(f"{tensor}, " for tensor in outputs) + ")"
        if spec.result_kind == NONE:
            source.add("return None")
        elif spec.result_kind == SINGLE:
            source.add(f"return {outputs[0]}")
        elif spec.result_kind == FINISH:
            source.add("counts[1] += 1")
            source.add(f"return {source.name(spec.finish)}({everything})")
        else:
            source.add(f"return {everything}")


def _new_scratch(nbytes: int) -> tuple[Any, int, ctypes.c_void_p]:
    """Memory for buffer pointers and scalars, with its address as a number and as an argument."""
    memory = ctypes.create_string_buffer(nbytes)
    address = ctypes.addressof(memory)
    return memory, address, ctypes.c_void_p(address)


_RUNTIME: dict[str, object] = {
    "MISS": MISS,
    "accepts": accepts,
    "allocate": pool.allocate,
    "attribute": attribute,
    "context": threads.published,
    "counts": counts,
    "epoch": epoch,
    "item": item,
    "new": object.__new__,
    "new_scratch": _new_scratch,
    "raise_status": raise_status,
    "same": same,
}


class SafeTable:
    """The specialisations of one function, tried in order by one generated function. `before_call`, if any, is told of
    every call."""

    __slots__ = ("before_call", "chain", "slow", "use")

    def __init__(self, slow: Callable[..., Any], before_call: Callable[[], None] | None) -> None:
        self.slow = slow
        self.before_call = before_call
        # Told of every new generated function.
        self.use: Callable[[Callable[..., Any]], None] | None = None
        self.chain: tuple[SafeSpecialisation, ...] = ()

    def replace(self, chain: tuple[SafeSpecialisation, ...]) -> None:
        """Use these specialisations, first to try first, from the next call on."""
        self.chain = chain
        if self.use is not None:
            self.use(self.function())

    def function(self) -> Callable[..., Any]:
        """The function that calls through this table as it is."""
        threads.context()
        lines = ["def call(*args, **kwargs):"]
        names: dict[str, Any] = {**_RUNTIME, "slow": self.slow}
        if self.before_call is not None:
            lines.append("    before_call()")
            names["before_call"] = self.before_call
        lines.append("    while not kwargs:")
        for row in self.chain:
            lines += ["        while True:", "            try:"]
            lines += ["                " + line for line in row.guards]
            # A tensor with an unset slot is a miss like any other, and so is a lookup that fails.
            lines += ["            except Exception: break"]
            lines += ["            " + line for line in row.body]
            names |= row.source.names
        lines += ["        break", "    counts[0] += 1", "    return slow(*args, **kwargs)", ""]
        exec(compile("\n".join(lines), "<safe call>", "exec"), names)
        function: Callable[..., Any] = names["call"]
        return function
