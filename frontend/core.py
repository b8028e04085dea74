"""What a tensor is made of, below its methods: slots, storages concrete and traced, and views.

A concrete tensor is (storage, layout, offset). A traced one has the same slots: its storage is a `TracedStorage`, whose
contents are a value of the graph, and its view says how to read the tensor from those contents.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

import numpy as np

from ingot.compiler.dims import product
from ingot.compiler.ir import Op, Shape, TensorType, Value
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.layout import Layout
from ingot.runtime.storage import Storage

if TYPE_CHECKING:
    from ingot.runtime.specialise import Specialisation
    from ingot.tape import Node
    from ingot.tensor import Tensor
    from ingot.tracing import Trace

Array = np.ndarray[Any, Any]


class Step(NamedTuple):
    """One view operation: a row of kind "view" and its attributes."""

    op: Op
    attrs: dict[str, Any]


class View:
    """How a tensor was made from others that share its storage.

    `chain` leads from the contents of a traced storage to the tensor (a concrete tensor is read through its layout).
    `parent` is the tensor it is a differentiable view of, through the last step of `chain`; None when there is none.
    `version` is that of the storage when the tensor's place on the tape was last derived from its parent's.
    """

    __slots__ = ("chain", "parent", "value", "value_version", "version")

    def __init__(self, chain: tuple[Step, ...], parent: Tensor | None, version: int) -> None:
        self.chain = chain
        self.parent = parent
        self.version = version
        self.value: Value | None = None
        self.value_version = -1


class SymbolicLayout:
    """As Layout, for shapes with named sizes; not interned."""

    __slots__ = ("contiguous", "dtype", "itemsize", "nbytes", "ndim", "numel", "shape", "strides")

    def __init__(self, dtype: DType, shape: Shape, strides: Shape | None = None) -> None:
        self.dtype = dtype
        self.shape = shape
        self.strides: Any = contiguous_strides_of(shape) if strides is None else strides
        self.ndim = len(shape)
        self.numel = product(shape)
        self.itemsize = dtype.itemsize
        self.nbytes = self.numel * dtype.itemsize
        self.contiguous = self.strides == contiguous_strides_of(shape)


def contiguous_strides_of(shape: Shape) -> Shape:
    """Row-major strides of a shape that may hold named sizes."""
    return tuple(product(shape[axis + 1 :]) for axis in range(len(shape)))


def layout_of(dtype: DType, shape: Shape, strides: Any = None) -> Layout:
    """The layout; a SymbolicLayout, which offers the same, when a size is named."""
    try:
        return Layout.of(dtype, shape, strides)  # type: ignore[arg-type]
    except TypeError:
        # A named size is no index.
        return SymbolicLayout(dtype, shape, strides)  # type: ignore[return-value]


class TracedStorage:
    """Memory during a trace: a value of the graph that stands for the present contents.

    `origin` is the place of the graph input that holds the contents before the call, None for memory made inside.
    """

    __slots__ = ("__weakref__", "origin", "trace", "value", "version")

    def __init__(self, trace: Trace, value: Value, origin: int | None = None) -> None:
        self.trace = trace
        self.value = value
        self.version = 0
        self.origin = origin

    def array(self, layout: Layout, offset: int = 0) -> Any:
        """There are no elements yet: code that is not traced has got hold of a traced tensor. Raises TraceError."""
        raise self.trace.leaked(self)


class TensorBase:
    """The slots of a tensor. Native code reads `_layout`, `_storage` and `_offset` in place."""

    __slots__ = ("__weakref__", "_grad", "_layout", "_node", "_offset", "_requires_grad", "_storage", "_view")

    _layout: Layout
    _storage: Storage | TracedStorage
    _offset: int
    _requires_grad: bool
    _grad: Tensor | None
    _node: Node | None
    _view: View | None


# The class that tensors are made of; `ingot.tensor` sets it, as it is built on the modules that make tensors.
tensor_class: list[type[Any]] = [TensorBase]


def is_tensor(value: object) -> TypeGuard[Tensor]:
    """Whether the value is a Tensor."""
    return isinstance(value, TensorBase)


def new_tensor(layout: Layout, storage: Storage | TracedStorage, offset: int = 0, kind: type[Any] | None = None) -> Any:
    """A tensor over this storage, off the tape."""
    tensor = object.__new__(kind or tensor_class[0])
    tensor._layout = layout
    tensor._storage = storage
    tensor._offset = offset
    tensor._requires_grad = False
    tensor._grad = None
    tensor._node = None
    tensor._view = None
    return tensor


def is_traced(tensor: TensorBase) -> bool:
    """Whether the tensor lives in a trace."""
    return type(tensor._storage) is TracedStorage


def array_of(tensor: TensorBase) -> Array:
    """The elements of a concrete tensor as an array that shares its memory."""
    return tensor._storage.array(tensor._layout, tensor._offset)


def own_array(array: Any, operands: Sequence[Array] = ()) -> Array:
    """A C-contiguous, writable array that shares memory with none of `operands`; copied only when needed."""
    made = array if type(array) is np.ndarray else np.asarray(array)
    flags = made.flags
    if flags.owndata and flags.c_contiguous and flags.writeable:
        for operand in operands:
            if made is operand:
                break
        else:
            return made
    return np.array(made, order="C", copy=True)


def tensor_from_array(array: Array) -> Tensor:
    """A tensor over the memory of a C-contiguous, writable array."""
    return fresh(array, Layout.of(dtypes.from_numpy(array.dtype), array.shape))


def fresh(array: Array, layout: Layout) -> Tensor:
    """A tensor of this contiguous layout over the memory of an array that has it."""
    tensor: Tensor = Make.fresh(array, layout)
    return tensor


def _fresh_in_python(array: Array, layout: Layout) -> Any:
    storage = Storage(None, array.nbytes, array)
    storage.seen, storage.seen_layout, storage.seen_offset = array, layout, 0
    return new_tensor(layout, storage)


def _view_in_python(
    layout: Layout, storage: Any, offset: int, chain: tuple[Step, ...], parent: Any, version: int
) -> Any:
    tensor = new_tensor(layout, storage, offset)
    tensor._view = View(chain, parent, version)
    return tensor


class Make:
    """What makes the tensors that eager code makes most: in Python, or natively once that is possible."""

    fresh: Callable[[Array, Layout], Any] = staticmethod(_fresh_in_python)
    view: Callable[[Layout, Any, int, tuple[Step, ...], Any, int], Any] = staticmethod(_view_in_python)


def type_of(tensor: TensorBase) -> TensorType:
    """dtype and shape."""
    layout = tensor._layout
    return TensorType(layout.dtype, layout.shape)


# Storages that an in-place operation has written to, by id, with the number of writes. A storage that was never
# written to has version 0 and no entry; an entry goes with its storage.
_versions: dict[int, int] = {}
_watched: dict[int, weakref.ref[Storage]] = {}


# Tensors that compiled code captures, by id; it keeps them alive. Changing what it depends on is announced.
captured_tensors: set[int] = set()

# Counts of the calls that write to a storage natively, by the storage's id.
_writers: dict[int, list[Callable[[], int]]] = {}


def version_of(storage: Storage | TracedStorage) -> int:
    """How often the storage was written to in place, by operations and by compiled code."""
    if type(storage) is TracedStorage:
        return storage.version
    version = _versions.get(id(storage), 0)
    if _writers and id(storage) in _writers:
        version += sum(count() for count in _writers[id(storage)])
    return version


def count_writes(storages: Sequence[Storage], code: Specialisation) -> None:
    """Each call of the compiled code writes to these storages. Neither is kept alive by that."""
    known = weakref.ref(code)

    def count() -> int:
        alive = known()
        return 0 if alive is None else alive.calls

    def ended(calls: int) -> None:
        for key in keys:
            if count in _writers.get(key, ()):
                _writers[key].remove(count)
                _versions[key] = _versions.get(key, 0) + calls

    keys = frozenset([id(storage) for storage in storages])
    for storage in storages:
        _watch(storage)
        if count not in _writers.setdefault(id(storage), []):
            _writers[id(storage)].append(count)
    code.at_end = ended


def bump_version(storage: Storage | TracedStorage) -> None:
    """Note a write to the storage."""
    if type(storage) is TracedStorage:
        storage.version += 1
        return
    assert isinstance(storage, Storage)
    _watch(storage)
    _versions[id(storage)] = _versions.get(id(storage), 0) + 1


def _watch(storage: Storage) -> None:
    """Forget the counts of a storage when it goes."""
    key = id(storage)
    if key in _watched:
        return

    def forget(_: object) -> None:
        for table in (_versions, _watched, _writers):
            table.pop(key, None)

    _watched[key] = weakref.ref(storage, forget)
