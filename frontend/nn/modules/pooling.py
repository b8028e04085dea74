"""Pooling, under the place that PyTorch has for them."""

from ingot.nn.pooling import AdaptiveAvgPool1d as AdaptiveAvgPool1d
from ingot.nn.pooling import AdaptiveAvgPool2d as AdaptiveAvgPool2d
from ingot.nn.pooling import AdaptiveAvgPool3d as AdaptiveAvgPool3d
from ingot.nn.pooling import AdaptiveMaxPool1d as AdaptiveMaxPool1d
from ingot.nn.pooling import AdaptiveMaxPool2d as AdaptiveMaxPool2d
from ingot.nn.pooling import AdaptiveMaxPool3d as AdaptiveMaxPool3d
from ingot.nn.pooling import AvgPool1d as AvgPool1d
from ingot.nn.pooling import AvgPool2d as AvgPool2d
from ingot.nn.pooling import AvgPool3d as AvgPool3d
from ingot.nn.pooling import LPPool1d as LPPool1d
from ingot.nn.pooling import LPPool2d as LPPool2d
from ingot.nn.pooling import LPPool3d as LPPool3d
from ingot.nn.pooling import MaxPool1d as MaxPool1d
from ingot.nn.pooling import MaxPool2d as MaxPool2d
from ingot.nn.pooling import MaxPool3d as MaxPool3d
from ingot.nn.pooling import MaxUnpool1d as MaxUnpool1d
from ingot.nn.pooling import MaxUnpool2d as MaxUnpool2d
from ingot.nn.pooling import MaxUnpool3d as MaxUnpool3d
