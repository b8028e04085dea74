"""Recurrent networks: steps and layers of LSTM, GRU and the plain kind, and stacks of layers.

A layer is one `scan`: what the input contributes to every step is one product beforehand, and the scan's body holds
what one step adds. So the code that a layer compiles to does not depend on how many steps there are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ingot.compiler.ir import Graph, Shape, Size, TensorType, Value
from ingot.compiler.ops import elementwise, transcendental
from ingot.compiler.ops.contract import dot_general
from ingot.compiler.ops.control import saving, scan
from ingot.compiler.ops.source import full
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.view import expand, reshape
from ingot.compiler.ops.view import slice as slice_row
from ingot.composite import composite
from ingot.functional.activations import relu
from ingot.functional.dropout import dropout
from ingot.functional.joining import cat, stack
from ingot.functional.linalg import linear
from ingot.functional.unary import sigmoid, tanh
from ingot.gate import apply_several
from ingot.modes import modes
from ingot.runtime.dtypes import DType, bool_
from ingot.tape import needs_grad

if TYPE_CHECKING:
    from ingot.tensor import Tensor

# Gates per unit, and how many states a layer carries.
GATES = {"lstm": 4, "gru": 3, "tanh": 1, "relu": 1}


class Weights(NamedTuple):
    """The parameters of one layer in one direction, as PyTorch shapes them; g is `GATES` times the hidden size."""

    input: Tensor  # [g, input size]
    hidden: Tensor  # [g, output size]
    input_bias: Tensor | None = None  # [g]
    hidden_bias: Tensor | None = None  # [g]
    projection: Tensor | None = None  # [output size, hidden size]


# ---- the body of a scan


def _part(gates: Value, index: int, count: int) -> Value:
    """One of `count` equal parts of the columns."""
    rows, columns = gates.shape
    size: Any = columns // count
    return slice_row(gates, start=(0, index * size), stop=(rows, (index + 1) * size), step=(1, 1))


def _product(x: Value, weight: Value) -> Value:
    """x @ weight.T."""
    return dot_general(x, weight, contract=((1,), (1,)), batch=((), ()))


def _lstm(gates: Value, carries: Sequence[Value], weight: Value, rest: Sequence[Value]) -> tuple[Value, Value]:
    """Hochreiter & Schmidhuber 1997, with forget gates; gates in the order input, forget, cell, output."""
    mul, sigmoid_ = elementwise.mul, transcendental.sigmoid
    hidden, cell = carries
    gates = elementwise.add(gates, _product(hidden, weight))
    enter, keep, new, leave = (_part(gates, i, 4) for i in range(4))
    cell = elementwise.add(mul(sigmoid_(keep), cell), mul(sigmoid_(enter), transcendental.tanh(new)))
    hidden = mul(sigmoid_(leave), transcendental.tanh(cell))
    return (_product(hidden, rest[0]) if rest else hidden), cell


def _gru(gates: Value, carries: Sequence[Value], weight: Value, rest: Sequence[Value]) -> tuple[Value]:
    """Cho et al. 2014; gates in the order reset, update, new, the reset gate applied after the product."""
    (hidden,) = carries
    recurrent = _product(hidden, weight)
    if rest:
        recurrent = elementwise.add(recurrent, expand(_row(rest[0]), shape=recurrent.shape))
    reset, update = (
        transcendental.sigmoid(elementwise.add(_part(gates, i, 3), _part(recurrent, i, 3))) for i in range(2)
    )
    new = transcendental.tanh(elementwise.add(_part(gates, 2, 3), elementwise.mul(reset, _part(recurrent, 2, 3))))
    return (elementwise.add(new, elementwise.mul(update, elementwise.sub(hidden, new))),)


def _row(bias: Value) -> Value:
    return reshape(bias, shape=(1, *bias.shape))


def _tanh(gates: Value, carries: Sequence[Value], weight: Value, rest: Sequence[Value]) -> tuple[Value]:
    """Elman 1990."""
    return (transcendental.tanh(elementwise.add(gates, _product(carries[0], weight))),)


def _relu(gates: Value, carries: Sequence[Value], weight: Value, rest: Sequence[Value]) -> tuple[Value]:
    total = elementwise.add(gates, _product(carries[0], weight))
    zero = full(total.type, 0)
    return (elementwise.select(elementwise.le(total, zero), zero, total),)


STEPS: dict[str, Callable[..., tuple[Value, ...]]] = {"lstm": _lstm, "gru": _gru, "tanh": _tanh, "relu": _relu}


@functools.lru_cache(maxsize=256)
def _body(
    kind: str, dtype: DType, rows: Size, carried: tuple[Size, ...], rest: tuple[Shape, ...], masked: bool, saves: bool
) -> Graph:
    """One step: carries, gates [rows, g], where `masked` bool [rows, 1], constants -> new carries, output.

    Rows where the mask is False keep their carries. `saves`: further outputs are what the derivative reads. The body is
    made once per shape, so that derivatives of it are too.
    """

    def given(name: str, *shape: Size, kind: DType = dtype) -> Value:
        return make_input(type=TensorType(kind, shape), name=name)

    carries = [given(f"carry{i}", rows, n) for i, n in enumerate(carried)]
    gates = given("gates", rows, rest[0][0])
    mask = [given("mask", rows, 1, kind=bool_)] if masked else []
    constants = [given(f"weight{i}", *shape) for i, shape in enumerate(rest)]
    after = STEPS[kind](gates, carries, constants[0], constants[1:])
    output = after[0]
    if masked:
        after = tuple(
            elementwise.select(expand(mask[0], shape=new.shape), new, old)
            for new, old in zip(after, carries, strict=True)
        )
    step = Graph((*carries, gates, *mask, *constants), (*after, output), (), kind)
    return saving(step, len(carries)) if saves else step


# ---- layers


def layer(
    kind: str, x: Tensor, states: Sequence[Tensor], weights: Weights, reverse: bool, mask: Tensor | None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer in one direction: x [steps, rows, input size] to ([steps, rows, output size], states at the end).

    `states`: the hidden state [rows, output size], for "lstm" also the cell [rows, hidden size]. `reverse` begins with
    the last step. `mask` bool [steps, rows, 1]: where it is False, the state stays and the output means nothing.
    """
    bias = weights.input_bias
    constants = [weights.hidden]
    if kind == "gru" and weights.hidden_bias is not None:
        constants.append(weights.hidden_bias)
    elif weights.hidden_bias is not None:
        bias = weights.hidden_bias if bias is None else bias + weights.hidden_bias
    if weights.projection is not None:
        constants.append(weights.projection)
    gates = linear(x, weights.input, bias)
    steps, rows = x._layout.shape[:2]
    body = _body(
        kind,
        x._layout.dtype,
        rows,
        tuple([s._layout.shape[1] for s in states]),
        tuple([c._layout.shape for c in constants]),
        mask is not None,
        # Compiled code merges the forward scan with the one that saves; eagerly each would run.
        modes.trace is None and modes.grad and any(needs_grad(t) for t in (*states, gates, *constants)),
    )
    stacked = [gates] if mask is None else [gates, mask]
    results = apply_several(
        scan,
        *states,
        *stacked,
        *constants,
        body=body,
        carries=len(states),
        xs=len(stacked),
        length=steps,
        reverse=reverse,
    )
    return results[len(states)], results[: len(states)]


