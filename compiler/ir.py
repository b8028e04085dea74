"""The graph: immutable SSA values, hash-consed, with types, source locations and regions.

Equal values are the same object, so common subexpressions merge as they are built. Ops are rows of the op table
(`ingot.compiler.ops`); this file knows what a row holds and nothing about any op.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple

from ingot.compiler.dims import Dim, product
from ingot.runtime.dtypes import DType

Size = int | Dim
Shape = tuple[Size, ...]
Kind = Literal[
    "source",
    "elementwise",
    "reduce",
    "cumulative",
    "view",
    "contract",
    "window",
    "index",
    "sort",
    "random",
    "linalg",
    "control",
    "call",
    "get",
]


class Location(NamedTuple):
    """Where the user wrote it: file, line, function, and the path of modules such as `net.layers[3]`."""

    file: str
    line: int
    function: str = ""
    scope: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class TensorType:
    """dtype and shape. Interned: equal types are the same object."""

    __slots__ = ("__weakref__", "dtype", "shape")
    _interned: ClassVar[weakref.WeakValueDictionary[tuple[DType, Shape], TensorType]] = weakref.WeakValueDictionary()
    dtype: DType
    shape: Shape

    def __new__(cls, dtype: DType, shape: Sequence[Size] = ()) -> TensorType:
        key = (dtype, tuple(shape))
        known = cls._interned.get(key)
        if known is None:
            known = object.__new__(cls)
            known.dtype, known.shape = key
            cls._interned[key] = known
        return known

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def numel(self) -> Size:
        return product(self.shape)

    @property
    def static(self) -> bool:
        return all(isinstance(n, int) for n in self.shape)

    def with_shape(self, shape: Sequence[Size]) -> TensorType:
        return TensorType(self.dtype, shape)

    def with_dtype(self, dtype: DType) -> TensorType:
        return TensorType(dtype, self.shape)

    def __reduce__(self) -> tuple[Any, ...]:
        return TensorType, (self.dtype, self.shape)

    def __repr__(self) -> str:
        return f"{self.dtype.short}[{','.join(map(str, self.shape))}]"


Types = TensorType | tuple[TensorType, ...]


class Arg(NamedTuple):
    """How tests make one operand: its shape, its dtype (None: the dtype under test) and the range of its values."""

    shape: tuple[int, ...]
    dtype: str | None = None
    low: float = -2.0
    high: float = 2.0
    distinct: bool = False  # no two equal values (ties have no derivative)


class Sample(NamedTuple):
    """One set of operands and attributes that every table-driven test runs."""

    args: tuple[Arg, ...]
    attrs: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, eq=False)
class Op:
    """One row of the op table: everything the compiler knows of a primitive. A rule that is None does not exist.

    infer   (*operand types, **attrs) -> type(s) of the result, or raises ShapeError / DTypeError
    eval    (*arrays, **attrs) -> array(s): the only statement of meaning
    vjp     (cotangent, out, *operands, **attrs) -> one cotangent per operand, None where there is none;
            for an op with several results `cotangent` is a tuple with None for unused ones
    jvp     (tangents, out, *operands, **attrs) -> tangent of the result; `tangents` has None for constants
    batch   (size, *operands with a leading batch axis, **attrs) -> the result(s) with a leading batch axis
    lower   by kind; elementwise: (scalar builder, dtype of the first operand, *registers, **attrs) -> register
    """

    name: str
    kind: Kind
    infer: Callable[..., Types]
    eval: Callable[..., Any]
    vjp: Callable[..., tuple[Value | None, ...]] | None
    jvp: Callable[..., Any] | None
    batch: Callable[..., Any] | None
    lower: Any = None
    dtypes: tuple[DType, ...] = ()
    traits: frozenset[str] = frozenset()
    samples: tuple[Sample, ...] = ()
    doc: str = ""

    def __call__(self, *operands: Value, **attrs: Any) -> Value:
        return Value(self, operands, **attrs)

    def __repr__(self) -> str:
        return f"Op({self.name})"


def comparable(attrs: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The attributes in the order of their names, floats by their bits: 0.0 is not -0.0, and NaN is the same NaN."""
    return tuple([(name, attr.hex() if type(attr) is float else attr) for name, attr in sorted(attrs.items())])


