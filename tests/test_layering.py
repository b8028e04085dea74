"""Imports point the way the data flows: frontend -> compiler -> runtime, never back, and all at the top of a file."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from link_tree import ROOT

MAY_IMPORT = {
    "runtime": {"runtime"},
    "compiler": {"compiler", "runtime"},
    "frontend": {"frontend", "compiler", "runtime"},
}
FILES = [path for folder in MAY_IMPORT for path in sorted((ROOT / folder).rglob("*.py"))]
# Slow to load and not needed by `import ingot`.
HEAVY = (
    *("llvmlite", "numba", "ml_dtypes", "safetensors", "scipy", "sklearn", "tqdm", "rich", "torch", "jax"),
    *("multiprocessing", "socket", "tempfile", "zipfile"),
    *("ingot.compiler.pipeline", "ingot.compiler.aot", "ingot.compiler.codegen", "ingot.nn.lazy", "ingot.nn.modules"),
    *("ingot.autograd.profiler", "ingot.distributions", "ingot.linalg", "ingot.optim", "ingot.utils"),
    *("ingot.serialization", "ingot.testing"),
)


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def folder_of(module: str) -> str | None:
    """The source folder of an ingot module; None for other packages."""
    head, *rest = module.split(".")
    if head != "ingot":
        return None
    return rest[0] if rest and rest[0] in ("compiler", "runtime") else "frontend"


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"line {node.lineno}: relative import; write the full ingot.* name"
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=label)
def test_direction(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0]
    for module, node in imports(ast.parse(path.read_text())):
        where = f"{label(path)}:{node.lineno}"
        assert module.split(".")[0] not in MAY_IMPORT, f"{where}: import ingot.*, not {module}"
        target = folder_of(module)
        assert target is None or target in MAY_IMPORT[folder], f"{where}: {folder} may not import {module}"


@pytest.mark.parametrize("path", FILES, ids=label)
def test_no_late_imports_of_ingot(path: Path) -> None:
    # A late import hides a cycle, which is a border crossed the wrong way.
    tree = ast.parse(path.read_text())
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for module, node in imports(function):
                assert folder_of(module) is None, f"{label(path)}:{node.lineno}: late import of {module}"


def test_import_loads_nothing_heavy() -> None:
    code = f"import sys, ingot; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


LAZY = [path for path in FILES if "import lazy as _lazy" in path.read_text()]


@pytest.mark.parametrize("path", LAZY, ids=label)
def test_names_imported_late_are_those_of_type_checkers(path: Path) -> None:
    tree = ast.parse(path.read_text())
    (choice,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    seen = {alias.asname for node in choice.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    (call,) = [node for node in ast.walk(choice) if isinstance(node, ast.Call)]
    late: set[str] = set()
    for value in (*call.args[1:], *(keyword.value for keyword in call.keywords)):
        given = ast.literal_eval(value)
        late.update(*(names.split() for names in ([given] if isinstance(given, str) else given.values())))
    assert late == seen
    module = str(path.relative_to(ROOT).with_suffix("")).replace("/__init__", "").replace("/", ".")
    module = f"ingot.{module}" if not module.startswith("frontend") else module.replace("frontend", "ingot", 1)
    package = importlib.import_module(module)
    assert [name for name in late if not hasattr(package, name)] == []


def test_runtime_works_without_the_compiler() -> None:
    # A stored program runs where LLVM is not installed.
    names = [f"ingot.runtime.{path.stem}" for path in (ROOT / "runtime").glob("*.py") if path.stem != "__init__"]
    code = f"import sys; sys.modules['llvmlite'] = None; [__import__(name) for name in {names!r}]"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_project_words() -> None:
    """Source names no unfinished place. One error class is of the kind that PyTorch raises for what has no formula."""
    words = ("TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error")
    for path in FILES:
        text = path.read_text()
        if label(path) == "runtime/errors.py":
            text = text.replace("class UnavailableError(IngotError, NotImplementedError)", "")
            text = text.replace("a NotImplementedError because PyTorch raises that", "")
        assert not [word for word in words if word in text], label(path)
