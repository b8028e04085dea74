"""Loads a relocatable ELF object (x86-64, aarch64) into this process without LLVM.

The object is one that LLVM emits with reloc=pic and codemodel=small. Its sections go into one mapping: code, then
constants, then data, each on pages of its own, so that no page is writable and executable at once.
"""

import ctypes
import mmap
import platform
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ingot.runtime.errors import BuildError
from ingot.runtime.relocations import STUB_BYTES, TABLES, RangeError, Relocation, RelocationError, write_stub

# ELF-64 object file format, version 1.5: file header, section header, symbol, relocation with addend.
_FILE_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELA = struct.Struct("<QQq")
_RELOCATABLE = 1
_SYMTAB, _SHT_RELA, _NOBITS = 2, 4, 8
_WRITE, _ALLOC, _EXECUTE, _TLS = 0x1, 0x2, 0x4, 0x400
_UNDEFINED, _ABSOLUTE, _COMMON = 0, 0xFFF1, 0xFFF2
_LOCAL, _WEAK = 0, 2

_MACHINES = {62: "x86_64", 183: "aarch64"}
_PROT_READ, _PROT_EXEC = 1, 4
_CODE, _CONSTANTS, _DATA = range(3)


def host_machine() -> str:
    """This process's architecture: "x86_64", "aarch64", or the platform's own name for another."""
    name = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


@dataclass(eq=False)
class LoadedObject:
    """Code and data in memory; the addresses of its global symbols stay valid as long as this object lives."""

    symbols: dict[str, int]
    size: int
    memory: object = field(repr=False)


def load(object_code: bytes, symbols: Mapping[str, int] | None = None, exports: Sequence[str] = ()) -> LoadedObject:
    """Place and link an object. Undefined symbols resolve from `symbols`, then from memcpy, memmove and memset.

    On systems that do not use ELF, LLVM's own linker does it; that one must be told the names to export.
    Raises BuildError (IG502) that names what is wrong, for instance every unresolved symbol.
    """
    outside = {**freestanding_symbols(), **(symbols or {})}
    if not sys.platform.startswith("linux"):
        return load_with_llvm(object_code, outside, exports)
    plan = Plan(object_code)
    if plan.machine != host_machine():
        raise BuildError("IG502", f"an object file is for {plan.machine}, this process is {host_machine()}")
    try:
        # Private: a forked child must not share data with its parent.
        memory = mmap.mmap(-1, plan.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, OverflowError, ValueError) as error:
        raise BuildError("IG502", f"there is no memory for an object file of {plan.size} bytes: {error}") from None
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    with memoryview(memory) as view:
        defined = plan.write(view, base, outside)
    _protect(plan, base)
    return LoadedObject(defined, plan.size, memory)


