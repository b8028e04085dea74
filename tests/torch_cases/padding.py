"""Padding, resampling, and the moves between pixels and channels."""

from __future__ import annotations

from typing import Any

from peer import Case, boolean, integer, real


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

CASES = [*PADS]
