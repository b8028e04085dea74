"""The base of all distributions: shapes, validation, expansion, and what is derived from what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ingot.core import array_of, is_tensor, is_traced
from ingot.distributions.constraints import Constraint, is_dependent, positive, real
from ingot.modes import Defaults, no_grad
from ingot.promote import expand_to, is_number, splat
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import IngotError, SpecError, UnavailableError
from ingot.runtime.layout import broadcast_shapes
from ingot.source_lines import user_line
from ingot.tensor import Size

if TYPE_CHECKING:
    from ingot.tensor import Tensor

Shape = tuple[Any, ...]


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Tensors and numbers as tensors of one shape; numbers take the dtype of the first tensor, else the default one."""
    tensors = [v for v in values if is_tensor(v)]
    if not all(is_tensor(v) or is_number(v) for v in values):
        raise SpecError(
            "IG374",
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__.",
            where=user_line(),
        )
    dtype = tensors[0]._layout.dtype if tensors else Defaults.dtype
    try:
        shape = broadcast_shapes(*(t._layout.shape for t in tensors)) if tensors else ()
    except IngotError as error:
        error.where = user_line()
        raise
    return tuple([expand_to(v, shape) if is_tensor(v) else splat(v, dtype, shape) for v in values])


def finfo(dtype: DType) -> Any:
    """The limits of a floating dtype (of float32 for the half types)."""
    return np.finfo(dtype.numpy if dtype.itemsize > 2 else np.dtype(np.float32))


def eps_of(x: Tensor) -> float:
    return float(finfo(x._layout.dtype).eps)


def sum_rightmost(x: Tensor, count: int) -> Tensor:
    """The sum over the last `count` dimensions."""
    return x.sum(tuple(range(-count, 0))) if count else x


def _holds(test: Any) -> bool:
    """Whether a test holds everywhere; tests of traced tensors are left out, as their elements are not known."""
    if not is_tensor(test):
        return bool(test)
    return is_traced(test) or bool(array_of(test).all())


class Distribution:
    """A distribution over events of shape `event_shape`, one for each element of `batch_shape`.

    Parameters and values are checked unless `validate_args` is False. Compiled code cannot check elements and does not.
    Raises SpecError (IG374, IG375, IG376) for what does not fit.
    """

    has_rsample: ClassVar[bool] = False
    has_enumerate_support: ClassVar[bool] = False
    _default_validation: ClassVar[bool] = True
    arg_constraints: ClassVar[dict[str, Any]] = {}
    support: Any
    # Parameters that depend on others and are expanded with them.
    _derived: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check their arguments from here on."""
        if value not in (True, False):
            raise SpecError("IG374", f"validate_args is True or False, not {value!r}", where=user_line())
        Distribution._default_validation = value

    def __init__(self, batch_shape: Shape = (), event_shape: Shape = (), validate_args: bool | None = None) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        self._validate_args = self._default_validation if validate_args is None else validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self) -> None:
        for name, constraint in self.arg_constraints.items():
            if name not in self.__dict__ or is_dependent(constraint):
                continue
            value = self.__dict__[name]
            if not _holds(constraint.check(value)):
                raise SpecError(
                    "IG374",
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{self!r} to satisfy the constraint {constraint!r}, but found invalid values:",
                    where=user_line(),
                    detail=[str(value)],
                )

    # ---- shapes

    @property
    def batch_shape(self) -> Any:
        """The shape of the parameters without what belongs to one event."""
        return self._batch_shape

    @property
    def event_shape(self) -> Any:
        """The shape of one sample of one distribution."""
        return self._event_shape

    def _extended_shape(self, sample_shape: Any = ()) -> Any:
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Self:
        """The same distribution with its parameters expanded to another batch_shape."""
        new = self._alike(tuple(batch_shape))
        old = len(self._batch_shape)
        for name in (*self.arg_constraints, *self._derived):
            value = self.__dict__.get(name)
            if is_tensor(value):
                event = value._layout.shape[old:]
                new.__dict__[name] = value.expand((*batch_shape, *event))
        return new

    def _alike(self, batch_shape: Shape) -> Self:
        """A copy of which the batch_shape alone is another; nothing is checked again."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new._batch_shape = Size(batch_shape)
        return new

    # ---- what distributions define

    def _missing(self, what: str) -> UnavailableError:
        return UnavailableError("IG377", f"{type(self).__name__} has no {what}", where=user_line())

    @property
    def mean(self) -> Tensor:
        """The mean of each distribution."""
        raise self._missing("mean")

    @property
    def mode(self) -> Tensor:
        """The most likely value of each distribution."""
        raise self._missing("mode")

    @property
    def variance(self) -> Tensor:
        """The variance of each distribution."""
        raise self._missing("variance")

    @property
    def stddev(self) -> Tensor:
        """The standard deviation of each distribution."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Samples of shape sample_shape + batch_shape + event_shape, without gradients."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Samples through which gradients flow to the parameters; only where has_rsample."""
        raise self._missing("reparameterised samples")

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, of a value."""
        raise self._missing("log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of a value at most as large."""
        raise self._missing("cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The inverse of cdf."""
        raise self._missing("icdf")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution, along a new first dimension."""
        raise self._missing("finite support")

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        raise self._missing("entropy")

    def perplexity(self) -> Tensor:
        """exp(entropy)."""
        return self.entropy().exp()

    # ---- validation

    def _validate_sample(self, value: Any) -> None:
        """Raises SpecError (IG375, IG376) for a value that is not one of the distribution's."""
        if not is_tensor(value):
            raise SpecError("IG376", "The value argument to log_prob must be a Tensor", where=user_line())
        given = tuple(value._layout.shape)
        event = tuple(self._event_shape)
        if given[len(given) - len(event) :] != event:
            raise SpecError(
                "IG376",
                f"The right-most size of value must match event_shape: {given} vs {event}.",
                where=user_line(),
            )
        whole = (*self._batch_shape, *event)
        for a, b in zip(reversed(given), reversed(whole), strict=False):
            if a != 1 and b != 1 and a != b:
                raise SpecError(
                    "IG376",
                    f"Value is not broadcastable with batch_shape+event_shape: {given} vs {whole}.",
                    where=user_line(),
                )
        support: Constraint = self.support
        if not _holds(support.check(value)):
            raise SpecError(
                "IG375",
                f"Expected value argument (Tensor of shape {given}) to be within the support ({support!r}) of the "
                f"distribution {self!r}, but found invalid values:",
                where=user_line(),
                detail=[str(value)],
            )

    def _checked(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return value

    def __repr__(self) -> str:
        parts = []
        for name in self.arg_constraints:
            value = self.__dict__.get(name)
            if is_tensor(value):
                shown = str(value.item()) if not is_traced(value) and value.numel() == 1 else str(tuple(value.shape))
                parts.append(f"{name}: {shown if value.numel() == 1 else f'torch.Size({list(value.shape)})'}")
        return f"{type(self).__name__}({', '.join(parts)})"


class ExponentialFamily(Distribution):
    """Distributions whose densities are exponential in natural parameters."""


class LocationScale(Distribution):
    """A family of x * scale + loc, where x is real and symmetric around 0."""

    arg_constraints: ClassVar[dict[str, Any]] = {"loc": real, "scale": positive}
    support: Any = real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mode(self) -> Tensor:
        return self.loc
