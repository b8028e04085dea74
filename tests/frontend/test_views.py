"""Views share memory with their base, eager and compiled, and copies do not; shapes and strides are NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ingot
from ingot.runtime.errors import IngotError

View = Callable[[Any], Any]

VIEWS: list[tuple[str, View, View]] = [
    ("view", lambda x: x.view(4, 3, 2), lambda a: a.reshape(4, 3, 2)),
    ("view -1", lambda x: x.view(2, -1), lambda a: a.reshape(2, -1)),
    ("reshape", lambda x: x.reshape(6, 4), lambda a: a.reshape(6, 4)),
    ("permute", lambda x: x.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1)),
    ("transpose", lambda x: x.transpose(0, -1), lambda a: a.swapaxes(0, 2)),
    ("mT", lambda x: x.mT, lambda a: a.swapaxes(1, 2)),
    ("movedim", lambda x: x.movedim(0, 2), lambda a: np.moveaxis(a, 0, 2)),
    ("unsqueeze", lambda x: x.unsqueeze(1), lambda a: a[:, None]),
    ("squeeze", lambda x: x.unsqueeze(0).squeeze(0), lambda a: a),
    ("flatten", lambda x: x.flatten(1), lambda a: a.reshape(2, 12)),
    ("unflatten", lambda x: x.unflatten(2, (2, -1)), lambda a: a.reshape(2, 3, 2, 2)),
    ("narrow", lambda x: x.narrow(1, 1, 2), lambda a: a[:, 1:3]),
    ("select", lambda x: x.select(2, -1), lambda a: a[:, :, -1]),
    ("slice", lambda x: x[:, ::2, 1:], lambda a: a[:, ::2, 1:]),
    ("int and None", lambda x: x[1, None, ..., 2], lambda a: a[1, None, ..., 2]),
    ("unbind", lambda x: x.unbind(1)[2], lambda a: a[:, 2]),
    ("split", lambda x: x.split(2, 2)[1], lambda a: a[:, :, 2:]),
    ("chunk", lambda x: x.chunk(2, 1)[1], lambda a: a[:, 2:]),
    ("detach", lambda x: x.detach(), lambda a: a),
    ("chain", lambda x: x.permute(1, 2, 0)[1:, :, 0].T, lambda a: a.transpose(1, 2, 0)[1:, :, 0].T),
]
NAMES = [name for name, _, _ in VIEWS]


def base() -> Any:
    return ingot.arange(24, dtype=ingot.float32).view(2, 3, 4)


@pytest.mark.parametrize(("name", "ours", "theirs"), VIEWS, ids=NAMES)
def test_shape_strides_and_elements(name: str, ours: View, theirs: View) -> None:
    x = base()
    view, expected = ours(x), theirs(x.numpy())
    assert view.shape == expected.shape
    assert view.tolist() == expected.tolist()
    steps = zip(view.stride(), expected.strides, view.shape, strict=True)
    assert all(ours_ == theirs_ // 4 for ours_, theirs_, n in steps if n > 1)
    assert np.shares_memory(view.numpy(), x.numpy())


@pytest.mark.parametrize(("name", "ours", "theirs"), VIEWS, ids=NAMES)
def test_writing_through_a_view(name: str, ours: View, theirs: View) -> None:
    def write(x: Any) -> Any:
        ours(x).mul_(-1)
        ours(x).add_(100)
        return x

    expected = base().numpy().copy()
    part = theirs(expected)
    part *= -1
    part += 100
    assert write(base()).tolist() == expected.tolist()
    x = base()
    assert ingot.jit(write)(x) is x
    assert x.tolist() == expected.tolist()
    captured = base()

    @ingot.jit
    def write_captured() -> Any:
        return write(captured) * 1

    assert write_captured().tolist() == expected.tolist()
    assert captured.tolist() == expected.tolist()


@pytest.mark.parametrize(("name", "ours", "theirs"), VIEWS, ids=NAMES)
def test_compiled_results_and_arguments(name: str, ours: View, theirs: View) -> None:
    expected = theirs(base().numpy())
    assert ingot.jit(lambda x: ours(x))(base()).tolist() == expected.tolist()
    # A strided argument: the compiled code reads it where it lies.
    assert ingot.jit(lambda v: v * 2)(ours(base())).tolist() == (expected * 2).tolist()


def test_views_see_writes_to_their_base_while_traced() -> None:
    @ingot.jit
    def f(x: Any) -> Any:
        y = x * 1
        row, column = y[0], y[:, 1]
        y.add_(10)
        row.zero_()
        return row.sum(), column.clone(), y

    row, column, y = f(ingot.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert row.item() == 0
    assert column.tolist() == [0, 14]
    assert y.tolist() == [[0, 0], [13, 14]]


def test_results_that_are_views_of_state_share_it() -> None:
    state = ingot.zeros(3, 2)

    @ingot.jit
    def row(i: Any) -> Any:
        state[1] = i
        return state[1]

    view = row(ingot.tensor([1.0, 2.0]))
    state[1, 0] = 9
    assert view.tolist() == [9, 2]
    assert row(ingot.tensor([5.0, 6.0])).tolist() == [5, 6]


def test_copies_have_their_own_memory() -> None:
    x = base()
    for copied in (
        x.clone(),
        x.permute(2, 1, 0).contiguous(),
        x.mT.reshape(-1),
        x.repeat(1, 1, 1),
        x[[0, 1]],
        x.flip(0),
    ):
        assert not np.shares_memory(copied.numpy(), x.numpy())
    assert x.contiguous() is x
    assert not x.mT.is_contiguous() and x.mT.contiguous().is_contiguous()


def test_expand_repeats_without_memory() -> None:
    x = ingot.tensor([[1.0], [2.0]])
    wide = x.expand(-1, 3)
    assert wide.stride() == (1, 0) and wide.tolist() == [[1, 1, 1], [2, 2, 2]]
    assert x.expand(4, 2, 3).shape == (4, 2, 3)
    x.fill_(5)
    assert wide.sum().item() == 30


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: base().view(5, 5), r"IG203.*view: shape \[5, 5\] is invalid for input of shape \[2, 3, 4\]"),
        (lambda: base().mT.view(-1), r"IG221.*not compatible with input tensor's size and stride"),
        (lambda: base().permute(0, 0, 1), r"IG202.*does not name each dimension"),
        (lambda: base().expand(3, 3, 4), r"IG201.*cannot be expanded"),
        (lambda: base().t(), r"IG222.*expects at most 2 dimensions"),
        (lambda: base().narrow(0, 1, 2), r"IG202.*exceeds dimension size"),
        (lambda: base().split([1, 1], 1), r"IG225.*sum to 2, dimension 1 has 3"),
        (lambda: base().flatten(2, 0), r"IG202.*start_dim cannot come after end_dim"),
    ],
)
def test_bad_input(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(IngotError, match=r"(?s)" + text) as caught:
        make()
    assert "test_views.py" in str(caught.value)
