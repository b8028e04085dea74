"""Elementwise rows compiled by their `lower` rule agree with `eval`, for every dtype and for special values."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from codegen.elementwise import SETS, compile_kernel

from ingot.compiler.ir import Op
from ingot.compiler.ops import TABLE
from ingot.compiler.ops import elementwise as e
from ingot.compiler.ops import transcendental as t
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType

COUNT = 512
SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, 1.5, 2.5, 1e-40, 3.0)
# Units in the last place for float32 and float64, which both sides may be off; half types are rounded from float32.
TOLERANCE = {"float16": 2**-10, "bfloat16": 2**-7, "float32": 2**-20, "float64": 2**-43}


def numbers(dtype: DType, rng: np.random.Generator) -> Any:
    """Small and large values of both signs, and the special ones."""
    if dtype.kind == "b":
        return rng.integers(0, 2, COUNT).astype(np.bool_)
    if dtype.kind == "f":
        x = rng.standard_normal(COUNT) * np.exp(rng.uniform(-8, 8, COUNT))
        x[rng.integers(0, COUNT, COUNT // 3)] = rng.choice(SPECIAL, COUNT // 3)
        return x.astype(dtype.numpy)
    limits = np.iinfo(dtype.numpy)
    near = rng.integers(max(int(limits.min), -9), 10, COUNT).astype(dtype.numpy)
    far = np.frombuffer(rng.bytes(COUNT * dtype.itemsize), dtype.numpy)
    x = np.where(rng.integers(0, 2, COUNT) == 1, near, far)
    x[:4] = (0, 1, limits.max, limits.min)
    return x


def attributes_of(op: Op, dtype: DType) -> Iterator[Mapping[str, Any]]:
    if op is e.cast:
        yield from ({"dtype": d} for d in dtypes.ALL)
    elif op is e.bitcast:
        yield from ({"dtype": d} for d in op.dtypes if d.itemsize == dtype.itemsize)
    else:
        yield {}


def agree(op: Op, got: Any, expected: Any) -> Any:
    if expected.dtype.kind in "biu":
        return got == expected
    relative = TOLERANCE[expected.dtype.name]
    # Between two poles both have a zero, near which the parts of any formula cancel.
    absolute = relative if op in (t.lgamma, t.digamma) else 0.0
    smallest = {"float16": 2.0**-24, "bfloat16": 2.0**-133, "float32": 2.0**-149, "float64": 2.0**-1074}
    with np.errstate(all="ignore"):
        a, b = got.astype(np.float64), expected.astype(np.float64)
        near = np.abs(a - b) <= relative * np.abs(b) + absolute + 2 * smallest[expected.dtype.name]
    signs = (a != 0) | (b != 0) | (np.signbit(a) == np.signbit(b))
    # Which of two zeros an extremum is, is left open.
    return ((a == b) & (signs | (op in (e.maximum, e.minimum)))) | (np.isnan(a) & np.isnan(b)) | (near & signs)


@pytest.mark.parametrize("op", [o for o in TABLE.values() if o.kind == "elementwise"], ids=str)
def test_compiled_is_eval(op: Op) -> None:
    rng = np.random.default_rng(zlib.crc32(op.name.encode()))
    for dtype in op.dtypes:
        for attrs in attributes_of(op, dtype):
            types = tuple(dtype if a.dtype is None else dtypes.by_name(a.dtype) for a in op.samples[0].args)
            if op is e.bitcast:
                types = (dtype,)
            arrays = [numbers(d, rng) for d in types]
            expected = op.eval(*arrays, **attrs)

            def body(s: Any, *registers: Any, types: Any = types, attrs: Any = attrs) -> Any:
                return op.lower(s, types[0], *registers, **attrs)

            kernel = compile_kernel(body, types, dtypes.from_numpy(expected.dtype), SETS["host"], 4)
            got = kernel(*arrays)
            wrong = np.flatnonzero(~agree(op, got, expected))[:4]
            report = [(*(a[i] for a in arrays), got[i], expected[i]) for i in wrong]
            assert not report, f"{op.name} {dtype.name} {dict(attrs)}: (operands, compiled, eval) {report}"
