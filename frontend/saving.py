"""Tensors on disk, as safetensors: names, shapes and bytes, and nothing that could run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ingot.core import is_tensor
from ingot.creation import from_numpy
from ingot.runtime import dtypes
from ingot.runtime.errors import DTypeError, OutputError, SpecError
from ingot.tensor import Tensor

# The format's names (https://github.com/huggingface/safetensors, README) for the dtypes that tensors have.
NAMES = {
    "BOOL": dtypes.bool_, "U8": dtypes.uint8, "I8": dtypes.int8, "I16": dtypes.int16, "I32": dtypes.int32,
    "I64": dtypes.int64, "U32": dtypes.uint32, "U64": dtypes.uint64, "F16": dtypes.float16, "BF16": dtypes.bfloat16,
    "F32": dtypes.float32, "F64": dtypes.float64,
}  # fmt: skip


def save(tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Write named tensors, such as a `state_dict()`, to a safetensors file.

    The file appears whole or not at all: an interrupted write leaves what was there before. Raises DTypeError (IG801)
    for anything but a flat mapping from names to tensors, and OutputError (IG602) where the file cannot be written.

    >>> ingot.save(model.state_dict(), "model.safetensors")
    """
    import safetensors.numpy

    target = Path(path)
    data = safetensors.numpy.save({name: saved(name, tensor) for name, tensor in checked(tensors).items()})
    staged = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, staged = tempfile.mkstemp(prefix=".ingot-", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(staged).replace(target)
    except OSError as error:
        if staged:
            Path(staged).unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise OutputError("IG602", f"cannot write {target}: {reason}", detail=["nothing was written"]) from None


def checked(tensors: Any) -> Mapping[str, Tensor]:
    if isinstance(tensors, Mapping) and all(isinstance(name, str) for name in tensors):
        return tensors
    raise DTypeError(
        "IG801",
        f"save takes a mapping from names to tensors, not {type(tensors).__name__}",
        fix="ingot.save(model.state_dict(), path)",
    )


def saved(name: str, tensor: Any) -> np.ndarray[Any, Any]:
    """The elements in row-major order."""
    if not is_tensor(tensor):
        raise DTypeError(
            "IG801",
            f"save takes a mapping from names to tensors; {name!r} is of type {type(tensor).__name__}",
            fix=f"ingot.tensor(...) for {name!r}, or leave it out",
        )
    array: np.ndarray[Any, Any] = np.ascontiguousarray(tensor.detach().numpy())
    return array.reshape(tuple(tensor.shape))


def load(path: str | Path) -> dict[str, Tensor]:
    """The named tensors of a safetensors file. Nothing in a file can run.

    Raises OutputError (IG802) where the file cannot be read, and SpecError (IG803) where it is not a whole
    safetensors file.

    >>> model.load_state_dict(ingot.load("model.safetensors"))
    """
    import safetensors

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise OutputError("IG802", f"cannot read {path}: {error.strerror or error}") from None
    try:
        rows = safetensors.deserialize(data)
    except Exception as error:
        raise SpecError("IG803", f"{path} is not a whole safetensors file: {error}") from None
    return {name: loaded(row) for name, row in rows}


def loaded(row: Mapping[str, Any]) -> Tensor:
    dtype = NAMES.get(row["dtype"])
    if dtype is None:
        raise DTypeError("IG803", f"the file holds a tensor of dtype {row['dtype']}, which ingot does not have")
    return from_numpy(np.frombuffer(bytearray(row["data"]), dtype.numpy).reshape(row["shape"]))
