"""Operands that are the same for every example of a batch, so that a `batch` rule need not repeat their work."""

from __future__ import annotations

from ingot.compiler.ir import Value
from ingot.compiler.ops.view import expand, reshape


def uniform(batched: Value) -> Value | None:
    """The value that each example sees, if the leading axis of `batched` is an expanded one; else None."""
    if batched.op is not expand:
        return None
    (one,) = batched.operands
    if one.shape[0] != 1 or one.shape[1:] != batched.shape[1:]:
        return None
    if one.op is reshape and one.operands[0].shape == batched.shape[1:]:
        return one.operands[0]
    return reshape(one, shape=batched.shape[1:])
