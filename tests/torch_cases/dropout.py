"""Dropout with PyTorch's numbers, and embeddings."""

from __future__ import annotations

from typing import Any

from peer import Case, given, integer, real


def _kinds(name: str, function: str, shape: tuple[int, ...]) -> list[Case]:
    def layer(T: Any, *args: Any) -> Any:
        return getattr(T.nn, name)(*args)

    def call(T: Any, x: Any, *args: Any, **options: Any) -> Any:
        return getattr(T.nn.functional, function)(x, *args, **options)

    options: dict[str, Any] = {"seeded": True}
    # Results of arithmetic are always in row-major order, where PyTorch's have the order of the operands.
    written: dict[str, Any] = {"seeded": True, "layouts": False}
    return [
        Case.module(name, layer, [real(*shape)], **options),
        Case.module(f"{name} p=0.2", lambda T: layer(T, 0.2), [real(*shape)], dtypes="half", **options),
        Case.module(f"{name} eval", lambda T: layer(T).eval(), [real(*shape)]),
        Case.module(f"{name} p=0", lambda T: layer(T, 0.0), [real(*shape)]),
        Case.module(f"{name} p=1", lambda T: layer(T, 1.0), [real(*shape)]),
        Case.module(
            f"{name} in place", lambda T: layer(T, 0.3, True), [real(*shape)], call=lambda m, x: m(x * 1), **written
        ),
        Case(function, lambda T, x: call(T, x, 0.4, True), [real(*shape)], **options),
        Case(f"{function} default", lambda T, x: call(T, x), [real(*shape)], **options),
        Case(f"{function} off", lambda T, x: call(T, x, training=False), [real(*shape)]),
        Case(f"{function} in place", lambda T, x: call(T, x * 2, 0.4, True, True), [real(*shape)], **written),
        Case.misuse(f"{function} p=2", lambda T, x: call(T, x, 2.0), [real(*shape)]),
        Case.misuse(f"{name} p=-1", lambda T: layer(T, -1.0)),
    ]


DROPOUT = [
    *_kinds("Dropout", "dropout", (5, 7)),
    *_kinds("Dropout1d", "dropout1d", (3, 6, 2)),
    *_kinds("Dropout2d", "dropout2d", (3, 6, 2, 2)),
    *_kinds("Dropout3d", "dropout3d", (3, 6, 2, 1, 2)),
    *_kinds("AlphaDropout", "alpha_dropout", (5, 7)),
    *_kinds("FeatureAlphaDropout", "feature_alpha_dropout", (3, 6, 2)),
    Case("torch.dropout", lambda T, x: T.dropout(x, 0.5, True), [real(4, 6)], seeded=True),
    Case("dropout1d without a batch", lambda T, x: T.nn.functional.dropout1d(x), [real(9, 3)], seeded=True),
    Case("dropout2d of three", lambda T, x: T.nn.functional.dropout2d(x), [real(9, 3, 2)], seeded=True),
    Case(
        "dropout3d without a batch",
        lambda T, x: T.nn.functional.dropout3d(x),
        [real(9, 2, 1, 2)],
        seeded=True,
        layouts=False,
    ),
    Case("dropout of one number", lambda T, x: T.nn.functional.dropout(x), [real()], seeded=True),
    Case("dropout of nothing", lambda T, x: T.nn.functional.dropout(x), [real(0, 3)], seeded=True),
    Case(
        "dropout twice",
        lambda T, x: (T.nn.functional.dropout(x), T.nn.functional.dropout(x, 0.1), T.rand(2)),
        [real(6, 6)],
        seeded=True,
        layouts=False,
    ),
    Case.misuse("dropout1d rank", lambda T, x: T.nn.functional.dropout1d(x), [real(4)]),
]

ROWS = integer(3, 4, low=0, high=6)
FLAT = given([1, 2, 4, 5, 4, 3, 2, 0])
OFFSETS = given([0, 3, 3, 6])
ENDS = given([0, 3, 3, 6, 8])


def _bag(name: str, **options: Any) -> list[Case]:
    def call(T: Any, i: Any, w: Any, **more: Any) -> Any:
        return T.nn.functional.embedding_bag(i, w, **options, **more)

    return [
        Case(f"embedding_bag {name}", call, [ROWS, real(6, 3)]),
        Case(f"embedding_bag offsets {name}", lambda T, i, o, w: call(T, i, w, offsets=o), [FLAT, OFFSETS, real(6, 3)]),
        Case(
            f"embedding_bag ends {name}",
            lambda T, i, o, w: call(T, i, w, offsets=o, include_last_offset=True),
            [FLAT, ENDS, real(6, 3)],
        ),
        Case(f"embedding_bag padding {name}", lambda T, i, w: call(T, i, w, padding_idx=2), [ROWS, real(6, 3)]),
        Case(
            f"embedding_bag offsets padding {name}",
            lambda T, i, o, w: call(T, i, w, offsets=o, padding_idx=-2),
            [FLAT, OFFSETS, real(6, 3)],
        ),
    ]


