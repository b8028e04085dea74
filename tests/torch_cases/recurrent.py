"""Recurrent layers and cells, and sequences of different lengths."""

from __future__ import annotations

from typing import Any

from peer import Case, nograd, real, unit

LENGTHS = [2, 5, 1, 5]


def network(kind: str, *args: Any, **options: Any) -> Any:
    return lambda T: getattr(T.nn, kind)(*args, **options)


def packed(lengths: list[int], **options: Any) -> Any:
    """The network on packed sequences: output, lengths and states."""

    def call(module: Any, x: Any, *states: Any) -> Any:
        rnn = __import__(type(x).__module__.split(".")[0]).nn.utils.rnn
        hx = None if not states else states[0] if len(states) == 1 else states
        output, after = module(rnn.pack_padded_sequence(x, lengths, **options), hx)
        return rnn.pad_packed_sequence(output), after, output.data, output.batch_sizes

    return call


def with_state(module: Any, x: Any, *states: Any) -> Any:
    return module(x, states[0] if len(states) == 1 else states)


X = [real(5, 2, 3)]

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no bias": {"bias": False},
    "2 layers": {"num_layers": 2},
    "bidirectional": {"bidirectional": True},
    "2 layers bidirectional": {"num_layers": 2, "bidirectional": True},
}


def evaluating(kind: str) -> Any:
    return lambda T: network(kind, 3, 4, 2, dropout=0.5)(T).eval()


LAYERS = [
    *(
        Case.module(f"{kind} {name}", network(kind, 3, 4, **options), X)
        for kind in ("LSTM", "GRU", "RNN")
        for name, options in VARIANTS.items()
    ),
    *(
        Case.module(f"{kind} batch_first", network(kind, 3, 4, batch_first=True), [real(2, 5, 3)], layouts=False)
        for kind in ("LSTM", "GRU", "RNN")
    ),
    *(
        Case.module(f"{kind} unbatched", network(kind, 3, 4, 2, bidirectional=True), [real(5, 3)], layouts=False)
        for kind in ("LSTM", "GRU", "RNN")
    ),
    *(
        Case.module(
            f"{kind} dropout",
            network(kind, 3, 4, 3, dropout=0.4, bidirectional=True),
            X,
            seeded=True,
            layouts=False,
        )
        for kind in ("LSTM", "GRU", "RNN")
    ),
    *(
        Case.module(f"{kind} dropout 1", network(kind, 3, 4, 2, dropout=1.0), X, layouts=False)
        for kind in ("LSTM", "GRU")
    ),
    *(Case.module(f"{kind} dropout eval", evaluating(kind), X, layouts=False) for kind in ("LSTM", "GRU", "RNN")),
    *(
        Case.module(f"{kind} state", network(kind, 3, 4, 2, bidirectional=True), [*X, real(4, 2, 4)], call=with_state)
        for kind in ("GRU", "RNN")
    ),
    Case.module(
        "LSTM state",
        network("LSTM", 3, 4, 2, bidirectional=True),
        [*X, real(4, 2, 4), real(4, 2, 4)],
        call=with_state,
    ),
    Case.module(
        "LSTM unbatched state",
        network("LSTM", 3, 4),
        [real(5, 3), real(1, 4), real(1, 4)],
        call=with_state,
        layouts=False,
    ),
    Case.module("RNN relu", network("RNN", 3, 4, 2, nonlinearity="relu"), X),
    Case.module("RNN relu by position", network("RNN", 3, 4, 2, "relu", False, True), [real(2, 5, 3)], layouts=False),
    Case.module("LSTM proj_size", network("LSTM", 3, 4, 2, proj_size=2, bidirectional=True), X),
    Case.module(
        "LSTM proj_size state",
        network("LSTM", 3, 4, proj_size=2),
        [*X, real(1, 2, 2), real(1, 2, 4)],
        call=with_state,
        layouts=False,
    ),
    Case.module("LSTM proj_size no bias", network("LSTM", 3, 4, 1, False, proj_size=3), X, layouts=False),
    Case.module("LSTM one step", network("LSTM", 3, 4), [real(1, 2, 3)], layouts=False),
    Case.module("LSTM no batch rows", network("LSTM", 3, 4), [real(5, 0, 3)], layouts=False),
    Case.module("LSTM one unit", network("LSTM", 1, 1, 2), [real(4, 3, 1)], layouts=False),
    Case.module("LSTM long", network("LSTM", 3, 8), [real(40, 2, 3)], layouts=False, grad=True),
    Case.module("GRU long", network("GRU", 3, 8), [real(40, 2, 3)], layouts=False),
    Case.module(
        "LSTM in a network",
        lambda T: T.nn.Sequential(T.nn.Embedding(7, 3), T.nn.LSTM(3, 4, batch_first=True)),
        [nograd(real(2, 5, low=0, high=6.9))],
        call=lambda m, x: m(x.long())[0][:, -1],
        layouts=False,
    ),
]

