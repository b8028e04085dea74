"""The trace: calling a function on symbolic tensors records a graph.

Tensors that existed before the trace become graph inputs when they are first touched, one per storage; what is written
to them becomes outputs that replace the inputs' contents. `.grad` of such tensors lives in the trace until it ends.
"""

from __future__ import annotations

import ast
import contextlib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from ingot.attributes import Attributes
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, Location, Op, TensorType, Value, toposort
from ingot.compiler.ops.source import input as make_input
from ingot.core import Array, Step, TensorBase, TracedStorage, is_traced, layout_of, new_tensor
from ingot.modes import modes
from ingot.mutation import ON_VALUES, updated
from ingot.promote import host_scalars
from ingot.runtime import dtypes
from ingot.runtime.errors import IngotError, TraceError
from ingot.runtime.layout import Layout
from ingot.source_lines import describe_location, is_internal, known_files, user_line
from ingot.state import Captured, RegionTooSmall, chain_in, region_of, whole_storage

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class Argument(NamedTuple):
    """A graph input that is the leaf number `leaf` of the arguments; or, for arguments that share memory, the run of
    `extent` elements in which they lie, from `back` elements before that leaf on."""

    leaf: int
    back: int = 0
    extent: int | None = None


class CapturedTensor(NamedTuple):
    """A graph input that is a tensor the function reaches by itself."""

    tensor: Any


class GradientOf(NamedTuple):
    """A graph input that is the `.grad` of a tensor (or of the argument leaf with this number) at the call."""

    tensor: Any


class HostNumber(NamedTuple):
    """A graph input that is a number read from a dict at every call, as float64."""

    container: dict[str, Any]
    key: str


Source = Argument | CapturedTensor | GradientOf | HostNumber


class Changed(NamedTuple):
    """A tensor's place on the tape before the trace."""

    tensor: Any
    node: Any
    requires_grad: bool


