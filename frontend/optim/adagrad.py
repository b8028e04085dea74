"""Adagrad."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ingot.optim.formula import FormulaOptimizer, Options
from ingot.optim.groups import ParamGroup
from ingot.optim.optimizer import Params, check_option
from ingot.optim.values import sqrt
from ingot.tensor import Tensor


class Adagrad(FormulaOptimizer):
    """Gradients divided by the root of the sum of their squares. Duchi et al. 2011; PyTorch's formulas."""

    run_time: ClassVar[tuple[str, ...]] = ("lr", "lr_decay", "eps", "weight_decay")
    optional: ClassVar[tuple[str, ...]] = ("weight_decay",)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_option("learning rate", lr)
        check_option("lr_decay value", lr_decay)
        check_option("weight_decay value", weight_decay)
        check_option("initial_accumulator_value value", initial_accumulator_value)
        check_option("epsilon value", eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self._groups:
            self.make_state(group)

    def buffers(self, o: Options, param: Tensor) -> tuple[str, ...]:
        """The sum of squares."""
        return ("sum",)

    def first(self, group: ParamGroup, param: Tensor, name: str) -> Any:
        """Sums begin at an option."""
        layout = param._layout
        return np.full(layout.shape, group.plain("initial_accumulator_value"), layout.dtype.numpy)

    def scales(self, o: Options, n: dict[str, Any]) -> tuple[Any, ...]:
        """The learning rate, which falls with the steps."""
        count = n["step"] = n["step"] + 1
        return (o["lr"] / (1 + (count - 1) * o["lr_decay"]),)

    def formula(self, o: Options, p: Any, g: Any, s: dict[str, Any], *scales: Any) -> None:
        """p -= lr * gradient / (sqrt(sum) + eps)."""
        total = s["sum"]
        total += g * g
        p += g * -scales[0] / (sqrt(total) + o["eps"])
