"""Matrices with orthonormal rows or columns, parametrized by matrices without constraints."""

from __future__ import annotations

from typing import Any

import numpy as np

from ingot.core import tensor_from_array
from ingot.creation import eye
from ingot.functional.conversion import elements
from ingot.functional.factorisations import householder_product, qr
from ingot.functional.joining import cat
from ingot.functional.sampling import randn
from ingot.functional.systems import matrix_exp, solve
from ingot.modes import no_grad
from ingot.nn.module import Module
from ingot.nn.utils.parametrize import register_parametrization
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor

MAPS = ("matrix_exp", "cayley", "householder")


class _Orthogonal(Module):
    """The map from matrices to orthogonal ones; tall ones are mapped, wide ones by their transposes."""

    base: Tensor | None

    def __init__(self, map: str) -> None:
        super().__init__()
        self.orthogonal_map = map

    def forward(self, X: Tensor) -> Tensor:
        wide = X.shape[-2] < X.shape[-1]
        x = X.mT if wide else X
        q = _reflected(x) if self.orthogonal_map == "householder" else self._rotated(x)
        base = self._buffers.get("base")
        if base is not None:
            q = base @ q
        return q.mT if wide else q

    def _rotated(self, x: Tensor) -> Tensor:
        """The exponential or the Cayley transform of the skew-symmetric matrix of x's lower triangle."""
        rows, columns = x.shape[-2:]
        lower = x.tril()
        if rows != columns:
            lower = cat([lower, lower.new_zeros((*x.shape[:-1], rows - columns))], -1)
        skew = lower - lower.mT
        if self.orthogonal_map == "matrix_exp":
            q = matrix_exp(skew)
        else:
            one = eye(rows, dtype=x.dtype)
            q = solve(one - 0.5 * skew, one + 0.5 * skew)
        return q if rows == columns else q.narrow(-1, 0, columns)


class _Invertible(_Orthogonal):
    """With Householder reflections, every matrix with orthonormal columns can be set."""

    @no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        wide = Q.shape[-2] < Q.shape[-1]
        matrix = elements(Q.mT if wide else Q, "right_inverse()")
        packed, factors = np.linalg.qr(matrix.astype(np.float64), mode="raw")
        packed = packed.swapaxes(-1, -2).copy()
        diagonal = np.einsum("...ii->...i", packed[..., : packed.shape[-1], :])
        diagonal[...] = np.where(factors == 0, -np.sign(diagonal), np.sign(diagonal))
        made = tensor_from_array(np.array(packed, Q.dtype.numpy, order="C"))
        return made.mT if wide else made


class _Trivialised(_Orthogonal):
    """Relative to `base`, the matrix that was set last. Lezcano-Casado 2019."""

    def __init__(self, map: str) -> None:
        super().__init__(map)
        self.register_buffer("base", None)

    @no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        q = Q.detach()
        q = q.mT if q.shape[-2] < q.shape[-1] else q
        rows, columns = q.shape[-2:]
        if rows != columns:
            q = _orthonormal(cat([q, randn(*q.shape[:-2], rows, rows - columns, dtype=q.dtype)], -1))
        elif not _is_orthogonal(q):
            q = _orthonormal(q)
        self.base = q.clone()
        # Minus one, since the diagonal chooses the signs of reflections.
        return -eye(*Q.shape[-2:], dtype=Q.dtype).expand(Q.shape)


def _reflected(x: Tensor) -> Tensor:
    """The product of the Householder reflections whose vectors are below the diagonal, with the diagonal's signs."""
    below = x.tril(-1)
    factors = 2.0 / (1.0 + (below * below).sum(-2))
    signs = x.diagonal(0, -2, -1).detach().trunc()
    return householder_product(below, factors) * signs.unsqueeze(-2)


def _orthonormal(x: Tensor) -> Tensor:
    """The Q of x = QR with a positive diagonal of R."""
    q, r = qr(x)
    return q * r.diagonal(0, -2, -1).sign().unsqueeze(-2)


def _is_orthogonal(q: Tensor) -> bool:
    array = elements(q, "right_inverse()")
    limit = 10 * array.shape[-1] * np.finfo(array.dtype).eps
    return bool(np.allclose(array.swapaxes(-1, -2) @ array, np.eye(array.shape[-1]), atol=limit))


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep the rows or columns (whichever are fewer) of a parameter orthonormal. The module.

    `orthogonal_map`: "matrix_exp" (the default for square matrices), "cayley" or "householder" (the default for
    others). `use_trivialization`: relative to a base, so that every orthogonal matrix can be set; the present
    parameter is made orthogonal for it. Outside of compiled code. Raises SpecError (IG337) for other maps, names and
    vectors.
    """
    weight: Any = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise SpecError("IG337", f"Module {module!r} has no parameter or buffer with name {name!r}", where=user_line())
    if weight.dim() < 2:
        raise SpecError(
            "IG337",
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.dim()} dimensions.",
            where=user_line(),
        )
    chosen = orthogonal_map or ("matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder")
    if chosen not in MAPS:
        raise SpecError("IG337", f"orthogonal_map has to be one of {MAPS}, not {chosen!r}", where=user_line())
    kind = _Trivialised if use_trivialization else _Invertible if chosen == "householder" else _Orthogonal
    return register_parametrization(module, name, kind(chosen), unsafe=True)
