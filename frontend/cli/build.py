"""`ingot build`: functions as a C library."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ingot import aot
from ingot.cli.loading import add_specs, traced
from ingot.compiler.aot import EMITTED, build, emitted
from ingot.compiler.codegen import target
from ingot.runtime.errors import SpecError

_EXAMPLES = """\
examples:
  ingot build model.py:predict -o build
  ingot build model.py:predict --spec 'f32[b,784]' -o build --target aarch64 --emit obj,header
  ingot build train.py:step train.py:predict -o build --name net --weights beside
"""


def add(commands: Any) -> None:
    about = "Compile functions ahead of time into a C library that runs without Python."
    targets = f"targets: {', '.join([*target.TARGETS, 'host'])}\n\n{_EXAMPLES}"
    command = commands.add_parser("build", help="build a C library", description=about, epilog=targets)
    command.add_argument("functions", nargs="+", metavar="FILE:FUNCTION", help="a Python file and a function in it")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="where the files go")
    command.add_argument("--name", help="prefix of all C names (default: the first function's name)")
    add_specs(command)
    command.add_argument("--target", default=aot.baseline(), help="the processor to build for (default: %(default)s)")
    command.add_argument(
        "--emit",
        default="archive,header",
        metavar="KINDS",
        help=f"some of {','.join(EMITTED)} (default: %(default)s); shared needs a C compiler, the others do not",
    )
    command.add_argument(
        "--weights",
        choices=("inside", "beside"),
        default="inside",
        help="in the library, or in a safetensors file next to it (default: %(default)s)",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    # Refused before any work is done.
    kinds = emitted([kind.strip() for kind in arguments.emit.split(",")])
    chosen = target.named(arguments.target)
    if arguments.spec and len(arguments.functions) > 1:
        raise SpecError("IG708", "--spec describes the arguments of one function", fix="@ingot.jit(specs=[...])")
    functions = aot.by_name([traced(reference, arguments.spec) for reference in arguments.functions])
    name = arguments.name or next(iter(functions))
    library = aot.library(functions, name, chosen, arguments.weights)
    for path in build(library, arguments.output, kinds):
        print(path)
    return 0
