"""State of modules: dictionaries of parameters and buffers by path, as PyTorch reads and writes them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ingot.core import TensorBase
from ingot.functional.inplace import copy_
from ingot.handles import RemovableHandle, lasting_hook
from ingot.modes import no_grad
from ingot.nn.registry import Registry
from ingot.runtime.errors import IngotError
from ingot.source_lines import user_line
from ingot.tensor import Parameter, Size, Tensor

if TYPE_CHECKING:
    pass

EXTRA = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` did not find on either side."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class StateError(IngotError, RuntimeError):
    """A state_dict that does not fit a module; a RuntimeError because PyTorch raises that."""


class Stateful(Registry):
    """The part of `Module` that saves and loads its state."""

    # Written into the state; layers whose state changed meaning raise it.
    _version: int = 1
    _state_dict_hooks: OrderedDict[int, Callable[..., Any]]
    _state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _load_state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _load_state_dict_post_hooks: OrderedDict[int, Callable[..., Any]]

    def _init_state(self) -> None:
        for name in _STATE_HOOKS:
            object.__setattr__(self, name, OrderedDict())

    # ---- saving

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> OrderedDict[str, Any]:
        """Parameters and persistent buffers by path, sharing their memory; written to `destination`, if given."""
        # The older form: state_dict(destination, prefix, keep_vars).
        given = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
        destination = given.get("destination", destination)
        prefix, keep_vars = given.get("prefix", prefix), given.get("keep_vars", keep_vars)
        found: Any = OrderedDict() if destination is None else destination
        if not hasattr(found, "_metadata") and isinstance(found, OrderedDict):
            found._metadata = OrderedDict()  # type: ignore[attr-defined]
        local = {"version": self._version}
        if hasattr(found, "_metadata"):
            found._metadata[prefix[:-1]] = local
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(found, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=found, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            replaced = hook(self, found, prefix, local)
            found = found if replaced is None else replaced
        return found  # type: ignore[no-any-return]

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Put this module's own state, without that of modules below, into the dictionary."""
        for name, tensor in self._persistent().items():
            destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if type(self).get_extra_state is not Stateful.get_extra_state:
            destination[prefix + EXTRA] = self.get_extra_state()

    def _persistent(self) -> dict[str, Tensor]:
        buffers = [(n, b) for n, b in self._buffers.items() if n not in self._non_persistent_buffers_set]
        return {name: tensor for name, tensor in (*self._parameters.items(), *buffers) if tensor is not None}

    def get_extra_state(self) -> Any:
        """What else belongs to the state, for classes that define this and `set_extra_state`."""
        raise RuntimeError(
            f"{type(self).__name__} keeps no extra state: define get_extra_state() and set_extra_state()"
        )

    def set_extra_state(self, state: Any) -> None:
        """Take over what `get_extra_state` gave."""
        raise RuntimeError(
            f"{type(self).__name__} keeps no extra state: define get_extra_state() and set_extra_state()"
        )

    # ---- loading

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy tensors by path into parameters and buffers; `assign`: put the tensors themselves there.

        Raises StateError (IG247) for keys that do not fit, if `strict`, and for wrong shapes always.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        given: Any = OrderedDict(state_dict)
        metadata = getattr(state_dict, "_metadata", None)
        if metadata is not None:
            given._metadata = metadata
        missing: list[str] = []
        unexpected: list[str] = []
        problems: list[str] = []
        loading = _Loading(given, metadata or {}, assign, missing, unexpected, problems)
        loading.load(self, "")
        if strict and unexpected:
            problems.insert(0, f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
        if strict and missing:
            problems.insert(0, f"Missing key(s) in state_dict: {_quoted(missing)}. ")
        if problems:
            what = f"Error(s) in loading state_dict for {type(self).__name__}:"
            raise StateError("IG247", what, where=user_line(), detail=problems)
        return IncompatibleKeys(missing, unexpected)

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Mapping[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Take this module's own state, without that of modules below, from the dictionary."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        own = self._persistent()
        for name, tensor in own.items():
            key = prefix + name
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            problem = self._take(name, key, tensor, state_dict[key], local_metadata.get("assign_to_params_buffers"))
            if problem is not None:
                error_msgs.append(problem)
        extra = prefix + EXTRA
        if type(self).set_extra_state is not Stateful.set_extra_state:
            if extra in state_dict:
                self.set_extra_state(state_dict[extra])
            elif strict:
                missing_keys.append(extra)
        elif strict and extra in state_dict:
            unexpected_keys.append(extra)
        if strict:
            below = [key for key in state_dict if key != extra and key.startswith(prefix)]
            unexpected_keys.extend(key for key in below if not self._holds(key[len(prefix) :], own))

    def _holds(self, key: str, own: Mapping[str, Any]) -> bool:
        """Whether a key names a part of this module's own state or something in a module below."""
        first, *rest = key.split(".", 1)
        return first in (self._modules if rest else own)

    def _take(self, name: str, key: str, tensor: Tensor, given: Any, assign: Any) -> str | None:
        """Give a parameter or buffer its saved elements; what is wrong, if something is."""
        if not isinstance(given, TensorBase):
            return (
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from '
                f"checkpoint but received {type(given)}"
            )
        saved: Tensor = given  # type: ignore[assignment]
        # Older versions saved scalars with one dimension.
        if not tensor._layout.shape and saved._layout.shape == (1,):
            saved = saved.detach().reshape(())
        if saved._layout.shape != tensor._layout.shape:
            return (
                f"size mismatch for {key}: copying a param with shape {Size(saved._layout.shape)} from checkpoint, "
                f"the shape in current model is {Size(tensor._layout.shape)}."
            )
        if not assign:
            with no_grad():
                copy_(tensor, saved.detach())
            return None
        if isinstance(tensor, Parameter) and not isinstance(saved, Parameter):
            saved = Parameter(saved.detach(), requires_grad=tensor._requires_grad)
        elif isinstance(saved, Parameter) and not isinstance(tensor, Parameter):
            saved = saved.detach()
        setattr(self, name, saved)
        return None

    # ---- hooks

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, prefix, keep_vars) before the state is collected."""
        return lasting_hook(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, local_metadata) after the state was collected."""
        return lasting_hook(self._state_dict_hooks, hook)

    _register_state_dict_hook = register_state_dict_post_hook

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, local_metadata, strict, missing, unexpected, errors) before loading."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        """As `register_load_state_dict_pre_hook`; without the module as the first argument unless `with_module`."""
        return lasting_hook(self._load_state_dict_pre_hooks, _WithModule(hook, self) if with_module else hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, incompatible_keys) after loading; it may change the lists of keys in place."""
        return lasting_hook(self._load_state_dict_post_hooks, hook)


_STATE_HOOKS = (
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


class _WithModule:
    """A hook called with a module first; a copy of the module has a copy of this, which knows the copy."""

    def __init__(self, hook: Callable[..., Any], module: Stateful) -> None:
        self.hook = hook
        self.module = module

    def __call__(self, *args: Any) -> Any:
        return self.hook(self.module, *args)


class _Loading(NamedTuple):
    """One `load_state_dict` on its way through the modules."""

    state: Any
    metadata: Mapping[str, Any]
    assign: bool
    missing: list[str]
    unexpected: list[str]
    problems: list[str]

    def load(self, module: Stateful, prefix: str) -> None:
        """Load a module and everything below."""
        local = dict(self.metadata.get(prefix[:-1], {}))
        if self.assign:
            local["assign_to_params_buffers"] = True
        module._load_from_state_dict(self.state, prefix, local, True, self.missing, self.unexpected, self.problems)
        for name, child in module._modules.items():
            if child is not None:
                self.load(child, f"{prefix}{name}.")
        keys = IncompatibleKeys(self.missing, self.unexpected)
        for hook in module._load_state_dict_post_hooks.values():
            if hook(module, keys) is not None:
                raise AssertionError("a load_state_dict post-hook changes the keys in place and returns nothing")


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
