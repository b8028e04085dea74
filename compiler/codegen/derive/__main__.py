"""Rewrite coefficients.json (all of it, or only the lists named on the command line) and print the errors reached."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from ingot.compiler.codegen.derive.fits import FAMILIES, constants, two_over_pi_words
from ingot.compiler.codegen.derive.remez import fit

TABLE = Path(__file__).resolve().parent.parent / "coefficients.json"


def main(names: list[str]) -> None:
    table: dict[str, dict[str, list[Any]]] = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    for elt, values in constants().items():
        table.setdefault(elt, {}).update(values)
    table["i64"] = {"two_over_pi": two_over_pi_words()}
    for family in FAMILIES:
        for task in family():
            if names and task.name not in names:
                continue
            start = time.perf_counter()
            result = fit(task)
            table[task.elt][task.name] = result.coefficients
            print(
                f"{task.name:14s} {task.elt} {task.terms:2d} terms: minimax 2^{result.minimax:.1f}, "
                f"rounded 2^{result.rounded:.1f} ({time.perf_counter() - start:.1f} s)",
                flush=True,
            )
            TABLE.write_text(json.dumps(table, indent=0) + "\n")
    TABLE.write_text(json.dumps(table, indent=0) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
