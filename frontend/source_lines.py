"""Where the user wrote it: the innermost frame outside ingot."""

from __future__ import annotations

import linecache
import os
import sys
from types import FrameType

from ingot.compiler.ir import Location
from ingot.runtime import flags

# All packages of ingot, by the folders of their files.
_FOLDERS = tuple(
    os.path.dirname(os.path.abspath(sys.modules[name].__file__ or "")) + os.sep
    for name in ("ingot", "ingot.compiler", "ingot.runtime")
)
_PYTHON = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
# Whether a file is ingot's own, for the files seen.
known_files: dict[str, bool] = {}
# Characters of a line of the user's that errors show.
_SHOWN = 160


def is_internal(filename: str) -> bool:
    """Whether a file is ingot's own."""
    known = known_files.get(filename)
    if known is None:
        known = filename.startswith(_FOLDERS) or filename.startswith("<frozen ")
        known_files[filename] = known
    return known


def user_frame(depth: int = 2) -> FrameType | None:
    """The innermost frame outside ingot, or None when there is none."""
    try:
        frame: FrameType | None = sys._getframe(depth)
    except ValueError:
        return None
    if flags.DEBUG.get():
        return frame
    while frame is not None and (is_internal(frame.f_code.co_filename) or _is_python(frame.f_code.co_filename)):
        frame = frame.f_back
    return frame


def _is_python(filename: str) -> bool:
    """Whether a file is of Python's own library (`copy.deepcopy` calls us, and the user called that)."""
    return filename.startswith(_PYTHON) and "-packages" not in filename


def describe(filename: str, line: int) -> str:
    """`file:line: source text`, as errors show it."""
    text = linecache.getline(filename, line).strip()
    if len(text) > _SHOWN:
        text = f"{text[: _SHOWN - 3]}..."
    return f"{filename}:{line}: {text}" if text else f"{filename}:{line}"


def describe_location(location: Location | None) -> str | None:
    """`file:line: source text` of a value's location."""
    return None if location is None else describe(location.file, location.line)


def user_line() -> str | None:
    """`file:line: source text` of the user's line that is running."""
    frame = user_frame(2)
    return None if frame is None else describe(frame.f_code.co_filename, frame.f_lineno)
