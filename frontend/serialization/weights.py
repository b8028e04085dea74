"""Tensors on disk, as safetensors: no pickle, so reading a file runs nothing.

A dict of tensors by name makes a file that every reader of safetensors understands. Other trees of dicts, lists,
tuples, tensors and plain values (a state_dict of an optimiser) keep their structure in the file's metadata.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ingot.core import TensorBase, array_of
from ingot.creation import from_numpy
from ingot.runtime.errors import OutputError, SpecError

_METADATA = "ingot.tree"
_PLAIN = (bool, int, float, str, type(None))


def serialised(obj: Any) -> bytes:
    """A tree of tensors as the contents of a safetensors file. Raises SpecError (IG605) for what cannot be stored."""
    from safetensors.numpy import save

    tensors: dict[str, np.ndarray[Any, Any]] = {}
    structure = _taken_apart(obj, "", tensors)
    flat = isinstance(obj, dict) and all(isinstance(k, str) and isinstance(v, TensorBase) for k, v in obj.items())
    return save(tensors, metadata=None if flat else {_METADATA: json.dumps(structure)})


def read(data: bytes | str, name: str) -> Any:
    """What `serialised` gave, from its bytes or from a file; of a file from elsewhere, its tensors by name.

    Raises OutputError (IG606).
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import load

    metadata: dict[str, str] = {}
    try:
        if isinstance(data, str):
            with safe_open(data, framework="numpy") as file:
                metadata = file.metadata() or {}
                tensors = {key: from_numpy(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118
        else:
            size = int.from_bytes(data[:8], "little")
            metadata = json.loads(data[8 : 8 + size]).get("__metadata__") or {}
            tensors = {key: from_numpy(array) for key, array in load(data).items()}
        return _put_together(json.loads(metadata[_METADATA]), tensors) if _METADATA in metadata else tensors
    except OSError as error:
        raise OutputError("IG606", f"cannot read {name}: {error.strerror or error}") from None
    except (SafetensorError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise OutputError("IG606", f"{name} is no safetensors file: {error}") from None


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
