"""Rows without operands: inputs, constants, counters; and `get`, one result of an op that has several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ingot.compiler.ir import Op, Sample, Size, TensorType, Value
from ingot.compiler.ops.definitions import convert
from ingot.compiler.ops.table import NUMBERS, attributes, check_axis, check_dtype, register
from ingot.runtime.dtypes import ALL, DType, float32, from_numpy, int64
from ingot.runtime.errors import BuildError, ShapeError

Array = npt.NDArray[Any]


def _no_value(*, type: TensorType, name: str) -> NoReturn:
    raise BuildError("IG119", f"the input {name} of type {type} was given no value")


input: Op = register(
    Op(
        name="input",
        kind="source",
        infer=lambda *, type, name: type,
        eval=_no_value,
        vjp=None,
        jvp=None,
        batch=None,
        dtypes=ALL,
        traits=frozenset({"unique"}),
        samples=(Sample((), attributes(type=TensorType(float32, (2, 3)), name="x")),),
        doc="A parameter of the graph: the caller supplies it.",
    )
)


def _const_type(*, data: bytes, type: TensorType) -> TensorType:
    if len(data) != type.dtype.itemsize and (not type.static or len(data) != type.numel * type.dtype.itemsize):
        raise ShapeError("IG117", f"const: {len(data)} bytes are neither one element of {type} nor all of them")
    return type


def _const(*, data: bytes, type: TensorType) -> Array:
    elements = np.frombuffer(data, type.dtype.numpy)
    shape: Any = type.shape
    if len(elements) == 1:
        return np.full(shape, elements[0], type.dtype.numpy)
    return elements.reshape(shape)


const: Op = register(
    Op(
        name="const",
        kind="source",
        infer=_const_type,
        eval=_const,
        vjp=None,
        jvp=None,
        batch=None,
        dtypes=ALL,
        samples=(
            Sample((), attributes(data=np.float32(1.5).tobytes(), type=TensorType(float32, (2, 3)))),
            Sample((), attributes(data=np.arange(6, dtype=np.int64).tobytes(), type=TensorType(int64, (2, 3)))),
            Sample((), attributes(data=b"", type=TensorType(float32, (0, 3)))),
        ),
        doc="Fixed numbers. `data` is little-endian in C order, one element (for all) or all of them.",
    )
)


def _iota_type(*, type: TensorType, axis: int) -> TensorType:
    check_dtype("iota", NUMBERS, type)
    check_axis("iota", type, axis)
    return type


def _iota(*, type: TensorType, axis: int) -> Array:
    shape: Any = type.shape
    along = [shape[axis] if i == axis else 1 for i in range(type.ndim)]
    counter = convert(np.arange(shape[axis]), type.dtype.numpy)
    return np.broadcast_to(counter.reshape(along), shape)


iota: Op = register(
    Op(
        name="iota",
        kind="source",
        infer=_iota_type,
        eval=_iota,
        vjp=None,
        jvp=None,
        batch=None,
        dtypes=NUMBERS,
        samples=(
            Sample((), attributes(type=TensorType(int64, (2, 3)), axis=1)),
            Sample((), attributes(type=TensorType(float32, (4, 1)), axis=0)),
            Sample((), attributes(type=TensorType(int64, (0,)), axis=0)),
        ),
        doc="The position along one axis: 0, 1, 2, ...",
    )
)


def _get_type(types: TensorType | tuple[TensorType, ...], *, index: int) -> TensorType:
    results = types if isinstance(types, tuple) else (types,)
    if not 0 <= index < len(results):
        raise ShapeError("IG113", f"get: result {index} of an op that has {len(results)}")
    return results[index]


get: Op = register(
    Op(
        name="get",
        kind="get",
        infer=_get_type,
        eval=lambda results, *, index: results[index],
        # Reverse mode collects the cotangents of all results of one op and gives them to that op's rule.
        vjp=None,
        jvp=lambda tangents, out, x, *, index: None if tangents[0] is None else tangents[0][index],
        batch=lambda size, x, *, index: get(x, index=index),
        dtypes=ALL,
        doc="One result of an op that has several.",
    )
)


# ---- constants from Python and NumPy


def element(dtype: DType, number: float) -> bytes:
    """The bytes of one element; the number is converted as `cast` would."""
    return _element(dtype, number, math.copysign(1.0, number))


@lru_cache(maxsize=4096)
def _element(dtype: DType, number: float, sign: float) -> bytes:
    # `sign` tells the zeros apart, which are equal.
    return convert(np.asarray(number), dtype.numpy).tobytes()


def full(type: TensorType, number: float) -> Value:
    """A constant of this type with the same number everywhere."""
    return const(data=element(type.dtype, number), type=type)


def constant(array: Array) -> Value:
    """The array as a constant; one element is stored when all have the same bits."""
    data = array.tobytes()
    if array.size > 1 and data == data[: array.itemsize] * array.size:
        data = data[: array.itemsize]
    return const(data=data, type=TensorType(from_numpy(array.dtype), array.shape))


def scalar_like(x: Value, number: float) -> Value:
    """The number in the type of x."""
    return full(x.type, number)


def zeros_like(x: Value) -> Value:
    return full(x.type, 0)


def ones_like(x: Value) -> Value:
    return full(x.type, 1)


def counter(shape: Sequence[Size], axis: int, dtype: DType = int64) -> Value:
    """The position along `axis` in a tensor of this shape."""
    return iota(type=TensorType(dtype, shape), axis=axis)
