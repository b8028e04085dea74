"""Refusals, and what is on disk after them."""

from __future__ import annotations

from pathlib import Path

import pytest
from aot.libraries import library, scale, step
from aot.toolchain import need, run

from ingot.compiler import aot
from ingot.compiler.aot.archive import Member, archive
from ingot.compiler.aot.interface import distinct, identifier
from ingot.compiler.aot.output import write
from ingot.runtime.errors import BuildError, OutputError, SpecError, UnknownNameError

FOREIGN = "riscv64"


def test_no_compiler_is_said_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(BuildError) as caught:
        aot.build(library(on=FOREIGN), tmp_path / "out", ["obj", "shared"])
    assert str(caught.value) == (
        "[IG707] there is no C compiler to link libnet.so for riscv64\n"
        "  install one, for example: apt-get install gcc-riscv64-linux-gnu\n"
        "  write instead: --emit obj,archive,header, which need no compiler"
    )
    assert not (tmp_path / "out").exists()


def test_a_failing_compiler_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "riscv64-linux-gnu-gcc"
    compiler.write_text("#!/bin/sh\necho no such luck >&2\nexit 3\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(BuildError, match=r"could not link libnet\.so\n  no such luck"):
        aot.build(library(on=FOREIGN), tmp_path / "out", ["shared"])
    assert not (tmp_path / "out").exists()


def test_unknown_output() -> None:
    with pytest.raises(UnknownNameError) as caught:
        aot.emitted(["obj", "dll"])
    assert str(caught.value) == (
        "[IG704] there is no output called 'dll'\n  write instead: --emit with some of: obj,archive,shared,header"
    )


@pytest.mark.parametrize("name", ["9lives", "a-b", "int", ""])
def test_a_library_needs_a_c_name(name: str) -> None:
    with pytest.raises(SpecError, match="cannot name a library"):
        aot.files(library(name=name), ["header"])


def test_two_functions_of_one_name() -> None:
    with pytest.raises(SpecError, match="both be called net_scale"):
        aot.files(library(scale(), scale()), ["header"])


def test_identifiers() -> None:
    assert [identifier(n) for n in ("0.weight", "x", "int", "a-b", "", "é")] == [
        "_0_weight",
        "x",
        "int_",
        "a_b",
        "value",
        "value",
    ]
    assert distinct(["a.b", "a_b", "a-b"]) == ["a_b", "a_b_2", "a_b_3"]


def test_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper", Path("/proc/ingot/out")):
        with pytest.raises(OutputError) as caught:
            aot.build(library(), folder, ["obj"])
        assert str(caught.value).startswith(f"[IG602] cannot write to {folder}: ")
        assert "nothing was written" in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_failure_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "out"
    kept.mkdir()
    (kept / "net.o").write_text("old")
    (kept / "main.c").write_text("the user's")
    (kept / "net.h").mkdir()
    with pytest.raises(OutputError, match=r"net\.h is a folder"):
        write(kept, {"net.o": b"new", "net.h": b"new"})
    assert (kept / "net.o").read_text() == "old"
    assert sorted(p.name for p in kept.iterdir()) == ["main.c", "net.h", "net.o"]
    with pytest.raises(OutputError):
        write(tmp_path / "fresh" / "deep", {"no/such/folder": b"x"})
    assert not (tmp_path / "fresh").exists()


def test_a_second_build_replaces_the_first(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("the user's")
    aot.build(library(scale(), step()), tmp_path, ["obj", "header"])
    aot.build(library(), tmp_path, ["obj", "header"])
    assert "net_step" not in (tmp_path / "net.h").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["main.c", "net.h", "net.json", "net.o"]


def test_archives_are_what_ar_expects(tmp_path: Path) -> None:
    members = [Member("a.o", b"odd", ("f", "g")), Member("a_rather_long_member_name.o", b"even", ("h",))]
    path = tmp_path / "libx.a"
    path.write_bytes(archive(members))
    assert run([need("ar", "binutils"), "t", path]).split() == ["a.o", "a_rather_long_member_name.o"]
    assert run(["ar", "p", path, "a_rather_long_member_name.o"]) == "even"
    assert "f in a.o" in run([need("nm", "binutils"), "-s", path]) and archive(members) == path.read_bytes()
