"""RAdam."""

from __future__ import annotations

from typing import Any, ClassVar

from ingot.optim.formula import FormulaOptimizer, Options
from ingot.optim.optimizer import Params, check_betas, check_option
from ingot.optim.values import choose, move, sqrt
from ingot.tensor import Tensor


class RAdam(FormulaOptimizer):
    """Adam whose first steps are not scaled, as the variance is not known yet. Liu et al. 2019; PyTorch's formulas."""

    run_time: ClassVar[tuple[str, ...]] = ("lr", "betas", "eps", "weight_decay")
    optional: ClassVar[tuple[str, ...]] = ("weight_decay",)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
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
        defaults = {
            "lr": lr,
            "betas": tuple(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def buffers(self, o: Options, param: Tensor) -> tuple[str, ...]:
        """The averages."""
        return ("exp_avg", "exp_avg_sq")

    def scales(self, o: Options, n: dict[str, Any]) -> tuple[Any, ...]:
        """The correction of the average, and the factor of the scaled step; 0 while steps are not scaled."""
        beta1, beta2 = o["betas"]
        count = n["step"] = n["step"] + 1
        power = beta2**count
        correction2 = 1 - power
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * count * power / correction2
        above = (length - 4) * (length - 2) * longest
        below = (longest - 4) * (longest - 2) * length
        rectified = length > 5
        factor = sqrt(choose(rectified, above / below * correction2, 0.0))
        return 1 - beta1**count, factor

    def formula(self, o: Options, p: Any, g: Any, s: dict[str, Any], *scales: Any) -> None:
        """p -= lr * corrected average * (factor / (sqrt(square average) + eps), or 1 while steps are not scaled)."""
        (beta1, beta2), average, square = o["betas"], s["exp_avg"], s["exp_avg_sq"]
        correction, factor = scales
        move(average, g, 1 - beta1)
        square *= beta2
        square += g * (1 - beta2) * g
        step = average / correction * o["lr"]
        p -= choose(factor > 0, step * (factor / (sqrt(square) + o["eps"])), step)
