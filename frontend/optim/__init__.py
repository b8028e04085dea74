"""Optimisers."""

from ingot.optim import lr_scheduler as lr_scheduler
from ingot.optim import swa_utils as swa_utils
from ingot.optim.adadelta import Adadelta as Adadelta
from ingot.optim.adafactor import Adafactor as Adafactor
from ingot.optim.adagrad import Adagrad as Adagrad
from ingot.optim.adam import Adam as Adam
from ingot.optim.adamax import Adamax as Adamax
from ingot.optim.adamw import AdamW as AdamW
from ingot.optim.asgd import ASGD as ASGD
from ingot.optim.lbfgs import LBFGS as LBFGS
from ingot.optim.muon import Muon as Muon
from ingot.optim.nadam import NAdam as NAdam
from ingot.optim.optimizer import Optimizer as Optimizer
from ingot.optim.radam import RAdam as RAdam
from ingot.optim.rmsprop import RMSprop as RMSprop
from ingot.optim.rprop import Rprop as Rprop
from ingot.optim.sgd import SGD as SGD
