"""Where a program's time goes: functions, derivatives, compiled calls, and ranges that the user names.

Python's own profiling hook sees ingot's functions being called, so a program that is not profiled pays nothing.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple

from ingot.modes import Defaults, bump_epoch
from ingot.runtime.errors import SpecError
from ingot.source_lines import user_line

_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
# Files whose public functions are operations.
_FUNCTIONS = (_FOLDER + "functional" + os.sep, _FOLDER + "linalg.py", _FOLDER + "special.py")
_WRAPPERS = (*_FUNCTIONS, _FOLDER + "calls.py", _FOLDER + "composite.py")
_WALK, _JIT = os.path.join(_FOLDER, "autograd", "walk.py"), _FOLDER + "jit.py"
# Names of columns that PyTorch has for other devices or by older names.
_ORDERS = {
    "cpu_time_total": "cpu_time_total",
    "self_cpu_time_total": "self_cpu_time_total",
    "cpu_time": "cpu_time",
    "count": "count",
    "cuda_time_total": "cpu_time_total",
    "self_cuda_time_total": "self_cpu_time_total",
    "device_time_total": "cpu_time_total",
}


class Event(NamedTuple):
    """One call. Times are nanoseconds of time.perf_counter_ns; `inside` is what the calls within it took."""

    name: str
    start: int
    end: int
    inside: int


class Average:
    """All calls of one name; times in microseconds."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.count = 0
        self.cpu_time_total = 0.0
        self.self_cpu_time_total = 0.0

    @property
    def cpu_time(self) -> float:
        """Per call."""
        return self.cpu_time_total / max(self.count, 1)

    def add(self, event: Event) -> None:
        """Count a call."""
        self.count += 1
        self.cpu_time_total += (event.end - event.start) / 1e3
        self.self_cpu_time_total += (event.end - event.start - event.inside) / 1e3


class Averages(list[Average]):
    """The averages of a profile."""

    def table(self, sort_by: str | None = None, row_limit: int = 100, header: str | None = None, **options: Any) -> str:
        """The averages as text, the largest first. Raises SpecError (IG217) for an unknown column."""
        if sort_by is not None and sort_by not in _ORDERS:
            raise SpecError("IG217", f"sort_by is one of {sorted(_ORDERS)}, not {sort_by!r}", where=user_line())
        rows = list(self) if sort_by is None else sorted(self, key=lambda a: -getattr(a, _ORDERS[sort_by]))
        whole = sum(a.self_cpu_time_total for a in self) or 1.0
        width = max([len("Name"), *(len(a.key) for a in rows)])
        columns = ["Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# of Calls"]
        line = "  ".join(["-" * width, *("-" * 12 for _ in columns)])
        text = [line, "  ".join(["Name".rjust(width), *(c.rjust(12) for c in columns)]), line]
        for a in rows if row_limit < 0 else rows[:row_limit]:
            cells = [
                f"{100 * a.self_cpu_time_total / whole:.2f}%",
                _time(a.self_cpu_time_total),
                f"{100 * a.cpu_time_total / whole:.2f}%",
                _time(a.cpu_time_total),
                _time(a.cpu_time),
                str(a.count),
            ]
            text.append("  ".join([a.key.rjust(width), *(c.rjust(12) for c in cells)]))
        total = f"Self CPU time total: {_time(whole)}"
        return "\n".join([*([header] if header else []), *text, line, total])


def _time(microseconds: float) -> str:
    for limit, unit, factor in ((1e3, "us", 1.0), (1e6, "ms", 1e3)):
        if microseconds < limit:
            return f"{microseconds / factor:.3f}{unit}"
    return f"{microseconds / 1e6:.3f}s"


