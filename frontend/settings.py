"""Settings of the whole process that PyTorch's programs make: threads, determinism, precision, the default device."""

from __future__ import annotations

from typing import Any

from ingot import creation
from ingot.runtime import threads
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.tensor import CPU, Device


class _Settings:
    deterministic = False
    warn_only = False
    precision = "highest"
    warn_always = False
    debug = 0
    interop_threads = 1


def get_num_threads() -> int:
    """Threads that a compiled kernel may use."""
    return threads.get_num_threads()


def set_num_threads(num: int) -> None:
    """Let compiled kernels use so many threads. Raises SpecError (IG217) for fewer than one."""
    if not isinstance(num, int) or num < 1:
        raise SpecError("IG217", f"set_num_threads expects a positive integer, not {num!r}", where=user_line())
    threads.set_num_threads(num)


def get_num_interop_threads() -> int:
    """Remembered; operations run one after another."""
    return _Settings.interop_threads


def set_num_interop_threads(num: int) -> None:
    """Remembered."""
    _Settings.interop_threads = num


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Remembered: results are the same in every run, whatever is set."""
    _Settings.deterministic, _Settings.warn_only = mode, warn_only


def are_deterministic_algorithms_enabled() -> bool:
    """What use_deterministic_algorithms set."""
    return _Settings.deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What use_deterministic_algorithms set."""
    return _Settings.warn_only


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """Remembered: 0 or "default", 1 or "warn", 2 or "error"."""
    names = {"default": 0, "warn": 1, "error": 2}
    level = names.get(debug_mode, -1) if isinstance(debug_mode, str) else debug_mode
    if level not in (0, 1, 2):
        raise SpecError("IG217", f"debug_mode is one of {list(names)} or 0 to 2, not {debug_mode!r}", where=user_line())
    _Settings.debug = level
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """What set_deterministic_debug_mode set."""
    return _Settings.debug


def set_float32_matmul_precision(precision: str) -> None:
    """Remembered; products are computed in the highest. Raises SpecError (IG217) for other names."""
    if precision not in ("highest", "high", "medium"):
        raise SpecError("IG217", f"precision is 'highest', 'high' or 'medium', not {precision!r}", where=user_line())
    _Settings.precision = precision


def get_float32_matmul_precision() -> str:
    """What set_float32_matmul_precision set."""
    return _Settings.precision


def set_flush_denormal(mode: bool) -> bool:
    """False: numbers below the normal ones are always kept."""
    return False


def set_warn_always(b: bool) -> None:
    """Remembered."""
    _Settings.warn_always = b


def is_warn_always_enabled() -> bool:
    """What set_warn_always set."""
    return _Settings.warn_always


def set_default_device(device: Any) -> None:
    """The CPU (or None). Raises DeviceError (IG350) or SpecError (IG234) for another."""
    creation.check_device(device)


def get_default_device() -> Device:
    """The CPU."""
    return CPU
