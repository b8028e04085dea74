"""What a transform makes of a distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ingot.distributions import constraints
from ingot.distributions.distribution import Distribution, sum_rightmost
from ingot.distributions.independent import Independent
from ingot.distributions.transforms import ComposeTransform, Transform
from ingot.modes import no_grad
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tensor import Tensor


class TransformedDistribution(Distribution):
    """The distribution of f(x), where x is of a base distribution and f one transform or several, the first first."""

    def __init__(
        self,
        base_distribution: Distribution,
        transforms: Transform | Sequence[Transform],
        validate_args: bool | None = None,
    ) -> None:
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        if not all(isinstance(t, Transform) for t in self.transforms):
            raise SpecError("IG376", "transforms must be a Transform or a list of Transforms", where=user_line())
        base_shape = (*base_distribution.batch_shape, *base_distribution.event_shape)
        transform = ComposeTransform(self.transforms)
        needed = transform.domain.event_dim
        if len(base_shape) < needed:
            raise SpecError(
                "IG376",
                f"base_distribution needs to have shape with size at least {needed}, but got {list(base_shape)}.",
                where=user_line(),
            )
        whole = tuple(transform.forward_shape(base_shape))
        expanded = tuple(transform.inverse_shape(whole))
        if expanded != base_shape:
            batch = expanded[: len(expanded) - len(base_distribution.event_shape)]
            base_distribution = base_distribution.expand(batch)
        reinterpreted = needed - len(base_distribution.event_shape)
        if reinterpreted > 0:
            base_distribution = Independent(base_distribution, reinterpreted)
        self.base_dist: Any = base_distribution
        spread = max(len(base_distribution.event_shape) - needed, 0)
        cut = len(whole) - transform.codomain.event_dim - spread
        super().__init__(whole[:cut], whole[cut:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._alike(tuple(batch_shape))
        shape = tuple(ComposeTransform(self.transforms).inverse_shape((*batch_shape, *self._event_shape)))
        new.base_dist = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        return new

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return bool(self.base_dist.has_rsample)

    @property
    def support(self) -> Any:
        if not self.transforms:
            return self.base_dist.support
        support = self.transforms[-1].codomain
        more = len(self._event_shape) - support.event_dim
        return constraints.independent(support, more) if more > 0 else support

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            return self._forward(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self._forward(self.base_dist.rsample(sample_shape))

    def _forward(self, x: Any) -> Tensor:
        for transform in self.transforms:
            x = transform(x)
        found: Tensor = x
        return found

    def log_prob(self, value: Tensor) -> Tensor:
        y: Any = self._checked(value)
        event_dim, total = len(self._event_shape), None
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            event_dim += transform.domain.event_dim - transform.codomain.event_dim
            part = sum_rightmost(transform.log_abs_det_jacobian(x, y), event_dim - transform.domain.event_dim)
            total = -part if total is None else total - part
            y = x
        base = sum_rightmost(self.base_dist.log_prob(y), event_dim - len(self.base_dist.event_shape))
        return base if total is None else total + base

    def _turned(self, value: Any) -> Any:
        """1 - value where the transforms turn the order around."""
        sign = ComposeTransform(self.transforms).sign
        return value if isinstance(sign, int) and sign == 1 else sign * (value - 0.5) + 0.5

    def cdf(self, value: Tensor) -> Tensor:
        x: Any = self._checked(value)
        for transform in reversed(self.transforms):
            x = transform.inv(x)
        found: Tensor = self._turned(self.base_dist.cdf(x))
        return found

    def icdf(self, value: Tensor) -> Tensor:
        return self._forward(self.base_dist.icdf(self._turned(value)))
