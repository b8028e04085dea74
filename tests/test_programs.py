"""Programs written for PyTorch, with only the import changed: eager, compiled, and beside PyTorch where it is there."""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ingot

FOLDER = Path(__file__).parent / "programs"
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py"))
HAS_TORCH = importlib.util.find_spec("torch") is not None


def _main(name: str, package: str) -> Callable[[Callable[[Any], Any]], dict[str, Any]]:
    """The program's `main` with `package` in torch's place."""
    text = (FOLDER / f"{name}.py").read_text()
    text = re.sub(r"^import torch$", f"import {package} as torch", text, flags=re.M)
    text = re.sub(r"^(import|from) torch\b", rf"\1 {package}", text, flags=re.M)
    space: dict[str, Any] = {"__name__": f"program_{name}"}
    exec(compile(text, str(FOLDER / f"{name}.py"), "exec", dont_inherit=True), space)
    main: Callable[[Callable[[Any], Any]], dict[str, Any]] = space["main"]
    return main


def _agree(found: Any, wanted: Any, rel: float, where: str) -> None:
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys(), where
        for key in wanted:
            _agree(found[key], wanted[key], rel, f"{where}[{key!r}]")
    elif isinstance(wanted, (list, tuple)):
        assert len(found) == len(wanted), where
        for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
            _agree(a, b, rel, f"{where}[{i}]")
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=rel, abs=rel), where
    else:
        assert found == wanted, where


def _falls(losses: list[float]) -> bool:
    tenth = max(len(losses) // 10, 1)
    return math.fsum(losses[-tenth:]) < 0.9 * math.fsum(losses[:tenth])


@pytest.mark.parametrize("name", PROGRAMS)
def test_eager_and_compiled_agree(name: str) -> None:
    eager = _main(name, "ingot")(lambda fn: fn)
    compiled = _main(name, "ingot")(ingot.jit)
    _agree(compiled, eager, 2e-3, name)
    for losses in (eager.get("losses"), compiled.get("losses")):
        assert losses is None or (all(map(math.isfinite, losses)) and _falls(losses))


@pytest.mark.torch
@pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed")
@pytest.mark.parametrize("name", PROGRAMS)
def test_losses_are_those_of_pytorch(name: str) -> None:
    theirs = _main(name, "torch")(lambda fn: fn)
    for compile_ in (lambda fn: fn, ingot.jit):
        ours = _main(name, "ingot")(compile_)
        _agree(ours, theirs, 1e-3, name)
