"""Spectral normalisation under the names <name>_orig, <name>_u and <name>_v. Miyato et al. 2018."""

from __future__ import annotations

from typing import Any, TypeVar

from ingot.functional.normalization import normalize
from ingot.modes import no_grad
from ingot.nn.module import Module
from ingot.nn.utils.parametrizations import as_matrix, check_iterations, rows_dimension
from ingot.nn.utils.parametrize import add_property, properties_of, remove_property
from ingot.runtime.errors import GradError, SpecError
from ingot.source_lines import user_line
from ingot.tensor import Parameter, Tensor

T = TypeVar("T", bound=Module)


def spectral_norm(
    module: T, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> T:
    """Divide a parameter by its largest singular value, as a matrix whose rows are `dim` (0; 1 for transposed
    convolutions). Every call of the module while training takes `n_power_iterations` more steps towards that value.

    Raises GradError (IG337), a RuntimeError, if the parameter is normalised already.
    """
    if name in properties_of(module):
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

    def iterate(owner: Module, _: Any) -> None:
        if not owner.training:
            return
        with no_grad():
            matrix = as_matrix(getattr(owner, name + "_orig"), rows)
            left, right = getattr(owner, name + "_u"), getattr(owner, name + "_v")
            new_left, new_right = left, right
            for _ in range(n_power_iterations):
                new_right = normalize(matrix.mT.mv(new_left), dim=0, eps=eps)
                new_left = normalize(matrix.mv(new_right), dim=0, eps=eps)
            left.copy_(new_left)
            right.copy_(new_right)

    def computed(owner: Module) -> Tensor:
        original = getattr(owner, name + "_orig")
        # Copies, since the next iteration writes to the buffers that this derivative reads.
        left, right = getattr(owner, name + "_u").clone(), getattr(owner, name + "_v").clone()
        return original / left.dot(as_matrix(original, rows).mv(right))  # type: ignore[no-any-return]

    handle = module.register_forward_pre_hook(iterate)
    object.__setattr__(module, "_spectral_norm_handles", {**_handles(module), name: handle})
    add_property(module, name, computed)
    return module


def _handles(module: Module) -> dict[str, Any]:
    return dict(module.__dict__.get("_spectral_norm_handles", {}))


def remove_spectral_norm(module: T, name: str = "weight") -> T:
    """Make a parameter an ordinary one again, with its present elements. Raises SpecError (IG337) if it is one."""
    handles = _handles(module)
    if name not in handles:
        raise SpecError("IG337", f"spectral_norm of '{name}' not found in {module!r}", where=user_line())
    with no_grad():
        weight = getattr(module, name).detach().clone()
    handles.pop(name).remove()
    object.__setattr__(module, "_spectral_norm_handles", handles)
    remove_property(module, name)
    for suffix in ("_u", "_v"):
        del module._buffers[name + suffix]
    del module._parameters[name + "_orig"]
    module.register_parameter(name, Parameter(weight))
    return module
