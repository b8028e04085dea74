"""Stride arithmetic against NumPy's, and the interning of layouts."""

from __future__ import annotations

import gc
import pickle
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingot.runtime import dtypes, layout
from ingot.runtime.errors import ShapeError
from ingot.runtime.layout import Layout

shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


def strides_of(array: np.ndarray[Any, Any]) -> tuple[int, ...]:
    return tuple(stride // array.itemsize for stride in array.strides)


@given(shapes)
def test_contiguous_strides(shape: tuple[int, ...]) -> None:
    strides = layout.contiguous_strides(shape)
    assert layout.is_contiguous(shape, strides)
    if 0 not in shape:
        assert strides == strides_of(np.empty(shape))


@given(shapes, st.data())
def test_views_of_permuted_arrays_follow_numpy(shape: tuple[int, ...], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(shape))))
    array = np.empty(shape).transpose(order)
    strides = strides_of(array)
    target = tuple(data.draw(st.permutations(array.shape))) if data.draw(st.booleans()) else (array.size,)
    if 0 in shape:
        assert layout.view_strides(array.shape, strides, target) is not None
        return
    found = layout.view_strides(array.shape, strides, target)
    view = array.reshape(target)
    if not np.shares_memory(view, array):
        assert found is None
        return
    assert found is not None
    # Strides along axes of size one address nothing and may differ.
    assert [f for f, n in zip(found, target, strict=True) if n > 1] == [
        s for s, n in zip(strides_of(view), target, strict=True) if n > 1
    ]


@given(shapes.filter(len), st.data())
def test_extents_of_slices(shape: tuple[int, ...], data: st.DataObject) -> None:
    bound = st.none() | st.integers(-6, 6)
    array = np.arange(np.prod(shape)).reshape(shape)
    index = [slice(data.draw(bound), data.draw(bound), data.draw(st.sampled_from((1, 2, 3, -1, -2)))) for _ in shape]
    view = array[tuple(index)]
    low, high = layout.storage_extent(view.shape, strides_of(view), int(view.flat[0]) if view.size else 0)
    assert (low, high) == ((view.min(), view.max() + 1) if view.size else (0, 0))


@given(st.lists(shapes, min_size=1, max_size=3))
def test_broadcasting_follows_numpy(many: list[tuple[int, ...]]) -> None:
    try:
        wanted = np.broadcast_shapes(*many)
    except ValueError:
        with pytest.raises(ShapeError, match="cannot be broadcast"):
            layout.broadcast_shapes(*many)
        return
    assert layout.broadcast_shapes(*many) == wanted


def test_broadcast_error_names_shapes_and_dimension() -> None:
    with pytest.raises(ShapeError) as caught:
        layout.broadcast_shapes((2, 3), (4, 3))
    assert str(caught.value).splitlines() == [
        "[IG201] shapes (2, 3) and (4, 3) cannot be broadcast together",
        "  dimension -2: 2 against 4",
    ]
    assert isinstance(caught.value, RuntimeError)


def test_refusals() -> None:
    with pytest.raises(ShapeError, match="dimension 2 is out of range"):
        layout.normalize_dim(2, 2)
    with pytest.raises(ShapeError, match=r"has 4 elements, \(6,\) has 6"):
        layout.view_strides((6,), (1,), (4,))
    with pytest.raises(ShapeError, match="has 5 elements, the tensor has 6"):
        layout.resolve_shape((5,), 6)
    with pytest.raises(ShapeError, match="does not fit 7 elements"):
        layout.resolve_shape((2, -1), 7)
    with pytest.raises(ShapeError, match="at most one is -1"):
        layout.resolve_shape((-1, -1), 4)
    assert layout.resolve_shape((2, -1), 6) == (2, 3)


def test_layouts_are_interned() -> None:
    first = Layout.of(dtypes.float32, (2, 3))
    assert first is Layout.of(dtypes.float32, (2, 3), (3, 1))
    assert first is not Layout.of(dtypes.float64, (2, 3))
    assert first is not Layout.of(dtypes.float32, (2, 3), (1, 2))
    assert first is pickle.loads(pickle.dumps(first))
    assert (first.ndim, first.numel, first.nbytes, first.itemsize, first.contiguous) == (2, 6, 24, 4, True)
    assert not Layout.of(dtypes.float32, (2, 3), (1, 2)).contiguous
    assert repr(first) == "f32[2,3]"
    numbers: Any = (np.int64(7), True)
    assert all(type(size) is int for size in Layout.of(dtypes.float32, numbers).shape)


def test_layouts_do_not_live_for_ever() -> None:
    kept = Layout.of(dtypes.float32, (12345, 1))
    gone = weakref.ref(Layout.of(dtypes.float32, (12345, 2)))
    layout._recent.cache_clear()
    gc.collect()
    assert gone() is None
    assert Layout.of(dtypes.float32, (12345, 1)) is kept


def test_interning_is_safe_under_threads() -> None:
    for round_number in range(20):
        layout._recent.cache_clear()
        found: list[Layout] = []
        barrier = threading.Barrier(4)

        def make(number: int = round_number, barrier: threading.Barrier = barrier, out: list[Layout] = found) -> None:
            barrier.wait()
            out.append(Layout.of(dtypes.float32, (99, number)))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(map(id, found))) == 1


def test_malformed_layouts() -> None:
    with pytest.raises(ShapeError, match="negative size"):
        Layout.of(dtypes.float32, (-1,))
    with pytest.raises(ShapeError, match="1 strides"):
        Layout.of(dtypes.float32, (2, 3), (1,))
    with pytest.raises(TypeError, match=r"Layout\.of"):
        Layout()
