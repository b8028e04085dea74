"""Storage: bytes that tensors share, on a recycled block or on a NumPy array."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ingot.runtime import pool
from ingot.runtime.dtypes import uint8
from ingot.runtime.errors import ShapeError, SpecError
from ingot.runtime.layout import Layout, storage_extent


class Storage:
    """A run of bytes with an owner that keeps them alive.

    `ptr` is the address of byte 0, or None while the owner is an array whose address nobody asked for; `data_ptr()`
    fills it. Memory from `allocate` is 64-byte aligned and padded to 64 bytes; memory of an array is neither.
    """

    __slots__ = ("__weakref__", "nbytes", "owner", "ptr", "seen", "seen_layout", "seen_offset")

    ptr: int | None
    nbytes: int
    owner: Any
    # The array that was asked for last, and as what.
    seen: np.ndarray[Any, Any]
    seen_layout: Layout
    seen_offset: int

    def __init__(self, ptr: int | None, nbytes: int, owner: Any) -> None:
        self.ptr = ptr
        self.nbytes = nbytes
        self.owner = owner

    @staticmethod
    def allocate(nbytes: int) -> "Storage":
        """Uninitialised recycled memory. Raises BuildError (IG504) when the system has none."""
        return _allocate(nbytes)

    @staticmethod
    def from_numpy(array: np.ndarray[Any, Any]) -> "Storage":
        """The array's own memory, shared. Raises SpecError (IG206) unless it is C-contiguous and writable."""
        flags = array.flags
        if not (flags.c_contiguous and flags.writeable):
            why = "is read-only" if flags.c_contiguous else "is not C-contiguous"
            raise SpecError(
                "IG206",
                f"an array of shape {array.shape}, dtype {array.dtype} and strides {array.strides} {why}",
                fix="array.copy()",
            )
        return Storage(None, array.nbytes, array)

    def data_ptr(self) -> int:
        """The address of byte 0."""
        if self.ptr is None:
            self.ptr = self.owner.__array_interface__["data"][0]
        return self.ptr

    def array(self, layout: Layout, offset: int = 0) -> np.ndarray[Any, Any]:
        """An ndarray of `layout` whose element 0 is storage element `offset`; it keeps the storage alive.

        Raises ShapeError (IG207) when the view leaves the storage.
        """
        try:
            # Most storages are seen in one way, again and again. Native code makes them without these slots filled.
            if self.seen_layout is layout and self.seen_offset == offset:
                return self.seen
        except AttributeError:
            pass
        array = self._seen_as(layout, offset)
        self.seen, self.seen_layout, self.seen_offset = array, layout, offset
        return array

    def _seen_as(self, layout: Layout, offset: int) -> np.ndarray[Any, Any]:
        owner = self.owner
        dtype = layout.dtype.numpy
        if layout.numel == 0:
            return np.empty(layout.shape, dtype)
        if isinstance(owner, np.ndarray):
            if offset == 0 and layout.contiguous and owner.shape == layout.shape and owner.dtype == dtype:
                return owner
            memory = owner.reshape(-1).view(np.uint8)
        else:
            memory = np.asarray(_Bytes(self))
        itemsize = layout.itemsize
        low, high = storage_extent(layout.shape, layout.strides, offset)
        if low < 0 or high * itemsize > self.nbytes:
            raise ShapeError(
                "IG207",
                f"a view {layout!r} at element {offset} touches elements [{low}, {high}) of a storage that holds "
                f"{self.nbytes // itemsize}",
            )
        strides = tuple(stride * itemsize for stride in layout.strides)
        return np.ndarray(layout.shape, dtype, memory, offset * itemsize, strides)

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        return _unpickled, (self.array(Layout.of(uint8, (self.nbytes,))),)

    def __repr__(self) -> str:
        place = "unresolved" if self.ptr is None else f"{self.ptr:#x}"
        return f"Storage({self.nbytes} bytes at {place})"


def _unpickled(array: np.ndarray[Any, Any]) -> Storage:
    """A storage of bytes that were pickled; those that came from outside the pickle may be read-only."""
    return Storage.from_numpy(array if array.flags.writeable else array.copy())


class _Bytes:
    """A storage as a NumPy byte array: the array interface hands over an address together with its keeper."""

    __slots__ = ("__array_interface__", "owner")

    def __init__(self, storage: Storage) -> None:
        # Not the storage itself, which keeps the array.
        self.owner = storage.owner
        self.__array_interface__ = {
            "shape": (storage.nbytes,),
            "typestr": "|u1",
            "data": (storage.ptr, False),
            "version": 3,
        }


def _allocate_in_python(nbytes: int) -> Storage:
    address, owner = pool.allocate(nbytes)
    return Storage(address, nbytes, owner)


_allocate: Callable[[int], Storage] = _allocate_in_python


def attach(allocate: Callable[[int], Storage]) -> None:
    """Make storages natively from here on."""
    global _allocate
    _allocate = allocate
