"""Recurrent layers and cells, with PyTorch's parameter names, shapes, order and first numbers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ingot.creation import empty, zeros
from ingot.functional.gathering import index_select
from ingot.functional.recurrence import (
    GATES,
    Weights,
    dropped,
    gru_cell,
    layers,
    lstm_cell,
    rnn_relu_cell,
    rnn_tanh_cell,
)
from ingot.nn import init
from ingot.nn.module import Module
from ingot.nn.utils.rnn import PackedSequence, mask_of, padded, repacked
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError, ShapeError, SpecError
from ingot.source_lines import user_line
from ingot.tensor import Parameter, Tensor


class RNNBase(Module):
    """Layers of one kind of recurrence on top of each other; `mode` is LSTM, GRU, RNN_TANH or RNN_RELU.

    Raises SpecError (IG333) for sizes and options that make no network.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._check_options(dropout)
        directions = 2 if bidirectional else 1
        gates = GATES[self._kind] * hidden_size
        output = proj_size or hidden_size
        self._weight_names: list[list[str]] = []
        for place in range(num_layers * directions):
            layer = place // directions
            suffix = f"_l{layer}" + ("_reverse" if place % directions else "")
            given = input_size if layer == 0 else output * directions
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates, given), "weight_hh": (gates, output)}
            if bias:
                shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
            if proj_size:
                shapes["weight_hr"] = (proj_size, hidden_size)
            for name, shape in shapes.items():
                self.register_parameter(name + suffix, Parameter(empty(*shape, device=device, dtype=dtype)))
            self._weight_names.append([name + suffix for name in shapes])
        self.reset_parameters()

    @property
    def _kind(self) -> str:
        return self.mode.removeprefix("RNN_").lower()

    def _check_options(self, dropout: Any) -> None:
        p: Any = dropout
        if not isinstance(p, (int, float)) or isinstance(p, bool) or not 0 <= p <= 1:
            raise self._bad("dropout should be a number in range [0, 1], the probability of an element being zeroed")
        if not isinstance(self.hidden_size, int):
            raise DTypeError(
                "IG333",
                f"hidden_size should be of type int, got: {type(self.hidden_size).__name__}",
                where=user_line(),
            )
        if self.hidden_size <= 0:
            raise self._bad("hidden_size must be greater than zero")
        if self.num_layers <= 0:
            raise self._bad("num_layers must be greater than zero")
        if self.proj_size < 0:
            raise self._bad("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise self._bad("proj_size has to be smaller than hidden_size")
        if p > 0 and self.num_layers == 1:
            warnings.warn(
                f"dropout is between layers, so dropout={p} does nothing with num_layers=1", UserWarning, stacklevel=4
            )

    def _bad(self, what: str) -> SpecError:
        return SpecError("IG333", f"{type(self).__name__}: {what}", where=user_line())

    def reset_parameters(self) -> None:
        """Draw initial values: uniform in +-1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing: the parameters need no particular place in memory."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._weight_names]

    def _weights(self) -> list[Weights]:
        found: list[Weights] = []
        for names in self._weight_names:
            by_kind = {name.rsplit("_l", 1)[0]: getattr(self, name) for name in names}
            keys = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
            found.append(Weights(*[by_kind.get(key) for key in keys]))  # type: ignore[arg-type]
        return found

    def _state_sizes(self) -> tuple[int, ...]:
        """The last size of each state: the hidden one, and the cell of an LSTM."""
        output = self.proj_size or self.hidden_size
        return (output, self.hidden_size) if self.mode == "LSTM" else (output,)

    def _states(self, hx: Any, batch: Any, batched: bool, dtype: DType, order: Tensor | None) -> list[Tensor]:
        """The states that the layers begin with, [layers * directions, batch, size]: zeros, or what the user gave."""
        places = self.num_layers * (2 if self.bidirectional else 1)
        wanted = [(places, batch, size) for size in self._state_sizes()]
        if hx is None:
            return [zeros(shape, dtype=dtype) for shape in wanted]
        given: list[Tensor] = list(hx) if self.mode == "LSTM" and not isinstance(hx, Tensor) else [hx]
        rank = 3 if batched else 2
        if any(t.dim() != rank for t in given) or len(given) != len(wanted):
            form = "batched 3-D" if batched else "unbatched 2-D"
            ranks = ", ".join(f"{t.dim()}-D" for t in given)
            raise self._unfit(f"For {form} input, hx should be {len(wanted)} tensor(s) of {rank}-D, but got {ranks}")
        states = given if batched else [t.unsqueeze(1) for t in given]
        for i, (state, shape) in enumerate(zip(states, wanted, strict=True)):
            if tuple(state.shape) != shape:
                raise self._unfit(f"Expected hidden[{i}] size {shape}, got {list(state.shape)}")
        return states if order is None else [index_select(s, 1, order) for s in states]

    def _unfit(self, what: str) -> ShapeError:
        return ShapeError("IG334", f"{type(self).__name__}: {what}", where=user_line())

    def _check_input(self, x: Tensor) -> None:
        dtype = self.all_weights[0][0].dtype
        if x.dtype is not dtype:
            raise SpecError(
                "IG334",
                f"{type(self).__name__}: input dtype ({x.dtype}) does not match weight dtype ({dtype})",
                where=user_line(),
                fix=f"input.to({dtype}), or model.to({x.dtype})",
            )
        if x.shape[-1] != self.input_size:
            raise self._unfit(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {x.shape[-1]}"
            )

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, Any]:
        """input [steps, batch, input_size] ([batch, steps, ...] if batch_first; without batch: [steps, input_size]; or
        packed) and the states at the start, zeros by default, to (output, states at the end).

        Output is [steps, batch, directions * size], in the input's form; the states are [layers * directions, batch,
        size]: the hidden one, for an LSTM a pair with the cell's. Raises ShapeError and SpecError (IG334) for operands
        that do not fit.
        """
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        if input.dim() not in (2, 3):
            raise SpecError(
                "IG334",
                f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.dim()}D instead",
                where=user_line(),
            )
        self._check_input(input)
        batched = input.dim() == 3
        x = input if batched else input.unsqueeze(1)
        if batched and self.batch_first:
            x = x.transpose(0, 1)
        if isinstance(x.shape[0], int) and x.shape[0] == 0:
            raise self._unfit("Expected sequence length to be larger than 0")
        states = self._states(hx, x.shape[1], batched, x.dtype, None)
        between = dropped(self.dropout, self.training)
        directions = 2 if self.bidirectional else 1
        output, ends = layers(self._kind, x, states, self._weights(), directions, between=between)
        if not batched:
            output, ends = output.squeeze(1), tuple([end.squeeze(1) for end in ends])
        elif self.batch_first:
            output = output.transpose(0, 1)
        return output, ends if self.mode == "LSTM" else ends[0]

    def _packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        """As `forward` on the padded sequences, whose states stay as they are where a sequence has no step."""
        self._check_input(input.data)
        x, lengths = padded(input, input.data)
        order, back = input.sorted_indices, input.unsorted_indices
        states = self._states(hx, len(lengths), True, x.dtype, order)
        drop = dropped(self.dropout, self.training)
        between: Callable[[Tensor], Tensor] | None = None
        if drop is not None:
            # What is dropped is drawn for the packed elements alone.
            between = lambda y: padded(input, drop(repacked(y, lengths)))[0]  # noqa: E731
        directions = 2 if self.bidirectional else 1
        output, ends = layers(self._kind, x, states, self._weights(), directions, mask_of(lengths), between)
        if back is not None:
            ends = tuple([index_select(end, 1, back) for end in ends])
        return input.with_data(repacked(output, lengths)), ends if self.mode == "LSTM" else ends[0]

    def extra_repr(self) -> str:
        shown = {
            "proj_size": (self.proj_size, 0),
            "num_layers": (self.num_layers, 1),
            "bias": (self.bias, True),
            "batch_first": (self.batch_first, False),
            "dropout": (self.dropout, 0),
            "bidirectional": (self.bidirectional, False),
        }
        options = [f"{name}={value}" for name, (value, default) in shown.items() if value != default]
        return ", ".join([str(self.input_size), str(self.hidden_size), *options])


class RNN(RNNBase):
    """h = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu. Elman 1990."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise SpecError(
                "IG333",
                f"Unknown nonlinearity {nonlinearity!r}. Select from 'tanh' or 'relu'.",
                where=user_line(),
            )
        super().__init__(
            f"RNN_{nonlinearity.upper()}",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device=device,
            dtype=dtype,
        )
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory. Hochreiter & Schmidhuber 1997; `proj_size`: Sak et al. 2014."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)


