"""Several relocatable ELF objects -> one: sections side by side, and a symbol that one object defines for the others.

What the parts of one program say to each other is hidden: it becomes local, so that the whole shows what a program
compiled at once would show.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ingot.runtime.errors import BuildError

# ELF-64 object file format, version 1.5: file header, section header, symbol, relocation with addend.
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
RELOCATION = struct.Struct("<QQq")
SYMTAB, STRTAB, RELA, NOBITS = 2, 3, 4, 8
ALLOC, INFO_LINK = 0x2, 0x40
RESERVED = 0xFF00  # section numbers from here on are no sections (absolute, common)
LOCAL, GLOBAL = 0, 1
SECTION_TYPE, FILE_TYPE = 3, 4  # of symbols
HIDDEN = 2


@dataclass(frozen=True)
class Section:
    name: str
    kind: int
    flags: int
    data: bytes
    size: int
    align: int
    entry: int
    of: int = 0  # of a relocation section: the section that it patches, by its number in the result


@dataclass(frozen=True)
class Symbol:
    name: str
    info: int
    other: int
    section: int
    value: int
    size: int

    @property
    def binding(self) -> int:
        return self.info >> 4

    def local(self) -> Symbol:
        return replace(self, info=self.info & 15, other=0)


class Join:
    """The sections and symbols of the result while objects are added."""

    def __init__(self) -> None:
        self.sections: list[Section] = []  # number 1 first: 0 is no section
        self.symbols: list[Symbol] = []
        self.globals: dict[str, int] = {}
        self.patches: list[tuple[int, list[tuple[int, int, int, int]]]] = []  # section, (offset, type, symbol, addend)
        self.header: tuple[bytes, int, int] | None = None  # identification, machine, flags

    def add(self, data: bytes) -> None:
        head = HEADER.unpack_from(data)
        self.header = self.header or (head[0], head[2], head[7])
        rows = [SECTION.unpack_from(data, head[6] + i * head[11]) for i in range(head[12])]
        names = rows[head[13]][4]
        number: dict[int, int] = {}
        for i, (name, kind, flags, _, at, size, _, _, align, entry) in enumerate(rows):
            if kind != RELA and flags & ALLOC:
                body = b"" if kind == NOBITS else data[at : at + size]
                self.sections.append(Section(string(data, names + name), kind, flags, body, size, align, entry))
                number[i] = len(self.sections)
        moved: dict[int, int] = {}
        for row in rows:
            if row[1] == SYMTAB:
                strings = rows[row[6]][4]
                for i, symbol in enumerate(SYMBOL.iter_unpack(data[row[4] : row[4] + row[5]])):
                    moved[i] = self.symbol(Symbol(string(data, strings + symbol[0]), *symbol[1:]), number)
        for row in rows:
            if row[1] == RELA and row[7] in number:
                found = RELOCATION.iter_unpack(data[row[4] : row[4] + row[5]])
                patch = [(at, info & 0xFFFFFFFF, moved[info >> 32], addend) for at, info, addend in found]
                self.patches.append((number[row[7]], patch))

    def symbol(self, symbol: Symbol, number: dict[int, int]) -> int:
        """The symbol's place among those of the result; a global one shares it with others of its name."""
        if 0 < symbol.section < RESERVED:
            symbol = replace(symbol, section=number.get(symbol.section, 0))
            if not symbol.section:  # of a section that nothing loads
                symbol = Symbol("", 0, 0, 0, 0, 0)
        if symbol.binding == LOCAL:
            self.symbols.append(symbol)
            return len(self.symbols) - 1
        known = self.globals.setdefault(symbol.name, len(self.symbols))
        if known == len(self.symbols):
            self.symbols.append(symbol)
        elif symbol.section and self.symbols[known].section:
            raise BuildError("IG403", f"generated code defines {symbol.name} twice")
        elif symbol.section:
            self.symbols[known] = symbol
        return known

    def finish(self) -> bytes:
        """The object's bytes."""
        assert self.header is not None
        symbols = [s.local() if s.section and s.other & 3 == HIDDEN else s for s in self.symbols]
        # No symbol first, then the local ones. Names of files say nothing here, and nothing refers to them.
        used = {index for _, patch in self.patches for _, _, index, _ in patch}
        kept = [i for i, s in enumerate(symbols) if i in used or (s.name and s.info & 15 != FILE_TYPE)]
        order = sorted(kept, key=lambda i: symbols[i].binding != LOCAL)
        place = {i: at for at, i in enumerate(order, 1)}
        strings = Strings()
        table = bytes(SYMBOL.size) + b"".join(
            SYMBOL.pack(strings.add(s.name), s.info, s.other, s.section, s.value, s.size)
            for s in (symbols[i] for i in order)
        )
        sections = list(self.sections)
        for section, patch in self.patches:
            body = b"".join(RELOCATION.pack(at, place[index] << 32 | kind, add) for at, kind, index, add in patch)
            name = f".rela{self.sections[section - 1].name}"
            sections.append(Section(name, RELA, INFO_LINK, body, len(body), 8, RELOCATION.size, section))
        first = 1 + sum(symbols[i].binding == LOCAL for i in order)
        sections.append(Section(".symtab", SYMTAB, 0, table, len(table), 8, SYMBOL.size, first))
        titles = [strings.add(s.name) for s in sections]
        last = strings.add(".strtab")
        sections.append(Section(".strtab", STRTAB, 0, strings.data(), len(strings.data()), 1, 0))
        return self.layout(sections, [*titles, last])

    def layout(self, sections: Sequence[Section], titles: Sequence[int]) -> bytes:
        """Header, contents, section headers."""
        assert self.header is not None
        ident, machine, flags = self.header
        body = bytearray(HEADER.size)
        rows = [bytes(SECTION.size)]
        symtab, strtab = len(sections) - 1, len(sections)
        for section, title in zip(sections, titles, strict=True):
            body += bytes(-len(body) % max(section.align, 1))
            link = {RELA: symtab, SYMTAB: strtab}.get(section.kind, 0)
            rows.append(
                SECTION.pack(
                    title, section.kind, section.flags, 0, len(body), section.size, link, section.of, section.align,
                    section.entry,
                )
            )  # fmt: skip
            body += section.data
        body += bytes(-len(body) % 8)
        HEADER.pack_into(
            body, 0, ident, 1, machine, 1, 0, 0, len(body), flags, HEADER.size, 0, 0, SECTION.size, len(rows), strtab
        )
        return bytes(body) + b"".join(rows)


class Strings:
    """A string table."""

    def __init__(self) -> None:
        self.parts, self.size = [b"\0"], 1
        self.places: dict[str, int] = {"": 0}

    def add(self, text: str) -> int:
        if text not in self.places:
            self.places[text] = self.size
            self.parts.append(text.encode() + b"\0")
            self.size += len(self.parts[-1])
        return self.places[text]

    def data(self) -> bytes:
        return b"".join(self.parts)


def string(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()


def joined(objects: Sequence[bytes]) -> bytes:
    """One relocatable object with the code and data of all. Raises BuildError (IG403) for a name defined twice."""
    join = Join()
    for data in objects:
        join.add(data)
    return join.finish()
