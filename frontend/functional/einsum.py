"""Sums of products in index notation, as a chain of products of two tensors."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ingot.compiler.dims import product
from ingot.compiler.ops.contract import dot_general
from ingot.core import is_tensor
from ingot.functional.arithmetic import mul
from ingot.functional.reductions import sum as total
from ingot.functional.shaping import diagonal, permute, reshape
from ingot.gate import apply
from ingot.runtime.errors import DTypeError, SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

Labels = tuple[Hashable, ...]


class Factor(NamedTuple):
    """A tensor and the name of each of its dimensions."""

    tensor: Tensor
    labels: Labels


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sums of products, as "bij,bjk->bik" says it: letters name dimensions, "..." any more of them.

    Letters missing in the result are summed over; a letter twice in one operand means its diagonal. Without "->", the
    result has the letters that occur once, in alphabetical order. Also einsum(x, [0, 1], y, [1, 2], [0, 2]).
    Raises SpecError (IG356) for an equation that does not fit the operands.
    """
    if is_tensor(equation):
        terms, result, tensors = _from_sublists((equation, *operands))
    else:
        tensors = list(operands[0]) if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else list(operands)
        terms, result = _parsed(equation, len(tensors))
    if len({t._layout.dtype for t in tensors}) > 1:
        raise DTypeError(
            "IG227",
            f"einsum(): operands must have one dtype, got {', '.join(str(t._layout.dtype) for t in tensors)}",
            where=user_line(),
        )
    return _contracted(_factors(tensors, terms), terms, result)


def _refused(what: str) -> SpecError:
    return SpecError("IG356", f"einsum(): {what}", where=user_line())


def _parsed(equation: str, count: int) -> tuple[list[list[Hashable]], list[Hashable] | None]:
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = [_term(text) for text in left.split(",")]
    if len(terms) != count:
        raise _refused(f"the equation {equation!r} has {len(terms)} operands, {count} were given")
    return terms, _term(right) if arrow else None


def _term(text: str) -> list[Hashable]:
    before, dots, after = text.partition("...")
    if not (before + after).isalpha() and before + after:
        raise _refused(f"subscripts are letters and one '...', not {text!r}")
    return [*before, *([Ellipsis] if dots else []), *after]


def _from_sublists(given: Sequence[Any]) -> tuple[list[list[Hashable]], list[Hashable] | None, list[Tensor]]:
    pairs = [(given[i], given[i + 1]) for i in range(0, len(given) - 1, 2)]
    result = list(given[-1]) if len(given) % 2 else None
    return [list(labels) for _, labels in pairs], result, [tensor for tensor, _ in pairs]


def _factors(tensors: list[Tensor], terms: list[list[Hashable]]) -> list[Factor]:
    """The operands with every dimension named once; dots become names counted from the last one."""
    factors = []
    for number, (tensor, term) in enumerate(zip(tensors, terms, strict=True)):
        rank = tensor._layout.ndim
        hidden = rank - (len(term) - 1) if Ellipsis in term else 0
        if (Ellipsis in term and hidden < 0) or (Ellipsis not in term and len(term) != rank):
            raise _refused(f"operand {number} has {rank} dimensions, its subscripts name {len(term)}")
        names: list[Hashable] = []
        for name in term:
            names.extend([("...", hidden - i) for i in range(hidden)] if name is Ellipsis else [name])
        factors.append(_without_repeats(tensor, names))
    sizes: dict[Hashable, Any] = {}
    for factor in factors:
        for name, size in zip(factor.labels, factor.tensor._layout.shape, strict=True):
            if sizes.setdefault(name, size) == 1:
                sizes[name] = size
            elif size != 1 and size != sizes[name]:
                raise _refused(f"subscript {name!r} stands for sizes {sizes[name]} and {size}")
    return [_without_ones(factor, sizes) for factor in factors]


def _without_repeats(tensor: Tensor, names: list[Hashable]) -> Factor:
    for name in dict.fromkeys(names):
        while names.count(name) > 1:
            first = names.index(name)
            second = names.index(name, first + 1)
            a, b = tensor._layout.shape[first], tensor._layout.shape[second]
            if a != b:
                raise _refused(f"subscript {name!r} is repeated for sizes {a} and {b}")
            tensor = diagonal(tensor, 0, first, second)
            names = [n for i, n in enumerate(names) if i not in (first, second)] + [name]
    return Factor(tensor, tuple(names))


