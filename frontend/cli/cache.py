"""`ingot cache`: the compiled programs on disk."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ingot.cli.table import table
from ingot.runtime import cache, flags
from ingot.runtime.errors import CacheError, IngotError
from ingot.runtime.program import Program


def add(commands: Any) -> None:
    top = commands.add_parser(
        "cache", help="the compiled programs kept on disk", description="List, verify or clear the cache on disk."
    )
    actions = top.add_subparsers(metavar="ACTION", required=True)
    for name, run, about in (
        ("list", run_list, "what is kept, least recently used first"),
        ("verify", run_verify, "read every entry and remove damaged ones"),
        ("clear", run_clear, "remove every entry"),
    ):
        actions.add_parser(name, help=about, description=about).set_defaults(run=run)


def folder() -> object:
    """Where the cache is. Raises CacheError (IG604) when it is off."""
    found = cache.directory()
    if found is None:
        why = "INGOT_CACHE is 0" if not flags.CACHE.get() else f"{flags.CACHE_DIR.get()} cannot be used"
        raise CacheError("IG604", f"the cache is off: {why}")
    return found


def run_list(arguments: argparse.Namespace) -> int:
    folder()
    rows = []
    for entry in cache.entries():
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
        rows.append((entry.key[:16], f"{entry.bytes:>10}", used, described(entry)))
    if rows:
        print(table(("key", "     bytes", "last used", "program"), rows))
    return 0


def described(entry: cache.Entry) -> str:
    """The function behind an entry; not every entry is a program."""
    try:
        program = Program.from_bytes(cache.read(entry))
    except IngotError:
        return ""
    return f"{program.name}: {len(program.kernels)} kernels"


def run_verify(arguments: argparse.Namespace) -> int:
    folder()
    total, damaged = len(cache.entries()), cache.verify()
    for entry in damaged:
        print(f"removed {entry.key}")
    print(f"{total - len(damaged)} of {total} entries are good")
    return 1 if damaged else 0


def run_clear(arguments: argparse.Namespace) -> int:
    folder()
    entries, size = cache.clear()
    print(f"removed {entries} entries, {size} bytes")
    return 0
