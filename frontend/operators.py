"""Eager arithmetic in native code: `a + b` of two small tensors of one layout, and the making of tensors."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from ingot.compiler.quiet import quietly
from ingot.composite import recorded_call
from ingot.core import Make, View, array_of, own_array
from ingot.functional import arithmetic, linalg
from ingot.modes import modes
from ingot.runtime import dispatch, flags
from ingot.runtime.layout import Layout
from ingot.runtime.operators import LARGEST, Frontend, NativeOperators
from ingot.runtime.storage import Storage
from ingot.tape import needs_grad
from ingot.tensor import Parameter, Tensor

# Native code is taken from the disk cache after a few tensors were made, and compiled after many: when that pays.
_FEW, _MANY = 50, 5000
# Layouts per operation; shapes that never repeat cannot pile up.
_LIMIT = 1024

_bound_to_instances = ctypes.pythonapi.PyInstanceMethod_New
_bound_to_instances.restype = ctypes.py_object
_bound_to_instances.argtypes = (ctypes.py_object,)

ARITHMETIC: dict[str, tuple[str, Callable[..., Any]]] = {
    "__add__": ("add", arithmetic.add),
    "__sub__": ("sub", arithmetic.sub),
    "__mul__": ("mul", arithmetic.mul),
    "__truediv__": ("div", arithmetic.div),
}
# Functions of two tensors that are one row: native code calls its function of arrays.
ON_ARRAYS: dict[str, Callable[..., Any]] = {"__matmul__": linalg.matmul}


def use_native(native: NativeOperators) -> None:
    """Let native code make tensors and run operators."""
    native.classes(Layout, Storage)
    rest = {"_requires_grad": False, "_grad": None, "_node": None}
    storage = native.constructor(Storage, ("owner", "seen", "nbytes", "seen_layout"), {"ptr": None, "seen_offset": 0})
    tensor = native.constructor(Tensor, ("_layout", "_storage"), {"_offset": 0, "_view": None, **rest})
    view = native.constructor(View, ("chain", "parent", "version"), {"value": None, "value_version": -1})
    viewing = native.constructor(Tensor, ("_layout", "_storage", "_offset", "_view"), rest)

    def fresh(array: Any, layout: Layout) -> Any:
        return tensor(layout, storage(array, array, layout.nbytes, layout))

    def viewed(layout: Layout, memory: Any, offset: int, chain: Any, parent: Any, version: int) -> Any:
        return viewing(layout, memory, offset, view(chain, parent, version))

    Make.fresh, Make.view = staticmethod(fresh), staticmethod(viewed)
    frontend = Frontend((Tensor, Parameter), ("_requires_grad", "_view"), needs_grad, modes, "trace", quietly, fresh)
    for name, (operation, function) in ARITHMETIC.items():
        kernels: dict[Layout, int] = {}
        made = native.operator(kernels, _with_kernels(native, operation, function, kernels), frontend)
        setattr(Tensor, name, _bound_to_instances(made))
    for name, function in ON_ARRAYS.items():
        table: dict[tuple[Layout, Layout], tuple[Any, Layout]] = {}
        made = native.operator(table, _with_recorded(function, table), frontend, on_arrays=True)
        setattr(Tensor, name, _bound_to_instances(made))


def _with_kernels(
    native: NativeOperators, operation: str, function: Callable[..., Any], kernels: dict[Layout, int]
) -> Callable[..., Any]:
    """The operation in Python, which adds the kernels of the layouts that it meets."""

    def slow(input: Any, other: Any) -> Any:
        layout: Layout = input._layout
        same = isinstance(other, Tensor) and other._layout is layout
        if same and layout.contiguous and 0 < layout.numel <= LARGEST:
            kernel = native.kernel(operation, layout.dtype)
            if kernel is not None:
                if len(kernels) >= _LIMIT:
                    kernels.clear()
                kernels[layout] = kernel
        return function(input, other)

    return slow


def _with_recorded(
    function: Callable[..., Any], table: dict[tuple[Layout, Layout], tuple[Any, Layout]]
) -> Callable[..., Any]:
    """The function in Python, which adds its recorded calls of two tensors."""

    def slow(input: Any, other: Any) -> Any:
        result = function(input, other)
        known = type(other) not in (Tensor, Parameter) or (input._layout, other._layout) in table
        if not known and modes.trace is None:
            recorded = recorded_call(function, (input, other))
            if recorded is not None and recorded.derivative is None and recorded.row is not None:
                # Once per layouts: whether the row's result is memory of its own.
                made = quietly(recorded.row, array_of(input), array_of(other))
                if own_array(made, (array_of(input), array_of(other))) is made:
                    if len(table) >= _LIMIT:
                        table.clear()
                    table[input._layout, other._layout] = (recorded.row, recorded.layouts[0])
        return result

    return slow


def _counting(make: Callable[[Any, Layout], Any]) -> Callable[[Any, Layout], Any]:
    """The constructor in Python, which asks for the native one in time."""
    count = 0

    def fresh(array: Any, layout: Layout) -> Any:
        nonlocal count
        count += 1
        if count in (_FEW, _MANY) and flags.DISPATCH.get() != dispatch.SAFE:
            dispatch.activate(build=count == _MANY)
        return make(array, layout)

    return fresh


Make.fresh = staticmethod(_counting(Make.fresh))
dispatch.when_native(use_native)
