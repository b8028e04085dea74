"""Every switch of ingot: one Flag each, read from INGOT_<NAME>. No flag changes a result except FP."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from ingot.runtime.errors import SpecError

T = TypeVar("T")


class Flag(Generic[T]):
    """A named switch with a default, a parser and one line of help.

    The environment is read at the first `get`. A malformed value raises SpecError (IG001) there.
    """

    __slots__ = ("_value", "default", "help", "name", "parse", "type_name")

    def __init__(self, name: str, default: T, parse: Callable[[str], T], type_name: str, help: str) -> None:
        self.name = name
        self.default = default
        self.parse = parse
        self.type_name = type_name
        self.help = help
        self._value: T | None = None

    @property
    def env(self) -> str:
        """The environment variable that sets this flag."""
        return f"INGOT_{self.name}"

    def get(self) -> T:
        """The value in force: override, else environment, else default."""
        if self._value is None:
            self._value = self._from_environment()
        return self._value

    @contextmanager
    def override(self, value: T) -> Iterator[None]:
        """Set the flag for a with block, in this process."""
        before = self._value
        self._value = value
        try:
            yield
        finally:
            self._value = before

    def _from_environment(self) -> T:
        text = os.environ.get(self.env, "")
        if not text:
            return self.default
        try:
            return self.parse(text)
        except ValueError:
            raise SpecError(
                "IG001",
                f"{self.env}={text!r} is not a valid value",
                detail=[f"{self.name} takes {self.type_name}: {self.help}"],
                fix=f"{self.env}={_shell_text(self.default)}  (the default), or unset it",
            ) from None

    def __repr__(self) -> str:
        return f"Flag({self.env}={_shell_text(self.get())}: {self.help})"


def _shell_text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off"):
        return False
    raise ValueError(text)


def _between(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(text)
        return text

    return parse


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _default_cache_dir() -> Path:
    # A process without a home directory has no place for a cache; cache.py then stays silently off.
    try:
        return Path.home() / ".cache" / "ingot"
    except (RuntimeError, KeyError):
        return Path("/nonexistent/ingot")


LOG = Flag("LOG", 0, _between(0, 4), "0 to 4", "how much to say on standard error")
CACHE = Flag("CACHE", True, _boolean, "0 or 1", "keep compiled programs on disk")
CACHE_DIR = Flag("CACHE_DIR", _default_cache_dir(), _path, "a directory", "where compiled programs are kept")
CACHE_LIMIT_MB = Flag("CACHE_LIMIT_MB", 512, _between(1, 1 << 30), "megabytes", "size above which old entries go")
THREADS = Flag("THREADS", 0, _between(0, 4096), "a count, 0 = automatic", "threads that kernels may use")
VERIFY = Flag("VERIFY", False, _boolean, "0 or 1", "check graphs and kernels between all passes")
DEBUG = Flag("DEBUG", False, _boolean, "0 or 1", "show internal frames in errors")
DISPATCH = Flag(
    "DISPATCH", "auto", _one_of("auto", "native", "safe"), "auto, native or safe", "how compiled functions are called"
)
TARGET = Flag("TARGET", "", str, "an LLVM CPU name", "generate code for this CPU instead of the one found")
FP = Flag(
    "FP", "default", _one_of("default", "strict"), "default or strict", "strict: no contraction, no reassociation"
)

ALL: tuple[Flag[int] | Flag[bool] | Flag[str] | Flag[Path], ...] = (
    LOG,
    CACHE,
    CACHE_DIR,
    CACHE_LIMIT_MB,
    THREADS,
    VERIFY,
    DEBUG,
    DISPATCH,
    TARGET,
    FP,
)
