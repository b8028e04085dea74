"""Integers that are known while emitting (int) or only when the kernel runs (Reg), under one arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.spelling import Reg
from ingot.compiler.ir import Size

Int = int | Reg
Axis = tuple[str, Size]


class Integers:
    """Arithmetic inside `f`; results are ints as long as the operands are. No value is negative except in `add`."""

    def __init__(self, f: Function, sizes: Callable[[Size], Reg]) -> None:
        self.f, self.sizes = f, sizes

    def reg(self, a: Int) -> Reg:
        return a if isinstance(a, Reg) else self.f.const("i64", a)

    def size(self, size: Size) -> Int:
        return size if isinstance(size, int) else self.plain(self.sizes(size))

    def plain(self, a: Int) -> Int:
        """A literal register as the int that it is."""
        return int(a.literal) if isinstance(a, Reg) and a.literal is not None and a.lanes == 1 else a

    def add(self, a: Int, b: Int) -> Int:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        return self.f.add(self.reg(a), self.reg(b))

    def sub(self, a: Int, b: Int) -> Int:
        if isinstance(a, int) and isinstance(b, int):
            return a - b
        return self.f.sub(self.reg(a), self.reg(b))

    def mul(self, a: Int, b: Int) -> Int:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if (isinstance(a, int) and a == 0) or (isinstance(b, int) and b == 0):
            return 0
        return self.f.mul(self.reg(a), self.reg(b))

    def least(self, a: Int, b: Int) -> Int:
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b)
        return self.f.intrinsic("smin", self.reg(a), self.reg(b))

    def most(self, a: Int, b: Int) -> Int:
        if isinstance(a, int) and isinstance(b, int):
            return max(a, b)
        return self.f.intrinsic("smax", self.reg(a), self.reg(b))

    def div(self, a: Int, b: Int) -> Int:
        if isinstance(a, int) and isinstance(b, int):
            return a // b
        if isinstance(b, int) and b == 1:
            return a
        return self.f.udiv(self.reg(a), self.reg(b))

    def rem(self, a: Int, b: Int) -> Int:
        if isinstance(a, int) and isinstance(b, int):
            return a % b
        if isinstance(b, int) and b == 1:
            return 0
        return self.f.urem(self.reg(a), self.reg(b))

    def blocks(self, a: Int, step: int) -> Int:
        """ceil(a / step)."""
        return self.div(self.add(a, step - 1), step)

    def spread(self, axes: Sequence[Axis], merged: bool, linear: Int) -> dict[str, Reg]:
        """The axes that one row-major counter stands for.

        Where every stride is the innermost one times the extents inside it (`merged`), the innermost axis takes the
        whole counter and the others stay 0, which spares the divisions.
        """
        if merged:
            return {axis: self.reg(linear if axis == axes[-1][0] else 0) for axis, _ in axes}
        env: dict[str, Reg] = {}
        for axis, extent in reversed(axes[1:]):
            size = self.size(extent)
            env[axis] = self.reg(self.rem(linear, size))
            linear = self.div(linear, size)
        return {**env, axes[0][0]: self.reg(linear)} if axes else {}

    def dot(self, offset: Size, terms: Sequence[tuple[str, Size]], env: Mapping[str, Reg]) -> Int:
        """offset + sum(stride * env[axis])."""
        total = self.size(offset)
        for axis, stride in terms:
            total = self.add(total, self.mul(self.plain(env[axis]), self.size(stride)))
        return total
