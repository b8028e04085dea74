"""Stochastic gradient descent, as torch/optim/sgd.py computes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ingot.creation import full, zeros_like
from ingot.functional.arithmetic import add, mul, where
from ingot.functional.inplace import add_, copy_, mul_, zero_
from ingot.functional.unary import neg
from ingot.optim.checks import not_negative
from ingot.optim.optimizer import Optimizer, made_once
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor
from ingot.tracing import host_number, suspended


class SGD(Optimizer):
    """param -= lr * gradient, with momentum (Sutskever et al. 2013), Nesterov's form and weight decay."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        not_negative(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise SpecError("IG251", "Nesterov momentum requires a momentum and zero dampening", where=user_line())
        self._pending: dict[int, Tensor] = {}
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def update(self, param: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """One step of one parameter."""
        momentum, weight_decay = group["momentum"], group["weight_decay"]
        if group["maximize"]:
            grad = neg(grad)
        if weight_decay != 0:
            grad = add(grad, param, alpha=weight_decay)
        if momentum != 0:
            grad = self.with_momentum(grad, group, state)
        add_(param, grad, alpha=-host_number(group, "lr"))

    def with_momentum(self, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> Tensor:
        """The direction after the running sum of gradients has taken in this one."""
        momentum, dampening = group["momentum"], group["dampening"]
        first = "momentum_buffer" not in state
        buffer = made_once(state, "momentum_buffer", lambda: zeros_like(grad))
        if dampening == 0:
            add_(mul_(buffer, momentum), grad)
        else:
            # The first gradient enters undamped; whether it is the first is state, which compiled code changes too.
            pending = self.pending(state, first)
            copy_(buffer, where(pending, grad, add(mul(buffer, momentum), grad, alpha=1 - dampening)))
            zero_(pending)
        return add(grad, buffer, alpha=momentum) if group["nesterov"] else buffer

    def pending(self, state: dict[str, Any], first: bool) -> Tensor:
        """Whether a parameter's momentum has yet to begin, as a bool tensor beside its state."""
        key = id(state["momentum_buffer"])
        if key not in self._pending:
            with suspended():
                self._pending[key] = full((), first)
        return self._pending[key]
