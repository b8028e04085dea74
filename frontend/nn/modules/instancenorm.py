"""Instance normalisation, under the place that PyTorch has for them."""

from ingot.nn.batch_norm import InstanceNorm1d as InstanceNorm1d
from ingot.nn.batch_norm import InstanceNorm2d as InstanceNorm2d
from ingot.nn.batch_norm import InstanceNorm3d as InstanceNorm3d
from ingot.nn.batch_norm import _InstanceNorm as _InstanceNorm
