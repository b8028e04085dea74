"""Linear layers, under the place that PyTorch has for them."""

from ingot.nn.linear import Bilinear as Bilinear
from ingot.nn.linear import Identity as Identity
from ingot.nn.linear import Linear as Linear
