"""`ingot.cuda`: there are no GPUs in this build. Questions are answered, requests are errors that say so."""

from __future__ import annotations

from typing import Any

from ingot import legacy
from ingot.cuda import amp as amp
from ingot.runtime.errors import DeviceError
from ingot.source_lines import user_line


class OutOfMemoryError(RuntimeError):
    """Never raised; programs name it to catch it."""


def no_gpu() -> DeviceError:
    """What asking for a GPU raises."""
    return DeviceError(
        "IG350",
        "Torch not compiled with CUDA enabled: this build of ingot computes on the CPU",
        where=user_line(),
        fix="device='cpu', or device = 'cuda' if ingot.cuda.is_available() else 'cpu'",
    )


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def is_initialized() -> bool:
    """False."""
    return False


def init() -> None:
    """Raises DeviceError (IG350)."""
    raise no_gpu()


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def manual_seed(seed: int) -> None:
    """Nothing: there is no generator of a GPU to seed."""


def manual_seed_all(seed: int) -> None:
    """Nothing: there are no generators of GPUs to seed."""


def seed() -> None:
    """Nothing."""


def seed_all() -> None:
    """Nothing."""


def empty_cache() -> None:
    """Nothing: there is no memory of a GPU."""


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing."""


def reset_max_memory_allocated(device: Any = None) -> None:
    """Nothing."""


def ipc_collect() -> None:
    """Nothing."""


def memory_allocated(device: Any = None) -> int:
    """0 bytes."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_cached = max_memory_cached = memory_allocated


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """A text that says there is none."""
    return "no GPU memory: this build of ingot computes on the CPU"


def memory_stats(device: Any = None) -> dict[str, int]:
    """Nothing."""
    return {}


def _refused(name: str) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        raise no_gpu()

    call.__name__ = call.__qualname__ = name
    call.__doc__ = "Raises DeviceError (IG350)."
    return call


synchronize = _refused("synchronize")
current_device = _refused("current_device")
get_device_name = _refused("get_device_name")
get_device_properties = _refused("get_device_properties")
get_device_capability = _refused("get_device_capability")
current_stream = _refused("current_stream")
default_stream = _refused("default_stream")
mem_get_info = _refused("mem_get_info")
get_rng_state = _refused("get_rng_state")
set_rng_state = _refused("set_rng_state")
Stream = _refused("Stream")
Event = _refused("Event")
CUDAGraph = _refused("CUDAGraph")


def set_device(device: Any) -> None:
    """Raises DeviceError (IG350), except for a negative index, which chooses nothing."""
    if not (isinstance(device, int) and device < 0):
        raise no_gpu()


class device:
    """A context manager that chooses a GPU; without one it does nothing."""

    def __init__(self, device: Any) -> None:
        self.idx = -1

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        return None


class stream(device):
    """A context manager that chooses a stream; without a GPU it does nothing."""


def _gpu_constructor(name: str) -> Any:
    class OnGpu(type):
        """No tensor is one."""

        def __instancecheck__(cls, instance: object) -> bool:
            return False

    def make(cls: Any, *args: Any, **kwargs: Any) -> Any:
        raise no_gpu()

    return OnGpu(name, (), {"__new__": make, "__module__": "ingot.cuda", "dtype": getattr(legacy, name).dtype})


FloatTensor = _gpu_constructor("FloatTensor")
DoubleTensor = _gpu_constructor("DoubleTensor")
HalfTensor = _gpu_constructor("HalfTensor")
BFloat16Tensor = _gpu_constructor("BFloat16Tensor")
LongTensor = _gpu_constructor("LongTensor")
IntTensor = _gpu_constructor("IntTensor")
ShortTensor = _gpu_constructor("ShortTensor")
CharTensor = _gpu_constructor("CharTensor")
ByteTensor = _gpu_constructor("ByteTensor")
BoolTensor = _gpu_constructor("BoolTensor")
