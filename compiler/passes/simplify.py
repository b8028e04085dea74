"""Algebra: rules that give an equal, cheaper value. NaN, infinities and the sign of zero stay as they are.

%2 = permute(%0) {axes=(1, 0)}
%3 = permute(%2) {axes=(1, 0)}
%5 = mul(%3, %4)                   # %4 is 1.0          ->   %0
"""

from __future__ import annotations

from ingot.compiler.ir import Graph
from ingot.compiler.rewrite import Rules, rewrite
from ingot.compiler.rules import arithmetic, control, reductions, views

RULES: Rules = {**arithmetic.RULES, **views.RULES, **reductions.RULES, **control.RULES}


def simplify(graph: Graph) -> Graph:
    """Apply the rules until none applies; idempotent. Values that no output needs vanish, as from every graph."""
    return rewrite(graph, RULES)
