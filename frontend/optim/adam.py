"""Adam."""

from __future__ import annotations

from typing import Any, ClassVar

from ingot.optim.formula import FormulaOptimizer, Options
from ingot.optim.optimizer import Params, check_betas, check_option
from ingot.optim.values import assign, maximum, move, sqrt
from ingot.tensor import Tensor


class Adam(FormulaOptimizer):
    """Steps scaled by running averages of the gradient and of its square. Kingma & Ba 2014; PyTorch's formulas."""

    run_time: ClassVar[tuple[str, ...]] = ("lr", "betas", "eps", "weight_decay")
    optional: ClassVar[tuple[str, ...]] = ("weight_decay",)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
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
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def buffers(self, o: Options, param: Tensor) -> tuple[str, ...]:
        """The averages, and for amsgrad the largest square average so far."""
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if o["amsgrad"] else ("exp_avg", "exp_avg_sq")

    def scales(self, o: Options, n: dict[str, Any]) -> tuple[Any, ...]:
        """The step size and the root that correct the averages for having begun at 0."""
        count = n["step"] = n["step"] + 1
        beta1, beta2 = o["betas"]
        return o["lr"] / (1 - beta1**count), sqrt(1 - beta2**count)

    def formula(self, o: Options, p: Any, g: Any, s: dict[str, Any], *scales: Any) -> None:
        """p -= step size * average / (sqrt(square average) / root + eps)."""
        (beta1, beta2), (step_size, root) = o["betas"], scales
        average, square = s["exp_avg"], s["exp_avg_sq"]
        move(average, g, 1 - beta1)
        square *= beta2
        square += g * (1 - beta2) * g
        if o["amsgrad"]:
            assign(s["max_exp_avg_sq"], maximum(s["max_exp_avg_sq"], square))
            square = s["max_exp_avg_sq"]
        p += average * -step_size / (sqrt(square) / root + o["eps"])
