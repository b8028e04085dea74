"""Tools around training: data loading, checkpoints of activations."""

from ingot.utils import _pytree as _pytree
from ingot.utils import checkpoint as checkpoint
from ingot.utils import data as data
from ingot.utils import dlpack as dlpack
