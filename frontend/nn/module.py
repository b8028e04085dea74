"""Module: named parameters, buffers and sub-modules, with PyTorch's state_dict keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ingot.attributes import KEPT, Missing
from ingot.core import TensorBase
from ingot.creation import check_device, empty_like
from ingot.handles import RemovableHandle
from ingot.jit import jit
from ingot.modes import bump_epoch, modes
from ingot.nn.backward_hooks import Gradients
from ingot.nn.hooks import EveryModule, Hooks, after_forward, before_forward
from ingot.nn.state_dict import _STATE_HOOKS, IncompatibleKeys, StateError, Stateful
from ingot.promote import cast_to
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import UnavailableError
from ingot.source_lines import user_line
from ingot.tensor import Tensor

__all__ = ["IncompatibleKeys", "Module", "RemovableHandle", "StateError", "indented"]

Self = TypeVar("Self", bound="Module")


class Module(Stateful, Hooks):
    """The base of all layers: assign parameters, buffers and modules as attributes and define `forward`."""

    dump_patches = False
    # Whether __init__ goes on to the next class of the hierarchy, for classes with several bases.
    call_super_init = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init and (args or kwargs):
            unknown = next(iter(kwargs), None)
            what = (
                f"an unexpected keyword argument '{unknown}'"
                if unknown
                else f"{len(args)} positional arguments too many"
            )
            raise TypeError(f"{type(self).__name__}.__init__() got {what}")
        self._init_registry()
        self._init_hooks()
        self._init_state()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What calling the module computes. Raises UnavailableError (IG348) for a class that does not say it."""
        raise UnavailableError(
            "IG348",
            f'Module [{type(self).__name__}] is missing the required "forward" function',
            where=user_line(),
            fix="def forward(self, x): ...",
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        compiled = self.__dict__.get("_compiled_call_impl")
        return self._call_impl(*args, **kwargs) if compiled is None else compiled(*args, **kwargs)

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        trace = modes.trace
        if trace is None:
            return self._run(args, kwargs)
        trace.modules.setdefault(id(self), self)
        with trace.scope(trace.path_of(self)):
            return self._run(args, kwargs)

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        everywhere = EveryModule.forward or EveryModule.forward_pre or EveryModule.backward or EveryModule.backward_pre
        backward = self._backward_hooks or self._backward_pre_hooks
        if not (self._forward_hooks or self._forward_pre_hooks or backward or everywhere):
            return self.forward(*args, **kwargs)
        called: set[int] = set()
        result = None
        try:
            args, kwargs = before_forward(self, args, kwargs)
            if not (backward or EveryModule.backward or EveryModule.backward_pre):
                result = self.forward(*args, **kwargs)
                return after_forward(self, args, kwargs, result, called)
            gradients = Gradients(self)
            args = gradients.entering(args)
            result = self.forward(*args, **kwargs)
            return gradients.leaving(after_forward(self, args, kwargs, result, called))
        except Exception:
            after_forward(self, args, kwargs, result, called, only_always=True)
            raise

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Run calls of this module as compiled code from now on; takes the options of `ingot.jit`."""
        options = {name: value for name, value in kwargs.items() if name not in _COMPILE_OPTIONS}
        object.__setattr__(self, "_compiled_call_impl", jit(self._call_impl, **options))

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_compiled_call_impl", None)
        # Files and copies have them as attributes like any other.
        kept = state.pop(KEPT, {})
        return state | {name: value for name, value in kept.items() if value is not Missing}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._init_hooks()
        self._init_state()
        self.__dict__.update(state)

    # ---- changing all of it

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module below, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self: Self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace every parameter, buffer and gradient, here and below, by what `fn` makes of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for tensors in (self._parameters, self._buffers):
            for tensor in tensors.values():
                if tensor is None:
                    continue
                changed = fn(tensor.detach())
                if changed._layout is not tensor._layout or changed._storage is not tensor._storage:
                    tensor.data = changed
                if tensor._grad is not None:
                    tensor._grad.data = fn(tensor._grad.detach())
        bump_epoch()
        return self

    def to(self: Self, *args: Any, dtype: DType | None = None, device: Any = None, **_: Any) -> Self:
        """Floating parameters and buffers in another dtype (or that of a tensor), in place.

        Raises TypeError for a dtype that is not floating, SpecError (IG234) for another device than the CPU.
        """
        for arg in args:
            if isinstance(arg, TensorBase):
                dtype = arg._layout.dtype
            elif isinstance(arg, DType):
                dtype = arg
            elif arg in (float, int):
                dtype = dtypes.OF_PYTHON[arg]
            elif not isinstance(arg, bool):
                device = arg
        check_device(device)
        if dtype is None:
            return self
        dtype = dtypes.OF_PYTHON.get(dtype, dtype)
        if not dtype.is_floating_point:
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )
        return self._apply(lambda t: cast_to(t, dtype) if t._layout.dtype.is_floating_point else t)

    def type(self: Self, dst_type: DType) -> Self:
        """All parameters and buffers in another dtype."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self: Self) -> Self:
        """Floating parameters and buffers in float32."""
        return self.to(dtypes.float32)

    def double(self: Self) -> Self:
        """Floating parameters and buffers in float64."""
        return self.to(dtypes.float64)

    def half(self: Self) -> Self:
        """Floating parameters and buffers in float16."""
        return self.to(dtypes.float16)

    def bfloat16(self: Self) -> Self:
        """Floating parameters and buffers in bfloat16."""
        return self.to(dtypes.bfloat16)

    def cpu(self: Self) -> Self:
        """The module itself: it lives on the CPU."""
        return self

    def cuda(self: Self, device: Any = None) -> Self:
        """Raises SpecError (IG234): there is no such device."""
        return self.to("cuda" if device is None else device)

    def to_empty(self: Self, *, device: Any = None, recurse: bool = True) -> Self:
        """Parameters and buffers in new memory, whose elements are not set."""
        check_device(device)
        return self._apply(lambda t: empty_like(t), recurse=recurse)

    def share_memory(self: Self) -> Self:
        """The module itself, its tensors in memory that child processes see."""
        return self._apply(lambda t: t.share_memory_())

    def train(self: Self, mode: bool = True) -> Self:
        """Behave as in training (dropout drops, statistics update), here and below."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: Self) -> Self:
        """Behave as in use: `train(False)`."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Whether the parameters are to be trained."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients (or set them to 0)."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = parameter.grad.detach()
                parameter.grad.zero_()

    # ---- compiled code

    def guard_state(self) -> tuple[Any, ...]:
        """What compiled code that ran this module depends on: attributes, and which tensors and modules it holds."""
        state: list[Any] = [("hooks of all modules", EveryModule.numbers())]
        for name, value in self.__dict__.items():
            if name in _STATE_HOOKS:
                continue
            if name == KEPT:
                # Their values are looked up by the functions that read them.
                state.append((name, tuple(value)))
            elif isinstance(value, dict):
                state.append((name, tuple([(key, id(item)) for key, item in value.items()])))
            else:
                state.append((name, value if isinstance(value, _PLAIN) else id(value)))
        return tuple(state)

    # ---- text

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What to show between the brackets."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        below = [f"({name}): {indented(repr(module))}" for name, module in self._modules.items()]
        if not below and "\n" not in extra:
            return f"{self._get_name()}({extra})"
        lines = [*extra.split("\n"), *below] if extra else below
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


_PLAIN = (bool, int, float, str, bytes, tuple, type(None))
# Options of torch.compile that choose between its ways of compiling.
_COMPILE_OPTIONS = ("fullgraph", "dynamic", "backend", "mode", "options", "disable")


def indented(text: str) -> str:
    """The text with its lines but the first moved to the right by two."""
    return text.replace("\n", "\n  ")
