"""FILE:FUNCTION: what is found, and what is said when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingot.cli.loading import load
from ingot.runtime.errors import BuildError, SpecError, UnknownNameError

SOURCE = """
from dataclasses import dataclass
import beside

print("hello")

def predict(x):
    return beside.shifted(x)

class Model:
    def forward(self, x):
        return x

model = Model()
limit = 3

if __name__ == "__main__":
    raise SystemExit("not when it is imported")
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("def shifted(x):\n    return x + 1\n")
    path = tmp_path / "a_script.py"
    path.write_text(SOURCE)
    return path


def test_found(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, function = load(f"{script}:predict")
    assert name == "predict" and function(1) == 2
    assert capsys.readouterr() == ("", "hello\n")
    name, method = load(f"{script}:model.forward")
    assert name == "model_forward" and method(3) == 3
    assert load(f"{script}:predict")[1] is function


def test_relative_to_the_current_folder(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(script.parent)
    assert load("a_script.py:predict")[0] == "predict"


def test_no_such_file(script: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        load(f"{script.parent}/a_scirpt.py:predict")
    assert str(caught.value) == (
        f"[IG701] the file {script.parent}/a_scirpt.py does not exist\n  similar: {script.parent}/a_script.py"
    )
    with pytest.raises(UnknownNameError, match=r"^\[IG701\] the file .* is a folder"):
        load(f"{script.parent}:predict")


def test_no_such_function(script: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        load(f"{script}:predcit")
    assert str(caught.value) == f"[IG702] {script} has no function 'predcit'\n  it has: predict, Model"


def test_no_function_named(script: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        load(str(script))
    assert str(caught.value) == (
        f"[IG702] {script} names no function\n  it has: predict, Model\n  write instead: {script}:FUNCTION"
    )


def test_not_a_function(script: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"\[IG702\] limit in .* is no function but of type int"):
        load(f"{script}:limit")


def test_a_file_that_fails(tmp_path: Path) -> None:
    path = tmp_path / "failing.py"
    path.write_text("def f(x):\n    return x\n\n1 / 0\n")
    with pytest.raises(BuildError) as caught:
        load(f"{path}:f")
    assert str(caught.value) == (
        f"[IG701] failing.py cannot be imported: ZeroDivisionError: division by zero\n  at {path}:4: 1 / 0\n"
        "  INGOT_DEBUG=1 shows the calls"
    )


def test_a_file_that_exits(tmp_path: Path) -> None:
    path = tmp_path / "leaving.py"
    path.write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(BuildError, match=r"cannot be imported: SystemExit: 3\n  at .*leaving.py:2: sys.exit\(3\)"):
        load(f"{path}:f")


def test_a_file_that_does_not_parse(tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text("def f(x)\n    return x\n")
    with pytest.raises(BuildError, match=r"cannot be imported: SyntaxError: .*\n  at .*wrong.py:1: def f\(x\)"):
        load(f"{path}:f")


def test_an_error_of_ingot_keeps_its_code(tmp_path: Path) -> None:
    path = tmp_path / "coded.py"
    path.write_text("from ingot.runtime.errors import SpecError\nraise SpecError('IG001', 'no')\n")
    with pytest.raises(SpecError, match=r"\[IG001\] no"):
        load(f"{path}:f")


def test_not_python(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(b"\0")
    with pytest.raises(UnknownNameError, match="is not a Python file"):
        load(f"{path}:f")
