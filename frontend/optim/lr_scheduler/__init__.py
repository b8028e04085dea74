"""Schedules of learning rates."""

from ingot.optim.lr_scheduler.base import LRScheduler as LRScheduler
from ingot.optim.lr_scheduler.combined import ChainedScheduler as ChainedScheduler
from ingot.optim.lr_scheduler.combined import SequentialLR as SequentialLR
from ingot.optim.lr_scheduler.cosine import CosineAnnealingLR as CosineAnnealingLR
from ingot.optim.lr_scheduler.cosine import CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts
from ingot.optim.lr_scheduler.cyclic import CyclicLR as CyclicLR
from ingot.optim.lr_scheduler.cyclic import OneCycleLR as OneCycleLR
from ingot.optim.lr_scheduler.factors import ConstantLR as ConstantLR
from ingot.optim.lr_scheduler.factors import ExponentialLR as ExponentialLR
from ingot.optim.lr_scheduler.factors import LambdaLR as LambdaLR
from ingot.optim.lr_scheduler.factors import LinearLR as LinearLR
from ingot.optim.lr_scheduler.factors import MultiplicativeLR as MultiplicativeLR
from ingot.optim.lr_scheduler.factors import MultiStepLR as MultiStepLR
from ingot.optim.lr_scheduler.factors import PolynomialLR as PolynomialLR
from ingot.optim.lr_scheduler.factors import StepLR as StepLR
from ingot.optim.lr_scheduler.plateau import ReduceLROnPlateau as ReduceLROnPlateau

# Its name before it was meant for users.
_LRScheduler = LRScheduler
