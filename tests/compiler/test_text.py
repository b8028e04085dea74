"""Graphs as text: printed, parsed back, and refused with a line and column."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from op_cases import Case, cases, graph_of, operands

from ingot.compiler.dims import Dim
from ingot.compiler.ir import Graph, Location, TensorType, at
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.control import cond
from ingot.compiler.ops.elementwise import add, mul
from ingot.compiler.ops.reduce import sum
from ingot.compiler.ops.source import const, constant, full, get
from ingot.compiler.ops.source import input as make_input
from ingot.compiler.ops.transcendental import exp
from ingot.compiler.ops.view import expand, pad, reshape, slice
from ingot.compiler.text_parse import parse_graph
from ingot.compiler.text_print import function_name, print_graph
from ingot.runtime.dtypes import ALL, DType, bfloat16, bool_, float16, float32, float64, int64, uint64
from ingot.runtime.errors import SpecError

Golden = Callable[[str, str], None]


def round_trip(graph: Graph, **options: Any) -> str:
    text = print_graph(graph)
    parsed = parse_graph(text, **options)
    assert parsed == graph
    assert [v.attrs["name"] for v in parsed.inputs] == [v.attrs["name"] for v in graph.inputs]
    assert print_graph(parsed) == text
    return text


def functions_of(case: Case) -> dict[str, Any]:
    return {function_name(a): a for a in case.sample.attrs.values() if callable(a) and not isinstance(a, DType)}


@pytest.mark.parametrize("name", [op.name for op in TABLE.values() if op.samples and op.kind != "source"])
def test_every_row_round_trips(name: str) -> None:
    for case in cases():
        if case.op.name == name:
            round_trip(graph_of(case, operands(case)), functions=functions_of(case))


def test_sources_round_trip() -> None:
    x = make_input(type=TensorType(float32, (2, 3)), name="x")
    for op in (TABLE["const"], TABLE["iota"]):
        round_trip(Graph((x,), tuple(op(**s.attrs) for s in op.samples)))


def readable() -> Graph:
    """A linear layer over a named batch, in a region's company."""
    b = Dim("b", 1, 4096)
    x = make_input(type=TensorType(float32, (b, 3)), name="x")
    bias = make_input(type=TensorType(float32, (3,)), name="layer.bias")
    with at(Location("model.py", 7, "forward", "net.layers[0]")):
        wide = expand(reshape(bias, shape=(1, 3)), shape=(b, 3))
        y = add(x, wide)
    with at(Location("model.py", 8, "forward")):
        y = mul(y, full(y.type, 0.5))
        z = pad(y, low=(1, 0), high=(b - 1, 0), interior=(0, 0), value=-0.0)
        half = slice(y, start=(0, 0), stop=(b // 2, 3), step=(1, 1))
    new = sum(y, axes=(0,))
    return Graph((x, bias), (z, half, new), aliases=((2, 1),), name="predict")


def branches() -> Graph:
    flag = make_input(type=TensorType(bool_), name="flag")
    x = make_input(type=TensorType(float32, (2,)), name="x")
    inner = make_input(type=TensorType(float32, (2,)), name="")
    deep = cond(flag_in := make_input(type=TensorType(bool_), name=""), inner, then=doubled(), otherwise=doubled(1))
    then = Graph((flag_in, inner), (get(deep, index=0),), name="then")
    otherwise = Graph((flag_in, inner), (exp(inner),), name="a name with spaces")
    return Graph((flag, x), (get(cond(flag, flag, x, then=then, otherwise=otherwise), index=0),))


def doubled(extra: int = 0) -> Graph:
    x = make_input(type=TensorType(float32, (2,)), name="")
    return Graph((x,), (add(x, x) if not extra else add(mul(x, x), full(x.type, extra)),))


@pytest.mark.parametrize("make", [readable, branches])
def test_golden(make: Callable[[], Graph], golden: Golden) -> None:
    golden(f"text_{make.__name__}", round_trip(make()))


def test_locations_come_back_and_can_be_left_out() -> None:
    graph = readable()
    where = [v.location for v in graph.values]
    text = print_graph(graph)
    # Names of sizes are part of types, so the same text with another name makes values that did not exist.
    again = parse_graph(text.replace("4096", "4095"))
    assert [v.location for v in again.values] == where
    bare = print_graph(graph, locations=False)
    assert "#" not in bare
    assert parse_graph(bare) == graph


NUMBERS: dict[DType, list[float]] = {
    float32: [0.1, -0.0, 0.0, math.inf, -math.inf, 1e-45, 3.4028235e38, 16777217.0, 1 / 3],
    float64: [0.1, -0.0, 5e-324, 1e300, math.pi],
    float16: [0.1, 6e-8, 65504.0],
    bfloat16: [0.1, 3.39e38],
    int64: [-(2**63), 2**63 - 1],
    uint64: [2**64 - 1],
    bool_: [True, False],
}


@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
def test_constants_keep_their_bits(dtype: DType) -> None:
    for number in NUMBERS[dtype]:
        data = np.array(number).astype(dtype.numpy).tobytes()
        text = round_trip(Graph((), (const(data=data, type=TensorType(dtype, (2,))),)))
        assert "0x" not in text
    elements = np.array(NUMBERS[dtype]).astype(dtype.numpy)
    round_trip(Graph((), (constant(elements),)))
    many = np.concatenate([elements, elements, elements, elements, elements])
    round_trip(Graph((), (constant(many),)))


def test_a_nan_keeps_its_payload() -> None:
    plain, odd = np.array([0x7FC00000], np.uint32), np.array([0xFFC00001], np.uint32)
    texts = [round_trip(Graph((), (const(data=bits.tobytes(), type=TensorType(float32)),))) for bits in (plain, odd)]
    assert "{data=nan}" in texts[0]
    assert "{data=0x0100c0ff}" in texts[1]


def test_attributes_keep_the_sign_of_zero_and_nan() -> None:
    x = make_input(type=TensorType(float64, (1,)), name="x")
    around = {"low": (1,), "high": (0,), "interior": (0,)}
    values = [pad(x, value=v, **around) for v in (0.0, -0.0, math.nan, math.inf, -math.inf, 2.5)]
    assert len(set(values)) == len(values)
    assert pad(x, value=float("nan"), **around) is values[2]
    round_trip(Graph((x,), tuple(values)))


def test_sizes_round_trip() -> None:
    b, n = Dim("b", 1, 64, 8), Dim("n")
    shapes = [(b, n), (b * n, 2 * b + 3), (b - 1, n * n), (n // 2, (n + b) // 3 * 4), (b // 4, -b + 100)]
    inputs = tuple(make_input(type=TensorType(float32, s), name=f"x{i}") for i, s in enumerate(shapes))
    text = round_trip(Graph(inputs, inputs))
    assert text.startswith("graph main[b in 1..64 by 8, n in 0..2147483647](%0: f32[b,n]")


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_types_round_trip(dtype: DType) -> None:
    x = make_input(type=TensorType(dtype, (0, 1)), name='a "quoted" name\n')
    round_trip(Graph((x,), (x, x), name="main"))


def test_a_graph_without_outputs_round_trips() -> None:
    round_trip(Graph((), (), name="nothing"))


ERRORS = [
    ("graph main() {\n  %0 = warble() : f32[]\n  return %0\n}", "IG422", "there is no op 'warble'", 2, 8),
    ("graph main() {\n  return %3\n}", "IG422", "%3 is not defined above this line", 2, 10),
    ("graph main(%0: f32[2]) {\n  %0 = exp(%0) : f32[2]\n}", "IG422", "%0 is defined twice", 2, 3),
    ("graph main(%0: f32[2]) {\n  %1 = exp(%0) : f32[3]\n}", "IG422", r"exp gives f32\[2\], not f32\[3\]", 2, 8),
    ("graph main(%0: i64[2]) {\n  %1 = exp(%0) : i64[2]\n}", "IG422", "exp rejects this: .*IG112", 2, 8),
    ("graph main(%0: f32[2]) {\n  %1 = exp(%0, %0) : f32[2]\n}", "IG422", "exp rejects this: .*IG113", 2, 8),
    ("graph main(%0: f32[2]) {\n  %1 = sum(%0) : f32[]\n}", "IG422", "sum rejects this: .*axes", 2, 8),
    ("graph main(%0: f32[n]) {\n  return %0\n}", "IG421", "expected a size, found 'n'", 1, 20),
    ("graph main(%0: q8[2]) {\n  return %0\n}", "IG421", "expected a type .*, found 'q8'", 1, 16),
    ("graph main(%0: f32[2]) {\n  return %0", "IG421", "expected '}', found the end", 2, 12),
    ("graph main(%0: f32[2]) {\n  return %0\n} graph", "IG421", "expected the end of the text, found 'graph'", 3, 3),
    ("graph main(%0: f32[2]) {\n  return $\n}", "IG421", r"unexpected character '\$'", 2, 10),
    ("graph main() {\n  %0 = native_call() {eval=@f} : f32[]\n}", "IG422", "host function @f is not among", 2, 28),
    ("graph main() {\n  %0 = const {data=oops} : f32[]\n}", "IG422", "'oops' is neither", 2, 20),
    ("graph main() {\n  %0 = const {data=[1, x]} : f32[]\n}", "IG421", "expected a number, found 'x'", 2, 24),
]


@pytest.mark.parametrize(("text", "code", "what", "line", "column"), ERRORS)
def test_errors_name_line_and_column(text: str, code: str, what: str, line: int, column: int) -> None:
    with pytest.raises(SpecError, match=what) as caught:
        parse_graph(text)
    assert caught.value.code == code
    assert caught.value.where == f"line {line}, column {column}"


def test_what_has_no_text_form_is_refused() -> None:
    a, b = (make_input(type=TensorType(float32, (Dim("n", 0, high),)), name="x") for high in (4, 5))
    with pytest.raises(SpecError, match="two sizes are named n") as caught:
        print_graph(Graph((a, b), (a, b)))
    assert caught.value.code == "IG423"
