"""The normal distribution of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ingot.distributions import constraints
from ingot.distributions.distribution import Distribution
from ingot.distributions.normal import HALF_LOG_TWO_PI, standard_normal
from ingot.functional.factorisations import cholesky, cholesky_inverse
from ingot.functional.linalg import matmul
from ingot.functional.systems import identity_like, mT, solve_triangular
from ingot.runtime.errors import SpecError
from ingot.runtime.layout import broadcast_shapes
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


def mahalanobis(scale_tril: Tensor, x: Tensor) -> Tensor:
    """The squared length of L^-1 x for vectors x."""
    return solve_triangular(scale_tril, x.unsqueeze(-1), upper=False).square().sum((-2, -1))


class MultivariateNormal(Distribution):
    """Normal vectors with mean `loc` and a covariance, its inverse or its Cholesky factor."""

    arg_constraints: ClassVar[dict[str, Any]] = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        given = {
            name: matrix
            for name, matrix in (
                ("covariance_matrix", covariance_matrix),
                ("precision_matrix", precision_matrix),
                ("scale_tril", scale_tril),
            )
            if matrix is not None
        }
        if loc.ndim < 1:
            raise SpecError("IG376", "loc must be at least one-dimensional.", where=user_line())
        if len(given) != 1:
            raise SpecError(
                "IG374",
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.",
                where=user_line(),
            )
        ((name, matrix),) = given.items()
        if matrix.ndim < 2:
            raise SpecError(
                "IG376",
                f"{name} must be at least two-dimensional, with optional leading batch dimensions",
                where=user_line(),
            )
        batch, n = broadcast_shapes(matrix.shape[:-2], loc.shape[:-1]), loc.shape[-1]
        self.loc = loc.expand((*batch, n))
        matrix = matrix.expand((*batch, n, n))
        self.__dict__[name] = matrix
        super().__init__(batch, (n,), validate_args=validate_args)
        if name == "precision_matrix":
            # P = L L^T read backwards gives the factor of its inverse.
            turned = mT(cholesky(matrix.flip(-2, -1)).flip(-2, -1))
            factor = solve_triangular(turned, identity_like(matrix), upper=False)
        else:
            factor = matrix if name == "scale_tril" else cholesky(matrix)
        self._unbroadcasted_scale_tril = factor

    _derived: ClassVar[tuple[str, ...]] = ("_unbroadcasted_scale_tril",)

    @property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor of the covariance."""
        return self._unbroadcasted_scale_tril

    @property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        given: Tensor | None = self.__dict__.get("covariance_matrix")
        return matmul(self.scale_tril, mT(self.scale_tril)) if given is None else given

    @property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        given: Tensor | None = self.__dict__.get("precision_matrix")
        return cholesky_inverse(self.scale_tril) if given is None else given

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self.scale_tril.square().sum(-1)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = tuple(self._extended_shape(sample_shape))
        return self.loc + matmul(self.scale_tril, standard_normal(shape, self.loc).unsqueeze(-1)).squeeze(-1)

    def _half_log_det(self) -> Tensor:
        return self.scale_tril.diagonal(0, -2, -1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        distance = mahalanobis(self.scale_tril, value - self.loc)
        n: int = self._event_shape[0]
        return -0.5 * distance - n * HALF_LOG_TWO_PI - self._half_log_det()

    def entropy(self) -> Tensor:
        n: int = self._event_shape[0]
        return n * (0.5 + HALF_LOG_TWO_PI) + self._half_log_det()
