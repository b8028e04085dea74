"""What a module holds: parameters, buffers and modules as attributes, and how they are walked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ingot.attributes import KEPT, Kept, Missing, can_be_kept, holds_tensors, kept_of
from ingot.core import TensorBase, is_traced
from ingot.functional.inplace import copy_
from ingot.modes import bump_epoch, modes, no_grad
from ingot.runtime.errors import BadNameError, DTypeError, SpecError, TraceError, UnreadyError
from ingot.source_lines import user_line
from ingot.tensor import Parameter, Tensor

if TYPE_CHECKING:
    from ingot.nn.module import Module

_MISSING = object()
# Attributes of these kinds are guarded by value.
_CONSTANTS = (bool, int, float, str, bytes, tuple, type(None))


def _wrong_kind(what: str) -> DTypeError:
    return DTypeError("IG214", what, where=user_line())


class Registry:
    """The part of `Module` that knows its parameters, buffers and modules by name."""

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]

    def _init_registry(self) -> None:
        put = super().__setattr__
        put("training", True)
        put("_parameters", {})
        put("_buffers", {})
        put("_non_persistent_buffers_set", set())
        put("_modules", {})
        put(KEPT, Kept())
        if modes.trace is not None:
            modes.trace.attributes.made[id(self)] = self

    # ---- attributes

    def __getattr__(self, name: str) -> Any:
        for kind in ("_parameters", "_buffers", "_modules"):
            known = self.__dict__.get(kind)
            if known is not None and name in known:
                return known[name]
        kept = self.__dict__.get(KEPT, {})
        value = kept.get(name, Missing)
        if modes.trace is not None and not name.startswith("__"):
            modes.trace.attributes.read(self, name, value)
        if value is not Missing:
            return value
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._make_room(name, "_parameters")
            self.register_parameter(name, value)
            return
        if isinstance(value, Registry):
            self._make_room(name, "_modules")
            self.register_module(name, value)  # type: ignore[arg-type]
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
            raise _wrong_kind(
                f"cannot assign '{type(value).__name__}' as {kind} '{name}' (nn.{wanted} or None expected)"
            )
        if value is not None and not isinstance(value, TensorBase):
            raise _wrong_kind(f"cannot assign '{type(value).__name__}' as buffer '{name}' (Tensor or None expected)")
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
        if modes.trace is not None and name == "training":
            modes.trace.attributes.switch(self)
            modes.trace.modules.setdefault(id(self), self)
        elif modes.trace is not None and self._set_in_trace(name, value):
            return
        if name in self.__dict__.get(KEPT, {}):
            kept_of(self)[name] = value
            return
        old = self.__dict__.get(name, _MISSING)
        if old is value:
            return
        super().__setattr__(name, value)
        # What hides something of the class, such as forward, is a change too.
        if old is not _MISSING or hasattr(type(self), name):
            bump_epoch()

    def _set_in_trace(self, name: str, value: Any) -> bool:
        """Let calls of the compiled function set the attribute; False where it can be set once and for all."""
        trace: Any = modes.trace
        old = self.__dict__.get(name, _MISSING)
        if id(self) in trace.attributes.made:
            return False
        if name not in self.__dict__.get(KEPT, {}) and not holds_tensors(value):
            if id(self) not in trace.modules or old is _MISSING:
                return False
            same = type(old) is type(value) and isinstance(value, _CONSTANTS) and repr(old) == repr(value)
            if old is value or same:
                return True
        if trace.attributes.was_read(self, name) or not can_be_kept(self, name, value):
            raise self._side_effect(name, value)
        trace.attributes.put(self, name, value)
        return True

    def _side_effect(self, name: str, value: Any) -> TraceError:
        trace: Any = modes.trace
        kind = "a traced tensor" if isinstance(value, TensorBase) else repr(value)[:60]
        detail = ["compiled code does not run the Python statement again"]
        if trace.attributes.was_read(self, name):
            detail.insert(0, "what it was before was read: the next call would have to read what this one set")
        return TraceError(
            "IG189",
            f"{type(self).__name__}.{name} was set to {kind} while it was traced",
            where=user_line(),
            detail=detail,
            fix=f"self.register_buffer({name!r}, ...) in __init__ and self.{name}.copy_(value) here",
        )

    def __delattr__(self, name: str) -> None:
        for known in (self._parameters, self._buffers, self._modules):
            if name in known:
                del known[name]
                self._non_persistent_buffers_set.discard(name)
                bump_epoch()
                return
        if self.__dict__.get(KEPT, {}).get(name, Missing) is not Missing:
            kept_of(self)[name] = Missing
            return
        super().__delattr__(name)
        bump_epoch()

    def __dir__(self) -> list[str]:
        kept = [name for name, value in self.__dict__.get(KEPT, {}).items() if value is not Missing]
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules, *kept})

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name. Raises TypeError for other things."""
        if param is not None and not isinstance(param, Parameter):
            raise _wrong_kind(
                f"cannot assign '{type(param).__name__}' object to parameter '{name}' (nn.Parameter or None required)"
            )
        if param is not None and param._node is not None:
            raise SpecError(
                "IG314",
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly.",
                where=user_line(),
                fix="nn.Parameter(x.detach())",
            )
        self._claim(name, "_parameters")
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the module's state but is not trained; in the state_dict if `persistent`."""
        if tensor is not None and not isinstance(tensor, TensorBase):
            raise _wrong_kind(
                f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' (Tensor or None required)"
            )
        self._claim(name, "_buffers")
        self._buffers[name] = tensor
        (self._non_persistent_buffers_set.discard if persistent else self._non_persistent_buffers_set.add)(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a sub-module under a name."""
        if module is not None and not isinstance(module, Registry):
            raise _wrong_kind(f"{type(module).__name__} is not a Module subclass")
        self._claim(name, "_modules")
        self._modules[name] = module

    add_module = register_module

    def _claim(self, name: str, kind: str) -> None:
        if "_parameters" not in self.__dict__:
            what = {"_parameters": "parameters", "_buffers": "buffer", "_modules": "module"}[kind]
            raise UnreadyError(
                "IG390",
                f"cannot assign {what} before Module.__init__() call: {name!r}",
                where=user_line(),
                fix="super().__init__() first",
            )
        if not isinstance(name, str):
            raise _wrong_kind(f"a name should be a string, not {type(name).__name__}")
        if "." in name or not name:
            raise BadNameError("IG391", f"the name {name!r} must not be empty or contain a dot", where=user_line())
        if name not in self.__dict__[kind] and hasattr(self, name):
            raise BadNameError("IG391", f"attribute '{name}' already exists", where=user_line())
        bump_epoch()

    def _make_room(self, name: str, kind: str) -> None:
        """Forget what else has the name: an attribute that is assigned replaces it, whatever it was."""
        self.__dict__.pop(name, None)
        self.__dict__.get(KEPT, {}).pop(name, None)
        for other in ("_parameters", "_buffers", "_modules"):
            known = self.__dict__.get(other)
            if known is not None and other != kind:
                known.pop(name, None)

    # ---- walking

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(path, module) of this module and everything below."""
        memo = set() if memo is None else memo
        this: Module = self  # type: ignore[assignment]
        if this in memo:
            return
        if remove_duplicate:
            memo.add(this)
        yield prefix, this
        for name, module in self._modules.items():
            if module is not None:
                below = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, below, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and everything below."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the direct sub-modules, each once."""
        seen: set[int] = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct sub-modules."""
        return (module for _, module in self.named_children())

    def _named_members(
        self, of: Any, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """(path, tensor) of what `of` lists of each module, each once."""
        seen: set[int] = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, tensor in of(module):
                if tensor is None or (remove_duplicate and id(tensor) in seen):
                    continue
                seen.add(id(tensor))
                yield f"{path}.{name}" if path else name, tensor

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter) of everything to be trained."""
        return self._named_members(lambda module: module._parameters.items(), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Everything to be trained."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(path, buffer) of the state that is not trained."""
        return self._named_members(lambda module: module._buffers.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The state that is not trained."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as "layers.3"."""
        module: Module = self  # type: ignore[assignment]
        for name in target.split(".") if target else []:
            if not hasattr(module, name):
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            below = getattr(module, name)
            if not isinstance(below, Registry):
                raise AttributeError(f"`{name}` is not an nn.Module")
            module = below  # type: ignore[assignment]
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a path; `strict`: only where one is. Raises ValueError and AttributeError."""
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{type(parent).__name__} has no attribute `{name}`")
        if not isinstance(module, Registry):
            raise ValueError(f"{type(module).__name__} is not an nn.Module")
        setattr(parent, name, module)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path such as "layers.3.mean"."""
        return self._member(target, "_buffers", "a buffer")  # type: ignore[no-any-return]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as "layers.3.weight"."""
        return self._member(target, "_parameters", "an nn.Parameter")  # type: ignore[no-any-return]

    def _member(self, target: str, kind: str, what: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        if name not in getattr(module, kind):
            raise AttributeError(f"`{name}` is not {what}")
        return getattr(module, kind)[name]
