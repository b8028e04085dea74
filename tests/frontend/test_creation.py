"""Factories give PyTorch's dtypes, shapes and elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ingot
from ingot.runtime.errors import IngotError, SpecError


@pytest.mark.parametrize(
    ("made", "dtype", "elements"),
    [
        (lambda: ingot.zeros(2), "float32", [0.0, 0.0]),
        (lambda: ingot.ones((2, 1)), "float32", [[1.0], [1.0]]),
        (lambda: ingot.full((2,), 7), "int64", [7, 7]),
        (lambda: ingot.full((2,), True), "bool", [True, True]),
        (lambda: ingot.full([1, 2], 0.5), "float32", [[0.5, 0.5]]),
        (lambda: ingot.arange(4), "int64", [0, 1, 2, 3]),
        (lambda: ingot.arange(5, 0, -2), "int64", [5, 3, 1]),
        (lambda: ingot.arange(1, 2, 0.25), "float32", [1.0, 1.25, 1.5, 1.75]),
        (lambda: ingot.arange(3, dtype=ingot.float64), "float64", [0.0, 1.0, 2.0]),
        (lambda: ingot.linspace(0, 1, 5), "float32", [0.0, 0.25, 0.5, 0.75, 1.0]),
        (lambda: ingot.eye(2, 3), "float32", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
        (lambda: ingot.tensor([1, 2.5]), "float32", [1.0, 2.5]),
        (lambda: ingot.tensor([True]), "bool", [True]),
        (lambda: ingot.tensor(3), "int64", 3),
        (lambda: ingot.tensor([]), "float32", []),
        (lambda: ingot.tensor(np.array([1.5])), "float64", [1.5]),
        (lambda: ingot.zeros_like(ingot.ones(2, dtype=ingot.int8)), "int8", [0, 0]),
        (lambda: ingot.full_like(ingot.ones(2), 3), "float32", [3.0, 3.0]),
        (lambda: ingot.ones(1).new_tensor([2.5]), "float32", [2.5]),
        (lambda: ingot.tensor([ingot.tensor(1.0), ingot.tensor(2.0)]), "float32", [1.0, 2.0]),
        (lambda: ingot.tril_indices(2, 2), "int64", [[0, 1, 1], [0, 0, 1]]),
    ],
)
def test_factories(made: Any, dtype: str, elements: Any) -> None:
    tensor = made()
    assert tensor.dtype.name == dtype
    assert tensor.tolist() == elements
    assert ingot.jit(made)().tolist() == elements
    assert ingot.jit(made)().dtype.name == dtype


def test_empty_has_a_shape() -> None:
    assert ingot.empty(2, 0, 3).shape == (2, 0, 3)
    assert ingot.empty_like(ingot.ones(2, dtype=ingot.bool)).dtype is ingot.bool


def test_tensor_copies_and_from_numpy_shares() -> None:
    array = np.zeros(3, np.float32)
    shared, copied = ingot.from_numpy(array), ingot.tensor(array)
    array[0] = 5
    assert shared.tolist() == [5, 0, 0]
    assert copied.tolist() == [0, 0, 0]
    shared[1] = 7
    assert array[1] == 7
    assert shared.numpy() is array


def test_from_numpy_of_a_strided_array() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    view = ingot.from_numpy(array.T[1:])
    assert view.tolist() == array.T[1:].tolist()
    assert view.stride() == (1, 4)
    view[0, 0] = 100
    assert array[0, 1] == 100
    with pytest.raises(SpecError, match="IG206"):
        ingot.from_numpy(array[::-1])


def test_as_tensor_shares_where_it_can() -> None:
    tensor = ingot.ones(2)
    assert ingot.as_tensor(tensor) is tensor
    array = np.ones(2)
    assert ingot.as_tensor(array).numpy() is array


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ingot.zeros(-1), r"IG202.*cannot have shape \[-1\]"),
        (lambda: ingot.zeros(2, device="cuda"), r"IG234.*there is no device cuda"),
        (lambda: ingot.tensor([[1], [1, 2]]), r"IG236.*a tensor cannot be made of this"),
        (lambda: ingot.tensor(["a"]), r"IG236.*cannot be made of list data"),
        (lambda: ingot.arange(0, 5, 0), r"IG235.*step must be nonzero"),
    ],
)
def test_bad_input(make: Any, text: str) -> None:
    with pytest.raises(IngotError, match=text):
        make()
