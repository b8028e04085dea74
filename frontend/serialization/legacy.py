"""Checkpoints from before PyTorch 1.6: five pickles in a row, then the contents of the storages."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ingot.runtime.storage import Storage
from ingot.serialization.errors import damaged
from ingot.serialization.rebuild import StorageClass, TypedStorage, storage_from
from ingot.serialization.unpickler import Unpickler

# What the first pickle of such a file holds.
_MAGIC = 0x1950A86A20F9469CFC6C
START = b"\x80\x02\x8a\x0a" + _MAGIC.to_bytes(10, "little")
_PROTOCOL = 1001


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.little = True
        self.storages: dict[str, tuple[Storage, int, int]] = {}

    def next(self) -> Any:
        """The next pickle."""
        unpickler = Unpickler(self.data, self.persistent, self.at)
        found = unpickler.load()
        self.at = unpickler.at
        return found

    def persistent(self, given: Any) -> TypedStorage:
        """The storage that a persistent id names; its contents come later. Some files have views of storages."""
        if not (isinstance(given, tuple) and len(given) == 6 and given[0] == "storage" and isinstance(given[2], str)):
            raise damaged("a storage has no name")
        _, kind, key, _, count, view = given
        if not isinstance(kind, StorageClass) or type(count) is not int or count < 0:
            raise damaged("a storage has no name")
        dtype = kind.dtype()
        itemsize = 1 if dtype is None else dtype.itemsize
        if key not in self.storages:
            if count * itemsize > len(self.data):
                raise damaged(f"a storage of {count * itemsize} bytes reaches over the end of the file")
            self.storages[key] = storage_from(np.empty(count * itemsize, np.uint8)), count, itemsize
        storage = self.storages[key][0]
        if view is not None:
            _, offset, size = view
            if not (type(offset) is int and type(size) is int and 0 <= offset <= offset + size <= count):
                raise damaged("a part of a storage leaves it")
            storage = storage_from(storage.owner[offset * itemsize : (offset + size) * itemsize])
        return TypedStorage(storage, dtype)

    def fill(self, key: Any) -> None:
        """Read the contents of a storage: how many elements, and the elements."""
        if not isinstance(key, str) or key not in self.storages:
            raise damaged("it has contents that no tensor uses")
        storage, count, itemsize = self.storages[key]
        written = int.from_bytes(self.data[self.at : self.at + 8], "little" if self.little else "big")
        start, nbytes = self.at + 8, count * itemsize
        if written != count or start + nbytes > len(self.data):
            raise damaged("the contents of a storage end too early or have another size")
        contents = np.frombuffer(self.data, np.uint8, nbytes, start)
        if itemsize > 1 and self.little != (sys.byteorder == "little"):
            contents = contents.view(f"u{itemsize}").byteswap().view(np.uint8)
        storage.owner[:] = contents
        self.at = start + nbytes


def read(data: bytes) -> tuple[Any, int]:
    """The object, and where the checkpoint ends."""
    reader = _Reader(data)
    magic, protocol, system = reader.next(), reader.next(), reader.next()
    if magic != _MAGIC or protocol != _PROTOCOL or not isinstance(system, dict):
        raise damaged("it does not begin as one")
    reader.little = bool(system.get("little_endian", True))
    found = reader.next()
    keys = reader.next()
    if not isinstance(keys, list):
        raise damaged("it has no list of storages")
    for key in keys:
        reader.fill(key)
    if len(set(map(str, keys))) != len(reader.storages):
        raise damaged("contents of storages are missing")
    return found, reader.at
