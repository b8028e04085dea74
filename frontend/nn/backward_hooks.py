"""Hooks that `backward` calls for a module: identities around `forward` whose derivatives call them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingot.autograd.function import Function
from ingot.core import TensorBase
from ingot.creation import zeros
from ingot.nn.hooks import EveryModule, Hook
from ingot.tape import needs_grad

if TYPE_CHECKING:
    from ingot.nn.module import Module


class Gradients:
    """One call of a module whose gradients hooks see."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.before: list[Hook] = [*EveryModule.backward_pre.values(), *module._backward_pre_hooks.values()]
        self.after: list[Hook] = [*EveryModule.backward.values(), *module._backward_hooks.values()]
        self.count = 0
        self.enters = False
        self.outputs: tuple[Any, ...] | None = None

    def entering(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The positional arguments, watched."""
        self.count = len(args)
        self.enters = bool(self.after) and any(isinstance(x, TensorBase) and needs_grad(x) for x in args)
        return _watched(args, self.at_inputs) if self.enters else args

    def leaving(self, result: Any) -> Any:
        """The result (a tensor, or a tuple with tensors), watched."""
        parts = result if isinstance(result, tuple) else (result,)
        watched = _watched(parts, self.at_outputs)
        return watched if isinstance(result, tuple) else watched[0]

    def at_outputs(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        """The gradients of the results come in; they go on as the hooks leave them."""
        for hook in self.before:
            changed = hook(self.module, gradients)
            if changed is not None:
                gradients = changed if isinstance(changed, tuple) else (changed,)
        self.outputs = gradients
        if not self.enters:
            # No input has a gradient to wait for.
            for hook in self.after:
                if hook(self.module, (None,) * self.count, gradients) is not None:
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always return None or None "
                        "for all gradients."
                    )
        return gradients

    def at_inputs(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        """The gradients of the arguments go out as the hooks leave them."""
        for hook in self.after:
            changed = hook(self.module, gradients, self.outputs)
            if changed is None:
                continue
            changed = changed if isinstance(changed, tuple) else (changed,)
            if len(changed) != len(gradients):
                raise RuntimeError(
                    f"Backward hook returned an invalid number of grad_input, got {len(changed)}, but expected "
                    f"{len(gradients)}"
                )
            gradients = changed
        return gradients


class _Identity(Function):
    """Tensors as they are; their gradients go through a function."""

    @staticmethod
    def forward(ctx: Any, through: Any, *tensors: Any) -> Any:
        ctx.through = through
        results = tuple([x.view(x.shape) if x.is_contiguous() else x.clone() for x in tensors])
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(y for x, y in zip(tensors, results, strict=True) if not x.requires_grad))
        return results

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return (None, *ctx.through(gradients))


def _watched(values: tuple[Any, ...], through: Any) -> tuple[Any, ...]:
    """The values, the gradients of their tensors going through a function with an entry per value."""
    places = [i for i, x in enumerate(values) if isinstance(x, TensorBase) and x._layout.dtype.is_floating_point]
    if not any(needs_grad(values[i]) for i in places):
        return values

    constant: list[tuple[Any, Any]] = [
        (None, None) if needs_grad(values[i]) else (values[i]._layout.dtype, values[i]._layout.shape) for i in places
    ]

    def sent(gradients: tuple[Any, ...]) -> list[Any]:
        by_value: list[Any] = [None] * len(values)
        for place, gradient, (dtype, shape) in zip(places, gradients, constant, strict=True):
            # As PyTorch shows them: what needs no gradient has one of zeros, what nothing flowed to has none.
            by_value[place] = zeros(shape, dtype=dtype) if gradient is None and shape is not None else gradient
        changed = through(tuple(by_value))
        return [changed[place] for place in places]

    passed = _Identity.apply(sent, *[values[i] for i in places])
    found = list(values)
    for place, tensor in zip(places, passed, strict=True):
        found[place] = tensor
    return tuple(found)
