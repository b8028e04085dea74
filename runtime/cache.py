"""The content-addressed store on disk: key in, bytes out, shared by all processes of a user.

An entry is one file, named by its key, written beside its final name and moved into place, and carries a checksum.
Two writers of one key write the same bytes, so the last move wins and nothing is locked. Entries hold native code:
a directory that belongs to somebody else, or that everybody may write, is not used.
"""

import hashlib
import os
import platform
import re
import stat
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from ingot.runtime import flags
from ingot.runtime.errors import CacheError, SpecError
from ingot.runtime.log import log, notice

_MAGIC = b"INGOTENT"
_PREFIX = struct.Struct("<8sQ32s")
_KEY = re.compile(r"[0-9a-f]{64}")
# A temporary file older than this belongs to a process that died.
_STALE_SECONDS = 3600.0

_said: set[str] = set()
# Bytes on disk as far as this process knows; None before its first look.
_known_bytes: dict[Path, int] = {}
# Entries whose sizes stand for those of all.
_SAMPLE = 256
counts = {"hits": 0, "misses": 0, "writes": 0, "damaged": 0, "evicted": 0}


def key(*parts: str | bytes) -> str:
    """The sha256, in hex, of the parts and of where each ends."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def environment_key(*folders: Path, options: str = "") -> str:
    """What compiled code depends on besides its source graph: the compiler's own source files in `folders`, the LLVM
    version, this CPU and its features, the TARGET and FP flags, and `options`."""
    code = "".join(code_version(folder) for folder in folders)
    return key(code, llvm_version(), cpu_identity(), flags.TARGET.get(), flags.FP.get(), options)


@lru_cache(maxsize=16)
def code_version(folder: Path) -> str:
    """A digest of the name, size and time of every source file below `folder`, so that an edited compiler never meets
    old entries. Reading the files instead would cost more than loading a small program does."""
    digest = hashlib.sha256()
    waiting = [str(folder)]
    while waiting:
        for entry in sorted(os.scandir(waiting.pop()), key=lambda e: e.name):
            if entry.is_dir():
                waiting.append(entry.path)
            elif entry.name.endswith((".py", ".ll", ".json")):
                state = entry.stat()
                digest.update(f"{entry.name}\0{state.st_size}\0{state.st_mtime_ns}\0".encode())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def llvm_version() -> str:
    """The installed llvmlite's version file, read without importing llvmlite (which costs 33 ms)."""
    spec = find_spec("llvmlite")
    if spec is None or spec.origin is None:
        return "none"
    try:
        return Path(spec.origin).with_name("_version.py").read_text()
    except OSError:
        return spec.origin


