"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any, ClassVar

from ingot.optim.formula import FormulaOptimizer, Options
from ingot.optim.groups import ParamGroup
from ingot.optim.optimizer import Params, check_option
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor


class SGD(FormulaOptimizer):
    """Stochastic gradient descent, with momentum. Sutskever et al. 2013; the formulas are PyTorch's."""

    run_time: ClassVar[tuple[str, ...]] = ("lr", "momentum", "dampening", "weight_decay")
    optional: ClassVar[tuple[str, ...]] = ("momentum", "dampening", "weight_decay")
    # Whether the momentum buffer holds a gradient: the first one goes into it undampened.
    numbers: ClassVar[dict[str, float]] = {"_started": 0.0}

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_option("learning rate", lr)
        check_option("momentum value", momentum)
        check_option("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise SpecError("IG260", "Nesterov momentum requires a momentum and zero dampening", where=user_line())
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def buffers(self, o: Options, param: Tensor) -> tuple[str, ...]:
        """A running sum of gradients if there is momentum."""
        return () if o["momentum"] is None else ("momentum_buffer",)

    def kept_numbers(self, o: Options) -> tuple[str, ...]:
        """Only dampening treats the first step in another way."""
        return () if o["momentum"] is None or o["dampening"] is None else ("_started",)

    def first_number(self, group: ParamGroup, name: str, state: dict[str, Any]) -> float:
        """A buffer that exists holds a gradient."""
        return 1.0 if "momentum_buffer" in state else 0.0

    def scales(self, o: Options, n: dict[str, Any]) -> tuple[Any, ...]:
        """How much of the gradient goes into the buffer."""
        started = n["_started"]
        n["_started"] = started * 0 + 1
        return (1 - started * o["dampening"],)

    def formula(self, o: Options, p: Any, g: Any, s: dict[str, Any], *scales: Any) -> None:
        """p -= lr * (gradient, averaged)."""
        momentum = o["momentum"]
        if momentum is not None:
            buffer = s["momentum_buffer"]
            buffer *= momentum
            buffer += g * scales[0] if scales else g
            g = g + buffer * momentum if o["nesterov"] else buffer
        p += g * -o["lr"]
