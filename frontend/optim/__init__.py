"""Optimisers."""

from ingot.optim import lr_scheduler as lr_scheduler
from ingot.optim import swa_utils as swa_utils
from ingot.optim.adafactor import Adafactor as Adafactor
from ingot.optim.adam import Adam as Adam
from ingot.optim.adam import AdamW as AdamW
from ingot.optim.adam_variants import Adamax as Adamax
from ingot.optim.adam_variants import NAdam as NAdam
from ingot.optim.adam_variants import RAdam as RAdam
from ingot.optim.adaptive import Adadelta as Adadelta
from ingot.optim.adaptive import Adagrad as Adagrad
from ingot.optim.adaptive import RMSprop as RMSprop
from ingot.optim.averaged import ASGD as ASGD
from ingot.optim.averaged import Rprop as Rprop
from ingot.optim.lbfgs import LBFGS as LBFGS
from ingot.optim.muon import Muon as Muon
from ingot.optim.optimizer import Optimizer as Optimizer
from ingot.optim.sgd import SGD as SGD
