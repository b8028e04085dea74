"""Symbolic sizes: a Dim is a polynomial with integer coefficients over named sizes.

A shape holds ints and Dims. Arithmetic that comes out constant gives an int, so code that never meets a symbol never
sees a Dim. Two Dims are equal when their polynomials are; nothing is ever guessed about sizes that differ by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ingot.runtime.errors import ShapeError


class Symbol(NamedTuple):
    """A named size with its range and the number that divides it."""

    name: str
    low: int = 0
    high: int = (1 << 31) - 1
    multiple: int = 1

    def __str__(self) -> str:
        return self.name


class Quotient(NamedTuple):
    """floor(numerator / divisor), where the division is not known to be exact."""

    numerator: Dim
    divisor: int

    @property
    def name(self) -> str:
        return f"({self.numerator}//{self.divisor})"

    @property
    def low(self) -> int:
        return self.numerator.low // self.divisor

    @property
    def high(self) -> int:
        return self.numerator.high // self.divisor

    def __str__(self) -> str:
        return self.name


Atom = Symbol | Quotient
Monomial = tuple[Atom, ...]


class Dim:
    """An immutable polynomial over named sizes; `Dim("b", 1, 4096)` names a new one."""

    __slots__ = ("_hash", "terms")
    terms: tuple[tuple[Monomial, int], ...]

    def __init__(self, name: str, low: int = 0, high: int = (1 << 31) - 1, multiple: int = 1) -> None:
        self.terms = (((Symbol(name, low, high, multiple),), 1),)
        self._hash = hash(self.terms)

    @staticmethod
    def of(terms: Mapping[Monomial, int]) -> int | Dim:
        """The size with these terms: an int when nothing symbolic is left."""
        kept = {m: c for m, c in terms.items() if c}
        if not kept:
            return 0
        if len(kept) == 1 and () in kept:
            return kept[()]
        dim = Dim.__new__(Dim)
        dim.terms = tuple(sorted(kept.items(), key=lambda t: ([a.name for a in t[0]], t[1])))
        dim._hash = hash(dim.terms)
        return dim

    @property
    def symbols(self) -> frozenset[Symbol]:
        """The named sizes that occur."""
        found: set[Symbol] = set()
        for monomial, _ in self.terms:
            for atom in monomial:
                found |= {atom} if isinstance(atom, Symbol) else atom.numerator.symbols
        return frozenset(found)

    @property
    def low(self) -> int:
        """The smallest value that the ranges allow."""
        return sum(c * math.prod(a.low if c > 0 else a.high for a in m) for m, c in self.terms)

    @property
    def high(self) -> int:
        """The largest value that the ranges allow."""
        return sum(c * math.prod(a.high if c > 0 else a.low for a in m) for m, c in self.terms)

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        """The value for given sizes by name; KeyError names a missing one."""
        total = 0
        for monomial, coefficient in self.terms:
            for atom in monomial:
                value = sizes[atom.name] if isinstance(atom, Symbol) else atom.numerator.evaluate(sizes) // atom.divisor
                coefficient *= value
            total += coefficient
        return total

    def __add__(self, other: int | Dim) -> int | Dim:
        terms = dict(self.terms)
        for monomial, coefficient in terms_of(other):
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return Dim.of(terms)

    __radd__ = __add__

    def __neg__(self) -> int | Dim:
        return Dim.of({m: -c for m, c in self.terms})

    def __sub__(self, other: int | Dim) -> int | Dim:
        return self + (-other)

    def __rsub__(self, other: int) -> int | Dim:
        return (-self) + other

    def __mul__(self, other: int | Dim) -> int | Dim:
        terms: dict[Monomial, int] = {}
        for a, x in self.terms:
            for b, y in terms_of(other):
                key = tuple(sorted((*a, *b), key=lambda atom: atom.name))
                terms[key] = terms.get(key, 0) + x * y
        return Dim.of(terms)

    __rmul__ = __mul__

    def __floordiv__(self, other: int | Dim) -> int | Dim:
        exact = quotient(self, other)
        if exact is not None:
            return exact
        if not isinstance(other, int):
            raise ShapeError("IG110", f"cannot divide the size {self} by {other}: it is not known to divide")
        return Dim.of({(Quotient(self, other),): 1})

    def __rfloordiv__(self, other: int) -> int | Dim:
        exact = quotient(other, self)
        if exact is None:
            raise ShapeError("IG110", f"cannot divide the size {other} by {self}: it is not known to divide")
        return exact

    def __mod__(self, other: int | Dim) -> int | Dim:
        if quotient(self, other) is not None:
            return 0
        return self - (self // other) * other

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and self.terms == other.terms

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        def monomial(atoms: Monomial, coefficient: int) -> str:
            parts = [a.name for a in atoms]
            return "*".join(([str(coefficient)] if coefficient != 1 or not parts else []) + parts)

        return "+".join(monomial(m, c) for m, c in self.terms)

    __str__ = __repr__


def terms_of(size: int | Dim) -> Iterable[tuple[Monomial, int]]:
    return size.terms if isinstance(size, Dim) else (((), size),)


def quotient(size: int | Dim, divisor: int | Dim) -> int | Dim | None:
    """size / divisor when it is exact for every value of the named sizes; else None."""
    if isinstance(size, int) and isinstance(divisor, int):
        return size // divisor if divisor and size % divisor == 0 else None
    divided = list(terms_of(divisor))
    if len(divided) != 1:
        return 1 if size == divisor else None
    ((atoms, coefficient),) = divided
    out: dict[Monomial, int] = {}
    for monomial, value in terms_of(size):
        rest = list(monomial)
        for atom in atoms:
            if atom not in rest:
                return None
            rest.remove(atom)
        if value % coefficient:
            return None
        out[tuple(rest)] = value // coefficient
    return Dim.of(out)


def product(sizes: Iterable[int | Dim]) -> int | Dim:
    total: int | Dim = 1
    for size in sizes:
        total = total * size
    return total


def static(size: int | Dim) -> bool:
    return isinstance(size, int)
