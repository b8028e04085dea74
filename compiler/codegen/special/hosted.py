"""Rows that NumPy evaluates for compiled code, and the check of what a factorisation says of its matrix."""

from __future__ import annotations

from collections.abc import Sequence

from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.special.frame import Frame
from ingot.compiler.codegen.spelling import Reg, spell_bytes
from ingot.compiler.dims import product
from ingot.compiler.hosted import SYMBOL, text
from ingot.compiler.ops.require import status_kind
from ingot.runtime import failures


def emit_hosted(frame: Frame) -> Emitted:
    """The frame begins with the pointers that the callback takes: operands, then results."""
    f, stmt = frame.f, frame.stmt
    sizes = [n for t in (*stmt.operands, *stmt.results) for n in t.shape]
    places = f.alloca("i64", max(len(sizes), 1), 8)
    for i, n in enumerate(sizes):
        f.store(frame.size(n), f.offset(places, i, 8))
    told = text(stmt.op, frame.attrs, stmt.operands, stmt.results).encode() + b"\0"
    row = frame.module.constant(f"row_{frame.name}", spell_bytes(told))
    frame.module.declare(SYMBOL, f"declare i32 @{SYMBOL}(ptr, ptr, ptr)")
    status = f.call("i32", SYMBOL, f.params[0], Reg(row, "ptr"), places)
    assert status is not None
    failed = f.cmp("ne", status, f.const("i32", 0))

    def fail() -> list[Reg]:
        frame.fail(status)
        return []

    f.if_(failed, fail, unlikely=True)
    return frame.emitted(1, 20_000.0)


def emit_require(frame: Frame) -> Emitted:
    """The operand is copied; the status is that of the first info which is not 0."""
    f, (x, info) = frame.f, frame.types
    frame.module.declare("memcpy", "declare ptr @memcpy(ptr, ptr, i64)")
    count = frame.size(product(x.shape) * x.dtype.itemsize)
    f.effect(f"call ptr @memcpy({frame.results[0]}, {frame.operands[0]}, {count})")

    def look(i: Reg, carried: list[Reg]) -> Sequence[Reg]:
        found = f.load(f.offset(frame.operands[1], i, 4), "i32")
        return [f.select(f.cmp("ne", carried[0], f.const("i32", 0)), carried[0], found)]

    (first,) = f.loop(0, frame.count(product(info.shape)), 1, look, [f.const("i32", 0)])

    def fail() -> list[Reg]:
        detail = f.const("i32", failures.DETAIL)
        kind = f.const("i32", status_kind(frame.attrs["reason"]) << failures.DETAIL_BITS)
        frame.fail(f.or_(kind, f.select(f.cmp("ult", first, detail), first, detail)))
        return []

    f.if_(f.cmp("ne", first, f.const("i32", 0)), fail, unlikely=True)
    return frame.emitted(1, 100.0)
