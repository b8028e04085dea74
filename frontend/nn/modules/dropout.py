"""Dropout, under the place that PyTorch has for them."""

from ingot.nn.dropout import AlphaDropout as AlphaDropout
from ingot.nn.dropout import Dropout as Dropout
from ingot.nn.dropout import Dropout1d as Dropout1d
from ingot.nn.dropout import Dropout2d as Dropout2d
from ingot.nn.dropout import Dropout3d as Dropout3d
from ingot.nn.dropout import FeatureAlphaDropout as FeatureAlphaDropout
from ingot.nn.dropout import _DropoutNd as _DropoutNd
