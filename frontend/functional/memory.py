"""Tensors and their memory: storages, other shapes in place, other libraries, elements one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import numpy as np

from ingot import core
from ingot.core import TensorBase, bump_version, is_traced, new_tensor, tensor_from_array
from ingot.creation import check_device, filled, from_numpy
from ingot.functional import shaping
from ingot.functional.conversion import elements
from ingot.functional.reductions import axis_of
from ingot.functional.shaping import sizes_of
from ingot.functional.strides import as_strided
from ingot.modes import bump_epoch, modes
from ingot.mutation import assign, check_writable, resized
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError, GradError, ShapeError, TraceError
from ingot.runtime.layout import Layout, contiguous_strides, storage_extent
from ingot.runtime.storage import Storage
from ingot.source_lines import user_line
from ingot.tape import needs_grad

if TYPE_CHECKING:
    from ingot.tensor import Tensor

P = ParamSpec("P")


class UntypedStorage:
    """The bytes behind tensors. Two of them are equal when they are the same memory."""

    dtype = dtypes.uint8

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def _elements(self) -> np.ndarray[Any, Any]:
        count = self._storage.nbytes // self.dtype.itemsize
        return self._storage.array(Layout.of(self.dtype, (count,)))

    def nbytes(self) -> int:
        """The number of bytes."""
        return self._storage.nbytes

    def size(self) -> int:
        """The number of elements."""
        return self._storage.nbytes // self.dtype.itemsize

    def element_size(self) -> int:
        """Bytes per element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return self._storage.data_ptr()

    def tolist(self) -> list[Any]:
        """The elements."""
        values: list[Any] = self._elements().tolist()
        return values

    def fill_(self, value: Any) -> UntypedStorage:
        """Every element becomes the number."""
        self._elements()[:] = value
        bump_version(self._storage)
        return self

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage(self._storage)

    @property
    def is_cuda(self) -> bool:
        """False."""
        return False

    def __len__(self) -> int:
        return self.size()

    def __getitem__(self, index: Any) -> Any:
        found = self._elements()[index]
        return found.item() if found.ndim == 0 else found.tolist()

    def __setitem__(self, index: Any, value: Any) -> None:
        self._elements()[index] = value
        bump_version(self._storage)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self._storage is other._storage

    def __hash__(self) -> int:
        return id(self._storage)

    def __repr__(self) -> str:
        lines = "\n".join(f" {x}" for x in self.tolist())
        return f"{lines}\n[ingot.storage.{type(self).__name__}(dtype={self.dtype}, device=cpu) of size {self.size()}]"


class TypedStorage(UntypedStorage):
    """The memory behind tensors as elements of one dtype."""

    def __init__(self, storage: Storage, dtype: DType) -> None:
        super().__init__(storage)
        self.dtype = dtype


def _own(self: Tensor, name: str) -> Storage:
    elements(self, name)
    assert isinstance(self._storage, Storage)
    return self._storage


def storage(self: Tensor) -> TypedStorage:
    """The memory behind the tensor, as elements of its dtype."""
    return TypedStorage(_own(self, "storage()"), self._layout.dtype)


def untyped_storage(self: Tensor) -> UntypedStorage:
    """The memory behind the tensor, as bytes."""
    return UntypedStorage(_own(self, "untyped_storage()"))


# ---- other shapes in place


