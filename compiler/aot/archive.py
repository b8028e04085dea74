"""Static archives in the System V format, byte for byte the same for the same members.

Format: ar(5) and the System V ABI, chapter 7: a magic line, then members with a 60-byte header at even offsets; the
first member "/" is the symbol index (big-endian offsets of the defining members, then names), "//" holds long names.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_MAGIC = b"!<arch>\n"
_NAME_LIMIT = 15  # of 16 bytes, one is the terminating slash


@dataclass(frozen=True)
class Member:
    """A file of an archive and the global symbols that it defines."""

    name: str
    data: bytes
    symbols: tuple[str, ...]


def archive(members: Sequence[Member]) -> bytes:
    """The archive's bytes. Times, owners and groups are 0, so they depend on the members alone."""
    long_names, labels = _names(members)
    names = b"".join(symbol.encode() + b"\0" for member in members for symbol in member.symbols)
    count = sum(len(member.symbols) for member in members)
    index_size = 4 + 4 * count + len(names)
    offset = len(_MAGIC) + 60 + _even(index_size) + (60 + _even(len(long_names)) if long_names else 0)
    offsets: list[int] = []
    for member in members:
        offsets += [offset] * len(member.symbols)
        offset += 60 + _even(len(member.data))
    index = struct.pack(f">I{count}I", count, *offsets) + names
    parts = [_MAGIC, _member("/", index)]
    if long_names:
        parts.append(_member("//", long_names))
    parts += [_member(label, member.data) for label, member in zip(labels, members, strict=True)]
    return b"".join(parts)


def _names(members: Sequence[Member]) -> tuple[bytes, list[str]]:
    """The table of names that do not fit, and each member's name as its header spells it."""
    table = b""
    labels = []
    for member in members:
        if len(member.name) <= _NAME_LIMIT:
            labels.append(f"{member.name}/")
        else:
            labels.append(f"/{len(table)}")
            table += member.name.encode() + b"/\n"
    return table, labels


def _even(size: int) -> int:
    return size + size % 2


def _member(label: str, data: bytes) -> bytes:
    head = f"{label:<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(data):<10}`\n".encode()
    return head + data + b"\n" * (len(data) % 2)
