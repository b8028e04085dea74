"""Graphs that are corrupted in one place, and what the verifier says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ingot.compiler.dims import Dim
from ingot.compiler.ir import Graph, Location, TensorType, Value, at
from ingot.compiler.ops.control import cond
from ingot.compiler.ops.elementwise import add, cast, mul, neg
from ingot.compiler.ops.sort import sort
from ingot.compiler.ops.source import constant, get
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.transcendental import exp
from ingot.compiler.verify import verify
from ingot.runtime.dtypes import bool_, float32, float64
from ingot.runtime.errors import VerifyError

VECTOR = TensorType(float32, (3,))


def vector(name: str = "x") -> Value:
    return make_input(type=VECTOR, name=name)


def forged(op: Any, operands: tuple[Value, ...], type: Any, **attrs: Any) -> Value:
    """A value that no rule has seen."""
    value = object.__new__(Value)
    value.op, value.operands, value.attrs, value.type = op, operands, attrs, type
    value.location = Location("bad.py", 3)
    return value


def refused(graph: Graph, what: str) -> None:
    with pytest.raises(VerifyError, match=what) as caught:
        verify(graph)
    assert caught.value.code == "IG901"


def test_good_graphs_pass() -> None:
    x = vector()
    verify(Graph((x,), (add(x, x), x)))
    verify(Graph((x, vector("unused")), (mul(x, x),), aliases=((0, 0),)))
    verify(Graph((), (constant(np.zeros(3)),)))
    verify(Graph((), ()))


def test_a_wrong_type() -> None:
    x = vector()
    bad = forged(add, (x, x), TensorType(float32, (4,)))
    refused(Graph((x,), (neg(bad),)), r"add : f32\[4\] should have type f32\[3\]\n  at bad.py:3")


def test_operands_that_do_not_fit() -> None:
    x, y = vector(), make_input(type=TensorType(float32, (2,)), name="y")
    refused(Graph((x, y), (forged(add, (x, y), VECTOR),)), "add .*breaks its type rule: .*IG111")
    refused(Graph((x,), (forged(add, (x,), VECTOR),)), "add .*breaks its type rule: .*IG113")


def test_a_wrong_attribute() -> None:
    x = vector()
    refused(Graph((x,), (forged(cast, (x,), VECTOR, to=float64),)), "cast .*breaks its type rule: .*unexpected keyword")
    listed = forged(cast, (x,), VECTOR, dtype=[float32])
    refused(Graph((x,), (listed,)), r"attribute dtype=\[ingot.float32\], which cannot be compared \(use a tuple\)")


def test_a_row_of_another_table() -> None:
    x = vector()
    mine = replace(exp, doc="another")
    refused(Graph((x,), (mine(x),)), "exp : .*is not a row of the op table")


def test_an_input_that_is_not_listed() -> None:
    x, y = vector(), vector("y")
    refused(Graph((x,), (add(x, y),)), "input : .*is used but is not among the graph's inputs")


def test_inputs_that_are_not_inputs() -> None:
    x = vector()
    refused(Graph((x, neg(x)), (x,)), "neg : .*is listed as an input but is computed")
    refused(Graph((x, x), (x,)), "an input is listed twice")


def test_a_cycle() -> None:
    x = vector()
    first = forged(add, (x, x), VECTOR)
    second = neg(first)
    first.operands = (x, second)
    refused(Graph((x,), (second,)), "is computed from itself")


def test_several_results_are_projected() -> None:
    x = vector()
    both = sort(x, axis=0, descending=False)
    verify(Graph((x,), (get(both, index=1),)))
    refused(Graph((x,), (both,)), "sort .*is an output but has several results")
    refused(Graph((x,), (forged(neg, (both,), VECTOR),)), "neg .*reads sort, which has several results")
    refused(Graph((x,), (forged(get, (both,), VECTOR, index=2),)), "get .*breaks its type rule")


def test_aliases() -> None:
    x, y = vector(), vector("y")
    wide = cast(x, dtype=float64)
    refused(
        Graph((x,), (wide,), aliases=((0, 0),)), r"output 0 of type f64\[3\] cannot replace input 0 of type f32\[3\]"
    )
    refused(Graph((x,), (x,), aliases=((1, 0),)), r"alias \(1, 0\) is out of range")
    refused(Graph((x, y), (x, y), aliases=((0, 0), (1, 0))), "name an output or input twice")
    refused(Graph((x, y), (x, y), aliases=((0, 0), (0, 1))), "name an output or input twice")


def test_regions_are_verified_and_closed() -> None:
    flag, x = make_input(type=TensorType(bool_), name="flag"), vector()
    inner = vector("inner")
    good = Graph((inner,), (neg(inner),))
    verify(Graph((flag, x), (get(cond(flag, x, then=good, otherwise=good), index=0),)))
    leaking = Graph((inner,), (add(inner, x),), name="leaking")
    with at(Location("user.py", 9)):
        bad = cond(flag, x, then=good, otherwise=leaking)
    refused(Graph((flag, x), (get(bad, index=0),)), "graph leaking: input .*is not among the graph's inputs")


def test_sizes_of_one_name_have_one_range() -> None:
    a, b = (make_input(type=TensorType(float32, (Dim("n", 0, high),)), name="x") for high in (4, 5))
    refused(Graph((a, b), (a, b)), "two sizes are named n but have different ranges")
