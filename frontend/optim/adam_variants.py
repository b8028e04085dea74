"""Adamax, NAdam and RAdam: the averages of Adam, used in other ways."""

from __future__ import annotations

from typing import Any, ClassVar

from ingot.optim.formula import FormulaOptimizer, Options
from ingot.optim.optimizer import Params, check_betas, check_option
from ingot.optim.values import assign, choose, maximum, move, sqrt
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
