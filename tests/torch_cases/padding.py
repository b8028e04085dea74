"""Padding, resampling, and the moves between pixels and channels."""

from __future__ import annotations

from typing import Any

from peer import Case, boolean, integer, positive, real, unit


def F(T: Any) -> Any:
    return T.nn.functional


PADS = [
    Case("pad", lambda T, x: F(T).pad(x, (1, 2)), [real(2, 3)], dtypes="all"),
    Case("pad half", lambda T, x: F(T).pad(x, (1, 2), value=0.1), [real(2, 3)], dtypes="half"),
    Case("pad value", lambda T, x: F(T).pad(x, (1, 2, 0, 1), "constant", 2), [real(2, 3)], dtypes="all"),
    Case("pad crop", lambda T, x: F(T).pad(x, (-1, 2, 1, -2)), [real(4, 3)]),
    Case("pad to nothing", lambda T, x: F(T).pad(x, (-1, -2)), [real(4, 3)]),
    Case("pad nothing", lambda T, x: F(T).pad(x, (2, 1)), [real(0, 3)]),
    Case("pad empty list", lambda T, x: F(T).pad(x, ()), [real(2, 3)]),
    Case("pad zeros", lambda T, x: F(T).pad(x, (0, 0, 0, 0), "reflect"), [real(1, 2, 3, 3)]),
    Case("pad infinity", lambda T, x: F(T).pad(x, [1, 1], value=float("-inf")), [real(2, 3)]),
    Case("pad bool", lambda T, x: F(T).pad(x, (1, 1), value=True), [boolean(2, 3)]),
    Case("pad is a copy", lambda T, x: [F(T).pad(x, (0, 0)).add_(1), x], [real(2, 3)], grad=False, jit=False),
    Case("pad reflect 1d", lambda T, x: F(T).pad(x, (2, 1), mode="reflect"), [real(2, 3, 4)], dtypes="half"),
    Case("pad reflect 1d unbatched", lambda T, x: F(T).pad(x, (2, 3), mode="reflect"), [real(3, 4)]),
    Case("pad reflect 2d", lambda T, x: F(T).pad(x, (2, 1, 0, 3), mode="reflect"), [real(2, 2, 4, 4)]),
    Case("pad reflect 3d", lambda T, x: F(T).pad(x, (1, 1, 2, 1, 1, 0), mode="reflect"), [real(1, 2, 3, 4, 2)]),
    Case("pad reflect crop", lambda T, x: F(T).pad(x, (-1, 2), mode="reflect"), [real(2, 3, 5)]),
    Case("pad replicate 1d", lambda T, x: F(T).pad(x, (2, 7), mode="replicate"), [real(2, 3, 4)], dtypes="half"),
    Case("pad replicate 2d", lambda T, x: F(T).pad(x, (2, 1, 0, 3), mode="replicate"), [real(2, 4, 3)]),
    Case("pad replicate 3d", lambda T, x: F(T).pad(x, (1, 1, 2, 1, 1, 0), mode="replicate"), [real(2, 1, 4, 2)]),
    Case("pad replicate crop", lambda T, x: F(T).pad(x, (3, -2), mode="replicate"), [real(2, 3, 5)]),
    Case("pad circular 1d", lambda T, x: F(T).pad(x, (2, 4), mode="circular"), [real(2, 3, 4)], dtypes="half"),
    Case("pad circular 2d", lambda T, x: F(T).pad(x, (2, 1, 0, 3), mode="circular"), [real(1, 2, 4, 3)]),
    Case("pad circular 3d", lambda T, x: F(T).pad(x, (1, 1, 2, 1, 1, 0), mode="circular"), [real(1, 2, 3, 4, 2)]),
    Case("pad reflect int64", lambda T, x: F(T).pad(x, (2, 1), mode="reflect"), [integer(2, 3, 4)]),
    Case.module("ConstantPad1d", lambda T: T.nn.ConstantPad1d((1, 2), 3.5), [real(2, 3)]),
    Case.module("ConstantPad2d", lambda T: T.nn.ConstantPad2d(1, 2), [real(2, 3, 2)]),
    Case.module("ConstantPad3d", lambda T: T.nn.ConstantPad3d((1, 0, 0, 1, 2, -1), 2), [real(2, 3, 2, 2)]),
    Case.module("ZeroPad1d", lambda T: T.nn.ZeroPad1d(1), [real(2, 3)]),
    Case.module("ZeroPad2d", lambda T: T.nn.ZeroPad2d((1, 2, 0, 1)), [real(2, 3, 2)]),
    Case.module("ZeroPad3d", lambda T: T.nn.ZeroPad3d(1), [real(2, 3, 2, 1)]),
    Case.module("ReflectionPad1d", lambda T: T.nn.ReflectionPad1d(2), [real(2, 3, 4)]),
    Case.module("ReflectionPad2d", lambda T: T.nn.ReflectionPad2d((1, 2, 0, 1)), [real(2, 3, 4)]),
    Case.module("ReflectionPad3d", lambda T: T.nn.ReflectionPad3d(1), [real(1, 2, 3, 2, 2)]),
    Case.module("ReplicationPad1d", lambda T: T.nn.ReplicationPad1d(2), [real(2, 3, 4)]),
    Case.module("ReplicationPad2d", lambda T: T.nn.ReplicationPad2d((1, 2, 0, 1)), [real(2, 3, 4)]),
    Case.module("ReplicationPad3d", lambda T: T.nn.ReplicationPad3d(1), [real(1, 2, 3, 2, 2)]),
    Case.module("CircularPad1d", lambda T: T.nn.CircularPad1d(2), [real(2, 3, 4)]),
    Case.module("CircularPad2d", lambda T: T.nn.CircularPad2d((1, 2, 0, 1)), [real(2, 3, 4)]),
    Case.module("CircularPad3d", lambda T: T.nn.CircularPad3d(1), [real(1, 2, 3, 2, 2)]),
    Case.misuse("pad odd", lambda T, x: F(T).pad(x, (1, 2, 3)), [real(2, 3)]),
    Case.misuse("pad many", lambda T, x: F(T).pad(x, (1, 2, 3, 4, 5, 6)), [real(2, 3)]),
    Case.misuse("pad mode", lambda T, x: F(T).pad(x, (1, 2), "mirror"), [real(1, 2, 3)]),
    Case.misuse("pad reflect too much", lambda T, x: F(T).pad(x, (3, 0), "reflect"), [real(1, 2, 3)]),
    Case.misuse("pad circular too much", lambda T, x: F(T).pad(x, (4, 0), "circular"), [real(1, 2, 3)]),
    Case.misuse("pad reflect vector", lambda T, x: F(T).pad(x, (1, 0), "reflect"), [real(3)]),
    Case.misuse("pad reflect not all", lambda T, x: F(T).pad(x, (1, 0), "reflect"), [real(1, 2, 3, 3)]),
    Case.misuse("pad reflect value", lambda T, x: F(T).pad(x, (1, 0), "reflect", 1.0), [real(1, 2, 3)]),
    Case.misuse("pad crop beyond", lambda T, x: F(T).pad(x, (5, -4, -4, 5)), [real(3, 3)]),
    Case.misuse("pad too much cropped", lambda T, x: F(T).pad(x, (-3, -1)), [real(2, 3)]),
    Case.misuse("pad replicate to nothing", lambda T, x: F(T).pad(x, (-2, -1), "replicate"), [real(1, 2, 3)]),
]


