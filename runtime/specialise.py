"""What one specialisation of a compiled function checks, reads, runs and returns, as plain data.

The native call path encodes it as a table (dispatch_native.py); the safe one turns it into Python
(dispatch_safe.py). Both must do exactly what is said here.
"""

from collections.abc import Callable, Mapping
from types import CellType
from typing import Any, NamedTuple

from ingot.runtime import dtypes
from ingot.runtime.errors import BuildError
from ingot.runtime.executable import Executable
from ingot.runtime.layout import Layout, contiguous_strides, storage_extent
from ingot.runtime.program import Slot

# Types whose == runs no foreign code and means sameness.
_PLAIN_TYPES = (bool, int, str, bytes, type(None), type(...), range)
_MAX_DEPTH = 100


class TensorGuard(NamedTuple):
    """Exactly this class and layout; slots hold exactly these objects. Its data pointer goes to input `buffer`."""

    type: type
    layout: Layout
    buffer: int | None = None
    slots: tuple[tuple[str, object], ...] = ()


class TupleGuard(NamedTuple):
    """Exactly a tuple, item by item."""

    items: "tuple[Guard, ...]"


class ListGuard(NamedTuple):
    """Exactly a list, item by item."""

    items: "tuple[Guard, ...]"


class DictGuard(NamedTuple):
    """Exactly a dict with these keys in this order. Keys are strings, numbers or other plain values."""

    items: "tuple[tuple[object, Guard], ...]"


class IdentityGuard(NamedTuple):
    """This very object."""

    value: object


class EqualGuard(NamedTuple):
    """The same type and equal; floats and complex numbers bit for bit (-0.0 is not 0.0, a NaN is itself)."""

    value: object


class ScalarGuard(NamedTuple):
    """A float of any value, passed to the program as float64 in input `buffer`."""

    buffer: int


class AnyGuard(NamedTuple):
    """Anything; the program does not depend on this argument."""


class PredicateGuard(NamedTuple):
    """Whatever `callable(argument)` is true for. An exception counts as false."""

    callable: Callable[[Any], object]


Guard = (
    TensorGuard
    | TupleGuard
    | ListGuard
    | DictGuard
    | IdentityGuard
    | EqualGuard
    | ScalarGuard
    | AnyGuard
    | PredicateGuard
)


class ItemGuard(NamedTuple):
    """mapping[key], looked up at each call, is what `guard` accepts. A global variable is an item of its module."""

    mapping: dict[Any, Any]
    key: object
    guard: Guard


class CellGuard(NamedTuple):
    """The contents of a closure cell are what `guard` accepts."""

    cell: CellType
    guard: Guard


class AttributeGuard(NamedTuple):
    """owner.name is what `guard` accepts. Reading it may run Python code, if the class says so."""

    owner: object
    name: str
    guard: Guard


class SlotGuard(NamedTuple):
    """What a slot of a tensor holds, for instance "_grad", is what `guard` accepts."""

    owner: object
    slot: str
    guard: Guard


# What is looked up at each call, apart from the arguments.
Lookup = ItemGuard | CellGuard | AttributeGuard | SlotGuard


def guard_value(value: Any) -> Guard:
    """The guard that accepts what is the same constant as `value`: by bits, by type and ==, or else by identity.

    Tuples, lists and dicts are guarded item by item, NumPy scalars by dtype and bits.
    """
    kind = type(value)
    if kind is tuple or kind is list:
        items = tuple(guard_value(item) for item in value)
        return TupleGuard(items) if kind is tuple else ListGuard(items)
    if kind is dict:
        return DictGuard(tuple((key, guard_value(item)) for key, item in value.items()))
    if kind in (float, complex) or kind in _PLAIN_TYPES:
        return EqualGuard(value)
    if hasattr(type(value), "tobytes") and hasattr(type(value), "dtype") and getattr(value, "shape", None) == ():
        return PredicateGuard(_same_scalar(value))
    return IdentityGuard(value)


