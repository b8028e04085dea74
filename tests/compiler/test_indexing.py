"""Index arithmetic against what NumPy does with an array of positions."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pytest
from graphs import static

from ingot.compiler import indexing
from ingot.compiler.dims import Dim
from ingot.compiler.ir import Size
from ingot.compiler.kernel import Index
from ingot.compiler.ops import TABLE


def positions(place: indexing.Place, extents: Mapping[str, int]) -> list[tuple[int, ...]]:
    """The place for every value of the axes; it must be affine."""
    assert all(not i.computed for i in place)
    found = []
    affine = [(static([i.offset]), static([s for _, s in i.terms]), [a for a, _ in i.terms]) for i in place]
    for point in itertools.product(*(range(n) for n in extents.values())):
        at = dict(zip(extents, point, strict=True))
        found.append(
            tuple(start + sum(s * at[a] for a, s in zip(axes, steps, strict=True)) for (start,), steps, axes in affine)
        )
    return found


@pytest.mark.parametrize(
    ("shape", "operand"),
    [((6,), (2, 3)), ((2, 3), (6,)), ((2, 6), (2, 2, 3)), ((4, 1, 6), (2, 2, 6)), ((24,), (2, 3, 4))],
)
def test_reshape(shape: tuple[int, ...], operand: tuple[int, ...]) -> None:
    """Element i of a reshape is element i of its operand. The axes are those of the finer of the two shapes."""
    finer = indexing.refinement(shape, operand)
    assert finer is not None
    axes = tuple((f"i{d}", n) for d, n in enumerate(static(finer)))
    extents = dict(axes)
    place = indexing.root_place(shape, axes, extents)
    inner = indexing.through_reshape(place, shape, operand, extents)
    flat = [np.ravel_multi_index(p, operand) for p in positions(inner, extents)]
    assert flat == list(range(int(np.prod(shape))))


@pytest.mark.parametrize(
    ("name", "attrs", "operand"),
    [
        ("permute", {"axes": (2, 0, 1)}, (2, 3, 4)),
        ("slice", {"start": (1, 0), "stop": (4, 5), "step": (2, 1)}, (4, 5)),
        ("flip", {"axes": (1,)}, (2, 3)),
        ("expand", {"shape": (2, 4, 3)}, (2, 1, 3)),
        ("reshape", {"shape": (4, 3)}, (2, 2, 3)),
    ],
)
def test_views(name: str, attrs: dict[str, object], operand: tuple[int, ...]) -> None:
    data = np.arange(np.prod(operand)).reshape(operand)
    result = TABLE[name].eval(data, **attrs)
    finer = (2, 2, 3) if name == "reshape" else static(indexing.refinement(result.shape, result.shape) or ())
    axes = tuple((f"i{d}", n) for d, n in enumerate(finer))
    extents = dict(axes)
    place = indexing.root_place(result.shape, axes, extents)
    inner = indexing.VIEWS[name](place, result.shape, operand, attrs, extents)
    assert [int(data[p]) for p in positions(inner, extents)] == result.ravel().tolist()


def test_division_that_does_not_separate_is_computed() -> None:
    """(3 i) // 2 is no affine form."""
    high, low = indexing.divide(Index((("i", 3),)), 2, {"i": 4})
    assert high.computed and low.computed


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        ((6, 4), (24,), (6, 4)),
        ((6, 4), (2, 12), (2, 3, 4)),
        ((6,), (4,), None),
        ((4, 6), (6, 4), None),
        ((1, 5), (5, 1), (5,)),
    ],
)
def test_refinement(a: tuple[int, ...], b: tuple[int, ...], wanted: tuple[int, ...] | None) -> None:
    assert indexing.refinement(a, b) == wanted


def test_named_sizes_stay_affine() -> None:
    b = Dim("b", 1, 64)
    finer = indexing.refinement((b, 12), (b * 3, 4))
    assert finer == (b, 3, 4)
    extents: dict[str, Size] = {"i0": b, "i1": 3, "i2": 4}
    place = indexing.root_place((b * 3, 4), tuple(extents.items()), extents)
    assert place == (Index((("i0", 3), ("i1", 1))), Index((("i2", 1),)))


def test_fits_needs_a_proof() -> None:
    b = Dim("b", 1, 64)
    assert indexing.fits(Index((("i", 1),)), b, {"i": b})
    assert not indexing.fits(Index((("i", 1),), 1), b, {"i": b})
    assert indexing.fits(Index((("i", -1),), 9), 10, {"i": 10})
