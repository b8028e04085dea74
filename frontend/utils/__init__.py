"""Tools around training: data loading."""

from ingot.utils import data as data
