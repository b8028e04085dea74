"""`ingot dump`: what a function becomes, at any stage, with the user's lines beside it."""

from __future__ import annotations

import argparse
import difflib
import linecache
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ingot.aot import Tensors, Traced
from ingot.cli.loading import add_specs, traced
from ingot.compiler import pipeline
from ingot.compiler.codegen import target
from ingot.compiler.ir import Location
from ingot.compiler.pipeline import Stage
from ingot.runtime.errors import UnknownNameError

_GRAPH_COMMENT = re.compile(r"  # (?P<file>.+):(?P<line>\d+)(?P<rest>( in [\w.<>]+)?( at \S+)?)$")
_EXAMPLES = """\
examples:
  ingot dump model.py:predict
  ingot dump train.py:step --spec 'f32[32,784]' --spec 'i64[32]' --stage kernels
  ingot dump model.py:predict --diff fuse
  ingot dump model.py:predict --stage asm --target aarch64
"""
_INPUT = re.compile(r'"\w+"')
# Where the code of a kernel begins, by stage.
_KERNEL_START = {
    "kernels": re.compile(r"kernel (\w+)\("),
    "plan": re.compile(r"\s*(\w+)\("),
    "llvm": re.compile(r"define .*@(\w+)\("),
    "asm": re.compile(r"(\w+):"),
}


def add(commands: Any) -> None:
    about = "Show what a function becomes, at any stage, with your source lines beside it."
    stages = f"stages: {', '.join(pipeline.stage_names())}\n\n{_EXAMPLES}"
    command = commands.add_parser("dump", help="show a function at any stage", description=about, epilog=stages)
    command.add_argument("function", metavar="FILE:FUNCTION", help="a Python file and a function in it")
    add_specs(command)
    shown = command.add_mutually_exclusive_group()
    shown.add_argument("--stage", default="graph", metavar="STAGE", help="what to show (default: graph)")
    shown.add_argument("--diff", metavar="PASS", help="show what this pass changed")
    command.add_argument("--target", default="host", metavar="TARGET", help="generate code for it (default: host)")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    chosen = target.named(arguments.target)
    wanted = known_stage(arguments.stage) if arguments.diff is None else known_pass(arguments.diff)
    name, found = traced(arguments.function, arguments.spec)
    names = input_names(found)
    before = None
    for made in pipeline.stages(found.recording.graph, target=chosen, name=name):
        stage = replace(made, text=_INPUT.sub(lambda quoted: names.get(quoted[0], quoted[0]), made.text))
        if stage.name == wanted:
            print("\n".join(lines(stage) if arguments.diff is None else changes(before or stage, stage)))
            break
        before = stage
    return 0


def input_names(found: Traced) -> dict[str, str]:
    """The quoted names that graphs have for captured tensors -> the user's own: model.0.weight."""
    recording, tensors = found.recording, Tensors()
    tensors.learn(found.function)
    suggested = (
        (value, tensors.suggestion(s)) for s, value in zip(recording.sources, recording.graph.inputs, strict=True)
    )
    return {f'"{value.attrs["name"]}"': f'"{name}"' for value, name in suggested if name}


def known_stage(name: str) -> str:
    """The name, if a stage has it. Raises UnknownNameError (IG703)."""
    return known(name, "stage", pipeline.stage_names())


def known_pass(name: str) -> str:
    """The name, if a pass has it. Raises UnknownNameError (IG703)."""
    return known(name, "pass", pipeline.pass_names())


def known(name: str, kind: str, names: tuple[str, ...]) -> str:
    if name in names:
        return name
    raise UnknownNameError("IG703", f"there is no {kind} {name!r}", fix=f"one of: {', '.join(names)}")


def changes(before: Stage, after: Stage) -> Iterator[str]:
    """A unified diff of two stages; nothing when the pass changed nothing."""
    return difflib.unified_diff(
        list(lines(before)), list(lines(after)), f"before {after.name}", f"after {after.name}", n=2, lineterm=""
    )


def lines(stage: Stage) -> Iterator[str]:
    """The stage's lines with the user's source text after, or above, what came of it."""
    start = _KERNEL_START.get(stage.name)
    comment = ";" if stage.name == "llvm" else "#"
    for line in stage.text.splitlines():
        begins = start.match(line) if start else None
        if begins:
            indent = line[: len(line) - len(line.lstrip())]
            yield from (f"{indent}{comment} {text}" for text in summary(behind(begins[1], stage)))
        yield with_source(line)


def behind(name: str, stage: Stage) -> tuple[Location, ...]:
    """The user's lines behind a kernel; parts of a kernel (its packing, its tails) carry its name in front."""
    while name and name not in stage.sources:
        name = name.rpartition("_")[0]
    return stage.sources.get(name, ())


def summary(places: Sequence[Location]) -> Iterator[str]:
    """Each line of the user's once, with the modules it ran in: `net.py:7 at net[0], net[1]: return self.net(x)`."""
    scopes: dict[tuple[str, int], dict[str, None]] = {}
    for place in places:
        scopes.setdefault((place.file, place.line), {}).update({place.scope: None} if place.scope else {})
    for (file, line), inside in scopes.items():
        text = linecache.getline(file, line).strip()
        at = f" at {', '.join(inside)}" if inside else ""
        yield f"{shortened(file)}:{line}{at}" + (f": {text}" if text else "")


def with_source(line: str) -> str:
    """A line that ends in `# FILE:LINE`, with that line of the file."""
    found = _GRAPH_COMMENT.search(line)
    if not found:
        return line
    text = linecache.getline(found["file"], int(found["line"])).strip()
    place = f"  # {shortened(found['file'])}:{found['line']}{found['rest']}"
    return line[: found.start()] + place + (f": {text}" if text else "")


def shortened(file: str) -> str:
    """The path from the current folder where that is shorter."""
    try:
        return min(os.path.relpath(file), file, key=len)
    except ValueError:  # another drive
        return file
