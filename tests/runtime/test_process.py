"""Whole processes: how one starts with and without a cache, forks, and ends while tensors are alive."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from ingot.runtime import native

pytestmark = pytest.mark.skipif(not native.supported(), reason="no native runtime on this system")

# A process that can call a stored program and imports nothing else.
PRELUDE = """
import sys
import numpy as np
from ingot.runtime import dispatch, dtypes, pool
from ingot.runtime.executable import Executable
from ingot.runtime.layout import Layout
from ingot.runtime.program import Program
from ingot.runtime.specialise import Specialisation, TensorGuard
from ingot.runtime.storage import Storage

class Tensor:
    __slots__ = ("__weakref__", "_layout", "_storage", "_offset", "_grad")

SLOTS = {"layout": "_layout", "storage": "_storage", "offset": "_offset"}
dispatch.install((Tensor,), Storage, SLOTS, {"_grad": None})
LAYOUT = Layout.of(dtypes.float64, (3,))

def tensor(*values):
    made = Tensor()
    made._layout, made._offset, made._grad = LAYOUT, 0, None
    made._storage = Storage.allocate(24)
    made._storage.array(LAYOUT)[...] = values
    return made

def values(result):
    return result._storage.array(result._layout).tolist()

def compiled():
    spec = Specialisation(Executable(Program.from_bytes(open(sys.argv[1], "rb").read())))
    spec.argument(TensorGuard(Tensor, LAYOUT, 0))
    spec.output(LAYOUT, 0)
    spec.result("single")
    call = dispatch.callable(lambda *args: "slow", "f")
    call.add(spec)
    return call
"""


@pytest.fixture
def run(programs: Any, tmp_path: Path) -> Any:
    stored = tmp_path / "program"
    stored.write_bytes(programs.sum([(3,)], 1, 3).program.to_bytes())

    def python(code: str, **environment: str) -> str:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("INGOT_")}
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", PRELUDE + textwrap.dedent(code), str(stored)],
            env={**clean, "INGOT_CACHE_DIR": str(tmp_path / "cache"), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (done.returncode, done.stderr)
        assert done.stderr == ""
        return done.stdout

    return python


THREE_CALLS = """
    f = compiled()
    modes = [dispatch.mode()]
    for _ in range(3):
        assert values(f(tensor(1, 2, 3))) == [1, 2, 3]
        assert f(1) == "slow"
        modes.append(dispatch.mode())
    print(*modes, "llvmlite" in sys.modules)
"""


def test_a_cold_process_builds_at_the_third_call_and_a_warm_one_loads(run: Any) -> None:
    assert run(THREE_CALLS) == "undecided undecided native native True\n"
    assert run(THREE_CALLS) == "native native native native False\n"


def test_without_a_cache_every_process_builds(run: Any) -> None:
    for _ in range(2):
        assert run(THREE_CALLS, INGOT_CACHE="0") == "undecided undecided native native True\n"


def test_the_switch_decides(run: Any) -> None:
    assert run(THREE_CALLS, INGOT_DISPATCH="native") == "native native native native True\n"
    assert run(THREE_CALLS, INGOT_DISPATCH="safe") == "undecided undecided undecided undecided False\n"


def test_a_failing_self_test_falls_back(run: Any) -> None:
    code = """
        from ingot.runtime import dispatch_native
        found = dispatch_native.slot_offsets
        def wrong(kind, names):
            offsets = dict(found(kind, names))
            if "_layout" in offsets:
                offsets["_layout"], offsets["_offset"] = offsets["_offset"], offsets["_layout"]
            return offsets
        dispatch_native.slot_offsets = wrong
    """
    expected = "undecided undecided safe safe True\n"
    assert run(textwrap.dedent(code) + textwrap.dedent(THREE_CALLS)) == expected


def test_functions_and_tensors_from_before_the_switch_go_on(run: Any) -> None:
    code = """
        f, g = compiled(), compiled()
        early = [f(tensor(i, i, i)) for i in range(2)]
        method = f.__get__(tensor(4, 5, 6))
        assert dispatch.mode() == "undecided" and not dispatch.counters()["misses"]
        assert values(g(early[0])) == [0, 0, 0]
        assert dispatch.mode() == "native"
        assert values(method()) == [4, 5, 6] and values(f(early[0])) == [0, 0, 0]
        before = pool.stats()
        del early
        assert pool.stats()["allocated"] == before["allocated"] - 128
        assert dispatch.counters() == {"program_calls": 5, "misses": 0, "python_callbacks": 0}
        assert f.specialisations[0].calls == 4
    """
    assert run(code) == ""


def test_epochs_survive_the_switch(run: Any) -> None:
    code = """
        f = compiled()
        for _ in range(5):
            dispatch.bump_epoch()
        spec = f.specialisations[0]
        spec.epoch = dispatch.epoch()
        for _ in range(3):
            assert values(f(tensor(1, 2, 3))) == [1, 2, 3]
        dispatch.bump_epoch()
        assert f(tensor(1, 2, 3)) == "slow"
        spec.epoch = dispatch.epoch()
        assert values(f(tensor(1, 2, 3))) == [1, 2, 3]
    """
    assert run(code) == ""


@pytest.mark.parametrize("path", ["native", "safe"])
def test_exit_with_live_tensors(run: Any, path: str) -> None:
    """In globals, builtins, cycles, a thread that is parked, and behind finalizers that call the function again."""
    code = """
        import atexit, builtins, gc
        f = compiled()
        x = tensor(1, 2, 3)
        kept = [f(x) for _ in range(100)]
        builtins.kept = [f(x), f]
        cycle = f(x)
        cycle._grad = [cycle, f, kept]
        del cycle
        f.note = f
        class Late:
            def __del__(self, f=f, x=x):
                f(x)
        late = Late()
        builtins.late = Late()
        sys.late = Late()
        atexit.register(lambda: f(x))
        view = f(x)._storage.array(LAYOUT)
        sys.view = view
        gc.disable()
    """
    assert run(code, INGOT_DISPATCH=path) == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("path", ["native", "safe"])
def test_a_forked_child_calls_and_allocates_on_its_own(run: Any, path: str) -> None:
    code = """
        import os
        f = compiled()
        x = tensor(1, 2, 3)
        big = Storage.allocate(8 << 20)
        view = big.array(Layout.of(dtypes.uint8, (8 << 20,)))
        view[...] = 1
        f(x), f(x)
        child = os.fork()
        if child == 0:
            view[...] = 2
            x._storage.array(LAYOUT)[...] = 9
            assert values(f(x)) == [9, 9, 9]
            for i in range(100):
                assert values(f(tensor(i, i, i))) == [i, i, i]
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert values(f(x)) == [1, 2, 3] and (view == 1).all()
    """
    assert run(code, INGOT_DISPATCH=path) == ""


def test_runtime_modules_import_lightly() -> None:
    code = """
import sys
from ingot.runtime import cache, dispatch_native, errors, flags, native, objects, pool, threads, timeline
heavy = {"llvmlite", "numba", "ml_dtypes", "safetensors"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)
