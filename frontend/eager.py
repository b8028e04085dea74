"""Run one row now: NumPy arrays through its `eval`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ingot.compiler.ir import Op, TensorType
from ingot.compiler.quiet import quietly
from ingot.compiler.straightline import direct
from ingot.core import Array, TensorBase, array_of, own_array, type_of
from ingot.runtime.dtypes import bfloat16, float16
from ingot.runtime.errors import IngotError
from ingot.source_lines import user_line

HALF = frozenset({float16, bfloat16})


_direct: dict[Op, Callable[..., Any]] = {}


def evaluate(op: Op, tensors: Sequence[TensorBase], attrs: Mapping[str, Any]) -> Array | tuple[Array, ...]:
    """The result(s), in memory of their own. Raises what the row raises, with the user's line."""
    arrays = []
    evaluator = _direct.get(op) or _direct.setdefault(op, direct(op, False))
    for tensor in tensors:
        arrays.append(array_of(tensor))
        if tensor._layout.dtype in HALF:
            evaluator = op.eval
    try:
        result = quietly(evaluator, *arrays, **attrs)
    except IngotError as error:
        if error.where is None:
            error.where = user_line()
        raise
    except (TypeError, ValueError, IndexError):
        explain(op, [type_of(t) for t in tensors], attrs)
        raise
    if isinstance(result, tuple):
        made: list[Array] = []
        for array in result:
            # Results share no memory with each other either.
            made.append(own_array(array, [*arrays, *made]))
        return tuple(made)
    return own_array(result, arrays)


def explain(op: Op, types: Sequence[TensorType], attrs: Mapping[str, Any]) -> None:
    """Raise the type rule's error, with the user's line, if the operands break it."""
    try:
        op.infer(*types, **attrs)
    except IngotError as error:
        error.where = user_line()
        raise
