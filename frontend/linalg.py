"""`ingot.linalg`: linear algebra under PyTorch's names. float32 and float64; the last two dimensions are matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingot.functional import linalg as _products
from ingot.functional import matrix_norms as _norms
from ingot.functional.factorisations import cholesky as cholesky
from ingot.functional.factorisations import cholesky_ex as cholesky_ex
from ingot.functional.factorisations import cond as cond
from ingot.functional.factorisations import eig as eig
from ingot.functional.factorisations import eigh as eigh
from ingot.functional.factorisations import eigvals as eigvals
from ingot.functional.factorisations import eigvalsh as eigvalsh
from ingot.functional.factorisations import householder_product as householder_product
from ingot.functional.factorisations import lstsq as lstsq
from ingot.functional.factorisations import matrix_rank as matrix_rank
from ingot.functional.factorisations import pinv as pinv
from ingot.functional.factorisations import qr as qr
from ingot.functional.factorisations import svd as svd
from ingot.functional.factorisations import svdvals as svdvals
from ingot.functional.factorisations import vander as vander
from ingot.functional.linalg import matmul as matmul
from ingot.functional.linalg import multi_dot as multi_dot
from ingot.functional.linalg import vecdot as vecdot
from ingot.functional.matrix_norms import matrix_norm as matrix_norm
from ingot.functional.matrix_norms import vector_norm as vector_norm
from ingot.functional.shaping import diagonal as _diagonal
from ingot.functional.systems import det as det
from ingot.functional.systems import inv as inv
from ingot.functional.systems import inv_ex as inv_ex
from ingot.functional.systems import lu as lu
from ingot.functional.systems import lu_factor as lu_factor
from ingot.functional.systems import lu_factor_ex as lu_factor_ex
from ingot.functional.systems import lu_solve as lu_solve
from ingot.functional.systems import matrix_exp as matrix_exp
from ingot.functional.systems import matrix_power as matrix_power
from ingot.functional.systems import slogdet as slogdet
from ingot.functional.systems import solve as solve
from ingot.functional.systems import solve_ex as solve_ex
from ingot.functional.systems import solve_triangular as solve_triangular
from ingot.functional.systems import tensorinv as tensorinv
from ingot.functional.systems import tensorsolve as tensorsolve
from ingot.runtime.errors import LinAlgError as LinAlgError

if TYPE_CHECKING:
    from ingot.tensor import Tensor

cross = _products.linalg_cross
norm = _norms.linalg_norm


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The elements where two dimensions, by default the last two, have equal indices (dim2's larger by `offset`)."""
    return _diagonal(A, offset, dim1, dim2)
