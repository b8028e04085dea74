"""Adam and AdamW."""

from __future__ import annotations

from typing import Any, ClassVar

from ingot.functional.arithmetic import maximum
from ingot.host_scalar import number_of
from ingot.modes import modes
from ingot.optim.groups import ParamGroup
from ingot.optim.optimizer import Optimizer, Params, check_option
from ingot.tensor import Tensor


class Adam(Optimizer):
    """Steps scaled by running averages of the gradient and of its square. Kingma & Ba 2014; PyTorch's formulas."""

    run_time: ClassVar[tuple[str, ...]] = ("lr", "betas", "weight_decay")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
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
        check_option("beta parameter at index 0", betas[0], below=1.0)
        check_option("beta parameter at index 1", betas[1], below=1.0)
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

    def update(self, group: ParamGroup, indices: list[int]) -> None:
        """p -= lr / correction1 * average / (sqrt(square average) / sqrt(correction2) + eps)."""
        beta1, beta2 = group["betas"]
        scales = self._corrections(group, indices, beta1, beta2)
        lr, weight_decay, decoupled = group["lr"], group.unless_zero("weight_decay"), group["decoupled_weight_decay"]
        near = group.plain("betas")[0] > 0.5
        for i, (step_size, root) in zip(indices, scales, strict=True):
            param: Any = group.plain("params")[i]
            grad = -param.grad if group["maximize"] else param.grad
            value = param * (1 - lr * weight_decay) if weight_decay is not None and decoupled else param
            if weight_decay is not None and not decoupled:
                grad = grad + param * weight_decay
            average, square = self.zeros(param, "exp_avg"), self.zeros(param, "exp_avg_sq")
            average.copy_(_moved(average, grad, 1 - beta1, near))
            square.copy_(square * beta2 + grad * (1 - beta2) * grad)
            if group["amsgrad"]:
                largest = self.zeros(param, "max_exp_avg_sq")
                square = largest.copy_(maximum(largest, square))
            param.copy_(value + average * -step_size / (square.sqrt() / root + group["eps"]))

    def _corrections(self, group: ParamGroup, indices: list[int], beta1: Any, beta2: Any) -> list[tuple[Any, Any]]:
        """(step size, square root of the second correction) per parameter, in double precision."""
        steps, lr = self.counted(group, indices), group["lr"]
        if modes.trace is None:
            counts = steps.tolist()
            return [(lr / (1 - beta1 ** counts[i]), (1 - beta2 ** counts[i]) ** 0.5) for i in indices]
        counts = steps.double()
        sizes, roots = lr / (1 - beta1**counts), (1 - beta2**counts).sqrt()
        return [(number_of(sizes.select(0, i)), number_of(roots.select(0, i))) for i in indices]


def _moved(start: Tensor, end: Tensor, weight: Any, near: bool) -> Tensor:
    """start + weight * (end - start), from the nearer end (aten/src/ATen/native/Lerp.h)."""
    distance = end - start
    moved: Tensor = start + distance * weight if near else end - distance * (1 - weight)
    return moved


class AdamW(Adam):
    """Adam with the decay of weights apart from the gradient. Loshchilov & Hutter 2017; PyTorch's formulas."""

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )
