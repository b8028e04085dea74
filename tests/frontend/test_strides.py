"""Views that one row cannot express: diagonals, windows, memory shown by strides. Eager and compiled alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ingot
from ingot.runtime.errors import ShapeError


def numbers(*shape: int) -> ingot.Tensor:
    made: ingot.Tensor = ingot.arange(float(np.prod(shape))).reshape(shape)
    return made


WINDOWS = [(1, 1), (2, 1), (3, 2), (2, 3), (4, 4), (5, 1), (2, 2)]


@pytest.mark.parametrize(("size", "step"), WINDOWS)
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_windows(size: int, step: int, dim: int) -> None:
    x = numbers(5, 6, 7)
    found = x.unfold(dim, size, step)
    wanted = np.lib.stride_tricks.sliding_window_view(x.numpy(), size, dim)
    index = [slice(None)] * 4
    index[dim % 3] = slice(None, None, step)
    assert np.array_equal(found.numpy(), wanted[tuple(index)])
    assert found.data_ptr() == x.data_ptr()
    compiled = ingot.jit(lambda t: t.unfold(dim, size, step) * 1)
    assert np.array_equal(compiled(x).numpy(), found.numpy())


@pytest.mark.parametrize(("size", "step"), WINDOWS)
def test_gradient_of_windows(size: int, step: int) -> None:
    x = numbers(6).requires_grad_()
    weights = ingot.arange(1.0, 1.0 + x.unfold(0, size, step).numel()).reshape(-1, size)
    (x.unfold(0, size, step) * weights).sum().backward()
    wanted = np.zeros(6)
    for i, row in enumerate(weights.numpy()):
        wanted[i * step : i * step + size] += row
    assert np.array_equal(x.grad.numpy(), wanted)


def twice(change: Callable[[Any], None]) -> tuple[ingot.Tensor, ingot.Tensor]:
    """What a change does to numbers, eagerly and in compiled code."""

    def changed(x: ingot.Tensor) -> ingot.Tensor:
        y = x.clone()
        change(y)
        return y

    return changed(numbers(4, 5)), ingot.jit(changed)(numbers(4, 5))


def test_writing_through_a_diagonal() -> None:
    eager, compiled = twice(lambda y: y.diagonal(1).mul_(10))
    assert eager.tolist() == compiled.tolist()
    assert eager.diagonal(1).tolist() == [10, 70, 130, 190]


def test_writing_through_windows_apart() -> None:
    eager, compiled = twice(lambda y: y.unfold(1, 2, 3).zero_())
    assert eager.tolist() == compiled.tolist()
    assert eager[0].tolist() == [0, 0, 2, 0, 0]


def test_writing_through_windows_that_overlap_is_an_error_when_compiled() -> None:
    with pytest.raises(ShapeError, match="IG212"):
        twice(lambda y: y.unfold(1, 3, 1).zero_() if ingot.is_grad_enabled() else None)


def test_a_gradient_through_a_written_diagonal() -> None:
    x = numbers(3, 3).requires_grad_()
    y = x * 1
    y.diagonal().mul_(5)
    y.sum().backward()
    assert x.grad.tolist() == [[5, 1, 1], [1, 5, 1], [1, 1, 5]]


def test_as_strided_shows_memory() -> None:
    x = numbers(6)
    seen = x.as_strided((3, 2), (2, 1))
    x[0] = 9
    assert seen.tolist() == [[9, 1], [2, 3], [4, 5]]
    assert x.as_strided((2, 2), (1, 1), 3).tolist() == [[3, 4], [4, 5]]
    with pytest.raises(RuntimeError, match="IG207"):
        x.as_strided((4,), (2,))


def test_as_strided_with_a_gradient_and_compiled() -> None:
    x = numbers(5).requires_grad_()
    x.as_strided((3, 2), (1, 1)).sum().backward()
    assert x.grad.tolist() == [1, 2, 2, 1, 0]
    compiled = ingot.jit(lambda t: t.as_strided((3, 2), (1, 1)) + 0)
    assert compiled(numbers(5)).tolist() == [[0, 1], [1, 2], [2, 3]]


def test_shapes_change_in_place() -> None:
    x = numbers(2, 3)
    assert x.t_() is x
    assert x.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert x.unsqueeze_(0).shape == (1, 3, 2)
    assert x.squeeze_().transpose_(0, 1).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_an_in_place_function_keeps_what_its_derivative_reads() -> None:
    x = ingot.tensor([0.5, 1.0], requires_grad=True)
    y = x * 1
    y.sin_()
    y.sum().backward()
    assert np.allclose(x.grad.numpy(), np.cos([0.5, 1.0]))
