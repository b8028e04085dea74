"""Which emitter serves which op, and the kernel function around it."""

from __future__ import annotations

from collections.abc import Callable

from ingot.compiler.codegen.emitted import Emitted
from ingot.compiler.codegen.llvm import Function
from ingot.compiler.codegen.special.cumulative import emit_cumulative
from ingot.compiler.codegen.special.frame import Frame
from ingot.compiler.codegen.special.hosted import emit_hosted, emit_require
from ingot.compiler.codegen.special.matrices import emit_cholesky, emit_lu, emit_triangular_solve
from ingot.compiler.codegen.special.native import emit_native_call
from ingot.compiler.codegen.special.order import emit_sort, emit_topk
from ingot.compiler.codegen.special.position import emit_position
from ingot.compiler.codegen.special.random_bits import emit_mt19937, emit_philox
from ingot.compiler.codegen.special.within import emit_within
from ingot.compiler.codegen.special.write import emit_put, emit_scatter
from ingot.compiler.codegen.spelling import Module, Reg
from ingot.compiler.codegen.target import Target
from ingot.compiler.ir import Size
from ingot.compiler.kernel import Kernel, Special
from ingot.runtime.errors import BuildError

EMITTERS: dict[str, Callable[[Frame], Emitted]] = {
    "argmax": emit_position,
    "argmin": emit_position,
    "cumsum": emit_cumulative,
    "cumprod": emit_cumulative,
    "cummax": emit_cumulative,
    "cummin": emit_cumulative,
    "sort": emit_sort,
    "topk": emit_topk,
    "put": emit_put,
    "scatter": emit_scatter,
    "mt19937": emit_mt19937,
    "philox": emit_philox,
    "native_call": emit_native_call,
    "require": emit_require,
    "cholesky": emit_cholesky,
    "lu": emit_lu,
    "triangular_solve": emit_triangular_solve,
    "within": emit_within,
}


def emit_special(
    module: Module, target: Target, kernel: Kernel, sizes: Callable[[Function], Callable[[Size], Reg]]
) -> Emitted:
    """Add the kernel function of a whole op to the module."""
    (stmt,) = kernel.body
    assert isinstance(stmt, Special)
    emitter = EMITTERS.get(stmt.op.name) or (emit_hosted if "hosted" in stmt.op.traits else None)
    if emitter is None:
        raise BuildError("IG404", f"no code is generated for the op {stmt.op.name}")
    return emitter(Frame(module, target, kernel, stmt, sizes))
