"""PyTorch's zip checkpoints: archive/data.pkl, the storages as archive/data/0, 1, ..., and a few small entries.

Entries are stored, not compressed, and the contents of storages begin at multiples of 64 bytes, so that a file can be
mapped into memory. Facts from PyTorch's note on serialization semantics and from files that it wrote.
"""

from __future__ import annotations

import sys
import zlib
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ingot.runtime.storage import Storage
from ingot.serialization.errors import CheckpointError, damaged
from ingot.serialization.pickler import pickled
from ingot.serialization.rebuild import StorageClass, TypedStorage, storage_bytes, storage_from
from ingot.serialization.safe import is_known
from ingot.serialization.unpickler import Unpickler

if TYPE_CHECKING:
    import zipfile

_ALIGNMENT = 64
# Bytes of a local header before the name (PKWARE's APPNOTE.TXT 4.3.7), and of one that carries 64-bit sizes.
_HEADER = 30
_WIDE_SIZES = 20
# Fewer bytes than this need no 64-bit sizes.
_NARROW = 0x7FFFFFFF
_CHUNK = 1 << 22


# ---- writing


def write(obj: Any, file: IO[bytes], protocol: int) -> None:
    """Write an object as a zip checkpoint. Contents of storages go from their memory to the file."""
    import zipfile  # 5 ms that only files need

    data, storages = pickled(obj, protocol)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _put(archive, "data.pkl", data)
        _put(archive, ".format_version", b"1")
        _put(archive, ".storage_alignment", str(_ALIGNMENT).encode())
        _put(archive, "byteorder", sys.byteorder.encode())
        for number, storage in enumerate(storages):
            _put(archive, f"data/{number}", storage_bytes(storage))
        _put(archive, "version", b"3\n")


def _put(archive: zipfile.ZipFile, name: str, data: Any) -> None:
    import zipfile

    contents = memoryview(data).cast("B") if len(data) else memoryview(b"")
    # The date is fixed: equal objects make equal files.
    info = zipfile.ZipInfo(f"archive/{name}", (1980, 1, 1, 0, 0, 0))
    info.file_size = contents.nbytes
    wide = contents.nbytes >= _NARROW
    assert archive.fp is not None
    # Zip fields are padded by one of their own, of at least four bytes; PyTorch's are called "FB" too.
    start = archive.fp.tell() + _HEADER + len(info.filename) + (_WIDE_SIZES if wide else 0) + 4
    padding = -start % _ALIGNMENT
    info.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
    with archive.open(info, "w", force_zip64=wide) as entry:
        for begin in range(0, contents.nbytes, _CHUNK):
            entry.write(contents[begin : begin + _CHUNK])


# ---- reading


