"""Rprop."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ingot.optim.formula import FormulaOptimizer, Options, plain_number
from ingot.optim.groups import ParamGroup
from ingot.optim.optimizer import Params, check_option
from ingot.optim.values import assign, choose, clip, sign
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor


class Rprop(FormulaOptimizer):
    """Steps that grow while the sign of the gradient stays, and shrink when it changes. Riedmiller & Braun 1993."""

    run_time: ClassVar[tuple[str, ...]] = ("lr", "etas", "step_sizes")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_option("learning rate", lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise SpecError("IG260", f"Invalid eta values: {etas[0]}, {etas[1]}", where=user_line())
        defaults = {
            "lr": lr,
            "etas": tuple(etas),
            "step_sizes": tuple(step_sizes),
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def buffers(self, o: Options, param: Tensor) -> tuple[str, ...]:
        """The gradient before, and the size of the step."""
        return ("prev", "step_size")

    def first(self, group: ParamGroup, param: Tensor, name: str) -> Any:
        """Steps are as large as the learning rate at first."""
        layout = param._layout
        return np.full(layout.shape, plain_number(group.plain("lr")) if name == "step_size" else 0, layout.dtype.numpy)

    def formula(self, o: Options, p: Any, g: Any, s: dict[str, Any], *scales: Any) -> None:
        """p -= sign(gradient) * step size, without a step where the sign has changed."""
        (shrink, grow), (low, high), size = o["etas"], o["step_sizes"], s["step_size"]
        agreement = g * s["prev"]
        assign(size, clip(choose(agreement > 0, size * grow, choose(agreement < 0, size * shrink, size)), low, high))
        g = choose(agreement < 0, 0.0, g)
        p -= sign(g) * size
        assign(s["prev"], g)
