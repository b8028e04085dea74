"""A module over several devices: over the one that there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ingot.creation import check_device
from ingot.nn.module import Module


def _check(devices: Sequence[Any] | None) -> None:
    """Raises SpecError (IG234) for devices but the CPU."""
    for device in devices or ():
        check_device(device)


class DataParallel(Module):
    """Calls its module, as PyTorch does where there is no other device than the CPU; `module` in the state's keys.

    Raises SpecError (IG234) for `device_ids` of other devices.
    """

    def __init__(
        self, module: Module, device_ids: Sequence[Any] | None = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        _check([*(device_ids or ()), output_device])
        self.dim = dim
        self.module = module
        self.device_ids: list[int] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module gives."""
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """One call of a module on a tensor or a tuple of arguments. Raises SpecError (IG234) for other devices."""
    _check([*(device_ids or ()), output_device])
    return module(*(inputs if isinstance(inputs, tuple) else (inputs,)), **(module_kwargs or {}))