class GRU(RNNBase):
    """Gated recurrent units. Cho et al. 2014."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise SpecError("IG333", "proj_size argument is only supported for LSTM, not RNN or GRU", where=user_line())
        super().__init__("GRU", *args, **kwargs)


# ---- cells


class RNNCellBase(Module):
    """The parameters of one step; `num_chunks` gates."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        self.weight_ih = Parameter(empty(gates, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(empty(gates, hidden_size, device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty(gates, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw initial values: uniform in +-1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _weights(self) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _rows(self, input: Tensor, hx: Sequence[Tensor] | None, count: int) -> tuple[Tensor, list[Tensor], bool]:
        """(input [rows, input_size], the states [rows, hidden_size], whether the input had a batch)."""
        name = type(self).__name__
        if input.dim() not in (1, 2):
            raise SpecError(
                "IG334", f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead", where=user_line()
            )
        batched = input.dim() == 2
        x = input if batched else input.unsqueeze(0)
        if x.shape[1] != self.input_size:
            raise ShapeError(
                "IG334",
                f"{name}: input has inconsistent input_size: got {x.shape[1]} expected {self.input_size}",
                where=user_line(),
            )
        if hx is None:
            return x, [zeros(x.shape[0], self.hidden_size, dtype=x.dtype)] * count, batched
        states = list(hx) if batched else [t.unsqueeze(0) for t in hx]
        for i, state in enumerate(states):
            if tuple(state.shape) != (x.shape[0], self.hidden_size):
                raise ShapeError(
                    "IG334",
                    f"{name}: state {i} has shape {list(hx[i].shape)}; input batch size {x.shape[0]} and hidden_size "
                    f"{self.hidden_size} need {[x.shape[0], self.hidden_size][not batched :]}",
                    where=user_line(),
                )
        return x, states, batched

    def extra_repr(self) -> str:
        shown = f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")
        nonlinearity = self.__dict__.get("nonlinearity", "tanh")
        return shown if nonlinearity == "tanh" else f"{shown}, nonlinearity={nonlinearity}"


