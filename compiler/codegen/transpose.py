"""Transposing a square of registers with shuffles that stay inside 128 bits as long as they can.

In-lane unpacks, then moves of whole 128-bit groups: code that compiles fast on every vector width, where a butterfly
of general shuffles takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.spelling import BITS, Reg


def group_lanes(elt: str, lanes: int) -> int:
    """Elements that move inside one group: 128 bits, at most 4 elements."""
    return min(max(1, 128 // BITS[elt]), 4, lanes)


def turn_groups(f: Function, rows: Sequence[Reg]) -> list[Reg]:
    """q registers -> q registers: inside each group of q lanes, a q x q transpose."""
    q, lanes = len(rows), rows[0].lanes
    if q == 1:
        return list(rows)

    def pick(a: Reg, b: Reg, pattern: Sequence[int]) -> Reg:
        return f.shuffle(a, b, [g + (p if p < q else lanes + p - q) for g in range(0, lanes, q) for p in pattern])

    if q == 2:
        return [pick(rows[0], rows[1], (0, 2)), pick(rows[0], rows[1], (1, 3))]
    low, high = (0, 4, 1, 5), (2, 6, 3, 7)
    even = [pick(rows[0], rows[2], low), pick(rows[0], rows[2], high)]
    odd = [pick(rows[1], rows[3], low), pick(rows[1], rows[3], high)]
    return [pick(even[p], odd[p], half) for p in (0, 1) for half in (low, high)]


def transpose(f: Function, rows: Sequence[Reg]) -> list[Reg]:
    """lanes registers of `lanes` elements: lane j of result i is lane i of rows[j]."""
    lanes = rows[0].lanes
    if lanes == 1:
        return list(rows)
    q = group_lanes(rows[0].elt, lanes)
    groups = lanes // q
    # turned[g][c]: lane group l holds rows q*g .. q*g + q-1 of column q*l + c
    turned = [turn_groups(f, rows[q * g : q * g + q]) for g in range(groups)]
    out: list[Reg | None] = [None] * lanes
    for c in range(q):
        square = [turned[g][c] for g in range(groups)]
        step = 1
        while step < groups:  # transpose the square of 128-bit groups
            for i in range(groups):
                if i & step:
                    continue
                a, b = square[i], square[i + step]
                low = [g if not g & step else groups + g - step for g in range(groups)]
                high = [g + step if not g & step else groups + g for g in range(groups)]
                square[i] = f.shuffle(a, b, [q * g + e for g in low for e in range(q)])
                square[i + step] = f.shuffle(a, b, [q * g + e for g in high for e in range(q)])
            step *= 2
        for g in range(groups):
            out[q * g + c] = square[g]
    return [r for r in out if r is not None]


def join(f: Function, parts: Sequence[Reg]) -> Reg:
    """Registers side by side in one."""
    wide = list(parts)
    while len(wide) > 1:
        lanes = wide[0].lanes
        if lanes == 1:
            pairs: list[Reg] = []
            for a, b in zip(wide[::2], wide[1::2], strict=True):
                empty = Reg("poison", a.elt, 2)
                pairs.append(f.insert(f.insert(empty, a, 0), b, 1))
            wide = pairs
        else:
            wide = [f.shuffle(a, b, range(2 * lanes)) for a, b in zip(wide[::2], wide[1::2], strict=True)]
    return wide[0]
