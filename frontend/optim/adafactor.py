"""Adafactor."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ingot.optim.formula import FormulaOptimizer, Options
from ingot.optim.groups import ParamGroup
from ingot.optim.optimizer import Params, check_option
from ingot.optim.values import choose, larger, maximum, mean, move, norm, sqrt
from ingot.runtime import dtypes
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor

# The distance from 1 to the next number.
_EPS = {dtypes.float64: 2.0**-52, dtypes.float32: 2.0**-23, dtypes.float16: 2.0**-10, dtypes.bfloat16: 2.0**-7}


class Adafactor(FormulaOptimizer):
    """Steps scaled by averages of squares that matrices keep per row and column alone. Shazeer & Stern 2018."""

    run_time: ClassVar[tuple[str, ...]] = ("lr", "beta2_decay", "eps", "d", "weight_decay")
    optional: ClassVar[tuple[str, ...]] = ("weight_decay",)
    rounds_alike: ClassVar[bool] = False

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_option("learning rate", lr)
        if beta2_decay > 0:
            raise SpecError("IG260", f"Invalid beta2_decay: {beta2_decay} is above 0", where=user_line())
        if eps[0] is not None:
            check_option("first epsilon value", eps[0])
        check_option("second epsilon value", eps[1])
        check_option("clipping threshold d", d, low=1.0)
        check_option("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": tuple(eps),
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def buffers(self, o: Options, param: Tensor) -> tuple[str, ...]:
        """The averages of squares: of rows and columns, or of each element of a vector."""
        return ("row_var", "col_var") if param._layout.ndim > 1 else ("variance",)

    def first(self, group: ParamGroup, param: Tensor, name: str) -> Any:
        """Zeros."""
        shape = list(param._layout.shape)
        if name != "variance":
            shape[-1 if name == "row_var" else -2] = 1
        return np.zeros(tuple(shape), param._layout.dtype.numpy)

    def scales(self, o: Options, n: dict[str, Any]) -> tuple[Any, ...]:
        """How far averages move, and the relative step size."""
        count = n["step"] = n["step"] + 1
        falling = 1 / sqrt(count)
        return count ** o["beta2_decay"], choose(falling < o["lr"], falling, o["lr"])

    def gradient(self, o: Options, p: Any, g: Any) -> Any:
        """The gradient with its sign; weights decay in the formula, after their norm is known."""
        return -g if o["maximize"] else g

    def formula(self, o: Options, p: Any, g: Any, s: dict[str, Any], *scales: Any) -> None:
        """p -= step size * clipped gradient / sqrt(square average)."""
        (weight, rho), (least, low) = scales, o["eps"]
        least = _EPS[o["dtype"]] if least is None else least
        count = float(np.prod(p.shape))
        step = larger(norm(p) / count**0.5, low) * rho
        if o["weight_decay"] is not None:
            p *= 1 - o["lr"] * o["weight_decay"]
        if len(p.shape) > 1:
            rows, columns = s["row_var"], s["col_var"]
            move(rows, mean(g * g, -1), weight)
            move(columns, mean(g * g, -2), weight)
            square = (rows @ columns) / maximum(mean(rows, -2), least * least)
        else:
            square = s["variance"]
            move(square, g * g, weight)
        change = g / sqrt(maximum(square, least * least))
        clip = larger(norm(change) / (count**0.5 * o["d"]), 1.0)
        p += change * (-step / clip)
