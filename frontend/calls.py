"""What all public functions accept beside their own parameters: `out=`, NumPy's names, `dtype=float`, and options about
memory.

A function is called as it is; only a call that fails is looked at again.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from ingot.core import TensorBase
from ingot.modes import modes
from ingot.mutation import assign, resized
from ingot.promote import cast_to
from ingot.runtime.dtypes import OF_PYTHON, DType
from ingot.runtime.errors import DTypeError, GradError, IngotError
from ingot.source_lines import user_line
from ingot.tape import needs_grad

# NumPy's names, which PyTorch understands too, and names of single functions.
_ALIASES = (
    ("from", "low"),
    ("from", "a"),
    ("to", "high"),
    ("to", "b"),
    ("axis", "dim"),
    ("keepdims", "keepdim"),
    ("x", "input"),
    ("tensor", "input"),
    ("axes", "dims"),
    ("axis0", "dim0"),
    ("axis1", "dim1"),
    ("sections", "indices_or_sections"),
    ("indices", "indices_or_sections"),
    ("tensor_indices_or_sections", "indices_or_sections"),
    ("split_size_or_sections", "split_size"),
    ("split_sizes", "split_size"),
    ("element", "elements"),
    ("test_element", "test_elements"),
)
# Options that say where and how memory lies; there is one kind of memory.
_MEMORY = frozenset({"pin_memory", "memory_format", "non_blocking", "layout", "names", "sparse_grad"})
# Names under which PyTorch takes sizes that may also be given one by one.
_SIZES = frozenset({"size", "sizes", "dims", "shape", "repeats", "dim", "tensors"})


def public(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with the arguments that all functions take."""

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except (TypeError, AttributeError) as error:
            again = None if isinstance(error, IngotError) else _adapted(fn, args, kwargs, error)
            if again is None:
                raise
        return again()

    return call


def _adapted(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], error: TypeError | AttributeError
) -> Callable[[], Any] | None:
    """What to call instead. None: the error stands. Raises DTypeError (IG214, IG345) that names the argument."""
    if isinstance(kwargs.get("dtype"), type) and kwargs["dtype"] in OF_PYTHON:
        named = {**kwargs, "dtype": OF_PYTHON[kwargs["dtype"]]}
        return lambda: public(fn)(*args, **named)
    if isinstance(error, TypeError) and _at_the_call(error):
        return _rebound(fn, args, kwargs, error)
    if isinstance(error, AttributeError):
        strangers = {id(error.obj)} if not isinstance(error.obj, TensorBase) else set()
        for name, value in _named_arguments(fn, args, kwargs):
            if id(value) in strangers:
                wanted = "ingot.dtype" if name == "dtype" else "Tensor"
                raise DTypeError(
                    "IG214",
                    f"{fn.__name__}(): argument '{name}' must be {wanted}, not {type(value).__name__}",
                    where=user_line(),
                    fix="dtype=ingot.float32"
                    if name == "dtype"
                    else "ingot.tensor(...) makes a tensor of numbers, lists and arrays",
                ) from None
    return None


def _at_the_call(error: TypeError) -> bool:
    """Whether the arguments did not fit, and nothing ran yet."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is None or trace.tb_frame.f_globals.get("__name__") in (
        "ingot.calls",
        "ingot.composite",
        "ingot.composite_recording",
    )


def _named_arguments(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    for name, value in inspect.signature(fn).bind_partial(*args, **kwargs).arguments.items():
        yield name, value
        if isinstance(value, (tuple, list)):
            for item in value:
                yield name, item


def _rebound(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], error: TypeError
) -> Callable[[], Any]:
    """The call in the function's own words."""
    parameters = inspect.signature(fn).parameters
    given, out = dict(kwargs), kwargs.get("out")
    if "out" not in parameters:
        given.pop("out", None)
    for other, own in _ALIASES:
        if other in given and other not in parameters and own in parameters:
            given[own] = given.pop(other)
    for name in _MEMORY & given.keys() - parameters.keys():
        given.pop(name)
    several = next((p.name for p in parameters.values() if p.kind is p.VAR_POSITIONAL), None)
    sizes = next((name for name in given if name in _SIZES and name not in parameters), None)
    if several is not None and (sizes is not None or several in given):
        before = [
            given.pop(p.name) for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD and p.name in given
        ]
        args = (*args, *before, given.pop(sizes or several))
    try:
        inspect.signature(fn).bind(*args, **given)
    except TypeError as mismatch:
        raise DTypeError("IG345", f"{fn.__name__}(): {mismatch}", where=user_line()) from None
    if given == kwargs and "out" not in kwargs:
        raise error
    if out is None:
        return lambda: fn(*args, **given)
    return lambda: _written(fn, args, given, out)


def _written(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
    """The results, put into the memory of `out`. Raises DTypeError (IG346) or GradError (IG346)."""
    for one in out if isinstance(out, (tuple, list)) else (out,):
        if not isinstance(one, TensorBase):
            raise DTypeError(
                "IG346", f"{fn.__name__}(): argument 'out' must be Tensor, not {type(one).__name__}", where=user_line()
            )
    operands = [value for _, value in _named_arguments(fn, args, kwargs) if isinstance(value, TensorBase)]
    if modes.grad and any(needs_grad(t) for t in (*operands, *(out if isinstance(out, (tuple, list)) else (out,)))):
        raise GradError(
            "IG346",
            f"{fn.__name__}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad",
            where=user_line(),
            fix="with ingot.no_grad(): ..., or the result of the function",
        )
    before, modes.grad = modes.grad, False
    try:
        result = fn(*args, **kwargs)
        if isinstance(result, tuple):
            written = [_one_written(fn.__name__, a, b) for a, b in zip(result, out, strict=True)]
            return type(result)(*written) if hasattr(result, "_fields") else tuple(written)
        return _one_written(fn.__name__, result, out)
    finally:
        modes.grad = before


def _one_written(name: str, result: Any, out: Any) -> Any:
    made, goal = result._layout.dtype, out._layout.dtype
    if not can_cast(made, goal):
        raise DTypeError(
            "IG346", f"{name}(): result type {made} can't be cast to the desired output type {goal}", where=user_line()
        )
    if out._layout.shape != result._layout.shape:
        resized(out, result._layout.shape)
    return assign(out, cast_to(result, goal))


def can_cast(from_: DType, to: DType) -> bool:
    """Whether PyTorch converts a result of one dtype to another without being asked: never to a lower kind."""
    return not ((from_.is_floating_point and not to.is_floating_point) or (to.kind == "b" and from_.kind != "b"))


# Called so often, and with so few arguments, that a call more would show.
_AS_THEY_ARE = frozenset({"view", "relu", "linear", "item", "detach", "backward"})


def make_public(namespace: dict[str, Any] | type, module: str = "ingot.functional") -> None:
    """Let every function of the namespace that comes from these modules take the common arguments."""
    items = list(namespace.items() if isinstance(namespace, dict) else vars(namespace).items())
    known: dict[int, Any] = {}
    for name, value in items:
        if not isinstance(value, FunctionType) or name.startswith("__") or name in _AS_THEY_ARE:
            continue
        if not value.__module__.startswith((module, "ingot.creation", "ingot.indexing", "ingot.mutation")):
            continue
        wrapped = known.setdefault(id(value), None) or public(value)
        known[id(value)] = wrapped
        if isinstance(namespace, dict):
            namespace[name] = wrapped
        else:
            setattr(namespace, name, wrapped)
