"""Normalisation of features, channels, groups and vectors; distances."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from peer import Case, Input, nograd, positive, real


def rows(*shape: int, **bounds: float) -> Input:
    """Numbers whose rows are never made equal: a variance of 0 shows nothing but rounding."""
    return replace(real(*shape, **bounds), apart=True)


def _several(steps: int = 3) -> Any:
    """Calls of a module that keeps statistics, one after another, then in use."""

    def call(module: Any, x: Any) -> Any:
        found = [module(x + step) for step in range(steps)]
        module.eval()
        return [*found, module(x)]

    return call


def _batch(name: str, shape: tuple[int, ...]) -> list[Case]:
    def norm(T: Any, **options: Any) -> Any:
        return getattr(T.nn, name)(3, **options)

    x = [rows(*shape)]
    return [
        Case.module(name, norm, x, dtypes="half"),
        Case.module(f"{name} steps", norm, x, call=_several()),
        Case.module(f"{name} momentum", lambda T: norm(T, momentum=0.4, eps=1e-2), x, call=_several()),
        Case.module(f"{name} mean of all", lambda T: norm(T, momentum=None), x, call=_several(4)),
        Case.module(f"{name} plain", lambda T: norm(T, affine=False), x, call=_several()),
        Case.module(f"{name} no statistics", lambda T: norm(T, track_running_stats=False), x, call=_several()),
        Case.module(f"{name} eval", lambda T: norm(T).eval(), x, dtypes="half"),
    ]


def _instance(name: str, shape: tuple[int, ...]) -> list[Case]:
    def norm(T: Any, **options: Any) -> Any:
        return getattr(T.nn, name)(3, **options)

    x = [rows(*shape)]
    return [
        Case.module(name, norm, x),
        Case.module(f"{name} without a batch", norm, [real(*shape[1:])]),
        Case.module(f"{name} affine", lambda T: norm(T, affine=True), x, dtypes="half"),
        Case.module(f"{name} statistics", lambda T: norm(T, affine=True, track_running_stats=True), x, call=_several()),
        Case.module(
            f"{name} statistics plain", lambda T: norm(T, track_running_stats=True, momentum=0.3), x, call=_several()
        ),
    ]


LAYERS = [
    *_batch("BatchNorm1d", (5, 3)),
    *_batch("BatchNorm2d", (4, 3, 2, 3)),
    *_batch("BatchNorm3d", (2, 3, 2, 3, 2)),
    Case.module("BatchNorm1d of sequences", lambda T: T.nn.BatchNorm1d(3), [real(4, 3, 5)], call=_several()),
    Case.module("BatchNorm1d of nothing", lambda T: T.nn.BatchNorm1d(3), [real(0, 3)], layouts=False),
    Case.module("BatchNorm1d large mean", lambda T: T.nn.BatchNorm1d(3), [rows(64, 3, low=99, high=101)], rtol=1e-3),
    *_instance("InstanceNorm1d", (2, 3, 5)),
    *_instance("InstanceNorm2d", (2, 3, 4, 5)),
    *_instance("InstanceNorm3d", (2, 3, 2, 3, 2)),
    Case.module("GroupNorm", lambda T: T.nn.GroupNorm(2, 6), [real(3, 6, 4, 2)], dtypes="half"),
    Case.module("GroupNorm one group", lambda T: T.nn.GroupNorm(1, 4, affine=False), [real(3, 4, 5)]),
    Case.module("GroupNorm per channel", lambda T: T.nn.GroupNorm(4, 4, eps=0.1), [real(3, 4, 5)]),
    Case.module("GroupNorm vectors", lambda T: T.nn.GroupNorm(2, 8), [real(3, 8)]),
    Case.module("GroupNorm of nothing", lambda T: T.nn.GroupNorm(2, 4), [real(0, 4, 3)], layouts=False),
    Case.module("LayerNorm", lambda T: T.nn.LayerNorm(6), [real(3, 6)], dtypes="half"),
    Case.module("LayerNorm several", lambda T: T.nn.LayerNorm((4, 6)), [real(3, 4, 6)]),
    Case.module("LayerNorm plain", lambda T: T.nn.LayerNorm([6], elementwise_affine=False), [real(3, 4, 6)]),
    Case.module("LayerNorm without bias", lambda T: T.nn.LayerNorm(6, bias=False, eps=0.1), [real(3, 6)]),
    Case.module("LayerNorm of nothing", lambda T: T.nn.LayerNorm(6), [real(0, 6)], layouts=False),
    Case.module("LayerNorm of one vector", lambda T: T.nn.LayerNorm(6), [rows(6)]),
    Case.module("RMSNorm", lambda T: T.nn.RMSNorm(6), [real(3, 6)], dtypes="half"),
    Case.module("RMSNorm several", lambda T: T.nn.RMSNorm((4, 6), eps=1e-3), [real(3, 4, 6)]),
    Case.module("RMSNorm plain", lambda T: T.nn.RMSNorm(6, elementwise_affine=False), [real(3, 6)]),
    Case.module("LocalResponseNorm", lambda T: T.nn.LocalResponseNorm(2), [real(2, 5, 3, 3)]),
    Case.module("LocalResponseNorm odd", lambda T: T.nn.LocalResponseNorm(3, 1e-2, 0.5, 2.0), [real(2, 5, 4)]),
    Case.module("LocalResponseNorm 3d", lambda T: T.nn.LocalResponseNorm(4, 1.0), [real(2, 5, 2, 2, 2)], layouts=False),
    Case.module("CosineSimilarity", lambda T: T.nn.CosineSimilarity(dim=1, eps=1e-6), [real(3, 4), real(3, 4)]),
    Case.module("PairwiseDistance", lambda T: T.nn.PairwiseDistance(), [real(3, 4), real(3, 4)]),
    Case.module("PairwiseDistance p=1", lambda T: T.nn.PairwiseDistance(1, keepdim=True), [real(3, 4), real(3, 4)]),
]

FUNCTIONS = [
    Case(
        "batch_norm running",
        lambda T, x, m, v, w, b: T.nn.functional.batch_norm(x, m, v, w, b, False, 0.1, 1e-3),
        [real(4, 3, 5), nograd(real(3)), nograd(positive(3)), real(3), real(3)],
    ),
    Case(
        "batch_norm training",
        lambda T, x, m, v, w: (T.nn.functional.batch_norm(x, m, v, w, training=True, momentum=0.5), m, v),
        [rows(4, 3), nograd(real(3)), nograd(positive(3)), real(3)],
        layouts=False,
    ),
    Case(
        "batch_norm no statistics", lambda T, x: T.nn.functional.batch_norm(x, None, None, training=True), [real(4, 3)]
    ),
    Case(
        "instance_norm",
        lambda T, x, w, b: T.nn.functional.instance_norm(x, weight=w, bias=b),
        [real(2, 3, 5), real(3), real(3)],
    ),
    Case(
        "instance_norm running",
        lambda T, x, m, v: (T.nn.functional.instance_norm(x, m, v, momentum=0.3), m, v),
        [real(2, 3, 5), nograd(real(3)), nograd(positive(3))],
    ),
    Case(
        "instance_norm in use",
        lambda T, x, m, v: T.nn.functional.instance_norm(x, m, v, use_input_stats=False),
        [real(2, 3, 5), nograd(real(3)), nograd(positive(3))],
    ),
    Case("group_norm", lambda T, x, w, b: T.nn.functional.group_norm(x, 2, w, b), [real(2, 4, 3), real(4), real(4)]),
    Case("torch.group_norm", lambda T, x: T.group_norm(x, 2), [real(2, 4, 3)]),
    Case(
        "layer_norm", lambda T, x, w, b: T.nn.functional.layer_norm(x, (4,), w, b, 1e-3), [real(2, 4), real(4), real(4)]
    ),
    Case("torch.layer_norm", lambda T, x: T.layer_norm(x, [2, 4]), [real(3, 2, 4)]),
    Case("rms_norm", lambda T, x, w: T.nn.functional.rms_norm(x, (4,), w), [real(2, 4), real(4)]),
    Case(
        "torch.batch_norm",
        lambda T, x, w, b, m, v: T.batch_norm(x, w, b, m, v, False, 0.1, 1e-3, False),
        [real(4, 3), real(3), real(3), nograd(real(3)), nograd(positive(3))],
    ),
    Case(
        "torch.instance_norm",
        lambda T, x, w, b: T.instance_norm(x, w, b, None, None, True, 0.1, 1e-3, False),
        [real(4, 3, 5), real(3), real(3)],
    ),
    Case("torch.rms_norm", lambda T, x: T.rms_norm(x, (4,)), [real(2, 4)]),
    Case("normalize", lambda T, x: T.nn.functional.normalize(x), [real(3, 4)], dtypes="half"),
    Case("normalize p=1", lambda T, x: T.nn.functional.normalize(x, p=1, dim=0), [real(3, 4)]),
    Case("normalize p=3", lambda T, x: T.nn.functional.normalize(x, p=3.0, dim=-1), [real(3, 4)]),
    Case("normalize dims", lambda T, x: T.nn.functional.normalize(x, dim=(0, 1)), [real(3, 4, 2)]),
    Case("normalize p=inf", lambda T, x: T.nn.functional.normalize(x, p=float("inf")), [real(3, 4)]),
    Case(
        "normalize zeros", lambda T, x: T.nn.functional.normalize(x * T.tensor([[1.0], [0.0]]), eps=0.1), [real(2, 4)]
    ),
    Case(
        "normalize zeros p=3",
        lambda T, x: T.nn.functional.normalize(x * T.tensor([[1.0], [0.0]]), p=3.0),
        [real(2, 4)],
    ),
    Case("normalize small", lambda T, x: T.nn.functional.normalize(x, eps=100.0), [real(2, 4)]),
    Case("cosine_similarity", lambda T, x, y: T.cosine_similarity(x, y), [real(3, 4), real(3, 4)], dtypes="half"),
    Case("cosine_similarity broadcast", lambda T, x, y: T.cosine_similarity(x, y, dim=-1), [real(3, 4), real(2, 1, 4)]),
    Case(
        "cosine_similarity small",
        lambda T, x, y: T.nn.functional.cosine_similarity(x, y, dim=0, eps=2.0),
        [real(4, 2, low=-0.1, high=0.1), real(4, 2)],
    ),
    Case("cosine_similarity zero", lambda T, x, y: T.cosine_similarity(x * 0, y), [real(2, 3), real(2, 3)]),
    Case("pairwise_distance", lambda T, x, y: T.pairwise_distance(x, y), [real(3, 4), real(3, 4)]),
    Case("pairwise_distance p=3", lambda T, x, y: T.pairwise_distance(x, y, 3.0, 0.1, True), [real(3, 4), real(3, 4)]),
    Case("pairwise_distance vectors", lambda T, x, y: T.pairwise_distance(x, y, p=1), [real(4), real(4)]),
    Case("pairwise_distance broadcast", lambda T, x, y: T.pairwise_distance(x, y), [real(3, 4), real(1, 4)]),
    Case("local_response_norm", lambda T, x: T.nn.functional.local_response_norm(x, 3, 0.1), [real(2, 5, 4)]),
]

ERRORS = [
    Case.misuse("BatchNorm1d of images", lambda T, x: T.nn.BatchNorm1d(3)(x), [real(2, 3, 4, 5)]),
    Case.misuse("BatchNorm2d of vectors", lambda T, x: T.nn.BatchNorm2d(3)(x), [real(2, 3)]),
    Case.misuse("BatchNorm1d one value", lambda T, x: T.nn.BatchNorm1d(3)(x), [real(1, 3)]),
    Case.misuse("BatchNorm1d channels", lambda T, x: T.nn.BatchNorm1d(4)(x), [real(2, 3)]),
    Case.misuse("BatchNorm1d dtypes", lambda T, x: T.nn.BatchNorm1d(3)(x.double()), [real(2, 3)]),
    Case.misuse("batch_norm without statistics", lambda T, x: T.nn.functional.batch_norm(x, None, None), [real(2, 3)]),
    Case.misuse("GroupNorm channels", lambda T: T.nn.GroupNorm(2, 3)),
    Case.misuse("GroupNorm weight", lambda T, x, w: T.group_norm(x, 2, w), [real(2, 4), real(3)]),
    Case.misuse("group_norm channels", lambda T, x: T.group_norm(x, 2), [real(2, 3, 4)]),
    Case.misuse("group_norm one value", lambda T, x: T.nn.functional.group_norm(x, 4), [real(1, 4)]),
    Case.misuse("InstanceNorm1d one value", lambda T, x: T.nn.InstanceNorm1d(3)(x), [real(2, 3, 1)]),
    Case.misuse("InstanceNorm2d rank", lambda T, x: T.nn.InstanceNorm2d(3)(x), [real(2, 3)]),
    Case.misuse("InstanceNorm2d channels", lambda T, x: T.nn.InstanceNorm2d(3, affine=True)(x), [real(2, 4, 2, 2)]),
    Case.misuse("LayerNorm shape", lambda T, x: T.nn.LayerNorm(3)(x), [real(2, 4)]),
    Case.misuse("LayerNorm dtypes", lambda T, x: T.nn.LayerNorm(3)(x.double()), [real(2, 3)]),
    Case.misuse("LocalResponseNorm rank", lambda T, x: T.nn.LocalResponseNorm(2)(x), [real(2, 4)]),
    Case.misuse("pairwise_distance shapes", lambda T, x, y: T.pairwise_distance(x, y), [real(2, 3), real(2, 4)]),
    Case.misuse("cosine_similarity shapes", lambda T, x, y: T.cosine_similarity(x, y), [real(2, 3), real(2, 4)]),
]

CASES = [*LAYERS, *FUNCTIONS, *ERRORS]