class Value:
    """A node of the graph: op, operands, attributes; interned, so `is` is equality."""

    __slots__ = ("__weakref__", "attrs", "location", "op", "operands", "type")
    _interned: ClassVar[weakref.WeakValueDictionary[Any, Value]] = weakref.WeakValueDictionary()
    op: Op
    operands: tuple[Value, ...]
    attrs: Mapping[str, Any]
    type: TensorType
    location: Location | None

    def __new__(cls, op: Op, operands: Sequence[Value] = (), **attrs: Any) -> Value:
        operands = tuple(operands)
        key = (op, tuple(map(id, operands)), comparable(attrs) if attrs else ())
        known = cls._interned.get(key)
        if known is not None:
            return known
        self = object.__new__(cls)
        self.op, self.operands, self.attrs, self.location = op, operands, attrs, _location[-1]
        # Several results make a tuple of types; `get` projects one of them, every other op takes single results.
        self.type = op.infer(*(v.type for v in operands), **attrs)  # type: ignore[assignment]
        if "unique" not in op.traits:
            cls._interned[key] = self
        return self

    @property
    def types(self) -> tuple[TensorType, ...]:
        """The types of all results."""
        return self.type if isinstance(self.type, tuple) else (self.type,)

    @property
    def dtype(self) -> DType:
        return self.type.dtype

    @property
    def shape(self) -> Shape:
        return self.type.shape

    def __repr__(self) -> str:
        return f"<{self.op.name}: {self.type}>"


_location: list[Location | None] = [None]


class at:
    """Values made inside carry this location (an adjoint carries that of its forward value).

    Passes enter one for every value: a class takes a third of the time of a generator.
    """

    __slots__ = ("location",)

    def __init__(self, location: Location | None) -> None:
        self.location = location

    def __enter__(self) -> None:
        _location.append(self.location)

    def __exit__(self, *raised: object) -> None:
        _location.pop()


@dataclass(frozen=True, eq=False)
class Graph:
    """A function: inputs to outputs. `aliases` (output, input) says that the output replaces that input's contents."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    aliases: tuple[tuple[int, int], ...] = ()
    name: str = "main"

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """Every value that the outputs need (inputs included where used), operands before users."""
        return tuple(toposort(self.outputs))

    @cached_property
    def users(self) -> dict[Value, list[Value]]:
        """The values that read each value, in order; a value read twice by one user is listed once."""
        found: dict[Value, list[Value]] = {v: [] for v in (*self.inputs, *self.values)}
        for value in self.values:
            for operand in dict.fromkeys(value.operands):
                found[operand].append(value)
        return found

    def with_outputs(self, outputs: Sequence[Value], aliases: Sequence[tuple[int, int]] | None = None) -> Graph:
        return Graph(self.inputs, tuple(outputs), self.aliases if aliases is None else tuple(aliases), self.name)

    def map(self, rewrite: Callable[[Value], Value | None]) -> Graph:
        """Rebuild bottom-up; `rewrite` sees each value with its operands rewritten and may give a replacement."""
        new: dict[Value, Value] = {v: v for v in self.inputs}
        for value in self.values:
            if value in new:
                continue
            operands = tuple(new[o] for o in value.operands)
            same = value
            if any(a is not b for a, b in zip(operands, value.operands, strict=True)):
                with at(value.location):
                    same = Value(value.op, operands, **value.attrs)
            with at(value.location):
                new[value] = rewrite(same) or same
        return self.with_outputs([new[o] for o in self.outputs])

    @cached_property
    def key(self) -> tuple[Any, ...]:
        """The structure alone: equal for graphs that differ only in which input objects they use."""
        number = {v: i for i, v in enumerate(self.inputs)}
        rows: list[Any] = [tuple(v.type for v in self.inputs)]
        for value in self.values:
            if value not in number:
                number[value] = len(number)
                attrs = comparable(value.attrs)
                rows.append((value.op.name, tuple(number[o] for o in value.operands), attrs, value.type))
        rows.append(tuple(number[o] for o in self.outputs))
        return (*rows, self.aliases)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Graph) and self.key == other.key)

    @cached_property
    def _hash(self) -> int:
        return hash(self.key)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        """The signature; `ingot.compiler.text_print.print_graph` shows the whole."""
        given, results = (", ".join(str(v.type) for v in side) for side in (self.inputs, self.outputs))
        return f"<graph {self.name}({given}) -> ({results}), {len(self.values)} values>"

    def __lt__(self, other: Graph) -> bool:
        return str(self.key) < str(other.key)


def toposort(outputs: Sequence[Value]) -> list[Value]:
    """Operands before users; each value once; without recursion."""
    done: dict[Value, None] = {}
    stack: list[tuple[Value, bool]] = [(v, False) for v in reversed(outputs)]
    while stack:
        value, ready = stack.pop()
        if value in done:
            continue
        if ready:
            done[value] = None
            continue
        stack.append((value, True))
        for operand in reversed(value.operands):
            if operand not in done:
                stack.append((operand, False))
    return list(done)
