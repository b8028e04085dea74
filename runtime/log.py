"""One dial for messages: INGOT_LOG 0 to 4, on standard error."""

import sys

from ingot.runtime import flags


def log(level: int, message: str) -> None:
    """Print one line when INGOT_LOG is at least `level`."""
    if flags.LOG.get() >= level:
        notice(message)


def notice(message: str) -> None:
    """Print one line whatever INGOT_LOG says; a process without standard error stays silent."""
    if sys.stderr is not None:
        print(f"ingot: {message}", file=sys.stderr)
