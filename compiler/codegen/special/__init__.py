"""Ops that run as one kernel with an emitter of their own: sorting, cumulative ops, scatters, random bits."""

from ingot.compiler.codegen.special.emit import emit_special

__all__ = ["emit_special"]
