"""Memory for time: functions whose intermediate tensors are computed again in `backward`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from ingot.autograd.graph import saved_tensors_hooks
from ingot.modes import modes
from ingot.rng import get_rng_state, set_rng_state
from ingot.runtime.errors import GradError, SpecError
from ingot.source_lines import user_line


class CheckpointError(GradError):
    """A function that saves other tensors when it runs again."""


class _Enough(Exception):
    """What was asked for has been computed again; the rest of the function need not run."""


class _Frame:
    """One call: what it takes to run it again, and what its operations save, by number."""

    def __init__(
        self, call: Callable[[], Any], preserve_rng_state: bool, context_fn: Callable[[], tuple[Any, Any]] | None
    ) -> None:
        self.call = call
        self.state = get_rng_state() if preserve_rng_state else None
        self.first: Any = None
        self.second: Any = None
        if context_fn is not None:
            self.first, self.second = context_fn()
        self.where = user_line()
        self.count = 0
        self.found: dict[int, Any] = {}

    def pack(self, tensor: Any) -> int:
        self.count += 1
        return self.count - 1

    def unpack(self, number: int) -> Any:
        if number not in self.found:
            self.again()
        if number not in self.found:
            raise CheckpointError(
                "IG387",
                f"a checkpointed function saved {self.count} tensors, and {len(self.found)} when it ran again",
                where=self.where,
                fix="a function that does the same each time; preserve_rng_state=True for random ones",
            )
        # Each is read once in a walk; another walk runs the function again.
        return self.found.pop(number)

    def again(self) -> None:
        """Run the function and collect what its operations save."""
        self.found.clear()
        kept = 0

        def collect(tensor: Any) -> Any:
            nonlocal kept
            self.found[kept] = tensor
            kept += 1
            if kept == self.count:
                raise _Enough
            return tensor

        now = get_rng_state() if self.state is not None else None
        before, modes.grad = modes.grad, True
        try:
            if self.state is not None:
                set_rng_state(self.state)
            around = self.second if self.second is not None else contextlib.nullcontext()
            with contextlib.suppress(_Enough), around, saved_tensors_hooks(collect, lambda tensor: tensor):
                self.call()
        finally:
            modes.grad = before
            if now is not None:
                set_rng_state(now)


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] | None = None,
    determinism_check: str = "default",
    debug: bool = False,
    preserve_rng_state: bool = True,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args, **kwargs), which runs again in `backward` instead of keeping what its derivative reads.

    Random functions draw the same numbers again. In compiled code it is a plain call: the compiler decides what is kept
    and what is computed again. Both values of `use_reentrant` do the same. Raises CheckpointError (IG387) in `backward`
    for a function that saves fewer tensors the second time.
    """
    if modes.trace is not None or not modes.grad:
        return function(*args, **kwargs)
    frame = _Frame(lambda: function(*args, **kwargs), preserve_rng_state, context_fn)
    around = frame.first if frame.first is not None else contextlib.nullcontext()
    with around, saved_tensors_hooks(frame.pack, frame.unpack):
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
) -> Any:
    """A sequence of modules in `segments` checkpointed runs, of which the last one keeps what it computes."""
    layers: Sequence[Any] = list(functions.children() if hasattr(functions, "children") else functions)
    if not 1 <= segments <= len(layers):
        raise SpecError(
            "IG217", f"checkpoint_sequential of {len(layers)} modules in {segments} segments", where=user_line()
        )
    size = len(layers) // segments

    def run(start: int, stop: int) -> Callable[[Any], Any]:
        def forward(value: Any) -> Any:
            for layer in layers[start:stop]:
                value = layer(value)
            return value

        return forward

    for number in range(segments - 1):
        forward = run(number * size, (number + 1) * size)
        input = checkpoint(forward, input, use_reentrant=use_reentrant, preserve_rng_state=preserve_rng_state)
    return run((segments - 1) * size, len(layers))(input)