EMBEDDINGS = [
    Case.module("Embedding", lambda T: T.nn.Embedding(6, 3), [ROWS]),
    Case.module("Embedding padding", lambda T: T.nn.Embedding(6, 3, padding_idx=1), [ROWS]),
    Case.module("Embedding negative padding", lambda T: T.nn.Embedding(6, 3, padding_idx=-2), [ROWS]),
    Case.module("Embedding max_norm", lambda T: T.nn.Embedding(6, 3, max_norm=0.7), [ROWS]),
    Case.module("Embedding max_norm 1", lambda T: T.nn.Embedding(6, 3, max_norm=1.0, norm_type=1.0), [ROWS]),
    Case.module("Embedding frequency", lambda T: T.nn.Embedding(6, 3, scale_grad_by_freq=True), [ROWS]),
    Case.module("Embedding of one index", lambda T: T.nn.Embedding(6, 3), [given(2)]),
    Case.module("Embedding of nothing", lambda T: T.nn.Embedding(6, 3), [integer(0, 2)]),
    Case.module(
        "Embedding from_pretrained",
        lambda T: T.nn.Embedding.from_pretrained(T.arange(12.0).view(4, 3), padding_idx=1),
        [integer(5, low=0, high=4)],
    ),
    Case.module(
        "Embedding from_pretrained trained",
        lambda T: T.nn.Embedding.from_pretrained(T.arange(12.0).view(4, 3), freeze=False),
        [integer(5, low=0, high=4)],
    ),
    Case("embedding", lambda T, i, w: T.nn.functional.embedding(i, w), [ROWS, real(6, 3)], dtypes="half"),
    Case("torch.embedding", lambda T, i, w: T.embedding(w, i), [ROWS, real(6, 3)]),
    Case("embedding padding", lambda T, i, w: T.nn.functional.embedding(i, w, padding_idx=0), [ROWS, real(6, 3)]),
    Case(
        "embedding int32",
        lambda T, i, w: T.nn.functional.embedding(i.int(), w, scale_grad_by_freq=True),
        [ROWS, real(6, 3)],
    ),
    *_bag("sum", mode="sum"),
    *_bag("mean", mode="mean"),
    *_bag("max", mode="max"),
    Case(
        "embedding_bag weights",
        lambda T, i, w, s: T.nn.functional.embedding_bag(i, w, mode="sum", per_sample_weights=s),
        [ROWS, real(6, 3), real(3, 4)],
    ),
    Case(
        "embedding_bag offsets weights",
        lambda T, i, o, w, s: T.nn.functional.embedding_bag(i, w, o, mode="sum", per_sample_weights=s, padding_idx=4),
        [FLAT, OFFSETS, real(6, 3), real(8)],
    ),
    Case(
        "embedding_bag no bags",
        lambda T, i, o, w: T.nn.functional.embedding_bag(i, w, o),
        [integer(0), integer(0), real(6, 3)],
    ),
    Case.module("EmbeddingBag", lambda T: T.nn.EmbeddingBag(6, 3), [ROWS]),
    Case.module("EmbeddingBag offsets", lambda T: T.nn.EmbeddingBag(6, 3, mode="sum"), [FLAT, OFFSETS]),
    Case.module("EmbeddingBag max", lambda T: T.nn.EmbeddingBag(6, 3, mode="max", padding_idx=2), [FLAT, OFFSETS]),
    Case.module("EmbeddingBag max_norm", lambda T: T.nn.EmbeddingBag(6, 3, max_norm=0.5), [FLAT, OFFSETS]),
    Case.module("EmbeddingBag ends", lambda T: T.nn.EmbeddingBag(6, 3, include_last_offset=True), [FLAT, ENDS]),
    # PyTorch scales by the counts of other rows where rows occur at different frequencies.
    Case.module(
        "EmbeddingBag frequency",
        lambda T: T.nn.EmbeddingBag(6, 3, scale_grad_by_freq=True, mode="sum"),
        [given([1, 2, 4, 4, 2, 1]), given([0, 3])],
    ),
    Case.module(
        "EmbeddingBag from_pretrained",
        lambda T: T.nn.EmbeddingBag.from_pretrained(T.arange(12.0).view(4, 3), mode="sum"),
        [integer(2, 5, low=0, high=4)],
    ),
    Case.misuse("embedding float", lambda T, i, w: T.nn.functional.embedding(i, w), [real(3), real(6, 3)]),
    Case.misuse("embedding index", lambda T, i, w: T.nn.functional.embedding(i, w), [given([0, 7]), real(6, 3)]),
    Case.misuse(
        "embedding_bag offsets missing", lambda T, i, w: T.nn.functional.embedding_bag(i, w), [FLAT, real(6, 3)]
    ),
    Case.misuse(
        "embedding_bag offsets begin",
        lambda T, i, w: T.nn.functional.embedding_bag(i, w, T.tensor([1, 2])),
        [FLAT, real(6, 3)],
    ),
    Case.misuse(
        "embedding_bag mean of weights",
        lambda T, i, w, s: T.nn.functional.embedding_bag(i, w, per_sample_weights=s),
        [ROWS, real(6, 3), real(3, 4)],
    ),
]

CASES = [*DROPOUT, *EMBEDDINGS]
