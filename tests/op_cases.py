"""What table-driven tests share: operands and graphs for every row, dtype and sample of the op table."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Arg, Graph, Op, Sample, Size, TensorType, Value
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.source import get
from ingot.compiler.ops.source import input as make_input
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Case:
    """A row on one of its samples, with one dtype under test."""

    op: Op
    dtype: DType
    number: int

    @property
    def sample(self) -> Sample:
        return self.op.samples[self.number]

    def __str__(self) -> str:
        return f"{self.op.name}-{self.dtype.short}-{self.number}"


def cases(*wanted: DType, kinds: Sequence[str] = ()) -> Iterator[Case]:
    """Every row x dtype x sample; a sample with no operand under test has one dtype only."""
    for op in TABLE.values():
        if kinds and op.kind not in kinds:
            continue
        for number, sample in enumerate(op.samples):
            accepted = [d for d in op.dtypes if not wanted or d in wanted]
            if all(a.dtype is not None for a in sample.args):
                accepted = list(op.dtypes[-1:])
            yield from (Case(op, d, number) for d in accepted)


def values(arg: Arg, dtype: DType, rng: np.random.Generator) -> Array:
    """Random numbers in the range of `arg`."""
    count = math.prod(arg.shape)
    if dtype.kind == "b":
        return rng.integers(0, 2, arg.shape).astype(np.bool_)
    if dtype.kind in "iu":
        low = math.ceil(max(arg.low, -(2.0 ** (dtype.bits - 1)) if dtype.is_signed else 0))
        high = min(math.floor(arg.high), 2 ** (dtype.bits - dtype.is_signed) - 1)
        return np.asarray(rng.integers(low, max(low, high) + 1, arg.shape)).astype(dtype.numpy)
    if arg.distinct:
        # Evenly spread, so that a finite difference does not change the order.
        spread = np.linspace(arg.low, arg.high, count)
        return np.asarray(rng.permutation(spread)).reshape(arg.shape).astype(dtype.numpy)
    return np.asarray(rng.uniform(arg.low, arg.high, arg.shape)).astype(dtype.numpy)


def operands(case: Case, *, batch: Sequence[int | None] | None = None) -> list[Array]:
    """The arrays of a case, the same at every call; `batch` gives some of them a leading axis of that size."""
    rng = np.random.default_rng(zlib.crc32(str(case).encode()))
    arrays = []
    for arg, size in zip(case.sample.args, batch or [None] * len(case.sample.args), strict=True):
        dtype = case.dtype if arg.dtype is None else dtypes.by_name(arg.dtype)
        parts = np.stack([values(arg, dtype, rng) for _ in range(size or 1)])
        arrays.append(np.asarray(parts[0]) if size is None else parts[:size])
    return arrays


def applied(op: Op, arrays: Sequence[Array], /, **attrs: Any) -> Graph:
    """The row applied to inputs with the types of these arrays; every result is an output."""
    inputs = inputs_for(arrays)
    return Graph(inputs, results(op(*inputs, **attrs)), name=op.name)


def graph_of(case: Case, arrays: Sequence[Array]) -> Graph:
    return applied(case.op, arrays, **case.sample.attrs)


def together(chosen: Iterable[Case], name: str) -> tuple[Graph, list[Array], list[Case]]:
    """One graph for several cases, its operands, and the case that each output belongs to."""
    inputs: list[Value] = []
    arrays: list[Array] = []
    outputs: dict[Value, Case] = {}
    for case in chosen:
        own = operands(case)
        added = inputs_for(own, len(inputs))
        inputs += added
        arrays += own
        for value in results(case.op(*added, **case.sample.attrs)):
            outputs.setdefault(value, case)
    return Graph(tuple(inputs), tuple(outputs), name=name), arrays, list(outputs.values())


def inputs_for(arrays: Sequence[Array], start: int = 0) -> tuple[Value, ...]:
    """Inputs with the types of these arrays, numbered from `start`."""
    types = [TensorType(dtypes.from_numpy(a.dtype), a.shape) for a in arrays]
    return tuple(make_input(type=t, name=f"x{i}") for i, t in enumerate(types, start))


def operand(shape: Sequence[Size], dtype: DType = dtypes.float64) -> Value:
    """A graph input, for type rules that look at nothing else."""
    return make_input(type=TensorType(dtype, tuple(shape)), name="x")


def results(value: Value) -> tuple[Value, ...]:
    if isinstance(value.type, TensorType):
        return (value,)
    return tuple(get(value, index=i) for i in range(len(value.types)))


def masks(count: int) -> Iterator[tuple[bool, ...]]:
    """Which operands are batched: every choice of up to three operands, else each alone and all."""
    if count <= 3:
        yield from (m for m in itertools.product((False, True), repeat=count) if any(m))
        return
    yield from (tuple(i == j for j in range(count)) for i in range(count))
    yield (True,) * count


def floating(arrays: Sequence[Array]) -> list[int]:
    """The positions of the float64 arrays, in which finite differences are taken."""
    return [i for i, a in enumerate(arrays) if a.dtype == np.float64]


STEP = 1e-5


def slope(graph: Graph, arrays: Sequence[Array], directions: dict[int, Array]) -> list[Array | None]:
    """The change of every float64 output along the directions, by a difference of fourth order; None for others."""
    sides = []
    for step in (-2 * STEP, -STEP, STEP, 2 * STEP):
        moved = [a + step * directions[i] if i in directions else a for i, a in enumerate(arrays)]
        sides.append(interpret(graph, *moved))
    return [
        (a - 8 * b + 8 * c - d) / (12 * STEP) if a.dtype == np.float64 else None
        for a, b, c, d in zip(*sides, strict=True)
    ]


def close(actual: Array, expected: Array, *, relative: float, absolute: float, what: object = "") -> None:
    """Equal types and nearly equal numbers; NaN equals NaN."""
    assert actual.dtype == expected.dtype, f"{what}: {actual.dtype} and {expected.dtype}"
    assert actual.shape == expected.shape, f"{what}: {actual.shape} and {expected.shape}"
    if actual.dtype.kind in "biu":
        np.testing.assert_array_equal(actual, expected, err_msg=str(what))
        return
    wide = actual.astype(np.float64), expected.astype(np.float64)
    np.testing.assert_allclose(wide[0], wide[1], rtol=relative, atol=absolute, err_msg=str(what))
