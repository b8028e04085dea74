"""Copies and pickles of tensors: those that share memory still do so within one copy or one pickle."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from ingot.core import TensorBase, array_of, is_traced, new_tensor
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import GradError
from ingot.runtime.layout import Layout, Shape
from ingot.runtime.storage import Storage
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def deep_copied(tensor: TensorBase, memo: dict[int, Any]) -> Any:
    """A leaf with memory, strides and gradient of its own. Raises GradError (IG312) for a result of operations."""
    if id(tensor) in memo:
        return memo[id(tensor)]
    if tensor._node is not None:
        raise GradError(
            "IG312",
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol",
            where=user_line(),
            fix="copy.deepcopy(x.detach())",
        )
    storage = _concrete(tensor)
    copied: Tensor = new_tensor(tensor._layout, copy.deepcopy(storage, memo), tensor._offset, type(tensor))
    memo[id(tensor)] = copied
    copied._requires_grad = tensor._requires_grad
    copied._grad = copy.deepcopy(tensor._grad, memo)
    for name, value in getattr(tensor, "__dict__", {}).items():
        setattr(copied, name, copy.deepcopy(value, memo))
    return copied


def reduced(tensor: Tensor) -> Any:
    """How pickle takes a tensor apart: its storage, which other tensors may share, and its place in there."""
    layout = tensor._layout
    place = (layout.dtype, tuple(layout.shape), tuple(layout.strides), tensor._offset)
    made = (type(tensor), _concrete(tensor), *place, tensor.requires_grad)
    attributes = getattr(tensor, "__dict__", None)
    return (rebuilt, made, attributes) if attributes else (rebuilt, made)


def _concrete(tensor: TensorBase) -> Storage:
    if is_traced(tensor):
        # Raises what reading elements during a trace raises.
        array_of(tensor)
    storage = tensor._storage
    assert isinstance(storage, Storage)
    return storage


def rebuilt(
    kind: type[Any], storage: Storage, dtype: DType, shape: Shape, strides: Shape, offset: int, requires_grad: bool
) -> Any:
    """Unpickle a tensor."""
    tensor = new_tensor(Layout.of(dtype, shape, strides), storage, offset, kind)
    tensor._requires_grad = requires_grad
    return tensor
