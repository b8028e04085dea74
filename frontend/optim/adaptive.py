"""RMSprop, Adagrad and Adadelta: steps scaled by averages of the squared gradient."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ingot.optim.formula import FormulaOptimizer, Options
from ingot.optim.groups import ParamGroup
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
