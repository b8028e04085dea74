"""The thread pool: every chunk once, whatever the number of threads, and after a fork."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingot.runtime import native, objects, threads
from ingot.runtime.errors import SpecError

# A body that counts per element, and notes the largest thread number it saw; its argument is an array of pointers.
BODY = """
define void @body(ptr %arg, i64 %lo, i64 %hi, i64 %thread) nounwind {
entry:
  %counts = load ptr, ptr %arg
  %max_cell = getelementptr ptr, ptr %arg, i64 1
  %max = load ptr, ptr %max_cell
  %old = atomicrmw max ptr %max, i64 %thread seq_cst
  %chunk_cell = getelementptr i64, ptr %max, i64 1
  %chunks = atomicrmw add ptr %chunk_cell, i64 1 seq_cst
  %size = sub i64 %hi, %lo
  %size_cell = getelementptr i64, ptr %max, i64 2
  %biggest = atomicrmw max ptr %size_cell, i64 %size seq_cst
  br label %loop
loop:
  %i = phi i64 [ %lo, %entry ], [ %i1, %loop ]
  %cell = getelementptr i64, ptr %counts, i64 %i
  %c = atomicrmw add ptr %cell, i64 1 monotonic
  %i1 = add i64 %i, 1
  %more = icmp slt i64 %i1, %hi
  br i1 %more, label %loop, label %end
end:
  ret void
}
"""
needs_native = pytest.mark.skipif(not native.supported(), reason="no native runtime on this system")
PARALLEL_FOR = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


class Loop:
    """parallel_for with a context of `count` threads over the counting body."""

    def __init__(self, runtime: native.NativeRuntime, body: objects.LoadedObject) -> None:
        self.body = body
        self.address = body.symbols["body"]
        self.run_native = PARALLEL_FOR(runtime.address["parallel_for"])
        self.entry = runtime.address["parallel_for"]

    def __call__(self, count: int, n: int, grain: int) -> tuple[list[int], int, int, int]:
        """(visits per element, largest thread number, chunks, largest chunk)."""
        counts = (ctypes.c_int64 * max(n, 1))()
        notes = (ctypes.c_int64 * 3)()
        argument = (ctypes.c_void_p * 2)(ctypes.addressof(counts), ctypes.addressof(notes))
        context = (ctypes.c_int64 * 4)(32, count, self.entry, 0)
        self.run_native(ctypes.addressof(context), self.address, ctypes.addressof(argument), n, grain)
        return list(counts)[:n], notes[0], notes[1], notes[2]


@pytest.fixture(params=["futex", "condition"])
def loop(request: pytest.FixtureRequest, programs: Any) -> Loop:
    """Both ways of parking; the one this system does not use by itself is compiled for the test."""
    if not native.supported():
        pytest.skip("no native runtime on this system")
    body = objects.load(programs.code(BODY), exports=("body",))
    if request.param == "futex":
        runtime = native.load()
        assert runtime is not None
        return Loop(runtime, body)
    return Loop(_condition_runtime(), body)


_condition: list[native.NativeRuntime] = []


def _condition_runtime() -> native.NativeRuntime:
    if not _condition:
        text = native.source("condition")
        runtime = native.NativeRuntime(native.compile_text(text), text)
        native._start(runtime)
        _condition.append(runtime)
    return _condition[0]


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize(("n", "grain"), [(0, 4), (1, 4), (4, 4), (5, 4), (1000, 1), (1000, 7), (3, 0), (10, 100)])
def test_every_element_once(loop: Loop, count: int, n: int, grain: int) -> None:
    visits, thread, chunks, biggest = loop(count, n, grain)
    assert visits == [1] * n
    assert 0 <= thread < count
    size = grain or n
    assert chunks == (-(-n // size) if n else 0) and biggest == min(size, n)


def test_many_jobs_back_to_back_and_after_pauses(loop: Loop) -> None:
    deadline = time.monotonic() + 2.0
    jobs = 0
    while jobs < 3000 and time.monotonic() < deadline:
        visits, thread, chunks, _ = loop(3, 16, 1)
        assert visits == [1] * 16 and thread < 3 and chunks == 16
        jobs += 1
        if jobs % 500 == 0:
            time.sleep(0.02)
    assert jobs > 100


def test_concurrent_callers_and_fewer_threads_later(loop: Loop) -> None:
    failures: list[Any] = []

    def work(count: int) -> None:
        for _ in range(100):
            visits, thread, chunks, _ = loop(count, 64, 4)
            if visits != [1] * 64 or thread >= count or chunks != 16:
                failures.append((visits, thread, chunks))

    callers = [threading.Thread(target=work, args=(count,)) for count in (4, 3, 2, 1)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert failures == []
    assert loop(2, 100, 1)[1] < 2


@needs_native
def test_workers_really_run() -> None:
    """Two chunks that wait for one another only finish when two threads run them."""
    barrier = threading.Barrier(2, timeout=30)
    seen = []

    def body(_argument: int, low: int, high: int, thread: int) -> None:
        seen.append((low, high, thread))
        barrier.wait()

    callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *[ctypes.c_int64] * 3)(body)
    runtime = native.load()
    assert runtime is not None
    context = (ctypes.c_int64 * 4)(32, 2, runtime.address["parallel_for"], 0)
    run = PARALLEL_FOR(runtime.address["parallel_for"])
    run(ctypes.addressof(context), objects.address_of(callback), 0, 20, 10)
    assert sorted(seen)[0][:2] == (0, 10) and sorted(thread for *_, thread in seen) == [0, 1]
    assert threads.stats()["workers"] >= 1


@needs_native
def test_idle_workers_park() -> None:
    test_workers_really_run()
    deadline = time.monotonic() + 10
    while threads.stats()["parked"] < threads.stats()["workers"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threads.stats()["parked"] == threads.stats()["workers"]


@needs_native
def test_context_follows_the_number_of_threads() -> None:
    before = threads.get_num_threads()
    native.load()
    try:
        threads.set_num_threads(1)
        assert threads.context() == 0
        threads.set_num_threads(3)
        words = (ctypes.c_int64 * 5).from_address(threads.context())
        runtime = native.load()
        assert runtime is not None
        assert list(words)[:3] == [40, 3, runtime.address["parallel_for"]]
        assert words[4] == runtime.address["parallel_for_if_awake"]
        assert runtime.word("entry_context") == threads.context()
        first = threads.context()
        threads.set_num_threads(2)
        assert threads.context() != first and threads.get_num_threads() == 2
        # The old context stays as it was: a running program may hold it.
        assert list(words)[1] == 3
    finally:
        threads.set_num_threads(before)


def test_refusal() -> None:
    with pytest.raises(SpecError, match="must be positive, it is 0"):
        threads.set_num_threads(0)


@pytest.fixture
def cgroups(tmp_path: Path) -> Iterator[Callable[..., float | None]]:
    def quota(membership: str, **files: str) -> float | None:
        for name, text in files.items():
            path = tmp_path / "root" / name.replace("__", "/").replace("cpu_", "cpu.")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (tmp_path / "membership").write_text(membership)
        return threads.cgroup_quota(tmp_path / "root", tmp_path / "membership")

    yield quota


def test_cgroup_v2_quota(cgroups: Callable[..., float | None]) -> None:
    assert cgroups("0::/a/b\n", a__b__cpu_max="max 100000\n", a__cpu_max="150000 100000\n") == 1.5
    assert cgroups("0::/elsewhere\n", cpu_max="200000 100000\n") == 2.0


def test_cgroup_v1_quota(cgroups: Callable[..., float | None]) -> None:
    files = {"cpu__g__cpu_cfs_quota_us": "300000\n", "cpu__g__cpu_cfs_period_us": "100000\n"}
    assert cgroups("4:cpu,cpuacct:/g\n3:memory:/g\n", **files) == 3.0


def test_no_quota(cgroups: Callable[..., float | None]) -> None:
    assert cgroups("0::/\n", cpu_max="max 100000\n") is None
    assert cgroups("1:name=systemd:/\n") is None
    assert threads.cgroup_quota(Path("/nowhere"), Path("/nowhere")) is None


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INGOT_THREADS")}
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(code)],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_count_is_the_least_of_affinity_and_flag() -> None:
    code = """
        import os
        from ingot.runtime import threads
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(threads.available_cpus(), threads.get_num_threads())
    """
    assert run_python(code, INGOT_THREADS="3").stdout == "1 1\n" or not hasattr(os, "sched_setaffinity")
    available = threads.available_cpus()
    code = "from ingot.runtime import threads; print(threads.get_num_threads())"
    assert run_python(code, INGOT_THREADS="1").stdout == "1\n"
    assert run_python(code, INGOT_THREADS="1000").stdout == f"{available}\n"
    assert run_python(code).stdout == f"{available}\n"
    assert "takes a count" in run_python(code, INGOT_THREADS="many").stderr


@needs_native
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_has_workers_of_its_own(loop: Loop) -> None:
    """Also when the fork happens while another thread runs a job."""
    assert loop(3, 100, 1)[0] == [1] * 100
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            loop(3, 200, 1)

    runner = threading.Thread(target=busy)
    runner.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    good = all(loop(3, 100, 1)[0] == [1] * 100 for _ in range(50))
                    status = 0 if good else 2
                finally:
                    os._exit(status)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
    finally:
        stop.set()
        runner.join()
    assert loop(3, 100, 1)[0] == [1] * 100


def test_short_work_is_shared_while_the_workers_are_awake() -> None:
    """A stream of short jobs wakes the workers by itself; then every chunk is run exactly once, whoever runs it."""
    runtime = native.load()
    if runtime is None:
        pytest.skip("no native code here")
    before = threads.get_num_threads()
    seen: list[tuple[int, int, int]] = []
    body_type = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    body = body_type(lambda argument, low, high, thread: seen.append((low, high, thread)))
    pointer = ctypes.c_void_p
    share = ctypes.CFUNCTYPE(None, pointer, pointer, pointer, ctypes.c_int64, ctypes.c_int64)(
        runtime.address["parallel_for_if_awake"]
    )
    try:
        threads.set_num_threads(2)
        shared = 0
        for _ in range(200):
            seen.clear()
            share(threads.context(), ctypes.cast(body, pointer), None, 10, 5)
            assert sorted(i for low, high, _ in seen for i in range(low, high)) == list(range(10))
            shared += len(seen) == 2
        assert shared >= 3
    finally:
        threads.set_num_threads(before)
