"""Muon."""

from __future__ import annotations

from typing import Any, ClassVar

from ingot.optim.formula import FormulaOptimizer, Options
from ingot.optim.optimizer import Params, check_option
from ingot.optim.values import larger, move, norm, to_bfloat16
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor


class Muon(FormulaOptimizer):
    """Steps whose singular values are all about 1, for matrices. Jordan et al. 2024; PyTorch's formulas."""

    run_time: ClassVar[tuple[str, ...]] = ("lr", "weight_decay", "momentum")
    optional: ClassVar[tuple[str, ...]] = ("weight_decay",)
    rounds_alike: ClassVar[bool] = False
    numbers: ClassVar[dict[str, float]] = {}
    decoupled: ClassVar[bool] = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_option("learning rate", lr)
        check_option("momentum value", momentum)
        check_option("weight_decay value", weight_decay)
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise _wrong(f"adjust_lr_fn is 'original' or 'match_rms_adamw', not {adjust_lr_fn!r}")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self._groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise _wrong(f"Muon takes matrices, not a parameter of shape {list(p.shape)}")

    def buffers(self, o: Options, param: Tensor) -> tuple[str, ...]:
        """The average gradient."""
        return ("momentum_buffer",)

    def formula(self, o: Options, p: Any, g: Any, s: dict[str, Any], *scales: Any) -> None:
        """p -= learning rate for this shape * orthogonalised average."""
        momentum, buffer, lr = o["momentum"], s["momentum_buffer"], o["lr"]
        move(buffer, g, 1 - momentum)
        step = g * 1.0 if o["nesterov"] else buffer
        if o["nesterov"]:
            move(step, buffer, momentum)
        rows, columns = p.shape
        if o["adjust_lr_fn"] == "match_rms_adamw":
            ratio = 0.2 * max(rows, columns) ** 0.5
        else:
            ratio = max(1.0, rows / columns) ** 0.5
        change = orthogonalised(step, o["ns_coefficients"], o["ns_steps"], o["eps"])
        p += change * (-lr * ratio)


def orthogonalised(matrix: Any, coefficients: tuple[float, float, float], steps: int, eps: float) -> Any:
    """The matrix with singular values near 1, by Newton and Schulz's iteration in bfloat16.

    Raises SpecError (IG260) for 100 steps and more, and for anything but three coefficients.
    """
    if steps >= 100:
        raise _wrong(f"ns_steps must be below 100, but is {steps}")
    if len(coefficients) != 3:
        raise _wrong(f"ns_coefficients are three numbers, not {len(coefficients)}")
    a, b, c = coefficients
    wide = matrix.shape[0] <= matrix.shape[1]
    x = to_bfloat16(_single(matrix) if wide else _single(matrix).T)
    x = to_bfloat16(x / larger(norm(x), eps))
    for _ in range(steps):
        gram = to_bfloat16(x @ x.T)
        x = to_bfloat16(x * a + to_bfloat16(gram * b + (gram @ gram) * c) @ x)
    return x if wide else x.T


def _single(matrix: Any) -> Any:
    return matrix.float() if hasattr(matrix, "float") else matrix.astype("float32")


def _wrong(what: str) -> SpecError:
    return SpecError("IG260", what, where=user_line())
