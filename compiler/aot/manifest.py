"""The JSON manifest: everything about a library that another program may want to read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ingot.compiler.aot.interface import STATUS, Function, Library, Signature
from ingot.compiler.aot.weights import WeightFile
from ingot.runtime.program import Slot

FORMAT = 1


def manifest(library: Library, beside: WeightFile | None, files: Mapping[str, bytes]) -> bytes:
    """The text, with sorted keys inside each object left in reading order; equal libraries give equal bytes."""
    target = library.target
    content: dict[str, Any] = {
        "format": FORMAT,
        "library": library.name,
        "target": {
            "name": target.name,
            "triple": target.triple,
            "cpu": target.cpu,
            "features": sorted(target.features),
        },
        "functions": [_function(f, s) for f, s in zip(library.functions, library.signatures, strict=True)],
        "weights": {
            "where": library.weights,
            "file": f"{library.name}.safetensors" if beside else None,
            "state_bytes": library.state_bytes,
            "tensors": [_tensor(library, name, beside) for name in library.by_name],
        },
        "status": {name: code for name, (code, _) in STATUS.items()},
        "files": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
        },
    }
    return (json.dumps(content, indent=1) + "\n").encode()


def _tensor(library: Library, name: str, beside: WeightFile | None) -> dict[str, Any]:
    tensor = library.by_name[name]
    row: dict[str, Any] = {"name": name, "dtype": tensor.dtype.name, "shape": list(tensor.shape)}
    row["mutated"] = name in library.mutated
    if beside is not None:
        row["field"], row["file_offset"] = library.fields[name], beside.offsets[name]
    elif name in library.state:
        row["state_offset"] = library.state[name]
    return row


def _slots(slots: Sequence[Slot]) -> list[dict[str, Any]]:
    return [{"name": slot.name, "dtype": slot.dtype.name, "shape": list(slot.shape)} for slot in slots]


def _function(function: Function, signature: Signature) -> dict[str, Any]:
    program = function.program
    sizes = {s.name: {"low": s.low, "high": s.high, "multiple": s.multiple} for s in function.symbols}
    return {
        "name": function.name,
        "symbol": signature.symbol,
        "sizes": {name: sizes[name] for name in program.dims},
        "parameters": [
            {"name": p.name, "dtype": p.slot.dtype.name, "shape": list(p.slot.shape), "written": not p.constant}
            for p in signature.parameters
        ],
        "buffers": [b if isinstance(b, str) else f"parameter {b.name}" for b in signature.buffers],
        "outputs": _slots(program.outputs),
        "workspace_bytes": function.workspace if isinstance(function.workspace, int) else str(function.workspace),
        "kernels": list(program.kernels),
    }
