"""What users see of the tape's nodes (`y.grad_fn`): names, the way on, and hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

# Rows whose operation has another name in PyTorch.
_TITLES = {
    "reduce_sum": "Sum",
    "reduce_max": "Max",
    "reduce_min": "Min",
    "reduce_prod": "Prod",
    "dot_general": "Mm",
    "conv": "Convolution",
    "select": "Where",
    "concat": "Cat",
    "cast": "ToCopy",
    "take": "Index",
    "put": "IndexPut",
    "reshape": "View",
    "pad": "ConstantPadNd",
}


def title(name: str) -> str:
    """The name of a node by that of its row or function, as in PyTorch: MulBackward0."""
    return f"{_TITLES.get(name) or ''.join(part.capitalize() for part in name.split('_'))}Backward0"


class NodeHooks(NamedTuple):
    """What `backward` calls at a node: with the cotangent of its result, with the cotangents of all its results before
    they are pulled back, and with those of operands and results afterwards."""

    result: dict[Any, Callable[[Any], Any]]
    before: dict[Any, Callable[..., Any]]
    after: dict[Any, Callable[..., Any]]
    metadata: dict[Any, Any]


class AccumulateGrad:
    """The end of the way back: it adds to the `.grad` of a leaf, `variable`."""

    def __init__(self, variable: Any) -> None:
        self.variable = variable
        self.next_functions: tuple[tuple[Any, int], ...] = ()

    def name(self) -> str:
        """As in PyTorch."""
        return "torch::autograd::AccumulateGrad"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccumulateGrad) and other.variable is self.variable

    def __hash__(self) -> int:
        return id(self.variable)

    def __repr__(self) -> str:
        return "<AccumulateGrad>"