def load_with_llvm(object_code: bytes, symbols: Mapping[str, int], exports: Sequence[str]) -> LoadedObject:
    """`load` through LLVM's ORC linker, for object formats other than ELF. Raises BuildError (IG502)."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    library = llvm.JITLibraryBuilder().add_object_img(object_code)
    for name, address in symbols.items():
        library.import_symbol(name, address)
    for name in exports:
        library.export_symbol(name)
    machine = llvm.Target.from_default_triple().create_target_machine(reloc="pic", codemodel="small")
    compiler = llvm.create_lljit_compiler(machine)
    try:
        tracker = library.link(compiler, "ingot")
    except RuntimeError as error:
        raise BuildError("IG502", f"an object file cannot be linked: {error}") from None
    return LoadedObject({name: tracker[name] for name in exports}, len(object_code), (tracker, compiler))


def _protect(plan: "Plan", base: int) -> None:
    """Make code executable and constants read-only.

    Linux synchronises AArch64 instruction caches itself when fresh pages become executable.
    """
    mprotect = ctypes.CDLL(None, use_errno=True).mprotect
    mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for kind, protection in ((_CODE, _PROT_READ | _PROT_EXEC), (_CONSTANTS, _PROT_READ)):
        start, size = plan.regions[kind]
        if size and mprotect(base + start, size, protection) != 0:
            raise BuildError("IG502", f"the system refuses to make code executable (errno {ctypes.get_errno()})")


_freestanding: dict[str, int] = {}


def freestanding_symbols() -> dict[str, int]:
    """The C functions that LLVM may call from freestanding code, by name."""
    if not _freestanding:
        process = ctypes.CDLL(None)
        for name in ("memcpy", "memmove", "memset"):
            _freestanding[name] = address_of(getattr(process, name))
    return _freestanding


def address_of(function: "ctypes._CFunctionType | ctypes._NamedFuncPointer") -> int:
    """The address of a ctypes function."""
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address


@dataclass
class _Section:
    name: str
    type: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    # Where it goes, from the start of the mapping; None when it is not loaded.
    place: int | None = None


@dataclass
class _Symbol:
    name: str
    binding: int
    section: int
    value: int
    size: int


class Plan:
    """An object parsed and laid out; `write` puts it into any buffer of `size` bytes as if it were at a base address.

    Raises BuildError (IG502) for files that are not such objects.
    """

    def __init__(self, object_code: bytes) -> None:
        self.data = object_code
        self.symbols: list[_Symbol] = []
        # (section patched, offset, type, symbol index, addend)
        self.relocations: list[tuple[_Section, int, int, int, int]] = []
        try:
            self._parse()
            self._place()
        except (struct.error, IndexError, ValueError, OverflowError) as error:
            raise BuildError("IG502", f"an object file of {len(object_code)} bytes is malformed: {error}") from None

    def _parse(self) -> None:
        header = _FILE_HEADER.unpack_from(self.data)
        ident, file_type, machine = header[:3]
        if ident[:6] != b"\x7fELF\x02\x01" or file_type != _RELOCATABLE or machine not in _MACHINES:
            raise BuildError("IG502", "this is not a relocatable 64-bit ELF object for x86-64 or aarch64")
        self.machine = _MACHINES[machine]
        start, entry_size, count, names_index = header[6], header[11], header[12], header[13]
        rows = [_SECTION_HEADER.unpack_from(self.data, start + i * entry_size) for i in range(count)]
        names = rows[names_index][4]
        self.sections = [
            _Section(self._string(names + row[0]), row[1], row[2], row[4], row[5], row[6], row[7], max(row[8], 1))
            for row in rows
        ]
        for section in self.sections:
            if section.type != _NOBITS and section.offset + section.size > len(self.data):
                raise BuildError("IG502", f"an object file is truncated inside its section {section.name!r}")
            if section.flags & _TLS:
                raise BuildError("IG502", f"an object file has thread-local data in its section {section.name!r}")
        for section in self.sections:
            if section.type == _SYMTAB:
                self._parse_symbols(section)
        for section in self.sections:
            if section.type == _SHT_RELA:
                self._parse_relocations(section)

    def _parse_symbols(self, section: _Section) -> None:
        strings = self.sections[section.link].offset
        for row in _SYMBOL.iter_unpack(self._contents(section)):
            name, info, _, index, value, size = row
            if index >= len(self.sections) and index not in (_ABSOLUTE, _COMMON):
                raise BuildError("IG502", f"an object file has a symbol in its section {index}, which does not exist")
            self.symbols.append(_Symbol(self._string(strings + name), info >> 4, index, value, size))

    def _parse_relocations(self, section: _Section) -> None:
        patched = self.sections[section.info]
        if not _is_loaded(patched):
            return
        for offset, info, addend in _RELA.iter_unpack(self._contents(section)):
            if offset + 4 > patched.size or info >> 32 >= len(self.symbols):
                raise BuildError("IG502", f"an object file refers outside its section {patched.name!r}")
            self.relocations.append((patched, offset, info & 0xFFFFFFFF, info >> 32, addend))

    def _contents(self, section: _Section) -> bytes:
        return self.data[section.offset : section.offset + section.size]

    def _string(self, at: int) -> str:
        return self.data[at : self.data.index(b"\0", at)].decode()

    def _place(self) -> None:
        """Give every loaded section, stub, table slot and common symbol its place."""
        self.stubs: dict[int, int] = {}
        self.slots: dict[int, int] = {}
        self.common: dict[int, int] = {}
        self.regions: list[tuple[int, int]] = []
        calls, tabled = self._indirect_symbols()
        at = 0
        for kind in (_CODE, _CONSTANTS, _DATA):
            start = at = _align(at, mmap.PAGESIZE)
            for section in self.sections:
                if _is_loaded(section) and _kind(section) == kind:
                    at = section.place = _align(at, section.align)
                    at += section.size
            if kind == _CODE:
                at = _align(at, STUB_BYTES)
                for index in calls:
                    self.stubs[index] = at
                    at += STUB_BYTES
            elif kind == _CONSTANTS:
                at = _align(at, 8)
                for index in tabled:
                    self.slots[index] = at
                    at += 8
            else:
                for index, symbol in enumerate(self.symbols):
                    if symbol.section == _COMMON:
                        at = self.common[index] = _align(at, max(symbol.value, 1))
                        at += symbol.size
            self.regions.append((start, at - start))
        self.size = max(_align(at, mmap.PAGESIZE), mmap.PAGESIZE)

    def _indirect_symbols(self) -> tuple[list[int], list[int]]:
        """Indices of symbols that may need a stub, and of those that need a table slot."""
        calls: dict[int, None] = {}
        tabled: dict[int, None] = {}
        for _, _, kind, index, _ in self.relocations:
            target = self._relocation(kind).target
            if target == "call" and self.symbols[index].section == _UNDEFINED:
                calls[index] = tabled[index] = None
            elif target == "got":
                tabled[index] = None
        return list(calls), list(tabled)

    def _relocation(self, kind: int) -> Relocation:
        if kind not in TABLES[self.machine]:
            raise BuildError("IG502", f"an object file holds relocation type {kind}, unknown for {self.machine}")
        return TABLES[self.machine][kind]

    def write(self, memory: bytearray | memoryview, base: int, outside: Mapping[str, int]) -> dict[str, int]:
        """Copy and relocate everything; the addresses of the global symbols.

        Raises BuildError (IG502) for unresolved symbols and for targets out of reach.
        """
        addresses = self._resolve(base, outside)
        for section in self.sections:
            if section.place is not None and section.type != _NOBITS:
                memory[section.place : section.place + section.size] = self._contents(section)
        for index, at in self.slots.items():
            memory[at : at + 8] = addresses[index].to_bytes(8, "little")
        for index, at in self.stubs.items():
            write_stub(self.machine, memory, at, base + at, base + self.slots[index])
        for section, offset, kind, index, addend in self.relocations:
            assert section.place is not None
            try:
                self._patch(memory, base, section.place + offset, kind, index, addresses[index], addend)
            except RelocationError as error:
                name = self.symbols[index].name or self.sections[self.symbols[index].section].name
                raise BuildError(
                    "IG502", f"{self._relocation(kind).name} against {name!r} cannot be applied: {error}"
                ) from None
        return {
            symbol.name: addresses[index]
            for index, symbol in enumerate(self.symbols)
            if symbol.name and symbol.section != _UNDEFINED and symbol.binding != _LOCAL
        }

    def _resolve(self, base: int, outside: Mapping[str, int]) -> list[int]:
        missing = [
            symbol.name
            for symbol in self.symbols[1:]
            if symbol.section == _UNDEFINED and symbol.binding != _WEAK and symbol.name not in outside
        ]
        # LLVM lists this name when code takes table-relative addresses; nothing here refers to it.
        missing = [name for name in missing if name not in ("", "_GLOBAL_OFFSET_TABLE_")]
        if missing:
            raise BuildError("IG502", "an object file needs symbols that nobody supplies: " + ", ".join(missing))
        return [self._address(index, symbol, base, outside) for index, symbol in enumerate(self.symbols)]

    def _address(self, index: int, symbol: _Symbol, base: int, outside: Mapping[str, int]) -> int:
        if symbol.section == _UNDEFINED:
            return outside.get(symbol.name, 0)
        if symbol.section == _ABSOLUTE:
            return symbol.value
        if symbol.section == _COMMON:
            return base + self.common[index]
        return base + (self.sections[symbol.section].place or 0) + symbol.value

    def _patch(
        self, memory: bytearray | memoryview, base: int, at: int, kind: int, index: int, address: int, addend: int
    ) -> None:
        relocation = self._relocation(kind)
        if relocation.target == "got":
            relocation.patch(memory, at, base + at, base + self.slots[index] + addend)
            return
        try:
            relocation.patch(memory, at, base + at, address + addend)
        except RangeError:
            if index not in self.stubs or relocation.target != "call":
                raise
            relocation.patch(memory, at, base + at, base + self.stubs[index] + addend)


def _is_loaded(section: _Section) -> bool:
    # Unwind tables serve C++ exceptions and debuggers only; generated code raises none.
    return bool(section.flags & _ALLOC) and section.name != ".eh_frame"


def _kind(section: _Section) -> int:
    if section.flags & _EXECUTE:
        return _CODE
    return _DATA if section.flags & _WRITE else _CONSTANTS


def _align(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment
