"""Module: named parameters, buffers and sub-modules, with PyTorch's state_dict keys."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from ingot.core import TensorBase, is_traced
from ingot.functional.inplace import copy_
from ingot.modes import bump_epoch, modes, no_grad
from ingot.promote import cast_to
from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import IngotError, TraceError
from ingot.source_lines import user_line
from ingot.tensor import Parameter, Size, Tensor

Self = TypeVar("Self", bound="Module")


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` did not find on either side."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class StateError(IngotError, RuntimeError):
    """A state_dict that does not fit a module; a RuntimeError because PyTorch raises that."""


class RemovableHandle:
    """Removes a hook: `handle.remove()`, or at the end of a `with`."""

    def __init__(self, hooks: dict[Any, Any], hook: Any, first: bool = False) -> None:
        self.hooks = hooks
        others = list(hooks.items()) if first else []
        if first:
            hooks.clear()
        hooks[self] = hook
        hooks.update(others)
        bump_epoch()

    def remove(self) -> None:
        """Do not call the hook any more."""
        self.hooks.pop(self, None)
        bump_epoch()

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class Module:
    """The base of all layers: assign parameters, buffers and modules as attributes and define `forward`."""

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]

    def __init__(self) -> None:
        put = super().__setattr__
        put("training", True)
        put("_parameters", {})
        put("_buffers", {})
        put("_non_persistent_buffers_set", set())
        put("_modules", {})
        put("_forward_hooks", OrderedDict())
        put("_forward_pre_hooks", OrderedDict())

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What calling the module computes."""
        raise TypeError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        trace = modes.trace
        if trace is None:
            return self._run(args, kwargs)
        trace.modules.setdefault(id(self), self)
        with trace.scope(trace.path_of(self)):
            return self._run(args, kwargs)

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for hook, with_kwargs in tuple(self._forward_pre_hooks.values()):
            changed = hook(self, args, kwargs) if with_kwargs else hook(self, args)
            if changed is not None and with_kwargs:
                args, kwargs = changed
            elif changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        result = self.forward(*args, **kwargs)
        for hook, with_kwargs in tuple(self._forward_hooks.values()):
            changed = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
            result = result if changed is None else changed
        return result

    # ---- attributes

    def __getattr__(self, name: str) -> Any:
        for kind in ("_parameters", "_buffers", "_modules"):
            known = self.__dict__.get(kind)
            if known is not None and name in known:
                return known[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self.register_parameter(name, value)
            return
        if isinstance(value, Module):
            self.register_module(name, value)
            return
        for known in (self.__dict__.get("_parameters"), self.__dict__.get("_modules"), self.__dict__.get("_buffers")):
            if known is not None and name in known:
                self._replace(known, name, value)
                return
        self._set_plain(name, value)

    def _replace(self, known: dict[str, Any], name: str, value: Any) -> None:
        """Give a registered name another value."""
        if value is not None and known is not self._buffers:
            kind = "parameter" if known is self._parameters else "child module"
            wanted = "Parameter" if known is self._parameters else "Module"
            raise TypeError(f"cannot assign '{type(value).__name__}' as {kind} '{name}' (nn.{wanted} or None expected)")
        if value is not None and not isinstance(value, TensorBase):
            raise TypeError(f"cannot assign '{type(value).__name__}' as buffer '{name}' (Tensor or None expected)")
        old = known[name]
        if isinstance(value, TensorBase) and is_traced(value) and isinstance(old, TensorBase):
            if old._layout is not value._layout:
                raise self._side_effect(name, value)
            with no_grad():
                copy_(old, value)  # type: ignore[arg-type]
            return
        known[name] = value
        bump_epoch()

    def _set_plain(self, name: str, value: Any) -> None:
        old = self.__dict__.get(name, _MISSING)
        if old is value:
            return
        if modes.trace is not None and id(self) in modes.trace.modules and name != "training":
            traced = isinstance(value, TensorBase) and is_traced(value)
            if traced or (old is not _MISSING and not isinstance(value, Module)):
                raise self._side_effect(name, value)
        super().__setattr__(name, value)
        if old is not _MISSING:
            bump_epoch()

    def _side_effect(self, name: str, value: Any) -> TraceError:
        kind = "a traced tensor" if isinstance(value, TensorBase) else repr(value)[:60]
        return TraceError(
            "IG189",
            f"{type(self).__name__}.{name} was set to {kind} while it was traced",
            where=user_line(),
            detail=["compiled code does not run the Python statement again"],
            fix=f"self.register_buffer({name!r}, ...) in __init__ and self.{name}.copy_(value) here",
        )

    def __delattr__(self, name: str) -> None:
        for known in (self._parameters, self._buffers, self._modules):
            if name in known:
                del known[name]
                bump_epoch()
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name. Raises TypeError for other things."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{type(param).__name__}' object to parameter '{name}' (nn.Parameter or None required)"
            )
        self._claim(name, "_parameters")
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the module's state but is not trained; in the state_dict if `persistent`."""
        if tensor is not None and not isinstance(tensor, TensorBase):
            raise TypeError(
                f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' (Tensor or None required)"
            )
        self._claim(name, "_buffers")
        self._buffers[name] = tensor
        (self._non_persistent_buffers_set.discard if persistent else self._non_persistent_buffers_set.add)(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a sub-module under a name."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._claim(name, "_modules")
        self._modules[name] = module

    add_module = register_module

    def _claim(self, name: str, kind: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(f"cannot assign {name!r} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"a name should be a string, not {type(name).__name__}")
        if hasattr(type(self), name):
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name or not name:
            raise KeyError(f"the name {name!r} must not be empty or contain a dot")
        for other in (self.__dict__, self._parameters, self._buffers, self._modules):
            if other is not self.__dict__[kind]:
                other.pop(name, None)
        bump_epoch()

    # ---- walking

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(path, module) of this module and everything below."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                below = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, below, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and everything below."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the direct sub-modules."""
        return ((name, module) for name, module in self._modules.items() if module is not None)

    def children(self) -> Iterator[Module]:
        """The direct sub-modules."""
        return (module for _, module in self.named_children())

    def _named(self, kind: str, prefix: str, recurse: bool, unique: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=unique) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, tensor in getattr(module, kind).items():
                if tensor is None or (unique and id(tensor) in seen):
                    continue
                seen.add(id(tensor))
                yield f"{path}.{name}" if path else name, tensor

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter) of everything to be trained."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Everything to be trained."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(path, buffer) of the state that is not trained."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The state that is not trained."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as "layers.3"."""
        module = self
        for name in target.split(".") if target else []:
            below = module._modules.get(name)
            if below is None:
                raise AttributeError(f"{type(module).__name__} has no module {name!r}")
            module = below
        return module

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path such as "layers.3.mean"."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return module._buffers[name]  # type: ignore[return-value]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as "layers.3.weight"."""
        path, _, name = target.rpartition(".")
        found: Parameter = getattr(self.get_submodule(path), name)
        return found

    # ---- changing all of it

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module below, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _each_tensor(self: Self, fn: Callable[[Tensor], Tensor]) -> Self:
        for module in self.modules():
            for tensors in (module._parameters, module._buffers):
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
        """Floating parameters and buffers in another dtype, in place."""
        kind = next((arg for arg in args if isinstance(arg, DType)), dtype)
        if kind is None:
            return self
        return self._each_tensor(lambda t: cast_to(t, kind) if t._layout.dtype.is_floating_point else t)

    def type(self: Self, dtype: DType) -> Self:
        """All parameters and buffers in another dtype."""
        return self._each_tensor(lambda t: cast_to(t, dtype))

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

    def train(self: Self, mode: bool = True) -> Self:
        """Behave as in training (dropout drops, statistics update), here and below."""
        for module in self.modules():
            module.training = mode
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

    # ---- hooks

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args, result) after forward; it may return another result.

        `prepend`: before the other hooks. `with_kwargs`: hook(module, args, kwargs, result).
        """
        return RemovableHandle(self._forward_hooks, (hook, with_kwargs), prepend)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args) before forward; it may return other arguments.

        `prepend`: before the other hooks. `with_kwargs`: hook(module, args, kwargs), which returns None or both.
        """
        return RemovableHandle(self._forward_pre_hooks, (hook, with_kwargs), prepend)

    # ---- state

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> OrderedDict[str, Any]:
        """Parameters and persistent buffers by path, sharing their memory."""
        found: OrderedDict[str, Any] = OrderedDict()
        self._collect(found, prefix, keep_vars)
        return found

    def _collect(self, found: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        for name, tensor in self._persistent():
            found[prefix + name] = tensor if keep_vars else tensor.detach()
        for name, module in self._modules.items():
            if module is not None:
                module._collect(found, f"{prefix}{name}.", keep_vars)

    def _persistent(self) -> list[tuple[str, Tensor]]:
        buffers = [(n, b) for n, b in self._buffers.items() if n not in self._non_persistent_buffers_set]
        return [(name, tensor) for name, tensor in (*self._parameters.items(), *buffers) if tensor is not None]

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy tensors by path into parameters and buffers.

        Raises StateError (IG247) for keys that do not fit, if `strict`, and for wrong shapes always.
        """
        own = {
            f"{path}.{name}" if path else name: tensor
            for path, module in self.named_modules(remove_duplicate=False)
            for name, tensor in module._persistent()
        }
        missing = [key for key in own if key not in state_dict]
        unexpected = [key for key in state_dict if key not in own]
        problems: list[str] = []
        if strict and unexpected:
            problems.append(f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
        if strict and missing:
            problems.append(f"Missing key(s) in state_dict: {_quoted(missing)}. ")
        for key, tensor in own.items():
            given = state_dict.get(key)
            if given is not None and tuple(given.shape) != tuple(tensor._layout.shape):
                problems.append(
                    f"size mismatch for {key}: copying a param with shape {Size(given.shape)} from checkpoint, "
                    f"the shape in current model is {Size(tensor._layout.shape)}."
                )
        if problems:
            what = f"Error(s) in loading state_dict for {type(self).__name__}:"
            raise StateError("IG247", what, where=user_line(), detail=problems)
        with no_grad():
            for key, tensor in own.items():
                if key in state_dict and assign:
                    tensor.data = state_dict[key].detach()
                elif key in state_dict:
                    copy_(tensor, state_dict[key].detach())
        return IncompatibleKeys(missing, unexpected)

    def guard_state(self) -> tuple[Any, ...]:
        """What compiled code that ran this module depends on: attributes, and which tensors and modules it holds."""
        state: list[Any] = []
        for name, value in self.__dict__.items():
            if isinstance(value, dict):
                state.append((name, tuple([(key, id(item)) for key, item in value.items()])))
            else:
                state.append((name, value if isinstance(value, _PLAIN) else id(value)))
        return tuple(state)

    # ---- text

    def extra_repr(self) -> str:
        """What to show between the brackets."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        below = [f"({name}): {indented(repr(module))}" for name, module in self._modules.items()]
        if not below:
            return f"{type(self).__name__}({extra})"
        lines = [extra, *below] if extra else below
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"


_MISSING = object()
_PLAIN = (bool, int, float, str, bytes, tuple, type(None))


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def indented(text: str) -> str:
    """The text with its lines but the first moved to the right by two."""
    return text.replace("\n", "\n  ")
