"""Profiles: what they count, what they cost when off, and their forms."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import ingot
from ingot import nn, profiler
from ingot.autograd.profiler import profile, record_function


def test_functions_derivatives_and_ranges() -> None:
    net = nn.Linear(3, 2)
    x = ingot.ones(4, 3)
    for _ in range(3):
        net(x).softmax(1).square().mean().backward()
    with profile() as prof:
        for _ in range(2):
            with record_function("forward"):
                loss = net(x).softmax(1).square().mean()
            loss.backward()
    found = {a.key: a for a in prof.key_averages()}
    assert found["forward"].count == 2 and found["linear"].count == 2 and found["softmax"].count >= 2
    assert found["LinearBackward0"].count == 2
    assert 0 < found["linear"].cpu_time_total < found["forward"].cpu_time_total
    assert found["forward"].self_cpu_time_total < found["forward"].cpu_time_total
    assert sys.getprofile() is None
    assert prof.self_cpu_time_total == pytest.approx(sum(a.self_cpu_time_total for a in found.values()))
    table = prof.key_averages().table(sort_by="cpu_time_total", row_limit=3)
    assert table.splitlines()[3].split()[0] == "forward" and "# of Calls" in table and "Self CPU time total" in table
    assert len(table.splitlines()) == 8
    with pytest.raises(ValueError, match=r"IG217.*sort_by"):
        prof.table(sort_by="nothing")


def test_compiled_functions_are_seen() -> None:
    @ingot.jit
    def doubled(x: Any) -> Any:
        return x * 2

    x = ingot.ones(3)
    doubled(x)
    with profile() as prof:
        for _ in range(5):
            doubled(x)
    assert [(a.key, a.count) for a in prof.key_averages() if "compiled" in a.key] == [("doubled (compiled)", 5)]
    before = doubled.stats()["calls"]
    doubled(x)
    assert doubled.stats()["calls"] == before + 1


def test_off_it_records_nothing() -> None:
    @record_function("named")
    def named() -> int:
        return 3

    assert named() == 3
    with profile(enabled=False) as prof:
        assert named() == 3
    assert prof.events() == [] and sys.getprofile() is None


def test_schedules(tmp_path: Path) -> None:
    plan = profiler.schedule(wait=1, warmup=1, active=2, repeat=1)
    assert [plan(i).name for i in range(6)] == ["NONE", "WARMUP", "RECORD", "RECORD_AND_SAVE", "NONE", "NONE"]
    windows: list[int] = []

    def ready(prof: Any) -> None:
        windows.append(sum(e.name == "exp" for e in prof.events()))
        prof.export_chrome_trace(tmp_path / "trace.json")

    x = ingot.ones(2)
    with profiler.profile(
        activities=[profiler.ProfilerActivity.CPU],
        schedule=profiler.schedule(wait=1, warmup=0, active=2),
        on_trace_ready=ready,
    ) as prof:
        for _ in range(6):
            ingot.exp(x)
            prof.step()
    assert windows == [2, 2]
    rows = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert {row["name"] for row in rows} >= {"exp"} and all(row["dur"] > 0 for row in rows)
    with pytest.raises(ValueError, match="IG217"):
        profiler.schedule(wait=1, warmup=0, active=0)
