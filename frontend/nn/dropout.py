"""Dropout: parts of the input are set to 0 while training."""

from __future__ import annotations

from ingot.functional import dropout
from ingot.nn.module import Module
from ingot.tensor import Tensor


class _DropoutNd(Module):
    """Raises SpecError (IG246) unless 0 <= p <= 1."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        dropout.check_probability(p)
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Elements set to 0 with probability p while training, the others divided by 1 - p. Srivastava et al. 2014."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return dropout.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """Dropout of whole channels."""

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, L] or [C, L]."""
        return dropout.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """Dropout of whole channels. Tompson et al. 2015."""

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, H, W]."""
        return dropout.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """Dropout of whole channels."""

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, D, H, W] or [C, D, H, W]."""
        return dropout.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean 0 and variance 1, for selu networks. Klambauer et al. 2017."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return dropout.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_DropoutNd):
    """`AlphaDropout` of whole channels."""

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, ...]."""
        return dropout.feature_alpha_dropout(input, self.p, self.training, self.inplace)
