"""Optimisers."""

from ingot.optim.adam import Adam as Adam
from ingot.optim.adam import AdamW as AdamW
from ingot.optim.optimizer import Optimizer as Optimizer
from ingot.optim.sgd import SGD as SGD