MISTAKES = [
    Case.misuse(f"{kind} {name}", call)
    for kind in ("LSTM", "GRU", "RNN")
    for name, call in {
        "dtype": lambda T, k=kind: network(k, 3, 4)(T)(T.zeros(5, 2, 3, dtype=T.float64)),
        "input size": lambda T, k=kind: network(k, 3, 4)(T)(T.zeros(5, 2, 2)),
        "1-d": lambda T, k=kind: network(k, 3, 4)(T)(T.zeros(3)),
        "4-d": lambda T, k=kind: network(k, 3, 4)(T)(T.zeros(1, 5, 2, 3)),
        "state of another batch": lambda T, k=kind: network(k, 3, 4)(T)(
            T.zeros(5, 2, 3), (T.zeros(1, 3, 4), T.zeros(1, 3, 4)) if k == "LSTM" else T.zeros(1, 3, 4)
        ),
        "state without batch": lambda T, k=kind: network(k, 3, 4)(T)(
            T.zeros(5, 2, 3), (T.zeros(1, 4), T.zeros(1, 4)) if k == "LSTM" else T.zeros(1, 4)
        ),
        "no steps": lambda T, k=kind: network(k, 3, 4)(T)(T.zeros(0, 2, 3)),
        "hidden size 0": network(kind, 3, 0),
        "hidden size float": network(kind, 3, 4.5),
        "no layers": network(kind, 3, 4, num_layers=0),
        "bad dropout": network(kind, 3, 4, num_layers=2, dropout=1.5),
        "bad proj_size": network(kind, 3, 4, proj_size=4),
    }.items()
    if not (kind == "RNN" and name == "bad proj_size")
] + [
    Case.misuse("LSTM one state", lambda T: T.nn.LSTM(3, 4, 2)(T.zeros(5, 2, 3), T.zeros(2, 2, 4))),
    Case.misuse("RNN nonlinearity", lambda T: T.nn.RNN(3, 4, nonlinearity="sigmoid")),
    Case.misuse("LSTMCell 3-d", lambda T: T.nn.LSTMCell(3, 4)(T.zeros(5, 2, 3))),
    Case.misuse("LSTMCell input size", lambda T: T.nn.LSTMCell(3, 4)(T.zeros(2, 2))),
    Case.misuse("GRUCell batch", lambda T: T.nn.GRUCell(3, 4)(T.zeros(2, 3), T.zeros(3, 4))),
    Case.misuse("RNNCell nonlinearity", lambda T: T.nn.RNNCell(3, 4, nonlinearity="x")(T.zeros(2, 3))),
]

