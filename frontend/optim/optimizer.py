"""The base of optimisers: parameter groups, state per parameter, and how compiled code sees both.

Learning rates are read by compiled code at every call. Other settings are constants of it: changing one in a parameter
group makes compiled functions notice and be compiled anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from ingot.core import TensorBase
from ingot.functional.conversion import clone
from ingot.modes import bump_epoch, modes, no_grad
from ingot.promote import cast_to
from ingot.runtime.errors import GradError, SpecError
from ingot.source_lines import user_line
from ingot.tensor import Tensor
from ingot.tracing import suspended

# Settings that compiled code reads at every call.
RUN_TIME = frozenset({"lr"})


class ParamGroup(dict[str, Any]):
    """The parameters of a group and their settings; tells compiled functions when a setting changes."""

    def __setitem__(self, key: str, value: Any) -> None:
        old = self.get(key)
        super().__setitem__(key, value)
        if key not in RUN_TIME or type(value) is not type(old):
            bump_epoch()

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several settings."""
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The setting; set first if it is missing."""
        if key not in self:
            self[key] = default
        return self[key]

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        bump_epoch()

    def pop(self, key: str, *default: Any) -> Any:
        """Remove a setting and return it."""
        bump_epoch()
        return super().pop(key, *default)


class Optimizer:
    """Parameters in groups (`param_groups`), `state` per parameter, and `step` to change them by their gradients.

    Raises SpecError (IG249) for no parameters, or for things that are none.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[ParamGroup] = []
        if isinstance(params, TensorBase):
            raise SpecError(
                "IG249",
                "params argument given to the optimizer should be an iterable of Tensors or dicts, not a Tensor",
                where=user_line(),
                fix="[tensor]",
            )
        groups = list(params)
        if not groups:
            raise SpecError("IG249", "optimizer got an empty parameter list", where=user_line())
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own; missing ones are the defaults."""
        params = param_group["params"]
        group = ParamGroup(param_group)
        members = [params] if isinstance(params, TensorBase) else list(params)
        # model.named_parameters() is accepted too.
        members = [m[1] if isinstance(m, tuple) else m for m in members]
        for member in members:
            if not isinstance(member, TensorBase):
                raise SpecError(
                    "IG249",
                    f"optimizer can only optimize Tensors, but one of the params is {member!r}",
                    where=user_line(),
                )
            if member._node is not None:
                raise GradError(
                    "IG317", "can't optimize a non-leaf Tensor", where=user_line(), fix="x.detach().requires_grad_()"
                )
        known = {id(p) for other in self.param_groups for p in other["params"]}
        if any(id(m) in known for m in members):
            raise SpecError("IG249", "some parameters appear in more than one parameter group", where=user_line())
        group["params"] = members
        for name, value in self.defaults.items():
            group.setdefault(name, value)
        self.param_groups.append(group)
        bump_epoch()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters (or set them to 0)."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    param.grad.detach_()
                    param.grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient. `closure` computes the loss again; its result is returned."""
        loss = None
        if closure is not None:
            modes_before = modes.grad
            modes.grad = True
            try:
                loss = closure()
            finally:
                modes.grad = modes_before
        trace = modes.trace
        if trace is not None:
            trace.modules.setdefault(id(self), self)
        with no_grad():
            for group in self.param_groups:
                for param in group["params"]:
                    grad = param.grad
                    if grad is not None:
                        self.update(param, grad, group, self.state[param])
        return loss

    def update(self, param: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Change one parameter."""
        raise TypeError(f"{type(self).__name__} defines no update()")

    def guard_state(self) -> tuple[Any, ...]:
        """What compiled code that ran this optimiser depends on: all settings but the run-time ones."""
        return tuple(
            (str(i), tuple(_setting(key, value) for key, value in group.items()))
            for i, group in enumerate(self.param_groups)
        )

    # ---- state

    def state_dict(self) -> dict[str, Any]:
        """State by parameter number, and the groups with numbers in place of parameters."""
        numbers = self._numbers()
        groups = [
            {**{k: v for k, v in group.items() if k != "params"}, "params": [numbers[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        return {
            "state": {numbers[id(param)]: dict(values) for param, values in self.state.items()},
            "param_groups": groups,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave. Raises SpecError (IG250) when the groups differ in size."""
        groups = state_dict["param_groups"]
        if [len(g["params"]) for g in groups] != [len(g["params"]) for g in self.param_groups]:
            raise SpecError(
                "IG250",
                "loaded state dict contains a parameter group that doesn't match the optimizer's",
                where=user_line(),
            )
        by_number = {
            number: param
            for given, group in zip(groups, self.param_groups, strict=True)
            for number, param in zip(given["params"], group["params"], strict=True)
        }
        for given, group in zip(groups, self.param_groups, strict=True):
            group.update({key: value for key, value in given.items() if key != "params"})
        for number, values in state_dict["state"].items():
            param = by_number[number]
            self.state[param] = {key: _loaded(key, value, param) for key, value in values.items()}
        bump_epoch()

    def _numbers(self) -> dict[int, int]:
        params = [param for group in self.param_groups for param in group["params"]]
        return {id(param): number for number, param in enumerate(params)}

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


def _setting(key: str, value: Any) -> tuple[str, Any]:
    if key in RUN_TIME and isinstance(value, (int, float)):
        return key, type(value)
    if key == "params":
        return key, tuple(map(id, value))
    return key, value if isinstance(value, (bool, int, float, str, tuple, type(None))) else id(value)


def _loaded(key: str, value: Any, param: Tensor) -> Any:
    """A loaded state value: tensors are copied, in the parameter's dtype except for step counts."""
    if not isinstance(value, TensorBase):
        return value
    copied = clone(value.detach())  # type: ignore[attr-defined]
    keep = key == "step" or not copied._layout.dtype.is_floating_point
    return copied if keep else cast_to(copied, param._layout.dtype)


def made_once(state: dict[str, Any], key: str, make: Callable[[], Tensor]) -> Tensor:
    """state[key], made eagerly the first time, also while a function is traced."""
    if key not in state:
        with suspended():
            state[key] = make()
    made: Tensor = state[key]
    return made
