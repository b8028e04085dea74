"""Adam and AdamW, as torch/optim/adam.py computes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ingot.creation import zeros, zeros_like
from ingot.functional.arithmetic import add, addcdiv, div, maximum
from ingot.functional.inplace import add_, addcmul_, copy_, lerp_, mul_
from ingot.functional.unary import neg, sqrt
from ingot.host_scalar import number_of
from ingot.mutation import assign
from ingot.optim.checks import betas_in_range, not_negative
from ingot.optim.optimizer import Optimizer, made_once
from ingot.runtime import dtypes
from ingot.tensor import Tensor
from ingot.tracing import host_number


class Adam(Optimizer):
    """Adaptive moments; Kingma & Ba 2015, `amsgrad` Reddi et al. 2018. `weight_decay` is added to the gradient."""

    decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        betas_in_range(betas)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
            },
        )

    def update(self, param: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """One step of one parameter."""
        beta1, beta2 = group["betas"]
        lr, weight_decay = host_number(group, "lr"), group["weight_decay"]
        step = made_once(state, "step", lambda: zeros((), dtype=dtypes.float32))
        mean = made_once(state, "exp_avg", lambda: zeros_like(param))
        square = made_once(state, "exp_avg_sq", lambda: zeros_like(param))
        if group["maximize"]:
            grad = neg(grad)
        add_(step, 1)
        if weight_decay != 0 and self.decoupled:
            mul_(param, 1 - lr * weight_decay)
        elif weight_decay != 0:
            grad = add(grad, param, alpha=weight_decay)
        lerp_(mean, grad, 1 - beta1)
        addcmul_(mul_(square, beta2), grad, grad, value=1 - beta2)
        count = number_of(step)
        if group["amsgrad"]:
            largest = made_once(state, "max_exp_avg_sq", lambda: zeros_like(param))
            copy_(largest, maximum(largest, square))
            square = largest
        correction = (1 - beta2**count) ** 0.5
        scale = add(div(sqrt(square), correction), group["eps"])
        step_size = lr / (1 - beta1**count)
        assign(param, addcdiv(param, mean, scale, value=-step_size))


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameters directly. Loshchilov & Hutter 2019."""

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
