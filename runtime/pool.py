"""The recycling allocator behind Storage: 64-byte aligned, padded blocks in one LIFO free list per size class.

There are four size classes per octave, so a block is at most a quarter larger than asked. A recycled block costs no
page faults; a fresh 40 MB one costs 2 to 16 ms of them.
"""

import ctypes
import mmap
import os
import sys
from collections.abc import Callable
from typing import Protocol

from ingot.runtime.errors import BuildError
from ingot.runtime.native import NativeRuntime

ALIGNMENT = 64
# Blocks of this size and above ask for huge pages (fault cost 1.75 ms instead of 16 ms per 40 MB).
HUGE_BLOCK = 4 << 20


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


class FreeList:
    """The blocks of one size: `blocks` holds the cached ones as (address, memory), last in first out; `made` counts
    them and those in use; at most `most` stay cached."""

    __slots__ = ("blocks", "made", "most", "size")

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.blocks: list[tuple[int, object]] = []
        self.made = 0
        self.most = limit // size


class Block:
    """One block in use; it returns to its free list when the last reference goes."""

    __slots__ = ("free", "pair")

    def __init__(self, free: FreeList, pair: tuple[int, object]) -> None:
        self.free = free
        self.pair = pair

    def __del__(self) -> None:
        free = self.free
        if len(free.blocks) < free.most:
            free.blocks.append(self.pair)
        else:
            free.made -= 1


class PythonPool:
    """The allocator without native code. Taking and returning a block are single list operations, which are atomic.

    The limit holds for each size at once and for the total whenever fresh memory is needed.
    """

    def __init__(self) -> None:
        self.limit = default_limit()
        self.lists: dict[int, FreeList] = {}
        # Request sizes seen so far, so that repeating one costs no arithmetic.
        self.by_request: dict[int, FreeList] = {}
        self.system_allocations = 0

    def allocate(self, nbytes: int) -> tuple[int, object]:
        """(address, owner) of a block of at least `nbytes`. Raises BuildError (IG504)."""
        free = self.by_request.get(nbytes) or self.free_list(nbytes)
        try:
            pair = free.blocks.pop()
        except IndexError:
            pair = self.refill(free)
        return pair[0], Block(free, pair)

    def free_list(self, nbytes: int) -> FreeList:
        """The free list that serves requests of `nbytes`."""
        _, size = size_class(nbytes)
        free = self.lists.setdefault(size, FreeList(size, self.limit))
        if len(self.by_request) > 4096:
            self.by_request.clear()
        self.by_request[nbytes] = free
        return free

    def refill(self, free: FreeList) -> tuple[int, object]:
        """(address, memory) of a fresh block. Raises BuildError (IG504)."""
        if self.stats()["cached"] > self.limit:
            self.empty_cache()
        self.system_allocations += 1
        try:
            pair = _system_memory(free.size)
        except (MemoryError, OSError, OverflowError, ValueError):
            self.empty_cache()
            try:
                pair = _system_memory(free.size)
            except (MemoryError, OSError, OverflowError, ValueError):
                raise out_of_memory(free.size) from None
        free.made += 1
        return pair

    def empty_cache(self) -> int:
        """Return the cached blocks to the system; the number of bytes returned."""
        returned = 0
        for free in list(self.lists.values()):
            dropped = len(free.blocks)
            del free.blocks[:dropped]
            free.made -= dropped
            returned += dropped * free.size
        return returned

    def set_limit(self, nbytes: int) -> None:
        """Bytes that may stay cached."""
        self.limit = nbytes
        for free in list(self.lists.values()):
            free.most = nbytes // free.size
        if self.stats()["cached"] > nbytes:
            self.empty_cache()

    def stats(self) -> dict[str, int]:
        """Byte and call counts; see `stats`."""
        lists = list(self.lists.values())
        return {
            "allocated": sum(free.size * (free.made - len(free.blocks)) for free in lists),
            "cached": sum(free.size * len(free.blocks) for free in lists),
            "system_allocations": self.system_allocations,
        }


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
        self.runtime.set_word("pool_counts", nbytes, 3)
        if self.runtime.word("pool_counts", 2) > nbytes:
            self.empty()

    def stats(self) -> dict[str, int]:
        """Byte and call counts; see `stats`."""
        names = ("system_allocations", "allocated", "cached")
        counts = self.before.stats()
        return {name: counts[name] + self.runtime.word("pool_counts", index) for index, name in enumerate(names)}


_python_pool = PythonPool()
_pool: Pool = _python_pool


def python_pool() -> PythonPool | None:
    """The allocator in use if it is the one without native code."""
    return _python_pool if _pool is _python_pool else None


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
    """Counts of the pool: bytes `allocated` to tensors and `cached` for reuse, and how many requests so far needed
    fresh memory, `system_allocations`."""
    return _pool.stats()
