"""Dimensions as one, under the place that PyTorch has for them."""

from ingot.nn.linear import Flatten as Flatten
from ingot.nn.linear import Unflatten as Unflatten