RESIZED = [
    Case("nearest size", lambda T, x: F(T).interpolate(x, size=(7, 3)), [real(2, 3, 4, 5)], dtypes="half"),
    Case("nearest factor 2", lambda T, x: F(T).interpolate(x, scale_factor=2), [real(2, 3, 4, 5)], dtypes="half"),
    Case("nearest factor 0.5", lambda T, x: F(T).interpolate(x, scale_factor=0.5), [real(2, 3, 5, 6)]),
    Case("nearest factors", lambda T, x: F(T).interpolate(x, scale_factor=(1.7, 0.6)), [real(2, 3, 5, 6)]),
    Case("nearest same", lambda T, x: F(T).interpolate(x, size=(4, 5)), [real(2, 3, 4, 5)]),
    Case("nearest 1d", lambda T, x: F(T).interpolate(x, scale_factor=1.5), [real(2, 3, 7)]),
    Case("nearest 3d", lambda T, x: F(T).interpolate(x, size=(2, 6, 5)), [real(1, 2, 4, 3, 4)]),
    Case(
        "nearest recompute",
        lambda T, x: F(T).interpolate(x, scale_factor=1.7, recompute_scale_factor=True),
        [real(1, 2, 5, 6)],
    ),
    Case("nearest-exact", lambda T, x: F(T).interpolate(x, size=(7, 3), mode="nearest-exact"), [real(2, 3, 4, 5)]),
    Case(
        "nearest-exact 0.4",
        lambda T, x: F(T).interpolate(x, scale_factor=0.4, mode="nearest-exact"),
        [real(2, 3, 9)],
    ),
    Case("nearest one row", lambda T, x: F(T).interpolate(x, size=(1, 4)), [real(2, 3, 4, 1)]),
    Case("nearest uint8", lambda T, x: F(T).interpolate(x.to(T.uint8), size=7), [positive(2, 3, 4, 4)], grad=False),
    Case("linear", lambda T, x: F(T).interpolate(x, size=7, mode="linear"), [real(2, 3, 4)], dtypes="half"),
    Case("linear corners", lambda T, x: F(T).interpolate(x, 7, mode="linear", align_corners=True), [real(2, 3, 4)]),
    Case("linear to one", lambda T, x: F(T).interpolate(x, 1, mode="linear", align_corners=True), [real(2, 3, 4)]),
    Case(
        "bilinear size",
        lambda T, x: F(T).interpolate(x, (7, 3), mode="bilinear"),
        [real(2, 3, 4, 5)],
        dtypes="half",
    ),
    Case(
        "bilinear factor 2",
        lambda T, x: F(T).interpolate(x, scale_factor=2, mode="bilinear"),
        [real(2, 3, 4, 5)],
        dtypes="half",
    ),
    Case("bilinear factor 3", lambda T, x: F(T).interpolate(x, scale_factor=3.0, mode="bilinear"), [real(1, 2, 4, 1)]),
    Case(
        "bilinear factor 0.5",
        lambda T, x: F(T).interpolate(x, scale_factor=0.5, mode="bilinear"),
        [real(1, 2, 8, 6)],
    ),
    Case("bilinear factor 1/3", lambda T, x: F(T).interpolate(x, size=(3, 2), mode="bilinear"), [real(1, 2, 9, 6)]),
    Case(
        "bilinear factors",
        lambda T, x: F(T).interpolate(x, scale_factor=(1.3, 0.7), mode="bilinear"),
        [real(2, 3, 5, 6)],
    ),
    Case(
        "bilinear recompute",
        lambda T, x: F(T).interpolate(x, scale_factor=1.3, mode="bilinear", recompute_scale_factor=True),
        [real(2, 3, 5, 6)],
    ),
    Case(
        "bilinear corners",
        lambda T, x: F(T).interpolate(x, scale_factor=2, mode="bilinear", align_corners=True),
        [real(2, 3, 5, 6)],
    ),
    Case("bilinear same", lambda T, x: F(T).interpolate(x, (4, 5), mode="bilinear"), [real(2, 3, 4, 5)]),
    Case(
        "bilinear antialias",
        lambda T, x: F(T).interpolate(x, (3, 4), mode="bilinear", antialias=True),
        [real(1, 2, 8, 9)],
    ),
    Case(
        "bilinear antialias up",
        lambda T, x: F(T).interpolate(x, (9, 9), mode="bilinear", antialias=True),
        [real(1, 2, 4, 5)],
    ),
    Case("bicubic size", lambda T, x: F(T).interpolate(x, (7, 3), mode="bicubic"), [real(2, 3, 4, 5)], dtypes="half"),
    Case(
        "bicubic corners",
        lambda T, x: F(T).interpolate(x, (7, 3), mode="bicubic", align_corners=True),
        [real(2, 3, 4, 5)],
    ),
    Case("bicubic factor 2", lambda T, x: F(T).interpolate(x, scale_factor=2, mode="bicubic"), [real(2, 3, 4, 5)]),
    Case(
        "bicubic antialias",
        lambda T, x: F(T).interpolate(x, (3, 4), mode="bicubic", antialias=True),
        [real(1, 2, 8, 9)],
    ),
    Case("lanczos", lambda T, x: F(T).interpolate(x, (3, 4), mode="lanczos", antialias=True), [real(1, 2, 8, 9)]),
    Case("trilinear", lambda T, x: F(T).interpolate(x, (2, 6, 5), mode="trilinear"), [real(1, 2, 4, 3, 4)]),
    Case(
        "trilinear corners",
        lambda T, x: F(T).interpolate(x, scale_factor=2, mode="trilinear", align_corners=True),
        [real(1, 2, 2, 3, 2)],
    ),
    Case("area", lambda T, x: F(T).interpolate(x, (3, 4), mode="area"), [real(1, 2, 7, 8)]),
    Case("area factor", lambda T, x: F(T).interpolate(x, scale_factor=0.5, mode="area"), [real(1, 2, 7, 8)]),
    Case.module("Upsample", lambda T: T.nn.Upsample(scale_factor=2), [real(1, 2, 3, 4)]),
    Case.module(
        "Upsample bilinear",
        lambda T: T.nn.Upsample((5, 7), mode="bilinear", align_corners=True),
        [real(1, 2, 3, 4)],
    ),
    Case.module("UpsamplingNearest2d", lambda T: T.nn.UpsamplingNearest2d(scale_factor=2), [real(1, 2, 3, 4)]),
    Case.module("UpsamplingBilinear2d", lambda T: T.nn.UpsamplingBilinear2d(size=6), [real(1, 2, 3, 4)]),
    Case("upsample", lambda T, x: F(T).upsample(x, scale_factor=2, mode="bilinear"), [real(1, 2, 3, 4)]),
    Case("pixel_shuffle", lambda T, x: F(T).pixel_shuffle(x, 2), [real(2, 12, 3, 4)], dtypes="all"),
    Case("pixel_shuffle 3d", lambda T, x: T.pixel_shuffle(x, 3), [real(9, 2, 3)]),
    Case("pixel_unshuffle", lambda T, x: T.pixel_unshuffle(x, 2), [real(2, 3, 4, 6)], dtypes="all"),
    Case("pixel_unshuffle 5d", lambda T, x: F(T).pixel_unshuffle(x, 2), [real(2, 2, 1, 4, 6)]),
    Case("channel_shuffle", lambda T, x: T.channel_shuffle(x, 3), [real(2, 6, 3, 4)], dtypes="all"),
    Case("channel_shuffle 3d", lambda T, x: F(T).channel_shuffle(x, 2), [real(2, 6, 3)]),
    Case.module("PixelShuffle", lambda T: T.nn.PixelShuffle(2), [real(2, 4, 3, 4)]),
    Case.module("PixelUnshuffle", lambda T: T.nn.PixelUnshuffle(2), [real(2, 4, 4)]),
    Case.module("ChannelShuffle", lambda T: T.nn.ChannelShuffle(2), [real(2, 4, 3, 4)]),
    Case(
        "repr",
        lambda T: [
            repr(m)
            for m in (
                T.nn.ConstantPad1d(2, 3.5),
                T.nn.ZeroPad2d(1),
                T.nn.ReflectionPad2d((1, 2, 3, 4)),
                T.nn.Upsample(scale_factor=2),
                T.nn.Upsample(size=(3, 4), mode="bilinear", align_corners=True),
                T.nn.Upsample(scale_factor=(2, 1.5)),
                T.nn.UpsamplingNearest2d(size=4),
                T.nn.PixelShuffle(2),
                T.nn.PixelUnshuffle(2),
                T.nn.ChannelShuffle(2),
            )
        ],
        jit=False,
    ),
    Case.misuse("resize without size", lambda T, x: F(T).interpolate(x), [real(1, 2, 3, 4)]),
    Case.misuse("resize both", lambda T, x: F(T).interpolate(x, 3, 2), [real(1, 2, 3, 4)]),
    Case.misuse("resize corners", lambda T, x: F(T).interpolate(x, 3, align_corners=True), [real(1, 2, 3, 4)]),
    Case.misuse("resize mode", lambda T, x: F(T).interpolate(x, 3, mode="cubic"), [real(1, 2, 3, 4)]),
    Case.misuse("resize mode rank", lambda T, x: F(T).interpolate(x, 3, mode="linear"), [real(1, 2, 3, 4)]),
    Case.misuse("resize rank", lambda T, x: F(T).interpolate(x, 3), [real(3, 4)]),
    Case.misuse("resize sizes", lambda T, x: F(T).interpolate(x, (3, 3, 3)), [real(1, 2, 3, 4)]),
    Case.misuse("resize factors", lambda T, x: F(T).interpolate(x, scale_factor=(3, 3, 3)), [real(1, 2, 3, 4)]),
    Case.misuse("resize to nothing", lambda T, x: F(T).interpolate(x, 0), [real(1, 2, 3, 4)]),
    Case.misuse(
        "resize recompute",
        lambda T, x: F(T).interpolate(x, 3, recompute_scale_factor=True),
        [real(1, 2, 3, 4)],
    ),
    Case.misuse("resize antialias", lambda T, x: F(T).interpolate(x, 3, antialias=True), [real(1, 2, 3, 4)]),
    Case.misuse("pixel_shuffle channels", lambda T, x: T.pixel_shuffle(x, 2), [real(1, 2, 3, 4)]),
    Case.misuse("pixel_shuffle factor", lambda T, x: T.pixel_shuffle(x, -1), [real(1, 2, 3, 4)]),
    Case.misuse("pixel_unshuffle sizes", lambda T, x: T.pixel_unshuffle(x, 2), [real(1, 2, 3, 4)]),
    Case.misuse("channel_shuffle channels", lambda T, x: T.channel_shuffle(x, 3), [real(1, 2, 3, 4)]),
]


