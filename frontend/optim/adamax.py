"""Adamax."""

from __future__ import annotations

from typing import Any, ClassVar

from ingot.optim.formula import FormulaOptimizer, Options
from ingot.optim.optimizer import Params, check_betas, check_option
from ingot.optim.values import assign, maximum, move
from ingot.tensor import Tensor


class Adamax(FormulaOptimizer):
    """Adam with the largest gradient instead of an average of squares. Kingma & Ba 2014, section 7.1."""

    run_time: ClassVar[tuple[str, ...]] = ("lr", "betas", "eps", "weight_decay")
    optional: ClassVar[tuple[str, ...]] = ("weight_decay",)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
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
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def buffers(self, o: Options, param: Tensor) -> tuple[str, ...]:
        """The average gradient and the decayed largest one."""
        return ("exp_avg", "exp_inf")

    def scales(self, o: Options, n: dict[str, Any]) -> tuple[Any, ...]:
        """The step size, which corrects the average for having begun at 0."""
        count = n["step"] = n["step"] + 1
        return (o["lr"] / (1 - o["betas"][0] ** count),)

    def formula(self, o: Options, p: Any, g: Any, s: dict[str, Any], *scales: Any) -> None:
        """p -= step size * average / largest."""
        (beta1, beta2), average, largest = o["betas"], s["exp_avg"], s["exp_inf"]
        move(average, g, 1 - beta1)
        assign(largest, maximum(largest * beta2, abs(g) + o["eps"]))
        p += average * -scales[0] / largest
