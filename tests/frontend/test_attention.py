"""Attention: masks, rows that see nothing, shapes that do not fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ingot
from ingot import nn
from ingot.autograd import gradcheck
from ingot.nn import functional
from ingot.runtime.errors import AssertedError, ShapeError, SpecError


def values(*shape: int) -> Any:
    return ingot.tensor(np.random.default_rng(len(shape)).uniform(-1, 1, shape))


def eager(fn: Callable[..., Any]) -> Callable[..., Any]:
    return fn


@pytest.mark.parametrize("run", [eager, ingot.jit])
def test_attention_is_a_softmax_of_products(run: Callable[..., Any]) -> None:
    q, k, v = values(3, 4), values(5, 4), values(5, 2)
    found = run(functional.scaled_dot_product_attention)(q, k, v)
    scores = q.numpy() @ k.numpy().T / 2
    weights = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    assert np.allclose(found.numpy(), weights @ v.numpy())


@pytest.mark.parametrize("run", [eager, ingot.jit])
def test_causal_attention_does_not_see_the_future(run: Callable[..., Any]) -> None:
    attend = run(lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, is_causal=True))
    q, k, v = values(4, 2), values(4, 2), values(4, 2)
    whole = attend(q, k, v)
    for length in range(1, 5):
        assert ingot.allclose(whole[:length], attend(q[:length], k[:length], v[:length]))


@pytest.mark.parametrize("run", [eager, ingot.jit])
@pytest.mark.parametrize("as_numbers", [False, True])
def test_a_query_that_sees_nothing_gets_zeros_and_no_gradient(run: Callable[..., Any], as_numbers: bool) -> None:
    hidden = ingot.tensor([[True, False], [False, False]])
    mask = ingot.where(hidden, 0.0, -math.inf).double() if as_numbers else hidden

    def both(q: Any, k: Any, v: Any) -> Any:
        q = q.detach().requires_grad_()
        attended = functional.scaled_dot_product_attention(q, k, v, mask)
        return attended, ingot.autograd.grad((attended * attended).sum(), q)[0]

    attended, gradient = run(both)(values(2, 3), values(2, 3), values(2, 3))
    assert ingot.isfinite(attended).all()
    assert not attended[1].any()
    assert not gradient[1].any()


def test_gradients_are_those_of_finite_differences() -> None:
    operands = [values(2, 3, 4), values(2, 5, 4), values(2, 5, 2), values(3, 5)]
    assert gradcheck(functional.scaled_dot_product_attention, tuple(t.requires_grad_() for t in operands))


def test_all_keys_count_the_same_for_equal_scores() -> None:
    layer = nn.MultiheadAttention(4, 2).double()
    _, weights = layer(ingot.zeros(3, 1, 4).double(), ingot.zeros(5, 1, 4).double(), ingot.zeros(5, 1, 4).double())
    assert ingot.allclose(weights, ingot.full((1, 3, 5), 0.2).double())


@pytest.mark.parametrize("run", [eager, ingot.jit])
def test_padding_changes_nothing(run: Callable[..., Any]) -> None:
    ingot.manual_seed(0)
    net = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), 2).double()
    x = values(1, 5, 8)
    padding = ingot.tensor([[False, False, False, True, True]])
    padded = run(lambda x: net(x, src_key_padding_mask=padding))(x)
    assert ingot.allclose(padded[:, :3], net(x[:, :3]))


def test_layers_of_an_encoder_are_copies() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8)
    net = nn.TransformerEncoder(layer, 2)
    first, second = (m.linear1.weight for m in net.layers)
    assert first is not second
    assert first is not layer.linear1.weight
    assert ingot.equal(first, second)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: functional.scaled_dot_product_attention(values(2, 3), values(2, 4), values(2, 4)), ShapeError, "last"),
        (lambda: nn.MultiheadAttention(4, 3), AssertedError, "divisible"),
        (lambda: nn.MultiheadAttention(0, 3), SpecError, "greater than 0"),
        (lambda: nn.TransformerDecoderLayer(4, 2, activation="tanh"), RuntimeError, "relu/gelu"),
    ],
)
def test_what_does_not_fit_is_an_error(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_kernels_can_be_named() -> None:
    with nn.attention.sdpa_kernel([nn.attention.SDPBackend.MATH]):
        functional.scaled_dot_product_attention(values(2, 3), values(2, 3), values(2, 3))
    with pytest.raises(TypeError, match="SDPBackend"), nn.attention.sdpa_kernel("math"):  # type: ignore[arg-type]
        pass


@pytest.mark.parametrize("norm_first", [False, True])
def test_compiled_layers_drop_what_eager_ones_drop(norm_first: bool) -> None:
    """Numbers are drawn in the order of memory, which is not that of the dimensions with batch_first."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.5, batch_first=True, norm_first=norm_first).double()
    x = values(2, 3, 8)
    ingot.manual_seed(1)
    eagerly = layer(x)
    ingot.manual_seed(1)
    assert ingot.allclose(ingot.jit(layer)(x), eagerly)
