"""Program: a compiled graph as plain data, the only thing that crosses from compiler to runtime.

The entry is one C function, the same for JIT and ahead-of-time code:

    int32_t entry(void *const *bufs, const int64_t *dims, void *workspace, const ingot_context *ctx);

`bufs` holds one pointer per input and then one per output, each to the tensor's element 0 and aligned to the element
size. `dims` holds the values of the named dimensions (may be null without any). `workspace` is 64-byte aligned and
caller-owned (may be null when `workspace_bytes` is 0). A context of null means serial. The result is 0 or an error
code. The entry is reentrant and allocates nothing.
"""

import hashlib
import json
import struct
from dataclasses import dataclass, field, fields
from typing import Any

from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import CacheError

_MAGIC = b"INGOTPRG"
_VERSION = 1
_PREFIX = struct.Struct("<8sIIQ32s")

Extent = int | str


@dataclass(frozen=True)
class Slot:
    """One buffer of a program. A str extent or stride is an expression over the named dims; strides in elements."""

    name: str
    dtype: DType
    shape: tuple[Extent, ...]
    strides: tuple[Extent, ...]


@dataclass(frozen=True)
class Program:
    """Object code with everything a caller must know to run it.

    `aliases` holds pairs (input i, output j): output j is written into the memory of input i. `cost` is the
    estimated run time in nanoseconds. `kernels` names the kernels in order of launch.
    """

    name: str
    entry: str
    object_code: bytes = field(repr=False)
    triple: str
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    aliases: tuple[tuple[int, int], ...] = ()
    workspace_bytes: int = 0
    dims: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    cost: float = 0.0
    metadata: dict[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Magic, version, lengths, sha256, then a JSON header and the raw object."""
        header = json.dumps(_header(self), separators=(",", ":")).encode()
        body = header + self.object_code
        prefix = _PREFIX.pack(_MAGIC, _VERSION, len(header), len(self.object_code), hashlib.sha256(body).digest())
        return prefix + body

    @staticmethod
    def from_bytes(data: bytes) -> "Program":
        """The program that `to_bytes` wrote. Raises CacheError (IG601) for truncated or altered bytes."""
        if len(data) < _PREFIX.size:
            raise CacheError("IG601", f"a stored program is truncated: {len(data)} bytes")
        magic, version, header_size, object_size, digest = _PREFIX.unpack_from(data)
        if magic != _MAGIC:
            raise CacheError("IG601", "these bytes are not a stored program")
        if version != _VERSION:
            raise CacheError("IG601", f"a stored program has format version {version}; this ingot reads {_VERSION}")
        body = data[_PREFIX.size :]
        if len(body) != header_size + object_size:
            raise CacheError(
                "IG601", f"a stored program has {len(body)} bytes where {header_size + object_size} were written"
            )
        if hashlib.sha256(body).digest() != digest:
            raise CacheError("IG601", "a stored program was altered: its checksum does not match")
        try:
            return _from_header(json.loads(body[:header_size]), body[header_size:])
        except (ValueError, KeyError, TypeError, LookupError) as error:
            raise CacheError("IG601", f"a stored program has a malformed header: {error}") from None


_PLAIN = tuple(
    f.name for f in fields(Program) if f.name not in ("object_code", "inputs", "outputs", "aliases", "dims", "kernels")
)


def _header(program: Program) -> dict[str, Any]:
    header: dict[str, Any] = {name: getattr(program, name) for name in _PLAIN}
    for side in ("inputs", "outputs"):
        slots: tuple[Slot, ...] = getattr(program, side)
        header[side] = [[slot.name, slot.dtype.name, slot.shape, slot.strides] for slot in slots]
    for name in ("aliases", "dims", "kernels"):
        header[name] = getattr(program, name)
    return header


def _from_header(header: dict[str, Any], object_code: bytes) -> Program:
    values = {name: header[name] for name in _PLAIN}
    values["inputs"] = _slots(header["inputs"])
    values["outputs"] = _slots(header["outputs"])
    values["aliases"] = tuple((int(i), int(j)) for i, j in header["aliases"])
    values["dims"] = tuple(header["dims"])
    values["kernels"] = tuple(header["kernels"])
    return Program(object_code=object_code, **values)


def _slots(rows: Any) -> tuple[Slot, ...]:
    return tuple(
        Slot(name, dtypes.by_name(dtype), tuple(shape), tuple(strides)) for name, dtype, shape, strides in rows
    )
