"""Tensors from numbers, sequences and arrays."""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.compiler.ir import TensorType
from ingot.compiler.ops.source import constant, iota
from ingot.compiler.ops.source import full as full_value
from ingot.compiler.ops.view import reshape
from ingot.core import is_tensor, new_tensor, own_array, tensor_from_array
from ingot.functional.arithmetic import add, mul
from ingot.functional.joining import stack
from ingot.gate import apply
from ingot.modes import Defaults, modes
from ingot.promote import cast_to, check_number, is_number, number_dtype
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.dtypes import from_numpy as dtype_from_numpy
from ingot.runtime.errors import DeviceError, DTypeError, ShapeError, SpecError
from ingot.runtime.layout import Layout, contiguous_strides, storage_extent
from ingot.runtime.storage import Storage
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def check_device(device: Any) -> None:
    """Raises DeviceError (IG350) for a GPU, SpecError (IG234) for any other device but the CPU (or None)."""
    if device is None or (type(device) is str and device == "cpu"):
        return
    name = f"cuda:{device}" if type(device) is int else str(device)
    kind, _, index = name.partition(":")
    if kind == "cpu" and (not index or index.isdecimal()):
        return
    if kind == "cuda":
        raise DeviceError(
            "IG350",
            f"Torch not compiled with CUDA enabled: there is no device {name}, this build of ingot computes on the CPU",
            where=user_line(),
            fix="device='cpu', or device = 'cuda' if ingot.cuda.is_available() else 'cpu'",
        )
    raise SpecError("IG234", f"there is no device {device!s}", where=user_line(), fix="device='cpu'")


def shape_from(sizes: tuple[Any, ...]) -> Any:
    """The shape given as separate sizes or one sequence. Raises ShapeError (IG202) for negative sizes."""
    given = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
    try:
        shape = tuple([n if hasattr(n, "terms") else operator.index(n) for n in given])
    except TypeError:
        raise DTypeError(
            "IG214", f"sizes are ints, not {', '.join(type(n).__name__ for n in given)}", where=user_line()
        ) from None
    if any(isinstance(n, int) and n < 0 for n in shape):
        raise ShapeError("IG202", f"a tensor cannot have shape {list(shape)}", where=user_line())
    return shape


def filled(shape: Any, number: Any, dtype: DType, requires_grad: bool = False) -> Tensor:
    """A tensor of its own memory with one number everywhere."""
    check_number(number, dtype)
    trace = modes.trace
    if trace is not None:
        made: Tensor = trace.wrap(full_value(TensorType(dtype, shape), number))
    else:
        made = tensor_from_array(np.full(shape, number, dtype.numpy))
    return marked(made, requires_grad)


def marked(tensor: Tensor, requires_grad: bool) -> Tensor:
    """The tensor, made a leaf that requires grad if asked."""
    return tensor.requires_grad_() if requires_grad else tensor