class Recorder:
    """Collects events while it is the thread's profiling hook."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.open: list[list[Any]] = []  # name, start, time inside, frame or range

    def hook(self, frame: FrameType, event: str, arg: Any) -> None:
        """What sys.setprofile calls."""
        if event == "call":
            name = _operation(frame)
            # The function inside a wrapper is no call of its own.
            if name is not None and not (self.open and self.open[-1][0] == name):
                self.enter(name, frame)
        elif event == "return" and self.open and self.open[-1][3] is frame:
            self.leave()

    def enter(self, name: str, owner: object) -> None:
        """A call begins."""
        self.open.append([name, time.perf_counter_ns(), 0, owner])

    def leave(self) -> None:
        """The innermost call ends."""
        end = time.perf_counter_ns()
        name, start, inside, _ = self.open.pop()
        self.events.append(Event(name, start, end, inside))
        if self.open:
            self.open[-1][2] += end - start


def _operation(frame: FrameType) -> str | None:
    """The name of the operation whose call a frame is; None for other frames."""
    code = frame.f_code
    file, name = code.co_filename, code.co_name
    if not file.startswith(_FOLDER):
        return None
    if code.co_freevars and ("fn" in code.co_freevars or "pure" in code.co_freevars):
        # A wrapper is called what it wraps.
        wrapped = frame.f_locals.get("fn", frame.f_locals.get("pure"))
        return str(getattr(wrapped, "__name__", name)).lstrip("_") if file.startswith(_WRAPPERS) else None
    if file.startswith(_FUNCTIONS):
        return None if name.startswith(("_", "<")) or code.co_freevars else name
    if file == _WALK and name == "pulled_back":
        return str(frame.f_locals["node"].name())
    if file == _JIT and name == "slow_path":
        return f"{frame.f_locals['self'].name} (compiled)"
    return None


_recorders: list[Recorder] = []


class record_function:
    """A range with a name, as a context manager or decorator."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name

    def __enter__(self) -> record_function:
        if _recorders:
            _recorders[-1].enter(self.name, self)
        return self

    def __exit__(self, *error: object) -> None:
        if _recorders and any(entry[3] is self for entry in _recorders[-1].open):
            while _recorders[-1].open[-1][3] is not self:
                _recorders[-1].leave()
            _recorders[-1].leave()

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name):
                return fn(*args, **kwargs)

        return inside


class profile:
    """Times the operations of this thread: `with profile() as prof: ...`, then prof.key_averages().table().

    Times of nested operations count for the outer one's total. Options about other devices, stacks, shapes and memory
    are accepted.
    """

    def __init__(self, enabled: bool = True, **options: Any) -> None:
        self.enabled = enabled
        self.recorder = Recorder()
        self.before: Any = None

    def start(self) -> None:
        """Begin to record."""
        if self.enabled:
            Defaults.profiling += 1
            bump_epoch()
            _recorders.append(self.recorder)
            self.before = sys.getprofile()
            sys.setprofile(self.recorder.hook)

    def stop(self) -> None:
        """Stop recording."""
        if self.enabled and self.recorder in _recorders:
            sys.setprofile(self.before)
            _recorders.remove(self.recorder)
            Defaults.profiling -= 1
            while self.recorder.open:
                self.recorder.leave()

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def events(self) -> list[Event]:
        """All calls, in the order in which they ended."""
        return list(self.recorder.events)

    def key_averages(self, *args: Any, **options: Any) -> Averages:
        """The calls by name."""
        found: dict[str, Average] = {}
        for event in self.recorder.events:
            found.setdefault(event.name, Average(event.name)).add(event)
        return Averages(sorted(found.values(), key=lambda a: -a.self_cpu_time_total))

    def total_average(self) -> Average:
        """All calls as one."""
        total = Average("Total")
        for event in self.recorder.events:
            total.add(event)
        return total

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds in all calls, each counted once."""
        return sum(a.self_cpu_time_total for a in self.key_averages())

    def table(self, sort_by: str | None = None, row_limit: int = 100, **options: Any) -> str:
        """key_averages().table(...)."""
        return self.key_averages().table(sort_by, row_limit, **options)

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write the calls for chrome://tracing or Perfetto."""
        rows = [
            {
                "name": e.name,
                "ph": "X",
                "ts": e.start / 1e3,
                "dur": (e.end - e.start) / 1e3,
                "pid": os.getpid(),
                "tid": 0,
            }
            for e in self.recorder.events
        ]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": rows}, file)
