"""The functions that PyTorch's checkpoints name to make tensors, and what they make here.

A checkpoint says "call torch._utils._rebuild_tensor_v2 with a storage, an offset, ...". A `Global` is such a name with
the function that it stands for here; the pickler writes the name and the unpickler calls the function. Names and
arguments are those that pickletools shows in files that PyTorch wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ingot.core import new_tensor
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError
from ingot.runtime.layout import Layout, storage_extent
from ingot.runtime.storage import Storage
from ingot.serialization.errors import damaged
from ingot.tensor import Device, Parameter, Size, Tensor


class Global:
    """A name of PyTorch's, and the function that is called for it."""

    __slots__ = ("function", "module", "name")

    def __init__(self, module: str, name: str, function: Callable[..., Any]) -> None:
        self.module = module
        self.name = name
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)

    def __repr__(self) -> str:
        return f"{self.module}.{self.name}"


class TypedStorage:
    """A storage as checkpoints refer to it: with the dtype of its elements, None for plain bytes."""

    __slots__ = ("dtype", "storage")

    def __init__(self, storage: Storage, dtype: DType | None) -> None:
        self.storage = storage
        self.dtype = dtype


# The class that PyTorch names for the memory of a dtype. Memory of other dtypes is UntypedStorage.
STORAGE_CLASSES = {
    "bool": "BoolStorage",
    "uint8": "ByteStorage",
    "int8": "CharStorage",
    "int16": "ShortStorage",
    "int32": "IntStorage",
    "int64": "LongStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
}


def dtype_called(name: str) -> DType:
    """The dtype of that name. Raises DTypeError (IG205) for one that only PyTorch has."""
    found = next((dtype for dtype in dtypes.ALL if dtype.name == name), None)
    if found is None:
        raise DTypeError(
            "IG205",
            f"the checkpoint holds {name}, a dtype that ingot does not have",
            fix="tensors of other dtypes, converted by the program that writes the file",
        )
    return found


def _view(memory: Any, dtype: Any, offset: Any, size: Any, stride: Any, requires_grad: Any) -> Tensor:
    if not (isinstance(memory, TypedStorage) and isinstance(dtype, DType) and isinstance(requires_grad, bool)):
        raise damaged("a tensor is not made of a storage")
    numbers = (offset, *size, *stride) if isinstance(size, tuple) and isinstance(stride, tuple) else (None,)
    if not all(type(n) is int and n >= 0 for n in numbers) or len(size) != len(stride):
        raise damaged(f"a tensor has offset {offset!r}, sizes {size!r} and strides {stride!r}")
    _, end = storage_extent(size, stride, offset)
    if end * dtype.itemsize > memory.storage.nbytes:
        raise damaged(
            f"a tensor of {dtype.name}{list(size)} with strides {list(stride)} at element {offset} leaves its storage "
            f"of {memory.storage.nbytes} bytes"
        )
    tensor: Tensor = new_tensor(Layout.of(dtype, tuple(size), tuple(stride)), memory.storage, offset)
    if requires_grad:
        tensor.requires_grad_()
    return tensor


def _tensor_v1(memory: Any, offset: Any, size: Any, stride: Any) -> Tensor:
    return _tensor_v2(memory, offset, size, stride, False, None)


def _tensor_v2(
    memory: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, metadata: Any = None
) -> Tensor:
    dtype = memory.dtype if isinstance(memory, TypedStorage) else None
    return _view(memory, dtype or dtypes.uint8, offset, size, stride, requires_grad)


def _tensor_v3(
    memory: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, dtype: Any, metadata: Any = None
) -> Tensor:
    return _view(memory, dtype, offset, size, stride, requires_grad)


def _parameter(data: Any, requires_grad: Any, hooks: Any, state: Any = None) -> Parameter:
    if not isinstance(data, Tensor) or not isinstance(requires_grad, bool):
        raise damaged("a parameter is not made of a tensor")
    return Parameter(data.detach(), requires_grad)


def _typed(function: Any, kind: Any, args: Any, state: Any) -> Tensor:
    """A tensor of a class of the user's, who has allowed it."""
    if function not in (REBUILD_TENSOR, REBUILD_UNTYPED) or not isinstance(args, tuple):
        raise damaged("a tensor of a class of its own is not made of a tensor")
    plain = function(*args)
    if kind is Tensor:
        return plain  # type: ignore[no-any-return]
    if not (isinstance(kind, type) and issubclass(kind, Tensor)):
        raise damaged("a tensor's class is no class of tensors")
    made: Tensor = new_tensor(plain._layout, plain._storage, plain._offset, kind)
    made._requires_grad = plain._requires_grad
    if isinstance(state, dict) and hasattr(made, "__dict__"):
        made.__dict__.update(state)
    return made


def _size(sizes: Any) -> Size:
    if not isinstance(sizes, (tuple, list)) or not all(type(n) is int for n in sizes):
        raise damaged("a Size is not made of integers")
    return Size(sizes)


def _device(kind: Any, index: Any = None) -> Device:
    """Every device is the CPU here, as every tensor is loaded there."""
    if not isinstance(kind, str):
        raise damaged("a device has no name")
    return Device("cpu")


def _layout(name: Any) -> str:
    return str(name).removeprefix("torch.")


REBUILD_TENSOR = Global("torch._utils", "_rebuild_tensor_v2", _tensor_v2)
REBUILD_UNTYPED = Global("torch._utils", "_rebuild_tensor_v3", _tensor_v3)
REBUILD_PARAMETER = Global("torch._utils", "_rebuild_parameter", _parameter)
REBUILD_TYPED = Global("torch._tensor", "_rebuild_from_type_v2", _typed)
MAKE_SIZE = Global("torch", "Size", _size)
MAKE_DEVICE = Global("torch", "device", _device)

FUNCTIONS = (
    REBUILD_TENSOR,
    REBUILD_UNTYPED,
    REBUILD_PARAMETER,
    REBUILD_TYPED,
    MAKE_SIZE,
    MAKE_DEVICE,
    Global("torch._utils", "_rebuild_tensor", _tensor_v1),
    Global("torch._utils", "_rebuild_parameter_with_state", _parameter),
    Global("torch.serialization", "_get_layout", _layout),
)


class StorageClass:
    """A storage class of PyTorch's, as persistent ids name it."""

    __slots__ = ("dtype_name", "module", "name")

    def __init__(self, module: str, name: str, dtype_name: str | None) -> None:
        self.module = module
        self.name = name
        self.dtype_name = dtype_name

    def dtype(self) -> DType | None:
        """The dtype of the elements; None for plain bytes."""
        return None if self.dtype_name is None else dtype_called(self.dtype_name)


UNTYPED = StorageClass("torch.storage", "UntypedStorage", None)
STORAGES = {dtype: StorageClass("torch", name, dtype) for dtype, name in STORAGE_CLASSES.items()}


def storage_from(array: np.ndarray[Any, Any]) -> Storage:
    """A storage over an array of bytes."""
    return Storage(None, array.nbytes, array)


def storage_bytes(storage: Storage) -> np.ndarray[Any, Any]:
    """All bytes of a storage, shared."""
    return storage.array(Layout.of(dtypes.uint8, (storage.nbytes,)), 0)
