"""PyTorch's type promotion and broadcasting: operands become tensors of one dtype and one shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.compiler.dims import Dim
from ingot.compiler.ir import Shape, TensorType
from ingot.compiler.ops.elementwise import cast
from ingot.compiler.ops.reduce import sum as sum_row
from ingot.compiler.ops.source import full
from ingot.compiler.ops.view import expand, reshape
from ingot.core import TensorBase, is_tensor, layout_of, new_tensor, tensor_from_array
from ingot.gate import apply, apply_view
from ingot.modes import Defaults, modes
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType, from_numpy, promote
from ingot.runtime.errors import DTypeError, IngotError
from ingot.runtime.layout import broadcast_shapes
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor

Number = bool | int | float
Operand = Any  # a Tensor or a Number; Tensor cannot be named at run time here


# Traced scalars that stand for Python floats read at every call (learning rates): they promote as Python floats do.
# Kept as a subclass that `ingot.tracing` makes; the tuple is filled there.
host_scalars: list[type[Any]] = []


def is_number(value: object) -> bool:
    """Whether the value promotes as a Python number."""
    return isinstance(value, (bool, int, float, np.number, np.bool_, Dim)) or type(value) in host_scalars


def number_dtype(value: object) -> DType:
    """The dtype that a Python number has by itself."""
    if isinstance(value, (bool, np.bool_)):
        return dtypes.bool_
    if isinstance(value, (int, np.integer, Dim)):
        return dtypes.int64
    return Defaults.dtype


def result_dtype(*operands: Operand) -> DType:
    """The dtype that PyTorch computes in: tensors with dimensions come before 0-d tensors, and those before numbers,
    unless the later one is of a higher kind (bool < integer < floating)."""
    sized: DType | None = None
    zero: DType | None = None
    plain: DType | None = None
    for operand in operands:
        if is_tensor(operand) and type(operand) not in host_scalars:
            dtype = operand._layout.dtype
            if operand._layout.shape:
                sized = dtype if sized is None else _promote(sized, dtype)
            else:
                zero = dtype if zero is None else _promote(zero, dtype)
        elif isinstance(operand, np.ndarray):
            dtype = from_numpy(operand.dtype)
            sized = dtype if sized is None else _promote(sized, dtype)
        else:
            dtype = number_dtype(operand)
            plain = dtype if plain is None else promote(plain, dtype)
    return _combine(sized, _combine(zero, plain)) or Defaults.dtype


def _promote(a: DType, b: DType) -> DType:
    if a is b:
        return a
    try:
        return promote(a, b)
    except IngotError as error:
        error.where = user_line()
        raise


def _combine(higher: DType | None, lower: DType | None) -> DType | None:
    if higher is None or lower is None:
        return higher or lower
    if higher.is_floating_point:
        return higher
    if higher.kind == "b" or lower.is_floating_point:
        return _promote(higher, lower)
    return higher


def cast_to(tensor: Tensor, dtype: DType) -> Tensor:
    """The tensor in another dtype; itself when it has it."""
    return tensor if tensor._layout.dtype is dtype else apply(cast, tensor, dtype=dtype)


def expand_to(tensor: Tensor, shape: Shape) -> Tensor:
    """The tensor repeated to `shape`, as a view; itself when it has it. The shapes are known to fit."""
    layout = tensor._layout
    if layout.shape == shape:
        return tensor
    added = len(shape) - len(layout.shape)
    if added:
        ones = (1,) * added
        tensor = apply_view(
            tensor, reshape, {"shape": (*ones, *layout.shape)}, (*ones, *layout.shape), (*(0,) * added, *layout.strides)
        )
        layout = tensor._layout
        if layout.shape == shape:
            return tensor
    strides = tuple([s if n == m else 0 for n, m, s in zip(layout.shape, shape, layout.strides, strict=True)])
    return apply_view(tensor, expand, {"shape": shape}, shape, strides)


def splat(number: Any, dtype: DType, shape: Shape = ()) -> Tensor:
    """A constant tensor with one number everywhere; its elements share one place in memory.

    Raises DTypeError (IG211) for a number that the dtype cannot hold.
    """
    trace = modes.trace
    if type(number) in host_scalars:
        return _host_splat(trace, number, dtype, shape)
    if isinstance(number, Dim):
        return expand_to(cast_to(_size(number), dtype), shape)
    if trace is not None:
        check_number(number, dtype)
        return trace.wrap(full(TensorType(dtype, shape), number))
    one = tensor_from_array(_element(number, dtype))
    return one if not shape else new_tensor(layout_of(dtype, shape, (0,) * len(shape)), one._storage)


def _size(size: Dim) -> Tensor:
    """A named size as a scalar: the number of elements of a tensor that has it."""
    trace = modes.trace
    assert trace is not None
    ones = trace.wrap(full(TensorType(dtypes.int64, (size,)), 1))
    return apply(sum_row, ones, axes=(0,))


def _host_splat(trace: Any, number: Any, dtype: DType, shape: Shape) -> Tensor:
    value = trace.value_of(number)
    if dtype is not number._layout.dtype:
        value = trace.build(cast, (value,), {"dtype": dtype})
    if shape:
        value = trace.build(reshape, (value,), {"shape": (1,) * len(shape)})
        value = trace.build(expand, (value,), {"shape": shape})
    scalar: Tensor = trace.wrap(value)
    return scalar


def check_number(number: Any, dtype: DType) -> None:
    """Raises DTypeError (IG211) for an integer outside the range of an integer dtype."""
    if dtype.kind in "ui" and not isinstance(number, (bool, np.bool_)):
        bits = dtype.bits - (1 if dtype.is_signed else 0)
        low = -(1 << bits) if dtype.is_signed else 0
        if not low <= number < (1 << bits):
            raise DTypeError(
                "IG211",
                f"value {number} cannot be converted to {dtype} without overflow",
                where=user_line(),
                fix="a tensor of a wider dtype",
            )


def _element(number: Any, dtype: DType) -> np.ndarray[Any, Any]:
    check_number(number, dtype)
    if dtype.kind in "ui":
        return np.array(int(number), dtype.numpy)
    with np.errstate(over="ignore"):
        return np.array(number).astype(dtype.numpy)


def common_shape(operands: tuple[Operand, ...], name: str) -> Shape:
    """The broadcast shape. Raises ShapeError (IG201) with the operation, both shapes and the user's line."""
    shapes = [operand._layout.shape for operand in operands if isinstance(operand, TensorBase)]
    first = shapes[0] if shapes else ()
    if all(shape == first for shape in shapes):
        return first
    try:
        return broadcast_shapes(*shapes)
    except IngotError as error:
        given = ", ".join(_described(operand) for operand in operands)
        error.what = f"{name}: {error.what}"
        error.detail = (*error.detail, f"operands: {given}")
        error.where = user_line()
        raise


