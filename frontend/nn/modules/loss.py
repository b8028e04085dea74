"""Losses, under the place that PyTorch has for them."""

from ingot.nn.losses import BCELoss as BCELoss
from ingot.nn.losses import BCEWithLogitsLoss as BCEWithLogitsLoss
from ingot.nn.losses import CosineEmbeddingLoss as CosineEmbeddingLoss
from ingot.nn.losses import CrossEntropyLoss as CrossEntropyLoss
from ingot.nn.losses import CTCLoss as CTCLoss
from ingot.nn.losses import GaussianNLLLoss as GaussianNLLLoss
from ingot.nn.losses import HingeEmbeddingLoss as HingeEmbeddingLoss
from ingot.nn.losses import HuberLoss as HuberLoss
from ingot.nn.losses import KLDivLoss as KLDivLoss
from ingot.nn.losses import L1Loss as L1Loss
from ingot.nn.losses import MarginRankingLoss as MarginRankingLoss
from ingot.nn.losses import MSELoss as MSELoss
from ingot.nn.losses import MultiLabelMarginLoss as MultiLabelMarginLoss
from ingot.nn.losses import MultiLabelSoftMarginLoss as MultiLabelSoftMarginLoss
from ingot.nn.losses import MultiMarginLoss as MultiMarginLoss
from ingot.nn.losses import NLLLoss as NLLLoss
from ingot.nn.losses import NLLLoss2d as NLLLoss2d
from ingot.nn.losses import PoissonNLLLoss as PoissonNLLLoss
from ingot.nn.losses import SmoothL1Loss as SmoothL1Loss
from ingot.nn.losses import SoftMarginLoss as SoftMarginLoss
from ingot.nn.losses import TripletMarginLoss as TripletMarginLoss
from ingot.nn.losses import TripletMarginWithDistanceLoss as TripletMarginWithDistanceLoss
from ingot.nn.losses import _Loss as _Loss
from ingot.nn.losses import _WeightedLoss as _WeightedLoss
