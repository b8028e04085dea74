"""Optimisers whose step is one formula for each parameter, stated once.

Eager, the formula runs on NumPy arrays over the memory of parameters and state; in a trace, on tensors. Eager steps
that go on for long, or over large parameters, are compiled by the trace, too. What is one
number per parameter (step counts) is computed for all parameters of a group at once, in double precision as Python
would.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ingot.core import array_of, bump_version, is_tensor, new_tensor, tensor_from_array
from ingot.host_scalar import number_of
from ingot.jit import jit
from ingot.modes import Defaults, bump_epoch, modes
from ingot.mutation import expanded_write
from ingot.optim.groups import ParamGroup
from ingot.optim.optimizer import Optimizer, refuse_differentiable
from ingot.optim.values import choose
from ingot.runtime import dtypes, flags
from ingot.runtime.errors import IngotError
from ingot.runtime.layout import Layout
from ingot.tensor import Tensor
from ingot.tracing import suspended

Options = dict[str, Any]
_HALVES = (dtypes.float16, dtypes.bfloat16)
# Microseconds per parameter: of compiling a step, and of a step on arrays, with what each element adds. Orders of
# magnitude: they say when to compile, not what is computed.
_COMPILING, _PER_PARAMETER, _PER_ELEMENT = 1e4, 15.0, 1e-3
# Code for more than this many kinds of steps (which parameters have gradients) is not kept.
_VERSIONS = 2


class FormulaOptimizer(Optimizer):
    """An optimiser with `formula`, and with `scales` if steps are counted. Options reach formulas by their names, and
    the parameter's dtype as "dtype".

    `optional` names options that a step does without when they are 0: formulas see None instead.
    """

    # What is kept per parameter as a number, with its first value. Names that begin with "_" stay out of `state`.
    numbers: ClassVar[dict[str, float]] = {"step": 0.0}
    # Whether weight_decay shrinks the parameter instead of being added to the gradient.
    decoupled: ClassVar[bool] = False

    # Whether compiled code rounds this formula as NumPy does: sums and products of matrices it does not.
    rounds_alike: ClassVar[bool] = True

    # The code that makes eager steps; what they have cost on arrays so far, and what compiling costs, in microseconds.
    # Both are estimated from sizes and not measured, so that runs repeat bit by bit.
    _code: Any = None
    _spent: float = 0.0
    _price: float = math.inf

    def formula(self, o: Options, p: Any, g: Any, s: dict[str, Any], *scales: Any) -> None:
        """Change the parameter `p` in place by its gradient `g`, and its state `s`. `scales`: this parameter's."""
        raise TypeError(f"{type(self).__name__} defines no formula")

    def scales(self, o: Options, n: dict[str, Any]) -> tuple[Any, ...]:
        """Numbers for each parameter as vectors, from the vectors in `n`, which are replaced by their next values."""
        if "step" in n:
            n["step"] = n["step"] + 1
        return ()

    def buffers(self, o: Options, param: Tensor) -> tuple[str, ...]:
        """The names of the state of the parameter's shape."""
        return ()

    def first(self, group: ParamGroup, param: Tensor, name: str) -> Any:
        """The first elements of a buffer."""
        return np.zeros(param._layout.shape, param._layout.dtype.numpy)

    def kept_numbers(self, o: Options) -> tuple[str, ...]:
        """Those of `numbers` that these options need."""
        return tuple(self.numbers)

    def first_number(self, group: ParamGroup, name: str, state: dict[str, Any]) -> float:
        """A number for a parameter with this state, which does not hold it."""
        return self.numbers[name]

    def make_state(self, group: ParamGroup) -> None:
        """Make the state of all parameters before the first step."""
        indices = list(range(len(group.plain("params"))))
        options = self.options_of(group)
        for name in self.kept_numbers(options):
            self._vector(group, name, indices)
        for i in indices:
            self._make(group, i, self.buffers(options, group.plain("params")[i]))

    # ---- one step

    def update_all(self) -> None:
        """One step of all groups: on arrays, or by code compiled for it when steps have cost as much as that does."""
        if modes.trace is not None or self._spent < self._price:
            super().update_all()
            return
        if self._code is None:
            self._code = jit(super().update_all)
        try:
            # The same roundings as on arrays: training that continues from a checkpoint begins on arrays again.
            with flags.FP.override("strict"):
                self._code()
        except IngotError:
            if self._code.state.count["compiles"] == 0:
                # Memory that compiled code cannot take, such as strides that overlap.
                self._give_up()
                super().update_all()
                return
            raise
        if self._code.state.count["compiles"] > _VERSIONS:
            self._give_up()

    def _give_up(self) -> None:
        """Steps stay on arrays."""
        self._code, self._price = None, math.inf

    def parts_changed(self) -> None:
        """Compiled code would keep the parts that were replaced."""
        super().parts_changed()
        self._code = None
        count = sum([len(group.plain("params")) for group in self._groups])
        self._price = _COMPILING * count if self.rounds_alike else math.inf

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_code": None}

    def update(self, group: ParamGroup, indices: list[int]) -> None:
        """One step of the parameters group["params"][i] for i in indices."""
        options = self.options_of(group)
        refuse_differentiable(options)
        if modes.trace is None:
            with np.errstate(all="ignore"):
                self._update_arrays(group, indices, options)
        else:
            self._update_traced(group, indices, options)

    def options_of(self, group: ParamGroup) -> Options:
        """The options as formulas take them: Python numbers; in a trace, scalars read at every call."""
        if modes.trace is None:
            options: Options = dict(group)
        else:
            options = {key: group.plain("params") if key == "params" else group[key] for key in dict.keys(group)}
        for key in group.run_time:
            value = options[key]
            if type(value) is tuple:
                options[key] = tuple([number_of(v) if is_tensor(v) else v for v in value])
            elif is_tensor(value) and (modes.trace is None or value is group.plain(key)):
                options[key] = number_of(value)
        for key in group.optional:
            plain = dict.__getitem__(group, key)
            if not is_tensor(plain) and plain == 0:
                options[key] = None
        return options

    def gradient(self, o: Options, p: Any, g: Any) -> Any:
        """The gradient with its sign, and with weight decay, which may be applied to the parameter."""
        if o.get("maximize"):
            g = -g
        decay = o.get("weight_decay")
        if decay is None:
            return g
        if o.get("decoupled_weight_decay", self.decoupled):
            p *= 1 - o["lr"] * decay
            return g
        return g + p * decay

    # ---- eager

    def _update_arrays(self, group: ParamGroup, indices: list[int], o: Options) -> None:
        made = {name: self._vector(group, name, indices) for name in self.kept_numbers(o)}
        slots = [self._slot(group, i, o) for i in indices]
        scales: list[tuple[Any, ...]] = [()] * len(indices)
        if made:
            vectors = {name: array_of(vector) for name, vector in made.items()}
            numbers = {name: vector.astype(np.float64) for name, vector in vectors.items()}
            found = [v.tolist() for v in self.scales(o, numbers)]
            for name, vector in vectors.items():
                vector[indices] = numbers[name][indices]
            scales = [tuple([column[i] for column in found]) for i in indices]
        for slot, scale in zip(slots, scales, strict=True):
            p, s = slot.array, slot.arrays
            g = array_of(slot.param._grad)  # type: ignore[arg-type]
            o["dtype"] = slot.param._layout.dtype
            if slot.half:
                self._update_half(o, slot, g, scale)
            else:
                self.formula(o, p, self.gradient(o, p, g), s, *scale)
            for storage in slot.storages:
                bump_version(storage)
            self._spent += slot.cost

    def _update_half(self, o: Options, slot: Slot, g: Any, scale: tuple[Any, ...]) -> None:
        """The formula in single precision; its results are rounded."""
        p, g = slot.array.astype(np.float32), g.astype(np.float32)
        s = {name: array.astype(np.float32) for name, array in slot.arrays.items()}
        wide = dict(s)
        self.formula(o, p, self.gradient(o, p, g), wide, *scale)
        slot.array[...] = p
        for name, array in slot.arrays.items():
            array[...] = wide[name]

    def _slot(self, group: ParamGroup, index: int, o: Options) -> Slot:
        """The parameter's memory and that of its state."""
        param = group.plain("params")[index]
        names = self.buffers(o, param)
        slot: Slot | None = group.slots.get(id(param))
        state = self._state[param]
        if slot is not None and slot.holds(param, state, names):
            return slot
        self._make(group, index, names)
        slot = group.slots[id(param)] = Slot(param, [state[name] for name in names], names)
        return slot

    # ---- in a trace

    def _update_traced(self, group: ParamGroup, indices: list[int], o: Options) -> None:
        params = group.plain("params")
        # Numbers are made first: whether a buffer is new matters to some of them.
        vectors = {name: self._vector(group, name, indices) for name in self.kept_numbers(o)}
        for i in indices:
            self._make(group, i, self.buffers(o, params[i]))
        found: tuple[Any, ...] = ()
        if vectors:
            numbers: dict[str, Any] = {name: vector.double() for name, vector in vectors.items()}
            found = self.scales(o, numbers)
            mask = None
            if len(indices) < len(params):
                chosen = np.zeros(len(params), np.bool_)
                chosen[indices] = True
                mask = next(iter(vectors.values())).new_tensor(chosen, dtype=dtypes.bool_)
            for name, vector in vectors.items():
                new = numbers[name].to(vector.dtype)
                vector.copy_(new if mask is None else choose(mask, new, vector))
        for i in indices:
            scale = [number_of(column.select(0, i)) for column in found]
            self._trace_one(o, params[i], scale)

    def _trace_one(self, o: Options, param: Any, scale: list[Any]) -> None:
        state = self._state[param]
        tensors = {name: state[name] for name in self.buffers(o, param)}
        p, g, s = param, param.grad, dict(tensors)
        o["dtype"] = param._layout.dtype
        if param._layout.dtype in _HALVES:
            p, g, s = p.float(), g.float(), {name: t.float() for name, t in tensors.items()}
        self.formula(o, p, self.gradient(o, p, g), s, *scale)
        if p is not param:
            param.copy_(p)
            for name, tensor in tensors.items():
                tensor.copy_(s[name])

    # ---- state

    def _make(self, group: ParamGroup, index: int, names: tuple[str, ...]) -> None:
        """Make the state that the parameter does not have yet, outside of any trace, so that the trace captures it."""
        param = group.plain("params")[index]
        state = self._state[param]
        for name in names:
            if not is_tensor(state.get(name)):
                with suspended():
                    state[name] = tensor_from_array(self.first(group, param, name))
                    for hidden, vector in group.vectors.items():
                        if hidden.startswith("_"):
                            array_of(vector)[index] = self.numbers[hidden]

    def _vector(self, group: ParamGroup, name: str, indices: list[int]) -> Tensor:
        """The numbers of a group's parameters, one element each.

        state[p][name] is a view of p's element: one operation serves all, and each has memory of its own.
        """
        params, vector, states = group.plain("params"), group.vectors.get(name), self._state
        hidden = name.startswith("_")
        if vector is None or vector._layout.numel != len(params) or not (hidden or self._in_place(group, name, vector)):
            with suspended():
                known = [states.get(p, {}) for p in params]
                numbers = [
                    float(state[name]) if name in state else self.first_number(group, name, state) for state in known
                ]
                wide = [Defaults.dtype, *[_dtype(state.get(name)) for state in known]]
                dtype = dtypes.float64 if dtypes.float64 in wide else dtypes.float32
                vector = group.vectors[name] = tensor_from_array(np.array(numbers, dtype.numpy))
                bump_epoch()
                for i, state in enumerate(known):
                    if name in state:
                        _put(state, name, vector, i)
        if not hidden:
            for i in indices:
                state = states[params[i]]
                if name not in state:
                    with suspended():
                        # State that was deleted begins anew.
                        array_of(vector)[i] = self.first_number(group, name, state)
                        _put(state, name, vector, i)
        return vector

    def _in_place(self, group: ParamGroup, name: str, vector: Tensor) -> bool:
        """Whether every such number is a view of its element."""
        states, storage = self._state, vector._storage
        for i, p in enumerate(group.plain("params")):
            state = states.get(p)
            number = None if state is None else state.get(name)
            if number is not None and (not is_tensor(number) or number._storage is not storage or number._offset != i):
                return False
        return True


