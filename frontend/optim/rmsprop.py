"""RMSprop."""

from __future__ import annotations

from typing import Any, ClassVar

from ingot.optim.formula import FormulaOptimizer, Options
from ingot.optim.optimizer import Params, check_option
from ingot.optim.values import move, sqrt
from ingot.tensor import Tensor


class RMSprop(FormulaOptimizer):
    """Gradients divided by the root of an average of their squares. Graves 2013 (centered); PyTorch's formulas."""

    run_time: ClassVar[tuple[str, ...]] = ("lr", "alpha", "eps", "weight_decay", "momentum")
    optional: ClassVar[tuple[str, ...]] = ("weight_decay", "momentum")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_option("learning rate", lr)
        check_option("epsilon value", eps)
        check_option("momentum value", momentum)
        check_option("weight_decay value", weight_decay)
        check_option("alpha value", alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def buffers(self, o: Options, param: Tensor) -> tuple[str, ...]:
        """The average of squares; with momentum the running step, and when centered the average gradient."""
        if o["momentum"] is None:
            return ("square_avg", "grad_avg") if o["centered"] else ("square_avg",)
        return ("square_avg", "momentum_buffer", "grad_avg") if o["centered"] else ("square_avg", "momentum_buffer")

    def formula(self, o: Options, p: Any, g: Any, s: dict[str, Any], *scales: Any) -> None:
        """p -= lr * gradient / (sqrt(variance) + eps)."""
        alpha, square = o["alpha"], s["square_avg"]
        square *= alpha
        square += g * (1 - alpha) * g
        variance = square
        if o["centered"]:
            average = s["grad_avg"]
            move(average, g, 1 - alpha)
            variance = square - average * average
        root = sqrt(variance) + o["eps"]
        if o["momentum"] is None:
            p += g * -o["lr"] / root
            return
        buffer = s["momentum_buffer"]
        buffer *= o["momentum"]
        buffer += g / root
        p += buffer * -o["lr"]
