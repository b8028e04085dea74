"""What the status of a compiled program says: whoever emits checks describes here what a failed one means.

A status is kind * 2^24 + detail, of which the detail is a number that the check knows (an index, a position).
"""

from collections.abc import Callable

from ingot.runtime.errors import BuildError

DETAIL_BITS = 24
DETAIL = (1 << DETAIL_BITS) - 1
KINDS = 1 << (31 - DETAIL_BITS)

_described: dict[int, Callable[[int], BaseException]] = {}


def describe(kind: int, error: Callable[[int], BaseException]) -> None:
    """Let statuses of this kind (1 .. KINDS - 1) raise `error(detail)`."""
    assert 0 < kind < KINDS and kind not in _described, kind
    _described[kind] = error


def failure(name: str, status: int) -> BaseException:
    """The error of a program that returned a non-zero status; BuildError (IG501) for one that nobody described."""
    known = _described.get(status >> DETAIL_BITS)
    if known is not None:
        return known(status & DETAIL)
    return BuildError("IG501", f"the compiled program {name!r} reported error {status}")