class RNNCell(RNNCellBase):
    """One step of an RNN: input [batch, input_size], hx [batch, hidden_size] or zeros."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next hidden state. Raises ShapeError or SpecError (IG334) for operands that do not fit."""
        if self.nonlinearity not in ("tanh", "relu"):
            raise ShapeError("IG333", f"Unknown nonlinearity: {self.nonlinearity}", where=user_line())
        x, (state,), batched = self._rows(input, None if hx is None else [hx], 1)
        step = rnn_relu_cell if self.nonlinearity == "relu" else rnn_tanh_cell
        after = step(x, state, *self._weights())
        return after if batched else after.squeeze(0)


class LSTMCell(RNNCellBase):
    """One step of an LSTM: input [batch, input_size], hx a pair of [batch, hidden_size] or zeros."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: DType | None = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """The next (hidden state, cell). Raises ShapeError or SpecError (IG334) for operands that do not fit."""
        x, states, batched = self._rows(input, hx, 2)
        hidden, cell = lstm_cell(x, states, *self._weights())
        return (hidden, cell) if batched else (hidden.squeeze(0), cell.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of a GRU: input [batch, input_size], hx [batch, hidden_size] or zeros."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: DType | None = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next hidden state. Raises ShapeError or SpecError (IG334) for operands that do not fit."""
        x, (state,), batched = self._rows(input, None if hx is None else [hx], 1)
        after = gru_cell(x, state, *self._weights())
        return after if batched else after.squeeze(0)
