"""Constant folding: what it computes, bit for bit, and what it leaves alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ingot.compiler.dims import Dim
from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, TensorType, Value
from ingot.compiler.ops.control import cond
from ingot.compiler.ops.elementwise import add, cast, div, mul
from ingot.compiler.ops.index import take
from ingot.compiler.ops.reduce import sum
from ingot.compiler.ops.sort import sort
from ingot.compiler.ops.source import const, constant, full, get, iota
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.transcendental import exp
from ingot.compiler.ops.view import concat, expand, pad, permute, reshape, slice
from ingot.compiler.passes.fold import MAX_RESULT, fold
from ingot.runtime.dtypes import DType, bfloat16, bool_, float16, float32, float64, int64


def folded(value: Value) -> Value:
    (result,) = fold(Graph((), (value,))).outputs
    return result


def row(*numbers: float) -> Value:
    return constant(np.array(numbers, np.float32))


def test_small_results_are_computed() -> None:
    value = folded(sum(mul(row(1, 2, 3), row(4, 5, 6)), axes=(0,)))
    assert value is full(TensorType(float32), 32)


@pytest.mark.parametrize("dtype", [float16, bfloat16, float32, float64], ids=str)
def test_bits_are_those_of_eval(dtype: DType) -> None:
    numbers = np.array([0.1, -0.0, 1e-3, math.inf, -math.inf, math.nan, 3.0])
    array = numbers.astype(dtype.numpy)
    value = div(exp(constant(array)), constant(array[::-1].copy()))
    want = interpret(Graph((), (value,)))[0]
    assert folded(value).attrs["data"] == want.tobytes()


def test_one_number_folds_at_any_size() -> None:
    big = TensorType(float32, (1000, 1000))
    assert folded(exp(full(big, 0))) is full(big, 1)
    n = TensorType(float32, (Dim("n"), 3))
    assert folded(add(full(n, 1), full(n, 2))) is full(n, 3)
    assert folded(cast(full(n, 1), dtype=bool_)) is full(n.with_dtype(bool_), 1)


def test_views_of_one_number_fold_at_any_size() -> None:
    x = full(TensorType(float32, (1, 500)), -0.0)
    wide = expand(x, shape=(300, 500))
    moved = reshape(permute(wide, axes=(1, 0)), shape=(150000,))
    part = slice(moved, start=(5,), stop=(99999,), step=(2,))
    assert folded(part) is full(part.type, -0.0)


def test_pad_and_concat_of_one_number_are_computed_where_small() -> None:
    x = full(TensorType(float32, (2,)), 1)
    assert folded(pad(x, low=(1,), high=(0,), interior=(0,), value=5.0)) is row(5, 1, 1)
    assert folded(concat(x, full(x.type, 2), axis=0)) is row(1, 1, 2, 2)
    large = full(TensorType(float32, (MAX_RESULT,)), 1)
    wider = pad(large, low=(1,), high=(0,), interior=(0,), value=5.0)
    assert folded(wider) is wider


def test_several_results() -> None:
    both = sort(row(3, 1, 2), axis=0, descending=False)
    assert folded(get(both, index=0)) is row(1, 2, 3)
    assert folded(get(both, index=1)) is constant(np.array([1, 2, 0]))


def test_counters_are_known() -> None:
    value = add(iota(type=TensorType(int64, (3,)), axis=0), full(TensorType(int64, (3,)), 10))
    assert folded(value) is constant(np.array([10, 11, 12]))


def test_large_results_stay() -> None:
    edge = constant(np.arange(MAX_RESULT))
    over = constant(np.arange(MAX_RESULT + 1))
    assert folded(add(edge, edge)).op is const
    assert folded(add(over, over)) is add(over, over)
    assert folded(sum(over, axes=(0,))).op is const


def test_what_is_not_known_stays() -> None:
    x = make_input(type=TensorType(float32, (3,)), name="x")
    graph = Graph((x,), (add(x, row(1, 2, 3)),))
    assert fold(graph) == graph


def test_what_cannot_be_computed_is_left_to_the_run() -> None:
    value = take(row(1, 2), constant(np.array(7)), axis=0)
    assert folded(value) is value


def test_an_aliased_graph_keeps_its_aliases() -> None:
    x = make_input(type=TensorType(float32, (3,)), name="x")
    assert fold(Graph((x,), (add(row(1, 2, 3), row(1, 2, 3)),), aliases=((0, 0),))).aliases == ((0, 0),)


def test_regions_are_folded() -> None:
    x = make_input(type=TensorType(float32, (3,)), name="x")
    flag = make_input(type=TensorType(bool_), name="flag")
    region = Graph((x,), (mul(x, add(row(1, 2, 3), row(1, 2, 3))),))
    done = Graph((x,), (mul(x, row(2, 4, 6)),))
    before = Graph((flag, x), (get(cond(flag, x, then=region, otherwise=region), index=0),))
    assert fold(before) == Graph((flag, x), (get(cond(flag, x, then=done, otherwise=done), index=0),))