def _described(operand: Operand) -> str:
    if not isinstance(operand, TensorBase):
        return repr(operand)
    layout = operand._layout
    return f"{layout.dtype.short}[{','.join(map(str, layout.shape))}]"


def unified(name: str, *operands: Operand, dtype: DType | None = None) -> tuple[Tensor, ...]:
    """Tensors and numbers as tensors of one dtype (PyTorch's, or the one given) and one shape."""
    for position, operand in enumerate(operands):
        if not isinstance(operand, TensorBase) and not is_number(operand):
            if isinstance(operand, np.ndarray):
                # NumPy arrays take part in arithmetic as tensors of their dtype.
                arrays = list(operands)
                arrays[position] = tensor_from_array(np.array(operand, order="C"))
                return unified(name, *arrays, dtype=dtype)
            raise DTypeError(
                "IG214",
                f"{name} takes tensors and numbers, not {type(operand).__name__}",
                where=user_line(),
                fix="ingot.tensor(...) makes a tensor of lists and arrays",
            )
    if dtype is None:
        dtype = result_dtype(*operands)
    shape = common_shape(operands, name)
    return tuple(
        [
            expand_to(cast_to(operand, dtype), shape)
            if is_tensor(operand) and type(operand) not in host_scalars
            else splat(operand, dtype, shape)
            for operand in operands
        ]
    )
