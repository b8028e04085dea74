"""PyTorch's older ways to compile, `jit.script` and `jit.trace`: names beside `ingot.jit`, which stands for them all.

They mean "the same function, faster". Here what a compiled function calls is compiled with it, so they give back what
they are given, which then runs in `ingot.jit` as well as outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from ingot.jit import jit as jit

T = TypeVar("T")


def script(obj: T, optimize: Any = None, _frames_up: int = 0, _rcb: Any = None, example_inputs: Any = None) -> T:
    """The function, class or module itself."""
    return obj


def trace(func: T, example_inputs: Any = None, *_: Any, **options: Any) -> T:
    """The function or module itself; no example is needed."""
    return func


def trace_module(mod: T, inputs: Any, **options: Any) -> T:
    """The module itself."""
    return mod


def script_if_tracing(fn: T) -> T:
    """The function itself."""
    return fn


def freeze(mod: T, preserved_attrs: Any = None, optimize_numerics: bool = True) -> T:
    """The module itself: compiled code knows which numbers cannot change."""
    return mod


def optimize_for_inference(mod: T, other_methods: Any = None) -> T:
    """The module itself."""
    return mod


def export(fn: T) -> T:
    """The method itself."""
    return fn


def ignore(drop: Any = False, **_: Any) -> Any:
    """The method itself; with options, a decorator."""
    return drop if callable(drop) else lambda fn: fn


def unused(fn: T) -> T:
    """The method itself."""
    return fn


def annotate(the_type: Any, the_value: T) -> T:
    """The value."""
    return the_value


def is_scripting() -> bool:
    """False: code always runs as Python, once for each version that is compiled."""
    return False


def is_tracing() -> bool:
    """False, inside `ingot.jit` too: this asks for `jit.trace`."""
    return False


NAMES: tuple[Callable[..., Any], ...] = (
    script,
    trace,
    trace_module,
    script_if_tracing,
    freeze,
    optimize_for_inference,
    export,
    ignore,
    unused,
    annotate,
    is_scripting,
    is_tracing,
)

for _name, _value in [*[(_function.__name__, _function) for _function in NAMES], ("Final", Final)]:
    setattr(jit, _name, _value)
