"""Parameters, under their usual place."""

from typing import TYPE_CHECKING

from ingot.runtime.lazy import lazy as _lazy
from ingot.tensor import Parameter as Parameter

if TYPE_CHECKING:
    from ingot.nn.lazy import UninitializedParameter as UninitializedParameter
else:
    __getattr__ = _lazy(__name__, names={"ingot.nn.lazy": "UninitializedParameter"})

__all__ = ["Parameter", "UninitializedParameter"]
