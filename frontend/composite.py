"""Functions made of several rows that run eagerly as one operation.

The first call with new layouts runs row by row. From the second on, the rows and their derivatives, recorded once, are
straight-line functions over arrays, and the tape gets one node. The rows and their order are the same, so the results
are, bit for bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

from ingot.calls import public
from ingot.compiler.ir import Op
from ingot.compiler.ops.source import get
from ingot.compiler.quiet import quietly
from ingot.core import Array, array_of, fresh, own_array
from ingot.modes import Defaults, modes
from ingot.packing import packing
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import IngotError
from ingot.runtime.layout import Layout
from ingot.tape import Derivative, Node, needs_grad, save

P = ParamSpec("P")
R = TypeVar("R")

# Arguments that a key can hold as they are, together with their type: 1, 1.0 and True are equal to Python.
_PLAIN = frozenset({int, bool, str, type(None), DType})
# Beyond this many kinds of calls of one function they are recorded anew; shapes that never repeat cannot pile up.
_LIMIT = 256


class Recorded(NamedTuple):
    """One kind of call: `forward` maps the tensors' arrays to the results and to what the derivative reads besides."""

    forward: Callable[..., tuple[Any, ...]]
    layouts: tuple[Layout, ...]
    several: bool
    derivative: Derivative | None
    # For a function that is one row of its operands, in their order: the row's function of arrays.
    row: Callable[..., Any] | None


def composite(fn: Callable[P, R]) -> Callable[P, R]:
    """A pure function of tensors and plain values, made of rows, none of whose results is a view of an operand."""
    title = fn.__name__
    op = Op(name=title, kind="call", infer=_not_in_graphs, eval=_not_in_graphs, vjp=None, jvp=None, batch=None)
    known: dict[Any, Recorded | None] = {}
    met: set[Any] = set()
    row_by_row: Callable[P, R] = public(fn)

    @functools.wraps(fn)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if modes.trace is not None or packing:
            return row_by_row(*args, **kwargs)
        tensors: list[Any] = []
        key = _key(args, kwargs, tensors)
        if key is None:
            return row_by_row(*args, **kwargs)
        recorded = known.get(key)
        if recorded is None:
            if key not in known:
                if key not in met:
                    # Most shapes of some programs occur once.
                    if len(met) > 4 * _LIMIT:
                        met.clear()
                    met.add(key)
                    return row_by_row(*args, **kwargs)
                if len(known) >= _LIMIT:
                    known.clear()
                recorded = known[key] = _recorded(fn, op, args, kwargs, tensors)
            if recorded is None:
                return row_by_row(*args, **kwargs)
        try:
            arrays = [array_of(t) for t in tensors]
            made = quietly(recorded.forward, *arrays)
        except (TypeError, ValueError, IndexError, RuntimeError):
            # Row by row the error names the row and the user's line.
            return row_by_row(*args, **kwargs)
        return cast(R, _results(recorded, tensors, arrays, made))

    _known[call] = known
    return call


# The recorded calls of each composite.
_known: dict[Any, dict[Any, Recorded | None]] = {}


def recorded_call(function: Callable[..., Any], args: tuple[Any, ...]) -> Recorded | None:
    """How a call of a composite was recorded, if it was."""
    known = _known.get(function)
    return None if known is None else known.get(_key(args, {}, []))


def _recorded(
    fn: Callable[..., Any], op: Op, args: tuple[Any, ...], kwargs: dict[str, Any], tensors: list[Any]
) -> Recorded | None:
    try:
        return recorders[0](fn, op, args, kwargs, tensors)
    except IngotError:
        # It reads elements, or the call is a mistake, which shows when it runs row by row.
        return None


def _key(args: tuple[Any, ...], kwargs: dict[str, Any], tensors: list[Any]) -> Any:
    """What decides which rows run, and fills `tensors`; None for a call that cannot be recorded."""
    grad = modes.grad
    key: list[Any] = [Defaults.dtype]
    values: Any = args
    if kwargs:
        key.extend(kwargs)
        values = (*args, *kwargs.values())
    for value in values:
        kind = type(value)
        if kind in _PLAIN:
            key.append(kind)
            key.append(value)
        elif kind in tensor_kinds:
            tensors.append(value)
            key.append(value._layout)
            key.append(grad and (value._requires_grad if value._view is None else needs_grad(value)))
        elif kind is float:
            key.append(value.hex())
        elif isinstance(value, tuple) and all(type(item) is int for item in value):
            key.append(value)
        else:
            return None
    return tuple(key)


# Tensor and Parameter (a subclass may have methods of its own), and what records a call on symbols, returning None for
# a call that cannot be recorded. Set when both exist.
tensor_kinds: set[type[Any]] = set()
recorders: list[Callable[[Callable[..., Any], Op, tuple[Any, ...], dict[str, Any], list[Any]], Recorded | None]] = []


def _results(recorded: Recorded, tensors: list[Any], arrays: list[Array], made: tuple[Any, ...]) -> Any:
    """The results as tensors, on the tape if they have a derivative."""
    layouts, derivative = recorded.layouts, recorded.derivative
    results: tuple[Any, ...]
    if len(layouts) == 1:
        first = fresh(own_array(made[0], arrays), layouts[0])
        if derivative is None:
            return (first,) if recorded.several else first
        results = (first,)
    else:
        results = tuple([fresh(own_array(a, arrays), layout) for a, layout in zip(made, layouts, strict=False)])
        if derivative is None:
            return results
    # Making the key has brought views up to date.
    edges = tuple(
        [
            None if not need else t if t._node is None else t._node
            for t, need in zip(tensors, derivative.needs, strict=True)
        ]
    )
    node = Node(derivative.op, {}, edges, derivative.types if recorded.several else derivative.types[0])
    node.plan = derivative
    operands = zip(tensors, edges, derivative.operands, strict=True)
    node.saved = ([save(t, e) if used else None for t, e, used in operands], None)
    node.kept = ([save(results[i], None) for i in derivative.outs], made[len(layouts) :])
    if not recorded.several:
        first._requires_grad = True
        first._node = node
        return first
    for index, flows in enumerate(derivative.differentiable):
        if flows:
            results[index]._requires_grad = True
            results[index]._node = Node(get, {"index": index}, (node,), derivative.types[index])
    return results


def _not_in_graphs(*operands: Any, **attrs: Any) -> Any:
    """A composite's name stands on the tape only; in graphs there are its rows."""
    raise AssertionError("a composite is no row of a graph")