def _same_scalar(value: Any) -> Callable[[Any], bool]:
    bits = value.tobytes()
    return lambda other: type(other) is type(value) and other.dtype == value.dtype and other.tobytes() == bits


class Captured(NamedTuple):
    """A tensor reached through a closure; its layout is checked and its pointer read at each call."""

    tensor: object
    layout: Layout
    buffer: int | None


class HostItem(NamedTuple):
    """A float or int read from a dict at each call."""

    mapping: dict[Any, Any]
    key: object
    buffer: int


class HostAttribute(NamedTuple):
    """A float or int read from an attribute at each call."""

    owner: object
    name: str
    buffer: int


class Write(NamedTuple):
    """A fresh tensor that goes into a slot of `owner`, whose old value is let go before anything is allocated."""

    owner: object
    slot: str
    layout: Layout
    output: int


class Clear(NamedTuple):
    """A slot of `owner` that becomes None before anything is allocated."""

    owner: object
    slot: str


class Output(NamedTuple):
    """A fresh tensor that is returned."""

    layout: Layout
    output: int


NONE, SINGLE, TUPLE, FINISH = range(4)


class Specialisation:
    """One specialisation of a compiled function under construction, then in use.

    Describe it with the methods below and hand it to `CallObject.add`, which checks that every input of the program
    has one source and every output one destination (an aliased output has none). Afterwards only `epoch` changes.
    """

    # Is told the number of calls when there will be no more.
    at_end: Callable[[int], None] | None = None

    def __init__(self, executable: Executable) -> None:
        self.executable = executable
        self.name = executable.program.name
        self.arguments: list[Guard] = []
        self.lookups: list[Lookup] = []
        self.captures: list[Captured] = []
        self.hosts: list[HostItem | HostAttribute] = []
        self.writes: list[Write] = []
        self.clears: list[Clear] = []
        self.outputs: list[Output] = []
        self.result_kind = NONE
        self.finish: Callable[[tuple[Any, ...]], Any] | None = None
        self.dims: tuple[int, ...] = ()
        self.workspace_bytes = executable.program.workspace_bytes
        self.sealed = False
        self._epoch = 0
        # What either call path made of it.
        self.native: Any = None
        self.safe: Any = None

    def __del__(self) -> None:
        if self.at_end is not None:
            self.at_end(self.calls)

    def argument(self, guard: Guard) -> None:
        """Add the guard of the next positional argument."""
        self._open()
        self.arguments.append(guard)

    def look_up(self, lookup: Lookup) -> None:
        """Check what a name means at each call, before the arguments."""
        self._open()
        self.lookups.append(lookup)

    def same_item(self, mapping: dict[Any, Any], key: object, value: object) -> None:
        """Check at each call that mapping[key] is the same constant as `value`."""
        self.look_up(ItemGuard(mapping, key, guard_value(value)))

    def same_cell(self, cell: CellType, value: object) -> None:
        """Check at each call that a closure cell holds the same constant as `value`."""
        self.look_up(CellGuard(cell, guard_value(value)))

    def same_attribute(self, owner: object, name: str, value: object) -> None:
        """Check at each call that owner.name is the same constant as `value`."""
        self.look_up(AttributeGuard(owner, name, guard_value(value)))

    def captured(self, tensor: object, layout: Layout, buffer: int | None) -> None:
        """Read a captured tensor into an input (None: check its layout only).

        If the program writes to it, an argument in the same storage is a miss.
        """
        self._open()
        self.captures.append(Captured(tensor, layout, buffer))

    def host_item(self, mapping: dict[Any, Any], key: object, buffer: int) -> None:
        """Read mapping[key], a float or int, into a float64 input at each call."""
        self._open()
        self.hosts.append(HostItem(mapping, key, buffer))

    def host_attribute(self, owner: object, name: str, buffer: int) -> None:
        """Read owner.name, a float or int, into a float64 input at each call."""
        self._open()
        self.hosts.append(HostAttribute(owner, name, buffer))

    def write(self, owner: object, slot: str, layout: Layout, output: int) -> None:
        """Put an output into a slot of a tensor, for instance "_grad"."""
        self._open()
        self.writes.append(Write(owner, slot, layout, output))

    def clear(self, owner: object, slot: str) -> None:
        """Set a slot of a tensor to None, for instance "_grad"."""
        self._open()
        self.clears.append(Clear(owner, slot))

    def output(self, layout: Layout, output: int) -> None:
        """Return an output; the order of these calls is the order in the result."""
        self._open()
        self.outputs.append(Output(layout, output))

    def result(self, kind: str, finish: Callable[[tuple[Any, ...]], Any] | None = None) -> None:
        """Return "none", "single", "tuple", or "finish": what finish(tuple of outputs) returns."""
        self._open()
        kinds = {"none": NONE, "single": SINGLE, "tuple": TUPLE, "finish": FINISH}
        if kind not in kinds or (kind == "finish") != (finish is not None):
            raise self._error(
                f"result {kind!r} with finish {finish!r}", "none, single, tuple, or finish with a callable"
            )
        self.result_kind = kinds[kind]
        self.finish = finish

    @property
    def epoch(self) -> int:
        """The epoch in which the Python-side guards were last seen to hold; in another one this is a miss."""
        return self._epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._epoch = value
        if self.native is not None:
            self.native.set_epoch(value)

    @property
    def calls(self) -> int:
        """How often the program ran through this specialisation."""
        native_calls: int = self.native.calls() if self.native is not None else 0
        safe_calls: int = self.safe.calls[0] if self.safe is not None else 0
        return safe_calls + native_calls

    def seal(self) -> None:
        """Check completeness; raises BuildError (IG503) with everything that is missing or wrong."""
        if self.sealed:
            return
        problems = [*self._input_problems(), *self._output_problems()]
        program = self.executable.program
        if len(self.dims) != len(program.dims):
            problems.append(f"{len(self.dims)} dims were given, the program has {program.dims}")
        if self.result_kind == SINGLE and len(self.outputs) != 1:
            problems.append(f"a single result was asked for, {len(self.outputs)} outputs are returned")
        if self.result_kind == NONE and self.outputs:
            problems.append(f"{len(self.outputs)} outputs are returned, the result is none")
        if problems:
            raise BuildError("IG503", f"a specialisation of {self.name!r} does not fit its program", detail=problems)
        self.sealed = True

    def _open(self) -> None:
        if self.sealed:
            raise self._error("it is already in use", "a new Specialisation")

    def _error(self, what: str, fix: str) -> BuildError:
        return BuildError("IG503", f"a specialisation of {self.name!r}: {what}", fix=fix)

    def _input_problems(self) -> list[str]:
        problems: list[str] = []
        sources = [0] * len(self.executable.program.inputs)
        for buffer, layout in self._tensor_sources():
            problems += self._check(buffer, layout, sources, self.executable.program.inputs, "input")
        for buffer in self._scalar_sources():
            problems += self._check(
                buffer, Layout.of(dtypes.float64, ()), sources, self.executable.program.inputs, "input"
            )
        problems += [f"input {i} has {count} sources" for i, count in enumerate(sources) if count != 1]
        return problems

    def _output_problems(self) -> list[str]:
        program = self.executable.program
        problems: list[str] = []
        destinations = [0] * len(program.outputs)
        for _, j in program.aliases:
            destinations[j] += 1
        rows: list[Write | Output] = [*self.writes, *self.outputs]
        for row in rows:
            problems += self._check(row.output, row.layout, destinations, program.outputs, "output")
            if row.layout.strides != contiguous_strides(row.layout.shape):
                problems.append(f"output {row.output} is fresh and must be contiguous, its layout is {row.layout}")
        problems += [f"output {j} has {count} destinations" for j, count in enumerate(destinations) if count != 1]
        return problems

    def _check(self, index: int, layout: Layout, seen: list[int], slots: tuple[Slot, ...], side: str) -> list[str]:
        if not 0 <= index < len(slots):
            return [f"there is no {side} {index}, the program has {len(slots)}"]
        seen[index] += 1
        slot = slots[index]
        if _fits(layout, slot):
            return []
        return [
            f"{side} {index} ({slot.name}) is {slot.dtype.short}{list(slot.shape)} strides {slot.strides}, not {layout}"
        ]

    def tensor_guards(self) -> list[TensorGuard]:
        """All tensor guards of the arguments, in order of reading."""
        return [leaf for guard in self.arguments for leaf in _leaves(guard) if isinstance(leaf, TensorGuard)]

    def looked_up_tensors(self) -> list[TensorGuard]:
        """All tensor guards of what is looked up, in order of reading, which comes before the arguments."""
        return [leaf for row in self.lookups for leaf in _leaves(row.guard) if isinstance(leaf, TensorGuard)]

    def written_places(self) -> list[int]:
        """Places of the tensors that the program writes to, other than arguments, among all that are read: those that
        are looked up, the arguments, and the captured ones."""
        written = {i for i, _ in self.executable.program.aliases}
        before, arguments = self.looked_up_tensors(), self.tensor_guards()
        found = [place for place, row in enumerate(before) if row.buffer in written]
        first = len(before) + len(arguments)
        return found + [first + place for place, row in enumerate(self.captures) if row.buffer in written]

    def _tensor_sources(self) -> list[tuple[int, Layout]]:
        rows: list[TensorGuard | Captured] = [*self.looked_up_tensors(), *self.tensor_guards(), *self.captures]
        return [(row.buffer, row.layout) for row in rows if row.buffer is not None]

    def _scalar_sources(self) -> list[int]:
        guards = [*(row.guard for row in self.lookups), *self.arguments]
        leaves = [leaf for guard in guards for leaf in _leaves(guard)]
        return [guard.buffer for guard in leaves if isinstance(guard, ScalarGuard)] + [row.buffer for row in self.hosts]


