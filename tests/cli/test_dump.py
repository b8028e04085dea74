"""`ingot dump`: every stage, with source lines, and nothing else on standard output."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli import scripts

from ingot.cli.main import main
from ingot.compiler.pipeline import pass_names, stage_names

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scripts.write(tmp_path_factory.mktemp("dump"))


@pytest.fixture(autouse=True)
def beside_the_script(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(script.parent)


def dumped(capsys: Capture, *arguments: str) -> str:
    assert main(["dump", *arguments]) == 0
    return capsys.readouterr().out


def refused(capsys: Capture, *arguments: str) -> str:
    return scripts.refused(capsys, "dump", *arguments)


def test_graph_with_source_lines(capsys: Capture) -> None:
    lines = dumped(capsys, "functions.py:predict").splitlines()
    assert lines[0].startswith('graph predict[b in 1..2147483647](%0: f32[b,3] "x", ') and lines[-1] == "}"
    assert [line.split("#")[1] for line in lines if "dot_general" in line] == [
        " functions.py:11 in predict: return (x @ weight).exp()"
    ]


def test_captured_tensors_have_the_users_names(capsys: Capture) -> None:
    for stage in ("graph", "fuse"):
        assert '%1: f32[3,4] "weight")' in dumped(capsys, "functions.py:predict", "--stage", stage).splitlines()[0]


@pytest.mark.parametrize("stage", stage_names())
@pytest.mark.parametrize("target", ["host", "x86-64-v2", "aarch64"])
def test_every_stage_shows_the_users_lines(capsys: Capture, stage: str, target: str) -> None:
    out = dumped(capsys, "functions.py:predict", "--stage", stage, "--target", target)
    assert "functions.py:11" in out and "return (x @ weight).exp()" in out
    assert "printed while" not in out


def test_stages_are_of_the_target(capsys: Capture) -> None:
    def assembly(target: str) -> str:
        return dumped(capsys, "functions.py:predict", "--stage", "asm", "--target", target)

    assert "zmm" in assembly("x86-64-v4") and "zmm" not in assembly("x86-64-v3")
    assert "fmla" in assembly("aarch64")


def test_specs_on_the_command_line(capsys: Capture) -> None:
    out = dumped(capsys, "functions.py:plain", "--spec", "f32[2,5]", "--spec", "f64[5]")
    assert out.startswith('graph plain(%0: f32[2,5] "x", %1: f64[5] "y") {\n')


def test_what_a_pass_changed(capsys: Capture) -> None:
    out = dumped(capsys, "functions.py:predict", "--diff", "fuse").splitlines()
    assert out[:2] == ["--- before fuse", "+++ after fuse"]
    assert any(line.startswith("+") and "fused" in line for line in out)
    assert any(line.startswith("-") and "dot_general" in line for line in out)


def test_a_pass_that_changed_nothing(capsys: Capture) -> None:
    assert dumped(capsys, "functions.py:predict", "--diff", "fold").strip() == ""


def test_unknown_stage(capsys: Capture) -> None:
    assert refused(capsys, "functions.py:predict", "--stage", "assembly") == (
        f"ingot: [IG703] there is no stage 'assembly'\n  write instead: one of: {', '.join(stage_names())}\n"
    )


def test_unknown_pass(capsys: Capture) -> None:
    assert refused(capsys, "functions.py:predict", "--diff", "kernels") == (
        f"ingot: [IG703] there is no pass 'kernels'\n  write instead: one of: {', '.join(pass_names())}\n"
    )


def test_unknown_target(capsys: Capture) -> None:
    said = refused(capsys, "functions.py:predict", "--target", "pentium")
    assert said.startswith("ingot: [IG401] unknown target 'pentium'\n  write instead: one of: x86-64, x86-64-v2,")


def test_unknown_function_and_file(capsys: Capture) -> None:
    assert refused(capsys, "functions.py:predcit") == (
        "ingot: [IG702] functions.py has no function 'predcit'\n  it has: predict, count, plain, branching, failing\n"
    )
    assert refused(capsys, "function.py:predict") == (
        "ingot: [IG701] the file function.py does not exist\n  similar: functions.py\n"
    )


def test_no_specs(capsys: Capture) -> None:
    assert refused(capsys, "functions.py:plain") == (
        "ingot: [IG732] plain has no specs\n  write instead: @ingot.jit(specs=['f32[b,64]']), or --spec\n"
    )


def test_malformed_spec(capsys: Capture) -> None:
    said = refused(capsys, "functions.py:plain", "--spec", "f31[2]", "--spec", "f32[2]")
    assert said.startswith("ingot: [IG730] the spec 'f31[2]' cannot be read\n  there is no dtype 'f31'\n")


def test_an_error_while_tracing_names_the_users_line(capsys: Capture) -> None:
    said = refused(capsys, "functions.py:branching", "--spec", "f32[3]")
    assert (
        re.match(r"ingot: \[IG\d+\] bool\(\) was asked of a traced tensor", said)
        and "functions.py:26: if x.sum() > 0:" in said
    )
    assert len(said.splitlines()) <= 12


def test_a_function_that_raises(capsys: Capture) -> None:
    said = refused(capsys, "functions.py:failing", "--spec", "f32[3]")
    assert said.startswith(
        "printed while it is traced\n"
        "ingot: [IG701] failing cannot be traced: NameError: name 'undefined_name' is not defined\n"
    )
    assert "functions.py:33: return x + undefined_name\n" in said


def test_stage_and_diff_exclude_each_other(capsys: Capture) -> None:
    assert main(["dump", "functions.py:predict", "--stage", "llvm", "--diff", "fuse"]) == 2
    assert "not allowed with argument" in capsys.readouterr().err