@lru_cache(maxsize=1)
def cpu_identity() -> str:
    """Architecture, model and feature list of this CPU, and how many processors the process may run on: code has
    room for as many threads."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return f"{platform.machine()} {platform.processor()} {count}"
    first = text.split("\n\n", 1)[0]
    lines = (line for line in first.splitlines() if re.match(r"(model name|flags|Features|CPU (part|variant))\b", line))
    return "\n".join([platform.machine(), str(count), *lines])


def get(entry_key: str) -> bytes | None:
    """The bytes stored under a key, or None. A damaged entry is one line of notice, is removed, and is a miss."""
    folder = _folder()
    if folder is None:
        return None
    path = folder / _checked(entry_key)
    try:
        data = path.read_bytes()
    except OSError:
        counts["misses"] += 1
        return None
    try:
        payload = _unpack(data)
    except CacheError as error:
        counts["damaged"] += 1
        counts["misses"] += 1
        notice(f"cache entry {path} is damaged ({error.what}) and is rebuilt")
        _remove(path)
        return None
    counts["hits"] += 1
    _touch(path)
    return payload


def put(entry_key: str, payload: bytes) -> None:
    """Store bytes under a key; above CACHE_LIMIT_MB evict the least recently used entries, with some room to spare.

    Never raises OSError: a cache that cannot be written is off, with one line at INGOT_LOG=1.
    """
    folder = _folder()
    if folder is None:
        return
    path = folder / _checked(entry_key)
    data = _PREFIX.pack(_MAGIC, len(payload), hashlib.sha256(payload).digest()) + payload
    try:
        _write(path, data)
    except OSError as error:
        _say_once(f"cannot write the cache in {folder}: {error.strerror}")
        return
    counts["writes"] += 1
    known = _known_bytes.get(folder)
    _known_bytes[folder] = _estimate(folder) if known is None else known + len(data)
    if _known_bytes[folder] > _limit():
        # An eighth of room, so that not every write looks at every entry.
        evict(_limit() - _limit() // 8)


def _estimate(folder: Path) -> int:
    """About how many bytes all entries have: exactly, if there are few, else by the sizes of some."""
    try:
        names = os.listdir(folder)
        some = names[:: max(1, len(names) // _SAMPLE)]
        return sum(os.stat(folder / name).st_size for name in some) * len(names) // max(1, len(some))
    except OSError:
        # Another process removes entries: look at all of them.
        return _limit() + 1


def _write(path: Path, data: bytes) -> None:
    import tempfile  # 3 ms that only a write needs

    handle, name = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(name, path)
    except BaseException:
        _remove(Path(name))
        raise


def _unpack(data: bytes) -> bytes:
    if len(data) < _PREFIX.size:
        raise CacheError("IG601", "truncated")
    magic, size, digest = _PREFIX.unpack_from(data)
    payload = data[_PREFIX.size :]
    if magic != _MAGIC:
        raise CacheError("IG601", "not a cache entry")
    if len(payload) != size:
        raise CacheError("IG601", "truncated" if len(payload) < size else "bytes were added")
    if hashlib.sha256(payload).digest() != digest:
        raise CacheError("IG601", "its checksum does not match")
    return payload


@dataclass(frozen=True)
class Entry:
    """One entry on disk: `used` is when it was last read or written, in seconds since the epoch."""

    key: str
    bytes: int
    used: float
    path: Path


def entries() -> list[Entry]:
    """All entries, least recently used first."""
    folder = _folder()
    return [] if folder is None else sorted(_scan(folder), key=lambda entry: (entry.used, entry.key))


def read(entry: Entry) -> bytes:
    """The bytes of an entry, without counting as a use of it. Raises CacheError (IG601) when it is damaged."""
    try:
        return _unpack(entry.path.read_bytes())
    except OSError as error:
        raise CacheError("IG601", f"{entry.path} cannot be read: {error.strerror}") from None


def verify() -> list[Entry]:
    """Read every entry, remove the damaged ones, and return those."""
    damaged = []
    for entry in entries():
        try:
            _unpack(entry.path.read_bytes())
        except CacheError:
            damaged.append(entry)
            _remove(entry.path)
        except OSError:
            continue
    return damaged


def clear() -> tuple[int, int]:
    """Remove every entry; (entries, bytes) removed."""
    found = entries()
    for entry in found:
        _remove(entry.path)
    _known_bytes.clear()
    return len(found), sum(entry.bytes for entry in found)


def evict(limit: int) -> int:
    """Remove least recently used entries until at most `limit` bytes are left; how many went."""
    found = entries()
    total = sum(entry.bytes for entry in found)
    removed = 0
    for entry in found:
        if total <= limit:
            break
        _remove(entry.path)
        total -= entry.bytes
        removed += 1
    folder = _folder()
    if folder is not None:
        _known_bytes[folder] = total
    counts["evicted"] += removed
    return removed


def directory() -> Path | None:
    """Where entries are kept, or None when the cache is off."""
    return _folder()


def _limit() -> int:
    return flags.CACHE_LIMIT_MB.get() << 20


def _folder() -> Path | None:
    if not flags.CACHE.get():
        return None
    folder = flags.CACHE_DIR.get() / "entries"
    if folder not in _usable:
        _usable[folder] = _is_usable(folder)
    return folder if _usable[folder] else None


_usable: dict[Path, bool] = {}


def _is_usable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        _say_once(f"the cache is off: {folder} cannot be made ({error.strerror})")
        return False
    if os.name == "posix":
        if status.st_uid not in (0, os.geteuid()):
            _say_once(f"the cache is off: {folder} belongs to user {status.st_uid}")
            return False
        if status.st_mode & stat.S_IWOTH:
            _say_once(f"the cache is off: everybody may write {folder}")
            return False
    return True


def _scan(folder: Path) -> Iterator[Entry]:
    try:
        listing = list(os.scandir(folder))
    except OSError:
        return
    for item in listing:
        try:
            status = item.stat()
        except OSError:
            continue
        if _KEY.fullmatch(item.name):
            yield Entry(item.name, status.st_size, status.st_mtime, Path(item.path))
        elif item.name.startswith(".tmp-") and time.time() - status.st_mtime > _STALE_SECONDS:
            _remove(Path(item.path))


def _checked(entry_key: str) -> str:
    if not _KEY.fullmatch(entry_key):
        raise SpecError("IG603", f"{entry_key!r} is not a cache key", fix="cache.key(part, ...)")
    return entry_key


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except OSError:
        return


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        return


def _say_once(message: str) -> None:
    if message not in _said:
        _said.add(message)
        log(1, message)