def layers(
    kind: str,
    x: Tensor,
    states: Sequence[Tensor],
    weights: Sequence[Weights],
    directions: int,
    mask: Tensor | None = None,
    between: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Layers on top of each other: x [steps, rows, input size] to ([steps, rows, directions * output size], states).

    `states` and those at the end are [layers * directions, rows, size]; `weights` are in that order. What one layer
    gives goes through `between` to the next.
    """
    ends: list[tuple[Tensor, ...]] = []
    for start in range(0, len(weights), directions):
        outputs: list[Tensor] = []
        for direction in range(directions):
            place = start + direction
            begin = [s.select(0, place) for s in states]
            output, end = layer(kind, x, begin, weights[place], direction == 1, mask)
            outputs.append(output)
            ends.append(end)
        x = outputs[0] if directions == 1 else cat(outputs, -1)
        if between is not None and start + directions < len(weights):
            x = between(x)
    return x, tuple([stack(list(parts)) for parts in zip(*ends, strict=True)])


# ---- single steps


@composite
def _lstm_step(
    input: Tensor,
    hidden: Tensor,
    cell: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The hidden state and the cell after one step."""
    gates = linear(input, w_ih, b_ih) + linear(hidden, w_hh, b_hh)
    enter, keep, new, leave = gates.chunk(4, -1)
    cell = sigmoid(keep) * cell + sigmoid(enter) * tanh(new)
    return sigmoid(leave) * tanh(cell), cell


def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of an LSTM: input [rows, input size], hx = (hidden, cell), both [rows, hidden size]."""
    hidden, cell = hx
    return _lstm_step(input, hidden, cell, w_ih, w_hh, b_ih, b_hh)


@composite
def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of a GRU: input [rows, input size], hx [rows, hidden size]."""
    given = linear(input, w_ih, b_ih).chunk(3, -1)
    recurrent = linear(hx, w_hh, b_hh).chunk(3, -1)
    reset, update = sigmoid(given[0] + recurrent[0]), sigmoid(given[1] + recurrent[1])
    new = tanh(given[2] + reset * recurrent[2])
    return new + update * (hx - new)


@composite
def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of a plain recurrent network: input [rows, input size], hx [rows, hidden size]."""
    return tanh(linear(input, w_ih, b_ih) + linear(hx, w_hh, b_hh))


@composite
def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """As `rnn_tanh_cell`, with relu."""
    return relu(linear(input, w_ih, b_ih) + linear(hx, w_hh, b_hh))


def dropped(p: float, training: bool) -> Callable[[Tensor], Tensor] | None:
    """What happens between the layers of a stack; None when nothing does."""
    return (lambda x: dropout(x, p)) if training and p > 0 else None
