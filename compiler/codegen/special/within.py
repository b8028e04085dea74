"""within: indices that are checked on their way; the first that is outside its axis makes the program fail."""

from __future__ import annotations

from collections.abc import Sequence

from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.special.frame import Count, Frame, each_panel, estimate, panels
from ingot.compiler.codegen.spelling import Reg
from ingot.compiler.dims import product
from ingot.compiler.ops.index import OUT_OF_RANGE
from ingot.runtime import failures

REGISTERS = 2


def emit_within(frame: Frame) -> Emitted:
    """The indices are copied, in panels. The status says how many elements the axis has, if that is a small number."""
    f, (indices,) = frame.f, frame.types
    dtype, count = indices.dtype, product(indices.shape)
    lanes = frame.lanes(dtype.bits, count, REGISTERS)
    extent = frame.size(frame.attrs["extent"])
    limit = extent if dtype.bits == 64 else f.cast("trunc", extent, "i32")
    cut = panels(frame.target, 1, count, lanes)

    def panel(_: Reg, start: Reg, width: Count) -> None:
        source, target = (frame.element(p, start, dtype) for p in (frame.operands[0], frame.results[0]))

        def step(at: Reg, mask: Reg | None, carried: list[Reg]) -> Sequence[Reg]:
            found = frame.scalar.load(frame.element(source, at, dtype), dtype, lanes, mask=mask)
            frame.scalar.store(found, frame.element(target, at, dtype), dtype, mask=mask)
            # As unsigned numbers, negative ones are large.
            outside = f.cmp("uge", found, f.splat(limit, lanes))
            return [f.or_(carried[0], outside if mask is None else f.and_(outside, mask))]

        (outside,) = frame.vectors(width, lanes, step, [f.const("i1", False, lanes)])

        def fail() -> list[Reg]:
            known = f.cmp("ult", extent, frame.const(failures.DETAIL))
            detail = f.cast("trunc", f.select(known, extent, frame.const(failures.DETAIL)), "i32")
            frame.fail(f.or_(f.const("i32", OUT_OF_RANGE << failures.DETAIL_BITS), detail))
            return []

        f.if_(f.any(outside), fail, unlikely=True)

    each_panel(frame, cut, panel)
    return frame.emitted(cut.units, estimate(count) / estimate(cut.units) * 0.5)
