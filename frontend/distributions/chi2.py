"""The chi-squared distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ingot.distributions import constraints
from ingot.distributions.distribution import broadcast_all
from ingot.distributions.gamma import Gamma

if TYPE_CHECKING:
    pass


class Chi2(Gamma):
    """The sum of `df` squared standard normal numbers."""

    arg_constraints: ClassVar[dict[str, Any]] = {"df": constraints.positive}
    _derived: ClassVar[tuple[str, ...]] = ("concentration", "rate")

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        (self.df,) = broadcast_all(df)
        super().__init__(0.5 * self.df, 0.5, validate_args=validate_args)
