"""Indices outside their axis are errors, in compiled code as in eager code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ingot
from ingot.compiler.ir import Graph, TensorType
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.source import counter, full
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.passes.check_indices import check_indices
from ingot.nn import functional as F
from ingot.runtime import dtypes

X = ingot.arange(20.0).reshape(4, 5)

CALLS: dict[str, Callable[[Any], Any]] = {
    "embedding": lambda i: F.embedding(i, X),
    "x[i]": lambda i: X[i],
    "x[:, i]": lambda i: X.t()[:, i],
    "gather": lambda i: X.gather(0, i[:, None].expand(3, 5)),
    "index_select": lambda i: X.index_select(0, i),
    "take_along_dim": lambda i: X.take_along_dim(i[:, None], 0),
    "scatter": lambda i: X.t().scatter(1, i[None, :].expand(5, 3), 1.0),
    "scatter_add": lambda i: X.scatter_add(0, i[:, None].expand(3, 5), ingot.ones(3, 5)),
    "index_add": lambda i: X.index_add(0, i, ingot.ones(3, 5)),
    "index_put": lambda i: X.clone().index_put_((i,), ingot.tensor(1.0)),
    "cross_entropy": lambda i: F.cross_entropy(X.t()[:3], i),
    "nll_loss": lambda i: F.nll_loss(X.t()[:3], i),
    "one_hot": lambda i: F.one_hot(i, 4),
}


@pytest.mark.parametrize("name", CALLS)
def test_compiled_code_raises_what_eager_code_raises(name: str) -> None:
    call = CALLS[name]
    compiled = ingot.jit(call)
    good = ingot.tensor([0, 3, 1])
    np.testing.assert_array_equal(compiled(good).numpy(), call(good).numpy())
    for bad in (4, -5, 2**40, -(2**62)):
        with pytest.raises((IndexError, RuntimeError)) as eager:
            call(ingot.tensor([0, bad, 1]))
        with pytest.raises((IndexError, RuntimeError)) as error:
            compiled(ingot.tensor([0, bad, 1]))
        assert type(error.value).__mro__[-4:] == type(eager.value).__mro__[-4:] or isinstance(error.value, IndexError)
    # Nothing stays behind.
    np.testing.assert_array_equal(compiled(good).numpy(), call(good).numpy())


def test_ignored_targets_are_no_error() -> None:
    x, target = X.t()[:3], ingot.tensor([0, -100, 3])
    assert ingot.jit(F.cross_entropy)(x, target).item() == pytest.approx(F.cross_entropy(x, target).item())


def test_gradients_are_checked_with_the_values() -> None:
    weight = ingot.nn.Parameter(ingot.zeros(4, 5))

    @ingot.jit
    def step(i: Any) -> Any:
        loss = F.embedding(i, weight).sum()
        loss.backward()
        return loss

    step(ingot.tensor([0, 3]))
    with pytest.raises(IndexError, match="an axis of 4 elements"):
        step(ingot.tensor([0, 4]))


def _checks(*indices: Any) -> int:
    """How many checks a graph that takes by these indices gets."""
    x = make_input(type=TensorType(dtypes.float32, (8, 5)), name="x")
    outputs = tuple(TABLE["take"](x, i, axis=0) for i in indices)
    inputs = tuple(v for v in Graph((), outputs).values if v.op is make_input)
    return [v.op.name for v in check_indices(Graph(inputs, outputs)).values].count("within")


def test_indices_known_to_be_inside_are_not_checked() -> None:
    i = make_input(type=TensorType(dtypes.int64, (3,)), name="i")
    count = counter((3,), 0, dtypes.int64)
    eight, seven, one = full(i.type, 8), full(i.type, 7), full(i.type, 1)
    assert _checks(i) == 1
    assert _checks(i, i) == 1
    assert _checks(count) == 0
    assert _checks(TABLE["add"](count, eight)) == 1
    assert _checks(TABLE["remainder"](i, eight)) == 0
    assert _checks(TABLE["minimum"](TABLE["maximum"](i, one), seven)) == 0
    assert _checks(TABLE["minimum"](i, one)) == 1
    assert _checks(TABLE["sub"](eight, one)) == 0
    assert _checks(TABLE["flip"](TABLE["mul"](count, one), axes=(0,))) == 0
