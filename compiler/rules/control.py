"""Rules of control flow: a branch that is known is no branch."""

from __future__ import annotations

from ingot.compiler.ir import Graph, Value
from ingot.compiler.ops.control import cond
from ingot.compiler.ops.source import get
from ingot.compiler.rewrite import Rules, inlined
from ingot.compiler.rules import numbers as n


def decided(v: Value) -> Value | None:
    """a result of cond(True, ...) = that of its first region; so too where both regions are the same"""
    (branch,) = v.operands
    if branch.op is not cond:
        return None
    predicate, *operands = branch.operands
    then: Graph = branch.attrs["then"]
    otherwise: Graph = branch.attrs["otherwise"]
    index: int = v.attrs["index"]
    if n.is_one(predicate) or then == otherwise:
        return inlined(then, operands)[index]
    return inlined(otherwise, operands)[index] if n.is_zero(predicate) else None


RULES: Rules = {get: (decided,)}
