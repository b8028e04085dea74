"""Arguments that all functions take: out=, NumPy's names, options about memory; and errors that name the argument."""

from __future__ import annotations

import numpy as np
import pytest

import ingot
from ingot.runtime.errors import DTypeError, GradError


def test_out_receives_the_result() -> None:
    out = ingot.zeros(3)
    made = ingot.add(ingot.ones(3), 2, out=out)
    assert made is out
    assert out.tolist() == [3, 3, 3]


def test_out_gets_the_shape_of_the_result() -> None:
    out = ingot.empty(0)
    ingot.mul(ingot.arange(4.0).reshape(2, 2), 2, out=out)
    assert out.tolist() == [[0, 2], [4, 6]]


def test_out_of_several_results() -> None:
    values, indices = ingot.empty(0), ingot.empty(0, dtype=ingot.int64)
    found = ingot.max(ingot.tensor([[1.0, 5.0], [4.0, 2.0]]), 1, out=(values, indices))
    assert found.values is values
    assert values.tolist() == [5, 4]
    assert indices.tolist() == [1, 0]


def test_out_in_compiled_code() -> None:
    @ingot.jit
    def f(x: ingot.Tensor, out: ingot.Tensor) -> ingot.Tensor:
        ingot.exp(x, out=out)
        return out * 2

    out = ingot.zeros(3)
    assert f(ingot.zeros(3), out).tolist() == [2, 2, 2]
    assert out.tolist() == [1, 1, 1]


def test_out_of_another_shape_in_compiled_code_is_an_error() -> None:
    f = ingot.jit(lambda x, out: ingot.exp(x, out=out))
    with pytest.raises(DTypeError, match=r"IG346.*cannot become"):
        f(ingot.zeros(3), ingot.zeros(2))


def test_out_of_a_lower_kind_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"IG346.*can't be cast"):
        ingot.add(ingot.ones(3), 1.5, out=ingot.zeros(3, dtype=ingot.int64))


def test_out_does_not_record() -> None:
    with pytest.raises(GradError, match="IG346"):
        ingot.exp(ingot.ones(3, requires_grad=True), out=ingot.zeros(3))


def test_numpys_names() -> None:
    x = ingot.arange(6.0).reshape(2, 3)
    assert ingot.sum(x, axis=0).tolist() == [3, 5, 7]
    assert x.mean(axis=1, keepdims=True).tolist() == [[1], [4]]
    assert ingot.reshape(x, shape=(3, 2)).shape == (3, 2)
    assert ingot.permute(x, dims=(1, 0)).shape == (3, 2)
    assert [len(part) for part in ingot.split(x, split_size_or_sections=1)] == [1, 1]
    assert bool((ingot.zeros(5).uniform_(to=0.5) < 0.5).all())
    assert bool((ingot.zeros(5).random_(to=3) < 3).all())
    assert ingot.zeros(size=(2,), pin_memory=False).tolist() == [0, 0]


@pytest.mark.parametrize("name", ["sum", "exp", "sort", "softmax", "cumsum", "unsqueeze", "flatten"])
def test_an_array_is_named_in_the_error(name: str) -> None:
    arguments = () if name in ("sum", "exp", "sort", "flatten") else (0,)
    with pytest.raises(TypeError, match=rf"IG214.*{name}\(\): argument 'input' must be Tensor, not ndarray"):
        getattr(ingot, name)(np.ones(3), *arguments)


def test_an_unknown_argument_is_named_in_the_error() -> None:
    with pytest.raises(TypeError, match=r"IG345.*banana"):
        ingot.add(ingot.ones(1), 1, banana=2)


def test_errors_of_the_users_functions_stand() -> None:
    class Odd:
        pass

    with pytest.raises(AttributeError, match="missing_name"):
        ingot.ones(2).apply_(lambda v: Odd().missing_name)  # type: ignore[attr-defined]