class Reader:
    """A zip checkpoint that is open: its entries, and storages as they are asked for."""

    def __init__(self, file: IO[bytes], path: str | None) -> None:
        import zipfile

        self.file = file
        self.path = path
        self.size = file.seek(0, 2)
        try:
            self.archive = zipfile.ZipFile(file)
            self.entries = {info.filename: info for info in self.archive.infolist()}
        except Exception as error:  # whatever a damaged directory leads to
            raise damaged(f"the list of its entries at the end cannot be read ({error}); was it cut short?") from None
        self.root = next((name[: -len("data.pkl")] for name in self.entries if name.endswith("/data.pkl")), None)
        self.storages: dict[str, Storage] = {}
        self.taken = 0
        self.mapped: np.ndarray[Any, Any] | None = None

    def load(self, mmap: bool) -> Any:
        """The object."""
        if self.root is None or f"{self.root}constants.pkl" in self.entries:
            what = "is a zip file without data.pkl" if self.root is None else "holds a TorchScript program"
            raise CheckpointError(
                "IG406", f"the file {what}, no checkpoint", fix="torch.save(model.state_dict(), file)"
            )
        if mmap:
            self.mapped = np.asarray(np.memmap(str(self.path), np.uint8, "c"))
        order = self.bytes_of("byteorder") if f"{self.root}byteorder" in self.entries else b"little"
        if order not in (b"little", b"big"):
            raise damaged(f"it names the byte order {order[:20]!r}")
        self.swapped = order.decode() != sys.byteorder
        return Unpickler(self.bytes_of("data.pkl"), self.persistent).load()

    def unknown_names(self) -> list[str]:
        """The full names in the pickle that are not allowed."""
        import pickletools

        texts: list[str] = []
        unknown: dict[str, None] = {}
        for operation, argument, _ in pickletools.genops(self.bytes_of("data.pkl")):
            if isinstance(argument, str) and operation.name != "GLOBAL":
                texts.append(argument)
            if operation.name in ("GLOBAL", "STACK_GLOBAL"):
                module, name = argument.split(" ", 1) if argument else texts[-2:]
                if not is_known(module, name):
                    unknown[f"{module}.{name}"] = None
        return list(unknown)

    def persistent(self, given: Any) -> TypedStorage:
        """The storage that a persistent id names."""
        if not (isinstance(given, tuple) and len(given) == 5 and given[0] == "storage"):
            raise damaged("a storage has no name")
        _, kind, key, _, count = given
        if not (isinstance(kind, StorageClass) and isinstance(key, str) and type(count) is int and count >= 0):
            raise damaged("a storage has no name")
        dtype = kind.dtype()
        if key not in self.storages:
            data = self.contents(f"data/{key}", count * (1 if dtype is None else dtype.itemsize))
            if self.swapped and dtype is not None and dtype.itemsize > 1:
                data = data.view(f"u{dtype.itemsize}").byteswap().view(np.uint8)
            self.storages[key] = storage_from(data)
        return TypedStorage(self.storages[key], dtype)

    def bytes_of(self, name: str) -> bytes:
        """A small entry."""
        return self.contents(name, None).tobytes()

    def contents(self, name: str, expected: int | None) -> np.ndarray[Any, Any]:
        """The bytes of an entry, checked against its checksum unless they are mapped."""
        info = self.entries.get(f"{self.root}{name}")
        if info is None:
            raise damaged(f"it has no entry {name}")
        if expected is not None and info.file_size != expected:
            raise damaged(f"entry {name} has {info.file_size} bytes where its tensors need {expected}")
        if info.flag_bits & 1 or info.compress_type not in (0, 8):
            raise damaged(f"entry {name} is encrypted or compressed in a way that is not read")
        if info.compress_type == 8:
            return self._inflated(info)
        start = self._start(info)
        # Entries of a real file do not overlap.
        self.taken += info.file_size
        if self.taken > self.size:
            raise damaged("its entries hold more than the file")
        if start + info.file_size > self.size or info.compress_size != info.file_size:
            raise damaged(f"entry {name} reaches over the end of the file")
        if self.mapped is not None and expected is not None:
            return self.mapped[start : start + info.file_size]
        return self._read(info, start)

    def _start(self, info: zipfile.ZipInfo) -> int:
        """Where the contents begin: behind the local header, its name and its extra field."""
        if info.header_offset < 0:
            raise damaged(f"entry {info.filename} begins before the file")
        self.file.seek(info.header_offset)
        header = self.file.read(_HEADER)
        if len(header) < _HEADER or header[:4] != b"PK\x03\x04":
            raise damaged(f"entry {info.filename} has no header")
        name = int.from_bytes(header[26:28], "little")
        if self.file.read(name) != info.orig_filename.encode("utf-8", "replace"):
            raise damaged(f"entry {info.filename} is called otherwise in its header")
        return info.header_offset + _HEADER + name + int.from_bytes(header[28:30], "little")

    def _read(self, info: zipfile.ZipInfo, start: int) -> np.ndarray[Any, Any]:
        self.file.seek(start)
        array = np.empty(info.file_size, np.uint8)
        memory, checksum = array.data, 0
        for begin in range(0, info.file_size, _CHUNK):
            part = memory[begin : begin + _CHUNK]
            _fill(self.file, part, info.filename)
            checksum = zlib.crc32(part, checksum)
        if checksum != info.CRC:
            raise damaged(f"the checksum of entry {info.filename} does not match")
        return array

    def _inflated(self, info: zipfile.ZipInfo) -> np.ndarray[Any, Any]:
        try:
            return np.frombuffer(bytearray(self.archive.read(info)), np.uint8)
        except Exception as error:  # whatever damaged compressed data leads to
            raise damaged(f"entry {info.filename} cannot be read: {error}") from None


def _fill(file: IO[bytes], memory: memoryview, name: str) -> None:
    """Read as many bytes as the memory has."""
    readinto = getattr(file, "readinto", None)
    filled = 0
    while filled < memory.nbytes:
        if readinto is not None:
            count = readinto(memory[filled:])
        else:
            data = file.read(memory.nbytes - filled)
            count = len(data)
            memory[filled : filled + count] = data
        if not count:
            raise damaged(f"entry {name} ends too early")
        filled += count
