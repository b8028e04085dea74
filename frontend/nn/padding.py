"""Padding layers."""

from __future__ import annotations

from typing import Any, ClassVar

from ingot.functional import padding
from ingot.nn.module import Module
from ingot.runtime.errors import ShapeError
from ingot.source_lines import user_line
from ingot.tensor import Tensor


class _Pad(Module):
    """`padding`: one number for all sides, or (before, after) from the last dimension backwards."""

    rank: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: Any) -> None:
        super().__init__()
        amounts = (padding,) * 2 * self.rank if isinstance(padding, int) else tuple(padding)
        if len(amounts) != 2 * self.rank:
            raise ShapeError(
                "IG226",
                f"{type(self).__name__} takes one number or {2 * self.rank} numbers, got {padding!r}",
                where=user_line(),
            )
        self.padding = amounts

    def forward(self, input: Tensor) -> Tensor:
        """[..., channels, sizes that are padded]."""
        return padding.pad(input, self.padding, mode=self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _Constant(_Pad):
    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """Any dimensions, of which the last are padded."""
        return padding.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_Constant):
    """The last dimension with `value` around it."""

    rank = 1


class ConstantPad2d(_Constant):
    """The last 2 dimensions with `value` around them."""

    rank = 2


class ConstantPad3d(_Constant):
    """The last 3 dimensions with `value` around them."""

    rank = 3


class _Zero(_Constant):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_Zero):
    """The last dimension with zeros around it."""

    rank = 1


class ZeroPad2d(_Zero):
    """The last 2 dimensions with zeros around them."""

    rank = 2


class ZeroPad3d(_Zero):
    """The last 3 dimensions with zeros around them."""

    rank = 3


class _Reflection(_Pad):
    mode = "reflect"


class ReflectionPad1d(_Reflection):
    """The last dimension mirrored at its first and last elements."""

    rank = 1


class ReflectionPad2d(_Reflection):
    """The last 2 dimensions mirrored at their first and last elements."""

    rank = 2


class ReflectionPad3d(_Reflection):
    """The last 3 dimensions mirrored at their first and last elements."""

    rank = 3


class _Replication(_Pad):
    mode = "replicate"


class ReplicationPad1d(_Replication):
    """The last dimension with its first and last elements repeated."""

    rank = 1


class ReplicationPad2d(_Replication):
    """The last 2 dimensions with their first and last elements repeated."""

    rank = 2


class ReplicationPad3d(_Replication):
    """The last 3 dimensions with their first and last elements repeated."""

    rank = 3


class _Circular(_Pad):
    mode = "circular"


class CircularPad1d(_Circular):
    """The last dimension continued from its other end."""

    rank = 1


class CircularPad2d(_Circular):
    """The last 2 dimensions continued from their other ends."""

    rank = 2


class CircularPad3d(_Circular):
    """The last 3 dimensions continued from their other ends."""

    rank = 3
