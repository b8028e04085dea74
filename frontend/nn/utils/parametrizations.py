"""Usual parametrizations: by direction and length, and by the largest singular value."""

from __future__ import annotations

from ingot.functional.arithmetic import div
from ingot.functional.matrix_norms import vector_norm
from ingot.functional.normalization import normalize
from ingot.modes import no_grad
from ingot.nn.convolution import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ingot.nn.module import Module
from ingot.nn.utils.orthogonal import orthogonal as orthogonal
from ingot.nn.utils.parametrize import register_parametrization
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor


def norm_except(x: Tensor, dim: int | None) -> Tensor:
    """The norms of the slices along `dim`, that one kept at its size and the others at 1; of all for None or -1."""
    if dim is None or dim == -1:
        return vector_norm(x)
    kept = dim % x.dim()
    return vector_norm(x, 2, [d for d in range(x.dim()) if d != kept], True) if x.dim() > 1 else x.abs()


class _WeightNorm(Module):
    """g * v / ||v||. Salimans & Kingma 2016."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * div(weight_g, norm_except(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except(weight, self.dim), weight.clone()


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train a parameter's lengths along `dim` (None: of the whole) and its direction instead of it. The module.

    They are parametrizations.<name>.original0 and original1. Salimans & Kingma 2016. Raises SpecError (IG337) for names
    that are no parameter.
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


def check_iterations(count: int) -> None:
    """Raises SpecError (IG337) unless there is at least one."""
    if count <= 0:
        raise SpecError(
            "IG337",
            f"Expected n_power_iterations to be positive, but got n_power_iterations={count}",
            where=user_line(),
        )


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight with `dim` first and the others as one."""
    if dim != 0:
        weight = weight.permute(dim, *[d for d in range(weight.dim()) if d != dim])
    return weight.reshape(weight.shape[0], -1)


def rows_dimension(module: Module, dim: int | None) -> int:
    """The dimension of a module's weight that counts outputs."""
    if dim is not None:
        return dim
    return 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0


class _SpectralNorm(Module):
    """weight / (its largest singular value, by power iteration while training). Miyato et al. 2018."""

    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        check_iterations(n_power_iterations)
        self.dim = dim if dim >= 0 else dim + weight.dim()
        self.eps = eps
        if weight.dim() > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight.detach(), self.dim)
            for name, size in zip(("_u", "_v"), matrix.shape, strict=True):
                self.register_buffer(name, normalize(matrix.new_empty(size).normal_(0, 1), dim=0, eps=eps))
            self._iterate(matrix, 15)

    @no_grad()
    def _iterate(self, matrix: Tensor, times: int) -> None:
        u, v = self._u, self._v
        for _ in range(times):
            u = normalize(matrix.mv(v), dim=0, eps=self.eps)
            v = normalize(matrix.mT.mv(u), dim=0, eps=self.eps)
        self._u.copy_(u)
        self._v.copy_(v)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.dim() == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        # Copies, since the next iteration writes to the buffers that this derivative reads.
        u, v = self._u.clone(), self._v.clone()
        return div(weight, u.dot(matrix.mv(v)))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a parameter by its largest singular value, as a matrix whose rows are `dim`. The module.

    Every read while training takes `n_power_iterations` more steps towards that value. `dim` is 0, or 1 for transposed
    convolutions. Miyato et al. 2018. Raises SpecError (IG337) for names that are no parameter.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise SpecError("IG337", f"Module {module!r} has no parameter or buffer with name {name!r}", where=user_line())
    made = _SpectralNorm(weight, n_power_iterations, rows_dimension(module, dim), eps)
    return register_parametrization(module, name, made)
