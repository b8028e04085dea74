"""Every row on operands that are not contiguous: compiled code and `eval` give what they give on copies of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from op_cases import Array, Case, cases, operands, results
from running import run

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, Op, TensorType, Value
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.source import input as make_input
from ingot.runtime import dtypes

# native_call hands memory to a C function, which knows one layout only.
OPS = [op for op in TABLE.values() if op.name not in ("input", "get", "native_call") and op.kind != "source"]
DTYPES = (dtypes.float32, dtypes.float64, dtypes.float16, dtypes.int64, dtypes.int8, dtypes.bool_, dtypes.uint32)
TOLERANCE = {"f16": 2e-3, "f32": 3e-6, "f64": 1e-14}

# A layout of an array: the contiguous array that it is a view of, and the view as graph values and in NumPy.
Layout = tuple[Array, Callable[[Value], Value], Callable[[Array], Array]]


def transposed(x: Array) -> Layout:
    """Column-major: the axes of the memory are those of the tensor in reverse."""
    axes = tuple(reversed(range(x.ndim)))
    return (
        np.ascontiguousarray(x.T).reshape(x.T.shape),
        lambda v: TABLE["permute"](v, axes=axes),
        lambda a: a.transpose(axes),
    )


def sliced(x: Array) -> Layout:
    """Every other element of every axis, from the second on."""
    base = np.zeros([2 * n + 1 for n in x.shape], x.dtype)
    inside = tuple(slice(1, 2 * n + 1, 2) for n in x.shape)
    base[inside] = x
    start, stop, step = (1,) * x.ndim, tuple(2 * n + 1 for n in x.shape), (2,) * x.ndim
    return base, lambda v: TABLE["slice"](v, start=start, stop=stop, step=step), lambda a: a[inside]


def flipped(x: Array) -> Layout:
    """Backwards along every axis: negative strides."""
    axes = tuple(range(x.ndim))
    return np.ascontiguousarray(np.flip(x)).reshape(x.shape), lambda v: TABLE["flip"](v, axes=axes), np.flip


def broadcast(x: Array) -> Layout:
    """The first row repeated along the first axis: stride 0. (The values differ from x; x of no rows is itself.)"""
    if x.ndim == 0 or x.shape[0] == 0:
        return x, lambda v: v, lambda a: a
    shape = x.shape
    return x[:1].copy(), lambda v: TABLE["expand"](v, shape=shape), lambda a: np.broadcast_to(a, shape)


LAYOUTS = {f.__name__: f for f in (transposed, sliced, flipped, broadcast)}


def views(case: Case, make: Callable[[Array], Layout]) -> tuple[Graph, list[Array], list[Array]]:
    """The row on views of inputs, the inputs' arrays, and the views in NumPy."""
    inputs: list[Value] = []
    values: list[Value] = []
    bases: list[Array] = []
    shown: list[Array] = []
    for i, x in enumerate(operands(case)):
        base, view, show = make(x)
        value = make_input(type=TensorType(dtypes.from_numpy(base.dtype), base.shape), name=f"x{i}")
        inputs.append(value)
        values.append(view(value))
        bases.append(base)
        shown.append(show(base))
    return Graph(tuple(inputs), results(case.op(*values, **case.sample.attrs)), name=case.op.name), bases, shown


def joined(chosen: list[tuple[Graph, list[Array], list[Array]]]) -> tuple[Graph, list[Array]]:
    """One graph for several, so that they are compiled at once."""
    inputs = tuple(v for graph, _, _ in chosen for v in graph.inputs)
    outputs = dict.fromkeys(v for graph, _, _ in chosen for v in graph.outputs)
    return Graph(inputs, tuple(outputs)), [a for _, bases, _ in chosen for a in bases]


def same(actual: Array, expected: Any, short: str, note: str) -> None:
    near = TOLERANCE.get(short, 0.0)
    wide = np.float64 if short in TOLERANCE else None
    np.testing.assert_allclose(
        actual.astype(wide or actual.dtype),
        np.asarray(expected).astype(wide or actual.dtype),
        rtol=near,
        atol=near,
        err_msg=note,
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_rows_on_views(op: Op, layout: str) -> None:
    chosen = [c for c in cases(*DTYPES) if c.op is op]
    made = [views(case, LAYOUTS[layout]) for case in chosen]
    if not made:
        pytest.skip("the row takes none of the dtypes tried here")
    for case, (_, _, shown) in zip(chosen, made, strict=True):
        copies = [np.array(a, order="C") for a in shown]
        for strided, plain in zip(evaluated(case, shown), evaluated(case, copies), strict=True):
            # NumPy adds in the order of the memory, and has other loops for strided operands.
            same(np.asarray(strided), plain, dtypes.from_numpy(np.asarray(plain).dtype).short, f"eval of {case}")
    graph, arrays = joined(made)
    for value, got, want in zip(graph.outputs, run(graph, arrays), interpret(graph, *arrays), strict=True):
        same(got, want, value.dtype.short, f"{op.name}: {value!r}")


def evaluated(case: Case, arrays: list[Array]) -> tuple[Any, ...]:
    found = case.op.eval(*arrays, **case.sample.attrs)
    return found if isinstance(found, tuple) else (found,)
