"""The epilogue as a loop of its own, over sums that a tile left in memory: long epilogues and ragged edges."""

from __future__ import annotations

from ingot.compiler.codegen.contract.context import Context
from ingot.compiler.codegen.spelling import Reg


def emit_epilogue(context: Context, vectors: int) -> str:
    """A function (sums, m, n, rows, columns) whose rows of sums are `vectors` registers apart. Gives its name."""
    name = f"{context.name}_epilogue{vectors}"
    context.module.once(name, lambda: define(context, name, vectors))
    return name


def define(context: Context, name: str, vectors: int) -> None:
    plan, lanes = context.plan, context.lanes
    f = context.function(name, [("ptr", "sums"), ("i64", "m"), ("i64", "n"), ("i64", "rows"), ("i64", "columns")])
    sums, m, n, rows, columns = f.params[1:6]
    ints, pointers, outer = context.integers(f), context.pointers(f), context.outer_env(f)
    vector = context.width * lanes

    def row(i: Reg, _: list[Reg]) -> list[Reg]:
        start = f.offset(sums, i, vectors * vector)
        m_env = ints.spread(plan.m, True, ints.add(m, i))

        def columns_at(j: Reg, mask: Reg | None) -> None:
            value = f.load(f.offset(start, j, context.width), context.elt, lanes)
            env = outer | m_env | ints.spread(plan.n, True, ints.add(n, j))
            context.run_epilogue(f, pointers, env, value, mask)

        def whole(j: Reg, _: list[Reg]) -> list[Reg]:
            columns_at(j, None)
            return []

        full = f.and_(columns, f.const("i64", -lanes)) if lanes > 1 else columns
        f.loop(0, full, lanes, whole)
        extent = context.columns if not context.tiling.transposed else context.rows
        if lanes > 1 and not (isinstance(extent, int) and extent % lanes == 0 and not context.tiling.transposed):
            rest = f.sub(columns, full)

            def edge() -> list[Reg]:
                columns_at(full, context.first_lanes(f, rest))
                return []

            f.if_(f.cmp("ne", rest, f.const("i64", 0)), edge, unlikely=True)
        return []

    f.loop(0, rows, 1, row)
    f.finish()
