"""Weight normalisation under the parameter names <name>_g and <name>_v. Salimans & Kingma 2016."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from ingot.functional.arithmetic import div
from ingot.modes import no_grad
from ingot.nn.module import Module
from ingot.nn.utils.parametrizations import norm_except
from ingot.nn.utils.parametrize import Computed, add_computed, computed_of, remove_computed
from ingot.runtime.errors import GradError, SpecError
from ingot.source_lines import user_line
from ingot.tensor import Parameter, Tensor

T = TypeVar("T", bound=Module)


@dataclass(frozen=True)
class _Weight:
    """Computes the weight."""

    name: str
    dim: int | None

    def __call__(self, module: Module) -> Tensor:
        direction: Tensor = getattr(module, self.name + "_v")
        return direction * div(getattr(module, self.name + "_g"), norm_except(direction, self.dim))


def weight_norm(module: T, name: str = "weight", dim: int | None = 0) -> T:
    """Train a parameter's lengths along `dim` (None: of the whole), <name>_g, and direction, <name>_v, instead of it.

    `module.name` is computed from them when it is read. Raises GradError (IG337), a RuntimeError, if it is already.
    """
    if name in computed_of(module):
        raise GradError(
            "IG337", f"Cannot register two weight_norm hooks on the same parameter {name}", where=user_line()
        )
    weight = getattr(module, name)
    lengths = norm_except(weight.detach(), dim)
    del module._parameters[name]
    module.register_parameter(name + "_g", Parameter(lengths))
    module.register_parameter(name + "_v", Parameter(weight.detach()))

    add_computed(module, name, Computed(_Weight(name, dim)))
    return module


def remove_weight_norm(module: T, name: str = "weight") -> T:
    """Make a parameter an ordinary one again, with its present elements. Raises SpecError (IG337) if it is one."""
    if name + "_g" not in module._parameters or name not in computed_of(module):
        raise SpecError("IG337", f"weight_norm of '{name}' not found in {module!r}", where=user_line())
    with no_grad():
        weight = getattr(module, name).detach().clone()
    remove_computed(module, name)
    del module._parameters[name + "_g"], module._parameters[name + "_v"]
    module.register_parameter(name, Parameter(weight))
    return module
