"""What README shows works as shown."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from aot import toolchain
from link_tree import ROOT

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


COMMANDS = [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]


def ingot(arguments: list[str], folder: Path) -> str:
    done = subprocess.run([sys.executable, "-m", "ingot", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the repository, so that what the commands write does not end up in it."""
    made = tmp_path_factory.mktemp("readme")
    (made / "samples").symlink_to(ROOT / "samples")
    return made


def test_python(tmp_path: Path) -> None:
    script = tmp_path / "readme.py"
    script.write_text("\n".join(blocks("python")))
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "readme.py:" in done.stdout, "the error that README speaks of names the line"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_command(command: list[str], folder: Path) -> None:
    assert command[0] == "ingot"
    assert ingot(command[1:], folder)


def test_c(folder: Path) -> None:
    (build,) = (command for command in COMMANDS if command[1] == "build")
    here = toolchain.c_compiler(build[build.index("--target") + 1])
    ingot(build[1:], folder)
    (text,) = blocks("c")
    include, _, statements = text.partition("\n")
    source = f"{include}\n#include <stdio.h>\nstatic float pixels[64];\nstatic void *workspace;\n"
    source += f"int main(void) {{\n{statements}return 0;\n}}\n"
    made = folder / "build" / "c"
    (made / "main.c").write_text(source)
    toolchain.run([*here, *toolchain.STRICT, f"-I{made}", made / "main.c", made / "libdigits.a", "-o", made / "main"])


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake (\w+)", README))))
def test_make_target(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_architecture_names_what_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`((?:frontend|compiler|runtime|tests|samples)/[\w./]*)`", text))
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_links() -> None:
    prose = re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\((?!http)([^)#]+)", prose):
        assert (ROOT / link).exists()
