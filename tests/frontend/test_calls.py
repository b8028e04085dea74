"""Arguments that all functions take: out=, NumPy's names, options about memory; and errors that name the argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ingot
from ingot.runtime.errors import DTypeError, GradError

# As programs see it that are not checked: the signatures do not list what all functions take.
api: Any = ingot


def test_out_receives_the_result() -> None:
    out = api.zeros(3)
    made = api.add(api.ones(3), 2, out=out)
    assert made is out
    assert out.tolist() == [3, 3, 3]


def test_out_gets_the_shape_of_the_result() -> None:
    out = api.empty(0)
    api.mul(api.arange(4.0).reshape(2, 2), 2, out=out)
    assert out.tolist() == [[0, 2], [4, 6]]


def test_out_of_several_results() -> None:
    values, indices = api.empty(0), api.empty(0, dtype=api.int64)
    found = api.max(api.tensor([[1.0, 5.0], [4.0, 2.0]]), 1, out=(values, indices))
    assert found.values is values
    assert values.tolist() == [5, 4]
    assert indices.tolist() == [1, 0]


def test_out_in_compiled_code() -> None:
    @ingot.jit
    def f(x: ingot.Tensor, out: ingot.Tensor) -> ingot.Tensor:
        api.exp(x, out=out)
        return out * 2

    out = api.zeros(3)
    assert f(api.zeros(3), out).tolist() == [2, 2, 2]
    assert out.tolist() == [1, 1, 1]


def test_out_of_another_shape_in_compiled_code_is_an_error() -> None:
    f = ingot.jit(lambda x, out: api.exp(x, out=out))
    with pytest.raises(DTypeError, match=r"IG346.*cannot become"):
        f(api.zeros(3), api.zeros(2))


def test_out_of_a_lower_kind_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"IG346.*can't be cast"):
        api.add(api.ones(3), 1.5, out=api.zeros(3, dtype=api.int64))


def test_out_does_not_record() -> None:
    with pytest.raises(GradError, match="IG346"):
        api.exp(api.ones(3, requires_grad=True), out=api.zeros(3))


def test_numpys_names() -> None:
    x: Any = api.arange(6.0).reshape(2, 3)
    assert api.sum(x, axis=0).tolist() == [3, 5, 7]
    assert x.mean(axis=1, keepdims=True).tolist() == [[1], [4]]
    assert api.reshape(x, shape=(3, 2)).shape == (3, 2)
    assert api.permute(x, dims=(1, 0)).shape == (3, 2)
    assert [len(part) for part in api.split(x, split_size_or_sections=1)] == [1, 1]
    assert bool((api.zeros(5).uniform_(to=0.5) < 0.5).all())
    assert bool((api.zeros(5).random_(to=3) < 3).all())
    assert api.zeros(size=(2,), pin_memory=False).tolist() == [0, 0]


@pytest.mark.parametrize("name", ["sum", "exp", "sort", "softmax", "cumsum", "unsqueeze", "flatten"])
def test_an_array_is_named_in_the_error(name: str) -> None:
    arguments = () if name in ("sum", "exp", "sort", "flatten") else (0,)
    with pytest.raises(TypeError, match=rf"IG214.*{name}\(\): argument 'input' must be Tensor, not ndarray"):
        getattr(ingot, name)(np.ones(3), *arguments)


def test_an_unknown_argument_is_named_in_the_error() -> None:
    with pytest.raises(TypeError, match=r"IG345.*banana"):
        api.add(api.ones(1), 1, banana=2)


def test_errors_of_the_users_functions_stand() -> None:
    class Odd:
        pass

    with pytest.raises(AttributeError, match="missing_name"):
        api.ones(2).apply_(lambda v: getattr(Odd(), "missing_" + "name"))


@pytest.mark.parametrize("place", ["global", "module", "argument"])
def test_attributes_of_parameters_are_seen_when_they_change(place: str) -> None:
    module: Any = ingot.nn.Linear(2, 2)
    parameter = module.weight
    parameter.doubled = True

    def direct(x: Any) -> Any:
        return x * 2 if parameter.doubled else x

    def through(x: Any) -> Any:
        return x * 2 if module.weight.doubled else x

    class Holder(ingot.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, x: Any) -> Any:
            return x * 2 if self.inner.weight.doubled else x

    functions: dict[str, Any] = {"global": direct, "module": through, "argument": Holder()}
    f = ingot.jit(functions[place])
    found = [f(ingot.ones(1)).item() for _ in range(3)]
    parameter.doubled = False
    found += [f(ingot.ones(1)).item() for _ in range(3)]
    assert found == [2, 2, 2, 1, 1, 1]
