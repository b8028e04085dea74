"""Where time goes: spans and counters, written as Chrome trace JSON (chrome://tracing, Perfetto).

    timeline.start()
    with timeline.span("fuse", "compile"):
        ...
    timeline.write("trace.json")

Off, a span costs one function call and records nothing.
"""

import json
import os
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from ingot.runtime.errors import OutputError


class Event(NamedTuple):
    """One thing that happened. Times are nanoseconds of time.perf_counter_ns; a counter has no duration."""

    name: str
    category: str
    start: int
    duration: int
    thread: int
    value: float | None
    details: dict[str, object] | None


# None while off. Appending to a list is atomic, so threads need no lock.
_events: list[Event] | None = None
_OFF = nullcontext()


def start() -> None:
    """Begin to record, forgetting what was recorded before."""
    global _events
    _events = []


def stop() -> None:
    """Stop recording and forget everything."""
    global _events
    _events = None


def active() -> bool:
    """Whether anything is recorded."""
    return _events is not None


def span(name: str, category: str = "ingot", details: dict[str, object] | None = None) -> AbstractContextManager[None]:
    """A with block whose duration is recorded, also when it raises."""
    return _OFF if _events is None else _Span(name, category, details)


def count(name: str, value: float, category: str = "ingot") -> None:
    """Record a counter's value at this moment."""
    if _events is not None:
        _events.append(Event(name, category, time.perf_counter_ns(), 0, threading.get_ident(), value, None))


class _Span(AbstractContextManager[None]):
    __slots__ = ("begin", "category", "details", "name")

    def __init__(self, name: str, category: str, details: dict[str, object] | None) -> None:
        self.name = name
        self.category = category
        self.details = details

    def __enter__(self) -> None:
        self.begin = time.perf_counter_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        duration = time.perf_counter_ns() - self.begin
        if _events is not None:
            thread = threading.get_ident()
            _events.append(Event(self.name, self.category, self.begin, duration, thread, None, self.details))


def events() -> tuple[Event, ...]:
    """What was recorded, in order of completion."""
    return tuple(_events or ())


def totals() -> dict[str, tuple[int, float]]:
    """Per span name: how many, and seconds in all (nested spans of one name count twice)."""
    result: dict[str, tuple[int, float]] = {}
    for event in events():
        if event.value is None:
            number, seconds = result.get(event.name, (0, 0.0))
            result[event.name] = number + 1, seconds + event.duration / 1e9
    return result


def write(path: str | os.PathLike[str]) -> None:
    """Write what was recorded as Chrome trace JSON, beside its final name and then moved into place.

    Raises OutputError (IG602) when the file cannot be written.
    """
    import tempfile  # 3 ms that only a write needs

    text = json.dumps({"traceEvents": [_chrome(event) for event in events()], "displayTimeUnit": "ns"})
    target = Path(path)
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=".tmp-", dir=target.parent)
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.replace(temporary, target)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise OutputError("IG602", f"cannot write the trace to {target}: {error.strerror}") from None


def _chrome(event: Event) -> dict[str, object]:
    """Trace Event Format: complete events (X) and counters (C), in microseconds."""
    common = {
        "name": event.name,
        "cat": event.category,
        "ts": event.start / 1e3,
        "pid": os.getpid(),
        "tid": event.thread,
    }
    if event.value is not None:
        return {**common, "ph": "C", "args": {event.name: event.value}}
    details = {key: str(value) for key, value in (event.details or {}).items()}
    return {**common, "ph": "X", "dur": event.duration / 1e3, "args": details}
