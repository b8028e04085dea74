"""Parameters, under their usual place."""

from ingot.nn.lazy import UninitializedParameter as UninitializedParameter
from ingot.tensor import Parameter as Parameter

__all__ = ["Parameter", "UninitializedParameter"]