class Trace:
    """One recording. `inputs` and `sources` go together."""

    def __init__(self, name: str, whole: frozenset[int] = frozenset()) -> None:
        self.name = name
        self.active = True
        self.inputs: list[Value] = []
        self.sources: list[Source] = []
        # Captured storages by id; the Captured keeps them alive, so ids stay theirs.
        self.captured: dict[int, Captured] = {}
        self.places: dict[int, tuple[Any, Layout, TracedStorage, tuple[Step, ...]]] = {}
        self.grads: dict[int, tuple[Any, Any]] = {}
        self.grads_read: dict[int, tuple[Any, Any]] = {}
        # What each backward() leaves to tensors computed outside, whether it retains the graph, and the user's line.
        self.outward: list[tuple[list[tuple[Any, Any]], bool, str | None]] = []
        self.changed: dict[int, Changed] = {}
        self.numbers: dict[tuple[int, str], Any] = {}
        self.scopes: list[str] = []
        # What the trace ran and depends on: modules and optimisers; and the names they have in the user's code.
        self.modules: dict[int, Any] = {}
        self.module_names: dict[int, str] = {}
        self.module_paths: dict[int, str] = {}
        self.attributes = Attributes()
        # Ids of argument leaves, and the indices of arguments whose storage the function also reaches by itself.
        self.own_arguments: set[int] = set()
        self.pinned: set[int] = set()
        self._whole = whole
        self._locations: dict[tuple[str, int, str], Location] = {}

    # ---- building

    def build(self, op: Op, values: Sequence[Value], attrs: Mapping[str, Any]) -> Value:
        """A value, with the user's line. Raises what the row's type rule raises, with that line."""
        try:
            value = Value(op, values, **attrs)
        except IngotError as error:
            if error.where is None:
                error.where = user_line()
            raise
        if value.location is None:
            value.location = self.location()
        return value

    def location(self) -> Location | None:
        """Where the user's code is."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            internal = known_files.get(frame.f_code.co_filename)
            if internal is None:
                internal = is_internal(frame.f_code.co_filename)
            if not internal:
                break
            frame = frame.f_back
        if frame is None:
            return None
        code = frame.f_code
        scope = self.scopes[-1] if self.scopes else ""
        key = (code.co_filename, frame.f_lineno, scope)
        found = self._locations.get(key)
        if found is None:
            found = self._locations[key] = Location(code.co_filename, frame.f_lineno, code.co_name, scope)
        return found

    def wrap(self, value: Value) -> Tensor:
        """A tensor over new memory that holds the value."""
        if value.location is None:
            value.location = self.location()
        type_ = value.type
        tensor: Tensor = new_tensor(layout_of(type_.dtype, type_.shape), TracedStorage(self, value))
        return tensor

    def add_input(self, type: TensorType, name: str, source: Source) -> Value:
        value = make_input(type=type, name=name)
        self.inputs.append(value)
        self.sources.append(source)
        return value

    # ---- reading and writing

    def value_of(self, tensor: TensorBase) -> Value:
        """The present elements of a tensor, traced or captured."""
        storage: Any = tensor._storage
        if type(storage) is TracedStorage:
            if storage.trace is not self:
                raise leaked(storage)
            view = tensor._view
            if view is None:
                return storage.value
            if view.value_version != storage.version or view.value is None:
                view.value = self.read(storage.value, view.chain)
                view.value_version = storage.version
            return view.value
        storage, chain = self.place_of(tensor)
        return self.read(storage.value, chain) if chain else storage.value

    def read(self, value: Value, chain: tuple[Step, ...]) -> Value:
        for op, attrs in chain:
            value = self.build(op, (value,), attrs)
        return value

    def place_of(self, tensor: TensorBase) -> tuple[TracedStorage, tuple[Step, ...]]:
        """The traced storage of a tensor and the steps to it; captures a concrete tensor."""
        storage: Any = tensor._storage
        if type(storage) is TracedStorage:
            if storage.trace is not self:
                raise leaked(storage)
            return storage, tensor._view.chain if tensor._view is not None else ()
        known = self.places.get(id(tensor))
        if known is not None and known[1] is tensor._layout:
            return known[2], known[3]
        captured = self.captured.get(id(storage))
        if captured is None:
            owner = next((t for t, grad in self.grads_read.values() if grad is tensor), None)
            source = CapturedTensor(tensor) if owner is None else GradientOf(owner)
            captured = self.capture(tensor, source, f"captured{len(self.inputs)}")
        assert captured.storage.origin is not None
        source_ = self.sources[captured.storage.origin]
        if isinstance(source_, Argument) and id(tensor) not in self.own_arguments:
            self.pinned.add(source_.leaf)
        chain = chain_in(captured.region, tensor)
        if chain is None:
            raise RegionTooSmall(storage)
        self.places[id(tensor)] = (tensor, tensor._layout, captured.storage, chain)
        return captured.storage, chain

    def capture(self, tensor: Any, source: Source, name: str) -> Captured:
        """Make a tensor's storage a graph input."""
        stand_in, region = tensor, region_of(tensor)
        if id(tensor._storage) in self._whole:
            if isinstance(source, Argument):
                self.pinned.add(source.leaf)
            stand_in, region = whole_storage(tensor)
            source = CapturedTensor(stand_in)
        value = self.add_input(TensorType(region.dtype, region.shape), name, source)
        storage = TracedStorage(self, value, len(self.inputs) - 1)
        captured = self.captured[id(tensor._storage)] = Captured(stand_in, region, storage)
        return captured

    def write(self, tensor: TensorBase, value: Value) -> None:
        """Give a tensor's memory new elements; every view of it sees them."""
        storage, chain = self.place_of(tensor)
        storage.value = updated(storage.value, chain, value, ON_VALUES) if chain else value
        if storage.value.location is None:
            storage.value.location = self.location()
        storage.version += 1

    # ---- state of tensors from before the trace

    def remember(self, tensor: TensorBase) -> None:
        """Keep a concrete tensor's place on the tape, to be put back when the trace ends."""
        if not is_traced(tensor) and id(tensor) not in self.changed:
            self.changed[id(tensor)] = Changed(tensor, tensor._node, tensor._requires_grad)

    def grad_of(self, tensor: Any) -> Any:
        """`tensor.grad` as it is inside the trace."""
        written = self.grads.get(id(tensor))
        if written is not None:
            return written[1]
        self.grads_read.setdefault(id(tensor), (tensor, tensor._grad))
        return tensor._grad

    def set_grad(self, tensor: Any, value: Any) -> None:
        """`tensor.grad = value`, in effect when the compiled function has run."""
        self.grads[id(tensor)] = (tensor, value)

    def host_number(self, container: dict[str, Any], key: str) -> Any:
        """container[key] as a traced scalar, read anew at every call."""
        known = self.numbers.get((id(container), key))
        if known is None:
            source = HostNumber(container, key)
            value = self.add_input(TensorType(dtypes.float64, ()), key, source)
            known = new_tensor(Layout.of(dtypes.float64, ()), TracedStorage(self, value), 0, host_scalars[0])
            self.numbers[id(container), key] = known
        return known

    # ---- what a trace cannot do

    def elements(self, tensor: TensorBase, use: str) -> Array:
        """The elements, if they do not depend on any input. Raises TraceError (IG180 to IG184) otherwise."""
        if is_traced(tensor) or id(tensor) in self.own_arguments:
            value = self.value_of(tensor)
            if not any(v.op is make_input for v in toposort([value])):
                return interpret(Graph((), (value,)))[0]
            raise data_dependent(value, use, self.provenance(value))
        name = f"a captured {tensor._layout!r}"
        raise TraceError(
            _USES.get(use, ("IG184", ""))[0],
            f"{use} was asked of {name} while {self.name} was traced; its value would be frozen into the compiled code",
            where=user_line(),
            fix=_fix_for(use, user_line()),
        )

    def is_variable(self, tensor: TensorBase) -> bool:
        """Whether the elements may differ between calls."""
        if not is_traced(tensor):
            return True
        return any(v.op is make_input for v in toposort([self.value_of(tensor)]))

    def provenance(self, value: Value) -> str:
        """What a value is computed from, in the user's words."""
        names = [v.attrs["name"] for v in toposort([value]) if v.op is make_input]
        return ", ".join(dict.fromkeys(names[:4])) + (", ..." if len(names) > 4 else "")

    def leaked(self, storage: TracedStorage) -> TraceError:
        """The error for a tensor of this trace that is used outside of it."""
        return leaked(storage)

    @contextlib.contextmanager
    def running(self) -> Iterator[Trace]:
        """Operations inside are recorded; afterwards tensors from outside are as before."""
        before, modes.trace = modes.trace, self
        try:
            yield self
        finally:
            modes.trace = before
            self.active = False
            self.attributes.restore()
            for tensor, node, requires_grad in self.changed.values():
                tensor._node, tensor._requires_grad = node, requires_grad

    def path_of(self, module: Any) -> str:
        """Where a module is, as the user would write it: `net.layers[3]`."""
        path = self.module_paths.get(id(module))
        if path is None:
            root = self.module_names.get(id(module), type(module).__name__.lower())
            for below, found in module.named_modules():
                parts = [f"[{p}]" if p.isdecimal() else f".{p}" for p in below.split(".")] if below else []
                self.module_paths.setdefault(id(found), root + "".join(parts))
            path = self.module_paths[id(module)]
        return path

    @contextlib.contextmanager
    def scope(self, path: str) -> Iterator[None]:
        """Values made inside carry this module path."""
        self.scopes.append(path)
        try:
            yield
        finally:
            self.scopes.pop()


