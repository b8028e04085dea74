"""einsum: every kind of equation against NumPy's, gradients, errors."""

from __future__ import annotations

import numpy as np
import pytest

import ingot
from ingot.runtime.errors import SpecError

EQUATIONS = [
    ("ij,jk->ik", [(2, 3), (3, 4)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("ji,jk->ki", [(3, 2), (3, 4)]),
    ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]),
    ("...ij,...jk->...ik", [(2, 3, 4), (2, 4, 5)]),
    ("i,j->ij", [(3,), (4,)]),
    ("i,i->", [(3,), (3,)]),
    ("ij->", [(2, 3)]),
    ("ij->ji", [(2, 3)]),
    ("ii->i", [(3, 3)]),
    ("ii", [(3, 3)]),
    ("iij->ij", [(3, 3, 2)]),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]),
    ("bqhd,bkhd->bhqk", [(2, 3, 2, 4), (2, 5, 2, 4)]),
    ("ab,cd->abcd", [(2, 3), (2, 2)]),
    ("i...,i...->...", [(3, 2), (3, 2)]),
]


@pytest.mark.parametrize(("equation", "shapes"), EQUATIONS)
def test_equations(equation: str, shapes: list[tuple[int, ...]]) -> None:
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape) for shape in shapes]
    tensors = [ingot.from_numpy(a) for a in arrays]
    wanted = np.einsum(equation, *arrays)
    assert np.allclose(ingot.einsum(equation, *tensors).numpy(), wanted)
    assert np.allclose(ingot.jit(lambda *t: ingot.einsum(equation, *t))(*tensors).numpy(), wanted)
    leaves = [t.clone().requires_grad_() for t in tensors]
    assert ingot.autograd.gradcheck(lambda *t: ingot.einsum(equation, *t), leaves)


def test_many_operands_are_multiplied_in_a_good_order() -> None:
    # From the left, the first product alone would have 10^8 elements.
    wide, narrow = ingot.ones(10000), ingot.ones(10000, 2)
    assert ingot.einsum("i,j,jk->ik", wide, wide, narrow).shape == (10000, 2)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(2, 3)]),
        ("ijk->i", [(2, 3)]),
        ("ij->ik", [(2, 3)]),
        ("ij,jk", [(2, 3), (2, 3)]),
        ("i1", [(2, 3)]),
    ],
)
def test_equations_that_do_not_fit(equation: str, shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(SpecError, match="IG356"):
        ingot.einsum(equation, *[ingot.ones(*shape) for shape in shapes])