def _without_ones(factor: Factor, sizes: dict[Hashable, Any]) -> Factor:
    """Dimensions of size 1 that are larger elsewhere left out."""
    shape = factor.tensor._layout.shape
    kept = [i for i, name in enumerate(factor.labels) if not (shape[i] == 1 and sizes[name] != 1)]
    if len(kept) == len(shape):
        return factor
    return Factor(reshape(factor.tensor, tuple(shape[i] for i in kept)), tuple(factor.labels[i] for i in kept))


def _contracted(factors: list[Factor], terms: list[list[Hashable]], result: list[Hashable] | None) -> Tensor:
    order = _result_labels(factors, terms, result)
    while len(factors) > 1:
        first, second = _cheapest(factors, order)
        rest = [f for i, f in enumerate(factors) if i not in (first, second)]
        needed = {*order, *(name for f in rest for name in f.labels)}
        factors = [*rest, _product(factors[first], factors[second], needed)]
    last = _summed(factors[0], set(order))
    places = [last.labels.index(name) for name in order]
    return last.tensor if places == sorted(places) else permute(last.tensor, places)


def _result_labels(factors: list[Factor], terms: list[list[Hashable]], result: list[Hashable] | None) -> Labels:
    known = {name for f in factors for name in f.labels}
    dots = sorted((n for n in known if isinstance(n, tuple)), key=lambda n: -n[1])
    if result is None:
        named = [n for term in terms for n in term if n is not Ellipsis]
        return (*dots, *sorted((n for n in set(named) if named.count(n) == 1), key=lambda n: (str(n).lower(), str(n))))
    order: list[Hashable] = []
    for name in result:
        order.extend(dots if name is Ellipsis else [name])
    for name in order:
        if name not in known or order.count(name) > 1:
            raise _refused(f"output subscript {name!r} must occur in the operands, and once in the result")
    return tuple(order)


def _cheapest(factors: list[Factor], order: Labels) -> tuple[int, int]:
    """The pair whose product is smallest: a greedy order."""
    if len(factors) == 2:
        return 0, 1

    def size(pair: tuple[int, int]) -> Any:
        others = {n for i, f in enumerate(factors) if i not in pair for n in f.labels} | set(order)
        kept = {
            name: extent
            for i in pair
            for name, extent in zip(factors[i].labels, factors[i].tensor._layout.shape, strict=True)
            if name in others
        }
        extents = product(kept.values())
        return extents if isinstance(extents, int) else 0

    return min(itertools.combinations(range(len(factors)), 2), key=size)


def _summed(factor: Factor, needed: set[Hashable]) -> Factor:
    """Summed over the dimensions that nobody needs."""
    gone = [i for i, name in enumerate(factor.labels) if name not in needed]
    if not gone:
        return factor
    x = factor.tensor
    return Factor(total(x, gone, dtype=x._layout.dtype), tuple(n for n in factor.labels if n in needed))


def _product(a: Factor, b: Factor, needed: set[Hashable]) -> Factor:
    a, b = _summed(a, needed | set(b.labels)), _summed(b, needed | set(a.labels))
    shared = [n for n in a.labels if n in b.labels]
    batch, inner = [n for n in shared if n in needed], [n for n in shared if n not in needed]
    left, right = [n for n in a.labels if n not in shared], [n for n in b.labels if n not in shared]
    labels = (*batch, *left, *right)
    if not inner:
        x = permute(a.tensor, [a.labels.index(n) for n in (*batch, *left)])
        y = permute(b.tensor, [b.labels.index(n) for n in (*batch, *right)])
        rows = (*x._layout.shape, *(1,) * len(right))
        columns = (*y._layout.shape[: len(batch)], *(1,) * len(left), *y._layout.shape[len(batch) :])
        return Factor(mul(reshape(x, rows), reshape(y, columns)), labels)

    def places(names: list[Hashable]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return tuple(a.labels.index(n) for n in names), tuple(b.labels.index(n) for n in names)

    return Factor(apply(dot_general, a.tensor, b.tensor, contract=places(inner), batch=places(batch)), labels)
