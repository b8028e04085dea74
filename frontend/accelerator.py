"""`ingot.accelerator`: the questions programs ask about accelerators; this build has none."""

from __future__ import annotations

from typing import Any

from ingot.cuda import no_gpu


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def current_accelerator(check_available: bool = False) -> Any:
    """None: computing is done on the CPU."""
    return None


def current_device_index() -> int:
    """Raises DeviceError (IG350)."""
    raise no_gpu()


current_device_idx = current_device_index


def set_device_index(device: Any) -> None:
    """Raises DeviceError (IG350)."""
    raise no_gpu()


set_device_idx = set_device_index


def current_stream(device: Any = None) -> Any:
    """Raises DeviceError (IG350)."""
    raise no_gpu()


def synchronize(device: Any = None) -> None:
    """Raises DeviceError (IG350)."""
    raise no_gpu()


def empty_cache() -> None:
    """Nothing: there is no memory of an accelerator."""


class device_index:
    """A context manager that chooses an accelerator; None chooses none. Raises DeviceError (IG350) otherwise."""

    def __init__(self, device: int | None) -> None:
        self.device = device

    def __enter__(self) -> None:
        if self.device is not None:
            raise no_gpu()

    def __exit__(self, *error: object) -> None:
        return None