def sampled(name: str, mode: str, padding_mode: str, corners: bool) -> Case:
    return Case(
        f"grid_sample {name}",
        lambda T, x, grid: F(T).grid_sample(x, grid, mode, padding_mode, corners),
        [real(2, 3, 4, 5), real(2, 3, 4, 2, low=-1.7, high=1.7)],
        layouts=False,
        # Where a position lies near a whole one, its rounding decides which elements are read.
        dtypes=("float64", "float32") if mode != "nearest" else ("float64",),
        rtol=3e-4 if mode == "bicubic" else None,
    )


SAMPLED = [
    sampled(f"{mode} {padding} {corners}", mode, padding, corners)
    for mode in ("bilinear", "nearest", "bicubic")
    for padding in ("zeros", "border", "reflection")
    for corners in (False, True)
] + [
    Case("grid_sample", lambda T, x, grid: F(T).grid_sample(x, grid), [real(2, 3, 4, 5), unit(2, 3, 4, 2)]),
    Case(
        "grid_sample volume",
        lambda T, x, grid: F(T).grid_sample(x, grid, align_corners=False),
        [real(2, 2, 3, 4, 5), real(2, 2, 3, 2, 3, low=-1.5, high=1.5)],
    ),
    Case(
        "grid_sample volume nearest",
        lambda T, x, grid: F(T).grid_sample(x, grid, "nearest", "border", align_corners=True),
        [real(2, 2, 3, 4, 5), real(2, 2, 3, 2, 3, low=-1.5, high=1.5)],
    ),
    Case("affine_grid", lambda T, x: F(T).affine_grid(x, (2, 3, 4, 5), align_corners=False), [real(2, 2, 3)]),
    # The identity map samples at the elements themselves, where the derivative depends on the grid's last bits.
    *[
        Case(
            f"grid_sample identity {n}",
            lambda T, x, n=n: _identity_sampled(T, x, n),
            [real(1, 2, n, n)],
            layouts=False,
            dtypes=("float32",),  # eager float64 has no fused multiply-add
        )
        for n in (5, 7, 16, 18, 28)
    ],
    Case("affine_grid corners", lambda T, x: F(T).affine_grid(x, (2, 3, 4, 1), align_corners=True), [real(2, 2, 3)]),
    Case(
        "affine_grid volume",
        lambda T, x: F(T).affine_grid(x, (2, 3, 2, 4, 5), align_corners=False),
        [real(2, 3, 4)],
    ),
    Case.misuse("grid mode", lambda T, x, g: F(T).grid_sample(x, g, "linear"), [real(1, 2, 3, 4), unit(1, 2, 2, 2)]),
    Case.misuse(
        "grid padding",
        lambda T, x, g: F(T).grid_sample(x, g, padding_mode="same"),
        [real(1, 2, 3, 4), unit(1, 2, 2, 2)],
    ),
    Case.misuse("grid last size", lambda T, x, g: F(T).grid_sample(x, g), [real(1, 2, 3, 4), unit(1, 2, 2, 3)]),
    Case.misuse("grid batch", lambda T, x, g: F(T).grid_sample(x, g), [real(1, 2, 3, 4), unit(2, 2, 2, 2)]),
    Case.misuse("affine size", lambda T, x: F(T).affine_grid(x, (1, 1, 0, 2)), [real(1, 2, 3)]),
    Case.misuse("affine theta", lambda T, x: F(T).affine_grid(x, (1, 1, 2, 2)), [real(1, 3, 3)]),
]


def _identity_sampled(T: Any, x: Any, n: int) -> Any:
    theta = T.tensor([[[1, 0, 0], [0, 1, 0]]], dtype=x.dtype, requires_grad=True)
    found = F(T).grid_sample(x, F(T).affine_grid(theta, (1, 2, n, n), align_corners=False), align_corners=False)
    weights = T.arange(found.numel(), dtype=x.dtype).reshape(found.shape).sin()
    (slope,) = T.autograd.grad((found * weights).sum(), theta, create_graph=True)
    return found, slope.detach()


CASES = [*PADS, *RESIZED, *SAMPLED]
