"""Batch normalisation, under the place that PyTorch has for them."""

from ingot.nn.batch_norm import BatchNorm1d as BatchNorm1d
from ingot.nn.batch_norm import BatchNorm2d as BatchNorm2d
from ingot.nn.batch_norm import BatchNorm3d as BatchNorm3d
from ingot.nn.batch_norm import SyncBatchNorm as SyncBatchNorm
from ingot.nn.batch_norm import _BatchNorm as _BatchNorm
from ingot.nn.batch_norm import _NormBase as _NormBase
