"""The recycling allocator, native and in Python, against one another."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingot.runtime import dispatch, pool
from ingot.runtime.errors import BuildError
from ingot.runtime.pool import PythonPool


@pytest.fixture(params=["python", "native"])
def allocator(request: pytest.FixtureRequest, tensor_types: Any) -> Iterator[pool.Pool]:
    if request.param == "python":
        yield PythonPool()
        return
    assert dispatch.activate()
    current = pool._pool
    current.empty_cache()
    yield current
    current.set_limit(pool.default_limit())


@given(st.integers(0, 1 << 40))
def test_size_classes(nbytes: int) -> None:
    index, size = pool.size_class(nbytes)
    assert size >= max(nbytes, 1) and size % 64 == 0 and 0 <= index < 240
    assert size <= max(64, 1.25 * nbytes + 64)
    assert pool.size_class(size) == (index, size)
    assert pool.size_class(size + 1)[0] == index + 1


def test_blocks_are_recycled_last_in_first_out(allocator: pool.Pool) -> None:
    first, first_owner = allocator.allocate(1000)
    second, second_owner = allocator.allocate(1000)
    assert first % 64 == 0 and second % 64 == 0 and abs(first - second) >= 1000
    before = allocator.stats()
    del first_owner
    del second_owner
    assert allocator.allocate(990)[0] == second
    third, third_owner = allocator.allocate(990)
    fourth, fourth_owner = allocator.allocate(1024)
    assert {third, fourth} == {first, second}
    assert allocator.stats()["system_allocations"] == before["system_allocations"]
    assert third_owner is not fourth_owner


def test_native_and_python_agree_on_sizes(tensor_types: Any) -> None:
    assert dispatch.activate()
    for nbytes in [0, 1, 64, 65, 256, 257, 320, 321, 1000, 4096, 5000, 65537, 1 << 20, (1 << 20) + 1, 5 << 20]:
        before = pool.stats()["allocated"]
        owner = pool.allocate(nbytes)
        assert pool.stats()["allocated"] - before == pool.size_class(nbytes)[1]
        del owner
        assert pool.stats()["allocated"] == before


def test_memory_is_usable_to_its_last_byte(allocator: pool.Pool) -> None:
    for nbytes in (1, 64, 4 << 20, (4 << 20) + 1):
        address, owner = allocator.allocate(nbytes)
        ctypes.memset(address, 0xAB, pool.size_class(nbytes)[1])
        assert ctypes.string_at(address + nbytes - 1, 1) == b"\xab"
        del owner


def test_the_cache_has_a_limit(allocator: pool.Pool) -> None:
    allocator.set_limit(10_000)
    before = allocator.stats()
    owners = [allocator.allocate(4096)[1] for _ in range(5)]
    assert allocator.stats()["allocated"] - before["allocated"] == 5 * 4096
    owners.clear()
    assert allocator.stats()["allocated"] == before["allocated"]
    assert allocator.stats()["cached"] == 2 * 4096
    allocator.set_limit(0)
    assert allocator.stats()["cached"] == 0


def test_empty_cache_returns_everything(allocator: pool.Pool) -> None:
    owner = allocator.allocate(1 << 20)[1]
    other = allocator.allocate(200)[1]
    del owner, other
    cached = allocator.stats()["cached"]
    assert cached >= (1 << 20) + 256
    assert allocator.empty_cache() == cached
    assert allocator.stats()["cached"] == 0
    before = allocator.stats()["system_allocations"]
    assert allocator.allocate(1 << 20)[1] is not None
    assert allocator.stats()["system_allocations"] == before + 1


@pytest.mark.parametrize("nbytes", [1 << 45, 1 << 50])
def test_out_of_memory_is_an_error_and_loses_nothing(allocator: pool.Pool, nbytes: int) -> None:
    before = allocator.stats()["allocated"]
    with pytest.raises(BuildError, match=r"\[IG504\] the system has no memory for a block of \d+ bytes"):
        allocator.allocate(nbytes)
    assert allocator.stats()["allocated"] == before
    address, owner = allocator.allocate(64)
    assert address and owner


def test_the_module_functions(tensor_types: Any) -> None:
    assert dispatch.activate()
    address, owner = pool.allocate(100)
    assert address % 64 == 0
    held = pool.stats()["allocated"]
    del owner
    assert pool.stats()["allocated"] == held - 128
    assert pool.empty_cache() >= 128
    with pytest.raises(BuildError, match="IG504"):
        pool.allocate(-1)
