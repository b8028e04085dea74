"""Anomaly mode: which line's operation has a derivative that is not a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ingot import tape
from ingot.core import TensorBase, array_of, is_traced
from ingot.modes import bump_epoch, modes
from ingot.runtime.errors import GradError, TraceError
from ingot.source_lines import describe, user_frame, user_line
from ingot.tape import Node


class Anomaly:
    """What anomaly mode knows: the user's lines by the numbers of nodes (None while it is off)."""

    lines: dict[int, tuple[str, int]] | None = None
    check_nan = True


class NotedNumbers:
    """Numbers nodes as `tape` does, and notes the user's line of each."""

    def __init__(self, lines: dict[int, tuple[str, int]]) -> None:
        self.numbers = tape.numbers()
        self.lines = lines

    def __next__(self) -> int:
        number = next(self.numbers)
        frame = user_frame(2)
        if frame is not None:
            self.lines[number] = frame.f_code.co_filename, frame.f_lineno
        return number


def set_anomaly(mode: bool, check_nan: bool = True) -> None:
    """Turn anomaly mode on or off; compiled functions run uncompiled while it is on."""
    trace = modes.trace
    if trace is not None and mode:
        raise TraceError(
            "IG393",
            f"anomaly mode was turned on in {trace.name} while it is compiled, when there are no numbers to look at",
            where=user_line(),
            fix=f"with detect_anomaly(): around the call of {trace.name}, which then runs uncompiled",
        )
    Anomaly.check_nan = check_nan
    if mode is not (Anomaly.lines is not None):
        Anomaly.lines = {} if mode else None
        tape.number_by(NotedNumbers(Anomaly.lines) if Anomaly.lines is not None else None)
    bump_epoch()


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on."""
    return Anomaly.lines is not None


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly mode looks for NaN."""
    return Anomaly.check_nan


class set_detect_anomaly:
    """Turn anomaly mode on or off at once; as a context manager, put it back at the end."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.before = is_anomaly_enabled(), Anomaly.check_nan
        set_anomaly(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        set_anomaly(*self.before)


class detect_anomaly:
    """Inside, a derivative that gives NaN is an error (IG383) that names the line of the operation; slow."""

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan

    def __enter__(self) -> None:
        self.before = is_anomaly_enabled(), Anomaly.check_nan
        set_anomaly(True, self.check_nan)

    def __exit__(self, *error: object) -> None:
        set_anomaly(*self.before)


def line_of(node: Node) -> str | None:
    """The user's line of the operation, where anomaly mode noted it."""
    noted = None if Anomaly.lines is None else Anomaly.lines.get(node.sequence)
    return None if noted is None else describe(*noted)


def check_finite(node: Node, parts: Sequence[Any]) -> None:
    """Raises GradError (IG383) where a cotangent of an operand has NaN in it."""
    for position, part in enumerate(parts):
        if part is None or node.edges[position] is None:
            continue
        if isinstance(part, TensorBase):
            if is_traced(part):
                continue
            part = array_of(part)
        if isinstance(part, np.ndarray) and bool(np.isnan(part).any()):
            line = line_of(node)
            raise GradError(
                "IG383",
                f"Function '{node.name()}' returned nan values in its {position}th output.",
                where=user_line(),
                detail=[] if line is None else [f"the operation whose derivative it is: {line}"],
                fix="ingot.where on the operand, not on the result, to keep it inside the operation's domain",
            )