def zeros(*size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """All 0; in the default dtype unless one is given."""
    check_device(device)
    return filled(shape_from(size), 0, dtype or Defaults.dtype, requires_grad)


def ones(*size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """All 1; in the default dtype unless one is given."""
    check_device(device)
    return filled(shape_from(size), 1, dtype or Defaults.dtype, requires_grad)


def empty(*size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Memory whose elements nobody set; zero inside compiled code."""
    check_device(device)
    kind = dtype or Defaults.dtype
    shape = shape_from(size)
    if modes.trace is not None:
        return filled(shape, 0, kind, requires_grad)
    layout = Layout.of(kind, shape)
    return marked(new_tensor(layout, Storage.allocate(layout.nbytes)), requires_grad)


def full(
    size: Any, fill_value: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """All `fill_value`; in its own dtype (bool, int64 or the default one) unless one is given."""
    check_device(device)
    shape = shape_from(size if isinstance(size, tuple) else (size,))
    if not is_number(fill_value) and not is_tensor(fill_value):
        raise DTypeError(
            "IG214",
            f"full(): argument 'fill_value' must be Number, not {type(fill_value).__name__}",
            where=user_line(),
        )
    if is_tensor(fill_value):
        kind = dtype or fill_value._layout.dtype
        return marked(add(filled(shape, 0, kind), cast_to(fill_value, kind)), requires_grad)
    return filled(shape, fill_value, dtype or number_dtype(fill_value), requires_grad)


def memory_order(layout: Layout) -> list[int] | None:
    """The dimensions from the slowest in memory to the fastest; None for memory with gaps, or of named sizes."""
    if not isinstance(layout, Layout):
        return None
    order = sorted(builtins.range(layout.ndim), key=lambda axis: -layout.strides[axis])
    shape = tuple(layout.shape[axis] for axis in order)
    return order if tuple(layout.strides[axis] for axis in order) == contiguous_strides(shape) else None


def in_order_of(input: Tensor, make: Callable[[Any], Tensor]) -> Tensor:
    """`make(shape)` with its dimensions in memory in the order of another tensor's, where that has no gaps."""
    layout = input._layout
    order = None if layout.contiguous else memory_order(layout)
    if order is None:
        return make(layout.shape)
    shape = tuple(layout.shape[axis] for axis in order)
    made: Any = make(shape)
    with_grad = made._requires_grad
    made._requires_grad = False
    shown: Tensor = made.permute(tuple(order.index(axis) for axis in builtins.range(layout.ndim))).detach()
    return marked(shown, with_grad)


def zeros_like(input: Tensor, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """All 0 in the shape and dtype of another tensor."""
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad)


def ones_like(input: Tensor, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """All 1 in the shape and dtype of another tensor."""
    return full_like(input, 1, dtype=dtype, device=device, requires_grad=requires_grad)


def empty_like(input: Tensor, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Memory whose elements nobody set, in the shape and dtype of another tensor."""
    kind = dtype or input._layout.dtype
    return in_order_of(input, lambda shape: empty(shape, dtype=kind, device=device, requires_grad=requires_grad))


def full_like(
    input: Tensor, fill_value: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """All `fill_value` in the shape and dtype of another tensor."""
    check_device(device)
    kind = dtype or input._layout.dtype
    if kind.kind in "ui" and isinstance(fill_value, float):
        fill_value = int(fill_value)
    if input._layout.contiguous:
        return filled(input._layout.shape, fill_value, kind, requires_grad)
    return in_order_of(input, lambda shape: filled(shape, fill_value, kind, requires_grad))


def arange(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... below `end`; int64 when all are ints, else the default dtype."""
    check_device(device)
    if end is None:
        start, end = 0, start
    start, end, step = (number_of(n) for n in (start, end, step))
    if dtype is not None and not dtype.is_floating_point and not hasattr(end, "terms"):
        start, end, step = int(start), int(end), int(step)
    if step == 0:
        raise SpecError("IG235", "arange: step must be nonzero", where=user_line())
    whole = all(isinstance(n, int) for n in (start, end, step))
    kind = dtype or (dtypes.int64 if whole or hasattr(end, "terms") else Defaults.dtype)
    if not hasattr(end, "terms") and not hasattr(start, "terms") and (end - start) / step < 0:
        raise SpecError(
            "IG235",
            f"arange: upper bound and lower bound inconsistent with step sign: {start} to {end} with step {step}",
            where=user_line(),
        )
    if hasattr(end, "terms"):
        count: Any = end - start if step == 1 else (end - start + step - 1) // step
    else:
        count = max(math.ceil((end - start) / step), 0) if not whole else max(-(-(end - start) // step), 0)
    return marked(_counted(count, start, step, kind), requires_grad)


def number_of(value: Any) -> Any:
    """A Python number of a number that may be a 0-d tensor or NumPy's."""
    if is_tensor(value):
        return value.item()
    return value.item() if isinstance(value, np.generic) else value


def range(
    start: float = 0,
    end: float = 0,
    step: float = 1,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... up to `end`, which is among them if it is reached; in the default dtype."""
    check_device(device)
    return marked(_counted(math.floor((end - start) / step) + 1, start, step, dtype or Defaults.dtype), requires_grad)


def _counted(count: Any, start: Any, step: Any, kind: DType) -> Tensor:
    if modes.trace is None:
        wide = np.float64 if kind.is_floating_point else np.int64
        numbers = np.arange(count, dtype=np.int64).astype(wide) * wide(step) + wide(start)
        return tensor_from_array(own_array(numbers.astype(kind.numpy)))
    wide_type = dtypes.float64 if kind.is_floating_point else dtypes.int64
    counter = apply(iota, type=TensorType(wide_type, (count,)), axis=0)
    if step != 1:
        counter = mul(counter, step)
    return cast_to(counter if start == 0 else add(counter, start), kind)


def linspace(
    start: float, end: float, steps: int, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`steps` numbers from start to end, evenly apart (counted from both ends, as PyTorch does)."""
    check_device(device)
    start, end = number_of(start), number_of(end)
    if steps < 0:
        raise SpecError("IG235", f"linspace: number of steps must be non-negative, not {steps}", where=user_line())
    return marked(known(evenly_apart(start, end, steps, dtype or Defaults.dtype)), requires_grad)


def evenly_apart(start: float, end: float, steps: int, kind: DType) -> np.ndarray[Any, Any]:
    """The elements of `linspace`, with PyTorch's bits."""
    index = np.arange(steps)
    # aten/src/ATen/native/cpu/RangeFactoriesKernel.cpp computes in the result's type for float and double.
    scalar = kind.numpy.type if kind.is_floating_point and kind.itemsize >= 4 else np.float32
    if steps == 1:
        return np.array([start]).astype(kind.numpy)
    low, high = scalar(start), scalar(end)
    step = scalar((high - low) / scalar(max(steps - 1, 1)))
    # There, each number is one fused multiply-add: the product is not rounded.
    wide: Any = np.float64 if scalar is np.float32 else np.longdouble
    forward = (wide(low) + wide(step) * index).astype(scalar)
    backward = (wide(high) - wide(step) * (steps - 1 - index)).astype(scalar)
    elements: np.ndarray[Any, Any] = np.where(index < steps // 2, forward, backward).astype(kind.numpy)
    return elements


def logspace(
    start: float, end: float, steps: int, base: float = 10.0, *, dtype: DType | None = None, device: Any = None
) -> Tensor:
    """`steps` powers of `base`, their exponents evenly apart."""
    check_device(device)
    kind = dtype or Defaults.dtype
    return known(np.power(base, np.linspace(start, end, steps)).astype(kind.numpy))


def eye(
    n: int, m: int | None = None, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The identity matrix of n rows and m columns."""
    check_device(device)
    kind = dtype or Defaults.dtype
    if n < 0 or (m is not None and m < 0):
        raise ShapeError("IG202", f"eye: sizes must be at least 0, not {n} and {m}", where=user_line())
    return marked(known(np.eye(n, n if m is None else m, dtype=kind.numpy)), requires_grad)


def known(array: np.ndarray[Any, Any]) -> Tensor:
    """Elements known now: a tensor, or a constant of the trace."""
    trace = modes.trace
    if trace is not None:
        return trace.wrap(constant(np.asarray(array, order="C")))
    return tensor_from_array(own_array(array))


def tensor(data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A copy of numbers, nested sequences of them, an array or a tensor. Floats get the default dtype, ints int64.

    Raises SpecError (IG236) for sequences of unequal lengths, DTypeError (IG236) for things that are no numbers.
    """
    check_device(device)
    if is_tensor(data):
        copy = apply(reshape, data.detach(), shape=data._layout.shape)
        return marked(cast_to(copy, dtype or data._layout.dtype), requires_grad)
    if isinstance(data, builtins.range):
        data = list(data)
    if type(data) in (list, tuple) and _holds_tensors(data):
        if modes.trace is not None and not is_number(data):
            return _stacked(data, dtype)
        data = _plain(data)
    return marked(known(array_from(data, dtype)), requires_grad)


def _holds_tensors(data: Any) -> bool:
    return any(is_tensor(x) or (type(x) in (list, tuple) and _holds_tensors(x)) for x in data)


def _plain(data: Any) -> Any:
    if is_tensor(data):
        return data.tolist()
    return [_plain(x) for x in data] if type(data) in (list, tuple) else data


def _stacked(data: Any, dtype: DType | None) -> Tensor:
    parts = [_stacked(x, dtype) if type(x) in (list, tuple) else x for x in data]
    kind = dtype or next((p._layout.dtype for p in parts if is_tensor(p)), Defaults.dtype)
    return stack([cast_to(p, kind) if is_tensor(p) else tensor(p, dtype=kind) for p in parts])


def array_from(data: Any, dtype: DType | None) -> np.ndarray[Any, Any]:
    """Numbers, sequences or an array as an array of the dtype PyTorch gives them."""
    try:
        array = np.array(data)
    except (ValueError, TypeError) as error:
        raise SpecError("IG236", f"a tensor cannot be made of this: {error}", where=user_line()) from None
    if array.dtype == object or array.dtype.kind in "USOMmc":
        kind = SpecError if isinstance(data, (list, tuple)) and array.dtype == object else DTypeError
        raise kind(
            "IG236",
            f"a tensor cannot be made of {type(data).__name__} data (NumPy dtype {array.dtype})",
            where=user_line(),
            fix="numbers, in lists of equal lengths",
        )
    from_python = not isinstance(data, (np.ndarray, np.generic)) and not _holds_arrays(data)
    if dtype is None and from_python:
        dtype = Defaults.dtype if array.dtype.kind == "f" or array.size == 0 else dtype_from_numpy(array.dtype)
    if dtype is not None and not dtype.is_floating_point and array.dtype.kind == "i" and array.size and from_python:
        check_number(int(array.max()), dtype)
        # Whole numbers from -1 down wrap in unsigned dtypes, as in PyTorch.
    return array if dtype is None else array.astype(dtype.numpy)


def _holds_arrays(data: Any) -> bool:
    return isinstance(data, (list, tuple)) and any(
        isinstance(x, (np.ndarray, np.generic)) or _holds_arrays(x) for x in data
    )


def from_numpy(ndarray: np.ndarray[Any, Any]) -> Tensor:
    """A tensor that shares the array's memory. Raises SpecError (IG206) for a read-only array.

    An array that is not C-contiguous becomes a strided view of the same memory; negative strides are an error.
    """
    if not isinstance(ndarray, np.ndarray):
        raise DTypeError("IG214", f"from_numpy takes an array, not {type(ndarray).__name__}", where=user_line())
    try:
        dtype_from_numpy(ndarray.dtype)
    except DTypeError as error:
        error.where = user_line()
        raise
    if ndarray.flags.c_contiguous and ndarray.flags.writeable:
        return tensor_from_array(ndarray)
    return _strided(ndarray)


class _Memory:
    """The bytes that an array touches, as an array in one piece; keeps the array alive."""

    def __init__(self, array: np.ndarray[Any, Any], address: int, count: int) -> None:
        self.owner = array
        self.__array_interface__ = {
            "shape": (count,),
            "typestr": array.dtype.str,
            "data": (address, False),
            "version": 3,
        }


def _strided(array: np.ndarray[Any, Any]) -> Tensor:
    item = array.itemsize
    if not array.flags.writeable or any(s < 0 or s % item for s in array.strides):
        raise SpecError(
            "IG206",
            f"{'a read-only' if not array.flags.writeable else 'an'} array of shape {array.shape} and strides "
            f"{array.strides} cannot be shared as a tensor",
            where=user_line(),
            fix="ingot.from_numpy(array.copy())",
        )
    strides = tuple(s // item for s in array.strides)
    _, extent = storage_extent(array.shape, strides, 0)
    memory = np.asarray(_Memory(array, array.__array_interface__["data"][0], extent))
    layout = Layout.of(dtype_from_numpy(array.dtype), array.shape, strides)
    shared: Tensor = new_tensor(layout, Storage.from_numpy(memory), 0)
    return shared


def as_tensor(data: Any, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """The data as a tensor, sharing memory with a tensor or array where the dtype allows."""
    check_device(device)
    if is_tensor(data):
        return cast_to(data, dtype) if dtype is not None else data
    if isinstance(data, np.ndarray) and data.flags.writeable:
        shared = from_numpy(data)
        return shared if dtype is None else cast_to(shared, dtype)
    return tensor(data, dtype=dtype)


asarray = as_tensor


def scalar_tensor(value: Any, *, dtype: DType | None = None) -> Tensor:
    """A 0-d tensor in the default dtype."""
    return tensor(value, dtype=dtype or Defaults.dtype)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """The indices of a lower triangle, [2, n]; int64 unless a dtype is given."""
    check_device(device)
    return known(np.stack(np.tril_indices(row, offset, col)).astype((dtype or dtypes.int64).numpy))


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """The indices of an upper triangle, [2, n]; int64 unless a dtype is given."""
    check_device(device)
    return known(np.stack(np.triu_indices(row, offset, col)).astype((dtype or dtypes.int64).numpy))


def empty_strided(
    size: Any, stride: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Memory whose elements nobody set, under given strides. Inside compiled code, in row-major order."""
    check_device(device)
    kind, shape = dtype or Defaults.dtype, shape_from((size,))
    if modes.trace is not None:
        return filled(shape, 0, kind, requires_grad)
    layout = Layout.of(kind, shape, tuple(stride))
    _, extent = storage_extent(shape, tuple(stride), 0)
    return marked(new_tensor(layout, Storage.allocate(extent * layout.itemsize)), requires_grad)


def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Memory whose elements nobody set, its dimensions in memory in the order given, the slowest first."""
    strides, step = [0] * len(size), 1
    for axis in reversed(physical_layout):
        strides[axis], step = step, step * size[axis]
    return empty_strided(size, strides, dtype=dtype, device=device, requires_grad=requires_grad)


def frombuffer(buffer: Any, *, dtype: DType, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A vector over the memory of a bytes-like object (a copy of one that is read-only). `offset` is in bytes.

    Raises SpecError (IG206) where the buffer holds no such elements.
    """
    try:
        array = np.frombuffer(buffer, dtype.numpy, count, offset)
    except ValueError as error:
        raise SpecError("IG206", f"frombuffer: {error}", where=user_line()) from None
    return marked(tensor_from_array(array if array.flags.writeable else array.copy()), requires_grad)


def constructed(args: tuple[Any, ...], dtype: DType) -> Tensor:
    """Sizes make a tensor whose elements nobody set; a sequence, array or tensor is copied.

    Raises DTypeError (IG214) for anything else.
    """
    if not args:
        return empty(0, dtype=dtype)
    first = args[0]
    if len(args) == 1 and isinstance(first, tuple) and hasattr(first, "numel"):
        return empty(first, dtype=dtype)
    if len(args) == 1 and is_tensor(first):
        if first._layout.dtype is not dtype:
            raise DTypeError(
                "IG214", f"expected {dtype} (got {first._layout.dtype})", where=user_line(), fix=f"x.to({dtype})"
            )
        return first.detach()
    if len(args) == 1 and isinstance(first, (list, tuple, np.ndarray, builtins.range)):
        return tensor(first, dtype=dtype)
    try:
        sizes = [operator.index(n) for n in args]
    except TypeError:
        raise DTypeError(
            "IG214",
            f"new() takes sizes (ints) or one sequence of numbers, not {', '.join(type(a).__name__ for a in args)}",
            where=user_line(),
            fix="ingot.tensor(...)",
        ) from None
    return empty(*sizes, dtype=dtype)
