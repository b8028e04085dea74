"""Rows that compiled code leaves to their `eval`: it calls back into this process, and NumPy's LAPACK does the work.

    int32_t ingot_eval_row(void *const *buffers, const char *row, const int64_t *sizes)

`row` is static text that says which row, its attributes and the types' dtypes and ranks; `sizes` are the axes of all
operands and results, one after another. Buffers are contiguous, operands first. The result is a program's status.
"""

from __future__ import annotations

import ctypes
import functools
import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ingot.compiler.ir import Op, TensorType
from ingot.compiler.ops import TABLE
from ingot.compiler.ops.require import EVAL_RAISED
from ingot.runtime import dtypes, failures, symbols

SYMBOL = "ingot_eval_row"


class Call(NamedTuple):
    """What the text of a row says."""

    op: Op
    attrs: dict[str, Any]
    operands: tuple[tuple[np.dtype[Any], int], ...]
    results: tuple[tuple[np.dtype[Any], int], ...]


def text(op: Op, attrs: Mapping[str, Any], operands: Sequence[TensorType], results: Sequence[TensorType]) -> str:
    """The row as text, which `read` reads."""
    kinds = ([[t.dtype.short, t.ndim] for t in types] for types in (operands, results))
    return json.dumps([op.name, dict(attrs), *kinds], separators=(",", ":"))


@functools.cache
def read(row: bytes) -> Call:
    name, attrs, *kinds = json.loads(row)
    operands, results = (tuple((dtypes.by_short(short).numpy, rank) for short, rank in types) for types in kinds)
    return Call(TABLE[name], attrs, operands, results)


def evaluate(buffers: Any, row: bytes, sizes: Any) -> int:
    """Run a row on memory; its status."""
    call, at, arrays = read(row), 0, []
    for number, (dtype, rank) in enumerate((*call.operands, *call.results)):
        shape = tuple(sizes[at : at + rank])
        at += rank
        arrays.append(in_memory(buffers[number], dtype, shape))
    count = len(call.operands)
    try:
        made = call.op.eval(*arrays[:count], **call.attrs)
        for place, result in zip(arrays[count:], made if isinstance(made, tuple) else (made,), strict=True):
            place[...] = result
    except BaseException as error:
        # C code cannot raise it: the program fails with a status, for which this thread raises it then.
        _thread.raised = error
        return EVAL_RAISED << failures.DETAIL_BITS
    return 0


_thread = threading.local()


def raised(detail: int) -> BaseException:
    """What the row that failed last in this thread has raised."""
    error: BaseException = _thread.raised
    _thread.raised = None
    return error


failures.describe(EVAL_RAISED, raised)


def in_memory(address: int | None, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """An array over memory that somebody else owns."""
    nbytes = dtype.itemsize
    for n in shape:
        nbytes *= n
    if not nbytes or address is None:
        return np.empty(shape, dtype)
    memory: Any = (ctypes.c_char * nbytes).from_address(address)
    return np.asarray(np.frombuffer(memory, dtype)).reshape(shape)


def offer() -> None:
    """Let programs that are loaded from here on call rows. ctypes takes the GIL around each call and gives it back."""
    prototype = ctypes.CFUNCTYPE(
        ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.POINTER(ctypes.c_int64)
    )
    symbols.define(SYMBOL, prototype(evaluate))


offer()
