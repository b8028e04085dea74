"""Pixels from channels, under the place that PyTorch has for them."""

from ingot.nn.resampling import PixelShuffle as PixelShuffle
from ingot.nn.resampling import PixelUnshuffle as PixelUnshuffle
