"""Sizes in generated code: literals, or polynomials over the named dims that the entry receives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.spelling import Reg
from ingot.compiler.dims import Dim, Quotient, Symbol
from ingot.compiler.ir import Size


class Sizes:
    """Gives an i64 register for any size. `dims` loads the pointer to the named dims' values when first needed."""

    def __init__(self, f: Function, names: Sequence[str], dims: Callable[[], Reg]) -> None:
        self.f, self.names, self.dims = f, list(names), dims

    def __call__(self, size: Size) -> Reg:
        if isinstance(size, int):
            return self.f.const("i64", size)
        f, total = self.f, self.f.const("i64", 0)
        for monomial, coefficient in size.terms:
            term = f.const("i64", coefficient)
            for atom in monomial:
                term = f.mul(self.atom(atom), term)
            total = f.add(total, term)
        return total

    def atom(self, atom: Symbol | Quotient) -> Reg:
        if isinstance(atom, Quotient):
            return self.floor(atom)
        pointer = self.f.offset(self.dims(), self.names.index(atom.name), 8)
        return self.f.load(pointer, "i64", pure=True)

    def floor(self, atom: Quotient) -> Reg:
        """The quotient rounded down: a window over fewer elements than it has counts from below zero."""
        f, top = self.f, self(atom.numerator)
        if atom.numerator.low < 0:
            below = f.and_(f.ashr(top, f.const("i64", 63)), f.const("i64", atom.divisor - 1))
            top = f.sub(top, below)
        return f.sdiv(top, f.const("i64", atom.divisor))


def symbols(sizes: Sequence[Size]) -> list[str]:
    """The names of the symbols in these sizes, in order of first use."""
    found: dict[str, None] = {}
    for size in sizes:
        if isinstance(size, Dim):
            found |= dict.fromkeys(sorted(s.name for s in size.symbols))
    return list(found)
