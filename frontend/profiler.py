"""`torch.profiler`: profiles with a schedule of steps."""

from __future__ import annotations

import enum
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from ingot.autograd import profiler
from ingot.autograd.profiler import record_function as record_function
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line


class ProfilerActivity(enum.Enum):
    """What is profiled; the CPU, whatever is asked for."""

    CPU = 0
    CUDA = 2


class ProfilerAction(enum.Enum):
    """What happens in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """Cycles of `wait` idle, `warmup` and `active` recorded steps, after `skip_first` steps; `repeat` of them (0: no
    end). Raises SpecError (IG217)."""
    if min(wait, warmup, repeat, skip_first) < 0 or active < 1:
        raise SpecError(
            "IG217", f"a schedule of wait={wait}, warmup={warmup}, active={active}, repeat={repeat}", where=user_line()
        )
    length = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        if repeat and step >= repeat * length:
            return ProfilerAction.NONE
        place = step % length
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if place == length - 1 else ProfilerAction.RECORD

    return action


def tensorboard_trace_handler(dir_name: str, worker_name: str | None = None, use_gzip: bool = False) -> Any:
    """An `on_trace_ready` that writes each recorded window to a file of its own."""

    def write(prof: Any) -> None:
        os.makedirs(dir_name, exist_ok=True)
        name = f"{worker_name or 'ingot'}.{time.time_ns() // 1_000_000}.pt.trace.json"
        prof.export_chrome_trace(os.path.join(dir_name, name))

    return write


class profile(profiler.profile):
    """As autograd.profiler.profile; with a `schedule`, only some steps (between calls of `step`) are recorded, and
    `on_trace_ready(self)` is called after each run of them."""

    def __init__(
        self,
        *,
        activities: Iterable[Any] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.schedule = schedule
        self.on_trace_ready = on_trace_ready
        self.step_num = 0
        self.recording = False

    def action(self) -> ProfilerAction:
        """What happens in the present step."""
        return ProfilerAction.RECORD if self.schedule is None else self.schedule(self.step_num)

    def _switch(self) -> None:
        wanted = self.action() in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        if wanted and not self.recording:
            if self.schedule is not None:
                self.recorder = profiler.Recorder()
            super().start()
        elif not wanted and self.recording:
            super().stop()
        self.recording = wanted

    def start(self) -> None:
        """Begin with the first step."""
        self._switch()

    def stop(self) -> None:
        """End; what was recorded is handed over."""
        if self.recording:
            super().stop()
            self.recording = False
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)

    def step(self) -> None:
        """The next step begins."""
        ready = self.action() is ProfilerAction.RECORD_AND_SAVE
        if ready and self.recording:
            super().stop()
            self.recording = False
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)
        self.step_num += 1
        self._switch()
