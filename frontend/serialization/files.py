"""`ingot.save` and `ingot.load`: which format a file has, and files that appear whole or not at all."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from typing import IO, Any

from ingot.creation import check_device
from ingot.modes import modes
from ingot.runtime.errors import DTypeError, OutputError, SpecError, TraceError
from ingot.serialization import archive, legacy, weights
from ingot.serialization.errors import CheckpointError, MissingFileError
from ingot.source_lines import user_line

_WEIGHTS = ".safetensors"


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write an object to a path or a binary file: PyTorch's zip checkpoint, or safetensors if the path ends so.

    A file at a path appears whole, when everything is on the disk, or stays what it was. `torch.load` reads it.
    Raises UnpicklableError (IG408), SpecError (IG605: safetensors hold trees of tensors and plain values, IG409 for
    arguments), OutputError (IG602) when the file cannot be written, TraceError (IG405) in a compiled function.
    """
    _outside_traces("save")
    if pickle_module is not pickle or not _use_new_zipfile_serialization:
        raise _refused(
            "save writes PyTorch's zip format with Python's pickle; pickle_module= and the old format are not"
        )
    if not 2 <= pickle_protocol <= 5:
        raise _refused(f"pickle_protocol is 2 to 5, not {pickle_protocol}")
    path = _path_of(f)
    if path is None:
        if not hasattr(f, "write"):
            raise _no_file(f)
        archive.write(obj, f, pickle_protocol)
    elif path.endswith(_WEIGHTS):
        data = weights.serialised(obj)
        _write_whole(path, lambda file: file.write(data))
    else:
        _write_whole(path, lambda file: archive.write(obj, file, pickle_protocol))


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """What `ingot.save` or `torch.save` wrote to a path or a binary file, or the tensors of a safetensors file.

    The format is told from the contents. Tensors come to the CPU, wherever they were. No file runs code, with
    `weights_only=False` neither: classes have to be allowed by `ingot.serialization.add_safe_globals`.
    `mmap` reads the contents of tensors of a zip checkpoint when they are used; their checksums are not tested then.

    Raises CheckpointError (IG406) for damaged files, UnsafeGlobalError (IG407), SpecError (IG409) for arguments,
    OutputError (IG606; also a FileNotFoundError if so) for files that cannot be read, TraceError (IG405).
    """
    _outside_traces("load")
    if pickle_module not in (None, pickle):
        raise _refused("load reads pickles by itself; there is no pickle_module=")
    if pickle_load_args.keys() - {"encoding"}:
        raise _refused(f"load takes no {', '.join(map(repr, pickle_load_args))}")
    _check_location(map_location)
    path = _path_of(f)
    if path is None:
        if mmap:
            raise _refused("mmap=True needs the path of a file")
        if not hasattr(f, "read"):
            raise _no_file(f)
        return _read(f if _seekable(f) else io.BytesIO(f.read()), None, "the file", False)
    try:
        with open(path, "rb") as file:
            return _read(file, path, path, bool(mmap))
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        kind = MissingFileError if isinstance(error, FileNotFoundError) else OutputError
        raise kind("IG606", f"cannot read {path}: {error.strerror or error}", where=user_line()) from None


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """The full names that a zip checkpoint needs and that nobody has allowed."""
    with io.BytesIO(f.read()) if hasattr(f, "read") else open(f, "rb") as file:
        return archive.Reader(file, None).unknown_names()


def _no_file(f: Any) -> DTypeError:
    return DTypeError("IG409", f"expected a path or a binary file, not {type(f).__name__}", where=user_line())


def _outside_traces(what: str) -> None:
    if modes.trace is not None:
        raise TraceError(
            "IG405",
            f"{what} was called while a function is compiled; the compiled code would not do it again",
            where=user_line(),
            fix=f"{what} outside of the compiled function",
        )


def _refused(what: str) -> SpecError:
    return SpecError("IG409", what, where=user_line())


def _path_of(f: Any) -> str | None:
    return os.fsdecode(f) if isinstance(f, (str, bytes, os.PathLike)) else None


def _seekable(file: Any) -> bool:
    return hasattr(file, "seek") and (not hasattr(file, "seekable") or file.seekable())


def _check_location(location: Any) -> None:
    """Every place is the CPU. Raises DeviceError (IG350) or SpecError (IG234) for another one that is asked for."""
    if isinstance(location, dict):
        for place in location.values():
            check_device(place)
    elif not callable(location):
        check_device(location)


# ---- reading


def _read(file: IO[bytes], path: str | None, name: str, mmap: bool) -> Any:
    start = file.tell()
    head = file.read(len(legacy.START))
    if head[:4] == b"PK\x03\x04":
        return archive.Reader(file, path).load(mmap)
    if mmap:
        raise _refused(f"mmap=True needs a zip checkpoint, which {name} is not")
    if head[8:9] == b"{":
        file.seek(start)
        return weights.read(file.read() if path is None else path, name)
    if head == legacy.START:
        file.seek(start)
        found, end = legacy.read(file.read())
        # Another checkpoint may follow in the same file.
        file.seek(start + end)
        return found
    raise CheckpointError("IG406", f"{name} {_what_else(head)}", where=user_line())


def _what_else(head: bytes) -> str:
    if not head:
        return "is empty"
    if head[:1] == b"\x80":
        return "is a plain pickle, no checkpoint; pickle.load reads it, and runs whatever it says"
    return "is no checkpoint: neither PyTorch's zip or old format nor safetensors"


# ---- writing


def _write_whole(path: str, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file beside the path, wait until it is on the disk, and give it the name."""
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise MissingFileError("IG602", f"cannot write {path}: Parent directory {folder} does not exist.")
    try:
        if os.path.exists(target) and not os.path.isfile(target):
            # A pipe or a device.
            with open(target, "wb") as file:
                write(file)
            return
        _replace(target, folder, write)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError("IG602", f"cannot write {path}: {error.strerror or error}", where=user_line()) from None


def _replace(target: str, folder: str, write: Callable[[IO[bytes]], Any]) -> None:
    beside = os.path.join(folder, f".{os.path.basename(target)}.{os.urandom(6).hex()}.ingot")
    # Made by hand, as tempfile's are readable by their owner alone.
    handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(handle, "w+b") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(target):
            os.chmod(beside, os.stat(target).st_mode & 0o7777)
        os.replace(beside, target)
    except BaseException:
        os.unlink(beside)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """The new name survives a loss of power only when the folder is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        # Some file systems cannot; the file itself is whole.
        return
    finally:
        os.close(handle)
