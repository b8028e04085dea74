"""Patches, under the place that PyTorch has for them."""

from ingot.nn.convolution import Fold as Fold
from ingot.nn.convolution import Unfold as Unfold
