"""Recurrent layers, under the place that PyTorch has for them."""

from ingot.nn.recurrent import GRU as GRU
from ingot.nn.recurrent import LSTM as LSTM
from ingot.nn.recurrent import RNN as RNN
from ingot.nn.recurrent import GRUCell as GRUCell
from ingot.nn.recurrent import LSTMCell as LSTMCell
from ingot.nn.recurrent import RNNBase as RNNBase
from ingot.nn.recurrent import RNNCell as RNNCell
from ingot.nn.recurrent import RNNCellBase as RNNCellBase
