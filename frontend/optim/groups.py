"""The dicts that an optimiser keeps its options and its state in.

They are ordinary dicts to the user. Compiled code depends on them: they announce changes by the epoch, numbers that
schedules change are read anew at every call, and what a trace cannot repeat is an error.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ingot.core import TensorBase, is_traced, tensor_from_array
from ingot.modes import bump_epoch, modes
from ingot.runtime.dispatch_safe import same
from ingot.runtime.errors import TraceError
from ingot.source_lines import user_line
from ingot.tensor import Tensor

if TYPE_CHECKING:
    from ingot.tracing import Trace


class Watched(dict[Any, Any]):
    """A dict whose changes compiled functions notice. Raises TraceError (IG189) for a change they could not repeat."""

    refuses_changes_in_traces = True

    def __setitem__(self, key: Any, value: Any) -> None:
        known = key in self
        if modes.trace is not None:
            if known and not _same(dict.__getitem__(self, key), value):
                raise _not_repeated(key, value)
            _made_concrete(key, value)
        if not known or self.matters(key, value):
            bump_epoch()
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        if modes.trace is not None:
            raise _not_repeated(key, None)
        super().__delitem__(key)
        bump_epoch()

    def matters(self, key: Any, value: Any) -> bool:
        """Whether compiled code could depend on this entry's new value."""
        return not _same(dict.__getitem__(self, key), value)

    # Those of dict itself would go past __setitem__ and __delitem__.
    update = MutableMapping.update
    setdefault = MutableMapping.setdefault
    pop = MutableMapping.pop
    popitem = MutableMapping.popitem
    clear = MutableMapping.clear

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self.update(other)
        return self


def _same(old: Any, new: Any) -> bool:
    return old is new or (not isinstance(old, TensorBase) and not isinstance(new, TensorBase) and same(old, new))


def _not_repeated(key: Any, value: Any) -> TraceError:
    shown = "a traced tensor" if isinstance(value, TensorBase) else "nothing" if value is None else repr(value)[:60]
    name = f"the state of a {key._layout!r}" if isinstance(key, TensorBase) else repr(key)
    return TraceError(
        "IG189",
        f"an optimiser's {name} was set to {shown} while a function was traced",
        where=user_line(),
        detail=["compiled code does not run the Python statement again"],
        fix="a change in place (state['step'] += 1 on a tensor), or the statement outside of the compiled function "
        "(scheduler.step() after it)",
    )


def _made_concrete(key: Any, value: Any) -> None:
    """State first made inside a trace, such as zeros_like(p), becomes a tensor from before it that the trace captures.

    Raises TraceError (IG189) when its elements depend on the function's inputs.
    """
    trace = modes.trace
    if trace is None or not isinstance(value, TensorBase) or not is_traced(value):
        return
    if trace.is_variable(value):
        raise _not_repeated(key, value)
    made = tensor_from_array(np.array(trace.elements(value, "storing it"), order="C"))
    value._layout, value._storage, value._offset = made._layout, made._storage, made._offset
    value._view = None


class ParamState(Watched):
    """What an optimiser keeps for one parameter: tensors by name."""


class State(Watched):
    """What an optimiser keeps, by parameter. Reading a new parameter makes an empty entry."""

    def __init__(self, entries: Any = ()) -> None:
        super().__init__()
        self.update(entries)

    def __missing__(self, key: Any) -> ParamState:
        made = ParamState()
        dict.__setitem__(self, key, made)
        return made

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value if isinstance(value, ParamState) else ParamState(value))


class ParamGroup(Watched):
    """The parameters of a group under "params", and their options.

    In a trace the options named in `run_time` are scalars that compiled code reads from here at every call, so that
    a schedule may change them without a recompilation. Of those that are also in `optional`, whether they are 0 is part
    of what the code was compiled for, and so is every other option.
    """

    run_time: tuple[str, ...]
    optional: tuple[str, ...]
    # The options that are pairs of numbers, one entry per number.
    numbers: dict[str, Any]
    # What is one number per parameter (step counts), by name, as vectors over the parameters; see FormulaOptimizer.
    vectors: dict[str, Tensor]
    # The memory of parameters and their state as eager steps use it, by the parameter's id.
    slots: dict[int, Any]

    def __init__(self, entries: Any = (), run_time: tuple[str, ...] = ("lr",), optional: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.run_time = run_time
        self.optional = optional
        self.vectors = {}
        self.slots = {}
        self.update(entries)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, np.floating | np.integer):
            # The native call path reads Python's own numbers.
            value = value.item()
        super().__setitem__(key, value)
        if isinstance(value, tuple):
            numbers = self.__dict__.setdefault("numbers", {})
            numbers.update({f"{key}_{i}": number for i, number in enumerate(value)})

    def __getitem__(self, key: Any) -> Any:
        value = dict.__getitem__(self, key)
        trace = modes.trace
        if trace is None:
            return value
        trace.modules.setdefault(id(self), self)
        if key not in self.run_time:
            return value
        if isinstance(value, tuple):
            return tuple([_read(trace, self.numbers, f"{key}_{i}", number) for i, number in enumerate(value)])
        return _read(trace, self, key, value)

    def plain(self, key: str) -> Any:
        """The option as it is now, also within a trace, for decisions that are part of `structure`."""
        return dict.__getitem__(self, key)

    # Those of dict itself would go past __getitem__.
    get = MutableMapping.get  # type: ignore[assignment]
    items = MutableMapping.items  # type: ignore[assignment]
    values = MutableMapping.values  # type: ignore[assignment]

    def structure(self, key: str, value: Any) -> Any:
        """What compiled code depends on: of a run-time number at most whether it is 0."""
        if isinstance(value, TensorBase):
            return id(value)
        if key == "params":
            return tuple([id(p) for p in value])
        if key not in self.run_time:
            return value if isinstance(value, (bool, int, float, str, tuple, type(None))) else id(value)
        if isinstance(value, tuple):
            return tuple([self.structure(key, number) for number in value])
        if type(value) is not float and type(value) is not int:
            return value
        return ("a number", key in self.optional and value == 0)

    def matters(self, key: Any, value: Any) -> bool:
        """Whether the change is one of structure."""
        return not same(self.structure(key, dict.__getitem__(self, key)), self.structure(key, value))

    def guard_state(self) -> tuple[Any, ...]:
        """What compiled code that read an option depends on."""
        return tuple([(key, self.structure(key, self.plain(key))) for key in dict.keys(self)])

    def __reduce__(self) -> Any:
        return ParamGroup, (dict(dict.items(self)), self.run_time, self.optional)


def _read(trace: Trace, container: dict[str, Any], key: str, value: Any) -> Any:
    return trace.host_number(container, key) if type(value) is float or type(value) is int else value
