"""Copies, other dtypes, and the way out to Python and NumPy."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ingot import creation
from ingot.compiler.ops.view import reshape
from ingot.core import TensorBase, array_of
from ingot.gate import apply
from ingot.limits import contiguous_format
from ingot.modes import modes
from ingot.promote import cast_to
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError, GradError, ShapeError, SpecError
from ingot.source_lines import user_line
from ingot.tape import needs_grad

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def elements(tensor: TensorBase, use: str) -> np.ndarray[Any, Any]:
    """The elements, for `use` in Python. Raises TraceError (IG180 to IG184) when they are not known while tracing."""
    trace = modes.trace
    return array_of(tensor) if trace is None else trace.elements(tensor, use)


def item(self: Tensor) -> Any:
    """The only element as a Python number. Raises ShapeError (IG237) unless there is exactly one."""
    array = elements(self, "item()")
    if self._layout.numel != 1:
        raise ShapeError(
            "IG237",
            f"a Tensor with {self._layout.numel} elements cannot be converted to Scalar",
            where=user_line(),
            fix="x.tolist(), or x.sum().item()",
        )
    return array.item()


def check_single(tensor: TensorBase) -> None:
    """Raises SpecError (IG237) for a tensor that is not one number."""
    if tensor._layout.numel != 1:
        raise SpecError(
            "IG237",
            f"only one element tensors can be converted to Python scalars, not {tensor._layout!r} with "
            f"{tensor._layout.numel} elements",
            where=user_line(),
            fix="x.tolist(), or x.sum().item()",
        )


def tolist(self: Tensor) -> Any:
    """The elements as nested lists; a 0-d tensor as a number."""
    return elements(self, "tolist()").tolist()


def numpy(self: Tensor, *, force: builtins.bool = False) -> np.ndarray[Any, Any]:
    """The elements as an array that shares memory. Raises GradError (IG311) for a tensor that requires grad."""
    array = elements(self, "numpy()")
    if needs_grad(self) and not force:
        raise GradError(
            "IG311",
            "can't call numpy() on a Tensor that requires grad",
            where=user_line(),
            fix="x.detach().numpy()",
        )
    return array


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy, which gradients flow through. Its dimensions lie in memory in the order of the tensor's; row by row for
    `memory_format=contiguous_format`."""
    layout = input._layout
    if memory_format is contiguous_format:
        return apply(reshape, input, shape=layout.shape)
    order = None if layout.contiguous or modes.trace is None else creation.memory_order(layout)
    if order is not None:
        moved = input.permute(order)
        copied: Any = apply(reshape, moved, shape=moved._layout.shape)
        permuted: Tensor = copied.permute([order.index(axis) for axis in range(layout.ndim)])
        return permuted
    copy = apply(reshape, input, shape=layout.shape)
    if modes.trace is None and not layout.contiguous:
        shown = creation.empty_like(input)
        if not shown._layout.contiguous:
            np.copyto(array_of(shown), array_of(copy))
            copy._layout, copy._storage, copy._offset = shown._layout, shown._storage, shown._offset
    return copy


def _no_dtype(given: Any) -> NoReturn:
    raise DTypeError("IG214", f"to(): {given!r} is no dtype", where=user_line(), fix="x.to(ingot.float64)")


def to(
    self: Tensor, *args: Any, dtype: DType | None = None, device: Any = None, copy: builtins.bool = False, **_: Any
) -> Tensor:
    """In another dtype (or that of another tensor); itself where nothing changes."""
    for arg in args:
        if isinstance(arg, DType):
            dtype = arg
        elif isinstance(arg, TensorBase):
            dtype = arg._layout.dtype
        elif isinstance(arg, builtins.type):
            dtype = dtypes.OF_PYTHON.get(arg) or _no_dtype(arg)
        elif not isinstance(arg, builtins.bool):
            device = arg
    creation.check_device(device)
    result = self if dtype is None else cast_to(self, dtype)
    return clone(result) if copy and result is self else result


