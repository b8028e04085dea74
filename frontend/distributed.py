"""PyTorch's questions about other processes: there are none, and programs that ask run as one."""

from __future__ import annotations

from typing import NoReturn


def is_available() -> bool:
    """Whether processes can work together: no."""
    return False


def is_initialized() -> bool:
    """Whether this process is one of a group: no."""
    return False


def is_nccl_available() -> bool:
    """Whether GPUs can send to each other: no."""
    return False


def is_gloo_available() -> bool:
    """Whether processes can send to each other: no."""
    return False


def is_mpi_available() -> bool:
    """Whether there is MPI: no."""
    return False


def is_torchelastic_launched() -> bool:
    """Whether PyTorch's launcher started this process: no."""
    return False


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(f"ingot.distributed has no {name!r}: a program is one process, and is_available() is False")