CELLS = [
    Case.module("LSTMCell", network("LSTMCell", 3, 4), [real(2, 3)]),
    Case.module("LSTMCell state", network("LSTMCell", 3, 4), [real(2, 3), real(2, 4), real(2, 4)], call=with_state),
    Case.module("LSTMCell no bias", network("LSTMCell", 3, 4, bias=False), [real(2, 3)], layouts=False),
    Case.module("LSTMCell unbatched", network("LSTMCell", 3, 4), [real(3), real(4), real(4)], call=with_state),
    Case.module("GRUCell", network("GRUCell", 3, 4), [real(2, 3), real(2, 4)]),
    Case.module("GRUCell zeros", network("GRUCell", 3, 4), [real(3)]),
    Case.module("GRUCell no bias", network("GRUCell", 3, 4, False), [real(2, 3), real(2, 4)], layouts=False),
    Case.module("RNNCell", network("RNNCell", 3, 4), [real(2, 3), real(2, 4)]),
    Case.module("RNNCell relu", network("RNNCell", 3, 4, nonlinearity="relu"), [real(2, 3), real(2, 4)]),
]


CELLS += [
    Case(
        f"{name} function",
        lambda T, *x, name=name: [getattr(T, name)(*x), getattr(T, name)(*x[:4])],
        [unit(2, 3), unit(2, 4), unit(gates * 4, 3), unit(gates * 4, 4), unit(gates * 4), unit(gates * 4)],
    )
    for name, gates in (("gru_cell", 3), ("rnn_tanh_cell", 1), ("rnn_relu_cell", 1))
] + [
    Case(
        "lstm_cell function",
        lambda T, x, h, c, *w: T.lstm_cell(x, (h, c), *w),
        [unit(2, 3), unit(2, 4), unit(2, 4), unit(16, 3), unit(16, 4), unit(16), unit(16)],
    )
]


def unrolled(module: Any, x: Any) -> Any:
    state = None
    outputs = []
    for row in x.unbind(0):
        state = module(row, state)
        outputs.append(state[0])
    return outputs


CELLS.append(Case.module("LSTMCell in a loop", network("LSTMCell", 3, 4), [real(5, 2, 3)], call=unrolled))

PACKED = [
    *(
        Case.module(
            f"{kind} packed {name}",
            network(kind, 3, 4, 2, bidirectional=True),
            [real(5, 4, 3)],
            call=packed(lengths, **options),
            layouts=False,
        )
        for kind in ("LSTM", "GRU", "RNN")
        for name, lengths, options in (
            ("sorted", [5, 5, 3, 1], {}),
            ("equal", [5, 5, 5, 5], {}),
            ("short", [3, 2, 2, 1], {}),
            ("unsorted", LENGTHS, {"enforce_sorted": False}),
        )
    ),
    Case.module(
        "LSTM packed state",
        network("LSTM", 3, 4),
        [real(5, 4, 3), real(1, 4, 4), real(1, 4, 4)],
        call=packed(LENGTHS, enforce_sorted=False),
    ),
    Case.module(
        "LSTM packed proj_size",
        network("LSTM", 3, 4, proj_size=2),
        [real(5, 4, 3)],
        call=packed(LENGTHS, enforce_sorted=False),
        layouts=False,
    ),
    Case.module(
        "LSTM packed dropout",
        network("LSTM", 3, 4, 2, dropout=0.5),
        [real(5, 4, 3)],
        call=packed([5, 4, 2, 2]),
        seeded=True,
        layouts=False,
    ),
    Case.module(
        "LSTM packed batch_first",
        network("LSTM", 3, 4, batch_first=True),
        [real(4, 5, 3)],
        call=packed(LENGTHS, enforce_sorted=False, batch_first=True),
        layouts=False,
    ),
]


def rnn(T: Any) -> Any:
    return T.nn.utils.rnn


