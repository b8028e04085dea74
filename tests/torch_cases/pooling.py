"""Pooling over windows, adaptive pooling, and back."""

from __future__ import annotations

from typing import Any

from peer import Case, distinct, integer, nograd, positive, real


def F(T: Any) -> Any:
    return T.nn.functional


CASES = [
    Case("max_pool2d", lambda T, x: F(T).max_pool2d(x, 2), [distinct(2, 3, 6, 8)], dtypes="half"),
    Case("max_pool2d rest", lambda T, x: F(T).max_pool2d(x, 2), [distinct(2, 3, 7, 5)]),
    Case("max_pool2d overlapping", lambda T, x: F(T).max_pool2d(x, 3, 2, 1), [distinct(2, 3, 7, 8)], dtypes="half"),
    Case("max_pool2d dilated", lambda T, x: T.max_pool2d(x, (2, 3), (1, 2), (1, 1), (2, 1)), [distinct(2, 2, 7, 8)]),
    Case("max_pool2d ceil", lambda T, x: T.max_pool2d(x, 3, 2, 1, ceil_mode=True), [distinct(1, 2, 6, 8)]),
    Case("max_pool2d ceil no padding", lambda T, x: T.max_pool2d(x, 2, 2, ceil_mode=True), [distinct(1, 2, 5, 7)]),
    Case("max_pool2d ceil stride", lambda T, x: T.max_pool2d(x, 2, 3, 1, ceil_mode=True), [distinct(1, 2, 6, 7)]),
    Case("max_pool2d indices", lambda T, x: F(T).max_pool2d(x, 2, return_indices=True), [distinct(2, 3, 6, 8)]),
    Case(
        "max_pool2d indices all arguments",
        lambda T, x: F(T).max_pool2d(x, 3, 2, 1, 2, True, True),
        [distinct(2, 3, 8, 9)],
    ),
    Case(
        "max_pool2d equal elements",
        lambda T, x: F(T).max_pool2d(x, 3, 1, 1, return_indices=True),
        [integer(1, 2, 5, 5, low=0, high=3)],
    ),
    Case("max_pool2d unbatched", lambda T, x: F(T).max_pool2d(x, 2, return_indices=True), [distinct(3, 6, 8)]),
    Case("max_pool2d no examples", lambda T, x: F(T).max_pool2d(x, 2), [distinct(0, 3, 6, 8)]),
    Case("max_pool2d negative", lambda T, x: F(T).max_pool2d(-x, 3, 1, 1), [positive(1, 2, 4, 4)], layouts=False),
    Case("max_pool2d int64", lambda T, x: F(T).max_pool2d(x, 2), [integer(1, 2, 4, 4)]),
    Case("max_pool2d stride list", lambda T, x: F(T).max_pool2d(x, [2], stride=[]), [distinct(1, 2, 4, 4)], jit=False),
    Case(
        "max_pool2d nan", lambda T, x: F(T).max_pool2d(T.where(x > 2, T.nan, x), 2), [distinct(1, 2, 4, 4)], grad=False
    ),
    Case("max_pool1d", lambda T, x: F(T).max_pool1d(x, 3, 2, 1), [distinct(2, 3, 9)], dtypes="half"),
    Case("max_pool1d indices", lambda T, x: F(T).max_pool1d(x, 3, 2, 1, 2, True, True), [distinct(2, 3, 10)]),
    Case("max_pool1d unbatched", lambda T, x: T.max_pool1d(x, 2), [distinct(3, 9)]),
    Case("max_pool1d_with_indices", lambda T, x: T.max_pool1d_with_indices(x, 2), [distinct(2, 3, 8)]),
    Case("max_pool3d", lambda T, x: F(T).max_pool3d(x, 2), [distinct(2, 2, 4, 4, 6)]),
    Case(
        "max_pool3d all arguments",
        lambda T, x: T.nn.functional.max_pool3d(x, (2, 3, 2), 2, (1, 1, 0), (1, 1, 2), True, True),
        [distinct(1, 2, 5, 6, 7)],
    ),
    Case("max_pool2d_with_indices", lambda T, x: F(T).max_pool2d_with_indices(x, 2), [distinct(2, 3, 6, 8)], jit=False),
    Case("avg_pool1d", lambda T, x: F(T).avg_pool1d(x, 3, 2, 1), [real(2, 3, 9)], dtypes="half"),
    Case("avg_pool1d ceil", lambda T, x: T.avg_pool1d(x, 3, 2, 1, True, False), [real(2, 3, 10)]),
    Case("avg_pool2d", lambda T, x: F(T).avg_pool2d(x, 2), [real(2, 3, 6, 8)], dtypes="half"),
    Case("avg_pool2d padded", lambda T, x: F(T).avg_pool2d(x, 3, 2, 1), [real(2, 3, 6, 8)]),
    Case(
        "avg_pool2d without padding",
        lambda T, x: F(T).avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        [real(2, 3, 6, 8)],
    ),
    Case("avg_pool2d ceil", lambda T, x: F(T).avg_pool2d(x, 3, 2, 1, True), [real(2, 3, 6, 8)]),
    Case("avg_pool2d ceil no padding", lambda T, x: F(T).avg_pool2d(x, (2, 3), 2, ceil_mode=True), [real(2, 3, 5, 8)]),
    Case("avg_pool2d ceil without padding", lambda T, x: F(T).avg_pool2d(x, 3, 2, 1, True, False), [real(2, 3, 6, 8)]),
    Case("avg_pool2d divisor", lambda T, x: F(T).avg_pool2d(x, 3, 2, 1, divisor_override=5), [real(2, 3, 6, 8)]),
    Case("avg_pool2d unbatched", lambda T, x: F(T).avg_pool2d(x, (2, 1)), [real(3, 6, 8)]),
    Case("avg_pool2d no examples", lambda T, x: F(T).avg_pool2d(x, 2), [real(0, 3, 6, 8)]),
    Case("avg_pool2d int64", lambda T, x: F(T).avg_pool2d(x, 2), [integer(1, 2, 4, 4)], jit=False),
    Case("avg_pool3d", lambda T, x: F(T).avg_pool3d(x, (2, 3, 2), 2, (1, 1, 0), True, False), [real(2, 2, 5, 6, 5)]),
    Case("avg_pool3d divisor", lambda T, x: F(T).avg_pool3d(x, 2, divisor_override=3), [real(2, 2, 4, 4, 4)]),
    Case("lp_pool1d", lambda T, x: F(T).lp_pool1d(x, 2, 3, 2), [real(2, 3, 9)]),
    Case("lp_pool2d", lambda T, x: F(T).lp_pool2d(x, 2, 3, ceil_mode=True), [real(2, 3, 7, 8)]),
    Case("lp_pool2d norm 3", lambda T, x: F(T).lp_pool2d(x, 3.0, (2, 3), 1), [positive(2, 3, 5, 5)]),
    Case("lp_pool3d", lambda T, x: F(T).lp_pool3d(x, 2, 2), [real(1, 2, 4, 4, 5)]),
    Case("adaptive_avg_pool2d 1", lambda T, x: F(T).adaptive_avg_pool2d(x, 1), [real(2, 3, 5, 7)], dtypes="half"),
    Case(
        "adaptive_avg_pool2d even", lambda T, x: F(T).adaptive_avg_pool2d(x, (2, 3)), [real(2, 3, 6, 9)], dtypes="half"
    ),
    Case("adaptive_avg_pool2d", lambda T, x: F(T).adaptive_avg_pool2d(x, (3, 5)), [real(2, 3, 7, 8)], dtypes="half"),
    Case("adaptive_avg_pool2d overlapping", lambda T, x: F(T).adaptive_avg_pool2d(x, 6), [real(1, 2, 7, 11)]),
    Case("adaptive_avg_pool2d larger", lambda T, x: F(T).adaptive_avg_pool2d(x, (7, 7)), [real(1, 2, 3, 7)]),
    Case("adaptive_avg_pool2d None", lambda T, x: F(T).adaptive_avg_pool2d(x, (None, 2)), [real(3, 5, 7)]),
    Case("adaptive_avg_pool2d empty", lambda T, x: F(T).adaptive_avg_pool2d(x, (0, 2)), [real(2, 3, 5, 7)], grad=False),
    Case("adaptive_avg_pool1d", lambda T, x: T.adaptive_avg_pool1d(x, 3), [real(2, 3, 10)]),
    Case("adaptive_avg_pool3d", lambda T, x: F(T).adaptive_avg_pool3d(x, (2, 3, 1)), [real(2, 2, 3, 5, 4)]),
    Case("adaptive_max_pool1d", lambda T, x: T.adaptive_max_pool1d(x, 3), [distinct(2, 3, 10)]),
    Case(
        "adaptive_max_pool2d", lambda T, x: F(T).adaptive_max_pool2d(x, (3, 5)), [distinct(2, 3, 7, 8)], dtypes="half"
    ),
    Case("adaptive_max_pool2d even", lambda T, x: F(T).adaptive_max_pool2d(x, (2, 4), True), [distinct(2, 3, 6, 8)]),
    Case("adaptive_max_pool2d indices", lambda T, x: F(T).adaptive_max_pool2d(x, (3, 5), True), [distinct(2, 3, 7, 8)]),
    Case("adaptive_max_pool2d unbatched", lambda T, x: F(T).adaptive_max_pool2d(x, 2, True), [distinct(3, 5, 5)]),
    Case(
        "adaptive_max_pool3d", lambda T, x: F(T).adaptive_max_pool3d(x, (2, None, 3), True), [distinct(2, 2, 3, 4, 5)]
    ),
    Case(
        "max_unpool2d",
        lambda T, x: F(T).max_unpool2d(*F(T).max_pool2d(x, 2, return_indices=True), 2),
        [distinct(2, 3, 4, 6)],
    ),
    Case(
        "max_unpool2d output_size",
        lambda T, x: F(T).max_unpool2d(*F(T).max_pool2d(x, 2, return_indices=True), 2, output_size=(5, 7)),
        [distinct(2, 3, 5, 7)],
    ),
    Case(
        "max_unpool1d",
        lambda T, x: F(T).max_unpool1d(*F(T).max_pool1d(x, 3, 3, 1, return_indices=True), 3, 3, 1),
        [distinct(2, 3, 10)],
    ),
    Case(
        "max_unpool3d",
        lambda T, x: F(T).max_unpool3d(*F(T).max_pool3d(x, 2, return_indices=True), 2),
        [distinct(1, 2, 4, 2, 4)],
    ),
    # modules
    Case.module("MaxPool1d", lambda T: T.nn.MaxPool1d(2), [distinct(2, 3, 8)]),
    Case.module("MaxPool2d", lambda T: T.nn.MaxPool2d(3, 2, 1), [distinct(2, 3, 8, 7)]),
    Case.module(
        "MaxPool2d indices", lambda T: T.nn.MaxPool2d(2, return_indices=True, ceil_mode=True), [distinct(2, 3, 5, 6)]
    ),
    Case.module("MaxPool3d", lambda T: T.nn.MaxPool3d(2, dilation=2), [distinct(2, 2, 5, 4, 4)]),
    Case.module("AvgPool1d", lambda T: T.nn.AvgPool1d(3, 1, 1), [real(2, 3, 8)]),
    Case.module("AvgPool2d", lambda T: T.nn.AvgPool2d(2, count_include_pad=False, padding=1), [real(2, 3, 8, 7)]),
    Case.module("AvgPool3d", lambda T: T.nn.AvgPool3d(2, divisor_override=3), [real(2, 2, 4, 4, 4)]),
    Case.module("AdaptiveAvgPool1d", lambda T: T.nn.AdaptiveAvgPool1d(3), [real(2, 3, 7)]),
    Case.module("AdaptiveAvgPool2d", lambda T: T.nn.AdaptiveAvgPool2d((1, 1)), [real(2, 3, 7, 6)]),
    Case.module("AdaptiveAvgPool3d", lambda T: T.nn.AdaptiveAvgPool3d((None, 2, 1)), [real(1, 2, 3, 4, 4)]),
    Case.module("AdaptiveMaxPool1d", lambda T: T.nn.AdaptiveMaxPool1d(3), [distinct(2, 3, 7)]),
    Case.module("AdaptiveMaxPool2d", lambda T: T.nn.AdaptiveMaxPool2d(2, return_indices=True), [distinct(2, 3, 7, 6)]),
    Case.module("AdaptiveMaxPool3d", lambda T: T.nn.AdaptiveMaxPool3d((1, 2, 2)), [distinct(1, 2, 3, 4, 4)]),
    Case.module("LPPool1d", lambda T: T.nn.LPPool1d(2, 2), [real(2, 3, 7)]),
    Case.module("LPPool2d", lambda T: T.nn.LPPool2d(1, 2), [positive(2, 3, 7, 6)]),
    Case.module("LPPool3d", lambda T: T.nn.LPPool3d(2, 2, 1), [real(1, 2, 3, 4, 4)]),
    Case.module(
        "MaxUnpool1d",
        lambda T: T.nn.MaxUnpool1d(2),
        [real(1, 2, 3), integer(1, 2, 3, low=0, high=1)],
        # Every maximum goes to the first element; which of equals is kept is not defined, so there is one per image.
        call=lambda module, x, i: module(x[..., :1], i[..., :1]),
    ),
    Case.module(
        "MaxUnpool2d", lambda T: T.nn.MaxUnpool2d(2, 2), [real(1, 2, 1, 1), integer(1, 2, 1, 1, low=0, high=4)]
    ),
    Case.module(
        "MaxUnpool3d", lambda T: T.nn.MaxUnpool3d(2), [real(1, 2, 1, 1, 1), integer(1, 2, 1, 1, 1, low=0, high=8)]
    ),
    Case(
        "fractional_max_pool2d",
        lambda T, x: F(T).fractional_max_pool2d(x, (2, 3), output_size=(4, 5), return_indices=True),
        [distinct(2, 3, 9, 11)],
        seeded=True,
    ),
    Case(
        "fractional_max_pool2d samples",
        lambda T, x, u: F(T).fractional_max_pool2d(x, 2, output_ratio=(0.5, 0.7), _random_samples=u),
        [distinct(2, 3, 9, 11), nograd(real(2, 3, 2, low=0.0, high=1.0))],
    ),
    Case(
        "fractional_max_pool2d unbatched",
        lambda T, x: F(T).fractional_max_pool2d(x, 3, output_size=(1, 3)),
        [distinct(3, 9, 11)],
        seeded=True,
    ),
    Case(
        "fractional_max_pool3d",
        lambda T, x: F(T).fractional_max_pool3d(x, 2, output_size=(2, 3, 4), return_indices=True),
        [distinct(2, 2, 4, 7, 8)],
        seeded=True,
    ),
    Case.module(
        "FractionalMaxPool2d",
        lambda T: T.nn.FractionalMaxPool2d(2, output_ratio=0.6, return_indices=True),
        [distinct(1, 2, 7, 8)],
        seeded=True,
    ),
    Case.module(
        "FractionalMaxPool3d", lambda T: T.nn.FractionalMaxPool3d(2, 2), [distinct(1, 2, 5, 5, 5)], seeded=True
    ),
    Case.misuse("fractional without size", lambda T, x: F(T).fractional_max_pool2d(x, 2), [real(1, 2, 5, 5)]),
    Case.misuse("fractional too many", lambda T, x: F(T).fractional_max_pool2d(x, 2, 5), [real(1, 2, 5, 5)]),
    Case.misuse("fractional module", lambda T: T.nn.FractionalMaxPool2d(2)),
    Case.misuse("fractional ratio", lambda T: T.nn.FractionalMaxPool2d(2, output_ratio=1.5)),
    Case(
        "repr",
        lambda T: [
            repr(m)
            for m in (
                T.nn.MaxPool2d((2, 3), padding=1, stride=[2, 2]),
                T.nn.AvgPool1d(3),
                T.nn.AvgPool2d(3),
                T.nn.AvgPool3d(3, 2, 1, True, False, 4),
                T.nn.AdaptiveAvgPool2d((3, None)),
                T.nn.AdaptiveMaxPool1d(2, return_indices=True),
                T.nn.LPPool2d(2, 3),
                T.nn.MaxUnpool2d(2),
            )
        ],
        jit=False,
    ),
    # mistakes
    Case.misuse("max rank", lambda T, x: F(T).max_pool2d(x, 2), [real(4, 4)]),
    Case.misuse("max padding", lambda T, x: F(T).max_pool2d(x, 2, padding=2), [real(1, 1, 4, 4)]),
    Case.misuse("max large window", lambda T, x: F(T).max_pool2d(x, 5), [real(1, 1, 4, 4)]),
    Case.misuse("max stride 0", lambda T, x: F(T).max_pool2d(x, 2, 0), [real(1, 1, 4, 4)]),
    Case.misuse("max window 0", lambda T, x: F(T).max_pool2d(x, 0), [real(1, 1, 4, 4)]),
    Case.misuse("max three sizes", lambda T, x: F(T).max_pool2d(x, (2, 2, 2)), [real(1, 1, 4, 4)]),
    Case.misuse("max no channels", lambda T, x: F(T).max_pool2d(x, 2), [real(1, 0, 4, 4)]),
    Case.misuse("max bool", lambda T, x: F(T).max_pool2d(x > 0, 2), [real(1, 1, 4, 4)]),
    Case.misuse("avg padding", lambda T, x: F(T).avg_pool2d(x, 3, padding=2), [real(1, 1, 4, 4)]),
    Case.misuse("avg divisor", lambda T, x: F(T).avg_pool2d(x, 2, divisor_override=0), [real(1, 1, 4, 4)]),
    Case.misuse("avg rank", lambda T, x: F(T).avg_pool1d(x, 2), [real(4)]),
    Case.misuse("adaptive rank", lambda T, x: F(T).adaptive_avg_pool2d(x, 2), [real(4, 4)]),
    Case.misuse("adaptive sizes", lambda T, x: F(T).adaptive_max_pool2d(x, (2, 2, 2)), [real(1, 1, 4, 4)]),
    Case.misuse("adaptive negative", lambda T, x: F(T).adaptive_avg_pool2d(x, (-1, 2)), [real(1, 1, 4, 4)]),
    Case.misuse("adaptive integers", lambda T, x: F(T).adaptive_avg_pool2d(x.long(), 2), [real(1, 1, 4, 4)]),
    Case.misuse(
        "unpool shapes", lambda T, x: F(T).max_unpool2d(x, T.zeros(1, 1, 2, 3, dtype=T.int64), 2), [real(1, 1, 2, 2)]
    ),
    Case.misuse("unpool dtype", lambda T, x: F(T).max_unpool2d(x, T.zeros(1, 1, 2, 2), 2), [real(1, 1, 2, 2)]),
    Case.misuse(
        "unpool output_size",
        lambda T, x: F(T).max_unpool2d(x, T.zeros(1, 1, 2, 2, dtype=T.int64), 2, output_size=(9, 9)),
        [real(1, 1, 2, 2)],
    ),
]
