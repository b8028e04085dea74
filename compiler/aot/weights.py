"""Captured tensors as bytes: read-only data and a state image inside the object, or a safetensors file beside it."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

import numpy as np

from ingot.compiler.aot.interface import Captured, Library


def state_image(library: Library) -> bytes:
    """The initial contents of the state block, padding included."""
    image = bytearray(library.state_bytes)
    for name, offset in library.state.items():
        data = library.by_name[name].data
        image[offset : offset + len(data)] = data
    return bytes(image)


@dataclass(frozen=True)
class WeightFile:
    """A safetensors file; `offsets` are positions of the tensors in the whole file."""

    data: bytes
    header_bytes: int
    offsets: dict[str, int]


def weight_file(captured: tuple[Captured, ...]) -> WeightFile:
    """The tensors as a safetensors file: 8 bytes of header length, a JSON header, then the contents."""

    from safetensors.numpy import save

    data = save({t.name: np.frombuffer(t.data, t.dtype.numpy).reshape(t.shape) for t in captured})
    (length,) = struct.unpack_from("<Q", data)
    rows = json.loads(data[8 : 8 + length])
    offsets = {name: 8 + length + row["data_offsets"][0] for name, row in rows.items() if name != "__metadata__"}
    return WeightFile(data, 8 + length, offsets)
