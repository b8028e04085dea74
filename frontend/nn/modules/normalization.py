"""Normalisation of features and groups, under the place that PyTorch has for them."""

from ingot.nn.normalization import GroupNorm as GroupNorm
from ingot.nn.normalization import LayerNorm as LayerNorm
from ingot.nn.normalization import LocalResponseNorm as LocalResponseNorm
from ingot.nn.normalization import RMSNorm as RMSNorm
