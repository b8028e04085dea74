"""Constructors of older programs: FloatTensor(2, 3), LongTensor([1, 2]), ..., one class per dtype."""

from __future__ import annotations

from typing import Any

from ingot import creation
from ingot.core import TensorBase
from ingot.modes import set_default_dtype
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError
from ingot.source_lines import user_line
from ingot.tensor import Tensor


class _OfDType(type):
    """`isinstance(x, FloatTensor)` asks for the dtype of a tensor."""

    dtype: DType

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, TensorBase) and instance._layout.dtype is cls.dtype


def _constructor(name: str, kind: DType) -> Any:
    def make(cls: Any, *args: Any, device: Any = None) -> Tensor:
        creation.check_device(device)
        return creation.constructed(args, kind)

    members = {"__new__": make, "__doc__": f"Tensors of {kind.name}.", "__module__": "ingot", "dtype": kind}
    return _OfDType(name, (), members)


FloatTensor = _constructor("FloatTensor", dtypes.float32)
DoubleTensor = _constructor("DoubleTensor", dtypes.float64)
HalfTensor = _constructor("HalfTensor", dtypes.float16)
BFloat16Tensor = _constructor("BFloat16Tensor", dtypes.bfloat16)
LongTensor = _constructor("LongTensor", dtypes.int64)
IntTensor = _constructor("IntTensor", dtypes.int32)
ShortTensor = _constructor("ShortTensor", dtypes.int16)
CharTensor = _constructor("CharTensor", dtypes.int8)
ByteTensor = _constructor("ByteTensor", dtypes.uint8)
BoolTensor = _constructor("BoolTensor", dtypes.bool_)

_BY_TYPE_NAME = {
    kind.__name__: kind.dtype
    for kind in (
        FloatTensor,
        DoubleTensor,
        HalfTensor,
        BFloat16Tensor,
        LongTensor,
        IntTensor,
        ShortTensor,
        CharTensor,
        ByteTensor,
        BoolTensor,
    )
}


def set_default_tensor_type(t: Any) -> None:
    """Set the default dtype by one of these classes or its name, as "torch.DoubleTensor"."""
    name = t if isinstance(t, str) else t.__name__
    known = _BY_TYPE_NAME.get(name.rsplit(".", 1)[-1])
    if known is None:
        raise DTypeError("IG214", f"invalid type: {t!r}", where=user_line(), fix="set_default_dtype(ingot.float64)")
    set_default_dtype(known)
