"""Distances, under the place that PyTorch has for them."""

from ingot.nn.distances import CosineSimilarity as CosineSimilarity
from ingot.nn.distances import PairwiseDistance as PairwiseDistance