SEQUENCES = [
    Case("pack_padded_sequence", lambda T, x: tuple(rnn(T).pack_padded_sequence(x, [5, 5, 3, 1])), [real(5, 4, 2)]),
    Case(
        "pack_padded_sequence unsorted",
        lambda T, x: tuple(rnn(T).pack_padded_sequence(x, LENGTHS, enforce_sorted=False)),
        [real(5, 4, 2)],
    ),
    Case(
        "pack_padded_sequence batch_first",
        lambda T, x: tuple(rnn(T).pack_padded_sequence(x, T.tensor([3, 2]), batch_first=True)),
        [real(2, 5)],
    ),
    Case(
        "pad_packed_sequence",
        lambda T, x: rnn(T).pad_packed_sequence(rnn(T).pack_padded_sequence(x, LENGTHS, enforce_sorted=False)),
        [real(5, 4, 2)],
    ),
    Case(
        "pad_packed_sequence options",
        lambda T, x: rnn(T).pad_packed_sequence(
            rnn(T).pack_padded_sequence(x, [3, 2], batch_first=True),
            batch_first=True,
            padding_value=-7.0,
            total_length=6,
        ),
        [real(2, 5)],
    ),
    Case(
        "pack_sequence",
        lambda T, a, b, c: tuple(rnn(T).pack_sequence([a, b, c])),
        [real(4, 2), real(4, 2), real(1, 2)],
    ),
    Case(
        "pack_sequence unsorted",
        lambda T, a, b, c: tuple(rnn(T).pack_sequence([a, b, c], enforce_sorted=False)),
        [real(1), real(4), real(3)],
    ),
    Case(
        "unpack_sequence",
        lambda T, a, b, c: rnn(T).unpack_sequence(rnn(T).pack_sequence([a, b, c], enforce_sorted=False)),
        [real(1, 2), real(4, 2), real(3, 2)],
    ),
    Case("pad_sequence", lambda T, a, b: rnn(T).pad_sequence([a, b]), [real(2, 3), real(4, 3)], dtypes="all"),
    Case(
        "pad_sequence options",
        lambda T, a, b: [
            rnn(T).pad_sequence([a, b], batch_first=True),
            rnn(T).pad_sequence((a, b), True, 3.5),
            rnn(T).pad_sequence([a, b], padding_side="left", padding_value=-1),
        ],
        [real(2), real(4)],
    ),
    Case("pad_sequence equal", lambda T, a, b: rnn(T).pad_sequence([a, b]), [real(2, 3), real(2, 3)]),
    Case(
        "unpad_sequence",
        lambda T, x: [
            rnn(T).unpad_sequence(x.clone(), T.tensor([1, 3, 2])),
            rnn(T).unpad_sequence(x.clone(), T.tensor([2] * 4), True),
        ],
        [real(4, 3, 2)],
        # torch transposes its argument in place, which a leaf that requires grad does not allow.
        grad=False,
    ),
    Case(
        "PackedSequence conversions",
        lambda T, x: [
            tuple(rnn(T).pack_padded_sequence(x, [3, 1]).double()),
            tuple(rnn(T).pack_padded_sequence(x, [3, 1]).to(T.float16)),
            rnn(T).pack_padded_sequence(x, [3, 1]).is_cuda,
        ],
        [real(3, 2)],
        grad=False,
    ),
    Case.misuse("pack_padded_sequence not sorted", lambda T: rnn(T).pack_padded_sequence(T.zeros(5, 2), [1, 2])),
    Case.misuse("pack_padded_sequence length 0", lambda T: rnn(T).pack_padded_sequence(T.zeros(5, 2), [1, 0])),
    Case.misuse("pack_padded_sequence too many", lambda T: rnn(T).pack_padded_sequence(T.zeros(5, 2), [3, 2, 1])),
    Case.misuse("pack_padded_sequence 2-d", lambda T: rnn(T).pack_padded_sequence(T.zeros(5, 2), T.tensor([[3, 2]]))),
    Case.misuse("pack_sequence not sorted", lambda T: rnn(T).pack_sequence([T.zeros(1), T.zeros(2)])),
    Case.misuse(
        "pad_packed_sequence total_length",
        lambda T: rnn(T).pad_packed_sequence(rnn(T).pack_padded_sequence(T.zeros(5, 2), [3, 2]), total_length=2),
    ),
    Case.misuse("pad_sequence nothing", lambda T: rnn(T).pad_sequence([])),
    Case.misuse("pad_sequence side", lambda T: rnn(T).pad_sequence([T.zeros(2)], padding_side="top")),
    Case.misuse("pad_sequence shapes", lambda T: rnn(T).pad_sequence([T.zeros(2, 2), T.zeros(3, 3)])),
]

CASES = LAYERS + MISTAKES + CELLS + PACKED + SEQUENCES
