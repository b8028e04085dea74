"""ASGD."""

from __future__ import annotations

from typing import Any, ClassVar

from ingot.optim.formula import FormulaOptimizer, Options, plain_number
from ingot.optim.groups import ParamGroup
from ingot.optim.optimizer import Params, check_option
from ingot.optim.values import assign, choose, maximum
from ingot.tensor import Tensor


class ASGD(FormulaOptimizer):
    """Gradient descent that also averages the parameters, in state[p]["ax"]. Polyak & Juditsky 1992."""

    run_time: ClassVar[tuple[str, ...]] = ("lr", "lambd", "alpha", "t0", "weight_decay")
    optional: ClassVar[tuple[str, ...]] = ("weight_decay",)
    numbers: ClassVar[dict[str, float]] = {"step": 0.0, "eta": 0.0, "mu": 1.0}

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_option("learning rate", lr)
        check_option("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def first_number(self, group: ParamGroup, name: str, state: dict[str, Any]) -> float:
        """The first step is as long as the learning rate."""
        return float(plain_number(group.plain("lr"))) if name == "eta" else self.numbers[name]

    def buffers(self, o: Options, param: Tensor) -> tuple[str, ...]:
        """The averaged parameter."""
        return ("ax",)

    def scales(self, o: Options, n: dict[str, Any]) -> tuple[Any, ...]:
        """The step size and the share of the parameter in its average; and those of the next step."""
        eta, mu, lr, lambd = n["eta"], n["mu"], o["lr"], o["lambd"]
        count = n["step"] = n["step"] + 1
        n["eta"] = lr / (1 + lambd * lr * count) ** o["alpha"]
        n["mu"] = 1 / maximum(count - o["t0"], 1.0)
        return eta, mu

    def formula(self, o: Options, p: Any, g: Any, s: dict[str, Any], *scales: Any) -> None:
        """p -= eta * (gradient + lambd * p); average += mu * (p - average)."""
        (eta, mu), average = scales, s["ax"]
        p *= 1 - o["lambd"] * eta
        p += g * -eta
        assign(average, choose(mu != 1, average + (p - average) * mu, p))
