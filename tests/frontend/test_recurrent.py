"""Recurrent networks: what a layer compiles to, gradients, padding that is not seen, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ingot
from ingot import nn
from ingot.autograd import gradcheck
from ingot.nn.utils import rnn
from ingot.runtime.errors import ShapeError, SpecError, TraceError

KINDS = ("LSTM", "GRU", "RNN")


def network(kind: str, *args: Any, **options: Any) -> Any:
    ingot.manual_seed(0)
    return getattr(nn, kind)(*args, **options).double()


def values(*shape: int) -> Any:
    return ingot.tensor(np.random.default_rng(0).uniform(-1, 1, shape))


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_results_and_gradients_are_the_eager_ones(kind: str) -> None:
    net = network(kind, 3, 4, 2, bidirectional=True)
    x = values(6, 2, 3)

    def step(x: Any) -> Any:
        output, _ = net(x)
        loss = (output * output).sum()
        loss.backward()
        return loss

    eager = step(x)
    gradients = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    compiled = ingot.jit(step)(x)
    assert ingot.allclose(eager, compiled)
    for expected, p in zip(gradients, net.parameters(), strict=True):
        assert ingot.allclose(expected, p.grad)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_finite_differences(kind: str) -> None:
    net = network(kind, 2, 3, bidirectional=True)
    weights = [p.detach().requires_grad_() for p in net.parameters()]
    names = [name for name, _ in net.named_parameters()]

    def output(x: Any, *given: Any) -> Any:
        return ingot.func.functional_call(net, dict(zip(names, given, strict=True)), x)[0]

    assert gradcheck(output, (values(4, 2, 2).requires_grad_(), *weights))


def test_a_layer_is_the_same_code_for_any_number_of_steps() -> None:
    net = network("LSTM", 3, 4)
    loss = ingot.jit(lambda x: net(x)[0].sum())
    counts = [len(loss.graph(values(steps, 2, 3)).values) for steps in (3, 50)]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("compiled", [False, True])
def test_padding_changes_nothing(kind: str, compiled: bool) -> None:
    net = network(kind, 3, 4, 2, bidirectional=True)
    lengths = [2, 5, 1]

    def run(x: Any) -> Any:
        output, state = net(rnn.pack_padded_sequence(x, lengths, enforce_sorted=False))
        padded, _ = rnn.pad_packed_sequence(output)
        return padded, state[0] if kind == "LSTM" else state

    x = values(5, 3, 3)
    padded, state = (ingot.jit(run) if compiled else run)(x)
    for i, length in enumerate(lengths):
        alone, after = net(x[:length, i : i + 1])
        assert ingot.allclose(padded[:length, i : i + 1], alone)
        assert not padded[length:, i].any()
        assert ingot.allclose(state[:, i : i + 1], after[0] if kind == "LSTM" else after)


def test_examples_of_a_batch_do_not_see_each_other() -> None:
    net = network("LSTM", 3, 4)
    x = values(5, 2, 3)
    whole, _ = net(x)
    for i in range(2):
        assert ingot.allclose(whole[:, i], net(x[:, i])[0])


def test_a_cell_repeated_is_the_layer() -> None:
    layer, cell = network("LSTM", 3, 4), network("LSTMCell", 3, 4)
    cell.load_state_dict({name.removesuffix("_l0"): t for name, t in layer.state_dict().items()})
    x = values(5, 2, 3)
    state = None
    for row in x.unbind(0):
        state = cell(row, state)
    _, (hidden, memory) = layer(x)
    assert state is not None
    assert ingot.allclose(state[0], hidden[0])
    assert ingot.allclose(state[1], memory[0])


def test_lengths_must_be_known_inside_compiled_code() -> None:
    lengths = ingot.tensor([3, 2])
    with pytest.raises(TraceError, match="pack_padded_sequence"):
        ingot.jit(lambda x: rnn.pack_padded_sequence(x, lengths).data)(values(3, 2))
    packed = rnn.pack_padded_sequence(values(3, 2), lengths)
    with pytest.raises(TraceError, match="PackedSequence"):
        ingot.jit(lambda p: rnn.pad_packed_sequence(p)[0])(packed)


def test_a_length_beyond_the_last_step_is_an_error() -> None:
    with pytest.raises(ShapeError, match="greater than the number of steps, 3"):
        rnn.pack_padded_sequence(values(3, 2), [4, 2])


def test_text_of_layers() -> None:
    assert repr(nn.LSTM(3, 4, 2, proj_size=2)) == "LSTM(3, 4, proj_size=2, num_layers=2)"
    assert repr(nn.RNNCell(3, 4, False, "relu")) == "RNNCell(3, 4, bias=False, nonlinearity=relu)"
    nn.GRU(3, 4).flatten_parameters()


def test_dropout_with_one_layer_is_pointed_out() -> None:
    with pytest.warns(UserWarning, match="does nothing"):
        nn.GRU(3, 4, dropout=0.5)
    with pytest.raises(SpecError, match=r"range \[0, 1\]"):
        nn.GRU(3, 4, dropout=2)


def test_second_derivatives_pass_a_layer() -> None:
    net = network("GRU", 2, 3)
    x = values(4, 1, 2).requires_grad_()
    (first,) = ingot.autograd.grad(net(x)[0].sum(), x, create_graph=True)
    (second,) = ingot.autograd.grad((first * first).sum(), x)
    step = 1e-5
    shifted = []
    for sign in (1, -1):
        moved = x.detach().clone()
        moved[0, 0, 0] += sign * step
        moved.requires_grad_()
        (g,) = ingot.autograd.grad(net(moved)[0].sum(), moved)
        shifted.append((g * g).sum().item())
    assert np.isclose((shifted[0] - shifted[1]) / (2 * step), second[0, 0, 0].item(), rtol=1e-5)


@pytest.mark.parametrize("kind", (*KINDS, "LSTMCell", "GRUCell", "RNNCell"))
def test_every_call_gives_the_same_bits(kind: str) -> None:
    net = network(kind, 3, 4).float()
    x = values(5, 3).float() if kind.endswith("Cell") else values(6, 5, 3).float()

    def step() -> list[np.ndarray[Any, Any]]:
        net.zero_grad()
        made = net(x)
        output = made[0] if isinstance(made, tuple) else made
        output.square().sum().backward()
        return [output.detach().numpy(), *(p.grad.numpy().copy() for p in net.parameters())]

    first = step()
    for _ in range(3):
        for found, wanted in zip(step(), first, strict=True):
            np.testing.assert_array_equal(found, wanted, strict=True)
