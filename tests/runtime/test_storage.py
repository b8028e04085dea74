"""Storage on blocks and on arrays."""

from __future__ import annotations

import sys
import weakref

import numpy as np
import pytest

from ingot.runtime import dtypes
from ingot.runtime.errors import ShapeError, SpecError
from ingot.runtime.layout import Layout
from ingot.runtime.storage import Storage


def test_allocated_memory_is_aligned_and_writable() -> None:
    for nbytes in (0, 1, 63, 64, 65, 4096, 5 << 20):
        storage = Storage.allocate(nbytes)
        assert storage.data_ptr() % 64 == 0 and storage.nbytes == nbytes
        view = storage.array(Layout.of(dtypes.uint8, (nbytes,)))
        view[...] = 7
        assert view.sum() == 7 * nbytes


def test_an_array_view_keeps_the_block() -> None:
    storage = Storage.allocate(800)
    view = storage.array(Layout.of(dtypes.float64, (100,)))
    view[...] = 3.0
    owner, watch = storage.owner, weakref.ref(storage)
    holders = sys.getrefcount(owner)
    del storage
    others = [Storage.allocate(800) for _ in range(4)]
    for other in others:
        other.array(Layout.of(dtypes.float64, (100,)))[...] = 4.0
    assert watch() is None and (view == 3.0).all()
    del view
    assert sys.getrefcount(owner) == holders - 2


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_arrays_are_shared_not_copied(dtype: dtypes.DType) -> None:
    array = np.zeros((3, 4), dtype.numpy)
    storage = Storage.from_numpy(array)
    assert storage.ptr is None and storage.data_ptr() == array.__array_interface__["data"][0] == storage.ptr
    view = storage.array(Layout.of(dtype, (4, 3), (1, 4)))
    view[1, 2] = 1
    assert array[2, 1] == 1
    part = storage.array(Layout.of(dtype, (2, 2), (4, 2)), 5)
    part[...] = 1
    assert array[1, 1] == array[1, 3] == array[2, 1] == array[2, 3] == 1
    assert storage.array(Layout.of(dtype, (3, 4))) is array


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_strided_views_of_blocks(dtype: dtypes.DType) -> None:
    storage = Storage.allocate(12 * dtype.itemsize)
    whole = storage.array(Layout.of(dtype, (12,)))
    whole[...] = np.arange(12) % 2
    view = storage.array(Layout.of(dtype, (2, 3), (6, 2)), 1)
    assert view.dtype == dtype.numpy and (view == 1).all()


def test_expanded_views() -> None:
    storage = Storage.from_numpy(np.array([5.0]))
    assert (storage.array(Layout.of(dtypes.float64, (3, 2), (0, 0))) == 5.0).all()


def test_refusals() -> None:
    with pytest.raises(SpecError, match=r"\[IG206\].*is not C-contiguous\n  write instead: array.copy\(\)"):
        Storage.from_numpy(np.zeros((3, 4)).T)
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    with pytest.raises(SpecError, match="is read-only"):
        Storage.from_numpy(frozen)
    storage = Storage.allocate(16)
    with pytest.raises(ShapeError, match=r"\[IG207\] a view f64\[2\] at element 1 touches elements \[1, 3\)"):
        storage.array(Layout.of(dtypes.float64, (2,)), 1)
    with pytest.raises(ShapeError, match="IG207"):
        storage.array(Layout.of(dtypes.float64, (2,), (-1,)), 0)


def test_empty_views_may_point_anywhere() -> None:
    storage = Storage.allocate(16)
    assert storage.array(Layout.of(dtypes.float64, (0, 3)), 100).shape == (0, 3)
