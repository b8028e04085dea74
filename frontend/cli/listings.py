"""`ingot ops`, `ingot flags`, `ingot explain`: what there is."""

from __future__ import annotations

import argparse
import difflib
import inspect
import re
import textwrap
from typing import Any

from ingot.cli.table import table
from ingot.compiler.ir import Op
from ingot.compiler.ops import TABLE
from ingot.runtime import flags
from ingot.runtime.errors import CODES, UnknownNameError, explain

RULES = ("vjp", "jvp", "batch")


def add(commands: Any) -> None:
    ops = commands.add_parser("ops", help="the table of operations", description="List the operations, or show one.")
    ops.add_argument("name", nargs="?", help="show this operation alone")
    ops.set_defaults(run=run_ops)
    known = commands.add_parser("flags", help="the INGOT_* switches", description="List every switch and its value.")
    known.set_defaults(run=run_flags)
    codes = commands.add_parser(
        "explain", help="what an error code means", description="Explain an error code; without one, list them all."
    )
    codes.add_argument("code", nargs="?", help="for example IG203")
    codes.set_defaults(run=run_explain)


def run_ops(arguments: argparse.Namespace) -> int:
    if arguments.name is None:
        rows = [
            (op.name, op.kind, *(mark(op, rule) for rule in RULES), dtypes(op), summary(op)) for op in TABLE.values()
        ]
        print(table(("op", "kind", *RULES, "dtypes", ""), sorted(rows, key=lambda row: (row[1], row[0]))))
        return 0
    if arguments.name not in TABLE:
        raise UnknownNameError(
            "IG709", f"there is no operation {arguments.name!r}", detail=similar(arguments.name, TABLE)
        )
    op = TABLE[arguments.name]
    facts = [
        ("op", op.name),
        ("kind", op.kind),
        ("attributes", attributes(op)),
        ("dtypes", dtypes(op)),
        ("traits", " ".join(sorted(op.traits))),
        *((rule, "yes" if mark(op, rule) else "no") for rule in RULES),
        ("samples", str(len(op.samples))),
        ("", op.doc),
    ]
    print(table(None, [row for row in facts if row[1]]))
    return 0


def summary(op: Op) -> str:
    """The first sentence of what it says of itself."""
    return re.split(r"(?<=[.;])\s", op.doc, maxsplit=1)[0].rstrip(";")


def mark(op: Op, rule: str) -> str:
    return rule if getattr(op, rule) is not None else ""


def dtypes(op: Op) -> str:
    return " ".join(dtype.short for dtype in op.dtypes)


def attributes(op: Op) -> str:
    """The keyword arguments of the type rule."""
    found = inspect.signature(op.infer).parameters.values()
    named = [p for p in found if p.kind is p.KEYWORD_ONLY]
    return ", ".join(p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in named)


def similar(name: str, known: Any) -> list[str]:
    """A line of suggestions."""
    close = difflib.get_close_matches(name, list(known), 4, 0.5)
    return [f"similar: {', '.join(close)}"] if close else []


def run_flags(arguments: argparse.Namespace) -> int:
    rows = [(flag.env, shown(flag.get()), shown(flag.default), flag.type_name, flag.help) for flag in flags.ALL]
    print(table(("variable", "value", "default", "takes", ""), rows))
    return 0


def shown(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return str(value) or '""'


def run_explain(arguments: argparse.Namespace) -> int:
    texts = [explain(arguments.code)] if arguments.code else [explain(code) for code in sorted(CODES)]
    print("\n".join(textwrap.fill(text, 100, subsequent_indent="  ") for text in texts))
    return 0
