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

CASES = FUNCTIONS
