"""The recycling allocator behind Storage: 64-byte aligned, padded blocks in one LIFO free list per size class.

There are four size classes per octave, so a block is at most a quarter larger than asked. A recycled block costs no
page faults; a fresh 40 MB one costs 2 to 16 ms of them.
"""

import ctypes
import mmap
import os
import sys
import threading
from collections.abc import Callable
from typing import Protocol

from ingot.runtime.errors import BuildError
from ingot.runtime.native import NativeRuntime

ALIGNMENT = 64
# Blocks of this size and above ask for huge pages (fault cost 1.75 ms instead of 16 ms per 40 MB).
HUGE_BLOCK = 4 << 20
CLASSES = 240


def size_class(nbytes: int) -> tuple[int, int]:
    """(index, bytes) of the class that serves a request of `nbytes`."""
    units = max((nbytes + ALIGNMENT - 1) // ALIGNMENT, 1)
    if units <= 4:
        return units - 1, units * ALIGNMENT
    octave = (units - 1).bit_length() - 1
    step = 1 << (octave - 2)
    steps = -(-units // step)
    return 4 * (octave - 1) + steps - 5, steps * step * ALIGNMENT


def default_limit() -> int:
    """Bytes that may stay cached: a quarter of the machine's memory."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    except (AttributeError, ValueError, OSError):
        return 1 << 30


class Pool(Protocol):
    """What an allocator offers; a block lives as long as its owner object."""

    @property
    def allocate(self) -> Callable[[int], tuple[int, object]]:
        """nbytes -> (address, owner) of a block of at least `nbytes`. Raises BuildError (IG504)."""

    def empty_cache(self) -> int:
        """Return the cached blocks to the system; the number of bytes returned."""

    def set_limit(self, nbytes: int) -> None:
        """Bytes that may stay cached."""

    def stats(self) -> dict[str, int]:
        """Byte and call counts; see `stats`."""


class PythonPool:
    """The allocator without native code. Safe under threads: list.pop and list.append are atomic."""

    def __init__(self) -> None:
        self.limit = default_limit()
        self.free: list[list[tuple[int, object]]] = [[] for _ in range(CLASSES)]
        self.lock = threading.RLock()
        self.counts = dict.fromkeys(("allocations", "system_allocations", "allocated", "cached"), 0)

    def allocate(self, nbytes: int) -> tuple[int, object]:
        """(address, owner) of a block of at least `nbytes`. Raises BuildError (IG504)."""
        index, size = size_class(nbytes)
        with self.lock:
            counts = self.counts
            counts["allocations"] += 1
            counts["allocated"] += size
            if self.free[index]:
                address, memory = self.free[index].pop()
                counts["cached"] -= size
            else:
                address, memory = self._from_system(size)
        return address, _Block(self, index, size, address, memory)

    def _from_system(self, size: int) -> tuple[int, object]:
        self.counts["system_allocations"] += 1
        try:
            return _system_memory(size)
        except (MemoryError, OSError, OverflowError, ValueError):
            self.empty_cache()
        try:
            return _system_memory(size)
        except (MemoryError, OSError, OverflowError, ValueError):
            self.counts["allocated"] -= size
            raise out_of_memory(size) from None

    def release(self, index: int, size: int, address: int, memory: object) -> None:
        """Take a block back: keep it for reuse, or drop it when the cache is full."""
        with self.lock:
            self.counts["allocated"] -= size
            if self.counts["cached"] + size <= self.limit:
                self.counts["cached"] += size
                self.free[index].append((address, memory))

    def empty_cache(self) -> int:
        """Return the cached blocks to the system; the number of bytes returned."""
        with self.lock:
            returned = self.counts["cached"]
            self.counts["cached"] = 0
            for blocks in self.free:
                blocks.clear()
        return returned

    def set_limit(self, nbytes: int) -> None:
        """Bytes that may stay cached."""
        self.limit = nbytes
        if self.counts["cached"] > nbytes:
            self.empty_cache()

    def stats(self) -> dict[str, int]:
        """Byte and call counts; see `stats`."""
        return dict(self.counts)


class _Block:
    """One block in use; it returns to its pool when the last reference goes."""

    __slots__ = ("address", "index", "memory", "pool", "size")

    def __init__(self, pool: PythonPool, index: int, size: int, address: int, memory: object) -> None:
        self.pool = pool
        self.index = index
        self.size = size
        self.address = address
        self.memory = memory

    def __del__(self) -> None:
        self.pool.release(self.index, self.size, self.address, self.memory)


def _system_memory(size: int) -> tuple[int, object]:
    """Fresh zeroed memory and the object that holds it."""
    if size < HUGE_BLOCK:
        small = bytearray(size + ALIGNMENT)
        start = ctypes.addressof(ctypes.c_char.from_buffer(small))
        return -(-start // ALIGNMENT) * ALIGNMENT, small
    large = mmap.mmap(-1, size)
    if sys.platform == "win32":
        large = mmap.mmap(-1, size)
    else:
        # Private: a forked child must not share tensors with its parent.
        large = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if sys.platform == "linux":
        large.madvise(mmap.MADV_HUGEPAGE)
    return ctypes.addressof(ctypes.c_char.from_buffer(large)), large


def out_of_memory(nbytes: int) -> BuildError:
    """The error for a request that the system refuses."""
    return BuildError(
        "IG504",
        f"the system has no memory for a block of {nbytes} bytes ({nbytes / 2**30:.2f} GiB)",
        detail=[f"held by tensors: {stats()['allocated']} bytes"],
    )


def raise_out_of_memory(nbytes: int) -> None:
    """Raise the error for a request that the system refuses; native code calls this."""
    raise out_of_memory(nbytes)


class NativePool:
    """The allocator of allocator.ll, which the native call path uses too; `allocate` is the built-in function."""

    def __init__(
        self, runtime: NativeRuntime, allocate: Callable[[int], tuple[int, object]], before: PythonPool
    ) -> None:
        self.runtime = runtime
        self.allocate = allocate
        self.before = before
        self.empty: Callable[[], int] = ctypes.PYFUNCTYPE(ctypes.c_int64)(runtime.address["pool_empty"])
        self.set_limit(before.limit)
        # Blocks made so far stay with their pool, which keeps nothing from here on.
        before.set_limit(0)

    def empty_cache(self) -> int:
        """Return the cached blocks to the system; the number of bytes returned."""
        return self.empty() + self.before.empty_cache()

    def set_limit(self, nbytes: int) -> None:
        """Bytes that may stay cached."""
        self.runtime.set_word("pool_counts", nbytes, 4)
        if self.runtime.word("pool_counts", 3) > nbytes:
            self.empty()

    def stats(self) -> dict[str, int]:
        """Byte and call counts; see `stats`."""
        names = ("allocations", "system_allocations", "allocated", "cached")
        counts = self.before.stats()
        return {name: counts[name] + self.runtime.word("pool_counts", index) for index, name in enumerate(names)}


_python_pool = PythonPool()
_pool: Pool = _python_pool


def attach(runtime: NativeRuntime, allocate: Callable[[int], tuple[int, object]]) -> None:
    """Serve all requests natively from here on."""
    global _pool
    if _pool is _python_pool:
        _pool = NativePool(runtime, allocate, _python_pool)


def allocate(nbytes: int) -> tuple[int, object]:
    """(address, owner) of a 64-byte aligned block, recycled if possible. Raises BuildError (IG504)."""
    return _pool.allocate(nbytes)


def empty_cache() -> int:
    """Return the cached blocks to the system; the number of bytes returned."""
    return _pool.empty_cache()


def set_limit(nbytes: int) -> None:
    """Bytes that may stay cached instead of returning to the system."""
    _pool.set_limit(nbytes)


def stats() -> dict[str, int]:
    """Counts of the pool: bytes `allocated` to tensors and `cached` for reuse, calls `allocations` (requests) and
    `system_allocations` (requests that needed fresh memory)."""
    return _pool.stats()
