"""A file of small functions for the commands to look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingot.cli.main import main

SOURCE = """\
import ingot

weight = ingot.from_numpy(__import__("numpy").arange(12, dtype="float32").reshape(3, 4))
steps = ingot.zeros(())

print("printed while the file is imported")


@ingot.jit(specs=["f32[b,3]"])
def predict(x):
    return (x @ weight).exp()


@ingot.jit(specs=["f32[4]"])
def count(x):
    steps.add_(x.sum())
    return {"total": steps * 1.0, "next": x + 1}


def plain(x, y):
    shifted = x + 0.0 * y
    return shifted * 2 + y


def branching(x):
    if x.sum() > 0:
        return x
    return -x


def failing(x):
    print("printed while it is traced")
    return x + undefined_name
"""


def write(folder: Path) -> Path:
    path = folder / "functions.py"
    path.write_text(SOURCE)
    return path


def refused(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """What a command that fails says."""
    assert main(list(command)) == 1
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.removeprefix("printed while the file is imported\n")