@contextlib.contextmanager
def suspended() -> Iterator[None]:
    """Operations inside run eagerly, also within a trace: for state that is made once (optimiser moments)."""
    before, modes.trace = modes.trace, None
    try:
        yield
    finally:
        modes.trace = before


def host_number(container: dict[str, Any], key: str) -> Any:
    """container[key]; in a trace a scalar that compiled code reads anew at every call."""
    trace = modes.trace
    value = container[key]
    if trace is None or not isinstance(value, (int, float)) or isinstance(value, bool):
        return value
    return trace.host_number(container, key)


# What a traced value was used as: the code of the error and the way out.
_USES = {
    "bool()": ("IG180", "ingot.where(condition, a, b); & and | for `and` and `or`; ingot.maximum for max()"),
    "int()": (
        "IG181",
        "tensor arithmetic instead of a Python number, or pass the number as a Python int",
    ),
    "float()": ("IG181", "tensor arithmetic instead of a Python number"),
    "an index or a size": (
        "IG182",
        "x.index_select(dim, i), x.gather(dim, i) or x[i.view(1)] for an index; a Python int for a size or a count",
    ),
    "pack_padded_sequence()": (
        "IG184",
        "lengths as a list of ints (lengths.tolist(), outside), compiled for each; or the padded batch and a mask",
    ),
}


def _condition(text: str) -> str | None:
    """The expression that the text begins with, up to the colon, comma or comment that ends it."""
    for end in [i for i, character in enumerate(text) if character in ":,#"] + [len(text)]:
        condition = text[:end].strip()
        try:
            ast.parse(condition, mode="eval")
        except SyntaxError:
            continue
        return condition
    return None


def _fix_for(use: str, line: str | None) -> str:
    if use == "bool()":
        # What follows `file:line: `.
        source = re.sub(r"^.*?:\d+: ", "", line or "").strip()
        for keyword in ("while ", "elif ", "if ", "assert "):
            condition = _condition(source.removeprefix(keyword)) if source.startswith(keyword) else None
            if condition is not None:
                return {
                    "while ": f"a fixed number of steps that keep the old value: ingot.where({condition}, new, old)",
                    "assert ": f"the check outside of compiled code: assert {condition}",
                }.get(keyword, f"ingot.where({condition}, a, b)")
    return _USES.get(use, ("", "the value outside of compiled code: return the tensor and read it there"))[1]


def data_dependent(value: Value, use: str, inputs: str) -> TraceError:
    """The error for a traced value used where Python needs a number now."""
    code = _USES.get(use, ("IG184", ""))[0]
    made = describe_location(value.location)
    where = user_line()
    detail = [f"its value depends on: {inputs}", "compiled code is made before the value is known"]
    if made is not None and made != where:
        detail.insert(0, f"made at {made}")
    return TraceError(
        code,
        f"{use} was asked of a traced tensor {value.type}",
        where=where,
        detail=detail,
        fix=_fix_for(use, where),
    )


def leaked(storage: TracedStorage) -> TraceError:
    """The error for a traced tensor that is used after its trace has ended."""
    trace = storage.trace
    made = describe_location(storage.value.location)
    return TraceError(
        "IG187",
        f"a tensor of type {storage.value.type} made while {trace.name} was traced is used after the trace has ended",
        where=user_line(),
        detail=[f"made at {made}"] if made is not None else [],
        fix=f"return it from {trace.name} instead of storing it elsewhere",
    )
