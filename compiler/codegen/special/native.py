"""Calls of the user's native functions."""

from __future__ import annotations

from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.special.frame import Frame


def emit_native_call(frame: Frame) -> Emitted:
    """The frame begins with the pointers that the function takes: operands, then results. The linker finds it."""
    symbol = frame.attrs["symbol"]
    frame.module.declare(symbol, f"declare void @{symbol}(ptr)")
    frame.f.effect(f"call void @{symbol}({frame.f.params[0]})")
    return frame.emitted(1, 1000.0)
