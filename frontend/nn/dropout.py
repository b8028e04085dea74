"""Dropout."""

from __future__ import annotations

from ingot.functional.normalization import dropout
from ingot.nn.module import Module
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor


class Dropout(Module):
    """Elements set to 0 with probability p while training, the others divided by 1 - p. Srivastava et al. 2014.

    Raises SpecError (IG246) unless 0 <= p <= 1.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise SpecError("IG246", f"dropout probability has to be between 0 and 1, but got {p}", where=user_line())
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
