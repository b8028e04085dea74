"""Exchanged channels, under the place that PyTorch has for them."""

from ingot.nn.resampling import ChannelShuffle as ChannelShuffle
