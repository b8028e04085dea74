"""Tools around training: data loading, checkpoints of activations."""

from ingot.utils import checkpoint as checkpoint
from ingot.utils import data as data
