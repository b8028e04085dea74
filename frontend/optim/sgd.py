"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ingot.core import tensor_from_array
from ingot.host_scalar import number_of
from ingot.optim.groups import ParamGroup
from ingot.optim.optimizer import Optimizer, Params, check_option
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor
from ingot.tracing import suspended


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum. Sutskever et al. 2013; the formulas are PyTorch's."""

    run_time: ClassVar[tuple[str, ...]] = ("lr", "momentum", "weight_decay")

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
        # How much of the gradient goes into each momentum buffer at the next step: all of it at the first.
        self._shares: dict[int, tuple[Tensor, Tensor]] = {}
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

    def update(self, group: ParamGroup, indices: list[int]) -> None:
        """p -= lr * (gradient, decayed and averaged)."""
        lr, weight_decay, momentum = group["lr"], group.unless_zero("weight_decay"), group.unless_zero("momentum")
        for i in indices:
            param: Any = group.plain("params")[i]
            grad = -param.grad if group["maximize"] else param.grad
            if weight_decay is not None:
                grad = grad + param * weight_decay
            if momentum is not None:
                buffer = self._averaged(group, param, grad, momentum)
                grad = grad + buffer * momentum if group["nesterov"] else buffer
            param.add_(grad * -lr)

    def _averaged(self, group: ParamGroup, param: Tensor, grad: Tensor, momentum: Any) -> Tensor:
        fresh = "momentum_buffer" not in self.state[param]
        buffer = self.zeros(param, "momentum_buffer")
        dampening = group["dampening"]
        if dampening == 0:
            return buffer.copy_(buffer * momentum + grad)
        known = self._shares.get(id(param))
        if fresh or known is None or known[0] is not buffer:
            with suspended():
                share = tensor_from_array(np.array(1.0 if fresh else 1.0 - dampening))
                known = self._shares[id(param)] = (buffer, share)
        buffer.copy_(buffer * momentum + grad * number_of(known[1]))
        known[1].fill_(1.0 - dampening)
        return buffer

    def guard_state(self) -> tuple[Any, ...]:
        """As every optimiser's, with the shares."""
        shares = [(key, id(share)) for key, (_, share) in self._shares.items()]
        return (*super().guard_state(), ("shares", tuple(shares)))
