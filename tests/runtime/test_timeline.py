"""Spans, counters, and the trace file."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingot.runtime import timeline
from ingot.runtime.errors import OutputError


@pytest.fixture(autouse=True)
def off_afterwards() -> Iterator[None]:
    timeline.stop()
    yield
    timeline.stop()


def test_off_records_nothing_and_allocates_nothing() -> None:
    assert timeline.span("a") is timeline.span("b", "c")
    with timeline.span("a"):
        timeline.count("n", 1)
    assert not timeline.active() and timeline.events() == ()


def test_spans_nest_and_survive_exceptions() -> None:
    timeline.start()
    with pytest.raises(KeyError), timeline.span("outer", "compile", {"graph": 3}), timeline.span("inner"):
        raise KeyError
    inner, outer = timeline.events()
    assert (inner.name, outer.name, outer.category, outer.details) == ("inner", "outer", "compile", {"graph": 3})
    assert outer.start <= inner.start and outer.duration >= inner.duration
    assert timeline.totals().keys() == {"inner", "outer"} and timeline.totals()["outer"][0] == 1


def test_stopping_inside_a_span_is_harmless() -> None:
    timeline.start()
    with timeline.span("a"):
        timeline.stop()
    assert timeline.events() == ()


def test_chrome_trace(tmp_path: Path) -> None:
    timeline.start()
    with timeline.span("work", "run"):
        timeline.count("bytes", 12.0)
    other = threading.Thread(target=lambda: timeline.count("bytes", 13.0))
    other.start()
    other.join()
    path = tmp_path / "trace.json"
    path.write_text("old")
    timeline.write(path)
    events = json.loads(path.read_text())["traceEvents"]
    assert [(event["name"], event["ph"]) for event in events] == [("bytes", "C"), ("work", "X"), ("bytes", "C")]
    assert events[1]["dur"] >= 0 and events[1]["cat"] == "run"
    assert events[0]["tid"] != events[2]["tid"] and events[0]["args"] == {"bytes": 12.0}
    assert [entry.name for entry in tmp_path.iterdir()] == ["trace.json"]


def test_unwritable_places(tmp_path: Path) -> None:
    timeline.start()
    with pytest.raises(OutputError, match=r"\[IG602\] cannot write the trace to .*No such file") as caught:
        timeline.write(tmp_path / "missing" / "trace.json")
    assert isinstance(caught.value, OSError)
