"""Arithmetic of traced scalars that stand for Python numbers, in float64 as Python computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ingot.compiler.ir import Op, TensorType
from ingot.compiler.ops import elementwise, transcendental
from ingot.compiler.ops.source import full
from ingot.core import TracedStorage, is_tensor, new_tensor
from ingot.functional import arithmetic
from ingot.modes import modes
from ingot.promote import cast_to
from ingot.runtime import dtypes
from ingot.runtime.layout import Layout
from ingot.tensor import HostScalar, Tensor

_SCALAR = TensorType(dtypes.float64, ())


def host_scalar(value: Any) -> HostScalar:
    """A graph value of type f64[] as a scalar that promotes as a Python float."""
    storage = TracedStorage(modes.trace, value)  # type: ignore[arg-type]
    made: HostScalar = new_tensor(Layout.of(dtypes.float64, ()), storage, 0, HostScalar)
    return made


def number_of(tensor: Tensor) -> Any:
    """The only element as a Python number; inside a trace, as a scalar that promotes as one."""
    trace = modes.trace
    if trace is None:
        return tensor.item()
    return host_scalar(trace.value_of(cast_to(tensor.detach(), dtypes.float64)))


def _operator(row: Op, otherwise: Callable[[Any, Any], Tensor], swapped: bool) -> Callable[[Any, Any], Any]:
    def operate(self: HostScalar, other: Any) -> Any:
        if is_tensor(other) and not isinstance(other, HostScalar):
            return otherwise(other, self) if swapped else otherwise(self, other)
        trace = modes.trace
        assert trace is not None
        mine = trace.value_of(self)
        theirs = trace.value_of(other) if isinstance(other, HostScalar) else full(_SCALAR, other)
        return host_scalar(trace.build(row, (theirs, mine) if swapped else (mine, theirs), {}))

    return operate


def _negative(self: HostScalar) -> HostScalar:
    trace = modes.trace
    assert trace is not None
    return host_scalar(trace.build(elementwise.neg, (trace.value_of(self),), {}))


_ROWS: tuple[tuple[str, Op, Callable[[Any, Any], Tensor]], ...] = (
    ("add", elementwise.add, arithmetic.add),
    ("sub", elementwise.sub, arithmetic.sub),
    ("mul", elementwise.mul, arithmetic.mul),
    ("truediv", elementwise.div, arithmetic.div),
    ("pow", transcendental.pow, arithmetic.pow),
)

for _name, _row, _otherwise in _ROWS:
    setattr(HostScalar, f"__{_name}__", _operator(_row, _otherwise, swapped=False))
    setattr(HostScalar, f"__r{_name}__", _operator(_row, _otherwise, swapped=True))
setattr(HostScalar, "__neg__", _negative)  # noqa: B010 - mypy would take the assignment for a method of another type
