"""Columns of text."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> str:
    """The rows as aligned columns, without trailing spaces; the last column is free."""
    lines = [*([head] if head else []), *rows]
    if not lines:
        return ""
    widths = [max(len(row[i]) for row in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in lines)
