"""What is in force while code runs: gradient recording, the current trace, the default dtype."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ingot.runtime import dtypes
from ingot.runtime.dtypes import DType
from ingot.runtime.errors import DTypeError
from ingot.source_lines import user_line

if TYPE_CHECKING:
    from ingot.tracing import Trace

P = ParamSpec("P")
R = TypeVar("R")


class Modes(threading.local):
    """Per thread: whether operations record gradients, and the trace that is being made (None: run eagerly)."""

    grad: bool = True
    inference: bool = False
    trace: Trace | None = None


modes = Modes()


class Defaults:
    """Per process. `changed` runs when a value that compiled code depends on has changed."""

    dtype: DType = dtypes.float32
    epoch: int = 0
    # How many profiles are being taken; compiled functions are called through Python while it is not 0.
    profiling: int = 0
    on_change: Callable[[], None] | None = None


def bump_epoch() -> None:
    """Tell compiled functions that Python state outside their arguments may have changed: they check it again."""
    Defaults.epoch += 1
    if Defaults.on_change is not None:
        Defaults.on_change()


def get_default_dtype() -> DType:
    """The dtype of tensors made from Python floats."""
    return Defaults.dtype


def set_default_dtype(dtype: DType) -> None:
    """Set the dtype of tensors made from Python floats. Raises DTypeError (IG210) unless it is a floating type."""
    if not dtype.is_floating_point:
        raise DTypeError("IG210", f"the default dtype must be a floating-point type, not {dtype}", where=user_line())
    Defaults.dtype = dtype
    bump_epoch()


def is_grad_enabled() -> bool:
    """Whether operations record gradients."""
    return modes.grad


def is_inference_mode_enabled() -> bool:
    """Whether `inference_mode` is in force."""
    return modes.inference


class _GradMode:
    """A context manager and decorator that holds gradient recording on or off."""

    enabled = True

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(modes.grad)
        modes.grad = self.enabled

    def __exit__(self, *error: object) -> None:
        modes.grad = self._before.pop()

    def again(self) -> _GradMode:
        """Another one like it, for one call of a decorated function."""
        return type(self)()

    def __call__(self, fn: Callable[P, R]) -> Callable[P, R]:
        if isinstance(fn, type):
            # The class stays what it is; its objects are made inside.
            made: Any = fn
            made.__init__ = self(made.__init__)
            return fn
        if inspect.isgeneratorfunction(fn):
            return self._around_generator(fn)

        @functools.wraps(fn)
        def inside(*args: P.args, **kwargs: P.kwargs) -> R:
            with self.again():
                return fn(*args, **kwargs)

        return inside

    def _around_generator(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """A generator whose code runs inside, and who waits outside."""

        @functools.wraps(fn)
        def run(*args: Any, **kwargs: Any) -> Any:
            generator = fn(*args, **kwargs)
            step: Callable[[], Any] = functools.partial(next, generator)
            while True:
                try:
                    with self.again():
                        item = step()
                except StopIteration as end:
                    return end.value
                try:
                    sent = yield item
                    step = functools.partial(generator.send, sent)
                except GeneratorExit:
                    with self.again():
                        generator.close()
                    raise
                except BaseException as error:
                    step = functools.partial(generator.throw, error)

        return run


class _PlainMode(_GradMode):
    """A mode without options: `@no_grad` is `@no_grad()`."""

    def __new__(cls, fn: Callable[..., Any] | None = None) -> Any:
        made = super().__new__(cls)
        made._before = []
        return made if fn is None else made(fn)

    def __init__(self, fn: Callable[..., Any] | None = None) -> None:
        if fn is None:
            super().__init__()


class no_grad(_PlainMode):
    """Nothing inside records gradients: `with no_grad():` or `@no_grad()`."""

    enabled = False


class enable_grad(_PlainMode):
    """Operations inside record gradients, also within `no_grad`."""


class inference_mode(_GradMode):
    """As `no_grad`; `inference_mode(False)` turns gradient recording on. Tensors made inside are like all others."""

    def __new__(cls, mode: Any = True) -> Any:
        return super().__new__(cls) if isinstance(mode, bool) else cls(True)(mode)

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.enabled = not mode
        self._inference: list[bool] = []

    def __enter__(self) -> None:
        super().__enter__()
        self._inference.append(modes.inference)
        modes.inference = not self.enabled

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        modes.inference = self._inference.pop()

    def again(self) -> _GradMode:
        made: _GradMode = inference_mode(not self.enabled)
        return made


class set_grad_enabled(_GradMode):
    """Set gradient recording at once; as a context manager, put it back at the end."""

    def __init__(self, mode: bool) -> None:
        self.enabled = mode
        self._before = [modes.grad]
        modes.grad = mode

    def __enter__(self) -> None:
        modes.grad = self.enabled

    def again(self) -> _GradMode:
        return set_grad_enabled(self.enabled)

    def __call__(self, fn: Callable[P, R]) -> Callable[P, R]:
        modes.grad = self._before[0]
        return super().__call__(fn)
