"""`ingot build`: the files it writes, what it says, and what is left when it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aot import toolchain
from cli import scripts

from ingot.aot import baseline
from ingot.cli.main import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    scripts.write(tmp_path)
    return tmp_path


def built(capsys: Capture, *arguments: str) -> list[str]:
    assert main(["build", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def refused(capsys: Capture, *arguments: str) -> str:
    return scripts.refused(capsys, "build", *arguments)


def test_the_paths_are_the_answer(capsys: Capture, folder: Path) -> None:
    said = built(capsys, "functions.py:predict", "-o", "out/c")
    assert said == ["out/c/libpredict.a", "out/c/predict.h", "out/c/predict.json"]
    assert sorted(p.name for p in (folder / "out" / "c").iterdir()) == ["libpredict.a", "predict.h", "predict.json"]
    assert json.loads((folder / "out/c/predict.json").read_text())["target"]["name"] == baseline()


def test_everything(capsys: Capture, folder: Path) -> None:
    toolchain.c_compiler(baseline())
    said = built(
        capsys,
        "functions.py:predict",
        "functions.py:count",
        *("-o", "out", "--name", "both", "--emit", "obj,archive,shared,header", "--weights", "beside"),
    )
    names = ["both.o", "libboth.a", "libboth.so", "both.h", "both.safetensors", "both.json"]
    assert said == [f"out/{name}" for name in names]
    manifest = json.loads((folder / "out" / "both.json").read_text())
    assert [f["symbol"] for f in manifest["functions"]] == ["both_predict", "both_count"]
    assert [(t["name"], t["mutated"]) for t in manifest["weights"]["tensors"]] == [("weight", False), ("steps", True)]
    outputs = [[p["name"] for p in f["parameters"]] for f in manifest["functions"]]
    assert outputs == [["x", "out"], ["x", "total", "next"]]


def test_specs_on_the_command_line(capsys: Capture, folder: Path) -> None:
    built(capsys, "functions.py:plain", "--spec", "f32[2,5]", "--spec", "f32[5]", "-o", "out")
    header = (folder / "out" / "plain.h").read_text()
    assert "const float *x, " in header and "/* f32[2,5] */" in header


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["functions.py:predict", "--target", "z80"], "[IG401] unknown target 'z80'\n  write instead: one of: x86-64,"),
        (["functions.py:predict", "--emit", "obj,dll"], "[IG704] there is no output called 'dll'\n"),
        (["functions.py:predcit"], "[IG702] functions.py has no function 'predcit'\n"),
        (["fnctions.py:predict"], "[IG701] the file fnctions.py does not exist\n  similar: functions.py\n"),
        (["functions.py:plain"], "[IG732] plain has no specs\n"),
        (["functions.py:predict", "--name", "a-b"], "[IG705] 'a-b' cannot name a library"),
        (["functions.py:predict", "--emit", ""], "[IG704] there is no output called ''\n"),
        (["functions.py:count", "functions.py:count"], "[IG705] two functions are called count; in C their names"),
        (["functions.py:predict", "functions.py:count", "--spec", "f32[1]"], "[IG708] --spec describes the arguments"),
    ],
)
def test_refusals(capsys: Capture, folder: Path, arguments: list[str], said: str) -> None:
    assert refused(capsys, *arguments, "-o", "out").startswith(f"ingot: {said}")
    assert not (folder / "out").exists()


def test_an_unwritable_folder(capsys: Capture, folder: Path) -> None:
    (folder / "file").write_text("in the way")
    assert refused(capsys, "functions.py:predict", "-o", "file/out") == (
        "ingot: [IG602] cannot write to file/out: Not a directory\n"
        "  nothing was written\n"
        "  write instead: -o with a folder that you may write to\n"
    )
    assert (folder / "file").read_text() == "in the way"


def test_no_output_folder(capsys: Capture, folder: Path) -> None:
    assert main(["build", "functions.py:predict"]) == 2
    assert "the following arguments are required: -o" in capsys.readouterr().err