def _in_place_view(
    fn: Callable[Concatenate[Tensor, P], Tensor],
) -> Callable[Concatenate[Tensor, P], Tensor]:
    """The in-place form of a view: the tensor itself shows its memory in the other way."""

    def change(self: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        check_writable(self)
        if modes.trace is not None and not is_traced(self):
            raise TraceError(
                "IG189",
                f"{fn.__name__}_ would change the shape of a tensor that compiled code reaches from outside",
                where=user_line(),
                fix=f"x = x.{fn.__name__}(...)",
            )
        before: Tensor = new_tensor(self._layout, self._storage, self._offset)
        before._requires_grad = needs_grad(self)
        before._node, before._view = self._node, self._view
        recording, modes.grad = modes.grad, modes.grad or before._node is not None
        try:
            after = fn(before, *args, **kwargs)
        finally:
            modes.grad = recording
        if before._requires_grad and before._node is None:
            # A leaf stays one.
            after._requires_grad = True
        for slot in ("_layout", "_storage", "_offset", "_node", "_requires_grad", "_view"):
            setattr(self, slot, getattr(after, slot))
        if id(self) in core.captured_tensors:
            bump_epoch()
        return self

    change.__name__ = change.__qualname__ = f"{fn.__name__}_"
    change.__doc__ = f"In-place form of `{fn.__name__}`."
    return change


transpose_ = _in_place_view(shaping.transpose)
swapaxes_ = swapdims_ = transpose_
t_ = _in_place_view(shaping.t)
squeeze_ = _in_place_view(shaping.squeeze)
unsqueeze_ = _in_place_view(shaping.unsqueeze)
as_strided_ = _in_place_view(as_strided)


def resize_(self: Tensor, *sizes: Any) -> Tensor:
    """Another shape, over more memory if need be; elements that are kept stay in order, others are not set."""
    if needs_grad(self):
        raise GradError("IG301", "cannot resize variables that require grad", where=user_line())
    return resized(self, tuple(sizes_of(sizes)))


def resize_as_(self: Tensor, the_template: Tensor) -> Tensor:
    """The shape of another tensor; see `resize_`."""
    return resize_(self, *the_template._layout.shape)


def set_(self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None) -> Tensor:
    """Show the memory of another tensor or storage. Raises ShapeError (IG207) where it does not reach."""
    if modes.trace is not None:
        raise TraceError("IG189", "set_ changes a tensor that compiled code reaches", where=user_line())
    if source is None:
        source, size = filled((0,), 0, self._layout.dtype), (0,)
    if isinstance(source, TensorBase) and size is None:
        layout, memory, offset = source._layout, source._storage, source._offset
    else:
        memory = source._storage
        shape = tuple(size) if size is not None else (source.size() * source.dtype.itemsize // self._layout.itemsize,)
        layout = Layout.of(
            self._layout.dtype, shape, tuple(stride) if stride is not None else contiguous_strides(shape)
        )
        offset = storage_offset
        low, high = storage_extent(layout.shape, layout.strides, offset)
        if low < 0 or high * layout.itemsize > memory.nbytes:
            raise ShapeError(
                "IG207",
                f"set_: size {list(shape)} at element {offset} is out of bounds for storage of {memory.nbytes} bytes",
                where=user_line(),
            )
    if layout.dtype is not self._layout.dtype:
        raise DTypeError(
            "IG227", f"set_: {layout.dtype} memory for a tensor of {self._layout.dtype}", where=user_line()
        )
    self._layout, self._storage, self._offset = layout, memory, offset
    if id(self) in core.captured_tensors:
        bump_epoch()
    return self


# ---- elements one by one


def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Every element becomes what the function gives for it. Slow, and not for compiled code."""
    array = elements(self, "apply_()")
    made = np.array([callable(x) for x in array.ravel().tolist()]).reshape(array.shape)
    check_writable(self)
    return assign(self, tensor_from_array(np.array(made, self._layout.dtype.numpy, order="C")))


def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Every element becomes what the function gives for it and the other tensor's element."""
    own, other = elements(self, "map_()"), elements(tensor, "map_()")
    pairs = zip(own.ravel().tolist(), np.broadcast_to(other, own.shape).ravel().tolist(), strict=True)
    made = np.array([callable(x, y) for x, y in pairs]).reshape(own.shape)
    check_writable(self)
    return assign(self, tensor_from_array(np.array(made, self._layout.dtype.numpy, order="C")))


# ---- where tensors live


def cuda(self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
    """Raises DeviceError (IG350): there is no GPU."""
    check_device("cuda" if device is None else device if not isinstance(device, int) else f"cuda:{device}")
    return self


def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """Raises DeviceError (IG350): memory is pinned for a GPU, and there is none."""
    check_device("cuda")
    return self


def is_pinned(self: Tensor, device: Any = None) -> bool:
    """False."""
    return False


def share_memory_(self: Tensor) -> Tensor:
    """The tensor itself. Other processes get copies."""
    return self


def is_shared(self: Tensor) -> bool:
    """False: other processes get copies."""
    return False


def get_device(self: Tensor) -> int:
    """-1: the CPU."""
    return -1


def record_stream(self: Tensor, stream: Any) -> None:
    """Nothing: there are no streams."""


# ---- what a tensor is


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return input._layout.dtype.is_signed


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have one shape."""
    return input._layout.shape == other._layout.shape


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both show the same memory in the same way."""
    return self._storage is tensor._storage and self._offset == tensor._offset and self._layout is tensor._layout


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not 0."""
    return bool(input)


def always_false(self: Tensor) -> bool:
    """False."""
    return False


def itself(input: Tensor) -> Tensor:
    """The tensor itself: there are no complex dtypes, whose parts and conjugates would differ."""
    return input


def dim_order(self: Tensor) -> tuple[int, ...]:
    """The dimensions from the slowest in memory to the fastest."""
    strides = self._layout.strides
    return tuple(sorted(range(len(strides)), key=lambda i: -strides[i]))


def size_of(self: Tensor, dim: int) -> Any:
    """The size of one dimension."""
    return self._layout.shape[axis_of(self, dim)]


# ---- other libraries


def to_dlpack(self: Tensor, **options: Any) -> Any:
    """A DLPack capsule over the same memory. Raises GradError (IG357) for a tensor that requires grad."""
    if needs_grad(self):
        raise GradError(
            "IG357",
            "Can't export tensors that require gradient, use tensor.detach()",
            where=user_line(),
            fix="x.detach()",
        )
    array = elements(self, "__dlpack__()")
    if self._layout.dtype is dtypes.bfloat16:
        raise DTypeError(
            "IG357", "bfloat16 memory cannot be shared by way of NumPy", where=user_line(), fix="x.float()"
        )
    return array.__dlpack__(**{k: v for k, v in options.items() if v is not None})


def dlpack_device(self: Tensor) -> tuple[int, int]:
    """The CPU, as DLPack says it."""
    return 1, 0


class _Shared:
    """Memory of another library, which NumPy may write to; keeps its owner alive."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.owner = array
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


class _Capsule:
    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of another library's tensor (or of a DLPack capsule)."""
    check_device(device)
    source = ext_tensor if hasattr(ext_tensor, "__dlpack__") else _Capsule(ext_tensor)
    array = np.from_dlpack(source)
    if copy:
        return tensor_from_array(np.array(array, order="C"))
    return from_numpy(np.asarray(_Shared(array)))


def wrapped_array(self: Tensor, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
    """What NumPy's functions make of a tensor is a tensor."""
    return from_numpy(np.array(array, order="C"))
