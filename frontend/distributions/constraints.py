"""Constraints of parameters and supports: regions of the real line, of vectors and of matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ingot.functional.factorisations import cholesky_ex as _cholesky_ex

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class Constraint:
    """A region. `check(value)` says for each event whether it lies inside; `event_dim` dimensions make an event."""

    is_discrete = False
    event_dim = 0

    def check(self, value: Any) -> Any:
        """A bool for every event."""
        raise AssertionError("a constraint that depends on parameters is read from an instance of the distribution")

    def __repr__(self) -> str:
        return type(self).__name__[1:] + "()"


class _Simple(Constraint):
    """A region that a test describes."""

    def __init__(self, name: str, test: Callable[[Any], Any], event_dim: int = 0, discrete: bool = False) -> None:
        self.name, self.test, self.event_dim, self.is_discrete = name, test, event_dim, discrete

    def check(self, value: Any) -> Any:
        return self.test(value)

    def __repr__(self) -> str:
        return self.name


class dependent_property(property):
    """A property of a distribution that gives a constraint; on the class it stands for any such."""

    def __init__(
        self, fn: Callable[[Any], Constraint] | None = None, *, is_discrete: bool = False, event_dim: int = 0
    ) -> None:
        super().__init__(fn)
        self.is_discrete, self.event_dim = is_discrete, event_dim

    def __call__(self, fn: Callable[[Any], Constraint]) -> dependent_property:
        return dependent_property(fn, is_discrete=self.is_discrete, event_dim=self.event_dim)


class _Dependent(Constraint):
    pass


class _GreaterThan(Constraint):
    def __init__(self, lower_bound: Any) -> None:
        self.lower_bound = lower_bound

    def check(self, value: Any) -> Any:
        return self.lower_bound < value

    def __repr__(self) -> str:
        return f"GreaterThan(lower_bound={self.lower_bound})"


class _GreaterThanEq(_GreaterThan):
    def check(self, value: Any) -> Any:
        return self.lower_bound <= value

    def __repr__(self) -> str:
        return f"GreaterThanEq(lower_bound={self.lower_bound})"


class _LessThan(Constraint):
    def __init__(self, upper_bound: Any) -> None:
        self.upper_bound = upper_bound

    def check(self, value: Any) -> Any:
        return value < self.upper_bound

    def __repr__(self) -> str:
        return f"LessThan(upper_bound={self.upper_bound})"


class _Interval(Constraint):
    def __init__(self, lower_bound: Any, upper_bound: Any) -> None:
        self.lower_bound, self.upper_bound = lower_bound, upper_bound

    def check(self, value: Any) -> Any:
        return (self.lower_bound <= value) & (value <= self.upper_bound)

    def __repr__(self) -> str:
        return f"Interval(lower_bound={self.lower_bound}, upper_bound={self.upper_bound})"


class _HalfOpenInterval(_Interval):
    def check(self, value: Any) -> Any:
        return (self.lower_bound <= value) & (value < self.upper_bound)

    def __repr__(self) -> str:
        return f"HalfOpenInterval(lower_bound={self.lower_bound}, upper_bound={self.upper_bound})"


class _IntegerInterval(_Interval):
    is_discrete = True

    def check(self, value: Any) -> Any:
        return (value % 1 == 0) & (self.lower_bound <= value) & (value <= self.upper_bound)

    def __repr__(self) -> str:
        return f"IntegerInterval(lower_bound={self.lower_bound}, upper_bound={self.upper_bound})"


class _IntegerGreaterThan(_GreaterThan):
    is_discrete = True

    def check(self, value: Any) -> Any:
        return (value % 1 == 0) & (value >= self.lower_bound)

    def __repr__(self) -> str:
        return f"IntegerGreaterThan(lower_bound={self.lower_bound})"


class _Multinomial(Constraint):
    is_discrete, event_dim = True, 1

    def __init__(self, upper_bound: Any) -> None:
        self.upper_bound = upper_bound

    def check(self, value: Any) -> Any:
        return (value >= 0).all(-1) & (value.sum(-1) <= self.upper_bound)


class _Independent(Constraint):
    """A constraint on events of more dimensions: all of their parts lie inside."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int) -> None:
        self.base_constraint, self.reinterpreted_batch_ndims = base_constraint, reinterpreted_batch_ndims
        self.is_discrete = base_constraint.is_discrete
        self.event_dim = base_constraint.event_dim + reinterpreted_batch_ndims

    def check(self, value: Any) -> Any:
        result = self.base_constraint.check(value)
        return all_of_last(result, self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"Independent({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


def all_of_last(x: Tensor, count: int) -> Tensor:
    """Whether all elements of the last `count` dimensions hold."""
    return x.reshape((*x.shape[: x.ndim - count], -1)).all(-1) if count else x


def _symmetric(value: Any) -> Any:
    return (value.shape[-1] == value.shape[-2]) & ((value - value.mT).abs() <= 1e-6).all(-1).all(-1)


def _positive_definite(value: Any) -> Any:
    from_minors = cholesky_info(value)
    return _symmetric(value) & (from_minors == 0)


def cholesky_info(value: Any) -> Any:
    """The order of the first minor that is not positive, or 0."""
    return _cholesky_ex(value.detach()).info


def _lower_triangular(value: Any) -> Any:
    return (value.tril() == value).all(-1).all(-1)


def is_dependent(constraint: Any) -> bool:
    """Whether the constraint is known only of an instance."""
    return isinstance(constraint, _Dependent | dependent_property)


dependent = _Dependent()
real = _Simple("Real()", lambda v: v == v)
real_vector = _Independent(real, 1)
boolean = _Simple("Boolean()", lambda v: (v == 0) | (v == 1), discrete=True)
one_hot = _Simple("OneHot()", lambda v: ((v == 0) | (v == 1)).all(-1) & (v.sum(-1) == 1), event_dim=1, discrete=True)
nonnegative_integer = _IntegerGreaterThan(0)
positive_integer = _IntegerGreaterThan(1)
integer_interval = _IntegerInterval
positive = _GreaterThan(0.0)
nonnegative = _GreaterThanEq(0.0)
greater_than = _GreaterThan
greater_than_eq = _GreaterThanEq
less_than = _LessThan
unit_interval = _Interval(0.0, 1.0)
interval = _Interval
half_open_interval = _HalfOpenInterval
multinomial = _Multinomial
simplex = _Simple("Simplex()", lambda v: (v >= 0).all(-1) & ((v.sum(-1) - 1).abs() < 1e-6), event_dim=1)
lower_triangular = _Simple("LowerTriangular()", _lower_triangular, event_dim=2)
lower_cholesky = _Simple(
    "LowerCholesky()",
    lambda v: _lower_triangular(v) & (v.diagonal(0, -2, -1) > 0).all(-1),
    event_dim=2,
)
square = _Simple("Square()", lambda v: v.new_full(v.shape[:-2], v.shape[-1] == v.shape[-2]).bool(), event_dim=2)
symmetric = _Simple("Symmetric()", _symmetric, event_dim=2)
positive_definite = _Simple("PositiveDefinite()", _positive_definite, event_dim=2)
independent = _Independent
