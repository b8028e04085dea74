"""`ingot ops`, `flags`, `explain`, `cache`, `doctor` and the manners of the command line."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingot.cli.main import main
from ingot.compiler.ops import TABLE
from ingot.runtime import cache, flags
from ingot.runtime.errors import CODES

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    with flags.CACHE.override(True), flags.CACHE_DIR.override(tmp_path):
        yield tmp_path


def test_every_op_is_listed(capsys: Capture) -> None:
    assert main(["ops"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines[1:]} == set(TABLE)


def test_one_op(capsys: Capture) -> None:
    assert main(["ops", "sum"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("op          sum\nkind        reduce\nattributes  axes\n")


def test_unknown_op_suggests(capsys: Capture) -> None:
    assert main(["ops", "sigmiod"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "ingot: [IG709] there is no operation 'sigmiod'\n  similar: sigmoid, sign, fmod\n"


def test_every_flag_is_listed(capsys: Capture) -> None:
    with flags.THREADS.override(3):
        assert main(["flags"]) == 0
    rows = {line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]}
    assert set(rows) == {flag.env for flag in flags.ALL}
    assert rows["INGOT_THREADS"] == "3"


@pytest.mark.parametrize("code", ["IG203", "ig203", "203"])
def test_explain(capsys: Capture, code: str) -> None:
    assert main(["explain", code]) == 0
    assert capsys.readouterr().out.startswith("IG203: The requested shape has another number of elements")


def test_explain_lists_all_codes(capsys: Capture) -> None:
    assert main(["explain"]) == 0
    out = capsys.readouterr().out
    assert [line.split(":")[0] for line in out.splitlines() if line.startswith("IG")] == sorted(CODES)


def test_explain_unknown_code(capsys: Capture) -> None:
    assert main(["explain", "IG999"]) == 1
    assert capsys.readouterr().err.startswith("ingot: [IG002] there is no error code 'IG999'")


def test_cache_commands(capsys: Capture, store: Path) -> None:
    keys = [cache.key("a"), cache.key("b")]
    for key in keys:
        cache.put(key, b"payload")
    assert main(["cache", "list"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]} == {key[:16] for key in keys}
    damaged = next(entry for entry in cache.entries() if entry.key == keys[0])
    damaged.path.write_bytes(b"nonsense")
    assert main(["cache", "verify"]) == 1
    assert capsys.readouterr().out == f"removed {keys[0]}\n1 of 2 entries are good\n"
    assert main(["cache", "verify"]) == 0
    assert capsys.readouterr().out == "1 of 1 entries are good\n"
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out.startswith("removed 1 entries, ")
    assert main(["cache", "list"]) == 0
    assert capsys.readouterr().out == ""


def test_cache_that_is_off(capsys: Capture) -> None:
    with flags.CACHE.override(False):
        assert main(["cache", "list"]) == 1
    assert capsys.readouterr().err == "ingot: [IG604] the cache is off: INGOT_CACHE is 0\n"


def test_doctor(capsys: Capture, store: Path) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for what in ("python", "llvmlite", "processor", "native code", "cache", "shared libraries, riscv64", "CUDA driver"):
        assert f"  {what}  " in out
    assert "MISSING" not in out


def test_doctor_says_what_to_install(capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with flags.CACHE.override(False):
        assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert re.search(
        r"^-   shared libraries, riscv64  no C compiler: apt-get install gcc-riscv64-linux-gnu$", out, re.M
    )
    assert re.search(r"^-   cache +off, INGOT_CACHE=0: ", out, re.M)


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["cache"], ["cache", "burn"], ["ops", "sum", "max"]])
def test_usage_errors(capsys: Capture, arguments: list[str]) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("usage: ingot")


@pytest.mark.parametrize(
    "command", [[], ["doctor"], ["cache"], ["cache", "list"], ["ops"], ["flags"], ["explain"], ["dump"], ["build"]]
)
def test_help(capsys: Capture, command: list[str]) -> None:
    assert main([*command, "--help"]) == 0
    said = capsys.readouterr()
    assert said.err == "" and said.out.startswith(" ".join(["usage: ingot", *command]))


def test_as_a_module_and_into_a_closed_pipe() -> None:
    done = subprocess.run([sys.executable, "-m", "ingot", "flags"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    piped = f"{sys.executable} -u -m ingot explain | head -1"
    done = subprocess.run(piped, shell=True, capture_output=True, text=True)
    assert done.stdout.startswith("IG001") and done.stderr == ""
