"""Attention and transformers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from peer import Case, given, real

HIDDEN_ROW = np.array([[1, 1, 0, 1, 1], [0, 0, 0, 0, 0], [0, 1, 1, 0, 1]], dtype=bool)
SOME = np.array([[1, 1, 0, 1, 1], [1, 0, 0, 0, 0], [0, 1, 1, 0, 1]], dtype=bool)


def attend(T: Any, *args: Any, **options: Any) -> Any:
    return T.nn.functional.scaled_dot_product_attention(*args, **options)


QKV = [real(2, 2, 3, 4), real(2, 2, 5, 4), real(2, 2, 5, 6)]

FUNCTIONS = [
    Case("sdpa", attend, QKV, dtypes="half"),
    Case("sdpa 3-d", attend, [real(2, 3, 4), real(2, 5, 4), real(2, 5, 4)]),
    # Equal rows have a gradient of exactly zero in one order of summation only.
    Case("sdpa 2-d", attend, [real(3, 4), real(5, 4), real(5, 4)], atol=1e-5),
    Case("sdpa 5-d", attend, [real(1, 2, 2, 3, 4), real(1, 2, 2, 5, 4), real(1, 2, 2, 5, 4)], layouts=False),
    Case("sdpa scale", lambda T, *x: attend(T, *x, scale=0.3), QKV),
    Case("sdpa causal", lambda T, *x: attend(T, *x, is_causal=True), QKV, dtypes="half"),
    Case(
        "sdpa causal more queries",
        lambda T, *x: attend(T, *x, is_causal=True),
        [real(2, 6, 4), real(2, 3, 4), real(2, 3, 4)],
    ),
    Case("sdpa bool mask", attend, [*QKV, given(SOME)]),
    Case("sdpa bool mask by keyword", lambda T, q, k, v, m: attend(T, q, k, v, attn_mask=m), [*QKV, given(SOME[:1])]),
    Case("sdpa hidden row", attend, [*QKV, given(HIDDEN_ROW)]),
    Case(
        "sdpa hidden row of -inf",
        lambda T, q, k, v, m: attend(T, q, k, v, T.zeros(3, 5).masked_fill(~m, -math.inf).to(q.dtype)),
        [*QKV, given(HIDDEN_ROW)],
    ),
    Case("sdpa float mask", attend, [*QKV, real(2, 1, 3, 5)]),
    Case("sdpa mask of one query", attend, [*QKV, real(2, 1, 1, 5)]),
    Case(
        "sdpa grouped heads",
        lambda T, *x: attend(T, *x, enable_gqa=True),
        [real(2, 4, 3, 4), real(2, 2, 5, 4), real(2, 2, 5, 4)],
    ),
    Case(
        "sdpa one key head",
        lambda T, *x: attend(T, *x, enable_gqa=True, is_causal=True),
        [real(2, 4, 3, 4), real(2, 1, 5, 4), real(2, 1, 5, 4)],
    ),
    Case("sdpa broadcast batch", attend, [real(2, 4, 3, 4), real(1, 1, 5, 4), real(2, 4, 5, 4)]),
    Case("sdpa no keys", attend, [real(2, 3, 4), real(2, 0, 4), real(2, 0, 6)], layouts=False),
    Case("sdpa no queries", attend, [real(2, 0, 4), real(2, 3, 4), real(2, 3, 4)], layouts=False),
    Case("sdpa dropout", lambda T, *x: attend(T, *x, dropout_p=0.4), QKV, seeded=True, layouts=False),
    Case("sdpa dropout all", lambda T, *x: attend(T, *x, dropout_p=1.0), QKV, layouts=False),
    Case.misuse("sdpa mask and causal", lambda T, *x: attend(T, *x, is_causal=True), [*QKV, given(SOME)]),
    Case.misuse("sdpa vectors", attend, [real(4), real(4), real(4)]),
    Case.misuse("sdpa sizes", attend, [real(2, 3, 4), real(2, 5, 3), real(2, 5, 3)]),
    Case.misuse("sdpa lengths", attend, [real(2, 3, 4), real(2, 5, 4), real(2, 4, 4)]),
    Case.misuse("sdpa dtypes", lambda T, q, k, v: attend(T, q, k.double(), v), QKV),
    Case.misuse("sdpa integers", lambda T, q, k, v: attend(T, q.long(), k.long(), v.long()), QKV),
    Case.misuse("sdpa integer mask", lambda T, q, k, v, m: attend(T, q, k, v, m.long()), [*QKV, given(SOME)]),
    Case.misuse("sdpa mask shape", attend, [*QKV, real(4, 5)]),
    Case.misuse("sdpa dropout_p", lambda T, *x: attend(T, *x, dropout_p=1.5), QKV),
    Case.misuse(
        "sdpa heads",
        lambda T, *x: attend(T, *x, enable_gqa=True),
        [real(2, 3, 3, 4), real(2, 2, 5, 4), real(2, 2, 5, 4)],
    ),
]


# ---- layers


def attention(*args: Any, **options: Any) -> Any:
    return lambda T: T.nn.MultiheadAttention(*args, **options)


def over(**options: Any) -> Any:
    """Attention of a query over keys that are the values, with masks as further tensors."""

    def call(module: Any, q: Any, k: Any, *masks: Any) -> Any:
        names = ("attn_mask", "key_padding_mask")
        given = {name: m for name, m in zip(names, masks, strict=False) if m is not None}
        return module(q, k, k, **given, **options)

    return call


def padded(module: Any, q: Any, k: Any, mask: Any) -> Any:
    return module(q, k, k, key_padding_mask=mask)


QK = [real(3, 2, 4), real(5, 2, 4)]
PADDING = np.array([[0, 0, 0, 1, 1], [0, 1, 0, 0, 0]], dtype=bool)
PER_HEAD = np.random.default_rng(0).uniform(-1, 1, (4, 3, 5))

LAYERS = [
    # Gradients of weights over equal keys are zero but for rounding.
    Case.module("MultiheadAttention", attention(4, 2), QK, call=over(), atol=1e-5),
    Case.module("MultiheadAttention no weights", attention(4, 2), QK, call=over(need_weights=False)),
    Case.module(
        "MultiheadAttention weights per head", attention(4, 2), QK, call=over(average_attn_weights=False), layouts=False
    ),
    Case.module("MultiheadAttention self", attention(4, 2), [real(3, 2, 4)], call=lambda m, x: m(x, x, x)),
    Case.module("MultiheadAttention no bias", attention(4, 2, bias=False), QK, call=over(), layouts=False),
    Case.module("MultiheadAttention one head", attention(4, 1), QK, call=over(), layouts=False),
    Case.module("MultiheadAttention add_bias_kv", attention(4, 2, add_bias_kv=True), QK, call=over(), layouts=False),
    Case.module("MultiheadAttention zeros", attention(4, 2, add_zero_attn=True), QK, call=over(), layouts=False),
    Case.module(
        "MultiheadAttention both added",
        attention(4, 2, add_bias_kv=True, add_zero_attn=True),
        [*QK, given(SOME), given(PADDING)],
        call=lambda m, q, k, a, b: [m(q, k, k, b, True, a), m(q, k, k, b, False, a)],
        layouts=False,
    ),
    Case.module(
        "MultiheadAttention kdim vdim",
        attention(4, 2, kdim=3, vdim=5),
        [real(3, 2, 4), real(5, 2, 3), real(5, 2, 5)],
        atol=1e-5,
    ),
    Case.module(
        "MultiheadAttention kdim", attention(4, 2, kdim=3), [real(3, 2, 4), real(5, 2, 3), real(5, 2, 4)], layouts=False
    ),
    Case.module(
        "MultiheadAttention batch_first",
        attention(4, 2, batch_first=True),
        [real(2, 3, 4), real(2, 5, 4)],
        call=over(),
    ),
    Case.module(
        "MultiheadAttention batch_first self",
        attention(4, 2, batch_first=True),
        [real(2, 3, 4)],
        call=lambda m, x: m(x, x, x),
    ),
    Case.module("MultiheadAttention unbatched", attention(4, 2), [real(3, 4), real(5, 4)], call=over()),
    Case.module(
        "MultiheadAttention unbatched batch_first",
        attention(4, 2, batch_first=True),
        [real(3, 4), real(5, 4), given(PADDING[0])],
        call=padded,
        layouts=False,
    ),
    Case.module("MultiheadAttention bool mask", attention(4, 2), [*QK, given(~SOME)], call=over(), layouts=False),
    Case.module(
        "MultiheadAttention bool mask no weights",
        attention(4, 2),
        [*QK, given(~SOME)],
        call=over(need_weights=False),
        layouts=False,
    ),
    Case.module("MultiheadAttention float mask", attention(4, 2), [*QK, real(3, 5)], call=over(), layouts=False),
    Case.module(
        "MultiheadAttention mask per head",
        attention(4, 2),
        [*QK, given(PER_HEAD.astype(np.float32))],
        call=lambda m, q, k, mask: m(q, k, k, attn_mask=mask.to(q.dtype)),
        layouts=False,
    ),
    Case.module("MultiheadAttention padding", attention(4, 2), [*QK, given(PADDING)], call=padded, layouts=False),
    Case.module(
        "MultiheadAttention float padding", attention(4, 2), [*QK, real(2, 5)], call=padded, layouts=False, grad=False
    ),
    Case.module(
        "MultiheadAttention both masks",
        attention(4, 2),
        [*QK, given(~SOME), given(PADDING)],
        call=lambda m, q, k, a, b: [m(q, k, k, b, True, a), m(q, k, k, b, False, a)],
        layouts=False,
    ),
    Case.module(
        "MultiheadAttention hidden row without weights",
        attention(4, 2),
        [*QK, given(~HIDDEN_ROW)],
        call=over(need_weights=False),
        layouts=False,
    ),
    Case.module(
        "MultiheadAttention hidden row",
        attention(4, 2),
        [*QK, given(~HIDDEN_ROW)],
        call=over(),
        layouts=False,
        grad=False,
    ),
    Case.module(
        "MultiheadAttention causal",
        attention(4, 2),
        [real(3, 2, 4), given(np.triu(np.ones((3, 3), bool), 1))],
        call=lambda m, x, mask: [
            m(x, x, x, attn_mask=mask, is_causal=True),
            m(x, x, x, attn_mask=mask, is_causal=True, need_weights=False),
        ],
        layouts=False,
    ),
    Case.module(
        "MultiheadAttention dropout",
        attention(4, 2, dropout=0.4),
        QK,
        call=lambda m, q, k: [m(q, k, k), m(q, k, k, need_weights=False)],
        seeded=True,
        layouts=False,
    ),
    Case.module(
        "MultiheadAttention dropout eval",
        lambda T: T.nn.MultiheadAttention(4, 2, dropout=0.4).eval(),
        QK,
        call=over(),
        layouts=False,
    ),
    Case(
        "multi_head_attention_forward static",
        lambda T, q, w, o, k, v: T.nn.functional.multi_head_attention_forward(
            q, q, q, 4, 2, w, None, None, None, True, 0.0, o, None, static_k=k, static_v=v
        ),
        [real(3, 2, 4), real(12, 4), real(4, 4), real(4, 5, 2), real(4, 5, 2)],
        layouts=False,
    ),
]

X = [real(3, 2, 8)]
TWO = [real(5, 2, 8), real(3, 2, 8)]


def encoder_layer(**options: Any) -> Any:
    return lambda T: T.nn.TransformerEncoderLayer(8, 2, 16, **{"dropout": 0.0, **options})


def decoder_layer(**options: Any) -> Any:
    return lambda T: T.nn.TransformerDecoderLayer(8, 2, 16, **{"dropout": 0.0, **options})


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "norm_first": {"norm_first": True},
    "gelu": {"activation": "gelu"},
    "no bias": {"bias": False},
    "eps": {"layer_norm_eps": 0.1},
}

TRANSFORMERS = [
    *(Case.module(f"TransformerEncoderLayer {name}", encoder_layer(**o), X) for name, o in VARIANTS.items()),
    *(
        Case.module(f"TransformerDecoderLayer {name}", decoder_layer(**o), TWO[::-1], layouts=False)
        for name, o in VARIANTS.items()
    ),
    Case.module("TransformerEncoderLayer batch_first", encoder_layer(batch_first=True), [real(2, 3, 8)], layouts=False),
    Case.module("TransformerEncoderLayer unbatched", encoder_layer(), [real(3, 8)], layouts=False),
    Case.module(
        "TransformerEncoderLayer function",
        lambda T: T.nn.TransformerEncoderLayer(8, 2, 16, 0.0, T.tanh),
        X,
        layouts=False,
    ),
    Case.module("TransformerEncoderLayer dropout", encoder_layer(dropout=0.3), X, seeded=True, layouts=False),
    Case.module("TransformerDecoderLayer dropout", decoder_layer(dropout=0.3), TWO[::-1], seeded=True, layouts=False),
    Case.module(
        "TransformerEncoderLayer masks",
        encoder_layer(),
        [real(3, 2, 8), given(PADDING[:, 1:4])],
        call=lambda m, x, p: m(x, x.new_zeros(3, 3).fill_(-math.inf).triu(1), p),
        layouts=False,
    ),
    Case.module(
        "TransformerEncoder",
        lambda T: T.nn.TransformerEncoder(encoder_layer()(T), 2, T.nn.LayerNorm(8)),
        [*X, given(PADDING[:, 1:4])],
        call=lambda m, x, p: [m(x), m(x, src_key_padding_mask=p)],
        layouts=False,
    ),
    Case.module(
        "TransformerEncoder causal",
        lambda T: T.nn.TransformerEncoder(encoder_layer(batch_first=True)(T), 2),
        [real(2, 3, 8), given(np.triu(np.full((3, 3), -np.inf, np.float32), 1))],
        call=lambda m, x, mask: m(x, mask.to(x.dtype), is_causal=True),
        layouts=False,
    ),
    Case.module(
        "TransformerDecoder",
        lambda T: T.nn.TransformerDecoder(decoder_layer()(T), 2, T.nn.LayerNorm(8)),
        [*TWO[::-1], given(np.triu(np.ones((3, 3), bool), 1)), given(PADDING)],
        call=lambda m, x, memory, mask, p: m(x, memory, tgt_mask=mask, memory_key_padding_mask=p),
        layouts=False,
    ),
    Case.module("Transformer", lambda T: T.nn.Transformer(8, 2, 1, 1, 16, 0.0), TWO, layouts=False),
    Case.module(
        "Transformer masks",
        lambda T: T.nn.Transformer(8, 2, 2, 2, 16, 0.0, "gelu", batch_first=True, norm_first=True),
        [real(2, 5, 8), real(2, 3, 8), given(PADDING), given(np.triu(np.full((3, 3), -np.inf, np.float32), 1))],
        call=lambda m, s, t, p, mask: m(
            s, t, tgt_mask=mask.to(s.dtype), src_key_padding_mask=p, memory_key_padding_mask=p, tgt_is_causal=True
        ),
        layouts=False,
    ),
    Case.module("Transformer unbatched", lambda T: T.nn.Transformer(8, 2, 1, 1, 16, 0.0), [real(5, 8), real(3, 8)]),
    Case("generate_square_subsequent_mask", lambda T: T.nn.Transformer.generate_square_subsequent_mask(4)),
    Case(
        "generate_square_subsequent_mask dtype",
        lambda T: T.nn.Transformer.generate_square_subsequent_mask(3, dtype=T.float64),
    ),
]


def without_gradients(module: Any, x: Any, padding: Any) -> Any:
    T = __import__(type(x).__module__.split(".")[0])
    with T.no_grad():
        return module(x, src_key_padding_mask=padding), module(x), module(x, T.zeros(4, 4).to(x.dtype), padding)


AT_END = np.array([[0, 0, 0, 1], [0, 0, 1, 1]], dtype=bool)
INSIDE = np.array([[0, 0, 0, 1], [1, 0, 0, 1]], dtype=bool)

# In evaluation mode without gradients, PyTorch leaves out padded steps.
TRANSFORMERS += [
    Case.module(
        f"TransformerEncoder evaluated {name}",
        lambda T, o=options, e=encoder: T.nn.TransformerEncoder(encoder_layer(batch_first=True, **o)(T), 2, **e).eval(),  # type: ignore[misc]
        [real(2, 4, 8), given(padding)],
        call=without_gradients,
        grad=False,
        layouts=False,
    )
    for name, padding, options, encoder in (
        ("plain", AT_END, {}, {}),
        ("inside", INSIDE, {}, {}),
        ("no padding", AT_END & False, {}, {}),
        ("numbers", np.where(AT_END, -np.inf, 0).astype(np.float32), {}, {}),
        ("gelu", AT_END, {"activation": "gelu"}, {}),
        ("norm_first", AT_END, {"norm_first": True}, {}),
        ("no bias", AT_END, {"bias": False}, {}),
        ("disabled", AT_END, {}, {"enable_nested_tensor": False}),
    )
] + [
    Case.module(
        "TransformerEncoder evaluated function",
        lambda T: T.nn.TransformerEncoder(
            T.nn.TransformerEncoderLayer(8, 2, 16, 0.0, T.tanh, batch_first=True), 2
        ).eval(),
        [real(2, 4, 8), given(AT_END)],
        call=without_gradients,
        grad=False,
        layouts=False,
    ),
    Case.module(
        "TransformerEncoder evaluated with gradients",
        lambda T: T.nn.TransformerEncoder(encoder_layer(batch_first=True)(T), 2).eval(),
        [real(2, 4, 8), given(AT_END)],
        call=lambda m, x, p: m(x, src_key_padding_mask=p),
        layouts=False,
    ),
]


def call_attention(**options: Any) -> Any:
    def run(T: Any) -> Any:
        shapes = {"q": (3, 2, 4), "k": (5, 2, 4), "v": (5, 2, 4), **{k: options[k] for k in "qkv" if k in options}}
        rest = {k: v(T) for k, v in options.items() if k not in "qkv"}
        return T.nn.MultiheadAttention(4, 2)(*(T.zeros(*shapes[k]) for k in "qkv"), **rest)

    return run


MISTAKES = [
    Case.misuse("MultiheadAttention heads", lambda T: T.nn.MultiheadAttention(4, 3)),
    Case.misuse("MultiheadAttention no heads", lambda T: T.nn.MultiheadAttention(4, 0)),
    Case.misuse("MultiheadAttention causal without mask", call_attention(is_causal=lambda T: True)),
    Case.misuse("MultiheadAttention lengths", call_attention(v=(4, 2, 4))),
    Case.misuse("MultiheadAttention batches", call_attention(v=(5, 1, 4))),
    Case.misuse("MultiheadAttention 4-d", call_attention(q=(1, 3, 2, 4))),
    Case.misuse("MultiheadAttention ranks", call_attention(q=(3, 4))),
    Case.misuse("MultiheadAttention size", call_attention(q=(3, 2, 5))),
    Case.misuse("MultiheadAttention padding size", call_attention(key_padding_mask=lambda T: T.zeros(2, 4).bool())),
    Case.misuse("MultiheadAttention padding rank", call_attention(key_padding_mask=lambda T: T.zeros(5).bool())),
    Case.misuse("MultiheadAttention padding dtype", call_attention(key_padding_mask=lambda T: T.zeros(2, 5).long())),
    Case.misuse("MultiheadAttention mask dtype", call_attention(attn_mask=lambda T: T.zeros(3, 5).long())),
    Case.misuse("MultiheadAttention mask shape", call_attention(attn_mask=lambda T: T.zeros(3, 4))),
    Case.misuse("MultiheadAttention mask heads", call_attention(attn_mask=lambda T: T.zeros(2, 3, 5))),
    Case.misuse("MultiheadAttention mask rank", call_attention(attn_mask=lambda T: T.zeros(5))),
    Case.misuse("TransformerEncoderLayer activation", lambda T: T.nn.TransformerEncoderLayer(4, 2, activation="tanh")),
    Case.misuse("Transformer batches", lambda T: T.nn.Transformer(8, 2, 1, 1, 16)(T.zeros(3, 2, 8), T.zeros(3, 1, 8))),
    Case.misuse("Transformer size", lambda T: T.nn.Transformer(8, 2, 1, 1, 16)(T.zeros(3, 2, 8), T.zeros(3, 2, 4))),
]


def chosen_kernels(T: Any, q: Any, k: Any, v: Any) -> Any:
    with T.nn.attention.sdpa_kernel(T.nn.attention.SDPBackend.MATH):
        first = attend(T, q, k, v)
    with T.nn.attention.sdpa_kernel([T.nn.attention.SDPBackend.MATH, T.nn.attention.SDPBackend.FLASH_ATTENTION]):
        return first, attend(T, q, k, v)


KERNELS = [Case("sdpa_kernel", chosen_kernels, QKV, layouts=False)]

CASES = FUNCTIONS + LAYERS + TRANSFORMERS + MISTAKES + KERNELS
