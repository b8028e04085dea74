"""Messages between the loader and its workers, through a socket; large ones through a file in memory.

A message is one packet. The bytes of tensors and arrays go into an anonymous file, whose descriptor travels with the
packet; the receiver maps it, so they are copied once. Nothing has a name, so nothing is left when a process dies.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import pickle
import select
import socket
import struct
import tempfile
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from ingot.copying import reduced
from ingot.core import TensorBase, array_of, new_tensor, tensor_from_array

# A packet must fit the socket's buffer, of which Linux gives 208 KiB, several times.
_INLINE = 16 * 1024
_ALIGNMENT = 64
_SIZES = struct.Struct("<q")
# In the place of a message: it is in the file that comes along.
_IN_FILE = _SIZES.pack(-1)


class Closed(Exception):
    """The process at the other end has gone."""


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        """A part of a larger memory travels alone."""
        if isinstance(obj, TensorBase) and not _fills_its_storage(obj):
            alone = tensor_from_array(np.array(array_of(obj), order="C", copy=True))
            copied = new_tensor(alone._layout, alone._storage, 0, type(obj))
            copied._requires_grad = obj.requires_grad  # type: ignore[attr-defined]
            return reduced(copied)
        return NotImplemented


def _fills_its_storage(tensor: TensorBase) -> bool:
    return tensor._layout.nbytes >= tensor._storage.nbytes  # type: ignore[union-attr]


def packed(obj: Any) -> tuple[bytes, list[memoryview]]:
    """The pickle of an object, and the memory beside it."""
    file, beside = io.BytesIO(), []

    def keep(buffer: pickle.PickleBuffer) -> None:
        beside.append(buffer.raw())

    _Pickler(file, 5, buffer_callback=keep).dump(obj)
    return file.getvalue(), beside


class Channel:
    """One end of a connection. The loader's end is not blocking: it takes in results while it sends."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self.waiting: deque[Any] = deque()

    def close(self) -> None:
        """End the connection: the other side's `receive` and `send` raise Closed."""
        # Workers that were forked later have copies of this end, so closing it alone would not end the connection.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    # ---- sending

    def send(self, obj: Any) -> None:
        """Send an object. Raises Closed, and whatever pickling it raises."""
        self.send_packed(*packed(obj))

    def send_packed(self, data: bytes, beside: list[memoryview]) -> None:
        """Send what `packed` gave."""
        sizes = [len(data), *(part.nbytes for part in beside)]
        head = _SIZES.pack(len(sizes)) + b"".join(map(_SIZES.pack, sizes))
        if sum(sizes) + len(head) + _ALIGNMENT * (len(sizes) + 1) <= _INLINE:
            self._packet(b"".join(_padded([head, data, *beside])), [])
            return
        handle = _memory_file()
        try:
            _write_parts(handle, [head, data, *beside])
            self._packet(_IN_FILE, [handle])
        finally:
            os.close(handle)

    def _packet(self, data: bytes, handles: list[int]) -> None:
        while True:
            try:
                socket.send_fds(self.socket, [data], handles)
                return
            except BlockingIOError:
                readable, _, _ = select.select([self.socket], [self.socket], [])
                if readable:
                    self.waiting.append(self._received())
            except OSError as error:
                raise Closed from error

    # ---- receiving

    def receive(self) -> Any:
        """The next object, as soon as it has come. Raises Closed."""
        return self.waiting.popleft() if self.waiting else self._received()

    def _received(self) -> Any:
        try:
            data, handles = self._next_packet()
        except BlockingIOError:
            raise
        except OSError as error:
            raise Closed from error
        if not data:
            raise Closed
        if data != _IN_FILE:
            return _unpacked(memoryview(bytearray(data)))
        try:
            return _unpacked(memoryview(mmap.mmap(handles[0], 0)))
        finally:
            os.close(handles[0])

    def _next_packet(self) -> tuple[bytes, list[int]]:
        try:
            return socket.recv_fds(self.socket, _INLINE, 1)[:2]
        except ConnectionResetError:
            # It is reported once, ahead of packets that the other side sent before it went.
            return socket.recv_fds(self.socket, _INLINE, 1)[:2]


def _memory_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("ingot-batch", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _padded(parts: list[Any]) -> Iterator[Any]:
    """The parts, each followed by zeros up to a multiple of the alignment."""
    for part in parts:
        yield part
        yield bytes(-memoryview(part).nbytes % _ALIGNMENT)


def _write_parts(handle: int, parts: list[Any]) -> None:
    for part in _padded(parts):
        view = memoryview(part).cast("B")
        while len(view):
            view = view[os.write(handle, view) :]


def _unpacked(memory: memoryview) -> Any:
    (count,) = _SIZES.unpack_from(memory)
    sizes = [_SIZES.unpack_from(memory, (i + 1) * _SIZES.size)[0] for i in range(count)]
    place = (count + 1) * _SIZES.size
    parts = []
    for size in sizes:
        place += -place % _ALIGNMENT
        parts.append(memory[place : place + size])
        place += size
    return pickle.loads(parts[0], buffers=parts[1:])


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends, the first of which does not block."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs
