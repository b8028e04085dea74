"""Every loss, as a function and as a module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peer import Case, Input, given, integer, nograd, positive, real, unit

REDUCTIONS = ("mean", "sum", "none")
SIGNS = given([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]])
SIGNS_1D = given([1.0, -1.0, 1.0])


def kinds(
    name: str,
    module: str,
    inputs: Sequence[Input],
    dtypes: str = "float",
    note: str = "",
    layouts: bool = True,
    **options: Any,
) -> list[Case]:
    """A loss with each reduction, the older options, and as a module."""

    def call(T: Any, *tensors: Any, **more: Any) -> Any:
        return getattr(T.nn.functional, name)(*tensors, **options, **more)

    note = " ".join([*([note] if note else []), *(f"{key}={value}" for key, value in options.items())])
    found = [
        Case(
            f"{name} {note} {kind}",
            lambda T, *x, kind=kind: call(T, *x, reduction=kind),
            inputs,
            dtypes=dtypes,
            layouts=layouts,
        )
        for kind in REDUCTIONS
    ]
    found.append(Case.module(f"{module} {note}", lambda T: getattr(T.nn, module)(**options), inputs, layouts=layouts))
    return found


def older(name: str, module: str, inputs: Sequence[Input]) -> list[Case]:
    """`size_average` and `reduce`."""
    return [
        Case(
            f"{name} size_average={average} reduce={reduce}",
            lambda T, *x, o=(average, reduce): getattr(T.nn.functional, name)(*x, size_average=o[0], reduce=o[1]),
            inputs,
            layouts=False,
            jit=False,
        )
        for average, reduce in ((True, None), (False, None), (None, False), (True, False), (False, True))
    ] + [
        Case.module(
            f"{module} size_average", lambda T: getattr(T.nn, module)(size_average=False), inputs, layouts=False
        )
    ]


PAIR = [real(3, 4), real(3, 4)]
NUMBERS = [
    *kinds("mse_loss", "MSELoss", PAIR, "half"),
    *kinds("l1_loss", "L1Loss", PAIR, "half"),
    *kinds("smooth_l1_loss", "SmoothL1Loss", PAIR, "half"),
    *kinds("smooth_l1_loss", "SmoothL1Loss", PAIR, beta=0.3),
    *kinds("smooth_l1_loss", "SmoothL1Loss", PAIR, beta=0.0),
    *kinds("huber_loss", "HuberLoss", PAIR, "half"),
    *kinds("huber_loss", "HuberLoss", PAIR, delta=0.4),
    *kinds("soft_margin_loss", "SoftMarginLoss", [real(2, 3), nograd(SIGNS)]),
    *kinds("hinge_embedding_loss", "HingeEmbeddingLoss", [real(2, 3), nograd(SIGNS)]),
    *kinds("hinge_embedding_loss", "HingeEmbeddingLoss", [real(2, 3), nograd(SIGNS)], margin=0.5),
    *kinds("kl_div", "KLDivLoss", [real(3, 4), positive(3, 4)]),
    *kinds("kl_div", "KLDivLoss", [real(3, 4), real(3, 4)], log_target=True),
    *kinds("poisson_nll_loss", "PoissonNLLLoss", [real(3, 4), nograd(positive(3, 4))]),
    *kinds("poisson_nll_loss", "PoissonNLLLoss", [positive(3, 4), nograd(positive(3, 4))], log_input=False),
    *kinds("poisson_nll_loss", "PoissonNLLLoss", [real(3, 4), positive(3, 4)], full=True),
    *kinds("gaussian_nll_loss", "GaussianNLLLoss", [*PAIR, positive(3, 4)]),
    *kinds("gaussian_nll_loss", "GaussianNLLLoss", [*PAIR, positive(3, 4)], full=True, eps=0.7),
    *kinds("gaussian_nll_loss", "GaussianNLLLoss", [*PAIR, positive(3)], note="rows", full=True),
    *kinds("gaussian_nll_loss", "GaussianNLLLoss", [*PAIR, positive(3, 1)], note="columns"),
    Case("gaussian_nll_loss number", lambda T, x, y: T.nn.functional.gaussian_nll_loss(x, y, 0.5), PAIR),
    Case(
        "kl_div batchmean",
        lambda T, x, y: T.nn.functional.kl_div(x, y, reduction="batchmean"),
        [real(3, 4), positive(3, 4)],
    ),
    Case(
        "kl_div zero",
        lambda T, x: T.nn.functional.kl_div(x, T.tensor([[0.0, 1.0], [0.5, 0.0]]).to(x.dtype)),
        [real(2, 2)],
    ),
    Case.module("KLDivLoss batchmean", lambda T: T.nn.KLDivLoss(reduction="batchmean"), [real(3, 4), positive(3, 4)]),
    Case("mse_loss weight", lambda T, x, y, w: T.nn.functional.mse_loss(x, y, weight=w), [*PAIR, positive(3, 4)]),
    Case("l1_loss weight", lambda T, x, y, w: T.nn.functional.l1_loss(x, y, weight=w), [*PAIR, positive(3, 4)]),
    Case("huber_loss weight", lambda T, x, y, w: T.nn.functional.huber_loss(x, y, weight=w), [*PAIR, positive(3, 4)]),
    Case("mse_loss of numbers", lambda T, x, y: T.nn.functional.mse_loss(x, y), [real(), real()]),
    Case("mse_loss of nothing", lambda T, x, y: T.nn.functional.mse_loss(x, y), [real(0, 3), real(0, 3)]),
    Case("l1_loss equal", lambda T, x: T.nn.functional.l1_loss(x, x.detach()), [real(3)]),
    Case("huber_loss equal", lambda T, x: T.nn.functional.huber_loss(x, x.detach()), [real(3)]),
    Case(
        "smooth_l1_loss edge",
        lambda T, x: T.nn.functional.smooth_l1_loss(x, T.zeros_like(x)),
        [given([1.0, -1.0, 0.0, 2.0])],
    ),
    Case(
        "hinge_embedding_loss edge",
        lambda T, x: T.nn.functional.hinge_embedding_loss(x, T.tensor([-1.0, 1.0, 0.0])),
        [given([1.0, 1.0, 0.5])],
    ),
    *older("mse_loss", "MSELoss", PAIR),
    *older("l1_loss", "L1Loss", PAIR),
    Case("mse_loss positional", lambda T, x, y: T.nn.functional.mse_loss(x, y, None, None, "sum"), PAIR),
]

PROBABILITIES = positive(3, 4, low=0.05, high=0.95)
ANY = nograd(positive(3, 4, low=0.0, high=1.0))
BINARY = [
    *kinds("binary_cross_entropy", "BCELoss", [PROBABILITIES, ANY]),
    Case(
        "binary_cross_entropy targets",
        lambda T, x, y: T.nn.functional.binary_cross_entropy(x, y),
        [PROBABILITIES, PROBABILITIES],
    ),
    Case(
        "binary_cross_entropy weight",
        lambda T, x, y, w: T.nn.functional.binary_cross_entropy(x, y, w),
        [PROBABILITIES, ANY, nograd(positive(4))],
    ),
    Case(
        "binary_cross_entropy edges",
        lambda T, x: T.nn.functional.binary_cross_entropy(
            x, T.tensor([0.0, 0.0, 1.0, 1.0, 0.5, 0.5, 1.0]).to(x.dtype), reduction="none"
        ),
        [given([0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1e-13])],
    ),
    *older("binary_cross_entropy", "BCELoss", [PROBABILITIES, ANY]),
    Case.module("BCELoss weight", lambda T: T.nn.BCELoss(weight=T.tensor([1.0, 2.0, 3.0, 4.0])), [PROBABILITIES, ANY]),
    *kinds("binary_cross_entropy_with_logits", "BCEWithLogitsLoss", [real(3, 4), ANY], "half"),
    Case(
        "binary_cross_entropy_with_logits weights",
        lambda T, x, y, w, p: T.nn.functional.binary_cross_entropy_with_logits(x, y, w, pos_weight=p),
        [real(3, 4), ANY, nograd(positive(3, 4)), nograd(positive(4))],
    ),
    Case(
        "binary_cross_entropy_with_logits targets",
        lambda T, x, y: T.nn.functional.binary_cross_entropy_with_logits(x, y),
        [real(3, 4), PROBABILITIES],
    ),
    Case(
        "binary_cross_entropy_with_logits large",
        lambda T, x: T.nn.functional.binary_cross_entropy_with_logits(
            x, T.tensor([0.0, 1.0, 0.0, 1.0]).to(x.dtype), reduction="none"
        ),
        [given([200.0, 200.0, -200.0, 0.0])],
    ),
    Case.module(
        "BCEWithLogitsLoss pos_weight",
        lambda T: T.nn.BCEWithLogitsLoss(pos_weight=T.tensor([1.0, 2.0, 3.0, 4.0])),
        [real(3, 4), ANY],
    ),
]

CLASSES = integer(4, low=0, high=5)


def classes(name: str, module: str, scores: Input, layouts: bool = True) -> list[Case]:
    """Losses of class indices with their options."""

    def call(T: Any, *tensors: Any, **more: Any) -> Any:
        return getattr(T.nn.functional, name)(*tensors, **more)

    maps = [Input((2, 5, 3, 2), scores.make), integer(2, 3, 2, low=0, high=5)]
    weight = nograd(positive(5))
    found = [
        *kinds(name, module, [scores, CLASSES], "half" if name == "cross_entropy" else "float"),
        *kinds(name, module, [scores, CLASSES], ignore_index=2),
        *kinds(name, module, maps, note="maps", layouts=layouts),
        *older(name, module, [scores, CLASSES]),
        Case(f"{name} one row", call, [Input((5,), scores.make), given(3)]),
        Case(f"{name} all ignored", lambda T, x, y: call(T, x, y * 0 - 100), [scores, CLASSES]),
        Case(
            f"{name} nothing", lambda T, x, y: call(T, x, y, reduction="sum"), [Input((0, 5), scores.make), integer(0)]
        ),
        Case(f"{name} bytes", lambda T, x, y: call(T, x, y.to(T.uint8)), [scores, CLASSES]),
        Case.module(
            f"{module} weight", lambda T: getattr(T.nn, module)(T.tensor([1.0, 2.0, 0.5, 0.1, 3.0])), [scores, CLASSES]
        ),
    ]
    for kind in REDUCTIONS:
        found += [
            Case(
                f"{name} weight {kind}",
                lambda T, x, y, w, kind=kind: call(T, x, y, w, reduction=kind),
                [scores, CLASSES, weight],
            ),
            Case(
                f"{name} maps weight {kind}",
                lambda T, x, y, w, kind=kind: call(T, x, y, w, ignore_index=1, reduction=kind),
                [*maps, weight],
                layouts=layouts,
            ),
        ]
    return found


def smoothed(kind: str) -> list[Case]:
    """Smoothed labels and probabilities as targets."""

    def call(T: Any, *tensors: Any, **more: Any) -> Any:
        return T.nn.functional.cross_entropy(*tensors, reduction=kind, **more)

    scores, weight = real(4, 5), nograd(positive(5))
    return [
        Case(f"cross_entropy smoothing {kind}", lambda T, x, y: call(T, x, y, label_smoothing=0.2), [scores, CLASSES]),
        Case(
            f"cross_entropy smoothing weight {kind}",
            lambda T, x, y, w: call(T, x, y, w, label_smoothing=0.2, ignore_index=1),
            [scores, CLASSES, weight],
        ),
        Case(f"cross_entropy probabilities {kind}", call, [scores, positive(4, 5)]),
        Case(f"cross_entropy probabilities weight {kind}", call, [scores, nograd(positive(4, 5)), weight]),
        Case(
            f"cross_entropy probabilities smoothing {kind}",
            lambda T, x, y, w: call(T, x, y, w, label_smoothing=0.3),
            [real(2, 5, 3), nograd(positive(2, 5, 3)), weight],
        ),
        Case(f"cross_entropy probabilities one row {kind}", call, [real(5), positive(5)], layouts=False),
        Case(
            f"cross_entropy maps smoothing {kind}",
            lambda T, x, y: call(T, x, y, label_smoothing=0.1),
            [real(2, 5, 3), integer(2, 3, low=0, high=5)],
        ),
    ]


SCORES = [
    *classes("cross_entropy", "CrossEntropyLoss", real(4, 5)),
    # PyTorch has no gradient of nll_loss for maps that are not contiguous.
    *classes("nll_loss", "NLLLoss", real(4, 5), layouts=False),
    *(case for kind in REDUCTIONS for case in smoothed(kind)),
    Case.module(
        "CrossEntropyLoss smoothing", lambda T: T.nn.CrossEntropyLoss(label_smoothing=0.1), [real(4, 5), CLASSES]
    ),
    Case.module(
        "NLLLoss2d", lambda T: T.nn.NLLLoss2d(), [real(2, 5, 3, 2), integer(2, 3, 2, low=0, high=5)], layouts=False
    ),
    Case(
        "cross_entropy large",
        lambda T, x: T.nn.functional.cross_entropy(x, T.tensor([0, 1])),
        [given([[1e4, -1e4], [500.0, 1.0]])],
    ),
    Case(
        "cross_entropy positional",
        lambda T, x, y: T.nn.functional.cross_entropy(x, y, None, None, 2, None, "sum"),
        [real(4, 5), CLASSES],
    ),
]

SETS = given([[3, 0, -1, 1], [0, 1, 2, -1], [-1, 0, 0, 0]])
MARGINS = [
    *kinds("multi_margin_loss", "MultiMarginLoss", [real(4, 5), CLASSES]),
    *kinds("multi_margin_loss", "MultiMarginLoss", [real(4, 5), CLASSES], p=2, margin=0.5),
    Case(
        "multi_margin_loss weight",
        lambda T, x, y, w: T.nn.functional.multi_margin_loss(x, y, weight=w),
        [real(4, 5), CLASSES, nograd(positive(5))],
    ),
    Case("multi_margin_loss one row", lambda T, x: T.nn.functional.multi_margin_loss(x, T.tensor(1)), [real(5)]),
    Case(
        "multi_margin_loss one row none",
        lambda T, x: T.nn.functional.multi_margin_loss(x, T.tensor([1]), reduction="none"),
        [real(5)],
    ),
    Case(
        "multi_margin_loss edge",
        lambda T, x: T.nn.functional.multi_margin_loss(x, T.tensor([0])),
        [given([[1.0, 0.0, 2.0]])],
    ),
    *kinds("multilabel_margin_loss", "MultiLabelMarginLoss", [real(3, 4), SETS]),
    Case(
        "multilabel_margin_loss one row",
        lambda T, x: T.nn.functional.multilabel_margin_loss(x, T.tensor([1, 0, -1, 2])),
        [real(4)],
    ),
    Case(
        "multilabel_margin_loss one row none",
        lambda T, x: T.nn.functional.multilabel_margin_loss(x, T.tensor([1, 0, -1, 2]), reduction="none"),
        [real(4)],
    ),
    *kinds("multilabel_soft_margin_loss", "MultiLabelSoftMarginLoss", [real(3, 4), ANY]),
    Case(
        "multilabel_soft_margin_loss weight",
        lambda T, x, y, w: T.nn.functional.multilabel_soft_margin_loss(x, y, w),
        [real(3, 4), ANY, nograd(positive(4))],
    ),
    *kinds("margin_ranking_loss", "MarginRankingLoss", [real(2, 3), real(2, 3), SIGNS]),
    *kinds("margin_ranking_loss", "MarginRankingLoss", [real(2, 3), real(2, 3), SIGNS], margin=0.7),
    *kinds("cosine_embedding_loss", "CosineEmbeddingLoss", [real(3, 4), real(3, 4), SIGNS_1D]),
    *kinds("cosine_embedding_loss", "CosineEmbeddingLoss", [real(3, 4), real(3, 4), SIGNS_1D], margin=0.2),
    Case(
        "cosine_embedding_loss vectors",
        lambda T, x, y: T.nn.functional.cosine_embedding_loss(x, y, T.tensor(-1)),
        [real(4), real(4)],
    ),
    *kinds("triplet_margin_loss", "TripletMarginLoss", [real(3, 4), real(3, 4), real(3, 4)]),
    *kinds(
        "triplet_margin_loss", "TripletMarginLoss", [real(3, 4), real(3, 4), real(3, 4)], margin=2.0, p=1, swap=True
    ),
    *kinds("triplet_margin_with_distance_loss", "TripletMarginWithDistanceLoss", [real(3, 4), real(3, 4), real(3, 4)]),
    Case.module(
        "TripletMarginWithDistanceLoss own",
        lambda T: T.nn.TripletMarginWithDistanceLoss(
            distance_function=lambda a, b: (a - b).abs().sum(-1), margin=2.0, swap=True
        ),
        [real(3, 4), real(3, 4), real(3, 4)],
    ),
]

STEPS, WORDS = real(6, 3, 4), given([[1, 2, 2], [3, 1, 0], [1, 1, 1]])


def ctc(kind: str) -> list[Case]:
    """Paths through classes over time."""

    def call(T: Any, x: Any, y: Any, *lengths: Any, **more: Any) -> Any:
        return T.nn.functional.ctc_loss(T.log_softmax(x, -1), y, *lengths, reduction=kind, **more)

    return [
        Case(f"ctc_loss {kind}", lambda T, x, y: call(T, x, y, (6, 6, 6), (3, 2, 1)), [STEPS, WORDS]),
        Case(
            f"ctc_loss lengths {kind}",
            lambda T, x, y: call(T, x, y, T.tensor([6, 5, 4]), T.tensor([3, 2, 2])),
            [STEPS, WORDS],
        ),
        Case(
            f"ctc_loss joined {kind}",
            lambda T, x: call(T, x, T.tensor([1, 2, 2, 3, 1, 1]), (6, 6, 5), (3, 2, 1)),
            [STEPS],
        ),
        Case(
            f"ctc_loss joined lengths {kind}",
            lambda T, x: call(T, x, T.tensor([1, 2, 2, 3, 1, 1]), T.tensor([6, 6, 5]), T.tensor([3, 2, 1])),
            [STEPS],
        ),
        Case(
            f"ctc_loss blank {kind}",
            lambda T, x: call(T, x, T.tensor([[0, 2], [1, 0], [2, 2]]), (6, 6, 6), (2, 2, 1), blank=3),
            [STEPS],
        ),
        Case(f"ctc_loss empty target {kind}", lambda T, x, y: call(T, x, y, (6, 6, 6), (3, 0, 1)), [STEPS, WORDS]),
        Case(
            f"ctc_loss impossible {kind}",
            lambda T, x, y: call(T, x, y, (3, 6, 2), (3, 2, 3), zero_infinity=True),
            [STEPS, WORDS],
        ),
        Case(
            f"ctc_loss infinite {kind}", lambda T, x, y: call(T, x, y, (3, 6, 6), (3, 2, 1)), [STEPS, WORDS], grad=False
        ),
        Case(f"ctc_loss one {kind}", lambda T, x: call(T, x, T.tensor([1, 2]), (6,), (2,)), [real(6, 4)]),
    ]


CTC = [
    *(case for kind in REDUCTIONS for case in ctc(kind)),
    Case(
        "ctc_loss of log-probabilities",
        lambda T, x: T.nn.functional.ctc_loss(x, T.tensor([[1, 2], [3, 3]]), (5, 4), (2, 1)),
        [real(5, 2, 4, low=-3.0, high=-0.5)],
    ),
    Case.module(
        "CTCLoss",
        lambda T: T.nn.CTCLoss(zero_infinity=True),
        [STEPS, WORDS],
        call=lambda m, x, y: m(x.log_softmax(2), y, (6, 5, 4), (3, 2, 1)),
    ),
]


def _adaptive(T: Any, **options: Any) -> Any:
    return T.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2.0, **options)


ADAPTIVE = [
    Case.module(
        "AdaptiveLogSoftmaxWithLoss",
        _adaptive,
        [real(4, 8), integer(4, low=0, high=20)],
        call=lambda m, x, y: list(m(x, y)),
    ),
    Case.module(
        "AdaptiveLogSoftmaxWithLoss bias",
        lambda T: _adaptive(T, head_bias=True),
        [real(8), given(7)],
        call=lambda m, x, y: m(x, y).loss,
    ),
    Case.module("AdaptiveLogSoftmaxWithLoss log_prob", _adaptive, [real(4, 8)], call=lambda m, x: m.log_prob(x)),
    Case.module(
        "AdaptiveLogSoftmaxWithLoss predict", _adaptive, [real(4, 8)], call=lambda m, x: m.predict(x), grad=False
    ),
]


def _misuse(name: str, call: Any, *inputs: Input) -> Case:
    return Case.misuse(name, lambda T, *x: call(T, T.nn.functional, *x), inputs)


ERRORS = [
    _misuse("AdaptiveLogSoftmaxWithLoss cutoffs", lambda T, F: T.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [10, 5])),
    _misuse("AdaptiveLogSoftmaxWithLoss class", lambda T, F, x: _adaptive(T)(x, T.tensor([1, 20])), real(2, 8)),
    _misuse("AdaptiveLogSoftmaxWithLoss rows", lambda T, F, x: _adaptive(T)(x, T.tensor([1])), real(2, 8)),
    _misuse("mse_loss shapes", lambda T, F, x, y: F.mse_loss(x, y), real(2), real(3)),
    _misuse("mse_loss reduction", lambda T, F, x, y: F.mse_loss(x, y, reduction="avg"), real(2), real(2)),
    _misuse("smooth_l1_loss beta", lambda T, F, x, y: F.smooth_l1_loss(x, y, beta=-1.0), real(2), real(2)),
    _misuse("huber_loss delta", lambda T, F, x, y: F.huber_loss(x, y, delta=0.0), real(2), real(2)),
    _misuse("binary_cross_entropy shapes", lambda T, F, x, y: F.binary_cross_entropy(x, y), unit(2), unit(2, 1)),
    _misuse("binary_cross_entropy range", lambda T, F, x: F.binary_cross_entropy(x + 5, x), unit(2)),
    _misuse("with_logits shapes", lambda T, F, x, y: F.binary_cross_entropy_with_logits(x, y), unit(2), unit(1)),
    _misuse("gaussian_nll_loss shape", lambda T, F, x, v: F.gaussian_nll_loss(x, x, v), real(2, 3), positive(5)),
    _misuse("gaussian_nll_loss negative", lambda T, F, x: F.gaussian_nll_loss(x, x, x.abs() - 5), real(2, 3)),
    _misuse("cross_entropy batch", lambda T, F, x: F.cross_entropy(x, T.tensor([1, 0, 0])), real(2, 3)),
    _misuse("cross_entropy maps", lambda T, F, x: F.cross_entropy(x, T.zeros(2, 5).long()), real(2, 3, 4)),
    _misuse("cross_entropy class", lambda T, F, x: F.cross_entropy(x, T.tensor([0, 5])), real(2, 3)),
    _misuse("cross_entropy float", lambda T, F, x, y: F.cross_entropy(x, y), real(2, 3), real(2)),
    _misuse("cross_entropy number", lambda T, F, x: F.cross_entropy(x, T.tensor(1)), real()),
    _misuse("cross_entropy weight", lambda T, F, x, w: F.cross_entropy(x, T.tensor([0, 1]), w), real(2, 3), real(2)),
    _misuse(
        "cross_entropy weight dtype",
        lambda T, F, x, w: F.cross_entropy(x, T.tensor([0, 1]), w.double()),
        real(2, 3),
        real(3),
    ),
    _misuse(
        "cross_entropy smoothing", lambda T, F, x: F.cross_entropy(x, T.tensor([0, 1]), label_smoothing=2.0), real(2, 3)
    ),
    _misuse("cross_entropy soft ignored", lambda T, F, x: F.cross_entropy(x, x, ignore_index=1), real(2, 3)),
    _misuse("nll_loss float", lambda T, F, x, y: F.nll_loss(x, y), real(2, 3), real(2)),
    _misuse("nll_loss maps", lambda T, F, x: F.nll_loss(x, T.zeros(2, 5).long()), real(2, 3, 4)),
    _misuse("multi_margin_loss p", lambda T, F, x: F.multi_margin_loss(x, T.tensor([0, 1]), p=3), real(2, 3)),
    _misuse("multi_margin_loss target", lambda T, F, x: F.multi_margin_loss(x, T.tensor([0, 1, 2])), real(2, 3)),
    _misuse("multilabel_margin_loss target", lambda T, F, x: F.multilabel_margin_loss(x, T.tensor([0, 1])), real(2, 3)),
    _misuse("margin_ranking_loss ranks", lambda T, F, x, y: F.margin_ranking_loss(x, y, y), real(2, 3), real(3)),
    _misuse("triplet_margin_loss margin", lambda T, F, x: F.triplet_margin_loss(x, x, x, margin=-1.0), real(2, 3)),
    _misuse("TripletMarginLoss margin", lambda T, F: T.nn.TripletMarginLoss(margin=0.0)),
    _misuse("triplet_margin_loss ranks", lambda T, F, x, y: F.triplet_margin_loss(x, x, y), real(2, 3), real(3)),
    _misuse("cosine_embedding_loss targets", lambda T, F, x: F.cosine_embedding_loss(x, x, x), real(2, 3)),
    _misuse("ctc_loss blank", lambda T, F, x: F.ctc_loss(x, T.tensor([[1]]), (3,), (1,), blank=9), real(3, 1, 4)),
    _misuse("ctc_loss lengths", lambda T, F, x: F.ctc_loss(x, T.tensor([[1]]), (4,), (1,)), real(3, 1, 4)),
    _misuse("ctc_loss batch", lambda T, F, x: F.ctc_loss(x, T.tensor([[1]]), (3, 3), (1,)), real(3, 1, 4)),
]

CASES = [*NUMBERS, *BINARY, *SCORES, *MARGINS, *CTC, *ADAPTIVE, *ERRORS]
