"""pyproject.toml names exactly what is on disk.

A package missing from the list works in an editable install and is absent from the wheel, so only a test notices.
"""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from link_tree import ROOT

FOLDERS = {"frontend": "ingot", "compiler": "ingot.compiler", "runtime": "ingot.runtime"}
OPTIONAL = {"cuda", "rich", "tqdm", "sklearn"}  # used where they are installed
DERIVATION = {"mpmath"}  # only the scripts that derive the coefficients need it


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_package_list_matches_the_disk(pyproject: dict[str, Any]) -> None:
    listed = set(pyproject["tool"]["setuptools"]["packages"])
    found = {
        ".".join([name, *init.parent.relative_to(ROOT / folder).parts])
        for folder, name in FOLDERS.items()
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert listed == found


def test_every_module_is_in_a_package() -> None:
    orphans = [
        path.relative_to(ROOT)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if not (path.parent / "__init__.py").exists()
    ]
    assert orphans == []


def test_data_files_are_declared(pyproject: dict[str, Any]) -> None:
    declared = pyproject["tool"]["setuptools"]["package-data"]
    for folder, name in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_dir() or path.suffix in (".py", ".pyc") or "__pycache__" in path.parts:
                continue
            package = ".".join([name, *path.parent.relative_to(ROOT / folder).parts])
            assert any(path.match(pattern) for pattern in declared.get(package, [])), f"{path} is not in package-data"


def test_nothing_shadows_the_mapped_folders() -> None:
    # The finder of the editable install would see these before the mapping.
    for name in ("compiler", "runtime", "compiler.py", "runtime.py"):
        assert not (ROOT / "frontend" / name).exists()


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_cannot_be_imported_under_its_own_name(folder: str) -> None:
    # A second copy of every class, with `isinstance` false between the copies, is what this prevents.
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {folder}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"this folder is the package {FOLDERS[folder]}" in done.stderr


def test_the_script_points_at_a_function(pyproject: dict[str, Any]) -> None:
    module, function = pyproject["project"]["scripts"]["ingot"].split(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_imported_packages_are_declared(pyproject: dict[str, Any]) -> None:
    # What ships may import only the standard library and the declared dependencies.
    declared = {re.split(r"[<>=\[]", spec)[0].replace("-", "_") for spec in pyproject["project"]["dependencies"]}
    allowed = set(sys.stdlib_module_names) | declared | OPTIONAL | {"ingot"}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            foreign = set(imported(path)) - allowed - (DERIVATION if "derive" in path.parts else set())
            assert not foreign, f"{path.relative_to(ROOT)} imports undeclared {sorted(foreign)}"


def imported(path: Path) -> Iterator[str]:
    """The top-level packages that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
