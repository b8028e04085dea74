"""Writes objects as PyTorch's checkpoints hold them: a pickle that names storages, and the storages in order."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from typing import Any

from ingot.core import TensorBase
from ingot.runtime.dtypes import DType
from ingot.runtime.storage import Storage
from ingot.serialization import safe
from ingot.serialization.errors import UnpicklableError
from ingot.serialization.rebuild import (
    MAKE_DEVICE,
    MAKE_SIZE,
    REBUILD_PARAMETER,
    REBUILD_TENSOR,
    REBUILD_TYPED,
    REBUILD_UNTYPED,
    STORAGES,
    UNTYPED,
    Global,
    StorageClass,
)
from ingot.source_lines import user_line
from ingot.tensor import Device, Parameter, Size, Tensor


class _Reference:
    """A storage, which goes into the file beside the pickle."""

    __slots__ = ("kind", "storage")

    def __init__(self, storage: Storage, kind: StorageClass) -> None:
        self.storage = storage
        self.kind = kind


# The pickler in Python: the native one refuses to write names that this process cannot import.
class Pickler(pickle._Pickler):
    """A pickler that gives tensors PyTorch's names; `storages` are those met, in the order of their numbers."""

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.storages: list[Storage] = []
        self._numbers: dict[int, int] = {}
        self._dtypes: dict[int, DType] = {}

    def persistent_id(self, obj: Any) -> Any:
        """Storages are named ("storage", class, number, "cpu", how many elements)."""
        if type(obj) is not _Reference:
            return None
        number = self._numbers.setdefault(id(obj.storage), len(self.storages))
        if number == len(self.storages):
            self.storages.append(obj.storage)
        dtype = obj.kind.dtype()
        count = obj.storage.nbytes // (1 if dtype is None else dtype.itemsize)
        return ("storage", obj.kind, str(number), "cpu", count)

    def reducer_override(self, obj: Any) -> Any:
        """How objects of ingot's are written."""
        if isinstance(obj, TensorBase):
            return self._tensor(obj)  # type: ignore[arg-type]
        kind = type(obj)
        if kind is Size:
            return MAKE_SIZE, (tuple(obj),)
        if kind is Device:
            return MAKE_DEVICE, (obj.type,)
        if kind is DType or kind is Global or kind is StorageClass or (kind is type and obj in safe.CLASS_NAMES):
            return obj.name if kind is not type else obj.__name__
        return NotImplemented

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Write a name; for objects of ingot's, PyTorch's."""
        if isinstance(obj, (Global, StorageClass)):
            self._name(obj, obj.module, obj.name)
        elif isinstance(obj, DType):
            self._name(obj, "torch", obj.name)
        elif isinstance(obj, type) and obj in safe.CLASS_NAMES:
            self._name(obj, *safe.CLASS_NAMES[obj])
        else:
            super().save_global(obj, name)  # type: ignore[misc]

    def _name(self, obj: Any, module: str, name: str) -> None:
        self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())  # type: ignore[attr-defined]
        self.memoize(obj)  # type: ignore[attr-defined]

    def _tensor(self, tensor: Tensor) -> Any:
        if type(tensor) is Parameter:
            return REBUILD_PARAMETER, (tensor.detach(), tensor._requires_grad, _no_hooks())
        layout, storage = tensor._layout, tensor._storage
        assert isinstance(storage, Storage)
        place = (tensor._offset, tuple(layout.shape), tuple(layout.strides), tensor.requires_grad, _no_hooks())
        # PyTorch gives a storage one class: memory that is seen as several dtypes is named as plain bytes.
        first = self._dtypes.setdefault(id(storage), layout.dtype)
        kind = STORAGES.get(layout.dtype.name)
        if kind is None or first is not layout.dtype or storage.nbytes % layout.dtype.itemsize:
            made: Any = (REBUILD_UNTYPED, (_Reference(storage, UNTYPED), *place, layout.dtype))
        else:
            made = (REBUILD_TENSOR, (_Reference(storage, kind), *place))
        if type(tensor) is Tensor:
            return made
        return REBUILD_TYPED, (made[0], type(tensor), made[1], dict(getattr(tensor, "__dict__", {})))


def _no_hooks() -> Any:
    # PyTorch's reader wants an OrderedDict here.
    return OrderedDict()


def pickled(obj: Any, protocol: int) -> tuple[bytes, list[Storage]]:
    """The pickle and the storages it names. Raises UnpicklableError (IG408)."""
    file = io.BytesIO()
    pickler = Pickler(file, protocol)
    try:
        pickler.dump(obj)
    except (pickle.PicklingError, AttributeError, TypeError, RecursionError) as error:
        raise UnpicklableError(
            "IG408",
            f"the object cannot be stored: {error}",
            where=user_line(),
            fix="a state_dict: tensors, numbers, texts and containers of them",
        ) from error
    return file.getvalue(), pickler.storages
