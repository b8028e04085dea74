"""tensor[...] reads and writes what NumPy's does (where PyTorch agrees with it)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ingot
from ingot.runtime.errors import IngotError

A = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
MASK = np.array([True, False, True])

KEYS: list[Any] = [
    0,
    -1,
    (1, 2),
    (1, 2, 3),
    slice(1, None),
    slice(None, None, 2),
    slice(5, 9),
    (slice(None), slice(1, -1), slice(None, None, 3)),
    ...,
    (..., 1),
    (0, ..., slice(2)),
    None,
    (slice(None), None, 2),
    [0, 2],
    np.array([[0, 1], [2, 0]]),
    (slice(None), [1, -1]),
    ([0, 2], [1, 3]),
    ([0, 2], slice(None), [1, 3]),
    (slice(None), [0, 2], [1, 3]),
    (np.array([[0], [2]]), [1, 3]),
    MASK,
    (slice(None), np.array([True, False, True, False])),
    A > 30,
]


def ours(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(ours(k) for k in key)
    return ingot.from_numpy(key) if isinstance(key, np.ndarray) else key


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_reading(key: Any) -> None:
    x = ingot.tensor(A)
    np.testing.assert_array_equal(x[ours(key)].numpy(), A[key])


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_writing(key: Any) -> None:
    for value in (7.0, A[key] * -1):
        x, expected = ingot.tensor(A), A.copy()
        x[ours(key)] = ingot.tensor(value) if isinstance(value, np.ndarray) else value
        expected[key] = value
        np.testing.assert_array_equal(x.numpy(), expected)


def needs_elements(key: Any) -> bool:
    return any(getattr(k, "dtype", None) == np.bool_ for k in (key if isinstance(key, tuple) else (key,)))


@pytest.mark.parametrize("key", [k for k in KEYS if not needs_elements(k)])
def test_compiled(key: Any) -> None:
    index = ours(key)
    np.testing.assert_array_equal(ingot.jit(lambda x: x[index] * 2)(ingot.tensor(A)).numpy(), A[key] * 2)

    @ingot.jit
    def write(x: Any) -> Any:
        y = x.clone()
        y[index] = y[index] + 100
        return y

    expected = A.copy()
    expected[key] += 100
    np.testing.assert_array_equal(write(ingot.tensor(A)).numpy(), expected)


def test_compiled_index_tensors_may_be_negative() -> None:
    f = ingot.jit(lambda x, i: x[i])
    assert f(ingot.tensor([1.0, 2.0, 3.0]), ingot.tensor([-1, 0])).tolist() == [3, 1]


def test_compiled_masks_write_numbers() -> None:
    @ingot.jit
    def relu(x: Any) -> Any:
        y = x.clone()
        y[y < 0] = 0.0
        return y

    assert relu(ingot.tensor([-1.0, 2.0, -3.0])).tolist() == [0, 2, 0]
    with pytest.raises(IngotError, match=r"(?s)IG185.*x\[mask\] gives a shape that depends on the elements") as caught:
        ingot.jit(lambda x: x[x < 0])(ingot.ones(2))
    assert "where(mask, x, 0)" in str(caught.value)


def test_gradients_flow_through_indices() -> None:
    x = ingot.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x[[0, 0, 2]] * ingot.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [11, 0, 100]
    y = ingot.zeros(3)
    y[1:] = x[:2] * 2
    y[0] = x[2]
    x.grad = None
    (y * ingot.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [4, 6, 1]


def test_accumulating_put() -> None:
    x = ingot.zeros(3)
    x.index_put_((ingot.tensor([0, 0, 1]),), ingot.tensor([1.0, 2.0, 3.0]), accumulate=True)
    assert x.tolist() == [3, 3, 0]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (5, r"IG223.*index 5 is out of bounds for dimension 0 with size 3"),
        ((0, 0, 0, 0), r"IG223.*too many indices for tensor of dimension 3"),
        (slice(None, None, -1), r"IG202.*step must be positive.*flip"),
        ([0, 9], r"IG223.*index 9 is out of bounds for dimension with size 3"),
        (ingot.tensor([True]), r"IG232.*shape of the mask \[1\] does not match"),
        (([0, 1], [0, 1, 2]), r"IG232.*could not be broadcast together"),
        ("a", r"IG223.*not str"),
        (ingot.tensor([0.5]), r"IG229.*must be of int or bool, not f32\[1\]"),
        ((..., ...), r"IG223.*single ellipsis"),
    ],
)
def test_bad_input(key: Any, text: str) -> None:
    with pytest.raises(IngotError, match=r"(?s)" + text) as caught:
        ingot.tensor(A)[key]
    assert "test_indexing.py" in str(caught.value)
    with pytest.raises(IngotError, match=r"(?s)IG233.*shape mismatch"):
        ingot.tensor(A)[0] = ingot.ones(7)
