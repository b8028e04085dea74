"""Tensors on disk, as safetensors: no pickle, so reading a file runs nothing.

A dict of tensors by name makes a file that every reader of safetensors understands. Other trees of dicts, lists,
tuples, tensors and plain values (a state_dict of an optimiser) keep their structure in the file's metadata.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ingot.core import TensorBase, array_of
from ingot.creation import from_numpy
from ingot.runtime.errors import OutputError, SpecError

_METADATA = "ingot.tree"
_PLAIN = (bool, int, float, str, type(None))


def save(obj: Any, path: str | Path) -> None:
    """Write a tree of tensors; the file appears whole or not at all.

    Raises SpecError (IG605) for what cannot be stored, OutputError (IG602) when the file cannot be written.
    """
    import tempfile  # 3 ms that only a write needs

    from safetensors.numpy import save as serialised

    tensors: dict[str, np.ndarray[Any, Any]] = {}
    structure = _taken_apart(obj, "", tensors)
    flat = isinstance(obj, dict) and all(isinstance(k, str) and isinstance(v, TensorBase) for k, v in obj.items())
    data = serialised(tensors, metadata=None if flat else {_METADATA: json.dumps(structure)})
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=".ingot-", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(name, 0o644)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise OutputError("IG602", f"cannot write {target}: {error.strerror}") from None


def load(path: str | Path) -> Any:
    """What `save` wrote; of a safetensors file from elsewhere, its tensors by name.

    Raises OutputError (IG606) for a file that does not exist or holds something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: from_numpy(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise OutputError("IG606", f"cannot read {path}: {error.strerror or error}") from None
    except SafetensorError as error:
        raise OutputError("IG606", f"{path} is no safetensors file: {error}") from None
    if _METADATA not in metadata:
        return tensors
    return _put_together(json.loads(metadata[_METADATA]), tensors)


def _taken_apart(obj: Any, path: str, tensors: dict[str, np.ndarray[Any, Any]]) -> Any:
    """The structure as JSON; tensors go to `tensors` under their paths."""
    if isinstance(obj, TensorBase):
        tensors[path] = np.ascontiguousarray(array_of(obj)).reshape(obj._layout.shape)
        return {"tensor": path}
    if isinstance(obj, _PLAIN):
        return {"value": obj}
    if isinstance(obj, dict):
        rows = [[key, _taken_apart(value, _below(path, key), tensors)] for key, value in obj.items()]
        if all(isinstance(key, _PLAIN) for key, _ in rows):
            return {"dict": rows}
    if type(obj) in (list, tuple):
        kind = "list" if isinstance(obj, list) else "tuple"
        return {kind: [_taken_apart(value, _below(path, i), tensors) for i, value in enumerate(obj)]}
    raise SpecError(
        "IG605",
        f"a {type(obj).__name__} at {path or 'the top'} cannot be stored",
        fix="tensors, numbers, texts, and dicts, lists and tuples of them",
    )


def _below(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _put_together(structure: dict[str, Any], tensors: dict[str, Any]) -> Any:
    ((kind, content),) = structure.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "value":
        return content
    if kind == "dict":
        return {key: _put_together(value, tensors) for key, value in content}
    made = [_put_together(value, tensors) for value in content]
    return made if kind == "list" else tuple(made)