def _leaves(guard: Guard, depth: int = 0) -> list[Guard]:
    if depth > _MAX_DEPTH:
        raise BuildError("IG503", f"arguments are nested more than {_MAX_DEPTH} deep")
    if isinstance(guard, TupleGuard | ListGuard):
        return [leaf for item in guard.items for leaf in _leaves(item, depth + 1)]
    if isinstance(guard, DictGuard):
        for key, _ in guard.items:
            if not isinstance(key, (*_PLAIN_TYPES, float, tuple)):
                raise BuildError("IG503", f"a dict argument has the key {key!r}, which is not a plain value")
        return [leaf for _, item in guard.items for leaf in _leaves(item, depth + 1)]
    return [guard]


def _fits(layout: Layout, slot: Slot) -> bool:
    if layout.dtype is not slot.dtype:
        return False
    if not layout.contiguous and slot.shape == (storage_extent(layout.shape, layout.strides, 0)[1],):
        # A strided tensor passed as the run of elements that it lies in.
        return True
    if layout.ndim != len(slot.shape):
        return False
    for size, stride, wanted_size, wanted_stride in zip(
        layout.shape, layout.strides, slot.shape, slot.strides, strict=True
    ):
        if isinstance(wanted_size, int) and size != wanted_size:
            return False
        # The stride of a dimension with at most one element addresses nothing.
        if isinstance(wanted_stride, int) and stride != wanted_stride and layout.numel > 0 and size != 1:
            return False
    return True


class TensorClass(NamedTuple):
    """What the call path must know of the frontend's tensor class: the class of fresh tensors first, then others whose
    instances it may meet; the names of three slots; and values for the other slots of a fresh tensor."""

    types: tuple[type, ...]
    storage_type: type
    layout_slot: str
    storage_slot: str
    offset_slot: str
    defaults: Mapping[str, object]