class Slot:
    """The memory of a parameter and of its state as arrays, for as long as the tensors stay what they are."""

    __slots__ = ("array", "arrays", "cost", "half", "names", "param", "places", "storages", "tensors")

    def __init__(self, param: Tensor, tensors: list[Tensor], names: tuple[str, ...]) -> None:
        self.param = param
        self.names = names
        self.tensors = tensors
        self.places = [(t, t._storage, t._layout, t._offset) for t in (param, *tensors)]
        strided = [(n, s) for n, s in zip(param._layout.shape, param._layout.strides, strict=True) if n > 1]
        if any(stride == 0 for _, stride in strided):
            raise expanded_write()
        self.half = param._layout.dtype in _HALVES
        self.cost = _PER_PARAMETER + _PER_ELEMENT * param._layout.numel * (1 + len(tensors))
        self.array = array_of(param)
        self.arrays = {name: array_of(t) for name, t in zip(names, tensors, strict=True)}
        self.storages: list[Any] = [t._storage for t in (param, *tensors)]

    def holds(self, param: Tensor, state: Any, names: tuple[str, ...]) -> bool:
        """Whether this is still the memory of the parameter and of state[name]."""
        if names != self.names:
            return False
        for tensor, storage, layout, offset in self.places:
            if tensor._storage is not storage or tensor._layout is not layout or tensor._offset != offset:
                return False
        for name, tensor in zip(names, self.tensors, strict=True):
            if state.get(name) is not tensor:
                return False
        return param is self.param


def _dtype(value: Any) -> Any:
    return value._layout.dtype if is_tensor(value) else None


def plain_number(value: Any) -> Any:
    """The number that a concrete option is."""
    return array_of(value).item() if is_tensor(value) else value


def _put(state: Any, name: str, vector: Tensor, index: int) -> None:
    state[name] = new_tensor(Layout.of(vector._layout.dtype, ()), vector._storage, index)
