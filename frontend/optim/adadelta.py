"""Adadelta."""

from __future__ import annotations

from typing import Any, ClassVar

from ingot.optim.formula import FormulaOptimizer, Options
from ingot.optim.optimizer import Params, check_option
from ingot.optim.values import sqrt
from ingot.tensor import Tensor


class Adadelta(FormulaOptimizer):
    """Gradients scaled by the averages of earlier steps and of squared gradients. Zeiler 2012; PyTorch's formulas."""

    run_time: ClassVar[tuple[str, ...]] = ("lr", "rho", "eps", "weight_decay")
    optional: ClassVar[tuple[str, ...]] = ("weight_decay",)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_option("learning rate", lr)
        check_option("rho value", rho, upto=1.0)
        check_option("epsilon value", eps)
        check_option("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def buffers(self, o: Options, param: Tensor) -> tuple[str, ...]:
        """The averages of squared gradients and of squared steps."""
        return ("square_avg", "acc_delta")

    def formula(self, o: Options, p: Any, g: Any, s: dict[str, Any], *scales: Any) -> None:
        """p -= lr * gradient * sqrt(square steps + eps) / sqrt(square gradients + eps)."""
        rho, eps, square, steps = o["rho"], o["eps"], s["square_avg"], s["acc_delta"]
        square *= rho
        square += g * (1 - rho) * g
        delta = sqrt(steps + eps) / sqrt(square + eps) * g
        steps *= rho
        steps += delta * (1 - rho) * delta
        p += delta * -o["lr"]
