"""Convolutions, transposed convolutions, unfold and fold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peer import Case, integer, real


def seen(build: Callable[[Any], Any], *shape: int) -> Callable[[Any], Any]:
    """A lazy layer after an input of this shape."""

    def made(T: Any) -> Any:
        module = build(T)
        module(T.ones(*shape))
        return module

    return made


CASES = [
    Case("conv1d", lambda T, x, w: T.nn.functional.conv1d(x, w), [real(2, 3, 9), real(4, 3, 3)], dtypes="half"),
    Case(
        "conv2d",
        lambda T, x, w, b: T.nn.functional.conv2d(x, w, b),
        [real(2, 3, 6, 7), real(4, 3, 3, 2), real(4)],
        dtypes="half",
    ),
    Case(
        "conv3d",
        lambda T, x, w, b: T.nn.functional.conv3d(x, w, b),
        [real(2, 2, 4, 5, 3), real(3, 2, 2, 3, 2), real(3)],
    ),
    Case(
        "conv1d all arguments",
        lambda T, x, w, b: T.conv1d(x, w, b, stride=2, padding=3, dilation=2, groups=2),
        [real(2, 4, 9), real(6, 2, 3), real(6)],
    ),
    Case(
        "conv2d all arguments",
        lambda T, x, w, b: T.conv2d(x, w, b, stride=(2, 1), padding=(1, 3), dilation=(1, 2), groups=2),
        [real(2, 4, 6, 7), real(6, 2, 3, 2), real(6)],
    ),
    Case(
        "conv3d all arguments",
        lambda T, x, w, b: T.conv3d(x, w, b, stride=(2, 1, 2), padding=(1, 0, 1), dilation=(1, 2, 1), groups=2),
        [real(2, 4, 4, 5, 5), real(2, 2, 2, 2, 3), real(2)],
    ),
    Case("conv2d stride 2", lambda T, x, w: T.conv2d(x, w, stride=2, padding=1), [real(2, 3, 8, 8), real(4, 3, 3, 3)]),
    Case("conv2d stride 3", lambda T, x, w: T.conv2d(x, w, stride=3), [real(2, 3, 9, 8), real(4, 3, 2, 2)]),
    Case("conv2d stride above kernel", lambda T, x, w: T.conv2d(x, w, stride=3), [real(1, 2, 8, 9), real(2, 2, 1, 1)]),
    Case("conv2d patches", lambda T, x, w: T.conv2d(x, w, stride=4), [real(2, 3, 8, 8), real(5, 3, 4, 4)]),
    Case("conv2d 1x1", lambda T, x, w: T.conv2d(x, w), [real(2, 3, 4, 4), real(5, 3, 1, 1)]),
    Case("conv2d same", lambda T, x, w: T.conv2d(x, w, padding="same"), [real(2, 3, 5, 6), real(4, 3, 4, 3)]),
    Case(
        "conv2d same dilated",
        lambda T, x, w: T.conv2d(x, w, padding="same", dilation=(3, 1)),
        [real(2, 3, 5, 6), real(4, 3, 2, 2)],
    ),
    Case("conv2d valid", lambda T, x, w: T.conv2d(x, w, padding="valid"), [real(2, 3, 5, 6), real(4, 3, 4, 3)]),
    Case("conv2d depthwise", lambda T, x, w: T.conv2d(x, w, padding=1, groups=4), [real(2, 4, 6, 6), real(4, 1, 3, 3)]),
    Case(
        "conv2d depthwise stride 2",
        lambda T, x, w: T.conv2d(x, w, padding=1, groups=4, stride=2),
        [real(2, 4, 7, 6), real(4, 1, 3, 3)],
    ),
    Case(
        "conv2d depthwise multiplier",
        lambda T, x, w: T.conv2d(x, w, padding=2, dilation=2, groups=3),
        [real(2, 3, 6, 6), real(6, 1, 3, 3)],
    ),
    Case("conv1d depthwise", lambda T, x, w: T.conv1d(x, w, padding=3, groups=4), [real(2, 4, 9), real(4, 1, 4)]),
    Case("conv1d unbatched", lambda T, x, w, b: T.conv1d(x, w, b, padding=1), [real(3, 9), real(4, 3, 3), real(4)]),
    Case("conv2d unbatched", lambda T, x, w: T.conv2d(x, w), [real(3, 6, 7), real(4, 3, 3, 2)]),
    Case("conv3d unbatched", lambda T, x, w: T.conv3d(x, w), [real(2, 4, 4, 3), real(4, 2, 3, 2, 1)]),
    Case("conv2d no examples", lambda T, x, w: T.conv2d(x, w), [real(0, 3, 6, 7), real(4, 3, 3, 2)]),
    Case("conv2d int64", lambda T, x, w: T.conv2d(x, w), [integer(2, 3, 6, 7), integer(4, 3, 3, 2)], jit=False),
    Case(
        "conv2d list of one",
        lambda T, x, w: T.conv2d(x, w, stride=[2], padding=(1,)),
        [real(1, 2, 5, 5), real(2, 2, 2, 2)],
    ),
    Case(
        "conv_transpose1d",
        lambda T, x, w, b: T.nn.functional.conv_transpose1d(x, w, b),
        [real(2, 3, 5), real(3, 4, 3), real(4)],
        dtypes="half",
    ),
    Case(
        "conv_transpose2d",
        lambda T, x, w, b: T.nn.functional.conv_transpose2d(x, w, b),
        [real(2, 3, 4, 3), real(3, 4, 3, 2), real(4)],
    ),
    Case(
        "conv_transpose2d stride 2",
        lambda T, x, w: T.conv_transpose2d(x, w, stride=2),
        [real(2, 3, 4, 3), real(3, 4, 2, 2)],
        dtypes="half",
    ),
    Case(
        "conv_transpose2d stride 2 padding",
        lambda T, x, w: T.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1),
        [real(2, 3, 4, 3), real(3, 4, 3, 3)],
    ),
    Case(
        "conv_transpose1d all arguments",
        lambda T, x, w, b: T.conv_transpose1d(x, w, b, 3, 1, 2, 2, 2),
        [real(2, 4, 5), real(4, 3, 3), real(6)],
    ),
    Case(
        "conv_transpose2d all arguments",
        lambda T, x, w, b: T.conv_transpose2d(x, w, b, (3, 2), (1, 0), (1, 0), 2, (2, 1)),
        [real(2, 4, 3, 4), real(4, 2, 3, 2), real(4)],
    ),
    Case(
        "conv_transpose3d all arguments",
        lambda T, x, w, b: T.conv_transpose3d(x, w, b, (1, 2, 2), (1, 0, 1), (0, 1, 1), 2, (1, 2, 1)),
        [real(1, 2, 3, 2, 2), real(2, 1, 3, 2, 2), real(2)],
    ),
    Case("conv_transpose2d unbatched", lambda T, x, w: T.conv_transpose2d(x, w), [real(3, 4, 3), real(3, 2, 2, 2)]),
    # Its backward pass in PyTorch takes contiguous memory only.
    Case(
        "conv_tbc",
        lambda T, x, w, b: T.conv_tbc(x, w, b, 1),
        [real(6, 2, 3), real(3, 3, 4), real(4)],
        layouts=False,
    ),
    Case("unfold", lambda T, x: T.nn.functional.unfold(x, 3), [real(2, 3, 5, 6)], dtypes="half"),
    Case(
        "unfold all arguments",
        lambda T, x: T.nn.functional.unfold(x, (2, 3), dilation=(2, 1), padding=(1, 2), stride=(2, 1)),
        [real(2, 3, 5, 6)],
    ),
    Case("unfold unbatched", lambda T, x: T.nn.functional.unfold(x, 2, stride=2), [real(3, 4, 6)]),
    Case("fold", lambda T, x: T.nn.functional.fold(x, (5, 6), 3), [real(2, 27, 12)], dtypes="half"),
    Case(
        "fold all arguments",
        lambda T, x: T.nn.functional.fold(x, (5, 6), (2, 3), dilation=(2, 1), padding=(1, 2), stride=(2, 1)),
        [real(2, 18, 24)],
    ),
    Case("fold unbatched", lambda T, x: T.nn.functional.fold(x, (4, 6), 2, stride=2), [real(12, 6)]),
    # modules
    Case.module("Conv1d", lambda T: T.nn.Conv1d(3, 4, 3), [real(2, 3, 8)]),
    Case.module("Conv2d", lambda T: T.nn.Conv2d(3, 4, 3, padding=1), [real(2, 3, 6, 6)], dtypes="half"),
    Case.module(
        "Conv2d no bias", lambda T: T.nn.Conv2d(4, 6, (3, 1), stride=2, groups=2, bias=False), [real(2, 4, 6, 6)]
    ),
    Case.module("Conv2d same", lambda T: T.nn.Conv2d(3, 4, 4, padding="same"), [real(2, 3, 6, 6)]),
    Case.module(
        "Conv2d reflect", lambda T: T.nn.Conv2d(3, 4, 3, padding=(1, 2), padding_mode="reflect"), [real(2, 3, 6, 6)]
    ),
    Case.module(
        "Conv2d replicate", lambda T: T.nn.Conv2d(3, 4, 3, padding=2, padding_mode="replicate"), [real(2, 3, 6, 6)]
    ),
    Case.module(
        "Conv2d circular", lambda T: T.nn.Conv2d(3, 4, 3, padding=(2, 1), padding_mode="circular"), [real(2, 3, 6, 6)]
    ),
    Case.module(
        "Conv1d same circular", lambda T: T.nn.Conv1d(3, 4, 4, padding="same", padding_mode="circular"), [real(2, 3, 6)]
    ),
    Case.module("Conv3d", lambda T: T.nn.Conv3d(2, 3, 2, padding=1), [real(2, 2, 3, 4, 3)]),
    Case.module(
        "Conv3d replicate", lambda T: T.nn.Conv3d(2, 3, 2, padding=1, padding_mode="replicate"), [real(1, 2, 3, 4, 3)]
    ),
    Case.module("ConvTranspose1d", lambda T: T.nn.ConvTranspose1d(3, 4, 3, stride=2), [real(2, 3, 5)]),
    Case.module("ConvTranspose2d", lambda T: T.nn.ConvTranspose2d(3, 4, 3, 2, 1, 1), [real(2, 3, 4, 4)]),
    Case.module(
        "ConvTranspose2d output_size",
        lambda T: T.nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, groups=2),
        [real(2, 4, 4, 4)],
        call=lambda module, x: module(x, output_size=(8, 7)),
    ),
    Case.module(
        "ConvTranspose2d output_size of four",
        lambda T: T.nn.ConvTranspose2d(4, 6, 3, stride=2),
        [real(2, 4, 4, 4)],
        call=lambda module, x: module(x, output_size=[2, 6, 10, 9]),
    ),
    Case.module("ConvTranspose3d", lambda T: T.nn.ConvTranspose3d(2, 3, 2, stride=2), [real(1, 2, 2, 3, 2)]),
    Case.module("Unfold", lambda T: T.nn.Unfold((2, 3), padding=1), [real(2, 3, 4, 5)]),
    Case.module("Fold", lambda T: T.nn.Fold((4, 5), (2, 2)), [real(2, 8, 12)]),
    Case.module("LazyConv1d", seen(lambda T: T.nn.LazyConv1d(4, 3), 2, 3, 8), [real(2, 3, 8)]),
    Case.module("LazyConv2d", seen(lambda T: T.nn.LazyConv2d(4, 3, groups=2), 4, 6, 6), [real(2, 4, 6, 6)]),
    Case.module("LazyConv3d", seen(lambda T: T.nn.LazyConv3d(2, 2, bias=False), 2, 3, 3, 3), [real(2, 3, 3, 3)]),
    Case.module(
        "LazyConvTranspose2d", seen(lambda T: T.nn.LazyConvTranspose2d(4, 3, 2), 1, 3, 4, 4), [real(2, 3, 4, 4)]
    ),
    Case.module("LazyLinear", seen(lambda T: T.nn.LazyLinear(4), 2, 3), [real(2, 3)]),
    Case.module("LazyBatchNorm2d", seen(lambda T: T.nn.LazyBatchNorm2d(), 2, 3, 4, 4), [real(2, 3, 4, 4)]),
    Case.module("LazyInstanceNorm1d", seen(lambda T: T.nn.LazyInstanceNorm1d(affine=True), 2, 3, 4), [real(2, 3, 4)]),
    Case("lazy names", lambda T: [repr(T.nn.LazyConv2d(4, 3)), repr(T.nn.LazyLinear(2).weight)], jit=False),
    Case.misuse("lazy groups", seen(lambda T: T.nn.LazyConv2d(4, 3, groups=2), 1, 3, 5, 5)),
    Case.misuse("lazy rank", seen(lambda T: T.nn.LazyConv2d(4, 3), 5, 5)),
    Case.misuse("lazy shape", lambda T: T.nn.LazyLinear(4).weight.shape),
    Case(
        "repr",
        lambda T: [
            repr(m)
            for m in (
                T.nn.Conv1d(1, 2, 3),
                T.nn.Conv2d(2, 4, 3, 2, 1, 2, 2, False, "reflect"),
                T.nn.Conv2d(1, 2, 3, padding="same"),
                T.nn.ConvTranspose2d(2, 4, 3, 2, 1, 1),
                T.nn.Unfold(3),
                T.nn.Fold(4, 2),
            )
        ],
        jit=False,
    ),
    # mistakes
    Case.misuse("channels", lambda T, x, w: T.conv2d(x, w), [real(1, 3, 5, 5), real(2, 4, 3, 3)]),
    Case.misuse("rank", lambda T, x, w: T.conv2d(x, w), [real(3, 5), real(2, 3, 3, 3)]),
    Case.misuse("weight rank", lambda T, x, w: T.conv2d(x, w), [real(1, 3, 5, 5), real(2, 3, 3)]),
    Case.misuse("large kernel", lambda T, x, w: T.conv2d(x, w), [real(1, 3, 2, 2), real(2, 3, 3, 3)]),
    Case.misuse("bias shape", lambda T, x, w, b: T.conv2d(x, w, b), [real(1, 3, 5, 5), real(2, 3, 3, 3), real(3)]),
    Case.misuse("stride 0", lambda T, x, w: T.conv2d(x, w, stride=0), [real(1, 3, 5, 5), real(2, 3, 3, 3)]),
    Case.misuse("negative padding", lambda T, x, w: T.conv2d(x, w, padding=-1), [real(1, 3, 5, 5), real(2, 3, 3, 3)]),
    Case.misuse(
        "three strides", lambda T, x, w: T.conv2d(x, w, stride=(1, 1, 1)), [real(1, 3, 5, 5), real(2, 3, 3, 3)]
    ),
    Case.misuse("groups 0", lambda T, x, w: T.conv2d(x, w, groups=0), [real(1, 3, 5, 5), real(2, 3, 3, 3)]),
    Case.misuse("groups", lambda T, x, w: T.conv2d(x, w, groups=2), [real(1, 4, 5, 5), real(3, 2, 3, 3)]),
    Case.misuse(
        "same strided", lambda T, x, w: T.conv2d(x, w, padding="same", stride=2), [real(1, 3, 5, 5), real(2, 3, 3, 3)]
    ),
    Case.misuse("padding word", lambda T, x, w: T.conv2d(x, w, padding="full"), [real(1, 3, 5, 5), real(2, 3, 3, 3)]),
    Case.misuse("dtypes", lambda T, x, w: T.conv2d(x, w.double()), [real(1, 3, 5, 5), real(2, 3, 3, 3)]),
    Case.misuse("transposed channels", lambda T, x, w: T.conv_transpose2d(x, w), [real(1, 3, 5, 5), real(2, 4, 3, 3)]),
    Case.misuse(
        "output_padding",
        lambda T, x, w: T.conv_transpose2d(x, w, output_padding=1),
        [real(1, 2, 5, 5), real(2, 4, 3, 3)],
    ),
    Case.misuse(
        "output_size", lambda T, x: T.nn.ConvTranspose2d(2, 1, 3, 2)(x, output_size=(20, 20)), [real(1, 2, 5, 5)]
    ),
    Case.misuse("module groups", lambda T: T.nn.Conv2d(3, 4, 3, groups=2)),
    Case.misuse("module groups 0", lambda T: T.nn.Conv2d(3, 4, 3, groups=0)),
    Case.misuse("module padding word", lambda T: T.nn.Conv2d(3, 4, 3, padding="full")),
    Case.misuse("module padding mode", lambda T: T.nn.Conv2d(3, 4, 3, padding_mode="mirror")),
    Case.misuse("module same strided", lambda T: T.nn.Conv2d(3, 4, 3, stride=2, padding="same")),
    Case.misuse("module transposed mode", lambda T: T.nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect")),
    Case.misuse("unfold large kernel", lambda T, x: T.nn.functional.unfold(x, 7), [real(1, 2, 5, 5)]),
    Case.misuse("fold blocks", lambda T, x: T.nn.functional.fold(x, (5, 5), 2), [real(1, 8, 15)]),
    Case.misuse("fold channels", lambda T, x: T.nn.functional.fold(x, (5, 5), 2), [real(1, 7, 16)]),
]
