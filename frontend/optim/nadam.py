"""NAdam."""

from __future__ import annotations

from typing import Any, ClassVar

from ingot.optim.formula import FormulaOptimizer, Options
from ingot.optim.optimizer import Params, check_betas, check_option
from ingot.optim.values import move, sqrt
from ingot.tensor import Tensor


class NAdam(FormulaOptimizer):
    """Adam with Nesterov momentum. Dozat 2016; PyTorch's formulas."""

    run_time: ClassVar[tuple[str, ...]] = ("lr", "betas", "eps", "weight_decay", "momentum_decay")
    optional: ClassVar[tuple[str, ...]] = ("weight_decay",)
    numbers: ClassVar[dict[str, float]] = {"step": 0.0, "mu_product": 1.0}

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_option("learning rate", lr)
        check_option("epsilon value", eps)
        check_betas(betas)
        check_option("weight_decay value", weight_decay)
        check_option("momentum_decay value", momentum_decay)
        defaults = {
            "lr": lr,
            "betas": tuple(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def buffers(self, o: Options, param: Tensor) -> tuple[str, ...]:
        """The averages."""
        return ("exp_avg", "exp_avg_sq")

    def scales(self, o: Options, n: dict[str, Any]) -> tuple[Any, ...]:
        """The shares of the gradient and of the average in the step, and the correction of the square average."""
        beta1, beta2 = o["betas"]
        count = n["step"] = n["step"] + 1
        mu = beta1 * (1 - 0.5 * 0.96 ** (count * o["momentum_decay"]))
        following = beta1 * (1 - 0.5 * 0.96 ** ((count + 1) * o["momentum_decay"]))
        product = n["mu_product"] = n["mu_product"] * mu
        lr = o["lr"]
        return lr * (1 - mu) / (1 - product), lr * following / (1 - product * following), 1 - beta2**count

    def formula(self, o: Options, p: Any, g: Any, s: dict[str, Any], *scales: Any) -> None:
        """p -= (share of gradient * gradient + share of average * average) / (sqrt(corrected square) + eps)."""
        (beta1, beta2), average, square = o["betas"], s["exp_avg"], s["exp_avg_sq"]
        of_gradient, of_average, correction = scales
        move(average, g, 1 - beta1)
        square *= beta2
        square += g * (1 - beta2) * g
        root = sqrt(square / correction) + o["eps"]
        p += g * -of_gradient / root
        p += average * -of_average / root
