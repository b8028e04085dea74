"""Small programs in the API that PyTorch and ingot share, and what they give under PyTorch 2.13: golden/torch.json.

With PyTorch installed, `python tests/torch_golden.py` writes that file anew.
"""

from __future__ import annotations

import functools
import importlib
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch_functions
import torch_modules
from torch_values import Case

GOLDEN = Path(__file__).parent / "golden" / "torch.json"
# How many elements of a result are kept, evenly apart; with the sum of all of them.
KEPT = 12

FAMILIES: dict[str, Callable[[], Iterator[tuple[str, Case]]]] = {
    "rng": torch_functions.rng_cases,
    "activation": torch_functions.activation_cases,
    "loss": torch_functions.loss_cases,
    "normalisation": torch_functions.normalisation_cases,
    "module": torch_modules.module_cases,
    "init": torch_modules.init_cases,
    "optimiser": torch_modules.optimiser_cases,
}


def cases(family: str) -> dict[str, Case]:
    """The programs of a family by name."""
    return dict(FAMILIES[family]())


def summary(tensor: Any) -> list[Any]:
    """[shape, some elements, the sum of all] as JSON has them; NaN and infinities as text."""
    wide = tensor.detach().to(dtype=_wide(tensor)).reshape(-1)
    numbers = wide.tolist()
    step = max(-(-len(numbers) // KEPT), 1)
    finite = [n for n in numbers if math.isfinite(n)]
    return [list(tensor.shape), [_text(n) for n in numbers[::step]], _text(math.fsum(finite) if finite else 0)]


def _wide(tensor: Any) -> Any:
    dtype = tensor.dtype
    return type(tensor)([0.0]).double().dtype if dtype.is_floating_point else type(tensor)([0]).long().dtype


def _text(number: float) -> Any:
    """Nine digits tell float32 numbers apart."""
    if isinstance(number, int):
        return number
    return float(f"{number:.9g}") if math.isfinite(number) else str(number)


@functools.cache
def golden() -> dict[str, dict[str, Any]]:
    """family -> name -> the summaries of the results."""
    found: dict[str, dict[str, Any]] = json.loads(GOLDEN.read_text())
    return found


def differences(found: list[Any], wanted: list[Any], tolerance: float = 1e-5) -> list[str]:
    """Where two lists of summaries differ by more than the tolerance, relative and absolute."""
    if len(found) != len(wanted):
        return [f"{len(found)} results for {len(wanted)}"]
    texts: list[str] = []
    for position, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
        if ours[0] != theirs[0]:
            texts.append(f"result {position} has shape {ours[0]} for {theirs[0]}")
            continue
        size = max([abs(float(n)) for n in theirs[1] if math.isfinite(float(n))], default=0.0)
        count = math.prod(ours[0])
        pairs = [*zip(ours[1], theirs[1], [1.0] * len(ours[1]), strict=True), (ours[2], theirs[2], max(count, 1))]
        texts += [
            f"result {position}: {a} for {b}"
            for a, b, weight in pairs
            if not _close(float(a), float(b), tolerance * (1 + size) * weight)
        ]
    return texts


def _close(a: float, b: float, tolerance: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= tolerance


class Replay:
    """The module with `tensor` giving what is already there: what a program makes of numbers become its arguments."""

    def __init__(self, module: Any, given: list[Any] | None = None) -> None:
        self.module = module
        self.given = given
        self.made: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    def tensor(self, *args: Any, **kwargs: Any) -> Any:
        """Make a tensor, or take the next given one."""
        if self.given is None:
            self.made.append(self.module.tensor(*args, **kwargs))
            return self.made[-1]
        self.made.append(None)
        return self.given[len(self.made) - 1]

    def manual_seed(self, seed: int) -> None:
        """Seeding happens outside of what is compiled."""
        if self.given is None:
            self.module.manual_seed(seed)


def compiled(module: Any, case: Case, seed: Callable[[], Any] | None = None) -> list[Any]:
    """The results of the program as one compiled function of the tensors that it makes of numbers."""
    first = Replay(module)
    case(first)

    @module.jit  # type: ignore[untyped-decorator]
    def program(given: list[Any]) -> list[Any]:
        return list(case(Replay(module, given)))

    if seed is not None:
        seed()
    return list(program(first.made))


def main() -> None:
    """Write the golden file with the PyTorch that is installed."""
    torch = importlib.import_module("torch")
    families: list[str] = []
    for family in FAMILIES:
        rows = [
            f"    {json.dumps(name)}: {json.dumps([summary(t) for t in case(torch)])}"
            for name, case in cases(family).items()
        ]
        families.append(f"  {json.dumps(family)}: {{\n" + ",\n".join(rows) + "\n  }")
    GOLDEN.write_text("{\n" + ",\n".join(families) + "\n}\n")


if __name__ == "__main__":
    main()
