"""Convolutions, under the place that PyTorch has for them."""

from ingot.nn.convolution import Conv1d as Conv1d
from ingot.nn.convolution import Conv2d as Conv2d
from ingot.nn.convolution import Conv3d as Conv3d
from ingot.nn.convolution import ConvTranspose1d as ConvTranspose1d
from ingot.nn.convolution import ConvTranspose2d as ConvTranspose2d
from ingot.nn.convolution import ConvTranspose3d as ConvTranspose3d
from ingot.nn.convolution import _ConvNd as _ConvNd
