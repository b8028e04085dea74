"""Resampling, under the place that PyTorch has for them."""

from ingot.nn.resampling import Upsample as Upsample
from ingot.nn.resampling import UpsamplingBilinear2d as UpsamplingBilinear2d
from ingot.nn.resampling import UpsamplingNearest2d as UpsamplingNearest2d
