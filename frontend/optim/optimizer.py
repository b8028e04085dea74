"""The base of optimisers: parameter groups, state, and their dictionary form, as in PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from ingot.core import TensorBase, array_of, new_tensor, tensor_from_array
from ingot.modes import Defaults, bump_epoch, enable_grad, modes, no_grad
from ingot.optim.groups import ParamGroup, State
from ingot.promote import cast_to
from ingot.runtime import dtypes
from ingot.runtime.errors import SpecError
from ingot.runtime.layout import Layout
from ingot.source_lines import user_line
from ingot.tensor import Tensor
from ingot.tracing import suspended

Params = Iterable[Any]


class Optimizer:
    """Changes parameters in place by their `.grad`.

    `params`: tensors, (name, tensor) pairs, or dicts with "params" and options of their own. `defaults`: the options.
    A subclass defines `update(group, params)`, which changes the parameters of one group that have a gradient.
    """

    # Options that compiled code reads at every call; the others are part of what it was compiled for.
    run_time: ClassVar[tuple[str, ...]] = ("lr",)

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, TensorBase):
            raise _refused(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got a Tensor"
            )
        self.defaults = dict(defaults)
        self._state = State()
        self._groups: list[ParamGroup] = []
        groups = list(params)
        if not groups:
            raise _refused("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    @property
    def param_groups(self) -> list[ParamGroup]:
        """The groups of parameters and their options."""
        self._note()
        return self._groups

    @property
    def state(self) -> State:
        """What is kept for each parameter: tensors by name."""
        self._note()
        return self._state

    @state.setter
    def state(self, entries: Mapping[Any, Any]) -> None:
        self._state = State(entries)
        bump_epoch()

    def _note(self) -> None:
        """A trace that looks at the optimiser depends on `guard_state`."""
        trace = modes.trace
        if trace is not None:
            trace.modules.setdefault(id(self), self)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own. Raises SpecError (IG261)."""
        if not isinstance(param_group, dict):
            raise _refused(f"param_group must be a dict, but got {type(param_group).__name__}")
        given = param_group["params"]
        if isinstance(given, set):
            raise _refused(
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
        for name, default in self.defaults.items():
            group.setdefault(name, default)
        self._check_params(group["params"])
        self.param_groups.append(ParamGroup(group, self.run_time))
        bump_epoch()

    def _check_params(self, params: list[Any]) -> None:
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise _refused(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
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
            for group in self.param_groups:
                indices = [i for i, p in enumerate(group["params"]) if p.grad is not None]
                if indices:
                    self.update(group, indices)
        return loss

    def update(self, group: ParamGroup, indices: list[int]) -> None:
        """Change the parameters group["params"][i] for i in indices, all of which have a gradient."""
        raise TypeError(f"{type(self).__name__} defines neither step() nor update()")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set them to 0."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad.detach_()
                    p.grad.zero_()

    # ---- state of parameters

    def zeros(self, param: Tensor, name: str) -> Tensor:
        """The state tensor of this name, made of zeros at first, from before any trace so that compiled code
        captures it."""
        state = self.state[param]
        known = state.get(name)
        if known is None:
            with suspended():
                layout = param._layout
                array: Any = np.zeros(layout.shape, layout.dtype.numpy)
                known = state[name] = tensor_from_array(array)
        return known  # type: ignore[no-any-return]

    def counted(self, group: ParamGroup, indices: list[int]) -> Tensor:
        """The step counts of a group's parameters, one element each, after adding 1 to those of `indices`.

        state[p]["step"] is a view of p's element: one operation counts for all, and each has memory of its own.
        """
        steps = self._steps(group, indices)
        if len(indices) == steps._layout.numel:
            return steps.add_(1)
        mask = np.zeros(steps._layout.shape, steps._layout.dtype.numpy)
        mask[indices] = 1
        return steps.add_(steps.new_tensor(mask))

    def _steps(self, group: ParamGroup, indices: list[int]) -> Tensor:
        params, steps = group.plain("params"), group.steps
        if steps is None or steps._layout.numel != len(params) or not self._in_place(params, steps):
            with suspended():
                counts = [float(self.state[p]["step"]) if "step" in self.state.get(p, ()) else 0.0 for p in params]
                dtype = dtypes.float64 if Defaults.dtype is dtypes.float64 else dtypes.float32
                group.steps = steps = tensor_from_array(np.array(counts, dtype.numpy))
                bump_epoch()
                for i, p in enumerate(params):
                    if "step" in self.state.get(p, ()):
                        _put(self.state[p], steps, i)
        for i in indices:
            state = self.state[params[i]]
            if "step" not in state:
                with suspended():
                    _put(state, steps, i)
        return steps

    def _in_place(self, params: list[Tensor], steps: Tensor) -> bool:
        """Whether every step count is a view of its element."""
        found = [(i, self.state[p]["step"]) for i, p in enumerate(params) if "step" in self.state.get(p, ())]
        return all(step._storage is steps._storage and step._offset == i for i, step in found)

    # ---- as a dictionary

    def state_dict(self) -> dict[str, Any]:
        """{"state": {index: {name: tensor}}, "param_groups": [options]}; parameters stand as their numbers."""
        numbers: dict[int, int] = {}
        for group in self.param_groups:
            for p in group["params"]:
                numbers.setdefault(id(p), len(numbers))
        groups = [
            {**{k: v for k, v in group.items() if k != "params"}, "params": [numbers[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {numbers[id(k)] if isinstance(k, TensorBase) else k: dict(v) for k, v in self.state.items() if v}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave, copied. Raises SpecError (IG262) when the groups differ."""
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
            group.update({k: copy.deepcopy(v) for k, v in options.items() if k != "params"})
        bump_epoch()

    def guard_state(self) -> tuple[Any, ...]:
        """What compiled code that ran `step` depends on: options and which tensors the state holds."""
        found: list[Any] = [("groups", tuple([id(group) for group in self._groups]))]
        for group in self._groups:
            found += group.guard_state()
        for key, values in self._state.items():
            known = [(name, id(v) if isinstance(v, TensorBase) else v) for name, v in values.items()]
            found.append((id(key), tuple(known)))
        return tuple(found)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


def _put(state: Any, steps: Tensor, index: int) -> None:
    state["step"] = new_tensor(Layout.of(steps._layout.dtype, ()), steps._storage, index)


def _adopted(name: str, value: Any, param: Tensor) -> Any:
    """A copy of a saved value, in the parameter's dtype; step counts keep theirs."""
    if not isinstance(value, TensorBase):
        if name == "step" and isinstance(value, (int, float)):
            return tensor_from_array(np.array(value, np.float32))
        return copy.deepcopy(value)
    copied = tensor_from_array(np.array(array_of(value), order="C"))
    if name == "step" or not param._layout.dtype.is_floating_point:
        return copied
    return cast_to(copied, param._layout.dtype)


def _refused(what: str) -> SpecError:
    return SpecError("IG261", what, where=user_line(), fix="optim.Adam(model.parameters())")


def _differs(what: str) -> SpecError:
    return SpecError("IG262", what, where=user_line())


def check_option(name: str, value: Any, low: float = 0.0, below: float = float("inf")) -> None:
    """Raises SpecError (IG260) unless low <= value < below; tensors are not looked at."""
    if not isinstance(value, TensorBase) and not low <= value < below:
        raise SpecError("IG260", f"Invalid {name}: {value}", where=user_line())
