"""Layers under the places that PyTorch has for them: `from ingot.nn.modules.batchnorm import _BatchNorm`."""

from ingot.nn.modules import activation as activation
from ingot.nn.modules import batchnorm as batchnorm
from ingot.nn.modules import channelshuffle as channelshuffle
from ingot.nn.modules import container as container
from ingot.nn.modules import conv as conv
from ingot.nn.modules import distance as distance
from ingot.nn.modules import dropout as dropout
from ingot.nn.modules import flatten as flatten
from ingot.nn.modules import fold as fold
from ingot.nn.modules import instancenorm as instancenorm
from ingot.nn.modules import linear as linear
from ingot.nn.modules import loss as loss
from ingot.nn.modules import module as module
from ingot.nn.modules import normalization as normalization
from ingot.nn.modules import padding as padding
from ingot.nn.modules import pixelshuffle as pixelshuffle
from ingot.nn.modules import pooling as pooling
from ingot.nn.modules import rnn as rnn
from ingot.nn.modules import sparse as sparse
from ingot.nn.modules import transformer as transformer
from ingot.nn.modules import upsampling as upsampling
from ingot.nn.modules import utils as utils
from ingot.nn.modules.module import Module as Module
