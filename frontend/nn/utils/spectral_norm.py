"""Spectral normalisation under the names <name>_orig, <name>_u and <name>_v. Miyato et al. 2018."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from ingot.functional.arithmetic import div
from ingot.functional.normalization import normalize
from ingot.modes import no_grad
from ingot.nn.module import Module
from ingot.nn.utils.parametrizations import as_matrix, check_iterations, rows_dimension
from ingot.nn.utils.parametrize import Computed, add_computed, computed_of, remove_computed
from ingot.runtime.errors import GradError, SpecError
from ingot.source_lines import user_line
from ingot.tensor import Parameter, Tensor

T = TypeVar("T", bound=Module)


@dataclass(frozen=True)
class _Iteration:
    """What runs before every call: steps of the power iteration, while training."""

    name: str
    rows: int
    count: int
    eps: float

    @no_grad()
    def __call__(self, module: Module, _: Any) -> None:
        if not module.training:
            return
        matrix = as_matrix(getattr(module, self.name + "_orig"), self.rows)
        left: Tensor = getattr(module, self.name + "_u")
        right: Tensor = getattr(module, self.name + "_v")
        new_left, new_right = left, right
        for _ in range(self.count):
            new_right = normalize(matrix.mT.mv(new_left), dim=0, eps=self.eps)
            new_left = normalize(matrix.mv(new_right), dim=0, eps=self.eps)
        left.copy_(new_left)
        right.copy_(new_right)


@dataclass(frozen=True)
class _Weight:
    """Computes the weight."""

    name: str
    rows: int

    def __call__(self, module: Module) -> Tensor:
        original: Tensor = getattr(module, self.name + "_orig")
        # Copies, since the next iteration writes to the buffers that this derivative reads.
        left = getattr(module, self.name + "_u").clone()
        right = getattr(module, self.name + "_v").clone()
        return div(original, left.dot(as_matrix(original, self.rows).mv(right)))


def spectral_norm(
    module: T, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> T:
    """Divide a parameter by its largest singular value, as a matrix whose rows are `dim` (0; 1 for transposed
    convolutions). Every call of the module while training takes `n_power_iterations` more steps towards that value.

    Raises GradError (IG337), a RuntimeError, if the parameter is normalised already.
    """
    if name in computed_of(module):
        raise GradError(
            "IG337", f"Cannot register two spectral_norm hooks on the same parameter {name}", where=user_line()
        )
    check_iterations(n_power_iterations)
    weight = getattr(module, name)
    rows = rows_dimension(module, dim)
    height, width = as_matrix(weight.detach(), rows).shape
    u = normalize(weight.detach().new_empty(height).normal_(0, 1), dim=0, eps=eps)
    v = normalize(weight.detach().new_empty(width).normal_(0, 1), dim=0, eps=eps)
    del module._parameters[name]
    module.register_parameter(name + "_orig", weight)
    module.register_buffer(name + "_u", u)
    module.register_buffer(name + "_v", v)
    module.register_forward_pre_hook(_Iteration(name, rows, n_power_iterations, eps))
    add_computed(module, name, Computed(_Weight(name, rows)))
    return module


def remove_spectral_norm(module: T, name: str = "weight") -> T:
    """Make a parameter an ordinary one again, with its present elements. Raises SpecError (IG337) if it is one."""
    hooks = module._forward_pre_hooks
    own = [key for key, hook in hooks.items() if isinstance(hook, _Iteration) and hook.name == name]
    if not own:
        raise SpecError("IG337", f"spectral_norm of '{name}' not found in {module!r}", where=user_line())
    with no_grad():
        weight = getattr(module, name).detach().clone()
    del hooks[own[0]]
    remove_computed(module, name)
    for suffix in ("_u", "_v"):
        del module._buffers[name + suffix]
    del module._parameters[name + "_orig"]
    module.register_parameter(name, Parameter(weight))
    return module
