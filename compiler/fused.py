"""The node that fusion makes: several values computed by one kernel, with the body as a region."""

from __future__ import annotations

from typing import Any, Literal

from ingot.compiler.interpret import interpret
from ingot.compiler.ir import Graph, Op, Shape, TensorType

Style = Literal["loop", "contract", "special"]


def _infer(
    *operands: TensorType, body: Graph, style: Style, domain: Shape, reduced: tuple[int, ...]
) -> tuple[TensorType, ...]:
    return tuple(v.type for v in body.outputs)


def _eval(*arrays: Any, body: Graph, style: Style, domain: Shape, reduced: tuple[int, ...]) -> tuple[Any, ...]:
    return tuple(interpret(body, *arrays))


# style "loop": one nest over `domain`, of which the axes `reduced` are folded by the reductions in the body.
# style "contract": the body holds one contraction over operands that are views of inputs; the rest is its epilogue.
# style "special": the body is one op with an emitter of its own.
fused: Op = Op(name="fused", kind="control", infer=_infer, eval=_eval, vjp=None, jvp=None, batch=None)
