"""Parameters, under their usual place."""

from ingot.tensor import Parameter as Parameter

__all__ = ["Parameter"]
