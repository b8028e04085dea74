"""The command line: its parser, and what errors look like. Answers go to standard output, everything else does not."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from ingot.cli import build, cache, doctor, dump, listings
from ingot.runtime import flags
from ingot.runtime.errors import IngotError

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_EPILOG = """\
exit status: 0 done, 1 it could not be done (the reason is on standard error), 2 the command was not understood
"""


class Parser(argparse.ArgumentParser):
    """Commands share how their help is laid out."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; each sets `run`, a function from its arguments to an exit status."""
    top = Parser(prog="ingot", description="Look into compiled functions, and build C libraries.", epilog=_EPILOG)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    for command in (dump, build, doctor, cache, listings):
        command.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    try:
        chosen = parser().parse_args(arguments)
    except SystemExit as error:  # argparse has printed the help or the complaint
        return OK if error.code in (None, 0) else USAGE
    try:
        status = int(chosen.run(chosen))
        sys.stdout.flush()
        return status
    except IngotError as error:
        if flags.DEBUG.get():
            raise
        print(f"ingot: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has left (`ingot ops | head`); Python would complain once more while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
