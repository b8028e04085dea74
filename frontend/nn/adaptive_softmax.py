"""Softmax over many classes in clusters by frequency. Grave et al. 2017."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ingot.core import array_of
from ingot.functional.activations import log_softmax
from ingot.functional.gathering import gather
from ingot.functional.joining import cat
from ingot.modes import modes
from ingot.nn.containers import ModuleList, Sequential
from ingot.nn.linear import Linear
from ingot.nn.module import Module
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import OperandError, SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor


class ASMoutput(NamedTuple):
    """The log-probability of each target, and the mean of their negatives."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-probabilities of classes that are sorted by frequency, the rare ones in clusters with smaller layers.

    `cutoffs`: where the clusters begin. The head has the frequent classes and one score per cluster; cluster i goes
    through in_features / div_value^(i + 1) features. Raises SpecError (IG325) for cutoffs that are no clusters.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        ends = list(cutoffs)
        if not ends:
            raise SpecError("IG325", "cutoffs should be a sequence of length larger than 0", where=user_line())
        if (
            ends != sorted(set(ends))
            or ends[0] <= 0
            or ends[-1] > n_classes - 1
            or any(not isinstance(end, int) for end in ends)
        ):
            raise SpecError(
                "IG325",
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                f"value is between 1 and n_classes-1, not {ends} for {n_classes} classes",
                where=user_line(),
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*ends, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, device=device, dtype=dtype)
        self.tail = ModuleList()
        for number in range(self.n_clusters):
            inner = int(in_features // (div_value ** (number + 1)))
            size = self.cutoffs[number + 1] - self.cutoffs[number]
            self.tail.append(
                Sequential(
                    Linear(in_features, inner, bias=False, device=device, dtype=dtype),
                    Linear(inner, size, bias=False, device=device, dtype=dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draw the initial values of all layers."""
        self.head.reset_parameters()
        for first, second in self.tail:
            first.reset_parameters()
            second.reset_parameters()

    def forward(self, input: Tensor, target: Tensor) -> ASMoutput:
        """input [N, in_features] and classes [N], or [in_features] and a class; the results are [N] (or []) and [].

        Raises OperandError (IG325) for other shapes and, outside of compiled code, for classes that do not exist.
        """
        rank = target._layout.ndim
        if rank > 1 or input._layout.ndim != rank + 1 or input._layout.shape[:-1] != target._layout.shape:
            raise OperandError(
                "IG325",
                "Input and target should have the same size in the batch dimension, and the target 0 or 1 dimensions: "
                f"{list(input._layout.shape)}, {list(target._layout.shape)}",
                where=user_line(),
            )
        if modes.trace is None and target._layout.numel:
            known = array_of(target)
            if known.min() < 0 or known.max() >= self.n_classes:
                raise OperandError(
                    "IG325",
                    f"Target values should be in [0, {self.n_classes - 1}], but values in range [{known.min()}, "
                    f"{known.max()}] were found.",
                    where=user_line(),
                )
        logs = self.log_prob(input)
        output = gather(logs, rank, target.unsqueeze(rank)).squeeze(rank)
        return ASMoutput(output, -output.mean())

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes, [..., n_classes]."""
        head = log_softmax(self.head(input), -1)
        parts = [head.narrow(-1, 0, self.shortlist_size)]
        for number, layers in enumerate(self.tail):
            of_cluster = head.narrow(-1, self.shortlist_size + number, 1)
            parts.append(log_softmax(layers(input), -1) + of_cluster)
        return cat(parts, -1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each row."""
        return self.log_prob(input).argmax(-1)