_TYPE_NAMES = {
    "float32": "FloatTensor",
    "float64": "DoubleTensor",
    "float16": "HalfTensor",
    "bfloat16": "BFloat16Tensor",
    "int64": "LongTensor",
    "int32": "IntTensor",
    "int16": "ShortTensor",
    "int8": "CharTensor",
    "uint8": "ByteTensor",
    "bool": "BoolTensor",
}


def type(self: Tensor, dtype: Any = None) -> Any:
    """In another dtype; without one, the name of the tensor's type."""
    if dtype is None:
        return f"ingot.{_TYPE_NAMES.get(self._layout.dtype.name, 'Tensor')}"
    if isinstance(dtype, DType):
        return cast_to(self, dtype)
    if isinstance(getattr(dtype, "dtype", None), DType):
        return cast_to(self, dtype.dtype)
    name = str(dtype).rsplit(".", 1)[-1]
    known = {title: short for short, title in _TYPE_NAMES.items()}
    if name not in known:
        raise SpecError("IG205", f"invalid type: {dtype!r}", where=user_line(), fix="x.to(ingot.float64)")
    return cast_to(self, dtypes.by_name(known[name]))


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """In the dtype of another tensor."""
    return cast_to(self, other._layout.dtype)


def _to_dtype(dtype: DType) -> Callable[[Tensor], Tensor]:
    def convert(self: Tensor) -> Tensor:
        return cast_to(self, dtype)

    convert.__doc__ = f"In {dtype.name}; itself if it is."
    return convert


to_float = _to_dtype(dtypes.float32)
to_double = _to_dtype(dtypes.float64)
to_half = _to_dtype(dtypes.float16)
to_bfloat16 = _to_dtype(dtypes.bfloat16)
to_long = _to_dtype(dtypes.int64)
to_int = _to_dtype(dtypes.int32)
to_short = _to_dtype(dtypes.int16)
to_char = _to_dtype(dtypes.int8)
to_byte = _to_dtype(dtypes.uint8)
to_bool = _to_dtype(dtypes.bool_)


def cpu(self: Tensor) -> Tensor:
    """The tensor itself: it lives on the CPU."""
    return self


def new_tensor(
    self: Tensor,
    data: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: builtins.bool = False,
) -> Tensor:
    """A copy of the data in this tensor's dtype."""
    return creation.tensor(data, dtype=dtype or self._layout.dtype, device=device, requires_grad=requires_grad)


def _new(make: Callable[..., Tensor], name: str, what: str) -> Callable[..., Tensor]:
    def function(
        self: Tensor,
        *size: Any,
        dtype: DType | None = None,
        device: Any = None,
        requires_grad: builtins.bool = False,
    ) -> Tensor:
        return make(*size, dtype=dtype or self._layout.dtype, device=device, requires_grad=requires_grad)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = what
    return function


new_zeros = _new(creation.zeros, "new_zeros", "All 0, in this tensor's dtype.")
new_ones = _new(creation.ones, "new_ones", "All 1, in this tensor's dtype.")
new_empty = _new(creation.empty, "new_empty", "Memory whose elements nobody set, in this tensor's dtype.")
new_empty_strided = _new(
    creation.empty_strided, "new_empty_strided", "Memory whose elements nobody set, in this dtype, under strides."
)


def new_full(
    self: Tensor,
    size: Any,
    fill_value: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: builtins.bool = False,
) -> Tensor:
    """All `fill_value`, in this tensor's dtype."""
    kind = dtype or self._layout.dtype
    return creation.full(size, fill_value, dtype=kind, device=device, requires_grad=requires_grad)


def new(self: Tensor, *args: Any, device: Any = None) -> Tensor:
    """A tensor of this dtype from sizes or from a sequence."""
    creation.check_device(device)
    if len(args) == 1 and isinstance(args[0], TensorBase):
        return cast_to(args[0].detach(), self._layout.dtype)  # type: ignore[attr-defined]
    return creation.constructed(args, self._layout.dtype)
