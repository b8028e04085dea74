"""The base of optimisers: parameter groups, state, and their dictionary form, as in PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from ingot.core import TensorBase, array_of, tensor_from_array
from ingot.handles import RemovableHandle, lasting_hook
from ingot.modes import bump_epoch, enable_grad, modes, no_grad
from ingot.optim.groups import ParamGroup, State
from ingot.optim.hooks import Hooks, with_hooks
from ingot.optim.hooks import register_optimizer_step_post_hook as register_optimizer_step_post_hook
from ingot.optim.hooks import register_optimizer_step_pre_hook as register_optimizer_step_pre_hook
from ingot.promote import cast_to
from ingot.runtime.errors import DTypeError, SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor

Params = Iterable[Any]
# The default of an option that has none.
required: Any = object()


class Optimizer:
    """Changes parameters in place by their `.grad`.

    `params`: tensors, (name, tensor) pairs, or dicts with "params" and options of their own. `defaults`: the options.
    A subclass defines `update(group, params)`, which changes the parameters of one group that have a gradient.
    """

    # Options that compiled code reads at every call; the others are part of what it was compiled for.
    run_time: ClassVar[tuple[str, ...]] = ("lr",)
    # Those of them that steps do without when they are 0, which is part of what code was compiled for.
    optional: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "step" in vars(cls):
            cls.step = with_hooks(cls.step)  # type: ignore[method-assign]

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, TensorBase):
            raise _not_tensors(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got a Tensor"
            )
        self.defaults = dict(defaults)
        self._state = State()
        self._groups: list[ParamGroup] = []
        self._hooks = Hooks()
        groups = list(params)
        if not groups:
            raise _refused("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    @property
    def param_groups(self) -> list[ParamGroup]:
        """The groups of parameters and their options."""
        trace = modes.trace
        if trace is not None:
            trace.modules.setdefault(id(self), Groups(self))
        return self._groups

    @param_groups.setter
    def param_groups(self, groups: list[Any]) -> None:
        for i, group in enumerate(groups):
            if not isinstance(group, ParamGroup):
                groups[i] = ParamGroup(group, self.run_time, self.optional)
        # The list itself, which another optimiser may share.
        self._groups = groups
        self.parts_changed()

    @property
    def state(self) -> State:
        """What is kept for each parameter: tensors by name."""
        self._note()
        return self._state

    @state.setter
    def state(self, entries: Mapping[Any, Any]) -> None:
        self._state = State(entries)
        self.parts_changed()

    def _note(self) -> None:
        """A trace that looks at the state depends on all of `guard_state`."""
        trace = modes.trace
        if trace is not None:
            trace.modules[id(self)] = self

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own. Raises SpecError (IG261)."""
        if not isinstance(param_group, dict):
            raise _not_tensors(f"param_group must be a dict, but got {type(param_group).__name__}")
        given = param_group["params"]
        if isinstance(given, set):
            raise _not_tensors(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
                "will change between runs. Please use a list instead."
            )
        listed = [given] if isinstance(given, TensorBase) else list(given)
        group: dict[str, Any] = {**param_group, "params": [p[1] if isinstance(p, tuple) else p for p in listed]}
        names = [p[0] for p in listed if isinstance(p, tuple)]
        if names:
            if len(names) != len(listed):
                raise _refused("all optimizer params should be with/without names. Some param names are missing")
            group["param_names"] = names
        if self._groups and ("param_names" in group) != ("param_names" in self._groups[0]):
            raise _refused("all optimizer param groups should be with/without names, as the groups before are")
        if isinstance(param_group, ParamGroup):
            # One of another optimiser: both go on with the same options.
            group = param_group
            group.run_time = tuple(dict.fromkeys((*group.run_time, *self.run_time)))
            group.optional = tuple(dict.fromkeys((*group.optional, *self.optional)))
        for name, default in self.defaults.items():
            if default is required and name not in group:
                raise _refused(f"parameter group didn't specify a value of required optimization parameter {name}")
            group.setdefault(name, default)
        self._check_params(group["params"])
        watched = group if isinstance(group, ParamGroup) else ParamGroup(group, self.run_time, self.optional)
        self.param_groups.append(watched)
        self.parts_changed()

    def _check_params(self, params: list[Any]) -> None:
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise _not_tensors(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not p.is_leaf:
                raise _refused("can't optimize a non-leaf Tensor")
            if id(p) in known:
                raise _refused("some parameters appear in more than one parameter group")
        if len({id(p) for p in params}) < len(params):
            raise _refused("a parameter group holds a parameter twice")

    # ---- stepping

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient. `closure`: computes the loss again; its result is returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            self.update_all()
        return loss

    step = with_hooks(step)

    def update_all(self) -> None:
        """Change the parameters of all groups."""
        self._note()
        traced = modes.trace is not None
        for group in self.param_groups:
            params = group.plain("params")
            if traced:
                indices = [i for i, p in enumerate(params) if p.grad is not None]
            else:
                indices = [i for i, p in enumerate(params) if p._grad is not None]
            if indices:
                self.update(group, indices)

    def parts_changed(self) -> None:
        """Groups or state were replaced."""
        bump_epoch()

    def update(self, group: ParamGroup, indices: list[int]) -> None:
        """Change the parameters group["params"][i] for i in indices, all of which have a gradient."""
        raise TypeError(f"{type(self).__name__} defines neither step() nor update()")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set them to 0."""
        traced = modes.trace is not None
        for group in self.param_groups:
            for p in group.plain("params"):
                if set_to_none:
                    if traced:
                        p.grad = None
                    else:
                        p._grad = None
                elif p.grad is not None:
                    p.grad.detach_()
                    p.grad.zero_()

    # ---- hooks

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) before each step; what it returns, if not None, replaces both."""
        return lasting_hook(self._hooks.before_step, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(optimizer, args, kwargs) after each step."""
        return lasting_hook(self._hooks.after_step, hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer) before each `state_dict`."""
        return lasting_hook(self._hooks.before_saving, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer, state_dict) after each `state_dict`; what it returns, if not None, is returned."""
        return lasting_hook(self._hooks.after_saving, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer, state_dict) before each `load_state_dict`; what it returns, if not None, is loaded."""
        return lasting_hook(self._hooks.before_loading, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(optimizer) after each `load_state_dict`."""
        return lasting_hook(self._hooks.after_loading, hook, prepend)

    # ---- as a dictionary

    def state_dict(self) -> dict[str, Any]:
        """{"state": {index: {name: tensor}}, "param_groups": [options]}; parameters stand as their numbers."""
        for hook in list(self._hooks.before_saving.values()):
            hook(self)
        numbers: dict[int, int] = {}
        for group in self.param_groups:
            for p in group["params"]:
                numbers.setdefault(id(p), len(numbers))
        groups = [
            {**{k: v for k, v in group.items() if k != "params"}, "params": [numbers[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {numbers[id(k)] if isinstance(k, TensorBase) else k: dict(v) for k, v in self.state.items() if v}
        saved: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in list(self._hooks.after_saving.values()):
            replaced = hook(self, saved)
            saved = saved if replaced is None else replaced
        return saved

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave, copied. Raises SpecError (IG262) when the groups differ."""
        state_dict = dict(state_dict)
        for hook in list(self._hooks.before_loading.values()):
            replaced = hook(self, state_dict)
            state_dict = state_dict if replaced is None else replaced
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            raise _differs("loaded state dict has a different number of parameter groups")
        for group, options in zip(self.param_groups, saved, strict=True):
            if len(group["params"]) != len(options["params"]):
                raise _differs(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
                )
        numbers = chain.from_iterable(options["params"] for options in saved)
        owners = dict(zip(numbers, chain.from_iterable(g["params"] for g in self.param_groups), strict=True))
        self.state = {}
        for key, values in state_dict["state"].items():
            owner = owners.get(key)
            if owner is None:
                self.state[key] = copy.deepcopy(values)
            else:
                self.state[owner] = {name: _adopted(name, value, owner) for name, value in values.items()}
        for group, options in zip(self.param_groups, saved, strict=True):
            group.vectors.clear()
            group.update({k: copy.deepcopy(v) for k, v in options.items() if k != "params"})
        self.parts_changed()
        for hook in list(self._hooks.after_loading.values()):
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        """Hooks are functions of this process: copies and pickles go without."""
        return {**vars(self), "_hooks": Hooks()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def guard_state(self) -> tuple[Any, ...]:
        """What compiled code that ran `step` depends on: options and which tensors the state holds."""
        found: list[Any] = list(self.groups_state())
        for group in self._groups:
            found.append(("vectors", tuple([(name, id(vector)) for name, vector in group.vectors.items()])))
        for key, values in self._state.items():
            known = [(name, id(v) if isinstance(v, TensorBase) else v) for name, v in values.items()]
            found.append((id(key), tuple(known)))
        return tuple(found)

    def groups_state(self) -> tuple[Any, ...]:
        """What compiled code depends on that looked at no more than the groups, as `zero_grad` does."""
        found: list[Any] = [("groups", tuple([id(group) for group in self._groups]))]
        for group in self._groups:
            found += group.guard_state()
        return tuple(found)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


class Groups:
    """The groups of an optimiser without its state, which steps outside of a compiled function may replace."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer

    def guard_state(self) -> tuple[Any, ...]:
        """What compiled code depends on that looked at the groups alone."""
        return self.optimizer.groups_state()


def _adopted(name: str, value: Any, param: Tensor) -> Any:
    """A copy of a saved value, in the parameter's dtype; step counts keep theirs."""
    if isinstance(value, TensorBase):
        copied = tensor_from_array(np.array(array_of(value), order="C"))
        if name == "step" or not param._layout.dtype.is_floating_point:
            return copied
        return cast_to(copied, param._layout.dtype)
    if name == "step" and isinstance(value, (int, float)):
        return tensor_from_array(np.array(value, np.float32))
    if isinstance(value, dict):
        return {key: _adopted(name, item, param) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([_adopted(name, item, param) for item in value])
    return copy.deepcopy(value)


def _refused(what: str) -> SpecError:
    return SpecError("IG261", what, where=user_line(), fix="optim.Adam(model.parameters())")


def _not_tensors(what: str) -> DTypeError:
    return DTypeError("IG261", what, where=user_line(), fix="optim.Adam(model.parameters())")


def _differs(what: str) -> SpecError:
    return SpecError("IG262", what, where=user_line())


def check_option(
    name: str, value: Any, low: float = 0.0, below: float | None = None, upto: float | None = None
) -> None:
    """Raises SpecError (IG260) unless low <= value, value < below and value <= upto, as far as they are given; of a
    tensor only that it has one element is looked at."""
    if isinstance(value, TensorBase):
        if value._layout.numel != 1:
            raise SpecError("IG260", f"Invalid {name}: a tensor must have one element", where=user_line())
    elif not low <= value or (below is not None and value >= below) or (upto is not None and value > upto):
        raise SpecError("IG260", f"Invalid {name}: {value}", where=user_line())


def refuse_differentiable(options: Mapping[str, Any]) -> None:
    """Raises SpecError (IG395) for differentiable=True."""
    if options.get("differentiable"):
        raise SpecError(
            "IG395",
            "differentiable=True: gradients do not flow through optimiser steps",
            where=user_line(),
            fix="the update written with tensor operations, such as p - lr * grad",
        )


def check_betas(betas: tuple[Any, Any]) -> None:
    """Raises SpecError (IG260) unless both lie in [0, 1)."""
    check_option("beta parameter at index 0", betas[0], below=1.0)
    check_option("beta parameter at index 1", betas[1], below=1.0)
