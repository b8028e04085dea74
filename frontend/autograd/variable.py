"""`autograd.Variable`, which older programs wrap tensors in."""

from __future__ import annotations

from typing import Any

from ingot.autograd.hooks import check_floating
from ingot.core import TensorBase, is_tensor
from ingot.creation import empty
from ingot.gate import detached
from ingot.runtime.errors import DTypeError
from ingot.source_lines import user_line


class _AnyTensor(type):
    def __instancecheck__(cls, value: object) -> bool:
        return is_tensor(value)


class Variable(metaclass=_AnyTensor):
    """Variable(tensor): the same memory as a leaf of its own; all tensors are instances. `volatile` has no effect."""

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: bool | None = None) -> Any:
        if data is None:
            data = empty(0)
        if not isinstance(data, TensorBase):
            raise DTypeError(
                "IG214",
                f"Variable data has to be a tensor, but got {type(data).__name__}",
                where=user_line(),
                fix="ingot.tensor(...)",
            )
        if requires_grad:
            check_floating(data)
        made = detached(data)
        made._requires_grad = requires_grad
        return made
